//! `impute`, `bin`, `encode`, `scale`: statistics fitted over rows, and applied to them or, kept as the
//! output `fitted`, to other rows later. Unless `fit_on` says which rows, later splits are told, since
//! their test rows have then had a say in training rows.

use super::Params;
use super::build::Build;
use super::encode::{Categories, EncodingMethod, encoded, out_of_fold};
use super::window::quantile_of;
use crate::fault;
use crate::inference::with;
use indexmap::IndexMap;
use polars::prelude::{Column, DataFrame, DataType as PolarsType, NamedFrom, PolarsError, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::{DataType, FitNote, StepError};

/// What stands for a missing value.
#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Imputation {
    Mean,
    Median,
    /// The value that most rows have; of equally frequent ones the least.
    Mode,
    Zero,
}

/// How numbers become numbers of bins, counted from 0.
#[derive(Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Binning {
    /// Where the bins' edges come from.
    method: BinMethod,
    /// How many bins. Default: 10. Equal quantiles make fewer; `given` ignores it.
    #[serde(default = "ten")]
    #[schemars(range(min = 2, max = 1000))]
    count: u32,
    /// Edges between bins in rising order; a value on an edge belongs to the bin above. For `given`.
    #[serde(default)]
    edges: Vec<f64>,
}

fn ten() -> u32 {
    10
}

#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BinMethod {
    /// Bins of equal width between the least and the greatest value.
    Uniform,
    /// Bins of equally many rows.
    Quantile,
    /// As `edges` say.
    Given,
}

/// How numbers are brought to scale.
#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scaling {
    /// Mean 0, standard deviation 1.
    Standard,
    /// Least 0, greatest 1.
    MinMax,
    /// Median 0, distance between the quartiles 1.
    Robust,
}

/// Everything learnt from rows. Kept as JSON, so that serving can read it without us.
#[derive(Debug, Default, Deserialize, Serialize, PartialEq)]
pub(super) struct Fitted {
    version: u32,
    /// Feature → the number that stands for a missing value.
    impute: IndexMap<String, f64>,
    /// Feature → edges between bins in rising order; a value on an edge belongs to the bin above.
    bin: IndexMap<String, Vec<f64>>,
    /// Feature of a text's hashes → what its counts are multiplied with.
    idf: IndexMap<String, f64>,
    encode: IndexMap<String, Categories>,
    /// Feature → what is taken off, and by what the rest is divided.
    scale: IndexMap<String, (f64, f64)>,
}

const VERSION: u32 = 1;

/// Checks the parameters and notes on the columns that they are fitted.
pub(super) fn declare(build: &mut Build<'_>) {
    let params = build.params;
    for column in params.impute.keys() {
        declare_one(build, "impute", column, "imputation", true);
        change(build, column, DataType::Float64, Some(false));
    }
    for (column, binning) in &params.bin {
        if binning.method == BinMethod::Given && !rises(&binning.edges) {
            let path = with("bin").key(column).key("edges");
            let finding = Finding::error("S01", path, "edges are numbers in rising order");
            build
                .findings
                .push(finding.help("write e.g. `edges: [0, 10, 100]`"));
        }
        declare_one(
            build,
            "bin",
            column,
            "binning",
            binning.method != BinMethod::Given,
        );
        change(build, column, DataType::Int32, None);
    }
    let weighted: Vec<String> = build.weighted.iter().cloned().collect();
    for column in weighted {
        let path = with("text");
        note(
            build,
            &column,
            path,
            format!("document frequencies of `{column}`"),
        );
    }
    for (column, encoding) in &params.encode {
        declare_one(build, "encode", column, "encoding", true);
        if encoding.settings().method == EncodingMethod::Target && !build.applies {
            target_label(build, column);
        }
        change(build, column, DataType::Float64, Some(false));
    }
    for column in params.scale.keys() {
        declare_one(build, "scale", column, "scaling", true);
        change(build, column, DataType::Float64, None);
    }
}

fn rises(edges: &[f64]) -> bool {
    !edges.is_empty()
        && edges.windows(2).all(|pair| pair[0] < pair[1])
        && edges.iter().all(|edge| edge.is_finite())
}

/// Target encoding takes the mean of a label, which must be a number or a truth value.
fn target_label(build: &mut Build<'_>, column: &str) {
    let path = with("encode").key(column);
    let Some(label) = &build.params.label else {
        let finding = Finding::error("D01", path, "target encoding needs a label");
        build
            .findings
            .push(finding.help("declare `label`, or use `frequency`"));
        return;
    };
    let data_type = build
        .flow
        .facts
        .get(&label.name)
        .map(|fact| fact.column.data_type.clone());
    if let Some(data_type) = data_type
        && !data_type.is_numeric()
        && data_type != DataType::Boolean
    {
        let message = format!(
            "target encoding takes the label's mean, and `{}` is {data_type}",
            label.name
        );
        build
            .findings
            .push(Finding::error("D01/wrong-column-type", path, message));
    }
}

fn change(build: &mut Build<'_>, column: &str, data_type: DataType, nullable: Option<bool>) {
    if let Some(fact) = build.flow.facts.columns.get_mut(column) {
        fact.column.data_type = data_type;
        fact.column.unit = None;
        if let Some(nullable) = nullable {
            fact.column.nullable = nullable;
        }
    }
}

fn declare_one(build: &mut Build<'_>, parameter: &str, column: &str, what: &str, is_fitted: bool) {
    let path = with(parameter).key(column);
    if !build.features.contains(column) {
        let names: Vec<&str> = build.features.iter().map(String::as_str).collect();
        let finding = fault::no_column(column, path, names);
        build.findings.push(Finding {
            message: format!("`{column}` is not a feature here"),
            ..finding
        });
        return;
    }
    let Some(fact) = build.flow.facts.columns.get_mut(column) else {
        return;
    };
    if parameter != "encode" && !fact.column.data_type.is_numeric() {
        let message = format!(
            "{what} needs numbers, `{column}` is of type {}",
            fact.column.data_type
        );
        build
            .findings
            .push(Finding::error("D01/wrong-column-type", path, message));
        return;
    }
    if is_fitted {
        note(build, column, path, format!("{what} of `{column}`"));
    }
}

/// Notes that a feature depends on statistics of all rows, if it does.
fn note(build: &mut Build<'_>, column: &str, path: Path, what: String) {
    if build.applies || build.params.fit_on.is_some() {
        return;
    }
    if let Some(fact) = build.flow.facts.columns.get_mut(column) {
        fact.column.fitted = Some(FitNote {
            step: build.step.to_owned(),
            path,
            what,
        });
    }
}

/// Notes on a computed column that it takes in other rows than its own.
pub(super) fn declare_aggregate(build: &mut Build<'_>, name: &str, path: &Path) {
    let note = FitNote {
        step: build.step.to_owned(),
        path: path.clone(),
        what: format!("`{name}`, which takes in all rows"),
    };
    if let Some(fact) = build.flow.facts.columns.get_mut(name)
        && fact.takes_in_rows
        && fact.column.fitted.is_none()
    {
        fact.column.fitted = Some(note);
    }
}

fn internal(error: PolarsError) -> StepError {
    StepError::internal(error.to_string())
}

/// The numbers of a column.
fn numbers(frame: &DataFrame, name: &str) -> Result<Vec<Option<f64>>, StepError> {
    let column = frame
        .column(name)
        .and_then(|column| column.cast(&PolarsType::Float64))
        .map_err(internal)?;
    Ok(column.f64().map_err(internal)?.iter().collect())
}

/// The categories of a column, as text.
fn categories(frame: &DataFrame, name: &str) -> Result<Vec<Option<String>>, StepError> {
    let column = frame
        .column(name)
        .and_then(|column| column.cast(&PolarsType::String))
        .map_err(internal)?;
    Ok(column
        .str()
        .map_err(internal)?
        .iter()
        .map(|text| text.map(str::to_owned))
        .collect())
}

fn put(frame: &mut DataFrame, name: &str, series: Series) -> Result<(), StepError> {
    frame.replace(name, Column::from(series)).map_err(internal)?;
    Ok(())
}

impl Fitted {
    /// Fits on the rows that `rows` marks, and applies to all.
    ///
    /// # Errors
    /// `Rejected` if there are no rows to fit on.
    pub(super) fn fit(
        params: &Params,
        weighted: impl IntoIterator<Item = String>,
        frame: &mut DataFrame,
        rows: &[bool],
    ) -> Result<Self, StepError> {
        let mut fitted = Self {
            version: VERSION,
            ..Self::default()
        };
        let nothing = params.impute.is_empty() && params.encode.is_empty() && params.scale.is_empty();
        if !nothing && frame.height() > 0 && !rows.contains(&true) {
            return Err(
                StepError::rejected("no row meets `fit_on`, so nothing can be fitted")
                    .help("change the condition, or leave it out"),
            );
        }
        let of_rows = |values: &[Option<f64>]| -> Vec<f64> {
            let chosen = values.iter().zip(rows).filter(|(_, chosen)| **chosen);
            let mut sorted: Vec<f64> = chosen.filter_map(|(value, _)| *value).collect();
            sorted.sort_by(f64::total_cmp);
            sorted
        };
        for (name, how) in &params.impute {
            let stand_in = stand_in(*how, &of_rows(&numbers(frame, name)?));
            fitted.impute.insert(name.clone(), stand_in);
            fitted.apply_imputation(name, frame)?;
        }
        for (name, binning) in &params.bin {
            let edges = edges(binning, &of_rows(&numbers(frame, name)?));
            fitted.bin.insert(name.clone(), edges);
            fitted.apply_bins(name, frame)?;
        }
        for name in weighted {
            let values = of_rows(&numbers(frame, &name)?);
            let present = values.iter().filter(|value| **value > 0.0).count();
            // As scikit-learn's `smooth_idf`: as if one more document had every word.
            let idf = ((1.0 + values.len() as f64) / (1.0 + present as f64)).ln() + 1.0;
            fitted.idf.insert(name.clone(), idf);
            fitted.apply_weights(&name, frame)?;
        }
        for (name, encoding) in &params.encode {
            let settings = encoding.settings();
            let labels = match (&params.label, settings.method) {
                (Some(label), EncodingMethod::Target) => Some(numbers(frame, &label.name)?),
                _ => None,
            };
            let values = categories(frame, name)?;
            let known = encoded(&settings, &values, labels.as_deref(), rows);
            let numbers = match &labels {
                Some(labels) if settings.folds > 1 => out_of_fold(&settings, &known, &values, labels, rows),
                _ => values.iter().map(|value| known.of(value.as_deref())).collect(),
            };
            put(frame, name, Series::new(name.as_str().into(), numbers))?;
            fitted.encode.insert(name.clone(), known);
        }
        for (name, how) in &params.scale {
            let scale = scale(*how, &of_rows(&numbers(frame, name)?));
            fitted.scale.insert(name.clone(), scale);
            fitted.apply_scale(name, frame)?;
        }
        Ok(fitted)
    }

    /// Applies what was fitted on other rows.
    ///
    /// # Errors
    /// `Rejected` if something was not fitted that the parameters ask for.
    pub(super) fn apply(
        &self,
        params: &Params,
        weighted: &[String],
        frame: &mut DataFrame,
    ) -> Result<(), StepError> {
        let lacks = |what: &str, name: &String| {
            let message = format!("the fitted parts have no {what} of `{name}`");
            StepError::rejected(message).help("fit them again with these parameters")
        };
        if self.version != VERSION {
            let message = format!(
                "the fitted parts have version {}, this reads version {VERSION}",
                self.version
            );
            return Err(StepError::rejected(message));
        }
        for name in params.impute.keys() {
            self.impute.get(name).ok_or_else(|| lacks("imputation", name))?;
            self.apply_imputation(name, frame)?;
        }
        for name in params.bin.keys() {
            self.bin.get(name).ok_or_else(|| lacks("bins", name))?;
            self.apply_bins(name, frame)?;
        }
        for name in weighted {
            self.idf
                .get(name)
                .ok_or_else(|| lacks("document frequencies", name))?;
            self.apply_weights(name, frame)?;
        }
        for name in params.encode.keys() {
            let known = self.encode.get(name).ok_or_else(|| lacks("encoding", name))?;
            let values = categories(frame, name)?;
            let numbers: Vec<f64> = values.iter().map(|value| known.of(value.as_deref())).collect();
            put(frame, name, Series::new(name.as_str().into(), numbers))?;
        }
        for name in params.scale.keys() {
            self.scale.get(name).ok_or_else(|| lacks("scale", name))?;
            self.apply_scale(name, frame)?;
        }
        Ok(())
    }

    fn apply_imputation(&self, name: &str, frame: &mut DataFrame) -> Result<(), StepError> {
        let stand_in = self.impute.get(name).copied().unwrap_or(0.0);
        let values: Vec<f64> = numbers(frame, name)?
            .into_iter()
            .map(|value| value.unwrap_or(stand_in))
            .collect();
        put(frame, name, Series::new(name.into(), values))
    }

    fn apply_bins(&self, name: &str, frame: &mut DataFrame) -> Result<(), StepError> {
        let edges = self.bin.get(name).map(Vec::as_slice).unwrap_or_default();
        let bin =
            |value: f64| i32::try_from(edges.partition_point(|edge| *edge <= value)).unwrap_or(i32::MAX);
        let bins: Vec<Option<i32>> = numbers(frame, name)?
            .into_iter()
            .map(|value| value.filter(|value| !value.is_nan()).map(bin))
            .collect();
        put(frame, name, Series::new(name.into(), bins))
    }

    fn apply_weights(&self, name: &str, frame: &mut DataFrame) -> Result<(), StepError> {
        let weight = self.idf.get(name).copied().unwrap_or(1.0);
        let weighed: Vec<Option<f64>> = numbers(frame, name)?
            .into_iter()
            .map(|value| Some(value? * weight))
            .collect();
        put(frame, name, Series::new(name.into(), weighed))
    }

    fn apply_scale(&self, name: &str, frame: &mut DataFrame) -> Result<(), StepError> {
        let (zero, spread) = self.scale.get(name).copied().unwrap_or((0.0, 1.0));
        let scaled: Vec<Option<f64>> = numbers(frame, name)?
            .into_iter()
            .map(|value| Some((value? - zero) / spread))
            .collect();
        put(frame, name, Series::new(name.into(), scaled))
    }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        0.0
    } else {
        values.iter().sum::<f64>() / values.len() as f64
    }
}

/// What stands for a missing value, given the sorted values that are there; 0 if none is.
fn stand_in(how: Imputation, sorted: &[f64]) -> f64 {
    match how {
        Imputation::Mean => mean(sorted),
        Imputation::Median => quantile_of(sorted, 0.5).unwrap_or(0.0),
        Imputation::Zero => 0.0,
        Imputation::Mode => {
            let runs = sorted.chunk_by(|one, other| one == other);
            // Of equally long runs `max_by_key` would take the last.
            let longest = runs.rev().max_by_key(|run| run.len());
            longest.and_then(|run| run.first()).copied().unwrap_or(0.0)
        }
    }
}

fn edges(binning: &Binning, sorted: &[f64]) -> Vec<f64> {
    let inner = 1..binning.count;
    let share = |at: u32| f64::from(at) / f64::from(binning.count);
    match binning.method {
        BinMethod::Given => binning.edges.clone(),
        BinMethod::Uniform => match (sorted.first(), sorted.last()) {
            (Some(least), Some(greatest)) if least < greatest => {
                inner.map(|at| least + (greatest - least) * share(at)).collect()
            }
            _ => Vec::new(),
        },
        BinMethod::Quantile => {
            let mut edges: Vec<f64> = inner.filter_map(|at| quantile_of(sorted, share(at))).collect();
            edges.dedup();
            // An edge at the least value would leave the first bin empty.
            if let Some(least) = sorted.first() {
                edges.retain(|edge| edge > least);
            }
            edges
        }
    }
}

/// What is taken off and what is divided by; a constant column has no spread and becomes 0.
fn scale(how: Scaling, sorted: &[f64]) -> (f64, f64) {
    let (zero, spread) = match how {
        Scaling::Standard => {
            let mean = mean(sorted);
            let squares: f64 = sorted.iter().map(|value| (value - mean).powi(2)).sum();
            (mean, (squares / (sorted.len() as f64 - 1.0).max(1.0)).sqrt())
        }
        Scaling::MinMax => {
            let least = sorted.first().copied().unwrap_or(0.0);
            (least, sorted.last().copied().unwrap_or(0.0) - least)
        }
        Scaling::Robust => {
            let quantile = |share| quantile_of(sorted, share).unwrap_or(0.0);
            (quantile(0.5), quantile(0.75) - quantile(0.25))
        }
    };
    (zero, if spread > 0.0 { spread } else { 1.0 })
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
