"""Point-in-time joins: 1 M entity rows with three views, in Trainyard and in what it stands beside.

    python benches/peers/point_in_time.py make FOLDER [--scale 1.0]
    python benches/peers/point_in_time.py polars|polars-sorted|pandas|feast-duckdb|feast-file FOLDER
    python benches/peers/point_in_time.py trainyard FOLDER --trainyard target/release/trainyard

`make` writes Parquet files: `entities` (1 M rows, 30 days), `city` (1 M rows, texts as keys), `driver` (3 M rows) and `pair` (5 M
rows, both keys), views in the order in which Trainyard keeps them, by key and time. Each other command reads the files, joins
with a ttl of seven days, writes the result as Parquet, and prints seconds on the clock, processor seconds, the largest
memory, and how many rows found something. Wanted: numpy, polars and pandas with pyarrow, or `feast[duckdb]`.

`polars` is `join_asof` by keys with a tolerance, after the sort by time that it wants; `polars-sorted` and `pandas` are given views
that lie sorted by time already. None of them looks at created times, which Feast and Trainyard do.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

VIEWS = {"city": (["city"], 1_000_000), "driver": (["driver"], 3_000_000), "pair": (["driver", "city"], 5_000_000)}
TTL = timedelta(days=7)
DAYS = 30


def make(folder, scale):
    import numpy
    import polars

    folder.mkdir(parents=True, exist_ok=True)
    draw = numpy.random.default_rng(7)
    start = numpy.datetime64("2026-01-01T00:00:00", "us")
    drivers, cities = int(100_000 * scale), 1_000
    names = numpy.array([f"city-{number:05}" for number in range(cities)])

    def keys(name, rows, places):
        if name == "city":
            return names[places["city"] if places is not None else draw.integers(0, cities, rows)]
        return 1_000_003 * (places["driver"] if places is not None else draw.integers(0, drivers, rows))

    def times(rows):
        return start + draw.integers(0, DAYS * 86_400_000_000, rows).astype("timedelta64[us]")

    rows = int(1_000_000 * scale)
    # A driver works in ten cities, so that pairs are met again.
    driver = draw.integers(0, drivers, rows)
    city = (driver * 7 + draw.integers(0, 10, rows)) % cities
    entities = polars.DataFrame(
        {"driver": 1_000_003 * driver, "city": names[city], "event_timestamp": times(rows), "label": draw.random(rows)}
    )
    entities.with_columns(polars.col("event_timestamp").dt.replace_time_zone("UTC")).write_parquet(folder / "entities.parquet")
    for name, (columns, rows) in VIEWS.items():
        rows = int(rows * scale)
        driver = draw.integers(0, drivers, rows)
        places = {"driver": driver, "city": (driver * 7 + draw.integers(0, 10, rows)) % cities}
        at = times(rows)
        frame = polars.DataFrame(
            {column: keys(column, rows, places) for column in columns}
            | {
                "event_timestamp": at,
                "created": at + draw.integers(0, 3_600_000_000, rows).astype("timedelta64[us]"),
                f"{name}_a": draw.random(rows),
                f"{name}_b": draw.integers(0, 1000, rows),
                f"{name}_c": draw.random(rows),
            }
        ).with_columns(polars.col("event_timestamp", "created").cast(polars.Datetime("us")).dt.replace_time_zone("UTC"))
        frame.sort([*columns, "event_timestamp", "created"]).write_parquet(folder / f"{name}.parquet")
        frame.sort("event_timestamp").write_parquet(folder / f"{name}_by_time.parquet")


def with_polars(folder, by_time):
    import polars

    joined = polars.scan_parquet(folder / "entities.parquet").with_row_index("row").sort("event_timestamp")
    for name, (keys, _) in VIEWS.items():
        view = polars.scan_parquet(folder / f"{name}{'_by_time' if by_time else ''}.parquet").drop("created")
        view = view.set_sorted("event_timestamp") if by_time else view.sort("event_timestamp")
        joined = joined.join_asof(view, on="event_timestamp", by=keys, tolerance=TTL, check_sortedness=False)
    found = joined.sort("row").drop("row").collect()
    found.write_parquet(folder / "found_polars.parquet", compression="snappy")
    return {name: found.height - found[f"{name}_a"].null_count() for name in VIEWS}


def with_pandas(folder):
    import pandas

    joined = pandas.read_parquet(folder / "entities.parquet")
    joined["row"] = range(len(joined))
    joined = joined.sort_values("event_timestamp")
    for name, (keys, _) in VIEWS.items():
        view = pandas.read_parquet(folder / f"{name}_by_time.parquet").drop(columns="created")
        joined = pandas.merge_asof(joined, view, on="event_timestamp", by=keys, tolerance=pandas.Timedelta(TTL))
    found = joined.sort_values("row").drop(columns="row")
    found.to_parquet(folder / "found_pandas.parquet")
    return {name: int(found[f"{name}_a"].notna().sum()) for name in VIEWS}


def with_feast(folder, store):
    import pandas
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource
    from feast.repo_config import RepoConfig
    from feast.types import Float64, Int64
    from feast.value_type import ValueType

    home = folder / f"feast_{store}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    driver = Entity(name="driver", join_keys=["driver"], value_type=ValueType.INT64)
    city = Entity(name="city", join_keys=["city"], value_type=ValueType.STRING)
    of = {"driver": driver, "city": city}
    views, features = [], []
    for name, (keys, _) in VIEWS.items():
        source = FileSource(
            name=f"{name}_rows",
            path=str(folder / f"{name}.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        )
        schema = [Field(name=f"{name}_a", dtype=Float64), Field(name=f"{name}_b", dtype=Int64), Field(name=f"{name}_c", dtype=Float64)]
        views.append(FeatureView(name=name, entities=[of[key] for key in keys], ttl=TTL, schema=schema, source=source))
        features += [f"{name}:{field.name}" for field in schema]
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(home / "registry.db"),
        offline_store={"type": store},
        online_store={"type": "sqlite", "path": str(home / "online.db")},
        entity_key_serialization_version=3,
    )
    feast = FeatureStore(config=config)
    feast.apply([driver, city, *views])
    began = time.perf_counter(), processor()
    entities = pandas.read_parquet(folder / "entities.parquet")
    found = feast.get_historical_features(entity_df=entities, features=features).to_df()
    found.to_parquet(folder / f"found_feast_{store}.parquet")
    return began, {name: int(found[f"{name}_a"].notna().sum()) for name in VIEWS}


def with_trainyard(folder, trainyard):
    project = folder / "project"
    (project / "features").mkdir(parents=True, exist_ok=True)
    views = {
        name: {
            "entities": keys,
            "source": {"path": str((folder / f"{name}.parquet").resolve())},
            "event_time": "event_timestamp",
            "created_time": "created",
            "ttl": "7d",
            "features": {f"{name}_a": {"type": "number"}, f"{name}_b": {"type": "integer"}, f"{name}_c": {"type": "number"}},
        }
        for name, (keys, _) in VIEWS.items()
    }
    entities = {"driver": {"keys": {"driver": "integer"}}, "city": {"keys": {"city": "string"}}}
    (project / "features" / "bench.yaml").write_text(json.dumps({"version": 1, "entities": entities, "views": views}))
    features = ",".join(f"{name}:*" for name in VIEWS)
    found = folder / "found_trainyard.parquet"
    began = time.perf_counter(), processor()
    command = [trainyard, "features", "get-historical", "--entities", folder / "entities.parquet", "--event-time", "event_timestamp"]
    subprocess.run([*command, "--features", features, "-o", found], cwd=project, check=True)
    return began, None


def processor():
    return sum(sum(resource.getrusage(who)[:2]) for who in [resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=["make", "polars", "polars-sorted", "pandas", "feast-duckdb", "feast-file", "trainyard"])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--scale", type=float, default=1.0)
    arguments.add_argument("--trainyard", type=Path, default=Path("target/release/trainyard"))
    given = arguments.parse_args()
    if given.what == "make":
        make(given.folder, given.scale)
        return
    # What a tool needs before it can be asked is not counted against it.
    if given.what in ["polars", "polars-sorted", "pandas"]:
        __import__(given.what.split("-")[0])
    began = time.perf_counter(), processor()
    match given.what:
        case "polars" | "polars-sorted":
            matched = with_polars(given.folder, given.what == "polars-sorted")
        case "pandas":
            matched = with_pandas(given.folder)
        case "feast-duckdb":
            began, matched = with_feast(given.folder, "duckdb")
        case "feast-file":
            began, matched = with_feast(given.folder, "file")
        case _:
            began, matched = with_trainyard(given.folder, given.trainyard.resolve())
    clock, used = time.perf_counter() - began[0], processor() - began[1]
    memory = max(resource.getrusage(who).ru_maxrss for who in [resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN])
    print(f"{given.what:14} {clock:8.2f} s   {used:8.2f} s of processor   {memory / 1024:8.0f} MB   {matched or ''}")


if __name__ == "__main__":
    sys.exit(main())
