"""Reference values of linear models. Made with scikit-learn 1.9.1, numpy 2.4.6.

Writes data.json (the rows all references use) and linear.json beside itself.
"""

import json
import pathlib

import numpy as np
from sklearn import linear_model as lm

HERE = pathlib.Path(__file__).parent


def rows():
    random = np.random.default_rng(20260131)
    n, d = 150, 5
    x = random.normal(size=(n, d))
    x[:, 3] = 0.7 * x[:, 0] + 0.5 * x[:, 3]
    x = np.round(x, 3)
    sum_ = x @ [1.0, -0.7, 0.0, 0.4, 0.1] + 0.3
    weights = np.round(random.uniform(0.5, 2.0, size=n), 2)
    number = np.round(2 * sum_ + random.normal(size=n) + 5, 3)
    binary = (random.uniform(size=n) < 1 / (1 + np.exp(-1.5 * sum_))).astype(int)
    scores = x @ random.normal(size=(d, 3)) + random.gumbel(size=(n, 3))
    several = scores.argmax(axis=1)
    counts = random.poisson(np.exp(0.4 * sum_))
    exposure = np.round(random.uniform(0.2, 3.0, size=n), 2)
    exposed = random.poisson(exposure * np.exp(0.4 * sum_))
    positive = np.round(random.gamma(2.0, np.exp(0.3 * sum_) / 2.0) + 0.01, 3)
    claims = np.round(np.where(random.uniform(size=n) < 0.4, 0, positive * 10), 3)
    return {
        "x": x, "weights": weights, "number": number, "binary": binary, "several": several,
        "counts": counts, "exposure": exposure, "exposed": exposed, "positive": positive, "claims": claims,
    }


def solved(model):
    return {
        "weights": np.ravel(model.coef_).tolist(),
        "intercepts": np.ravel(model.intercept_).tolist(),
    }


def main():
    data = rows()
    x, w = data["x"], data["weights"]
    (HERE / "data.json").write_text(json.dumps({k: np.ravel(v).tolist() for k, v in data.items()}) + "\n")
    fit = lambda model, y, weights=w: solved(model.fit(x, data[y], sample_weight=weights))
    tight = {"tol": 1e-12, "max_iter": 1_000_000}
    total = w.sum()
    saga = {"solver": "saga", "random_state": 0, **tight}
    counts_rate = lm.PoissonRegressor(alpha=0.1, solver="newton-cholesky", **tight)
    counts_rate.fit(x, data["exposed"] / data["exposure"], sample_weight=data["exposure"])
    glm = {"solver": "newton-cholesky", **tight}
    out = {
        "least_squares": fit(lm.LinearRegression(), "number"),
        "least_squares_positive": fit(lm.LinearRegression(positive=True), "number"),
        "ridge": fit(lm.Ridge(alpha=3.0), "number"),
        "ridge_no_intercept": fit(lm.Ridge(alpha=3.0, fit_intercept=False), "number"),
        "lasso": fit(lm.Lasso(alpha=0.6, **tight), "number"),
        "lasso_positive": fit(lm.Lasso(alpha=0.05, positive=True, **tight), "number"),
        "elastic_net": fit(lm.ElasticNet(alpha=0.2, l1_ratio=0.3, **tight), "number"),
        "elastic_net_no_intercept": fit(
            lm.ElasticNet(alpha=0.2, l1_ratio=0.3, fit_intercept=False, **tight), "number"
        ),
        "logistic": fit(lm.LogisticRegression(C=0.7, solver="newton-cholesky", **tight), "binary"),
        "logistic_l1": fit(lm.LogisticRegression(C=0.1, l1_ratio=1.0, **saga), "binary"),
        "logistic_elastic_net": fit(lm.LogisticRegression(C=0.1, l1_ratio=0.4, **saga), "binary"),
        "multinomial": fit(lm.LogisticRegression(C=0.7, solver="newton-cholesky", **tight), "several"),
        "multinomial_l1": fit(lm.LogisticRegression(C=0.1, l1_ratio=1.0, **saga), "several"),
        "poisson": fit(lm.PoissonRegressor(alpha=0.1, **glm), "counts"),
        "poisson_rate": solved(counts_rate),
        "gamma": fit(lm.GammaRegressor(alpha=0.1, **glm), "positive"),
        "tweedie_1_5": fit(lm.TweedieRegressor(power=1.5, alpha=0.1, **glm), "claims"),
        "inverse_gaussian": fit(lm.TweedieRegressor(power=3, alpha=0.1, solver="lbfgs", **tight), "positive"),
        "normal_log": fit(
            lm.TweedieRegressor(power=0, link="log", alpha=0.1, solver="lbfgs", **tight), "positive"
        ),
        "total": float(total),
    }
    (HERE / "linear.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
