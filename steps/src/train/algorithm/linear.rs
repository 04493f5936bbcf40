//! Parameters of linear models and support vector machines.

use crate::train::parameter::{Bound, Parameter, Tuned, constants};
use serde_json::{Value, json};

const MOST_ITERATIONS: i64 = 10_000_000;

const FIT_INTERCEPT: Parameter = Parameter::flag(
    "fit_intercept",
    "Whether there is an intercept, which no penalty touches.",
)
.source("scikit-learn `fit_intercept`")
.aliases(&["intercept"]);
const MAX_ITERATIONS: Parameter = Parameter::integer(
    "max_iterations",
    1,
    MOST_ITERATIONS,
    "Iterations of the search, at most.",
)
.unit("iterations")
.source("scikit-learn `max_iter`")
.aliases(&["max_iter"]);
const TOLERANCE: Parameter = Parameter::above_0(
    "tolerance",
    "The search ends when no entry of the mean loss's gradient, in units of its curvature's root, exceeds it; with `l1` on numbers when the duality gap is at most this share of the label's squares.",
)
.source("scikit-learn `tol`")
.aliases(&["tol"]);
const GAP_TOLERANCE: Parameter = Parameter::above_0(
    "tolerance",
    "The search ends when the duality gap is at most this share of the label's squares.",
)
.source("scikit-learn `tol`")
.aliases(&["tol"]);
const POSITIVE: Parameter =
    Parameter::flag("positive", "Only weights of at least 0.").source("scikit-learn `positive`");
const ALPHA: Parameter = Parameter::at_least_0("alpha", "Strength of the penalty.")
    .source("scikit-learn `alpha`")
    .aliases(&["lambda", "reg_lambda"]);

/// Logistic and linear regression.
pub(super) const REGRESSION: &[Parameter] = &[
    Parameter::at_least_0(
        "l1",
        "This times the absolute weights is added to the summed loss.",
    )
    .source("scikit-learn `C` and `l1_ratio`: `C = 1/(l1 + l2)`; Tibshirani 1996"),
    Parameter::at_least_0(
        "l2",
        "Half of it times the squared weights is added to the summed loss.",
    )
    .source("scikit-learn `1/C`; Hoerl and Kennard 1970")
    .aliases(&["C", "reg_lambda", "penalty"])
    .tuned(Tuned::Log(1e-4, 1e3)),
    FIT_INTERCEPT,
    MAX_ITERATIONS,
    TOLERANCE,
];

pub(super) const RIDGE: &[Parameter] = &[ALPHA.tuned(Tuned::Log(1e-4, 1e3)), FIT_INTERCEPT];

pub(super) const LASSO: &[Parameter] = &[
    ALPHA.tuned(Tuned::Log(1e-5, 10.0)),
    POSITIVE,
    FIT_INTERCEPT,
    MAX_ITERATIONS,
    GAP_TOLERANCE,
];

pub(super) const ELASTIC_NET: &[Parameter] = &[
    ALPHA.tuned(Tuned::Log(1e-5, 10.0)),
    Parameter::number(
        "l1_ratio",
        Bound::At(0.0),
        Bound::At(1.0),
        "Share of absolute weights in the penalty.",
    )
    .source("scikit-learn `l1_ratio`; Zou and Hastie 2005")
    .tuned(Tuned::Float(0.05, 1.0)),
    POSITIVE,
    FIT_INTERCEPT,
    MAX_ITERATIONS,
    GAP_TOLERANCE,
];

pub(super) const GENERALIZED: &[Parameter] = &[
    Parameter::form(
        "family",
        family,
        "Distribution of the label: `normal`, `log_normal_mean`, `poisson`, `gamma`, `inverse_gaussian`, or `{tweedie: power}`. All but `normal` take the mean's logarithm to be linear.",
    )
    .source("scikit-learn `TweedieRegressor(power)`; Nelder and Wedderburn 1972"),
    ALPHA.tuned(Tuned::Log(1e-5, 10.0)),
    Parameter::form(
        "exposure",
        || json!({"type": ["string", "null"], "x-kind": "column"}),
        "Feature of numbers above 0 that says which time, area or number a row stands for: the mean is in proportion to it.",
    )
    .or_none("every row stands for the same")
    .source("the offset `ln(exposure)` of generalised linear models")
    .aliases(&["offset"]),
    FIT_INTERCEPT,
    MAX_ITERATIONS,
    TOLERANCE,
];

const C: Parameter = Parameter::above_0("c", "How much errors count beside half the squared weights.")
    .source("scikit-learn `C`; Cortes and Vapnik 1995")
    .aliases(&["C"])
    .tuned(Tuned::Log(1e-3, 1e3));
const EPSILON: Parameter = Parameter::at_least_0("epsilon", "Numbers: errors up to this are free.")
    .unit("that of the label")
    .source("scikit-learn `epsilon`");

pub(super) const LINEAR_SVM: &[Parameter] = &[C, EPSILON, FIT_INTERCEPT, MAX_ITERATIONS, TOLERANCE];

pub(super) const SVM: &[Parameter] = &[
    Parameter::words(
        "kernel",
        &[
            ("linear", "⟨x, y⟩."),
            ("poly", "(γ⟨x, y⟩ + coef0)^degree."),
            ("rbf", "exp(−γ‖x − y‖²)."),
            ("sigmoid", "tanh(γ⟨x, y⟩ + coef0)."),
        ],
        "How alike two rows are.",
    )
    .source("scikit-learn `kernel`"),
    C,
    Parameter::form(
        "gamma",
        gamma,
        "How narrow the kernel is: `scale` is 1/(columns · variance of all entries), `auto` 1/columns, `{value: 0.1}` a number.",
    )
    .source("scikit-learn `gamma`"),
    Parameter::integer("degree", 1, 20, "Degree of `poly`.").source("scikit-learn `degree`"),
    Parameter::number("coef0", Bound::Open, Bound::Open, "Added in `poly` and `sigmoid`.")
        .source("scikit-learn `coef0`"),
    EPSILON,
    Parameter::integer("max_iterations", 1, MOST_ITERATIONS, "Steps of two multipliers, at most.")
        .unit("steps")
        .source("scikit-learn `max_iter`; Fan, Chen and Lin 2005")
        .aliases(&["max_iter"]),
    Parameter::above_0("tolerance", "The search ends when optimality is violated by no more.")
        .source("scikit-learn `tol`")
        .aliases(&["tol"]),
];

fn family() -> Value {
    json!({"anyOf": [
        {"oneOf": constants(&[
            ("normal", "Constant variance; the mean itself is linear."),
            ("log_normal_mean", "Constant variance; the mean's logarithm is linear."),
            ("poisson", "Counts: variance like the mean."),
            ("gamma", "Variance like the squared mean."),
            ("inverse_gaussian", "Variance like the cubed mean."),
        ])},
        {
            "type": "object",
            "properties": {"tweedie": {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 2, "description": "Power of the mean that the variance is like."}},
            "required": ["tweedie"],
            "additionalProperties": false,
        },
    ]})
}

fn gamma() -> Value {
    json!({"anyOf": [
        {"oneOf": constants(&[
            ("scale", "1/(columns · variance of all entries)."),
            ("auto", "1/columns."),
        ])},
        {
            "type": "object",
            "properties": {"value": {"type": "number", "exclusiveMinimum": 0, "description": "The number itself."}},
            "required": ["value"],
            "additionalProperties": false,
        },
    ]})
}
