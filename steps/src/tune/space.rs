//! What a search may try: dimensions with their values and conditions.

use crate::train::algorithm::AlgorithmName;
use crate::train::{Kind, Parameter, Tuned};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One dimension as written: exactly one of `int`, `float`, `log_uniform` and `choice`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["int"]}, {"required": ["float"]}, {"required": ["log_uniform"]}, {"required": ["choice"]}]))]
pub(crate) struct Dimension {
    /// Whole numbers from low to high, ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    int: Option<[i64; 2]>,
    /// Numbers from low to high, all alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    float: Option<[f64; 2]>,
    /// Numbers above 0 from low to high, every power of ten alike: `float` with `log: true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_uniform: Option<[f64; 2]>,
    /// One of these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    choice: Option<Vec<Value>>,
    /// For `int` and `float`: every power of ten alike; both ends above 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    log: bool,
    /// For `int` and `float`: distance of neighbouring values, counted from the low end. Default: 1
    /// for `int`, none for `float`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    step: Option<f64>,
    /// Other dimensions and the values (one or a list) with which this one is tried; otherwise it is
    /// left out. They stand above it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    when: BTreeMap<String, Value>,
}

/// Dimensions as written, by name.
pub(crate) type Written = IndexMap<String, Dimension>;

/// Values of a dimension.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Range {
    Int {
        low: i64,
        high: i64,
        log: bool,
        step: i64,
    },
    Float {
        low: f64,
        high: f64,
        log: bool,
        step: Option<f64>,
    },
    Choice(Vec<Value>),
}

impl Dimension {
    /// What it depends on.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.when.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Its values.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) fn range(&self) -> Result<Range, &'static str> {
        let kinds = [
            self.int.is_some(),
            self.float.is_some(),
            self.log_uniform.is_some(),
            self.choice.is_some(),
        ];
        if kinds.iter().filter(|kind| **kind).count() != 1 {
            return Err("it needs exactly one of `int`, `float`, `log_uniform` and `choice`");
        }
        if let Some(values) = &self.choice {
            return match (values.is_empty(), self.log || self.step.is_some()) {
                (true, _) => Err("it has no values to choose from"),
                (_, true) => Err("`log` and `step` belong to ranges of numbers"),
                _ => Ok(Range::Choice(values.clone())),
            };
        }
        if let Some([low, high]) = self.int {
            let step = self.step.unwrap_or(1.0);
            if low > high {
                return Err("its low end is above its high end");
            }
            if self.log && low < 1 {
                return Err("its ends must be above 0");
            }
            if step.fract() != 0.0 || step < 1.0 {
                return Err("its step must be a whole number of at least 1");
            }
            let step = step as i64;
            let log = self.log;
            return Ok(Range::Int { low, high, log, step });
        }
        let log = self.log || self.log_uniform.is_some();
        let [low, high] = self.float.or(self.log_uniform).unwrap_or_default();
        if !(low.is_finite() && high.is_finite()) {
            return Err("its ends must be numbers");
        }
        if log && low <= 0.0 {
            return Err("its ends must be above 0");
        }
        if low > high {
            return Err("its low end is above its high end");
        }
        let step = self.step;
        Ok(Range::Float { low, high, log, step })
    }
}

impl Range {
    /// What a parameter is searched over where nobody says.
    fn default_of(tuned: Tuned) -> Self {
        match tuned {
            Tuned::Int(low, high) | Tuned::LogInt(low, high) => Self::Int {
                low,
                high,
                log: matches!(tuned, Tuned::LogInt(..)),
                step: 1,
            },
            Tuned::Float(low, high) | Tuned::Log(low, high) => Self::Float {
                low,
                high,
                log: matches!(tuned, Tuned::Log(..)),
                step: None,
            },
            Tuned::Words(words) => Self::Choice(words.iter().map(|word| json!(word)).collect()),
        }
    }

    /// The value at `place` between 0 (low end) and 1 (high end).
    pub(super) fn at(&self, place: f64) -> Value {
        let place = place.clamp(0.0, 1.0);
        match self {
            Self::Int { low, high, log, step } => {
                let steps = (high - low) / step;
                let nth = if *log {
                    let (from, to) = ((*low as f64 - 0.5).ln(), (*high as f64 + 0.5).ln());
                    let value = (from + (to - from) * place).exp();
                    ((value - *low as f64) / *step as f64).round() as i64
                } else {
                    (place * (steps as f64 + 1.0)).floor() as i64
                };
                json!(low + nth.clamp(0, steps) * step)
            }
            Self::Float { low, high, log, step } => {
                let value = if *log {
                    (low.ln() + (high.ln() - low.ln()) * place)
                        .exp()
                        .clamp(*low, *high)
                } else {
                    low + (high - low) * place
                };
                json!(match step {
                    Some(step) => {
                        let most = ((high - low) / step + 1e-9).floor();
                        low + ((value - low) / step).round().min(most) * step
                    }
                    None => value,
                })
            }
            Self::Choice(values) => {
                let nth = (place * values.len() as f64).floor() as usize;
                values
                    .get(nth.min(values.len().saturating_sub(1)))
                    .cloned()
                    .unwrap_or(Value::Null)
            }
        }
    }

    /// Where a value stands between 0 and 1, in the middle of its part for whole numbers and choices.
    pub(super) fn place_of(&self, value: &Value) -> f64 {
        let number = value.as_f64().unwrap_or(0.0);
        let place = match self {
            Self::Int {
                low, high, log: true, ..
            } => {
                let (from, to) = ((*low as f64 - 0.5).ln(), (*high as f64 + 0.5).ln());
                (number.ln() - from) / (to - from)
            }
            Self::Int { low, high, step, .. } => {
                let steps = (high - low) / step;
                ((number - *low as f64) / *step as f64 + 0.5) / (steps as f64 + 1.0)
            }
            Self::Float {
                low, high, log: true, ..
            } if high > low => (number.ln() - low.ln()) / (high.ln() - low.ln()),
            Self::Float { low, high, .. } if high > low => (number - low) / (high - low),
            Self::Float { .. } => 0.5,
            Self::Choice(values) => {
                let nth = values.iter().position(|known| known == value).unwrap_or(0);
                (nth as f64 + 0.5) / values.len().max(1) as f64
            }
        };
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            0.5
        }
    }

    /// Number of values, if they are a few words without an order.
    pub(super) fn choices(&self) -> Option<&[Value]> {
        match self {
            Self::Choice(values) => Some(values),
            _ => None,
        }
    }

    /// The values a grid takes: all if there are not more than `points`.
    pub(super) fn grid(&self, points: usize) -> Vec<Value> {
        let spread = (0..points.max(1)).map(|nth| match points {
            0 | 1 => 0.5,
            _ => nth as f64 / (points - 1) as f64,
        });
        let mut values: Vec<Value> = match self {
            Self::Choice(values) => values.clone(),
            Self::Int { low, high, step, .. } if (high - low) / step < points as i64 => (0..=(high - low)
                / step)
                .map(|nth| json!(low + nth * step))
                .collect(),
            Self::Int {
                low,
                high,
                log: false,
                step,
            } => {
                let steps = ((high - low) / step) as f64;
                spread
                    .map(|place| json!(low + (steps * place).round() as i64 * step))
                    .collect()
            }
            _ => spread.map(|place| self.at(place)).collect(),
        };
        values.dedup();
        values
    }
}

/// A dimension, ready.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) name: String,
    pub(super) range: Range,
    when: Vec<(String, Vec<Value>)>,
}

/// All dimensions in order, of which every one depends on those before it only.
#[derive(Clone, Debug)]
pub(super) struct Space {
    pub(super) axes: Vec<Axis>,
    /// The algorithm, where it is not a dimension.
    fixed: AlgorithmName,
}

/// The name under which the algorithm itself is searched.
pub(super) const ALGORITHM: &str = "algorithm";

/// A name in a search: a parameter, one of a certain algorithm, or a part of preprocessing.
pub(super) enum Name<'n> {
    Algorithm,
    ClassWeight,
    Preprocessing(&'n str),
    Of(AlgorithmName, &'n str),
    Any(&'n str),
}

impl<'n> Name<'n> {
    pub(super) fn of(name: &'n str) -> Self {
        match name.split_once('.') {
            Some(("preprocessing", part)) => Self::Preprocessing(part),
            Some((of, parameter)) => match AlgorithmName::named(of) {
                Some(algorithm) => Self::Of(algorithm, parameter),
                None => Self::Any(name),
            },
            None if name == ALGORITHM => Self::Algorithm,
            None if name == "class_weight" => Self::ClassWeight,
            None => Self::Any(name),
        }
    }

    /// Whether it says anything to an algorithm.
    pub(super) fn is_of(&self, algorithm: AlgorithmName) -> bool {
        match self {
            Self::Algorithm | Self::ClassWeight => true,
            Self::Preprocessing(_) => algorithm.is_preprocessed(),
            Self::Of(of, parameter) => *of == algorithm && algorithm.parameter(parameter).is_some(),
            Self::Any(parameter) => algorithm.parameter(parameter).is_some(),
        }
    }

    /// The parameter of the algorithm, if it is one.
    pub(super) fn parameter(&self, algorithm: AlgorithmName) -> Option<&'static Parameter> {
        match self {
            Self::Of(of, parameter) if *of == algorithm => algorithm.parameter(parameter),
            Self::Any(parameter) => algorithm.parameter(parameter),
            _ => None,
        }
    }
}

impl Space {
    /// The dimensions as written; those that no algorithm of the search has are left out. If an
    /// algorithm has none of them, its own default dimensions stand for it.
    ///
    /// # Errors
    /// A sentence on a dimension without values.
    pub(super) fn new(
        written: &Written,
        params: &Map<String, Value>,
        algorithm: AlgorithmName,
    ) -> Result<Self, String> {
        let mut axes = Vec::new();
        for (name, dimension) in written {
            let range = dimension
                .range()
                .map_err(|fault| format!("the range of `{name}` has no value: {fault}"))?;
            let when = dimension.when.iter().map(|(of, values)| match values {
                Value::Array(values) => (of.clone(), values.clone()),
                one => (of.clone(), vec![one.clone()]),
            });
            axes.push(Axis {
                name: name.clone(),
                range,
                when: when.collect(),
            });
        }
        // What others depend on comes first.
        axes.sort_by_key(|axis| axis.name != ALGORITHM);
        let mut space = Self {
            axes,
            fixed: algorithm,
        };
        for algorithm in space.algorithms() {
            let has_own = space
                .axes
                .iter()
                .any(|axis| Name::of(&axis.name).parameter(algorithm).is_some());
            if !has_own {
                space.axes.extend(defaults(algorithm, params));
            }
        }
        let algorithms = space.algorithms();
        space.axes.retain(|axis| {
            algorithms
                .iter()
                .any(|algorithm| Name::of(&axis.name).is_of(*algorithm))
        });
        Ok(space)
    }

    /// The algorithms that may be tried.
    pub(super) fn algorithms(&self) -> Vec<AlgorithmName> {
        let searched = self.axes.iter().find(|axis| axis.name == ALGORITHM);
        match searched.and_then(|axis| axis.range.choices()) {
            Some(values) => values
                .iter()
                .filter_map(|value| AlgorithmName::named(value.as_str()?))
                .collect(),
            None => vec![self.fixed],
        }
    }

    /// The algorithm of a trial.
    pub(super) fn algorithm(&self, chosen: &Map<String, Value>) -> AlgorithmName {
        chosen
            .get(ALGORITHM)
            .and_then(Value::as_str)
            .and_then(AlgorithmName::named)
            .unwrap_or(self.fixed)
    }

    /// Whether a dimension is tried beside what was chosen for those before it.
    pub(super) fn is_active(&self, axis: &Axis, chosen: &Map<String, Value>) -> bool {
        let holds = |(of, values): &(String, Vec<Value>)| match chosen.get(of) {
            Some(value) => values.contains(value),
            None => of == ALGORITHM && values.contains(&json!(self.fixed.name())),
        };
        Name::of(&axis.name).is_of(self.algorithm(chosen)) && axis.when.iter().all(holds)
    }

    /// Whether a dimension depends on none of these, nor on the algorithm while that is among them.
    pub(super) fn is_free(&self, axis: &Axis, others: &[&str]) -> bool {
        let waits = others.contains(&ALGORITHM) && axis.name != ALGORITHM;
        !waits && axis.when.iter().all(|(of, _)| !others.contains(&of.as_str()))
    }

    /// The values in the order of the dimensions.
    pub(super) fn in_order(&self, mut chosen: Map<String, Value>) -> Map<String, Value> {
        self.axes
            .iter()
            .filter_map(|axis| Some((axis.name.clone(), chosen.remove(&axis.name)?)))
            .collect()
    }

    /// Every combination, the last dimension changing fastest; no more than `most` of them, and
    /// whether there are more.
    pub(super) fn combinations(&self, points: usize, most: usize) -> (Vec<Map<String, Value>>, bool) {
        let mut all = vec![Map::new()];
        let mut cut = false;
        for axis in &self.axes {
            let values = axis.range.grid(points);
            let mut next = Vec::new();
            for chosen in all {
                if !self.is_active(axis, &chosen) {
                    next.push(chosen);
                    continue;
                }
                for value in &values {
                    let mut chosen = chosen.clone();
                    chosen.insert(axis.name.clone(), value.clone());
                    next.push(chosen);
                }
            }
            // Enough for `most` whatever the later dimensions multiply by.
            cut |= next.len() > most.max(1);
            next.truncate(most.max(1));
            all = next;
        }
        (all, cut)
    }
}

/// What is searched of an algorithm where nobody says.
fn defaults(algorithm: AlgorithmName, params: &Map<String, Value>) -> Vec<Axis> {
    let fixed = |name: &str| {
        let dotted = format!("{}.{name}", algorithm.name());
        params.contains_key(name) || params.contains_key(&dotted)
    };
    algorithm
        .parameters()
        .iter()
        .filter(|parameter| !fixed(parameter.name))
        .filter_map(|parameter| {
            Some(Axis {
                name: format!("{}.{}", algorithm.name(), parameter.name),
                range: Range::default_of(parameter.tuned?),
                when: Vec::new(),
            })
        })
        .collect()
}

/// Whether a value of a dimension is one the parameter can take.
pub(super) fn wrong_ends(range: &Range, parameter: &Parameter) -> Option<String> {
    if matches!(parameter.kind, Kind::Form(_)) {
        return None;
    }
    let ends = match range {
        Range::Int { low, high, .. } => vec![json!(low), json!(high)],
        Range::Float { low, high, .. } => vec![json!(low), json!(high)],
        Range::Choice(values) => values.clone(),
    };
    ends.iter()
        .find_map(|end| Some(format!("{end}: {}", parameter.fault(end)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dimension(value: Value) -> Result<Range, &'static str> {
        serde_json::from_value::<Dimension>(value).unwrap().range()
    }

    fn space(value: Value, algorithm: &str) -> Space {
        let written: Written = serde_json::from_value(value).unwrap();
        Space::new(&written, &Map::new(), AlgorithmName::named(algorithm).unwrap()).unwrap()
    }

    #[test]
    fn places_and_values_of_a_range_belong_together() {
        for range in [
            json!({"int": [3, 9]}),
            json!({"int": [1, 1000], "log": true}),
            json!({"int": [50, 400], "step": 50}),
            json!({"float": [0.5, 1.0]}),
            json!({"float": [0.0, 1.0], "step": 0.25}),
            json!({"log_uniform": [0.01, 0.3]}),
            json!({"choice": [15, "x", true]}),
        ] {
            let range = dimension(range).unwrap();
            for place in [0.0, 0.05, 0.3, 0.55, 0.93, 1.0] {
                let value = range.at(place);
                let back = range.at(range.place_of(&value));
                let same = match (value.as_f64(), back.as_f64()) {
                    (Some(value), Some(back)) => (value - back).abs() < 1e-9,
                    _ => value == back,
                };
                assert!(same, "{range:?}: {value} became {back}");
            }
        }
    }

    #[test]
    fn steps_and_logarithms_reach_both_ends_and_nothing_beyond() {
        let stepped = dimension(json!({"int": [50, 420], "step": 50})).unwrap();
        assert_eq!((stepped.at(0.0), stepped.at(1.0)), (json!(50), json!(400)));
        let parts = dimension(json!({"float": [0.1, 0.95], "step": 0.2})).unwrap();
        assert!((parts.at(1.0).as_f64().unwrap() - 0.9).abs() < 1e-12);
        let log = dimension(json!({"int": [1, 100], "log": true})).unwrap();
        let below_10 = (0..1_000)
            .filter(|nth| log.at(f64::from(*nth) / 1_000.0).as_i64().unwrap() < 10)
            .count();
        assert!((500..620).contains(&below_10), "{below_10}");
        assert_eq!((log.at(0.0), log.at(1.0)), (json!(1), json!(100)));
    }

    #[test]
    fn ranges_without_a_value_are_faults() {
        assert!(dimension(json!({"int": [9, 3]})).is_err());
        assert!(dimension(json!({"log_uniform": [0.0, 1.0]})).is_err());
        assert!(dimension(json!({"int": [0, 9], "log": true})).is_err());
        assert!(dimension(json!({"int": [0, 9], "step": 0.5})).is_err());
        assert!(dimension(json!({"choice": []})).is_err());
        assert!(dimension(json!({"choice": [1], "log": true})).is_err());
        assert!(dimension(json!({"int": [1, 2], "float": [0.1, 0.2]})).is_err());
        assert!(dimension(json!({"float": [0.1, 0.1]})).is_ok());
    }

    #[test]
    fn a_grid_has_every_combination_once_and_leaves_out_what_does_not_apply() {
        let space = space(
            json!({
                "algorithm": {"choice": ["random_forest", "logistic_regression"]},
                "min_leaf": {"int": [1, 3]},
                "l2": {"choice": [0.1, 1.0]},
                "criterion": {"choice": ["gini"], "when": {"min_leaf": [2, 3]}},
            }),
            "random_forest",
        );
        let (all, cut) = space.combinations(5, 100);
        let shown: Vec<String> = all
            .into_iter()
            .map(|chosen| Value::Object(chosen).to_string())
            .collect();
        assert_eq!(
            shown,
            [
                r#"{"algorithm":"random_forest","min_leaf":1}"#,
                r#"{"algorithm":"random_forest","min_leaf":2,"criterion":"gini"}"#,
                r#"{"algorithm":"random_forest","min_leaf":3,"criterion":"gini"}"#,
                r#"{"algorithm":"logistic_regression","l2":0.1}"#,
                r#"{"algorithm":"logistic_regression","l2":1.0}"#,
            ]
        );
        assert!(!cut && space.combinations(5, 2).1);
    }

    #[test]
    fn an_algorithm_that_has_nothing_of_the_search_gets_its_own_dimensions() {
        let space = space(json!({"max_depth": {"int": [3, 9]}}), "logistic_regression");
        let names: Vec<&str> = space.axes.iter().map(|axis| axis.name.as_str()).collect();
        assert_eq!(names, ["logistic_regression.l2"]);
    }
}
