"""Reference values of support vector machines, naive Bayes and calibration. Made with scikit-learn 1.9.1.

Reads data.json (of make_linear.py); writes svm.json, bayes.json and calibration.json beside itself.
"""

import json
import pathlib

import numpy as np
from sklearn import naive_bayes as nb
from sklearn import svm
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

HERE = pathlib.Path(__file__).parent


def write(name, content):
    plain = lambda v: {k: plain(x) for k, x in v.items()} if isinstance(v, dict) else np.ravel(v).tolist()
    (HERE / f"{name}.json").write_text(json.dumps(plain(content)) + "\n")


def main():
    data = {k: np.array(v) for k, v in json.loads((HERE / "data.json").read_text()).items()}
    x, w = data["x"].reshape(-1, 5), data["weights"]

    arguments = {"C": 1.5, "gamma": 0.2, "coef0": 0.5, "degree": 3, "tol": 1e-10}
    out = {"binary": {}, "number": {}, "linear": {}}
    for kernel in ["linear", "poly", "rbf"]:
        fitted = svm.SVC(kernel=kernel, **arguments).fit(x, data["binary"], sample_weight=w)
        out["binary"][kernel] = fitted.decision_function(x)
        fitted = svm.SVR(kernel=kernel, epsilon=0.1, **arguments).fit(x, data["number"], sample_weight=w)
        out["number"][kernel] = fitted.predict(x)
    out["several"] = svm.SVC(kernel="rbf", **arguments).fit(x, data["several"], sample_weight=w).decision_function(x)
    # LIBLINEAR penalises the intercept, so that only machines without one are the same problem.
    primal = {"C": 0.3, "fit_intercept": False, "dual": True, "tol": 1e-12, "max_iter": 10_000_000, "random_state": 0}
    classifier = svm.LinearSVC(loss="squared_hinge", **primal).fit(x, data["binary"], sample_weight=w)
    out["linear"]["binary"] = classifier.coef_
    regressor = svm.LinearSVR(loss="squared_epsilon_insensitive", epsilon=0.5, **primal)
    out["linear"]["number"] = regressor.fit(x, data["number"], sample_weight=w).coef_
    write("svm", out)

    counts = np.maximum(np.floor(x + 3), 0).astype(int)
    several = data["several"]
    write("bayes", {
        "gaussian": nb.GaussianNB(var_smoothing=1e-9).fit(x, several, w).predict_proba(x),
        "bernoulli": nb.BernoulliNB(alpha=0.7, binarize=0.2).fit(x, several, w).predict_proba(x),
        "multinomial": nb.MultinomialNB(alpha=0.7).fit(counts, several, w).predict_proba(counts),
        "categorical": nb.CategoricalNB(alpha=0.7).fit(counts, several, w).predict_proba(counts),
    })

    grid = np.round(np.linspace(-3.5, 3.5, 41), 3)
    out = {"grid": grid, "sigmoid": {}, "isotonic": {}}
    for name, weights in [("plain", np.ones(len(x))), ("weighted", w)]:
        given = None if name == "plain" else weights
        out["sigmoid"][name] = _SigmoidCalibration().fit(x[:, 0], data["binary"], given).predict(grid)
        steps = IsotonicRegression(out_of_bounds="clip").fit(x[:, 0], data["binary"], weights)
        out["isotonic"][name] = steps.predict(grid)
    write("calibration", out)


if __name__ == "__main__":
    main()
