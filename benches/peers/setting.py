"""What all measurements share: folders outside the clone, virtual environments, child processes, the disk."""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator

from graphs import Broken, Gaps, Graph, gaps, read_stamps

DEFINITIONS = pathlib.Path(__file__).resolve().parent / "definitions"


@dataclasses.dataclass(frozen=True)
class Measured:
    """One graph in one tool. `whole` and the gaps are seconds."""

    tool: str
    graph: str
    tasks: int
    whole: float
    gaps: Gaps


class Setting:
    def __init__(self, home: pathlib.Path, trainyard: str, limit: float):
        self.home = home.resolve()
        self.trainyard = trainyard
        #: Seconds after which a graph in one tool is given up.
        self.limit = limit
        self.home.mkdir(parents=True, exist_ok=True)

    def environment(self, name: str, packages: list[str]) -> pathlib.Path:
        """The `bin` folder of a virtual environment that has the packages; made if there is none."""
        folder = self.home / "venv" / name
        ready = folder / "ready"
        if not ready.exists():
            print(f"installing {' '.join(packages)} into {folder}", file=sys.stderr, flush=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([folder / "bin" / "pip", "install", "--quiet", *packages], check=True)
            ready.touch()
        return folder / "bin"

    def graph_file(self, folder: pathlib.Path, graph: Graph, **more: str) -> pathlib.Path:
        """Writes the graph for a definition; tasks leave their times in the file beside it."""
        path = folder / f"{graph.name.replace(' ', '_')}.json"
        document = {"needs": graph.needs, "stamps": str(path.with_suffix(".stamps")), **more}
        path.write_text(json.dumps(document), encoding="utf-8")
        path.with_suffix(".stamps").unlink(missing_ok=True)
        return path

    def measured(self, tool: str, graph: Graph, whole: float, stamps: pathlib.Path) -> Measured:
        return Measured(tool, graph.name, len(graph.needs), whole, gaps(graph, read_stamps(str(stamps))))


def version(python: pathlib.Path, package: str) -> str:
    asked = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", asked], check=True, text=True, capture_output=True).stdout.strip()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def server(command: list, log: pathlib.Path, **options) -> Iterator[subprocess.Popen]:
    """Runs a server and ends it with all it has started; what it says goes to `log`."""
    with open(log, "ab") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, **options
        )
    try:
        yield process
    finally:
        process.terminate()
        end_group(process, 30)


def call(tool: str, command: list, limit: float, **options) -> str:
    """What a command prints. `TimeoutExpired` after `limit` seconds, when it and all it has started are ended."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )
    try:
        printed, said = process.communicate(timeout=limit)
    finally:
        end_group(process, 0)
    if process.returncode:
        raise Broken(f"{tool}: exit code {process.returncode}: {said[-3000:]}")
    return printed


def end_group(process: subprocess.Popen, grace: float) -> None:
    """Waits for the end of a session's first process, then ends what is left of the session."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def await_page(url: str, process: subprocess.Popen, seconds: float = 600) -> None:
    """Until a server answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                page.read()
            return
        except OSError as fault:
            if process.poll() is not None or time.monotonic() > end:
                raise Broken(f"{url}: {fault}") from fault
            time.sleep(0.2)


def flush_of_disk(folder: pathlib.Path, times: int = 1000) -> float:
    """Median seconds of appending 300 bytes, an event's size, and flushing them."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(times):
            start = time.perf_counter()
            file.write(b"x" * 300)
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - start)
    return statistics.median(took)
