"""Reference values of the statistics of columns: `python statistics.py > statistics.json`.

Made with numpy 2.4.6, scipy 1.17.1, pandas 3.1.1.
"""

import json
import sys
from pathlib import Path

# A script's own folder comes first on the path, and this one is called like a standard module.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

import numpy as np
import pandas as pd
from scipy import special, stats

rng = np.random.default_rng(3)
samples = {
    "skewed": np.round(rng.lognormal(2.0, 0.8, 257), 6),
    "shifted": np.round(rng.lognormal(2.2, 0.7, 181), 6),
    "far_from_zero": np.round(1e6 + rng.normal(0, 1, 100), 6),
    "tied": rng.integers(0, 7, 120).astype(float),
}
out = {"samples": {name: list(values) for name, values in samples.items()}, "moments": {}, "quantiles": {}, "mad": {}}
for name, values in samples.items():
    s = pd.Series(values)
    out["moments"][name] = [s.mean(), s.std(), s.skew(), s.kurt()]
    out["quantiles"][name] = [float(np.quantile(values, q)) for q in (0.01, 0.25, 0.5, 0.9, 0.99)]
    out["mad"][name] = float(stats.median_abs_deviation(values))

x = np.round(rng.normal(0, 1, 90), 4)
y = np.round(0.6 * x + rng.normal(0, 1, 90), 1)
pearson, spearman = stats.pearsonr(x, y), stats.spearmanr(x, y)
interval = pearson.confidence_interval(0.95)
out["pairs"] = {
    "x": list(x), "y": list(y), "pearson": pearson.statistic, "low": interval.low, "high": interval.high,
    "spearman": spearman.statistic,
}

table = np.array([[12, 30, 8], [25, 14, 9], [3, 11, 40]])
chi = stats.chi2_contingency(table, correction=False)
n, (r, k) = table.sum(), table.shape
phi = max(0.0, chi.statistic / n - (r - 1) * (k - 1) / (n - 1))
small = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
out["table"] = {
    "counts": table.tolist(), "statistic": chi.statistic, "p": chi.pvalue, "freedom": int(chi.dof),
    "corrected_v": float(np.sqrt(phi / small)),
}

a, b = samples["skewed"], samples["shifted"]
ks = stats.ks_2samp(a, b)
en = len(a) * len(b) / (len(a) + len(b))
edges = np.quantile(a, np.arange(1, 10) / 10)
# A value on an edge belongs to the bin below it.
counts = [np.bincount(np.searchsorted(edges, v, side="left"), minlength=10) for v in (a, b)]
p, q = counts[0] / counts[0].sum(), counts[1] / counts[1].sum()
out["distance"] = {
    "ks": ks.statistic, "ks_p": float(special.kolmogorov(ks.statistic * np.sqrt(en))),
    "wasserstein": stats.wasserstein_distance(a, b), "psi": float(np.sum((q - p) * np.log(q / p))),
}
out["chi2_tails"] = [[x, k, float(stats.chi2.sf(x, k))] for x, k in
                     [(0.1, 1), (3.84, 1), (30.0, 4), (5.0, 12), (400.0, 350), (1500.0, 40)]]
out["kolmogorov_tails"] = [[x, float(special.kolmogorov(x))] for x in (0.05, 0.3, 0.7, 0.99, 1.0, 1.4, 3.0)]
json.dump(out, sys.stdout, indent=1)
