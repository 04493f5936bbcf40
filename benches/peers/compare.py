"""The same graphs of trivial tasks in Trainyard, Airflow, Prefect and Dagster: whole times and gaps.

Prints a table of ratios; see README.md beside this file.
"""

import argparse
import datetime
import os
import pathlib
import platform
import signal
import subprocess
import sys

import graphs
import with_airflow
import with_dagster
import with_prefect
import with_trainyard
from setting import Measured, Setting, flush_of_disk

TOOLS = {
    "trainyard": with_trainyard,
    "prefect": with_prefect,
    "dagster": with_dagster,
    "airflow": with_airflow,
}


def main() -> int:
    options = arguments()
    # Told to stop, it ends its servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    setting = Setting(options.home, str(pathlib.Path(options.trainyard).resolve()), options.limit)
    print(
        f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, Linux {platform.release()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, niceness {os.nice(0)}, "
        f"Python {platform.python_version()}"
    )
    for name in options.only:
        print(TOOLS[name].versions(setting), flush=True)
    wanted = [graphs.SHAPES[name](options.tasks) for name in options.graphs]
    broken = False
    flushes = [flush_of_disk(setting.home)]
    rows: list[Measured] = []
    for name in options.only:
        try:
            for row in TOOLS[name].measure(setting, wanted):
                print(f"  {row.tool}, {row.graph}: {row.whole:.3f} s", flush=True)
                rows.append(row)
        except (TimeoutError, subprocess.TimeoutExpired) as late:
            print(f"  {name}: given up: {late}", flush=True)
            broken = True
        except graphs.Broken as fault:
            print(f"  {fault}", flush=True)
            broken = True
        flushes.append(flush_of_disk(setting.home))
    # How far these differ says how far the figures can be trusted.
    flush = flushes[0]
    print(f"\nappend of 300 bytes + fdatasync, median: {' '.join(f'{took * 1e3:.3f}' for took in flushes)} ms")
    print(f"two flushes, by the first: {2 * flush * 1e3:.3f} ms\n")
    print(table(rows, 2 * flush))
    return 1 if broken else 0


def table(rows: list[Measured], two_flushes: float) -> str:
    """Whole times beside Trainyard's on the same graph, and gaps beside two flushes of the disk."""
    ours = {(row.graph, row.tool): row.whole for row in rows if row.tool.startswith("Trainyard")}
    lines = [
        "| graph | tool | whole, s | a task, ms | ÷ program | ÷ built-in | gap p50, ms | gap p99, ms | p50 ÷ two flushes |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]

    def beside(row: Measured, tool: str) -> str:
        own = ours.get((row.graph, tool))
        return f"{row.whole / own:.1f}" if own else ""

    order = list(graphs.SHAPES)
    for row in sorted(rows, key=lambda row: order.index(row.graph)):
        lines.append(
            f"| {row.graph}, {row.tasks} | {row.tool} | {row.whole:.2f} | {row.whole / row.tasks * 1e3:.2f} "
            f"| {beside(row, 'Trainyard, program')} | {beside(row, 'Trainyard, built-in step')} "
            f"| {row.gaps.median * 1e3:.2f} | {row.gaps.p99 * 1e3:.2f} | {row.gaps.median / two_flushes:.1f} |"
        )
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000, help="tasks of each graph, a multiple of 10; a tenth of it in `one chain`")
    parser.add_argument(
        "--only", default=",".join(TOOLS), help=f"tools to measure, of {', '.join(TOOLS)}; separated by commas"
    )
    parser.add_argument(
        "--graphs", default=",".join(graphs.SHAPES), help=f"of {', '.join(graphs.SHAPES)}; separated by commas"
    )
    parser.add_argument("--trainyard", default="target/release/trainyard", help="the binary, from a release build")
    parser.add_argument(
        "--home",
        type=pathlib.Path,
        default=pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "trainyard-peers",
        help="folder for virtual environments and state; has to be on the disk that is to be measured",
    )
    parser.add_argument("--limit", type=float, default=3600, help="seconds after which a tool is given up")
    options = parser.parse_args()
    options.only = choice(parser, options.only, TOOLS)
    options.graphs = choice(parser, options.graphs, graphs.SHAPES)
    if options.tasks < 20 or options.tasks % 10:
        parser.error("--tasks has to be a multiple of 10, at least 20")
    return options


def choice(parser: argparse.ArgumentParser, text: str, known: dict) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := set(names) - known.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
