"""Graphs of tasks, and what the times of their tasks say."""

import dataclasses
import statistics


class Broken(Exception):
    """A tool did not do what was asked; the sentence says what."""


@dataclasses.dataclass(frozen=True)
class Graph:
    """Tasks and the tasks each of them waits for, in an order in which they can run."""

    name: str
    needs: dict[str, list[str]]


def chains(name: str, count: int, length: int) -> Graph:
    """`count` chains, none of which waits for another."""
    needs = {}
    for place in range(length):
        for chain in range(count):
            needs[f"c{chain}_{place}"] = [f"c{chain}_{place - 1}"] if place else []
    return Graph(name, needs)


def tree(tasks: int) -> Graph:
    """A binary tree that grows from one task: two tasks wait for each that is not a leaf."""
    return Graph("tree", {f"t{ix}": [f"t{(ix - 1) // 2}"] if ix else [] for ix in range(tasks)})


#: What can be measured, by name. The last has no two tasks that could run at once: its gaps hold no
#: waiting for a free core.
SHAPES = {
    "short chains": lambda tasks: chains("short chains", tasks // 10, 10),
    "long chains": lambda tasks: chains("long chains", 10, tasks // 10),
    "tree": tree,
    "one chain": lambda tasks: chains("one chain", 1, tasks // 10),
}


@dataclasses.dataclass(frozen=True)
class Gaps:
    """Seconds from the end of the last task that a task waits for to that task's start."""

    median: float
    p99: float


def gaps(graph: Graph, times: dict[str, tuple[float, float]]) -> Gaps:
    """`times`: start and end of each task, seconds of any one clock. `Broken` if a task ran too early or never."""
    missing = [task for task in graph.needs if task not in times]
    if missing:
        raise Broken(f"{graph.name}: {len(missing)} tasks left no times, the first is {missing[0]}")
    waited = sorted(
        times[task][0] - max(times[need][1] for need in needs) for task, needs in graph.needs.items() if needs
    )
    if waited[0] < 0:
        raise Broken(f"{graph.name}: a task started {-waited[0]:.6f} s before what it waits for had ended")
    return Gaps(statistics.median(waited), waited[min(len(waited) - 1, len(waited) * 99 // 100)])


def read_stamps(path: str) -> dict[str, tuple[float, float]]:
    """Start and end that each task has written itself. `Broken` if one ran twice."""
    times: dict[str, tuple[float, float]] = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            task, start, end = line.split()
            if task in times:
                raise Broken(f"{task} ran twice")
            times[task] = (float(start), float(end))
    return times
