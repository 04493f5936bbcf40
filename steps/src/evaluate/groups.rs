//! Parts of the rows: by the values of columns, and by who somebody is.

use super::answers::{Answers, Setting};
use super::metric::{Measured, Metric};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use trainyard_models::ModelError;
use trainyard_models::fairness::{GroupValue, MetricFrame, Reference};
use trainyard_models::metrics::Interval;

/// What is shown where a column has no value.
const MISSING: &str = "(missing)";

/// Rows that share a value.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) value: String,
    pub(crate) rows: usize,
    /// Rows of the positive class, for two classes.
    pub(crate) positives: Option<usize>,
    /// Metrics that these rows define.
    pub(crate) figures: Vec<Measured>,
}

impl Part {
    pub(crate) fn of(&self, metric: Metric) -> Option<&Measured> {
        self.figures.iter().find(|measured| measured.metric == metric)
    }
}

/// Rows by value, in the order of the values.
fn rows_by_value(values: &[Option<String>]) -> BTreeMap<&str, Vec<usize>> {
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, value) in values.iter().enumerate() {
        rows.entry(value.as_deref().unwrap_or(MISSING))
            .or_default()
            .push(row);
    }
    rows
}

fn measured(metrics: &[Metric], answers: &Answers, setting: &Setting) -> Vec<Measured> {
    metrics
        .iter()
        .filter_map(|metric| metric.measured(answers, setting).ok())
        .collect()
}

/// The metrics by the values of a column, most rows first.
pub(crate) fn parts(
    values: &[Option<String>],
    answers: &Answers,
    metrics: &[Metric],
    setting: &Setting,
) -> Vec<Part> {
    let mut parts: Vec<Part> = rows_by_value(values)
        .into_iter()
        .map(|(value, rows)| {
            let own = answers.at(&rows);
            Part {
                value: value.to_owned(),
                rows: rows.len(),
                positives: own.positives(),
                figures: measured(metrics, &own, setting),
            }
        })
        .collect();
    parts.sort_by(|left, right| right.rows.cmp(&left.rows).then(left.value.cmp(&right.value)));
    parts
}

/// With what a group is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ComparedWith {
    /// The group with the least value with that with the greatest.
    #[default]
    BetweenGroups,
    /// Each group with all rows together.
    ToOverall,
}

impl ComparedWith {
    fn reference(self) -> Reference {
        match self {
            Self::BetweenGroups => Reference::BetweenGroups,
            Self::ToOverall => Reference::Overall,
        }
    }
}

/// A value with the range it may lie in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ranged {
    pub(crate) value: f64,
    pub(crate) interval: Option<Interval>,
}

/// One group of people.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) value: String,
    pub(crate) rows: usize,
    /// Fewer rows than asked for.
    pub(crate) small: bool,
    pub(crate) figures: Vec<Measured>,
}

/// How far groups are apart in a metric.
#[derive(Clone, Debug)]
pub(crate) struct Disparity {
    pub(crate) metric: Metric,
    pub(crate) overall: Option<f64>,
    /// 0 is parity.
    pub(crate) difference: Option<Ranged>,
    /// 1 is parity; see [`Metric::has_ratio`].
    pub(crate) ratio: Option<Ranged>,
    /// The groups with the least and the greatest value.
    pub(crate) between: Option<[String; 2]>,
}

/// Groups by one sensitive column, or by several crossed.
#[derive(Clone, Debug)]
pub(crate) struct Fairness {
    pub(crate) by: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) disparities: Vec<Disparity>,
    pub(crate) method: String,
}

impl Fairness {
    pub(crate) fn of(&self, metric: Metric) -> Option<&Disparity> {
        self.disparities
            .iter()
            .find(|disparity| disparity.metric == metric)
    }
}

/// What is asked about groups.
pub(crate) struct FairnessAsked<'a> {
    pub(crate) metrics: &'a [Metric],
    pub(crate) small_below: u64,
    pub(crate) compared: ComparedWith,
}

/// The groups that a column makes, and how far they are apart. Small groups are shown and count: it is
/// their intervals, and that of the difference, which say how little is known of them.
pub(crate) fn fairness(
    by: &str,
    values: &[Option<String>],
    answers: &Answers,
    asked: &FairnessAsked<'_>,
    setting: &Setting,
) -> Fairness {
    let rows_of = rows_by_value(values);
    let names: Vec<&str> = rows_of.keys().copied().collect();
    let groups: Vec<Group> = rows_of
        .iter()
        .map(|(value, rows)| Group {
            value: (*value).to_owned(),
            rows: rows.len(),
            small: (rows.len() as u64) < asked.small_below,
            figures: measured(asked.metrics, &answers.at(rows), setting),
        })
        .collect();
    let mut group_of = vec![0usize; answers.rows()];
    for (nth, rows) in rows_of.values().enumerate() {
        rows.iter().for_each(|&row| group_of[row] = nth);
    }
    let frame_of = |metric: Metric, rows: &[usize]| -> MetricFrame {
        let mut own = vec![Vec::new(); names.len()];
        rows.iter().for_each(|&row| own[group_of[row]].push(row));
        MetricFrame {
            overall: metric.of(&answers.at(rows), setting).ok(),
            groups: own
                .iter()
                .zip(&names)
                .map(|(rows, name)| GroupValue {
                    values: vec![Some((*name).to_owned())],
                    rows: rows.len(),
                    value: metric.of(&answers.at(rows), setting).ok(),
                    interval: None,
                    small: false,
                })
                .collect(),
        }
    };
    let all: Vec<usize> = (0..answers.rows()).collect();
    let reference = asked.compared.reference();
    let disparities = asked
        .metrics
        .iter()
        .map(|&metric| {
            let whole = frame_of(metric, &all);
            let ranged = |value: Option<f64>, of: fn(&MetricFrame, Reference) -> Option<f64>| {
                let drawn = |rows: &[usize]| {
                    of(&frame_of(metric, rows), reference).ok_or(ModelError::NoRows {
                        doing: "compare groups on",
                    })
                };
                let value = value?;
                let interval = setting.bootstrap().interval(answers.rows(), drawn).ok();
                Some(Ranged { value, interval })
            };
            let name = |group: Option<&GroupValue>| group?.values.first()?.clone();
            Disparity {
                metric,
                overall: whole.overall,
                difference: ranged(whole.difference(reference), MetricFrame::difference),
                ratio: metric
                    .has_ratio()
                    .then(|| ranged(whole.ratio(reference), MetricFrame::ratio))
                    .flatten(),
                between: name(whole.least())
                    .zip(name(whole.greatest()))
                    .map(|(least, greatest)| [least, greatest]),
            }
        })
        .collect();
    Fairness {
        by: by.to_owned(),
        groups,
        disparities,
        method: setting.method(),
    }
}

/// The values of several columns as one, e.g. `f, 40 and older`.
pub(crate) fn crossed(columns: &[&[Option<String>]]) -> Vec<Option<String>> {
    let rows = columns.first().map_or(0, |column| column.len());
    (0..rows)
        .map(|row| {
            let shown: Vec<&str> = columns
                .iter()
                .map(|column| column[row].as_deref().unwrap_or(MISSING))
                .collect();
            Some(shown.join(", "))
        })
        .collect()
}
