"""The graphs in Trainyard: a built-in step, and a program for each task."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator

from graphs import Graph, gaps
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


def run(setting: Setting, text: str, *arguments: str) -> tuple[float, str]:
    """Wall time of the command in an empty project, and what it printed."""
    folder = setting.home / "trainyard"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "trainyard.yaml").write_text("version: 1\nname: peers\n", encoding="utf-8")
    (folder / "pipeline.yaml").write_text(text, encoding="utf-8")
    start = time.monotonic()
    printed = call("Trainyard", [setting.trainyard, "run", "pipeline.yaml", *arguments], setting.limit, cwd=folder)
    return time.monotonic() - start, printed


def built_in(setting: Setting, graph: Graph) -> Measured:
    """Times are the run's own events: the worker's start, and when the engine hears of the end."""
    took, printed = run(setting, pipeline(graph, lambda _: {"uses": "debug.noop@v1"}), "--format", "json")
    starts, ends = {}, {}
    for line in printed.splitlines():
        event = json.loads(line)
        if event["event"] == "attempt_began":
            starts[event["instance"]] = event["at"] / 1e6
        elif event["event"] == "attempt_succeeded":
            ends[event["instance"]] = event["at"] / 1e6
    times = {task: (start, ends[task]) for task, start in starts.items()}
    return Measured("Trainyard, built-in step", graph.name, len(graph.needs), took, gaps(graph, times))


def programs(setting: Setting, graph: Graph) -> Measured:
    def step(task: str) -> dict:
        return {"uses": "run.shell@v1", "with": {"shell": "bash", "script": STAMP.format(task=task)}}

    took, _ = run(setting, pipeline(graph, step))
    return setting.measured("Trainyard, program", graph, took, setting.home / "trainyard" / "times.stamps")
