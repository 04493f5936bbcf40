"""The graphs in Dagster: `dagster job execute`, a process for each step and all steps in one process."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator

from graphs import Broken, Graph
from setting import DEFINITIONS, Measured, Setting, call, version

#: What Dagster's documentation names for less work a step: a server that forks processes which have
#: imported everything already, and no capture of what steps print.
EXECUTORS = {
    "Dagster, multiprocess": {
        "multiprocess": {
            "max_concurrent": os.cpu_count(),
            "start_method": {"forkserver": {"preload_modules": ["dagster", "dagster_job"]}},
        }
    },
    "Dagster, in_process": {"in_process": {}},
}
INSTANCE = """\
telemetry: {enabled: false}
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
"""


def versions(setting: Setting) -> str:
    return "Dagster " + version(setting.environment("dagster", ["dagster"]) / "python", "dagster")


def measure(setting: Setting, graphs: list[Graph]) -> Iterator[Measured]:
    binaries = setting.environment("dagster", ["dagster"])
    for tool, execution in EXECUTORS.items():
        for graph in graphs:
            home = setting.home / "dagster"
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            (home / "dagster.yaml").write_text(INSTANCE, encoding="utf-8")
            config = home / "run.yaml"
            config.write_text(json.dumps({"execution": {"config": execution}}), encoding="utf-8")
            file = setting.graph_file(home, graph)
            call(
                tool,
                [binaries / "dagster", "job", "execute", "-m", "dagster_job", "-j", "peers", "-c", config],
                setting.limit,
                cwd=DEFINITIONS,
                env={
                    **os.environ,
                    "PEERS_GRAPH": str(file),
                    "DAGSTER_HOME": str(home),
                    "PYTHONPATH": str(DEFINITIONS),
                },
            )
            yield setting.measured(tool, graph, run_time(home), file.with_suffix(".stamps"))


def run_time(home) -> float:
    """The one run's start to its end, by Dagster's own records: imports of the command do not count."""
    with sqlite3.connect(home / "history" / "runs.db") as database:
        rows = database.execute("SELECT start_time, end_time, status FROM runs").fetchall()
    [(start, end, status)] = rows
    if status != "SUCCESS":
        raise Broken(f"Dagster: the run is {status}")
    return end - start
