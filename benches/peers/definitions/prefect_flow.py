"""A graph as a Prefect flow: `python prefect_flow.py GRAPH.json`. Prints the seconds the flow took."""

import json
import sys
import time

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import wait
from task import stamp

with open(sys.argv[1], encoding="utf-8") as file:
    GRAPH = json.load(file)


@task(cache_policy=NO_CACHE, persist_result=False)
def work(path: str, name: str) -> None:
    stamp(path, name)


@flow
def peers(path: str, needs: dict[str, list[str]]) -> None:
    futures = {}
    for name, before in needs.items():
        futures[name] = work.submit(path, name, wait_for=[futures[need] for need in before])
    wait(list(futures.values()))


# Connections, imports and the first migration of a client's caches are not what is measured.
peers("/dev/null", {"a": [], "b": ["a"]})
start = time.monotonic()
peers(GRAPH["stamps"], GRAPH["needs"])
print(time.monotonic() - start)
