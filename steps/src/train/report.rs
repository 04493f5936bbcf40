//! What a training was like, as a page.

use super::curve::Curve;
use super::data::Examples;
use super::outcome::DEFAULT_THRESHOLD;
use crate::evaluate::answers::{Answers, Setting, Truth};
use crate::evaluate::metric::Metric;
use crate::evaluate::names::{ClassifierMetric, RegressorMetric};
use crate::evaluate::picture::{Line, Plot, range};
use crate::evaluate::report::{figure as digits, range as interval};
use crate::page::{Cell, Page, escape, figure_of, tile};
use crate::table::grouped;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use trainyard_models::{Model, Predictor, Task};

/// Samples of a bootstrap interval; fewer than an evaluation draws, as a training is not the judgement.
const DRAWS: usize = 400;

/// What the page tells.
pub(super) struct About<'a> {
    pub(super) title: String,
    pub(super) model: &'a Model,
    pub(super) examples: &'a Examples,
    /// Rows that the training was watched by.
    pub(super) valid: Option<&'a Examples>,
    /// The metric of the curve.
    pub(super) watched: &'a str,
    pub(super) curve: &'a Curve,
    pub(super) numbers: &'a Map<String, Value>,
    pub(super) seed: u64,
}

pub(super) fn page(about: &About<'_>) -> String {
    let mut page = Page::new(&about.title);
    let rows = |examples: &Examples| grouped(examples.count() as u64);
    let tiles = [
        tile(about.model.algorithm().name(), "algorithm"),
        tile(&rows(about.examples), "training rows"),
        tile(&about.valid.map_or("none".to_owned(), rows), "valid rows"),
        tile(&grouped(about.model.features().len() as u64), "features"),
    ];
    page.lead(&format!("<div class=\"tiles\">{}</div>", tiles.concat()));
    if let Some(picture) = picture(about) {
        page.heading("How the training went");
        page.html(&picture);
    }
    metrics(&mut page, about);
    page.finish()
}

/// Metrics on the rows of `valid` with their intervals, beside those on the training rows.
fn metrics(page: &mut Page, about: &About<'_>) {
    page.heading("Metrics");
    let numbers = about.numbers;
    let number = |name: &str| numbers.get(name).and_then(Value::as_f64);
    let shown = |value: Option<f64>| Cell::Number(value.map_or("\u{2013}".to_owned(), digits));
    let held = about.valid.and_then(|valid| Held::of(about, valid));
    let mut methods: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    let names = numbers.keys().filter_map(|name| name.strip_prefix("train_"));
    for name in names.filter(|name| *name != "rows") {
        let found = held.as_ref().and_then(|held| held.interval(name));
        let between = match found {
            Some((between, method)) => {
                methods.push(format!("{name}: {method}"));
                between
            }
            None => "\u{2013}".to_owned(),
        };
        let mut line = vec![Cell::from(name)];
        if about.valid.is_some() {
            line.extend([shown(number(name)), Cell::Number(between)]);
        }
        line.push(shown(number(&format!("train_{name}"))));
        lines.push(line);
    }
    let of_train = format!("training rows, n = {}", grouped(about.examples.count() as u64));
    let of_valid = about
        .valid
        .map(|valid| format!("valid rows, n = {}", grouped(valid.count() as u64)));
    let mut head = vec!["metric"];
    if let Some(of_valid) = &of_valid {
        head.extend([of_valid.as_str(), "95 % interval"]);
    }
    head.push(&of_train);
    page.table(&head, &lines);
    if !methods.is_empty() {
        page.note(&format!("Intervals: {}.", methods.join("; ")));
    }
    if about.valid.is_some_and(|valid| valid.weights.is_some()) {
        page.note("Rows count by their weights, so there are no intervals.");
    }
    page.note("Metrics of training rows are of the very rows the model was fitted on: they tell how much it has learnt by heart, not how good it is.");
    let others: Vec<Vec<Cell>> = numbers
        .iter()
        .filter(|(name, _)| !name.starts_with("train_") && !numbers.contains_key(&format!("train_{name}")))
        .filter(|(_, value)| value.is_number())
        .map(|(name, value)| vec![Cell::from(name.as_str()), shown(value.as_f64())])
        .collect();
    if !others.is_empty() {
        page.heading("The model");
        page.table(&["measure", "value"], &others);
    }
}

/// What the model says of the rows of `valid`, for the intervals of its metrics.
struct Held {
    answers: Answers,
    setting: Setting,
}

impl Held {
    /// None where rows are weighted: the intervals are those of rows that count alike.
    fn of(about: &About<'_>, valid: &Examples) -> Option<Self> {
        if valid.weights.is_some() {
            return None;
        }
        let predictions = about.model.predict(&valid.frame).ok()?;
        let (scores, truth, outputs) = match &valid.task {
            Task::Multiclass { classes } => (
                predictions.classes().ok()?.values().to_vec(),
                Truth::Classes(valid.target.iter().map(|class| *class as u32).collect()),
                classes.len(),
            ),
            Task::Binary { .. } => (
                predictions.numbers().ok()?.to_vec(),
                Truth::Binary(valid.target.clone()),
                1,
            ),
            Task::Regression => (
                predictions.numbers().ok()?.to_vec(),
                Truth::Numbers(valid.target.clone()),
                1,
            ),
            Task::Cluster => return None,
        };
        Some(Self {
            answers: Answers {
                scores,
                truth,
                outputs,
            },
            setting: Setting {
                threshold: DEFAULT_THRESHOLD,
                costs: Default::default(),
                quantile: 0.5,
                features: about.model.features().len(),
                draws: DRAWS,
                seed: about.seed,
            },
        })
    }

    /// The range in which a metric may lie, and the method that says so.
    fn interval(&self, name: &str) -> Option<(String, String)> {
        let metric = match &self.answers.truth {
            Truth::Numbers(_) => Metric::Regressor(named::<RegressorMetric>(name)?),
            Truth::Binary(_) | Truth::Classes(_) => Metric::Classifier(named::<ClassifierMetric>(name)?),
        };
        let (range, method) = metric.measured(&self.answers, &self.setting).ok()?.interval?;
        Some((interval(range), method))
    }
}

fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(Value::from(name)).ok()
}

/// Training and validation side by side: where they part, the model begins to learn by heart.
fn picture(about: &About<'_>) -> Option<String> {
    let sides = about.curve.sides();
    let all = || sides.iter().flat_map(|(_, points)| points.iter().copied());
    let last = all().map(|(step, _)| step).max().filter(|last| *last > 1)?;
    let unit = about.curve.unit();
    let plot = Plot {
        title: format!("{} by {unit}", about.watched),
        x_name: unit.to_owned(),
        y_name: about.watched.to_owned(),
        x_range: (1.0, last as f64),
        y_range: range(all().map(|(_, value)| value)),
        diagonal: false,
    };
    let lines: Vec<Line> = sides
        .iter()
        .map(|(rows, points)| Line {
            name: (*rows).to_owned(),
            points: points
                .iter()
                .map(|(step, value)| (*step as f64, *value))
                .collect(),
            marked: false,
        })
        .collect();
    let rows: Vec<String> = sides
        .iter()
        .zip(["k1", "k0"])
        .map(|((rows, _), colour)| format!("{} (<span class=\"{colour}\">\u{25a0}</span>)", escape(rows)))
        .collect();
    let kept = about.numbers.get("rounds").and_then(Value::as_u64);
    let mut caption = format!(
        "{} on {}, lower is better; {} of {} {unit} are kept in the model.",
        escape(about.watched),
        rows.join(" and "),
        kept.map_or("?".to_owned(), grouped),
        grouped(last as u64),
    );
    let valid = sides.iter().find(|(rows, _)| *rows == "valid");
    let best = valid.and_then(|(_, points)| points.iter().min_by(|a, b| a.1.total_cmp(&b.1)));
    if let (Some((at, value)), Some(kept)) = (best, kept)
        && (*at as u64) < kept
    {
        let _ = write!(
            caption,
            " On valid it was lowest, {}, after {} {unit}: what came later was learnt by heart, and \
             <code>early_stopping_rounds</code> would have left it out.",
            digits(*value),
            grouped(*at as u64),
        );
    }
    Some(figure_of(&plot.lines(&lines), &caption))
}
