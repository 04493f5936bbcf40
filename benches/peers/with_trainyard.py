"""The graphs in Trainyard: a built-in step, and a program for each task."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator

from graphs import Graph
from setting import Measured, Setting, call

STAMP = 'a=$EPOCHREALTIME; b=$EPOCHREALTIME; echo "{task} $a $b" >> times.stamps'


def versions(setting: Setting) -> str:
    return subprocess.run([setting.trainyard, "--version"], check=True, text=True, capture_output=True).stdout.strip()


def measure(setting: Setting, graphs: list[Graph]) -> Iterator[Measured]:
    for graph in graphs:
        yield built_in(setting, graph)
        yield programs(setting, graph)


def pipeline(graph: Graph, step) -> str:
    lines = ["version: 1", "name: peers", "defaults: {cache: false}", "steps:"]
    for task, needs in graph.needs.items():
        lines.append(f"  {task}: {json.dumps({**step(task), 'needs': needs})}")
    return "\n".join(lines) + "\n"


def run(setting: Setting, graph: Graph, tool: str, text: str) -> Measured:
    """The command in an empty project."""
    folder = setting.home / "trainyard"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "trainyard.yaml").write_text("version: 1\nname: peers\n", encoding="utf-8")
    (folder / "pipeline.yaml").write_text(text, encoding="utf-8")
    start = time.monotonic()
    call("Trainyard", [setting.trainyard, "run", "pipeline.yaml"], setting.limit, cwd=folder)
    return setting.measured(tool, graph, time.monotonic() - start, folder / "times.stamps")


def built_in(setting: Setting, graph: Graph) -> Measured:
    def step(_: str) -> dict:
        return {"uses": "debug.noop@v1", "with": {"stamps": "times.stamps"}}

    return run(setting, graph, "Trainyard, built-in step", pipeline(graph, step))


def programs(setting: Setting, graph: Graph) -> Measured:
    def step(task: str) -> dict:
        return {"uses": "run.shell@v1", "with": {"shell": "bash", "script": STAMP.format(task=task)}}

    return run(setting, graph, "Trainyard, program", pipeline(graph, step))
