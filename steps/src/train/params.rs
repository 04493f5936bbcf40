//! What `with:` of a training step says, and its schema.

use super::algorithm::{AlgorithmName, Fault, Purpose};
use super::columns::Told;
use super::parameter::{Parameter, closed};
use super::preparation::{Calibrate, CalibrateOn, ClassWeightParam, PreprocessingParam};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use trainyard_models::Algorithm;

/// Parameters of `train.classifier@v1`; `train.regressor@v1` has those that do not speak of classes,
/// `train.cluster@v1` those that need no label. The parameters of algorithms stand beside them: see
/// [`schema`].
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Params {
    /// The learning algorithm.
    #[serde(default)]
    pub(crate) algorithm: Option<AlgorithmName>,
    /// Column to predict. Default: the label that the table declares.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    pub(crate) label: Option<String>,
    /// Columns to learn from. Default: the features that the table declares, or all columns but
    /// label, weight, event time and primary key. Times and lists cannot be learnt from.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    pub(crate) features: Vec<String>,
    /// Columns of whole numbers or booleans whose values are names and no quantities, such as codes.
    /// Texts always are.
    #[serde(default)]
    #[schemars(extend(
        "x-kind" = "columns",
        "x-source" = "LightGBM `categorical_feature`",
        "x-aliases" = ["categorical_feature", "categorical_features", "cat_features"]
    ))]
    pub(crate) categorical: Vec<String>,
    /// Column of numbers of at least 0 that says how much each row counts, in training and on the
    /// rows at input `valid`. It is no feature. Default: all rows count 1.
    #[serde(default)]
    #[schemars(extend(
        "x-kind" = "column",
        "x-source" = "scikit-learn `fit(sample_weight)`",
        "x-aliases" = ["weight", "weights_column"]
    ))]
    pub(crate) sample_weight: Option<String>,
    /// The moment at which the prediction is made; no feature may be known later. Default: what the
    /// table declares.
    #[serde(default)]
    pub(crate) predict_at: Option<String>,
    /// Seed of everything drawn at random. Same seed and rows: same bytes.
    #[serde(default = "default_seed")]
    #[schemars(extend("x-aliases" = ["random_state", "random_seed"]))]
    pub(crate) seed: u64,
    /// The value of a label of two values whose probability is predicted. Default: `true`, or 1 of 0
    /// and 1; a label of two texts needs it.
    #[serde(default)]
    #[schemars(extend("x-aliases" = ["pos_label", "positive_class"]))]
    pub(crate) positive: Option<Value>,
    /// How much the rows of each class count: `none`, `balanced` (all classes the same in total),
    /// `balanced_subsample` (forests: within the rows of each tree), or a number of at least 0 for
    /// each value of the label. It multiplies `sample_weight`.
    #[serde(default)]
    #[schemars(extend("x-source" = "scikit-learn `class_weight`", "default" = "none"))]
    pub(crate) class_weight: ClassWeightParam,
    /// How features become columns of numbers, for algorithms that add or measure distances; fitted
    /// on the training rows only and part of the model. Trees and naive Bayes take columns as they are. Default: the defaults of
    /// its parts.
    #[serde(default)]
    pub(crate) preprocessing: Option<PreprocessingParam>,
    /// How probabilities are calibrated.
    #[serde(default = "no_calibration")]
    #[schemars(extend("x-source" = "scikit-learn `CalibratedClassifierCV(method)`"))]
    pub(crate) calibrate: Calibrate,
    /// Which rows calibration looks at.
    #[serde(default)]
    pub(crate) calibrate_on: CalibrateOn,
    /// Folds of the training rows for calibration on `train`.
    #[serde(default = "default_folds")]
    #[schemars(range(min = 2, max = 100), extend("x-source" = "scikit-learn `CalibratedClassifierCV(cv)`"))]
    pub(crate) calibration_folds: u32,
    /// Name of the column that cluster numbers get.
    #[serde(default = "default_cluster_name")]
    pub(crate) cluster_column: String,
    /// Parameters of algorithms under the algorithm's name, where the algorithm comes from a matrix
    /// or a parameter: of these only those of the chosen one apply. Default: none.
    #[serde(default)]
    pub(crate) by_algorithm: BTreeMap<String, Map<String, Value>>,
    /// Parameters of the algorithm.
    #[serde(flatten)]
    #[schemars(skip)]
    pub(crate) settings: Map<String, Value>,
}

pub(crate) fn default_seed() -> u64 {
    42
}

fn no_calibration() -> Calibrate {
    Calibrate::None
}

fn default_folds() -> u32 {
    5
}

fn default_cluster_name() -> String {
    "cluster".to_owned()
}

/// Parameters of the steps that say nothing to a purpose.
fn without_meaning(purpose: Purpose) -> &'static [&'static str] {
    match purpose {
        Purpose::Classes => &["cluster_column"],
        Purpose::Numbers => &[
            "positive",
            "class_weight",
            "calibrate",
            "calibrate_on",
            "calibration_folds",
            "cluster_column",
        ],
        Purpose::Clusters => &[
            "label",
            "predict_at",
            "positive",
            "class_weight",
            "calibrate",
            "calibrate_on",
            "calibration_folds",
        ],
    }
}

impl Params {
    pub(super) fn told(&self, purpose: Purpose) -> Told<'_> {
        Told {
            label: self.label.as_deref(),
            features: &self.features,
            predict_at: self.predict_at.as_deref(),
            purpose,
            sample_weight: self.sample_weight.as_deref(),
            categorical: &self.categorical,
        }
    }

    pub(super) fn algorithm(&self, purpose: Purpose) -> AlgorithmName {
        self.algorithm
            .unwrap_or_else(|| AlgorithmName::default_of(purpose))
    }

    /// The parameters for this algorithm: those under its name before those for any.
    pub(super) fn settings(&self, purpose: Purpose, algorithm: AlgorithmName) -> Map<String, Value> {
        let mut all = self.settings.clone();
        if purpose != Purpose::Classes
            && let Some(positive) = &self.positive
        {
            // The same word for weights of at least 0, where there are no classes.
            all.insert("positive".to_owned(), positive.clone());
        }
        if let Some(own) = self.by_algorithm.get(algorithm.name()) {
            all.extend(own.clone());
        }
        all
    }

    /// The algorithm with its parameters.
    ///
    /// # Errors
    /// The parameter that is wrong.
    pub(super) fn chosen(&self, purpose: Purpose) -> Result<Algorithm, Fault> {
        let algorithm = self.algorithm(purpose);
        algorithm.with(&self.settings(purpose, algorithm))
    }
}

/// The closed schema of a training step: its own parameters, those of every algorithm for its
/// purpose, and under `by_algorithm` one closed map for each algorithm.
pub(super) fn schema(purpose: Purpose) -> Value {
    let mut schema = schemars::schema_for!(Params).to_value();
    let foreign = without_meaning(purpose);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !foreign.contains(&name.as_str()));
        properties.insert("algorithm".to_owned(), algorithms(purpose));
        properties.insert("by_algorithm".to_owned(), by_algorithm(purpose));
        for (name, of) in flat(AlgorithmName::of(purpose)) {
            properties.insert(name, of);
        }
    }
    schema["additionalProperties"] = json!(false);
    schema
}

fn algorithms(purpose: Purpose) -> Value {
    let constants: Vec<Value> = AlgorithmName::of(purpose).map(AlgorithmName::constant).collect();
    json!({
        "description": "The learning algorithm.",
        "oneOf": constants,
        "default": AlgorithmName::default_of(purpose).name(),
    })
}

fn by_algorithm(purpose: Purpose) -> Value {
    let each: Map<String, Value> = AlgorithmName::of(purpose)
        .map(|name| {
            let mut own = closed(name.parameters(), &name.defaults());
            own["description"] = json!(format!("Parameters of `{}`.", name.name()));
            (name.name().to_owned(), own)
        })
        .collect();
    json!({
        "type": "object",
        "description": "Parameters of algorithms under the algorithm's name, where the algorithm comes from a matrix or a parameter: of these only those of the chosen one apply. Default: none.",
        "properties": each,
        "additionalProperties": false,
        // The reference lists them where they stand beside the others.
        "x-listed-elsewhere": true,
    })
}

/// Every parameter of these algorithms once, with the algorithms that have it.
fn flat(algorithms: impl Iterator<Item = AlgorithmName>) -> Map<String, Value> {
    let mut all: Vec<(&'static str, Vec<(AlgorithmName, &'static Parameter)>)> = Vec::new();
    for algorithm in algorithms {
        for parameter in algorithm.parameters() {
            match all.iter_mut().find(|(name, _)| *name == parameter.name) {
                Some((_, owners)) => owners.push((algorithm, parameter)),
                None => all.push((parameter.name, vec![(algorithm, parameter)])),
            }
        }
    }
    all.into_iter()
        .map(|(name, owners)| (name.to_owned(), merged(name, &owners)))
        .collect()
}

/// One schema for a parameter that several algorithms have: what any of them allows.
fn merged(name: &str, owners: &[(AlgorithmName, &'static Parameter)]) -> Value {
    let mut forms: Vec<Map<String, Value>> = Vec::new();
    let mut docs: Vec<&str> = Vec::new();
    let mut defaults: Vec<(&str, Value)> = Vec::new();
    let (mut aliases, mut sources): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for (algorithm, parameter) in owners {
        let default = algorithm.defaults().get(name).cloned().unwrap_or(Value::Null);
        defaults.push((algorithm.name(), default));
        let mut form = parameter.schema(None);
        form.retain(|key, _| key != "description" && key != "x-aliases" && key != "x-source");
        if !forms.contains(&form) {
            forms.push(form);
        }
        if !docs.contains(&parameter.doc) {
            docs.push(parameter.doc);
        }
        if !sources.contains(&parameter.source) {
            sources.push(parameter.source);
        }
        for alias in parameter.aliases {
            if !aliases.contains(alias) {
                aliases.push(alias);
            }
        }
    }
    let mut schema = match forms.len() {
        1 => forms.swap_remove(0),
        _ => {
            let mut one = Map::new();
            one.insert("anyOf".to_owned(), json!(forms));
            one
        }
    };
    let same = defaults.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let mut description = docs.join(" Or: ");
    if same && let Some((_, default)) = defaults.first() {
        schema.insert("default".to_owned(), default.clone());
    } else {
        let each: Vec<String> = defaults
            .iter()
            .map(|(algorithm, default)| format!("{default} for `{algorithm}`"))
            .collect();
        description.push_str(&format!(" Default: {}.", each.join(", ")));
    }
    schema.insert("description".to_owned(), json!(description));
    schema.insert("x-source".to_owned(), json!(sources.join("; ")));
    schema.insert(
        "x-algorithms".to_owned(),
        owners.iter().map(|(name, _)| json!(name.name())).collect(),
    );
    if !aliases.is_empty() {
        schema.insert("x-aliases".to_owned(), json!(aliases));
    }
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_of_each_step_is_closed_and_has_every_parameter_of_its_algorithms() {
        for purpose in [Purpose::Classes, Purpose::Numbers, Purpose::Clusters] {
            let schema = schema(purpose);
            assert_eq!(schema["additionalProperties"], false);
            let properties = schema["properties"].as_object().unwrap();
            for algorithm in AlgorithmName::of(purpose) {
                for parameter in algorithm.parameters() {
                    assert!(properties.contains_key(parameter.name), "{}", parameter.name);
                    let own = &properties["by_algorithm"]["properties"][algorithm.name()];
                    assert_eq!(own["additionalProperties"], false);
                    assert!(own["properties"].get(parameter.name).is_some());
                }
            }
        }
        let regressor = schema(Purpose::Numbers);
        assert!(regressor["properties"].get("class_weight").is_none());
        assert_eq!(
            regressor["properties"]["positive"]["x-algorithms"],
            json!(["lasso", "elastic_net"])
        );
        let classifier = schema(Purpose::Classes);
        assert_eq!(
            classifier["properties"]["n_rounds"]["x-algorithms"],
            json!(["gradient_boosting"])
        );
        assert_eq!(classifier["properties"]["n_rounds"]["default"], 200);
    }

    #[test]
    fn parameters_under_an_algorithms_name_go_before_those_for_any() {
        let params: Params = serde_json::from_value(json!({
            "algorithm": "random_forest", "min_leaf": 3,
            "by_algorithm": {"random_forest": {"min_leaf": 7}, "gradient_boosting": {"n_rounds": 9}},
        }))
        .unwrap();
        let Algorithm::RandomForest(forest) = params.chosen(Purpose::Classes).unwrap() else {
            panic!("a forest")
        };
        assert_eq!(forest.min_leaf, 7);
    }
}
