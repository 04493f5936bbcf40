//! Algorithms and their parameters by name, as `with:` and a search write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainyard_models::{Algorithm, BoostingParams, ForestParams, LinearParams, TreeParams};

/// A learning algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AlgorithmName {
    /// Gradient boosting of histogram trees, in the manner of LightGBM.
    #[default]
    GradientBoosting,
    RandomForest,
    /// A forest whose thresholds are drawn instead of searched.
    ExtraTrees,
    DecisionTree,
    /// For labels of two classes.
    LogisticRegression,
    /// For numeric labels: least squares, or ridge with `l2`.
    LinearRegression,
}

/// Parameters of each algorithm, by the names of their fields.
const BOOSTING: &[&str] = &[
    "loss",
    "n_rounds",
    "learning_rate",
    "num_leaves",
    "max_depth",
    "min_leaf",
    "min_hessian",
    "l1",
    "l2",
    "min_gain",
    "row_share",
    "feature_share",
    "monotone",
    "early_stopping_rounds",
    "stopping_metric",
];
const FOREST: &[&str] = &[
    "n_trees",
    "criterion",
    "min_leaf",
    "min_split",
    "max_depth",
    "min_gain",
    "bootstrap",
    "row_share",
    "feature_share",
    "pruning",
    "oob_score",
];
const TREE: &[&str] = &[
    "criterion",
    "min_leaf",
    "min_split",
    "max_depth",
    "min_gain",
    "pruning",
];
const LINEAR: &[&str] = &["l2", "max_iterations", "tolerance"];

impl AlgorithmName {
    pub(crate) const ALL: [Self; 6] = [
        Self::GradientBoosting,
        Self::RandomForest,
        Self::ExtraTrees,
        Self::DecisionTree,
        Self::LogisticRegression,
        Self::LinearRegression,
    ];

    /// Names of its parameters.
    pub(crate) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::GradientBoosting => BOOSTING,
            Self::RandomForest | Self::ExtraTrees => FOREST,
            Self::DecisionTree => TREE,
            Self::LogisticRegression | Self::LinearRegression => LINEAR,
        }
    }

    /// The algorithm with these parameters in place of its defaults; those of other algorithms are
    /// passed over (see [`without_effect`]).
    ///
    /// # Errors
    /// A sentence naming the parameter.
    pub(crate) fn with(self, settings: &Map<String, Value>) -> Result<Algorithm, String> {
        match self {
            Self::GradientBoosting => {
                fill(&BoostingParams::default(), BOOSTING, settings).map(Algorithm::GradientBoosting)
            }
            Self::RandomForest => {
                fill(&ForestParams::default(), FOREST, settings).map(Algorithm::RandomForest)
            }
            Self::ExtraTrees => {
                fill(&ForestParams::extra_trees(), FOREST, settings).map(Algorithm::ExtraTrees)
            }
            Self::DecisionTree => fill(&TreeParams::default(), TREE, settings).map(Algorithm::DecisionTree),
            Self::LogisticRegression => {
                fill(&LinearParams::logistic(), LINEAR, settings).map(Algorithm::LogisticRegression)
            }
            Self::LinearRegression => {
                fill(&LinearParams::least_squares(), LINEAR, settings).map(Algorithm::LinearRegression)
            }
        }
    }

    /// The name as written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GradientBoosting => "gradient_boosting",
            Self::RandomForest => "random_forest",
            Self::ExtraTrees => "extra_trees",
            Self::DecisionTree => "decision_tree",
            Self::LogisticRegression => "logistic_regression",
            Self::LinearRegression => "linear_regression",
        }
    }
}

/// Names of the parameters of all algorithms.
pub(crate) fn all_parameters() -> impl Iterator<Item = &'static str> {
    AlgorithmName::ALL
        .iter()
        .flat_map(|algorithm| algorithm.parameters().iter().copied())
}

/// The settings that say nothing to this algorithm.
pub(crate) fn without_effect(algorithm: AlgorithmName, settings: &Map<String, Value>) -> Vec<&str> {
    settings
        .keys()
        .map(String::as_str)
        .filter(|name| !algorithm.parameters().contains(name))
        .collect()
}

fn fill<P: Serialize + serde::de::DeserializeOwned>(
    defaults: &P,
    names: &[&str],
    settings: &Map<String, Value>,
) -> Result<P, String> {
    let mut values = serde_json::to_value(defaults).map_err(|error| error.to_string())?;
    for name in names {
        if let Some(value) = settings.get(*name).filter(|value| !value.is_null()) {
            let mut changed = values.clone();
            changed[*name] = value.clone();
            // One at a time, so that the message can name the one that is wrong.
            serde_json::from_value::<P>(changed.clone())
                .map_err(|error| format!("parameter `{name}` is {value}: {error}"))?;
            values = changed;
        }
    }
    serde_json::from_value(values).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn settings_replace_defaults_and_those_of_other_algorithms_have_no_effect() {
        let settings = map(json!({"n_rounds": 50, "max_depth": 4, "n_trees": 7}));
        let Algorithm::GradientBoosting(params) = AlgorithmName::GradientBoosting.with(&settings).unwrap()
        else {
            panic!("boosting")
        };
        assert_eq!(
            (params.n_rounds, params.max_depth, params.num_leaves),
            (50, Some(4), 31)
        );
        assert_eq!(
            without_effect(AlgorithmName::GradientBoosting, &settings),
            ["n_trees"]
        );
    }

    #[test]
    fn a_setting_of_the_wrong_type_is_named() {
        let error = AlgorithmName::RandomForest
            .with(&map(json!({"n_trees": "many"})))
            .unwrap_err();
        assert!(error.contains("`n_trees`"), "{error}");
    }

    #[test]
    fn every_listed_parameter_is_a_field_of_its_algorithm_and_every_field_is_listed() {
        for name in AlgorithmName::ALL {
            let value = serde_json::to_value(name.with(&Map::new()).unwrap()).unwrap();
            assert_eq!(value["algorithm"], name.name());
            let fields: Vec<&str> = value["params"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(fields, name.parameters());
        }
    }
}
