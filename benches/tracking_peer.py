"""Starts MLflow's server on SQLite with 10,000 runs like those of `benches/tracking.rs`, says how long it took to
answer, and runs a command with its address in MLFLOW_PEER: `python tracking_peer.py -- COMMAND…`.

The runs are put into its tables directly, because its API would take minutes for them."""

import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

RUNS = 10_000


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False


def serve(folder, port):
    began = time.time()
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
         "--default-artifact-root", f"{folder}/artifacts", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not answers(f"http://127.0.0.1:{port}/health"):
        time.sleep(0.01)
    return server, time.time() - began


def fill(path):
    db = sqlite3.connect(path)
    columns = [row[1] for row in db.execute("pragma table_info(experiments)")]
    db.execute("insert into experiments (name, lifecycle_stage, artifact_location, creation_time, last_update_time"
               + (", workspace" if "workspace" in columns else "") + ") values ('filled', 'active', 'x', 1, 1"
               + (", 'default'" if "workspace" in columns else "") + ")")
    experiment = db.execute("select experiment_id from experiments where name = 'filled'").fetchone()[0]
    for number in range(RUNS):
        run = f"{number:032x}"
        db.execute("insert into runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
                   " source_version, lifecycle_stage, artifact_uri, experiment_id) values (?, ?, 'UNKNOWN', '', '', 'u',"
                   " 'RUNNING', 1700000000000, '', 'active', 'x', ?)", (run, f"r{number}", experiment))
        for at in range(5):
            value = (number * 7919 + at * 31) % 1000 / 1000
            db.execute("insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, 1, ?, 0, 0)",
                       (f"m{at}", value, run))
            db.execute("insert into latest_metrics (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, 1, ?, 0, 0)",
                       (f"m{at}", value, run))
            db.execute("insert into params (key, value, run_uuid) values (?, ?, ?)", (f"p{at}", str((number + at) % 10), run))
        for at in range(3):
            db.execute("insert into tags (key, value, run_uuid) values (?, ?, ?)", (f"t{at}", f"v{number % 100}", run))
        db.execute("insert into tags (key, value, run_uuid) values ('mlflow.runName', ?, ?)", (f"r{number}", run))
    db.commit()
    return experiment


def main():
    command = sys.argv[sys.argv.index("--") + 1:]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        server, _ = serve(folder, port)
        server.terminate()
        server.wait()
        experiment = fill(f"{folder}/mlflow.db")
        server, took = serve(folder, port)
        print(f"MLflow answered {took:.1f} s after its start", flush=True)
        try:
            environment = {**os.environ, "MLFLOW_PEER": f"127.0.0.1:{port}/{experiment}"}
            return subprocess.run(command, env=environment).returncode
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
