"""Holds trees beside those of LightGBM and scikit-learn: same rows, same splits, same settings.

    cargo build --release -p trainyard-models --example compare
    python steps/models/examples/compare.py RUNS.jsonl [--data FOLDER] [--only NAME ...] [--threads 2] > table.md

RUNS.jsonl keeps every run, set by set; sets that are there already are not run again.

Needs lightgbm, pandas, pyarrow and scikit-learn (figures in README.md: 4.7, 3, 22 and 1.9). FOLDER holds
`flights`, `adult` and, if it is there, `german_credit`; the other sets come with scikit-learn or are made by it.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time
import warnings

import lightgbm
import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.ensemble import (
    ExtraTreesClassifier, ExtraTreesRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor,
    RandomForestClassifier, RandomForestRegressor,
)
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).resolve().parents[3]
# Small sets need more splits for a mean that can be told from chance.
SPLITS, SPLITS_OF_SMALL_SETS = 5, 10


def bunch(loaded, task):
    x = pd.DataFrame(loaded.data, columns=[f"x{i}" for i in range(loaded.data.shape[1])])
    return x, np.asarray(loaded.target, dtype=float), task


def made(values, task):
    return pd.DataFrame(values[0], columns=[f"x{i}" for i in range(values[0].shape[1])]), values[1].astype(float), task


def flights(folder):
    table = pd.read_parquet(folder / "flights/flights.parquet")
    table = table[table.arr_delay.notna()]
    x = table[["month", "day", "hour", "minute", "sched_dep_time", "sched_arr_time", "distance"]].astype(float)
    for name in ["carrier", "origin", "dest"]:
        x[name] = table[name].astype("category")
    return x.reset_index(drop=True), (table.arr_delay > 15).to_numpy().astype(float), "binary"


def adult(folder):
    table = pd.read_parquet(folder / "adult/adult.parquet")
    label = [c for c in table.columns if c.startswith("income")][0]
    y = table[label].astype(str).str.contains(">50K").to_numpy().astype(float)
    return typed(table.drop(columns=[label])), y, "binary"


def german(folder):
    table = pd.read_csv(folder / "german_credit/german_credit.csv")
    return typed(table.drop(columns=["risk"])), (table.risk == table.risk.max()).to_numpy().astype(float), "binary"


def typed(table):
    x = table.copy()
    for name in x.columns:
        numeric = pd.api.types.is_numeric_dtype(x[name])
        x[name] = x[name].astype(float) if numeric else x[name].astype("category")
    return x


def with_missing(values):
    x, y, task = values
    holes = np.random.default_rng(0).random(x.shape) < 0.2
    return x.mask(holes), y, task


def sets(folder):
    if (folder / "german_credit").exists():
        yield "german_credit", lambda: german(folder)
    yield "breast_cancer", lambda: bunch(datasets.load_breast_cancer(), "binary")
    yield "hastie", lambda: hastie()
    yield "clusters_with_missing", lambda: with_missing(made(datasets.make_classification(
        10_000, 30, n_informative=12, n_redundant=6, flip_y=0.05, random_state=0), "binary"))
    yield "digits", lambda: bunch(datasets.load_digits(), "classes")
    yield "wine", lambda: bunch(datasets.load_wine(), "classes")
    yield "iris", lambda: bunch(datasets.load_iris(), "classes")
    yield "five_classes", lambda: made(datasets.make_classification(
        10_000, 20, n_informative=10, n_classes=5, random_state=1), "classes")
    yield "diabetes", lambda: bunch(datasets.load_diabetes(), "number")
    yield "friedman1", lambda: made(datasets.make_friedman1(10_000, 10, noise=1.0, random_state=0), "number")
    yield "friedman2", lambda: made(datasets.make_friedman2(10_000, noise=50.0, random_state=0), "number")
    yield "adult", lambda: adult(folder)
    yield "flights", lambda: flights(folder)


def hastie():
    x, y = datasets.make_hastie_10_2(10_000, random_state=0)
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(10)]), (y > 0).astype(float), "binary"


def split(name, y, task):
    """For each split the rows that train and those that test."""
    if name == "flights":
        limits = {"train_size": 100_000, "test_size": 100_000}
    else:
        limits = {"test_size": 0.3}
    kind = ShuffleSplit if task == "number" else StratifiedShuffleSplit
    splits = SPLITS if len(y) > 5_000 else SPLITS_OF_SMALL_SETS
    drawn = kind(splits, random_state=7, **limits).split(np.zeros(len(y)), y)
    return [(np.sort(train), np.sort(test)) for train, test in drawn]


def write(path, x, y, task, parts):
    numeric = [c for c in x.columns if x[c].dtype != "category"]
    categorical = sorted(c for c in x.columns if x[c].dtype == "category")
    classes = None if task == "number" else [f"class {int(c):03}" for c in sorted(set(y))]
    header = {"rows": len(y), "numeric": numeric, "classes": classes, "splits": len(parts),
              "categorical": {c: [str(v) for v in x[c].cat.categories] for c in categorical}}
    with open(path, "wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        for c in numeric:
            file.write(x[c].to_numpy().astype("<f8").tobytes())
        for c in categorical:
            file.write(x[c].cat.codes.to_numpy().astype("<i4").tobytes())
        file.write(y.astype("<f8").tobytes())
        for train, test in parts:
            marks = np.full(len(y), 2, dtype=np.uint8)
            marks[train], marks[test] = 0, 1
            file.write(marks.tobytes())


def settings(rows):
    rounds = 200 if rows > 2_000 else 100
    leaf = 20 if rows > 50_000 else 1
    return rounds, leaf


def peers(task, rounds, leaf, threads, seed):
    number = task == "number"
    boosting = dict(n_estimators=rounds, learning_rate=0.1, num_leaves=31, min_child_samples=20)
    hist = dict(max_iter=rounds, learning_rate=0.1, max_leaf_nodes=31, min_samples_leaf=20, early_stopping=False,
                categorical_features="from_dtype", random_state=seed)
    trees = dict(n_estimators=100, min_samples_leaf=leaf, n_jobs=threads, random_state=seed)
    return {
        "lightgbm": (lightgbm.LGBMRegressor if number else lightgbm.LGBMClassifier)(
            **boosting, n_jobs=threads, random_state=seed, verbose=-1),
        "hist_gradient_boosting": (HistGradientBoostingRegressor if number else HistGradientBoostingClassifier)(**hist),
        "sklearn_forest": (RandomForestRegressor if number else RandomForestClassifier)(**trees),
        "sklearn_extra_trees": (ExtraTreesRegressor if number else ExtraTreesClassifier)(**trees),
    }


def codes(x):
    """Categories as numbers, for forests that know none."""
    return x.apply(lambda c: c.cat.codes.astype(float).where(c.notna()) if c.dtype == "category" else c)


def score(task, y, predicted):
    """AUC (one against the rest for several classes) or RMSE."""
    if task == "number":
        return float(np.sqrt(np.mean((y - predicted) ** 2)))
    if predicted.ndim == 1:
        return float(roc_auc_score(y, predicted))
    return float(roc_auc_score(y, predicted / predicted.sum(1, keepdims=True), multi_class="ovr"))


def loss(task, y, predicted):
    return float("nan") if task == "number" else float(log_loss(y, np.clip(predicted, 1e-15, 1)))


def compare(name, load, threads, found):
    x, y, task = load()
    parts = split(name, y, task)
    rounds, leaf = settings(len(parts[0][0]))
    ours = {
        "our_boosting": {"algorithm": "gradient_boosting", "params": {"n_rounds": rounds}},
        "our_forest": {"algorithm": "random_forest", "params": {"n_trees": 100, "min_leaf": leaf}},
        "our_extra_trees": {"algorithm": "extra_trees",
                            "params": {"n_trees": 100, "min_leaf": leaf, "bootstrap": False}},
    }
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write(folder / "data", x, y, task, parts)
        (folder / "algorithms.json").write_text(json.dumps(ours))
        program = ROOT / "target/release/examples/compare"
        done = subprocess.run([program, folder / "data", folder / "algorithms.json", folder, str(threads)],
                              capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            line = json.loads(line)
            test = parts[line["split"]][1]
            predicted = np.fromfile(folder / f"{line['name']}.{line['split']}", dtype="<f8")
            if len(predicted) > len(test):
                predicted = predicted.reshape(len(test), -1)
            add(found, name, line["name"], task, y[test], predicted, line["fit"], line["cpu"])
    for nth, (train, test) in enumerate(parts):
        for peer, model in peers(task, rounds, leaf, threads, nth).items():
            own = codes(x) if peer.startswith("sklearn") else x
            train_rows = own.iloc[train]
            started, cpu = time.perf_counter(), time.process_time()
            model.fit(train_rows, y[train])
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
            test_rows = own.iloc[test]
            if task == "number":
                predicted = model.predict(test_rows)
            else:
                predicted = model.predict_proba(test_rows)
                predicted = predicted[:, 1] if predicted.shape[1] == 2 else predicted
            add(found, name, peer, task, y[test], predicted, seconds, cpu)
    return task, len(parts[0][0]), x.shape[1]


def add(found, name, model, task, y, predicted, seconds, cpu):
    found.append({"set": name, "model": model, "task": task, "score": score(task, y, predicted),
                  "loss": loss(task, y, predicted), "seconds": seconds, "cpu": cpu})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "pipelines/data")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    lines = options.runs.read_text().splitlines() if options.runs.exists() else []
    runs = [json.loads(line) for line in lines]
    for name, load in sets(options.data):
        if name not in {run["set"] for run in runs} and (not options.only or name in options.only):
            found = []
            task, rows, features = compare(name, load, options.threads, found)
            found = [run | {"rows": rows, "features": features} for run in found]
            with open(options.runs, "a") as file:
                file.writelines(json.dumps(run) + "\n" for run in found)
            runs += found
    table(pd.DataFrame(runs))


def table(runs):
    def verdict(task, ours, best, within):
        if task == "number":
            return f"{100 * (ours / best - 1):+.2f} % {'ok' if ours <= best * (1 + within[1]) else 'SHORT'}"
        return f"{ours - best:+.4f} {'ok' if ours >= best - within[0] else 'SHORT'}"

    def rows(ours, peers, within):
        for name in runs.set.unique():
            of_set = runs[runs.set == name]
            first = of_set.iloc[0]
            mean = of_set.groupby("model").score.mean()
            if ours not in mean or peers[0] not in mean:
                continue
            seconds, cpu = of_set.groupby("model").seconds.min(), of_set.groupby("model").cpu.mean()
            best = (min if first.task == "number" else max)(mean[peer] for peer in peers)
            cells = [name, first.rows, first.features, (of_set.model == ours).sum(),
                     "RMSE" if first.task == "number" else "AUC", f"{mean[ours]:.4f}"]
            cells += [f"{mean[peer]:.4f}" for peer in peers] + [verdict(first.task, mean[ours], best, within)]
            cells += [f"{seconds[ours]:.3f}", f"{seconds[peers[0]]:.3f}", f"{seconds[ours] / seconds[peers[0]]:.2f}",
                      f"{cpu[ours] / cpu[peers[0]]:.2f}"]
            print("| " + " | ".join(str(cell) for cell in cells) + " |")

    def head(peers):
        cells = ["set", "rows", "features", "splits", "metric", "ours", *peers, "ours − best", "fit s: ours", peers[0],
                 "ratio", "of CPU time"]
        print("| " + " | ".join(cells) + " |\n" + "| --- " * len(cells) + "|")

    head(["LightGBM", "HistGradientBoosting"])
    rows("our_boosting", ["lightgbm", "hist_gradient_boosting"], (0.003, 0.01))
    for title, kind in [("random forest", "forest"), ("extra trees", "extra_trees")]:
        print()
        head([f"scikit-learn's {title}"])
        rows(f"our_{kind}", [f"sklearn_{kind}"], (0.005, 0.01))


if __name__ == "__main__":
    main()
