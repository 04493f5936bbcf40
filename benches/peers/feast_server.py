"""A Feast feature server with the rows that `cargo bench --bench features` asks for: `python feast_server.py FOLDER [WORKERS]`.

Needs `pip install feast`. Fills Feast's own SQLite online store with 100,000 keys of 20 features and serves it on port
6566; then `cargo bench --no-default-features --bench features -- http://127.0.0.1:6566`.
"""

import datetime
import os
import subprocess
import sys

import numpy
import pandas
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

KEYS, FEATURES = 100_000, 20
folder = sys.argv[1]
workers = sys.argv[2] if len(sys.argv) > 2 else "1"
os.makedirs(f"{folder}/data", exist_ok=True)
os.chdir(folder)
if not os.path.exists("data/done"):
    with open("feature_store.yaml", "w") as file:
        file.write(
            "project: bench\nprovider: local\nregistry: data/registry.db\n"
            "online_store: {type: sqlite, path: data/online.db}\nentity_key_serialization_version: 3\n"
        )
    keys = numpy.arange(KEYS)
    frame = pandas.DataFrame({"id": keys, "at": pandas.Timestamp("2026-01-01T12:00:00Z")})
    for place in range(FEATURES):
        frame[f"f{place}"] = (keys * 31 + place) / 7.0
    frame.to_parquet("data/wide.parquet")
    thing = Entity(name="thing", join_keys=["id"], value_type=ValueType.INT64)
    wide = FeatureView(
        name="wide",
        entities=[thing],
        ttl=datetime.timedelta(0),
        schema=[Field(name=f"f{place}", dtype=Float64) for place in range(FEATURES)],
        source=FileSource(path="data/wide.parquet", timestamp_field="at"),
    )
    store = FeatureStore(".")
    store.apply([thing, wide])
    clock = datetime.datetime.now()
    store.materialize(datetime.datetime(2025, 12, 31), datetime.datetime(2026, 1, 2))
    took = (datetime.datetime.now() - clock).total_seconds()
    print(f"materialised {KEYS} rows in {took:.1f} s, {KEYS / took:.0f} rows/s", flush=True)
    open("data/done", "w").close()
subprocess.run(["feast", "serve", "--host", "127.0.0.1", "--port", "6566", "--workers", workers], check=False)
