"""Accuracy and time of every algorithm that is not a tree, beside scikit-learn on the same rows.

    cargo build --release -p trainyard-models --example beside
    python steps/models/examples/beside.py target/release/examples/beside DATA OUT.md [dataset ...]

DATA is a folder with `adult/adult.parquet`, `german_credit/german_credit.csv`, `flights/flights_jan.csv` (UCI
Adult, UCI Statlog German credit, nycflights13); all other rows come with scikit-learn. Splits are drawn at
random, three parts to train and one to test, and are the same for both. scikit-learn gets the columns as the
models' preprocessing makes them: mean for missing numbers with an indicator, standardised, one-hot. Both use two
threads. Written with scikit-learn 1.9.1, pandas, numpy 2.4.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]:
    os.environ[name] = "2"

import numpy as np
import pandas as pd
from sklearn import cluster, datasets, linear_model, metrics, mixture, naive_bayes, neighbors, svm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def frame_of(x):
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])


def adult(data):
    table = pd.read_parquet(data / "adult" / "adult.parquet").drop(columns="fnlwgt")
    y = (table.pop("income-per-year") == ">50K").astype(int)
    return table, y.to_numpy()


def german_credit(data):
    table = pd.read_csv(data / "german_credit" / "german_credit.csv")
    y = table.pop("risk")
    return table, y.to_numpy()


def flights(data, late):
    table = pd.read_csv(data / "flights" / "flights_jan.csv").dropna(subset=["arr_delay"])
    columns = ["sched_dep_time", "sched_arr_time", "carrier", "origin", "dest", "distance", "day", "hour"]
    if late:
        return table[columns], (table["arr_delay"] > 15).astype(int).to_numpy()
    return table[columns + ["dep_delay"]], table["arr_delay"].to_numpy(dtype=float)


def sets(data):
    """name: (kind, rows, label, repeats)"""
    bundled = lambda load: (frame_of((b := load()).data), b.target)
    regression = datasets.make_regression(2000, 300, n_informative=20, noise=20, random_state=1)
    classification = datasets.make_classification(20000, 40, n_informative=15, random_state=2)
    friedman = datasets.make_friedman1(5000, noise=1.0, random_state=3)
    blobs, of = datasets.make_blobs(20000, 10, centers=15, cluster_std=4.0, random_state=4)
    counts, expected = frame_of(np.random.default_rng(5).normal(size=(8000, 12))), None
    expected = np.exp(0.3 * counts["x0"] - 0.2 * counts["x1"] + 0.1 * counts["x2"] + 0.5)
    counted = np.random.default_rng(6).poisson(expected).astype(float)
    return {
        "breast_cancer": ("classes", *bundled(datasets.load_breast_cancer), 10),
        "german_credit": ("classes", *german_credit(data), 10),
        "adult": ("classes", *adult(data), 2),
        "flights_late": ("classes", *flights(data, True), 2),
        "made_classes": ("classes", frame_of(classification[0]), classification[1], 2),
        "iris": ("classes", *bundled(datasets.load_iris), 10),
        "wine": ("classes", *bundled(datasets.load_wine), 10),
        "digits": ("classes", *bundled(datasets.load_digits), 5),
        "diabetes": ("numbers", *bundled(datasets.load_diabetes), 10),
        "flights_delay": ("numbers", *flights(data, False), 2),
        "friedman": ("numbers", frame_of(friedman[0]), friedman[1], 5),
        "made_numbers": ("numbers", frame_of(regression[0]), regression[1], 5),
        "made_counts": ("counts", counts, counted, 5),
        "blobs": ("clusters", frame_of(blobs), of, 3),
        "digits_clusters": ("clusters", *bundled(datasets.load_digits), 3),
        "wine_clusters": ("clusters", *bundled(datasets.load_wine), 3),
    }


def prepared(model, x):
    numeric = x.select_dtypes("number").columns.tolist()
    texts = [c for c in x.columns if c not in numeric]
    steps = [(make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numeric)]
    if texts:
        steps.append((OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts))
    return make_pipeline(make_column_transformer(*steps), model)


LARGEST_FOR_KERNELS = 4000


def algorithms(kind, x, y):
    """name: (ours, theirs, whether it is too slow for many rows)"""
    lm = linear_model
    if kind == "classes":
        calibrated = lambda model: CalibratedClassifierCV(model, cv=5, ensemble=False)
        found = {
            "logistic": (("logistic_regression", {"l2": 1.0}), lm.LogisticRegression(C=1.0, max_iter=1000), False),
            "logistic l1": (
                ("logistic_regression", {"l1": 2.0, "l2": 0.0}),
                lm.LogisticRegression(C=0.5, l1_ratio=1.0, solver="saga", tol=1e-3, max_iter=200),
                False,
            ),
            "linear svm": (("linear_svm", {}), calibrated(svm.LinearSVC()), False),
            "svm": (("svm", {}), calibrated(svm.SVC()), True),
            "neighbors": (("nearest_neighbors", {"n_neighbors": 15}), neighbors.KNeighborsClassifier(15, n_jobs=2), False),
        }
        if not len(x.select_dtypes(exclude="number").columns):
            found["naive bayes"] = (("naive_bayes", {}), naive_bayes.GaussianNB(), False)
        return found
    if kind == "numbers":
        alpha = 0.01 * float(np.std(y))
        return {
            "least squares": (("linear_regression", {}), lm.LinearRegression(), False),
            "ridge": (("linear_regression", {"l2": 10.0}), lm.Ridge(10.0), False),
            "lasso": (("elastic_net", {"alpha": alpha, "l1_ratio": 1.0}), lm.Lasso(alpha, max_iter=10000, tol=1e-6), False),
            "elastic net": (("elastic_net", {"alpha": alpha}), lm.ElasticNet(alpha, max_iter=10000, tol=1e-6), False),
            "linear svr": (
                ("linear_svm", {"epsilon": 0.1}),
                svm.LinearSVR(loss="squared_epsilon_insensitive", epsilon=0.1, dual=False),
                False,
            ),
            "svr": (("svm", {"c": 10.0}), svm.SVR(C=10.0), True),
            "neighbors": (("nearest_neighbors", {"n_neighbors": 15}), neighbors.KNeighborsRegressor(15, n_jobs=2), False),
        }
    if kind == "counts":
        return {
            "poisson": (("generalized_linear", {"alpha": 0.01}), lm.PoissonRegressor(alpha=0.01), False),
            "tweedie": (
                ("generalized_linear", {"alpha": 0.01, "family": {"tweedie": 1.5}}),
                lm.TweedieRegressor(power=1.5, alpha=0.01),
                False,
            ),
        }
    k = len(np.unique(y))
    return {
        "k-means": (("kmeans", {"n_clusters": k}), cluster.KMeans(k, n_init=10, random_state=1), False),
        "mixture": (
            ("gaussian_mixture", {"n_components": k, "reg_covar": 1e-3, "covariance_type": "full"}),
            mixture.GaussianMixture(k, reg_covar=1e-3, random_state=1),
            False,
        ),
        "dbscan": (("dbscan", {"eps": 1.5}), cluster.DBSCAN(1.5, n_jobs=2), False),
    }


LINEAR = {"l1": 0.0, "fit_intercept": True, "max_iterations": 500, "tolerance": 1e-7}


class Ours:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, pathlib.Path(folder)

    def write(self, name, x, y):
        out = x.copy()
        out.columns = [("n:" if pd.api.types.is_numeric_dtype(x[c]) else "c:") + c for c in x.columns]
        for column in out.columns:
            if column.startswith("c:"):
                out[column] = out[column].str.replace(",", ";")
        out["label"] = y
        out.to_csv(self.folder / name, index=False)

    def run(self, algorithm, params, task):
        if algorithm in ("logistic_regression", "linear_regression"):
            params = {**LINEAR, "l2": 0.0, **params}
        spec = {"algorithm": {"algorithm": algorithm, "params": params}, "task": task}
        (self.folder / "spec.json").write_text(json.dumps(spec))
        paths = [str(self.folder / name) for name in ["train.csv", "test.csv", "spec.json", "out.json"]]
        subprocess.run([self.binary, *paths], check=True)
        return json.loads((self.folder / "out.json").read_text())


def task_of(kind, y):
    if kind == "classes":
        classes = [str(c) for c in np.unique(y)]
        if len(classes) == 2:
            return {"task": "binary", "negative": classes[0], "positive": classes[1]}
        return {"task": "multiclass", "classes": classes}
    return {"task": "cluster" if kind == "clusters" else "regression"}


def quality(kind, name, y, predicted, train_x=None):
    """metric and its value; of classes AUC (one against the others), else RMSE or deviance."""
    if kind == "classes":
        if predicted.ndim == 1:
            return "AUC", metrics.roc_auc_score(y, predicted)
        return "AUC", metrics.roc_auc_score(y, predicted, multi_class="ovr", labels=np.arange(predicted.shape[1]))
    if kind == "counts":
        return "deviance", metrics.mean_poisson_deviance(y, predicted)
    return "RMSE", float(np.sqrt(np.mean((y - predicted) ** 2)))


def compare_clusters(name, ours, model, x, scaled):
    started = time.perf_counter()
    model.fit(scaled)
    seconds = time.perf_counter() - started
    if name == "k-means":
        return "inertia", ours["summary"]["measures"]["inertia"], model.inertia_, seconds
    if name == "mixture":
        return "log lik.", ours["summary"]["measures"]["log_likelihood"], model.score(scaled), seconds
    labels = np.array(ours["predictions"])
    same = metrics.adjusted_rand_score(model.labels_, labels)
    return "clusters (rand)", same, 1.0, seconds


def main():
    binary, data, out, *only = sys.argv[1:]
    lines = [
        "| rows | n × columns | algorithm | measure | Trainyard | scikit-learn | difference | fit s | fit s (sk) | predict s | predict s (sk) |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory() as folder:
        runner = Ours(binary, folder)
        for set_name, (kind, x, y, repeats) in sets(pathlib.Path(data)).items():
            if only and set_name not in only:
                continue
            if kind == "classes":
                y = np.unique(y, return_inverse=True)[1]
            rows = {}
            for repeat in range(repeats):
                if kind == "clusters":
                    train_x = test_x = x
                    train_y = test_y = y
                else:
                    stratify = y if kind == "classes" else None
                    train_x, test_x, train_y, test_y = train_test_split(
                        x, y, test_size=0.25, random_state=repeat, stratify=stratify
                    )
                for name, ((algorithm, params), model, slow) in algorithms(kind, x, y).items():
                    fit_x, fit_y = train_x, train_y
                    if slow and len(fit_x) > LARGEST_FOR_KERNELS:
                        fit_x, fit_y = train_x.iloc[:LARGEST_FOR_KERNELS], train_y[:LARGEST_FOR_KERNELS]
                    if name == "neighbors" and len(fit_x) > 10000:
                        fit_x, fit_y = train_x.iloc[:10000], train_y[:10000]
                    runner.write("train.csv", fit_x, fit_y)
                    runner.write("test.csv", test_x, test_y)
                    ours = runner.run(algorithm, params, task_of(kind, y))
                    if kind == "clusters":
                        scaled = StandardScaler().fit_transform(x)
                        measure, mine, theirs, seconds = compare_clusters(name, ours, model, x, scaled)
                        predict = float("nan")
                    else:
                        whole = model if name == "naive bayes" else prepared(model, fit_x)
                        started = time.perf_counter()
                        whole.fit(fit_x, fit_y)
                        seconds = time.perf_counter() - started
                        started = time.perf_counter()
                        found = whole.predict_proba(test_x) if kind == "classes" else whole.predict(test_x)
                        predict = time.perf_counter() - started
                        predictions = np.array(ours["predictions"])
                        if kind == "classes" and found.shape[1] == 2:
                            found = found[:, 1]
                        elif kind == "classes":
                            predictions = predictions.reshape(found.shape)
                        measure, mine = quality(kind, name, test_y, predictions)
                        _, theirs = quality(kind, name, test_y, found)
                    rows.setdefault((name, measure), []).append(
                        (mine, theirs, ours["fit_seconds"], seconds, ours["predict_seconds"], predict)
                    )
            for (name, measure), figures in rows.items():
                mine, theirs, fit, fit_sk, predict, predict_sk = np.mean(np.array(figures), axis=0)
                apart = f"{mine - theirs:+.4f}" if measure in ("AUC", "clusters (rand)") else f"{100 * (mine / theirs - 1):+.2f} %"
                line = (
                    f"| {set_name} ({repeats}) | {x.shape[0]} × {x.shape[1]} | {name} | {measure} | {mine:.4f} | {theirs:.4f}"
                    f" | {apart} | {fit:.3f} | {fit_sk:.3f} | {predict:.3f} | {predict_sk:.3f} |"
                )
                print(line, flush=True)
                lines.append(line)
    pathlib.Path(out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
