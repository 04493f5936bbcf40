"""Makes evaluation.json: small tables with predictions, and what scikit-learn and fairlearn say of them.

Run with scikit-learn 1.9.1, fairlearn 0.15.0, NumPy 2.4.6:  python evaluation.py > evaluation.json

Predictions are shares of twentieths, which a decision tree over one column gives exactly: see the tests.
"""

import json
import sys
import warnings

import fairlearn.metrics as fm
import numpy as np
import sklearn.metrics as sk

warnings.simplefilter("ignore")
rng = np.random.default_rng(11)


def two_classes():
    n = 600
    place = rng.integers(1, 20, n)
    score = place / 20
    late = (rng.random(n) < 0.15 + 0.7 * score).astype(int)
    other = np.clip(place + rng.integers(-6, 7, n), 1, 19)
    sex = rng.choice(["f", "m"], n)
    region = rng.choice(["east", "north", "west"], n, p=[0.55, 0.42, 0.03])
    decided = (score >= 0.5).astype(int)
    metrics = {
        "roc_auc": sk.roc_auc_score(late, score),
        "average_precision": sk.average_precision_score(late, score),
        "log_loss": sk.log_loss(late, score),
        "brier": sk.brier_score_loss(late, score),
        "accuracy": sk.accuracy_score(late, decided),
        "balanced_accuracy": sk.balanced_accuracy_score(late, decided),
        "precision": sk.precision_score(late, decided),
        "recall": sk.recall_score(late, decided),
        "f1": sk.f1_score(late, decided),
        "f2": sk.fbeta_score(late, decided, beta=2),
        "f0_5": sk.fbeta_score(late, decided, beta=0.5),
        "jaccard": sk.jaccard_score(late, decided),
        "specificity": sk.recall_score(late, decided, pos_label=0),
        "negative_predictive_value": sk.precision_score(late, decided, pos_label=0),
        "false_positive_rate": fm.false_positive_rate(late, decided),
        "false_negative_rate": fm.false_negative_rate(late, decided),
        "selection_rate": fm.selection_rate(late, decided),
        "matthews": sk.matthews_corrcoef(late, decided),
        "kappa": sk.cohen_kappa_score(late, decided),
    }
    fairness = {}
    for name, column in {"sex": sex, "region": region}.items():
        known = dict(y_true=late, y_pred=decided, sensitive_features=column)
        fairness[name] = {}
        rates = {
            "selection_rate": fm.selection_rate,
            "recall": fm.true_positive_rate,
            "false_positive_rate": fm.false_positive_rate,
            "accuracy": sk.accuracy_score,
        }
        for rate, of in rates.items():
            frame = fm.MetricFrame(metrics=of, **known)
            fairness[name][rate] = {
                "groups": {group: float(value) for group, value in frame.by_group.items()},
                "difference": float(frame.difference()),
                "ratio": float(frame.ratio()),
            }
        fairness[name]["demographic_parity_difference"] = fm.demographic_parity_difference(**known)
        fairness[name]["equal_opportunity_difference"] = fm.equal_opportunity_difference(**known)
        fairness[name]["equalized_odds_difference"] = fm.equalized_odds_difference(**known)
    by_region = {
        value: {
            "rows": int((region == value).sum()),
            "accuracy": sk.accuracy_score(late[region == value], decided[region == value]),
        }
        for value in np.unique(region)
    }
    candidates = np.arange(1, 20) / 20
    best = {}
    best["f_beta"] = max(candidates, key=lambda t: (sk.f1_score(late, score >= t), t))
    fpr, tpr, thresholds = sk.roc_curve(late, score, drop_intermediate=False)
    best["youden"] = thresholds[np.argmax(tpr - fpr)]

    def cost(threshold):
        tn, fp, fn, tp = sk.confusion_matrix(late, score >= threshold).ravel()
        return fp + 5 * fn

    best["cost"] = min(candidates, key=lambda t: (cost(t), -t))
    best["cost_of_a_row"] = cost(best["cost"]) / n
    reaching = [t for t in candidates if sk.precision_score(late, score >= t, zero_division=0) >= 0.7]
    best["precision"] = max(reaching, key=lambda t: (sk.recall_score(late, score >= t), t))
    tn, fp, fn, tp = (int(count) for count in sk.confusion_matrix(late, decided).ravel())
    prob_true, prob_pred = sk_calibration(late, score)
    return {
        "place": place.tolist(),
        "other": other.tolist(),
        "late": late.tolist(),
        "sex": sex.tolist(),
        "region": region.tolist(),
        "metrics": metrics,
        "other_roc_auc": sk.roc_auc_score(late, other / 20),
        "confusion": {
            "true_positives": tp, "false_positives": fp, "true_negatives": tn, "false_negatives": fn,
        },
        "fairness": fairness,
        "by_region": by_region,
        "thresholds": best,
        "calibration": {"observed": prob_true.tolist(), "mean_probability": prob_pred.tolist()},
    }


def sk_calibration(labels, scores):
    from sklearn.calibration import calibration_curve

    return calibration_curve(labels, scores, n_bins=10, strategy="quantile")


def several_classes():
    names = np.array(["bus", "car", "train"])
    shares = np.array([[k, (20 - k) // 2, 20 - k - (20 - k) // 2] for k in range(0, 21)]) / 20
    n = 500
    place = rng.integers(0, 21, n)
    scores = shares[place]
    blurred = 0.7 * scores + 0.1
    labels = np.array([rng.choice(3, p=line / line.sum()) for line in blurred])
    decided = scores.argmax(axis=1)
    return {
        "shares": (shares * 20).round().astype(int).tolist(),
        "place": place.tolist(),
        "label": names[labels].tolist(),
        "metrics": {
            "roc_auc": sk.roc_auc_score(labels, scores, multi_class="ovr"),
            "roc_auc_weighted": sk.roc_auc_score(labels, scores, multi_class="ovr", average="weighted"),
            "roc_auc_pairs": sk.roc_auc_score(labels, scores, multi_class="ovo"),
            "log_loss": sk.log_loss(labels, scores),
            "accuracy": sk.accuracy_score(labels, decided),
            "balanced_accuracy": sk.balanced_accuracy_score(labels, decided),
            "precision": sk.precision_score(labels, decided, average="macro", zero_division=0),
            "recall": sk.recall_score(labels, decided, average="macro"),
            "f1": sk.f1_score(labels, decided, average="macro"),
            "f1_weighted": sk.f1_score(labels, decided, average="weighted"),
            "jaccard": sk.jaccard_score(labels, decided, average="macro"),
            "matthews": sk.matthews_corrcoef(labels, decided),
            "kappa": sk.cohen_kappa_score(labels, decided),
            "kappa_quadratic": sk.cohen_kappa_score(labels, decided, weights="quadratic"),
            "top_2_accuracy": sk.top_k_accuracy_score(labels, scores, k=2),
        },
        "confusion": sk.confusion_matrix(labels, decided).tolist(),
    }


def numbers():
    n = 400
    prediction = rng.integers(1, 81, n) * 0.25
    label = (prediction + rng.normal(0, 1.5, n) * np.sqrt(prediction)).clip(0.25).round(3)
    return {
        "x": prediction.tolist(),
        "label": label.tolist(),
        "metrics": {
            "rmse": sk.root_mean_squared_error(label, prediction),
            "mae": sk.mean_absolute_error(label, prediction),
            "mse": sk.mean_squared_error(label, prediction),
            "median_absolute_error": sk.median_absolute_error(label, prediction),
            "max_error": sk.max_error(label, prediction),
            "mape": sk.mean_absolute_percentage_error(label, prediction),
            "rmsle": sk.root_mean_squared_log_error(label, prediction),
            "r2": sk.r2_score(label, prediction),
            "explained_variance": sk.explained_variance_score(label, prediction),
            "d2_absolute_error": sk.d2_absolute_error_score(label, prediction),
            "pinball": sk.mean_pinball_loss(label, prediction, alpha=0.9),
            "d2_pinball": sk.d2_pinball_score(label, prediction, alpha=0.9),
            "poisson_deviance": sk.mean_poisson_deviance(label, prediction),
            "gamma_deviance": sk.mean_gamma_deviance(label, prediction),
            "bias": float(np.mean(prediction - label)),
        },
    }


found = {"two_classes": two_classes(), "several_classes": several_classes(), "numbers": numbers()}
json.dump(found, sys.stdout, default=float)
print()
