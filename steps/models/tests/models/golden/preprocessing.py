"""Reference values for tests/models/preprocessing.rs, made with scikit-learn 1.9.

Each case is a linear or logistic regression behind a ColumnTransformer of imputers, scalers and encoders;
the fixture holds the predictions for rows with missing and unseen values.

    python preprocessing.py > preprocessing.json
"""

import json
import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler,
)

rows = 120
i = np.arange(rows)
x = (i * 37 % 101) / 10.0
x[i % 7 == 3] = np.nan
z = (i * 53 % 17) / 7.0 - 1.0
z[i % 11 == 5] = np.nan
c = np.array(["p", "q", "r", "s"], dtype=object)[i * 17 % 4]
t = np.where(np.isnan(x), 4.0, 2.0 * x) - 0.5 * np.nan_to_num(z, nan=2.0) + 3.0 * (c == "r") + (i * 11 % 13) / 13
train = pd.DataFrame({"x": x, "z": z, "c": c})
test = pd.DataFrame({
    "x": [1.0, np.nan, 7.5, 30.0], "z": [0.5, 0.0, np.nan, -4.0],
    "c": np.array(["p", "r", "s", "new"], dtype=object),
})

IMPUTERS = {
    "mean": SimpleImputer(strategy="mean"),
    "median": SimpleImputer(strategy="median"),
    "most_frequent": SimpleImputer(strategy="most_frequent"),
    "constant": SimpleImputer(strategy="constant", fill_value=-1.5),
}
SCALERS = {
    "standard": StandardScaler(), "min_max": MinMaxScaler(), "robust": RobustScaler(), "none": "passthrough",
}
ENCODERS = {
    "one_hot": OneHotEncoder(handle_unknown="ignore"),
    "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
}

cases = []
for impute, scale, encode, indicator in [
    ("mean", "standard", "one_hot", True), ("median", "min_max", "one_hot", True),
    ("most_frequent", "robust", "one_hot", False), ("constant", "none", "one_hot", True),
    ("mean", "standard", "ordinal", False), ("median", "min_max", "ordinal", True),
]:
    numbers = ["x", "z"]
    parts = [("numbers", make_pipeline(IMPUTERS[impute], SCALERS[scale]), numbers)]
    if indicator:
        parts.append(("missing", MissingIndicator(), numbers))
    encoder = ENCODERS[encode]
    if encode == "ordinal":
        encoder = make_pipeline(encoder, SCALERS[scale])
    parts.append(("categories", encoder, ["c"]))
    pipeline = Pipeline([("columns", ColumnTransformer(parts)), ("model", Ridge(alpha=1.5))])
    pipeline.fit(train, t)
    cases.append({
        "impute": impute, "scale": scale, "encode": encode, "missing_indicator": indicator,
        "predictions": pipeline.predict(test).tolist(),
    })
print(json.dumps({"scikit_learn": sklearn.__version__, "cases": cases}, indent=1))
