//! Why a model says what it says: what it loses without a feature, and what each feature adds.

use super::answers::{Answers, Setting, Truth};
use super::metric::{Better, Metric};
use super::names::{ClassifierMetric, RegressorMetric};
use super::truth::{Test, answers};
use crate::train::rows::refused;
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::StepError;
use trainyard_models::frame::Values;
use trainyard_models::importance::{Importance, permutation_importance};
use trainyard_models::random::Random;
use trainyard_models::shap::{Explanation, Removal, Unit, explain, explain_by_asking};
use trainyard_models::{Frame, Model, ModelError, Predictor, Task};

/// Rows that permutation importance is taken on, at most.
const PERMUTED_ROWS: usize = 20_000;
/// Rows whose values stand for a feature that is taken away.
const BACKGROUND_ROWS: usize = 100;
/// Rows, background and orders where a model can only be asked.
const ASKED: (usize, usize, usize) = (100, 30, 5);
/// Points of a picture.
const POINTS: usize = 250;
/// Categories of a dependence, at most.
const CATEGORIES: usize = 12;

/// How a model is explained.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explain {
    /// How reasons are found. Default: `all`.
    #[serde(default)]
    method: ExplainMethod,
    /// Features shown. Default: 10.
    #[serde(default = "default_top")]
    #[schemars(range(min = 1, max = 1_000))]
    pub(crate) top: u32,
    /// Permutation: shuffles of each feature. Default: 3.
    #[serde(default = "default_repeats")]
    #[schemars(range(min = 1, max = 100))]
    pub(crate) repeats: u32,
    /// SHAP: test rows explained, drawn by the step's seed. Default: 1,000.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = 100_000))]
    rows: u32,
    /// SHAP: features whose dependence is drawn. Default: 4.
    #[serde(default = "default_dependence")]
    #[schemars(range(max = 100))]
    dependence: u32,
}

/// What is asked of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ExplainMethod {
    /// Both.
    #[default]
    All,
    /// Loss of a metric when a feature's values are shuffled (Breiman 2001): the area under the ROC
    /// curve, or the root mean squared error.
    Permutation,
    /// What each feature adds to each prediction (Lundberg and Lee 2017), of a sample of rows.
    Shap,
}

fn default_top() -> u32 {
    10
}

fn default_repeats() -> u32 {
    3
}

fn default_rows() -> u32 {
    1_000
}

fn default_dependence() -> u32 {
    4
}

/// What was found of a model's reasons.
#[derive(Clone, Debug, Default)]
pub(crate) struct Explained {
    pub(crate) permutation: Option<Permutation>,
    pub(crate) shap: Option<Shap>,
}

/// Permutation importance, the largest loss first.
#[derive(Clone, Debug)]
pub(crate) struct Permutation {
    pub(crate) metric: Metric,
    pub(crate) rows: usize,
    pub(crate) repeats: u32,
    pub(crate) importance: Vec<Importance>,
}

/// SHAP values of some rows.
#[derive(Clone, Debug)]
pub(crate) struct Shap {
    /// Rows explained.
    pub(crate) rows: usize,
    /// How, in words.
    pub(crate) how: String,
    /// What the values add up to, in words.
    pub(crate) unit: &'static str,
    /// The class whose values are drawn, where there are several.
    pub(crate) of_class: Option<String>,
    /// Mean prediction of each output.
    pub(crate) base: Vec<f64>,
    /// All features by mean absolute value, the mean of the outputs; the largest first.
    pub(crate) mean_absolute: Vec<(String, f64)>,
    /// The top features' points.
    pub(crate) swarm: Vec<Swarm>,
    pub(crate) dependence: Vec<(String, Dependence)>,
    pub(crate) examples: Vec<Example>,
}

/// Values of one feature in some rows.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    pub(crate) feature: String,
    /// SHAP value, and the share of rows with a smaller value of the feature; none for categories.
    pub(crate) points: Vec<(f64, Option<f64>)>,
}

/// What a feature adds by its value.
#[derive(Clone, Debug)]
pub(crate) enum Dependence {
    /// Value and SHAP value of some rows.
    Numbers(Vec<(f64, f64)>),
    /// Category, mean SHAP value and rows; most rows first.
    Categories(Vec<(String, f64, usize)>),
}

/// One row explained.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    /// Why this row.
    pub(crate) why: &'static str,
    /// Its place in the test table, from 0.
    pub(crate) row: usize,
    pub(crate) truth: String,
    pub(crate) prediction: String,
    /// What the values start from and add up to.
    pub(crate) base: f64,
    pub(crate) sum: f64,
    /// Feature, its value, and what it adds; the largest first.
    pub(crate) adds: Vec<(String, String, f64)>,
}

/// What explaining needs.
pub(crate) struct Explaining<'a> {
    pub(crate) asked: &'a Explain,
    pub(crate) model: &'a Model,
    pub(crate) test: &'a Test,
    pub(crate) answers: &'a Answers,
    pub(crate) setting: &'a Setting,
}

impl Explaining<'_> {
    /// All that is asked.
    ///
    /// # Errors
    /// What prediction reports.
    pub(crate) fn explain(&self) -> Result<Explained, StepError> {
        let wanted = |method| self.asked.method == ExplainMethod::All || self.asked.method == method;
        let mut found = Explained::default();
        if wanted(ExplainMethod::Permutation) {
            found.permutation = Some(self.permutation().map_err(|error| refused(&error))?);
        }
        if wanted(ExplainMethod::Shap) {
            found.shap = Some(self.shap().map_err(|error| refused(&error))?);
        }
        Ok(found)
    }

    fn permutation(&self) -> Result<Permutation, ModelError> {
        let metric = match self.answers.truth {
            Truth::Numbers(_) => Metric::Regressor(RegressorMetric::Rmse),
            Truth::Binary(_) | Truth::Classes(_) => Metric::Classifier(ClassifierMetric::RocAuc),
        };
        let sign = if metric.better() == Better::Lower {
            -1.0
        } else {
            1.0
        };
        let chosen = self.sample(PERMUTED_ROWS);
        let frame = self.test.frame.take(&chosen)?;
        let truth = self.test.truth.at(&chosen);
        let mut importance = permutation_importance(
            self.model,
            &frame,
            &truth.numbers(),
            self.asked.repeats as usize,
            self.setting.seed,
            |predictions, _| Ok(sign * metric.of(&answers(predictions, &truth), self.setting)?),
        )?;
        importance.truncate(self.asked.top as usize);
        Ok(Permutation {
            metric,
            rows: chosen.len(),
            repeats: self.asked.repeats,
            importance,
        })
    }

    fn sample(&self, most: usize) -> Vec<usize> {
        Random::new(self.setting.seed).choose(self.test.frame.rows(), most)
    }

    /// Exact where the model is a sum of trees or of columns; else by asking it.
    fn values(&self, chosen: &mut Vec<usize>) -> Result<(Explanation, String, &'static str), ModelError> {
        let frame = self.test.frame.take(chosen)?;
        match explain(self.model, &frame, Removal::PathDependent, Unit::Raw) {
            Ok(found) => {
                let how = "Exact for trees, taking features away along their paths (TreeSHAP)";
                return Ok((found, how.to_owned(), self.raw_unit()));
            }
            Err(ModelError::NotExplained { .. }) => {}
            Err(other) => return Err(other),
        }
        let background = |rows| -> Result<Frame, ModelError> {
            let own = Random::stream(self.setting.seed, 1).choose(self.test.frame.rows(), rows);
            self.test.frame.take(&own)
        };
        let other_rows = background(BACKGROUND_ROWS)?;
        match explain(self.model, &frame, Removal::Background(&other_rows), Unit::Raw) {
            Ok(found) => {
                let how = format!(
                    "Exact, features taken away by the values of {} other test rows",
                    other_rows.rows()
                );
                return Ok((found, how, self.raw_unit()));
            }
            Err(ModelError::NotExplained { .. }) => {}
            Err(other) => return Err(other),
        }
        let (rows, others, orders) = ASKED;
        chosen.truncate(rows);
        let frame = self.test.frame.take(chosen)?;
        let other_rows = background(others)?;
        let found = explain_by_asking(self.model, &frame, &other_rows, orders, self.setting.seed)?;
        let how = format!(
            "Estimated by asking the model, {orders} orders of features both ways, beside {} other test rows",
            other_rows.rows()
        );
        Ok((found, how, "units of the prediction"))
    }

    fn raw_unit(&self) -> &'static str {
        let adds_log_odds = matches!(
            self.model.algorithm().name(),
            "gradient_boosting" | "logistic_regression"
        );
        match (&self.model.label().task, adds_log_odds) {
            (Task::Binary { .. }, true) => "log odds of the positive class",
            (Task::Multiclass { .. }, true) => "scores of the classes before softmax",
            (Task::Binary { .. } | Task::Multiclass { .. }, false) => "probability",
            _ => "units of the prediction",
        }
    }

    fn shap(&self) -> Result<Shap, ModelError> {
        let mut chosen = self.sample(self.asked.rows as usize);
        // In any order: pictures show the first of them.
        Random::stream(self.setting.seed, 2).shuffle(&mut chosen);
        let (found, how, unit) = self.values(&mut chosen)?;
        let outputs = found.base().len();
        let features = found.features().to_vec();
        let drawn = self.drawn_output(outputs);
        let mut mean_absolute: Vec<(String, f64)> = features.iter().map(|name| (name.clone(), 0.0)).collect();
        for (at, (_, mean)) in mean_absolute.iter_mut().enumerate() {
            for output in 0..outputs {
                let of_rows = (0..found.rows()).filter_map(|row| found.value(row, at, output));
                *mean += of_rows.map(f64::abs).sum::<f64>() / (found.rows() * outputs).max(1) as f64;
            }
        }
        mean_absolute.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        let place = |name: &str| features.iter().position(|feature| feature == name);
        let mut swarm = Vec::new();
        let mut dependence = Vec::new();
        for (nth, (name, _)) in mean_absolute.iter().take(self.asked.top as usize).enumerate() {
            let (Some(at), Some(values)) = (place(name), self.test.frame.column(name)) else {
                continue;
            };
            let shap: Vec<f64> = (0..found.rows())
                .filter_map(|row| found.value(row, at, drawn))
                .collect();
            swarm.push(Swarm {
                feature: name.clone(),
                points: swarm_points(values, &chosen, &shap),
            });
            if nth < self.asked.dependence as usize {
                dependence.push((name.clone(), dependence_of(values, &chosen, &shap)));
            }
        }
        let examples = self
            .chosen_examples(&chosen)
            .into_iter()
            .map(|(why, at)| self.example(why, at, &chosen, &found, &features))
            .collect();
        Ok(Shap {
            rows: found.rows(),
            how,
            unit,
            of_class: (outputs > 1)
                .then(|| {
                    self.model
                        .label()
                        .task
                        .classes()
                        .get(drawn)
                        .map(|c| (*c).to_owned())
                })
                .flatten(),
            base: found.base().to_vec(),
            mean_absolute,
            swarm,
            dependence,
            examples,
        })
    }

    /// The class of most rows, where there are several.
    fn drawn_output(&self, outputs: usize) -> usize {
        let Truth::Classes(labels) = &self.test.truth else {
            return 0;
        };
        let mut counts = vec![0usize; outputs];
        for label in labels {
            if let Some(count) = counts.get_mut(*label as usize) {
                *count += 1;
            }
        }
        (0..outputs)
            .max_by_key(|&class| (counts[class], std::cmp::Reverse(class)))
            .unwrap_or(0)
    }

    /// Places in the sample of rows worth a look, each once.
    fn chosen_examples(&self, chosen: &[usize]) -> Vec<(&'static str, usize)> {
        let own = self.answers.at(chosen);
        let losses = own.losses().unwrap_or_default();
        let top: Vec<f64> = (0..chosen.len())
            .map(|row| own.line(row).iter().copied().fold(f64::NEG_INFINITY, f64::max))
            .collect();
        let best = |of: &dyn Fn(usize) -> f64| {
            (0..chosen.len()).max_by(|&a, &b| of(a).total_cmp(&of(b)).then(b.cmp(&a)))
        };
        let loss = |row: usize| losses.get(row).copied().unwrap_or(0.0);
        let wanted = match &own.truth {
            Truth::Binary(labels) => vec![
                ("highest probability", best(&|row| top[row])),
                ("lowest probability", best(&|row| -top[row])),
                (
                    "nearest to the threshold",
                    best(&|row| -(top[row] - self.setting.threshold).abs()),
                ),
                (
                    "positive, most missed",
                    best(&|row| if labels[row] == 1.0 { loss(row) } else { -1.0 }),
                ),
                (
                    "negative, most wrongly called",
                    best(&|row| if labels[row] == 1.0 { -1.0 } else { loss(row) }),
                ),
            ],
            Truth::Classes(_) => vec![
                ("surest", best(&|row| top[row])),
                ("least sure", best(&|row| -top[row])),
                ("most wrong", best(&loss)),
                ("most right", best(&|row| -loss(row))),
            ],
            Truth::Numbers(target) => vec![
                ("highest prediction", best(&|row| top[row])),
                ("lowest prediction", best(&|row| -top[row])),
                ("most too high", best(&|row| top[row] - target[row])),
                ("most too low", best(&|row| target[row] - top[row])),
            ],
        };
        let mut seen = Vec::new();
        let mut examples = Vec::new();
        for (why, row) in wanted {
            if let Some(row) = row.filter(|row| !seen.contains(row)) {
                seen.push(row);
                examples.push((why, row));
            }
        }
        examples
    }

    fn example(
        &self,
        why: &'static str,
        at: usize,
        chosen: &[usize],
        found: &Explanation,
        features: &[String],
    ) -> Example {
        let row = chosen[at];
        let classes = self.model.label().task.classes();
        let class = |place: usize| {
            classes
                .get(place)
                .map_or(String::new(), |class| (*class).to_owned())
        };
        let line = self.answers.line(row);
        let best = (0..line.len())
            .max_by(|&a, &b| line[a].total_cmp(&line[b]).then(b.cmp(&a)))
            .unwrap_or(0);
        let output = if found.base().len() > 1 { best } else { 0 };
        let score = line.get(best).copied().unwrap_or(f64::NAN);
        let (truth, prediction) = match &self.test.truth {
            Truth::Binary(labels) => (class(usize::from(labels[row] == 1.0)), format!("{score:.4}")),
            Truth::Classes(labels) => (
                class(labels[row] as usize),
                format!("{} ({score:.4})", class(best)),
            ),
            Truth::Numbers(target) => (number(target[row]), number(score)),
        };
        let mut adds: Vec<(String, String, f64)> = features
            .iter()
            .enumerate()
            .filter_map(|(feature, name)| {
                let value = found.value(at, feature, output)?;
                let shown = self
                    .test
                    .frame
                    .column(name)
                    .map_or(String::new(), |values| shown(values, row));
                Some((name.clone(), shown, value))
            })
            .collect();
        adds.sort_by(|left, right| right.2.abs().total_cmp(&left.2.abs()).then(left.0.cmp(&right.0)));
        Example {
            why,
            row: self.test.rows.get(row).copied().unwrap_or(row),
            truth,
            prediction,
            base: found.base().get(output).copied().unwrap_or(f64::NAN),
            sum: found.prediction(at, output).unwrap_or(f64::NAN),
            adds,
        }
    }
}

/// A number as short as it stays readable.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        return "(missing)".to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.4}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        short => short.to_owned(),
    }
}

fn shown(values: &Values, row: usize) -> String {
    match values {
        Values::Numeric(numbers) => numbers.get(row).map_or(String::new(), |value| number(*value)),
        Values::Categorical { codes, dictionary } => codes
            .get(row)
            .and_then(|code| dictionary.get(*code as usize))
            .map_or("(missing)".to_owned(), Clone::clone),
    }
}

fn swarm_points(values: &Values, chosen: &[usize], shap: &[f64]) -> Vec<(f64, Option<f64>)> {
    let ranks: Vec<Option<f64>> = match values {
        Values::Categorical { .. } => vec![None; chosen.len()],
        Values::Numeric(numbers) => {
            let mut sorted: Vec<f64> = chosen
                .iter()
                .map(|&row| numbers[row])
                .filter(|v| !v.is_nan())
                .collect();
            sorted.sort_unstable_by(f64::total_cmp);
            let last = sorted.len().saturating_sub(1).max(1) as f64;
            let rank = |value: f64| {
                // The middle of equal values: a column of zeros and ones is neither low nor high.
                let (below, up_to) = (
                    sorted.partition_point(|other| *other < value),
                    sorted.partition_point(|other| *other <= value),
                );
                ((below + up_to).saturating_sub(1) as f64 / 2.0 / last).min(1.0)
            };
            chosen
                .iter()
                .map(|&row| Some(numbers[row]).filter(|v| !v.is_nan()).map(rank))
                .collect()
        }
    };
    shap.iter().copied().zip(ranks).take(POINTS).collect()
}

fn dependence_of(values: &Values, chosen: &[usize], shap: &[f64]) -> Dependence {
    match values {
        Values::Numeric(numbers) => Dependence::Numbers(
            chosen
                .iter()
                .map(|&row| numbers[row])
                .zip(shap.iter().copied())
                .filter(|(value, _)| value.is_finite())
                .take(POINTS)
                .collect(),
        ),
        Values::Categorical { .. } => {
            let mut sums: std::collections::BTreeMap<String, (f64, usize)> = Default::default();
            for (&row, value) in chosen.iter().zip(shap) {
                let sum = sums.entry(shown(values, row)).or_default();
                *sum = (sum.0 + value, sum.1 + 1);
            }
            let mut means: Vec<(String, f64, usize)> = sums
                .into_iter()
                .map(|(category, (sum, rows))| (category, sum / rows as f64, rows))
                .collect();
            means.sort_by(|left, right| right.2.cmp(&left.2).then(left.0.cmp(&right.0)));
            means.truncate(CATEGORIES);
            Dependence::Categories(means)
        }
    }
}
