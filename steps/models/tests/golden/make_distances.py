"""Reference values of neighbours and clusters. Made with scikit-learn 1.9.1, numpy 2.4.6.

Reads data.json (of make_linear.py); writes neighbours.json and clusters.json beside itself.
"""

import json
import pathlib

import numpy as np
from sklearn import cluster, mixture, neighbors

HERE = pathlib.Path(__file__).parent


def main():
    data = {k: np.array(v) for k, v in json.loads((HERE / "data.json").read_text()).items()}
    x = data["x"].reshape(-1, 5)
    w = data["weights"]
    out = {"regression": {}, "classification": {}}
    for name, weights, metric in [
        ("uniform", "uniform", "euclidean"),
        ("distance", "distance", "euclidean"),
        ("manhattan", "distance", "manhattan"),
    ]:
        arguments = {"n_neighbors": 6, "weights": weights, "metric": metric}
        model = neighbors.KNeighborsRegressor(**arguments).fit(x[:100], data["number"][:100])
        out["regression"][name] = model.predict(x[100:]).tolist()
        model = neighbors.KNeighborsClassifier(**arguments).fit(x[:100], data["several"][:100])
        out["classification"][name] = np.ravel(model.predict_proba(x[100:])).tolist()
    (HERE / "neighbours.json").write_text(json.dumps(out) + "\n")

    # Three clouds, apart but touching: the rows pulled towards three corners.
    corners = np.array([[4, 0, 0, 0, 1], [0, 4, 0, -1, 0], [-3, -3, 2, 0, 0]])
    clouds = np.round(x + corners[np.arange(len(x)) % 3], 3)
    out = {"clouds": np.ravel(clouds).tolist()}
    kmeans = cluster.KMeans(3, init=clouds[:3], n_init=1, tol=0, max_iter=1000)
    kmeans.fit(clouds, sample_weight=w)
    out["kmeans"] = {
        "centers": np.ravel(kmeans.cluster_centers_).tolist(),
        "labels": kmeans.labels_.tolist(),
        "inertia": kmeans.inertia_,
        "iterations": int(kmeans.n_iter_),
    }
    for name, weights in [("plain", None), ("weighted", w)]:
        dbscan = cluster.DBSCAN(eps=1.9, min_samples=6).fit(clouds, sample_weight=weights)
        out[f"dbscan_{name}"] = {"labels": dbscan.labels_.tolist(), "core": dbscan.core_sample_indices_.tolist()}
    for kind in ["full", "tied", "diag", "spherical"]:
        model = mixture.GaussianMixture(
            3, covariance_type=kind, tol=1e-12, max_iter=10_000, random_state=0, reg_covar=1e-6
        ).fit(clouds)
        order = np.argsort(model.means_[:, 0])
        out[f"mixture_{kind}"] = {
            "weights": model.weights_[order].tolist(),
            "means": np.ravel(model.means_[order]).tolist(),
            "probabilities": np.ravel(model.predict_proba(clouds)[:, order]).tolist(),
            "score": model.score(clouds),
            "bic": model.bic(clouds),
            "aic": model.aic(clouds),
        }
    (HERE / "clusters.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
