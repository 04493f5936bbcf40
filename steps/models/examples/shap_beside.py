"""Explains what the example `shap` wrote into FOLDER with the shap package, and compares.

Run with shap 0.51.0, NumPy 2.4.6:  python shap_beside.py FOLDER
"""

import copy
import json
import pathlib
import sys
import time

sys.path = sys.path[1:]
import numpy as np
import shap

folder = pathlib.Path(sys.argv[1])
data = (folder / "model.bin").read_bytes()
size = int.from_bytes(data[8:16], "little")
header, at = json.loads(data[16 : 16 + size]), 16 + size
arrays = {}
for array in header["arrays"]:
    kind = np.dtype("<" + {"f64": "f8", "f32": "f4", "u32": "u4", "i32": "i4", "u8": "u1"}[array["type"]])
    count = array["entries"]
    arrays[array["name"]] = np.frombuffer(data, kind, count, at)
    at += kind.itemsize * count

trees, node_at, leaf_at = [], 0, 0
for count in arrays["tree_nodes"]:
    nodes, leaves = slice(node_at, node_at + count), slice(leaf_at, leaf_at + count + 1)

    def place(child):
        return np.where(child >= 0, child, count - 1 - child)

    left, right = (place(arrays[f"node_{side}"][nodes].astype(np.int64)) for side in ("left", "right"))
    default = np.where(arrays["node_kind"][nodes] == 1, left, right)
    ends = np.full(count + 1, -1)
    value = np.concatenate([np.zeros(count), arrays["leaf_value"][leaves]])
    cover = np.concatenate([np.zeros(count), arrays["leaf_cover"][leaves].astype(float)])
    for node in reversed(range(count)):
        cover[node] = cover[left[node]] + cover[right[node]]
        value[node] = (
            value[left[node]] * cover[left[node]] + value[right[node]] * cover[right[node]]
        ) / cover[node]
    trees.append(
        dict(
            children_left=np.concatenate([left, ends]),
            children_right=np.concatenate([right, ends]),
            children_default=np.concatenate([default, ends]),
            features=np.concatenate([arrays["node_feature"][nodes].astype(int), ends]),
            thresholds=np.concatenate([arrays["node_threshold"][nodes], ends.astype(float)]),
            values=value.reshape(-1, 1),
            node_sample_weight=cover,
        )
    )
    node_at, leaf_at = node_at + count, leaf_at + count + 1

features = len(header["features"])
rows = np.fromfile(folder / "rows.f64").reshape(-1, features)
rows, background = rows[:1000], rows[1000:]
model = dict(
    trees=trees,
    base_offset=float(arrays["base_score"][0]),
    input_dtype=np.float64,
    internal_dtype=np.float64,
    tree_output="log_odds",
    objective="binary_crossentropy",
)
for name, keys in {
    "path": dict(feature_perturbation="tree_path_dependent"),
    "background": dict(data=background, feature_perturbation="interventional"),
    "probability": dict(data=background, feature_perturbation="interventional", model_output="probability"),
}.items():
    explainer = shap.TreeExplainer(copy.deepcopy(model), **keys)
    started = time.process_time()
    theirs = explainer.shap_values(rows, check_additivity=False)
    seconds = time.process_time() - started
    ours = np.fromfile(folder / f"{name}.f64").reshape(theirs.shape)
    print(f"{name}: shap {len(rows) / seconds:.0f} rows/s of CPU ({seconds:.3f} s), largest difference {abs(ours - theirs).max():.1e}")
