//! Parameters of gradient boosting.

use crate::train::parameter::{Parameter, Tuned, constants};
use serde_json::{Value, json};

pub(super) const PARAMETERS: &[Parameter] = &[
    Parameter::form("loss", loss, "What the model of a number minimises: `squared_error` predicts the mean, `absolute_error` the median, `{huber: {delta: 1.5}}` is squared up to `delta` and linear beyond, `{quantile: {level: 0.9}}` predicts a quantile, `poisson`, `gamma` and `{tweedie: {power: 1.5}}` predict means of counts, sizes and their sums. Classes have log loss.")
        .source("LightGBM `objective`; Huber 1964; Koenker and Bassett 1978; Jørgensen 1987")
        .aliases(&["objective"]),
    Parameter::integer("n_rounds", 1, 100_000, "Rounds of boosting, at most; each adds one tree, or one for each of several classes.")
        .unit("rounds")
        .source("LightGBM `num_iterations`; scikit-learn `max_iter`")
        .aliases(&["n_estimators", "num_iterations", "max_iter", "num_boost_round", "num_rounds"])
        .tuned(Tuned::LogInt(50, 1_000)),
    Parameter::share("learning_rate", "Share of each tree's step that is taken.")
        .source("LightGBM `learning_rate`; Friedman 2001")
        .aliases(&["eta", "shrinkage_rate"])
        .tuned(Tuned::Log(0.01, 0.3)),
    Parameter::integer("num_leaves", 2, 65_536, "Leaves of a tree, at most.")
        .unit("leaves")
        .source("LightGBM `num_leaves`")
        .aliases(&["max_leaf_nodes", "max_leaves"])
        .tuned(Tuned::LogInt(7, 127)),
    Parameter::integer("max_depth", 1, i64::MAX, "Questions between root and leaf, at most.")
        .or_none("no limit")
        .unit("questions")
        .source("LightGBM `max_depth`"),
    Parameter::integer("min_leaf", 1, i64::MAX, "Training rows in a leaf, at least; estimated from the hessian.")
        .unit("rows")
        .source("LightGBM `min_data_in_leaf`")
        .aliases(&["min_child_samples", "min_data_in_leaf", "min_samples_leaf"])
        .tuned(Tuned::LogInt(5, 200)),
    Parameter::at_least_0("min_hessian", "Sum of hessians in a leaf, at least.")
        .source("LightGBM `min_sum_hessian_in_leaf`")
        .aliases(&["min_child_weight", "min_sum_hessian_in_leaf"]),
    Parameter::at_least_0("l1", "Absolute gradient of a leaf that is not answered.")
        .source("LightGBM `lambda_l1`")
        .aliases(&["lambda_l1", "reg_alpha"]),
    Parameter::at_least_0("l2", "Added to the hessian when a leaf's value is computed.")
        .source("LightGBM `lambda_l2`")
        .aliases(&["lambda_l2", "reg_lambda", "l2_regularization"])
        .tuned(Tuned::Log(1e-3, 10.0)),
    Parameter::at_least_0("min_gain", "Gain of a split, at least.")
        .source("LightGBM `min_gain_to_split`")
        .aliases(&["min_split_gain", "min_gain_to_split", "gamma"]),
    Parameter::share("row_share", "Share of the rows drawn for each round.")
        .source("LightGBM `bagging_fraction` with `bagging_freq=1`; Friedman 2002")
        .aliases(&["subsample", "bagging_fraction"])
        .tuned(Tuned::Float(0.5, 1.0)),
    Parameter::share("feature_share", "Share of the features drawn for each tree.")
        .source("LightGBM `feature_fraction`")
        .aliases(&["colsample_bytree", "feature_fraction", "max_features"])
        .tuned(Tuned::Float(0.5, 1.0)),
    Parameter::form("monotone", monotone, "Columns of numbers with which the prediction may only rise (`increasing`) or only fall (`decreasing`), by name.")
        .source("LightGBM `monotone_constraints`")
        .aliases(&["monotone_constraints", "monotonic_cst"]),
    Parameter::integer("early_stopping_rounds", 1, i64::MAX, "Rounds without a better metric on the rows at input `valid` after which it stops; the best round is kept.")
        .or_none("it makes all rounds")
        .unit("rounds")
        .source("LightGBM `early_stopping_round`")
        .aliases(&["early_stopping", "early_stopping_round", "n_iter_no_change"]),
    Parameter::words(
        "stopping_metric",
        &[
            ("loss", "The mean loss; for squared error its root."),
            ("roc_auc", "Two classes: area under the ROC curve."),
            ("error_rate", "Classes: share of rows whose most probable class is wrong."),
            ("root_mean_squared_error", "Numbers: root of the mean squared error."),
            ("mean_absolute_error", "Numbers: mean absolute error."),
        ],
        "What early stopping and the training curve look at on the rows at input `valid`.",
    )
    .source("LightGBM `metric`")
    .aliases(&["eval_metric"]),
];

fn loss() -> Value {
    let with = |name: &str, key: &str, low: f64, high: Option<f64>, doc: &str| {
        let mut number = json!({"type": "number", "exclusiveMinimum": low, "description": doc});
        if let Some(high) = high {
            number["exclusiveMaximum"] = json!(high);
        }
        let inner = json!({
            "type": "object",
            "description": format!("The loss `{name}` with its parameter."),
            "properties": {key: number},
            "required": [key],
            "additionalProperties": false,
        });
        json!({"type": "object", "properties": {name: inner}, "required": [name], "additionalProperties": false})
    };
    json!({"anyOf": [
        {"oneOf": constants(&[
            ("squared_error", "Predicts the mean."),
            ("absolute_error", "Predicts the median."),
            ("poisson", "Means of counts; labels of at least 0."),
            ("gamma", "Means of sizes; labels above 0."),
        ])},
        with("huber", "delta", 0.0, None, "Distance from which on errors count linearly, in units of the label."),
        with("quantile", "level", 0.0, Some(1.0), "The quantile that is predicted."),
        with("tweedie", "power", 1.0, Some(2.0), "Power of the mean that the variance is like."),
    ]})
}

fn monotone() -> Value {
    json!({
        "type": "object",
        "additionalProperties": {"oneOf": constants(&[
            ("increasing", "The prediction may only rise with it."),
            ("decreasing", "The prediction may only fall with it."),
        ])},
    })
}
