//! Parameters of single trees and of forests.

use crate::train::parameter::{Parameter, Tuned};

const CRITERION: Parameter = Parameter::words(
    "criterion",
    &[("gini", "1 − Σ p²."), ("entropy", "−Σ p·log₂ p.")],
    "Impurity of classes that a split lowers; numbers have the squared distance from their mean.",
)
.source("scikit-learn `criterion`; Breiman et al. 1984");
const MIN_LEAF: Parameter = Parameter::integer("min_leaf", 1, i64::MAX, "Training rows in a leaf, at least.")
    .unit("rows")
    .source("scikit-learn `min_samples_leaf`")
    .aliases(&["min_samples_leaf", "min_data_in_leaf", "min_child_samples"])
    .tuned(Tuned::LogInt(1, 100));
const MIN_SPLIT: Parameter = Parameter::integer(
    "min_split",
    2,
    i64::MAX,
    "Training rows of a node that is split, at least.",
)
.unit("rows")
.source("scikit-learn `min_samples_split`")
.aliases(&["min_samples_split"]);
const MAX_DEPTH: Parameter = Parameter::integer(
    "max_depth",
    1,
    i64::MAX,
    "Questions between root and leaf, at most.",
)
.or_none("no limit")
.unit("questions")
.source("scikit-learn `max_depth`");
const MIN_GAIN: Parameter = Parameter::at_least_0(
    "min_gain",
    "Impurity taken away by a split, at least, as a share of the weight of all rows.",
)
.source("scikit-learn `min_impurity_decrease`")
.aliases(&["min_impurity_decrease"]);
const PRUNING: Parameter = Parameter::at_least_0(
    "pruning",
    "Impurity that a branch takes away for each of its leaves but one, at least, as a share of the weight of all rows.",
)
.source("scikit-learn `ccp_alpha`; Breiman et al. 1984")
.aliases(&["ccp_alpha"]);

pub(super) const TREE: &[Parameter] = &[
    CRITERION,
    MIN_LEAF,
    MIN_SPLIT,
    MAX_DEPTH.tuned(Tuned::Int(2, 20)),
    MIN_GAIN,
    PRUNING.tuned(Tuned::Log(1e-6, 1e-2)),
];

pub(super) const FOREST: &[Parameter] = &[
    Parameter::integer("n_trees", 1, 100_000, "Trees of the forest.")
        .unit("trees")
        .source("scikit-learn `n_estimators`; Breiman 2001")
        .aliases(&["n_estimators", "num_trees", "ntree"]),
    CRITERION,
    MIN_LEAF,
    MIN_SPLIT,
    MAX_DEPTH.tuned(Tuned::Int(4, 32)),
    MIN_GAIN,
    Parameter::flag(
        "bootstrap",
        "Whether each tree is grown on rows drawn with replacement, or on all.",
    )
    .source("scikit-learn `bootstrap`"),
    Parameter::share(
        "row_share",
        "Rows drawn for a tree, as a share of all; needs `bootstrap`.",
    )
    .source("scikit-learn `max_samples`")
    .aliases(&["max_samples", "subsample"]),
    Parameter::share(
        "feature_share",
        "Features tried at each split, as a share of all.",
    )
    .or_none("for classes the square root of their number, for numbers all")
    .source("scikit-learn `max_features`")
    .aliases(&["max_features", "mtry"])
    .tuned(Tuned::Float(0.1, 1.0)),
    PRUNING,
    Parameter::flag(
        "oob_score",
        "Whether the forest is scored on the rows that trees were not grown on; needs `bootstrap`.",
    )
    .source("scikit-learn `oob_score`"),
];
