"""The graphs in Airflow: scheduler with LocalExecutor, API server, PostgreSQL."""

import contextlib
import datetime
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator

import graphs as all_graphs
from graphs import Broken, Graph
from setting import DEFINITIONS, Measured, Setting, await_page, call, free_port, server, version

PACKAGES = ["apache-airflow", "psycopg2-binary", "asyncpg"]


def versions(setting: Setting) -> str:
    airflow = version(setting.environment("airflow", PACKAGES) / "python", "apache-airflow")
    told = subprocess.run([postgres_binaries() / "postgres", "--version"], check=True, text=True, capture_output=True)
    return f"Airflow {airflow} on {told.stdout.strip()}"


def postgres_binaries() -> pathlib.Path:
    found = shutil.which("postgres")
    folders = [pathlib.Path(found).resolve().parent] if found else []
    folders += sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if all((folder / name).exists() for name in ["postgres", "initdb", "pg_ctl", "pg_isready", "psql"]):
            return folder
    raise Broken("Airflow's LocalExecutor needs PostgreSQL: install its server")


class Database:
    """A fresh PostgreSQL with its defaults, so with `fsync`; listens on loopback only."""

    def __init__(self, home: pathlib.Path):
        self.home = home
        self.binaries = postgres_binaries()
        self.port = free_port()
        self.url = f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/airflow"
        #: PostgreSQL refuses to run as root.
        self.user = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("nobody")
            self.user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        folder = self.home / "postgres"
        folder.mkdir()
        if self.user:
            os.chown(folder, self.user["user"], self.user["group"])
        data = folder / "data"
        initdb = [self.binaries / "initdb", "-D", data, "-U", "airflow", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, cwd=folder, stdout=subprocess.DEVNULL, **self.user)
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
        start = [self.binaries / "postgres", "-D", data]
        for setting in [*settings, "max_connections=300"]:
            start += ["-c", setting]
        with server(start, self.home / "postgres.log", cwd=folder, **self.user) as process:
            end = time.monotonic() + 60
            while not self.answers():
                if process.poll() is not None or time.monotonic() > end:
                    raise Broken("PostgreSQL does not start: see postgres.log")
                time.sleep(0.1)
            self.ask("CREATE DATABASE airflow", "postgres")
            yield
            # Those still connected are sent away instead of waited for.
            subprocess.run(
                [self.binaries / "pg_ctl", "-D", data, "stop", "-m", "fast"],
                check=False,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                **self.user,
            )

    def answers(self) -> bool:
        ready = [self.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "airflow"]
        return subprocess.run(ready, check=False).returncode == 0

    def ask(self, query: str, database: str = "airflow") -> str:
        command = [self.binaries / "psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.port)]
        command += ["-U", "airflow", "-d", database, "-c", query]
        return subprocess.run(command, check=True, text=True, capture_output=True).stdout.strip()


def measure(setting: Setting, graphs: list[Graph]) -> Iterator[Measured]:
    home = setting.home / "airflow"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    database = Database(home)
    with database.serving():
        for parallelism in sorted({os.cpu_count() or 1, 32}):
            yield from with_parallelism(setting, graphs, database, home, parallelism)


def with_parallelism(
    setting: Setting, graphs: list[Graph], database: Database, home: pathlib.Path, parallelism: int
) -> Iterator[Measured]:
    folder = home / f"parallelism_{parallelism}"
    dags = folder / "dags"
    dags.mkdir(parents=True)
    warm = Graph("warm", all_graphs.tree(2 * (os.cpu_count() or 1)).needs)
    files = {}
    for graph in [warm, *graphs]:
        name = f"{graph.name.replace(' ', '_')}_{parallelism}"
        more = {"id": name, "definitions": str(DEFINITIONS)}
        files[name] = setting.graph_file(dags, Graph(name, graph.needs), **more)
        shutil.copy(DEFINITIONS / "airflow_dag.py", dags / f"{name}.py")
    binaries = setting.environment("airflow", PACKAGES)
    port = free_port()
    environment = {
        **os.environ,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        **settings(folder, dags, database.url, port, parallelism),
    }

    def airflow(*arguments: str) -> None:
        called = f"airflow {' '.join(arguments)}"
        call(called, [binaries / "airflow", *arguments], setting.limit, env=environment, cwd=folder)

    airflow("db", "migrate")
    # The slots of the pool every task is in are not to be what limits it.
    airflow("pools", "set", "default_pool", str(max(len(graph.needs) for graph in graphs) + 128), "all")
    airflow("dags", "reserialize")
    serve = [binaries / "airflow", "api-server", "--host", "127.0.0.1", "--port", str(port)]
    schedule = [binaries / "airflow", "scheduler"]
    with server(serve, folder / "api-server.log", env=environment, cwd=folder) as api:
        await_page(f"http://127.0.0.1:{port}/api/v2/version", api)
        with server(schedule, folder / "scheduler.log", env=environment, cwd=folder):
            for graph in [warm, *graphs]:
                name = f"{graph.name.replace(' ', '_')}_{parallelism}"
                airflow("dags", "trigger", name)
                whole = run_time(database, name, setting.limit)
                if graph is not warm:
                    tool = f"Airflow, parallelism {parallelism}"
                    yield setting.measured(tool, graph, whole, files[name].with_suffix(".stamps"))


def settings(folder: pathlib.Path, dags: pathlib.Path, url: str, port: int, parallelism: int) -> dict[str, str]:
    """What Airflow's documentation names for one machine and a quick scheduler."""
    chosen = {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": parallelism,
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": 100_000,
        "CORE__DAGS_FOLDER": dags,
        "CORE__LOAD_EXAMPLES": False,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        "CORE__FERNET_KEY": "",
        "DATABASE__SQL_ALCHEMY_CONN": url,
        "DATABASE__SQL_ALCHEMY_POOL_SIZE": 20,
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__SECRET_KEY": "a secret of a server on loopback for one bench",
        "API_AUTH__JWT_SECRET": "a secret of a server on loopback for one bench, long enough for SHA-512",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.05,
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": 1,
        "SCHEDULER__MAX_TIS_PER_QUERY": 0,
        # A machine that is busy is no reason to lose a task.
        "WORKERS__EXECUTION_API_TIMEOUT": 60,
        "LOGGING__LOGGING_LEVEL": "WARNING",
        "USAGE_DATA_COLLECTION__ENABLED": False,
    }
    return {"AIRFLOW_HOME": str(folder), **{f"AIRFLOW__{key}": str(value) for key, value in chosen.items()}}


def run_time(database: Database, name: str, limit: float) -> float:
    """Trigger to end of the DAG's run, by Airflow's own records."""
    end = time.monotonic() + limit
    query = f"SELECT json_build_array(state, queued_at, end_date) FROM dag_run WHERE dag_id = '{name}'"
    while True:
        [(state, queued, ended)] = [json.loads(line) for line in database.ask(query).splitlines()]
        if state == "success" and ended:
            return (datetime.datetime.fromisoformat(ended) - datetime.datetime.fromisoformat(queued)).total_seconds()
        if state == "failed":
            raise Broken(f"Airflow: the run of {name} failed")
        if time.monotonic() > end:
            raise TimeoutError(f"{name}: {state} after {limit:.0f} s")
        time.sleep(0.5)
