//! Preprocessing, calibration and class weights as `with:` writes them.

use super::parameter::{Parameter, closed, constants};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use trainyard_contract::StepError;
use trainyard_models::{Calibration, CalibrationMethod, CalibrationRows, ClassWeight, Preprocessing, Task};

/// How features become columns of numbers; see [`Preprocessing`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct PreprocessingParam(pub(crate) Preprocessing);

pub(crate) const PREPROCESSING: &[Parameter] = &[
    Parameter::form("impute", impute, "What stands for a missing number, from the training rows in which it is known: `mean`, `median`, `most_frequent`, or `{constant: 0}`.")
        .source("scikit-learn `SimpleImputer(strategy)`"),
    Parameter::flag("missing_indicator", "Whether a number that was missing in training gets a second column: 1 where it is missing, else 0.")
        .source("scikit-learn `SimpleImputer(add_indicator)`"),
    Parameter::words(
        "scale",
        &[
            ("standard", "Mean 0 and standard deviation 1."),
            ("min_max", "From 0 for the smallest to 1 for the largest."),
            ("robust", "Median 0 and a distance of 1 between the quartiles."),
            ("none", "As it is."),
        ],
        "Unit of numbers, and of categories encoded as numbers.",
    )
    .source("scikit-learn `StandardScaler`, `MinMaxScaler`, `RobustScaler`"),
    Parameter::form("encode", encode, "How categories become numbers: `one_hot`, `ordinal`, or `{target: {smoothing: 10}}` for the mean label of the category, from other folds than the row's own.")
        .source("scikit-learn `OneHotEncoder`, `OrdinalEncoder`, `TargetEncoder`; Micci-Barreca 2001"),
    Parameter::words(
        "unseen",
        &[
            ("ignore", "Nothing: 0 in every column of one-hot, −1 as an ordinal, the mean label of all rows as a target."),
            ("as_missing", "The same as missing."),
            ("error", "Prediction fails and names it."),
        ],
        "What a category means that did not occur in training.",
    )
    .source("scikit-learn `handle_unknown`"),
];

fn impute() -> Value {
    json!({"anyOf": [
        {"oneOf": constants(&[
            ("mean", "The mean."),
            ("median", "The median."),
            ("most_frequent", "The most frequent value; of equally frequent ones the smallest."),
        ])},
        {
            "type": "object",
            "properties": {"constant": {"type": "number", "description": "This number."}},
            "required": ["constant"],
            "additionalProperties": false,
        },
    ]})
}

fn encode() -> Value {
    let smoothing = json!({
        "type": ["number", "null"], "minimum": 0,
        "description": "Rows at which a category's mean counts as much as that of all. Default: from the variances within and between categories.",
    });
    json!({"anyOf": [
        {"oneOf": constants(&[
            ("one_hot", "A column for each category: 1 or 0."),
            ("ordinal", "The place of the category among the sorted ones, from 0; −1 for missing or unseen."),
        ])},
        {
            "type": "object",
            "properties": {"target": {
                "type": "object",
                "description": "The mean label of the category's training rows, drawn towards that of all.",
                "properties": {"smoothing": smoothing},
                "additionalProperties": false,
            }},
            "required": ["target"],
            "additionalProperties": false,
        },
    ]})
}

impl JsonSchema for PreprocessingParam {
    fn schema_name() -> Cow<'static, str> {
        "Preprocessing".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let defaults = match serde_json::to_value(Preprocessing::default()) {
            Ok(Value::Object(defaults)) => defaults,
            _ => Map::new(),
        };
        match closed(PREPROCESSING, &defaults) {
            Value::Object(schema) => schema.into(),
            _ => Schema::default(),
        }
    }
}

/// How probabilities are made to mean shares of what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Calibrate {
    /// As the algorithm gives them.
    None,
    /// A logistic curve of the log odds (Platt 1999): for few rows.
    Sigmoid,
    /// The rising steps that fit best (Zadrozny and Elkan 2002): for some thousand rows.
    Isotonic,
}

/// Which rows a calibration looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CalibrateOn {
    /// The training rows, each predicted by a model trained on the other folds.
    #[default]
    Train,
    /// The rows at input `valid`.
    Valid,
}

/// The calibration that these parameters ask for.
pub(crate) fn calibration(calibrate: Calibrate, on: CalibrateOn, folds: u32) -> Option<Calibration> {
    let method = match calibrate {
        Calibrate::None => return None,
        Calibrate::Sigmoid => CalibrationMethod::Sigmoid,
        Calibrate::Isotonic => CalibrationMethod::Isotonic,
    };
    let rows = match on {
        CalibrateOn::Train => CalibrationRows::CrossFitted {
            folds: folds as usize,
        },
        CalibrateOn::Valid => CalibrationRows::Valid,
    };
    Some(Calibration { method, rows })
}

/// How much the rows of each class count.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ClassWeightParam {
    Named(NamedWeight),
    /// A number of at least 0 for each value of the label; those left out count 1.
    Given(BTreeMap<String, f64>),
}

/// Class weights that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NamedWeight {
    /// Every row the same.
    None,
    /// All classes the same in total.
    Balanced,
    /// Forests: balanced within the rows drawn for each tree.
    BalancedSubsample,
}

impl Default for ClassWeightParam {
    fn default() -> Self {
        Self::Named(NamedWeight::None)
    }
}

impl ClassWeightParam {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The weights in the order of the task's classes.
    ///
    /// # Errors
    /// `Rejected` for a class that the label does not have.
    pub(crate) fn of(&self, task: &Task) -> Result<ClassWeight, StepError> {
        let given = match self {
            Self::Named(NamedWeight::None) => return Ok(ClassWeight::None),
            Self::Named(NamedWeight::Balanced) => return Ok(ClassWeight::Balanced),
            Self::Named(NamedWeight::BalancedSubsample) => return Ok(ClassWeight::BalancedSubsample),
            Self::Given(given) => given,
        };
        let classes = task.classes();
        if let Some(unknown) = given.keys().find(|class| !classes.contains(&class.as_str())) {
            return Err(StepError::rejected(format!(
                "`class_weight` names `{unknown}`, which is no value of the label"
            ))
            .help(format!("its values are {}", crate::fault::list(&classes))));
        }
        let weight = |class: &&str| given.get(*class).copied().unwrap_or(1.0);
        Ok(ClassWeight::Given(classes.iter().map(weight).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_preprocessing_is_a_documented_parameter() {
        let Value::Object(defaults) = serde_json::to_value(Preprocessing::default()).unwrap() else {
            panic!("a map")
        };
        let listed: Vec<&str> = PREPROCESSING.iter().map(|parameter| parameter.name).collect();
        assert!(defaults.keys().eq(&listed));
        let given: PreprocessingParam =
            serde_json::from_value(json!({"impute": {"constant": 0}, "encode": {"target": {}}})).unwrap();
        assert_eq!(given.0.impute, trainyard_models::Impute::Constant(0.0));
    }

    #[test]
    fn class_weights_go_by_the_values_of_the_label() {
        let task = Task::Multiclass {
            classes: vec!["a".into(), "b".into(), "c".into()],
        };
        let given: ClassWeightParam = serde_json::from_value(json!({"b": 3})).unwrap();
        assert_eq!(given.of(&task).unwrap(), ClassWeight::Given(vec![1.0, 3.0, 1.0]));
        let wrong: ClassWeightParam = serde_json::from_value(json!({"d": 3})).unwrap();
        assert!(wrong.of(&task).unwrap_err().to_string().contains("`d`"));
        let named: ClassWeightParam = serde_json::from_value(json!("balanced")).unwrap();
        assert_eq!(named.of(&task).unwrap(), ClassWeight::Balanced);
    }
}
