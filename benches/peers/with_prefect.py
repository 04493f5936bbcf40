"""The graphs in Prefect: its own server on this machine, a flow whose tasks run on its default task runner."""

import os
import shutil
from collections.abc import Iterator

from graphs import Graph
from setting import DEFINITIONS, Measured, Setting, await_page, call, free_port, server, version

TOOL = "Prefect"
#: The oldest FastAPI that Prefect takes: 3.8.8 allows newer ones in which its server does not start.
PACKAGES = ["prefect", "fastapi==0.139.*"]


def versions(setting: Setting) -> str:
    return "Prefect " + version(setting.environment("prefect", PACKAGES) / "python", "prefect")


def measure(setting: Setting, graphs: list[Graph]) -> Iterator[Measured]:
    for graph in graphs:
        yield of_graph(setting, graph)


def of_graph(setting: Setting, graph: Graph) -> Measured:
    """With a server of its own: one that still writes what the flow before has sent it can refuse the next flow."""
    binaries = setting.environment("prefect", PACKAGES)
    home = setting.home / "prefect"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    port = free_port()
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    start = [binaries / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with server(start, home / "server.log", env=environment) as process:
        await_page(f"http://127.0.0.1:{port}/api/health", process)
        file = setting.graph_file(home, graph)
        command = [binaries / "python", DEFINITIONS / "prefect_flow.py", file]
        whole = float(call(TOOL, command, setting.limit, env=environment).splitlines()[-1])
        return setting.measured(TOOL, graph, whole, file.with_suffix(".stamps"))
