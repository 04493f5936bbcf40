"""Makes shap.json: SHAP values of random trees as the shap package computes them.

Run with shap 0.51.0, NumPy 2.4.6:  python shap.py > shap.json

Numbers are eighths, since shap compares them with thresholds of 32 bits when it puts in background rows;
its sums there are of 32 bits too.

The script's name hides the package, so it is loaded from the site packages alone.
"""

import copy
import json
import sys

sys.path = sys.path[1:]
import numpy as np
import shap

rng = np.random.default_rng(20261122)


def tree(depth, features, outputs, full=False):
    """A random tree: features may come again on a way; inner values are the means of their leaves."""
    nodes = []

    def grow(level):
        at = len(nodes)
        nodes.append(None)
        if level == depth or (level > 0 and not full and rng.random() < 0.25):
            cover = float(rng.integers(1, 50))
            nodes[at] = dict(left=-1, right=-1, default=-1, feature=-1, threshold=-1.0,
                             value=rng.normal(0, 1, outputs), cover=cover)
            return at
        feature, threshold = int(rng.integers(features)), float(np.round(rng.random() * 8) / 8)
        left, right = grow(level + 1), grow(level + 1)
        a, b = nodes[left], nodes[right]
        cover = a["cover"] + b["cover"]
        nodes[at] = dict(left=left, right=right, default=left if rng.random() < 0.5 else right,
                         feature=feature, threshold=threshold, cover=cover,
                         value=(a["value"] * a["cover"] + b["value"] * b["cover"]) / cover)
        return at

    grow(0)
    return dict(
        children_left=np.array([n["left"] for n in nodes]),
        children_right=np.array([n["right"] for n in nodes]),
        children_default=np.array([n["default"] for n in nodes]),
        features=np.array([n["feature"] for n in nodes]),
        thresholds=np.array([n["threshold"] for n in nodes]),
        values=np.array([n["value"] for n in nodes]).reshape(len(nodes), outputs),
        node_sample_weight=np.array([n["cover"] for n in nodes]),
    )


def rows(count, features, missing):
    values = np.round(rng.random((count, features)) * 8) / 8
    values[rng.random(values.shape) < missing] = np.nan
    return values


def plain(values):
    return json.loads(json.dumps(np.asarray(values, float).tolist()).replace("NaN", "null"))


def case(name, depth, features, trees, outputs=1, missing=0.0, full=False, count=6, interactions=True):
    base = rng.normal(0, 1, outputs)
    known = [tree(depth, features, outputs, full) for _ in range(trees)]
    model = dict(trees=known, base_offset=base if outputs > 1 else base[0], input_dtype=np.float64, internal_dtype=np.float64,
                 tree_output="log_odds",
                 objective="binary_crossentropy")
    exported = [{key: plain(value) for key, value in each.items()} for each in known]
    x, background = rows(count, features, missing), rows(9, features, missing)
    found = {}

    def shaped(values):
        return plain(np.asarray(values).reshape(count, features, outputs))

    paths = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    found["path"] = shaped(paths.shap_values(x))
    found["path_base"] = plain(np.atleast_1d(paths.expected_value))
    if interactions:
        values = np.asarray(paths.shap_interaction_values(x))
        found["interactions"] = plain(values.reshape(count, features, features, outputs))
    # With background rows the package puts their weights into the arrays that it was given.
    model = copy.deepcopy(model)
    given = shap.TreeExplainer(model, background, feature_perturbation="interventional")
    found["background"] = shaped(given.shap_values(x))
    found["background_base"] = plain(np.atleast_1d(given.expected_value))
    if outputs == 1:
        chance = shap.TreeExplainer(
            model, background, feature_perturbation="interventional", model_output="probability"
        )
        found["probability"] = shaped(chance.shap_values(x))
        found["probability_base"] = plain(np.atleast_1d(chance.expected_value))
    return dict(
        name=name,
        outputs=outputs,
        features=features,
        base=plain(base),
        trees=exported,
        rows=plain(x),
        background=plain(background),
        found=found,
    )


json.dump(
    {
        "trees": [
            case("one question", 1, 3, 1),
            case("a leaf alone", 0, 2, 1),
            case("one tree", 3, 4, 1),
            case("one feature again and again", 4, 1, 2),
            case("two features", 5, 2, 3),
            case("many trees", 4, 6, 8),
            case("missing values", 4, 5, 4, missing=0.3),
            case("three outputs", 4, 4, 3, outputs=3, missing=0.1),
            case("deep", 9, 12, 1, count=3, interactions=False),
            case("wide", 6, 40, 1, full=True, count=3, interactions=False),
        ]
    },
    sys.stdout,
    separators=(",", ":"),
)
print()
