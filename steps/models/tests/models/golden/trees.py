"""Reference values for tests/models/trees.rs, made with scikit-learn 1.9.

Single trees on rows by formula; the fixture holds leaves and predictions for some training rows. Where the best
split is not the only one, scikit-learn draws: a case counts only if ten seeds agree.

    python trees.py > trees.json
"""

import json
import numpy as np
import sklearn
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

rows = 200
i = np.arange(rows)
x = (i * 37 % 211) / 10.0
z = (i * 53 % 223) / 7.0
u = (i * 101 % 227) / 3.0
features = np.stack([x, z, u], axis=1)
number = 2 * x - 0.5 * z + 3 * (u > 40) + (i * 11 % 13) / 13
classes = ((x > 9).astype(int) + (z > 20).astype(int) + (i * 29 % 31 < 5)) % 3
weights = 1.0 + i % 3

cases = []
for name, model, target in [
    ("gini", DecisionTreeClassifier, classes), ("entropy", DecisionTreeClassifier, classes),
    ("gini", DecisionTreeClassifier, (classes > 0).astype(int)),
    ("entropy", DecisionTreeClassifier, (classes > 0).astype(int)),
    ("squared_error", DecisionTreeRegressor, number),
]:
    spread = np.var(number) if name == "squared_error" else 1.0
    for weighted in [False, True]:
        for alpha in [0.0, 0.004, 0.02]:
            found = []
            for seed in range(10):
                tree = model(criterion=name, min_samples_leaf=5, max_depth=5, ccp_alpha=alpha * spread,
                             random_state=seed)
                tree.fit(features, target, sample_weight=weights if weighted else None)
                is_number = name == "squared_error"
                predicted = tree.predict(features)[:, None] if is_number else tree.predict_proba(features)
                found.append((tree.get_n_leaves(), predicted))
            if all(leaves == found[0][0] and np.allclose(p, found[0][1]) for leaves, p in found):
                cases.append({
                    "criterion": name, "classes": 0 if name == "squared_error" else int(target.max()) + 1,
                    "weighted": weighted, "alpha": alpha * spread, "leaves": int(found[0][0]),
                    "predictions": found[0][1][::17].tolist(),
                })
print(json.dumps({"scikit_learn": sklearn.__version__, "cases": cases}))
