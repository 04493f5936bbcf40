//! The algorithms by name: what each is for, and its parameters. A new one is an entry here.

mod boosting;
mod distances;
mod linear;
mod trees;

use super::parameter::Parameter;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use trainyard_contract::finding::nearest;
use trainyard_models::{
    Algorithm, BoostingParams, DbscanParams, ElasticNetParams, ForestParams, GlmParams, KMeansParams,
    LassoParams, LinearParams, LinearSvmParams, MixtureParams, NaiveBayesParams, NeighborsParams,
    RidgeParams, SvmParams, TreeParams,
};

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Classes,
    Numbers,
    Clusters,
}

impl Purpose {
    /// What an algorithm for another purpose cannot do.
    pub(crate) fn doing(self) -> &'static str {
        match self {
            Self::Classes => "tell classes apart",
            Self::Numbers => "predict a number",
            Self::Clusters => "find clusters",
        }
    }

    /// The step that trains for it.
    pub(crate) fn step(self) -> &'static str {
        match self {
            Self::Classes => "train.classifier@v1",
            Self::Numbers => "train.regressor@v1",
            Self::Clusters => "train.cluster@v1",
        }
    }
}

/// An algorithm as steps, schema and reference know it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) doc: &'static str,
    pub(crate) purposes: &'static [Purpose],
    pub(crate) parameters: &'static [Parameter],
    defaults: fn() -> Algorithm,
}

const LABELS: &[Purpose] = &[Purpose::Classes, Purpose::Numbers];
const CLASSES: &[Purpose] = &[Purpose::Classes];
const NUMBERS: &[Purpose] = &[Purpose::Numbers];
const CLUSTERS: &[Purpose] = &[Purpose::Clusters];

const ALGORITHMS: &[Entry] = &[
    Entry {
        name: "gradient_boosting",
        doc: "Gradient boosting of histogram trees, in the manner of LightGBM.",
        purposes: LABELS,
        parameters: boosting::PARAMETERS,
        defaults: || Algorithm::GradientBoosting(BoostingParams::default()),
    },
    Entry {
        name: "random_forest",
        doc: "Trees on rows drawn with replacement, averaged (Breiman 2001).",
        purposes: LABELS,
        parameters: trees::FOREST,
        defaults: || Algorithm::RandomForest(ForestParams::default()),
    },
    Entry {
        name: "extra_trees",
        doc: "A forest whose thresholds are drawn instead of searched (Geurts et al. 2006).",
        purposes: LABELS,
        parameters: trees::FOREST,
        defaults: || Algorithm::ExtraTrees(ForestParams::extra_trees()),
    },
    Entry {
        name: "decision_tree",
        doc: "One tree (Breiman et al. 1984).",
        purposes: LABELS,
        parameters: trees::TREE,
        defaults: || Algorithm::DecisionTree(TreeParams::default()),
    },
    Entry {
        name: "logistic_regression",
        doc: "Linear log odds of two classes or of several.",
        purposes: CLASSES,
        parameters: linear::REGRESSION,
        defaults: || Algorithm::LogisticRegression(LinearParams::logistic()),
    },
    Entry {
        name: "linear_regression",
        doc: "Least squares; with `l2` ridge, with `l1` lasso.",
        purposes: NUMBERS,
        parameters: linear::REGRESSION,
        defaults: || Algorithm::LinearRegression(LinearParams::least_squares()),
    },
    Entry {
        name: "ridge",
        doc: "Least squares with squared weights as penalty (Hoerl and Kennard 1970).",
        purposes: NUMBERS,
        parameters: linear::RIDGE,
        defaults: || Algorithm::Ridge(RidgeParams::default()),
    },
    Entry {
        name: "lasso",
        doc: "Least squares with absolute weights as penalty (Tibshirani 1996).",
        purposes: NUMBERS,
        parameters: linear::LASSO,
        defaults: || Algorithm::Lasso(LassoParams::default()),
    },
    Entry {
        name: "elastic_net",
        doc: "Least squares with both penalties (Zou and Hastie 2005).",
        purposes: NUMBERS,
        parameters: linear::ELASTIC_NET,
        defaults: || Algorithm::ElasticNet(ElasticNetParams::default()),
    },
    Entry {
        name: "generalized_linear",
        doc: "Counts, sizes and sums with a linear logarithm of the mean (Nelder and Wedderburn 1972).",
        purposes: NUMBERS,
        parameters: linear::GENERALIZED,
        defaults: || Algorithm::GeneralizedLinear(GlmParams::default()),
    },
    Entry {
        name: "linear_svm",
        doc: "Linear support vector machine: squared hinge loss, or squared error beyond a tube.",
        purposes: LABELS,
        parameters: linear::LINEAR_SVM,
        defaults: || Algorithm::LinearSvm(LinearSvmParams::default()),
    },
    Entry {
        name: "svm",
        doc: "Support vector machine with a kernel (Cortes and Vapnik 1995); for up to some ten thousand rows.",
        purposes: LABELS,
        parameters: linear::SVM,
        defaults: || Algorithm::Svm(SvmParams::default()),
    },
    Entry {
        name: "naive_bayes",
        doc: "Features taken as independent within each class.",
        purposes: CLASSES,
        parameters: distances::NAIVE_BAYES,
        defaults: || Algorithm::NaiveBayes(NaiveBayesParams::default()),
    },
    Entry {
        name: "nearest_neighbors",
        doc: "The answer of the nearest training rows (Cover and Hart 1967).",
        purposes: LABELS,
        parameters: distances::NEIGHBORS,
        defaults: || Algorithm::NearestNeighbors(NeighborsParams::default()),
    },
    Entry {
        name: "kmeans",
        doc: "Clusters around centers (Lloyd 1982), started by k-means++ (Arthur and Vassilvitskii 2007).",
        purposes: CLUSTERS,
        parameters: distances::K_MEANS,
        defaults: || Algorithm::KMeans(KMeansParams::default()),
    },
    Entry {
        name: "dbscan",
        doc: "Clusters of dense rows; rows in no dense place have none (Ester et al. 1996).",
        purposes: CLUSTERS,
        parameters: distances::DBSCAN,
        defaults: || Algorithm::Dbscan(DbscanParams::default()),
    },
    Entry {
        name: "gaussian_mixture",
        doc: "Clusters as normal distributions, found by expectation and maximisation.",
        purposes: CLUSTERS,
        parameters: distances::MIXTURE,
        defaults: || Algorithm::GaussianMixture(MixtureParams::default()),
    },
];

/// A learning algorithm, by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlgorithmName(&'static Entry);

impl PartialEq for AlgorithmName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for AlgorithmName {}

impl Default for AlgorithmName {
    fn default() -> Self {
        Self(&ALGORITHMS[0])
    }
}

impl Serialize for AlgorithmName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for AlgorithmName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| {
            let help = match nearest(&name, ALGORITHMS.iter().map(|entry| entry.name)) {
                Some(near) => format!(": did you mean `{near}`?"),
                None => String::new(),
            };
            serde::de::Error::custom(format!("there is no algorithm `{name}`{help}"))
        })
    }
}

impl JsonSchema for AlgorithmName {
    fn schema_name() -> Cow<'static, str> {
        "AlgorithmName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"oneOf": Self::all().map(|name| name.constant()).collect::<Vec<Value>>()})
    }
}

impl AlgorithmName {
    pub(crate) fn all() -> impl Iterator<Item = Self> + Clone {
        ALGORITHMS.iter().map(Self)
    }

    /// Those for a purpose.
    pub(crate) fn of(purpose: Purpose) -> impl Iterator<Item = Self> + Clone {
        Self::all().filter(move |name| name.is_for(purpose))
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().find(|known| known.0.name == name)
    }

    /// The one that a purpose has where none is named.
    pub(crate) fn default_of(purpose: Purpose) -> Self {
        Self::of(purpose).next().unwrap_or_default()
    }

    /// The name as written.
    pub(crate) fn name(self) -> &'static str {
        self.0.name
    }

    pub(crate) fn is_for(self, purpose: Purpose) -> bool {
        self.0.purposes.contains(&purpose)
    }

    /// Its own parameters.
    pub(crate) fn parameters(self) -> &'static [Parameter] {
        self.0.parameters
    }

    pub(crate) fn parameter(self, name: &str) -> Option<&'static Parameter> {
        self.0.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Names of its parameters.
    pub(crate) fn parameter_names(self) -> Vec<&'static str> {
        self.0.parameters.iter().map(|parameter| parameter.name).collect()
    }

    /// Whether it learns from preprocessed columns.
    pub(crate) fn is_preprocessed(self) -> bool {
        (self.0.defaults)().is_preprocessed()
    }

    /// Its parameters as they are if nobody says otherwise.
    pub(crate) fn defaults(self) -> Map<String, Value> {
        match serde_json::to_value((self.0.defaults)()) {
            Ok(mut value) => match value.get_mut("params").map(Value::take) {
                Some(Value::Object(params)) => params,
                _ => Map::new(),
            },
            Err(_) => Map::new(),
        }
    }

    /// The algorithm with these parameters in place of its defaults.
    ///
    /// # Errors
    /// The parameter that is wrong, and why.
    pub(crate) fn with(self, settings: &Map<String, Value>) -> Result<Algorithm, Fault> {
        let mut params = self.defaults();
        let mut found = (self.0.defaults)();
        for (name, value) in settings.iter().filter(|(_, value)| !value.is_null()) {
            let fault = |why: String| Fault {
                parameter: name.clone(),
                why,
            };
            let Some(parameter) = self.parameter(name) else {
                return Err(fault(foreign(name, self)));
            };
            if let Some(why) = parameter.fault(value) {
                return Err(fault(format!("parameter `{name}` is {value}: {why}")));
            }
            params.insert(parameter.name.to_owned(), value.clone());
            // One at a time, so that the message can name the one that is wrong.
            let whole = json!({"algorithm": self.0.name, "params": params});
            found = serde_json::from_value(whole)
                .map_err(|error| fault(format!("parameter `{name}` is {value}: {error}")))?;
        }
        Ok(found)
    }

    /// The name as one alternative of a schema.
    pub(super) fn constant(self) -> Value {
        json!({"const": self.0.name, "description": self.0.doc})
    }
}

/// A parameter that an algorithm cannot take.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) parameter: String,
    /// A sentence that names the parameter.
    pub(crate) why: String,
}

/// The algorithms that have a parameter.
pub(crate) fn owners(parameter: &str) -> Vec<&'static str> {
    AlgorithmName::all()
        .filter(|name| name.parameter(parameter).is_some())
        .map(AlgorithmName::name)
        .collect()
}

/// What to say of a parameter that an algorithm does not have.
pub(crate) fn foreign(parameter: &str, algorithm: AlgorithmName) -> String {
    let owners = owners(parameter);
    if owners.is_empty() {
        return format!("no algorithm has a parameter `{parameter}`");
    }
    format!(
        "`{parameter}` belongs to {}; `{}` does not have it",
        crate::fault::list(&owners),
        algorithm.name()
    )
}

/// The parameter of an algorithm that a name of another library, or a misspelt one, stands for.
pub(crate) fn meant(
    name: &str,
    algorithms: impl Iterator<Item = AlgorithmName> + Clone,
) -> Option<&'static str> {
    let all = algorithms.clone().flat_map(|algorithm| algorithm.parameters());
    let alias = all
        .clone()
        .find(|parameter| parameter.aliases.contains(&name))
        .map(|parameter| parameter.name);
    alias.or_else(|| nearest(name, all.map(|parameter| parameter.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_algorithm_of_the_models_has_an_entry_with_every_parameter() {
        assert!(AlgorithmName::all().map(AlgorithmName::name).eq(Algorithm::NAMES));
        for name in AlgorithmName::all() {
            let whole = serde_json::to_value(name.with(&Map::new()).unwrap()).unwrap();
            assert_eq!(whole["algorithm"], name.name());
            let mut fields: Vec<String> = name.defaults().keys().cloned().collect();
            let mut listed = name.parameter_names();
            fields.sort();
            listed.sort_unstable();
            assert_eq!(fields, listed, "{}", name.name());
        }
    }

    #[test]
    fn every_default_lies_in_its_range_and_says_what_none_means() {
        for name in AlgorithmName::all() {
            let defaults = name.defaults();
            for parameter in name.parameters() {
                let default = &defaults[parameter.name];
                assert_eq!(
                    parameter.fault(default),
                    None,
                    "{}.{}",
                    name.name(),
                    parameter.name
                );
                assert_eq!(
                    default.is_null(),
                    parameter.none.is_some(),
                    "{}.{}",
                    name.name(),
                    parameter.name
                );
                assert!(parameter.doc.ends_with('.') && !parameter.source.is_empty());
            }
        }
    }

    #[test]
    fn settings_replace_defaults() {
        let settings = map(json!({"n_rounds": 50, "max_depth": 4}));
        let Algorithm::GradientBoosting(params) = AlgorithmName::default().with(&settings).unwrap() else {
            panic!("boosting")
        };
        assert_eq!(
            (params.n_rounds, params.max_depth, params.num_leaves),
            (50, Some(4), 31)
        );
    }

    #[test]
    fn a_wrong_or_foreign_setting_is_named_with_those_that_have_it() {
        let fault = |algorithm: &str, settings: Value| {
            AlgorithmName::named(algorithm)
                .unwrap()
                .with(&map(settings))
                .unwrap_err()
        };
        let many = fault("random_forest", json!({"n_trees": "many"}));
        assert_eq!(many.parameter, "n_trees");
        assert!(many.why.contains("whole number from 1 to 100000"), "{}", many.why);
        let foreign = fault("random_forest", json!({"n_rounds": 5}));
        assert_eq!(
            foreign.why,
            "`n_rounds` belongs to `gradient_boosting`; `random_forest` does not have it"
        );
        let open = fault("gradient_boosting", json!({"learning_rate": 0}));
        assert!(open.why.contains("above 0 and of at most 1"), "{}", open.why);
        let form = fault("gradient_boosting", json!({"loss": {"huber": {"delt": 1}}}));
        assert!(form.why.starts_with("parameter `loss` is"), "{}", form.why);
    }

    #[test]
    fn names_of_other_libraries_lead_to_ours() {
        let boosting = || std::iter::once(AlgorithmName::default());
        assert_eq!(meant("n_estimators", boosting()), Some("n_rounds"));
        assert_eq!(meant("subsample", boosting()), Some("row_share"));
        assert_eq!(meant("learning_rat", boosting()), Some("learning_rate"));
    }
}
