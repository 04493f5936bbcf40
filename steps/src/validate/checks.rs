//! Checks a pipeline adds: a number and its bounds, or a rule.

use super::demand::Demand;
use super::metric::{Metric, rounded};
use super::outcome::{Limits, Outcome, Severity, subject};
use super::{rows, tables};
use crate::fault::{self, guarded};
use crate::flow::Flow;
use crate::sql::{self, Expression};
use crate::table;
use indexmap::IndexMap;
use polars::prelude::{
    BooleanChunked, DataFrame, DataType as PolarsType, IntoLazy, NewChunkedArray, PolarsError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::{DataType, Millis, Schema, StepError, Timestamp};

/// One check: a metric of a table or column or a number from SQL, and its bounds; or a rule.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// What the check is called in the report and among the metrics. Default: input, column and rule.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Name of the input. Needed unless `sql` is given.
    #[serde(default)]
    pub(super) dataset: Option<String>,
    /// Column the metric or rule is of. Needed by all metrics but `row_count`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    pub(super) column: Option<String>,
    /// In place of `column`, for the rules `unique`, `foreign_key` and `disjoint`: columns taken together.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    pub(super) columns: Vec<String>,
    /// Only rows for which this SQL expression is true are looked at. Default: all rows.
    #[serde(default, rename = "where")]
    pub(super) condition: Option<Expression>,
    /// What is measured; say with `must_be…` what it must be.
    #[serde(default)]
    pub(super) metric: Option<Metric>,
    /// In place of a metric: one SELECT over the inputs that gives one number.
    #[serde(default)]
    #[schemars(extend("x-kind" = "sql"))]
    pub(super) sql: Option<String>,
    /// In place of a metric: what must hold of each row, of the column or between inputs.
    #[serde(default)]
    pub(super) rule: Option<Demand>,
    /// Share of the rows looked at, 0 to 1, that may break the rule. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub(super) max_bad_share: f64,
    /// The number must be exactly this.
    #[serde(default)]
    must_be: Option<f64>,
    /// The number must be less than this.
    #[serde(default)]
    must_be_less_than: Option<f64>,
    /// The number must be greater than this.
    #[serde(default)]
    must_be_greater_than: Option<f64>,
    /// The number must be this or greater.
    #[serde(default)]
    must_be_at_least: Option<f64>,
    /// The number must be this or less.
    #[serde(default)]
    must_be_at_most: Option<f64>,
    /// Least and greatest value allowed.
    #[serde(default)]
    must_be_between: Option<[f64; 2]>,
    /// What happens if it does not hold: `error` fails the step, `warn` and `info` are reported. Default: `error`.
    #[serde(default)]
    pub(super) severity: Severity,
}

/// What checks are carried out on.
pub(super) struct Tables<'a> {
    pub(super) frames: &'a IndexMap<String, DataFrame>,
    /// Columns that identify a row, by input.
    pub(super) keys: &'a BTreeMap<String, Vec<String>>,
    pub(super) as_of: Option<Timestamp>,
    pub(super) limits: Limits,
}

impl Tables<'_> {
    /// # Errors
    /// `Rejected` if there is no such input.
    pub(super) fn frame(&self, dataset: &str) -> Result<&DataFrame, StepError> {
        self.frames
            .get(dataset)
            .ok_or_else(|| StepError::rejected(format!("there is no input `{dataset}`")))
    }
}

/// What is known of the inputs before the run.
pub(super) struct Known<'a> {
    pub(super) schemas: &'a IndexMap<&'a str, &'a Schema>,
    pub(super) inputs: &'a [&'a str],
    pub(super) has_clock: bool,
}

impl Check {
    /// The columns it is about.
    pub(super) fn about(&self) -> Vec<&str> {
        if self.columns.is_empty() {
            self.column.iter().map(String::as_str).collect()
        } else {
            self.columns.iter().map(String::as_str).collect()
        }
    }

    /// Each bound as words, and whether a number keeps it.
    fn bounds(&self, number: f64) -> Vec<(String, bool)> {
        let mut bounds = Vec::new();
        let mut add = |bound: Option<f64>, words: &str, keeps: fn(f64, f64) -> bool| {
            if let Some(bound) = bound {
                bounds.push((format!("must be {words}{bound}"), keeps(number, bound)));
            }
        };
        add(self.must_be, "", |number, bound| number == bound);
        add(self.must_be_less_than, "less than ", |number, bound| {
            number < bound
        });
        add(self.must_be_greater_than, "greater than ", |number, bound| {
            number > bound
        });
        add(self.must_be_at_least, "at least ", |number, bound| {
            number >= bound
        });
        add(self.must_be_at_most, "at most ", |number, bound| number <= bound);
        if let Some([least, greatest]) = self.must_be_between {
            bounds.push((
                format!("must be between {least} and {greatest}"),
                (least..=greatest).contains(&number),
            ));
        }
        bounds
    }

    /// What is wrong with the check before anything runs.
    pub(super) fn findings(&self, path: &Path, known: &Known<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let wrong = |path: Path, message: &str| Finding::error("S01", path, message);
        match (self.metric, &self.sql, &self.rule) {
            (None, None, None) => {
                let finding = wrong(path.clone(), "this check has neither a metric nor SQL nor a rule");
                findings.push(finding.help("add e.g. `metric: null_ratio`, or `rule: not_null`"));
            }
            (Some(_), Some(_), _) => {
                findings.push(wrong(path.key("sql"), "a check has a metric or SQL, not both"))
            }
            (Some(_), None, Some(_)) | (None, Some(_), Some(_)) => {
                findings.push(wrong(
                    path.key("rule"),
                    "a check has a rule or a number with bounds, not both",
                ));
            }
            (Some(metric), None, None) => {
                self.bound_findings(path, &mut findings);
                self.metric_findings(metric, path, known, &mut findings);
            }
            (None, Some(query), None) => {
                self.bound_findings(path, &mut findings);
                query_findings(query, path, known, &mut findings);
            }
            (None, None, Some(demand)) => {
                if !self.bounds(0.0).is_empty() {
                    findings.push(wrong(
                        path.clone(),
                        "a rule says itself what must hold: bounds are for metrics and SQL",
                    ));
                }
                self.demand_findings(demand, path, known, &mut findings);
            }
        }
        if let Some(Expression(text)) = &self.condition {
            let schema = self
                .dataset
                .as_deref()
                .and_then(|dataset| known.schemas.get(dataset));
            if self.sql.is_some() {
                findings.push(wrong(path.key("where"), "a query has a WHERE of its own"));
            } else if let Some(schema) = schema {
                findings.extend(condition_findings(text, schema, &path.key("where")));
            }
        }
        findings
    }

    fn bound_findings(&self, path: &Path, findings: &mut Vec<Finding>) {
        if self.bounds(0.0).is_empty() {
            let finding = Finding::error("S01", path.clone(), "this check says nothing of what must be");
            findings.push(finding.help("add e.g. `must_be_less_than: 0.05`"));
        }
        if let Some([least, greatest]) = self.must_be_between
            && least > greatest
        {
            let message = format!("nothing is between {least} and {greatest}");
            findings.push(
                Finding::error("S01", path.key("must_be_between"), message).help("give the lesser first"),
            );
        }
    }

    fn metric_findings(&self, metric: Metric, path: &Path, known: &Known<'_>, findings: &mut Vec<Finding>) {
        let Some(dataset) = self.named(path, findings) else {
            return;
        };
        if let [first, ..] = self.columns.as_slice() {
            let finding = Finding::error("S01", path.key("columns"), "a metric is of one column");
            findings.push(finding.help(format!("write `column: {first}`")));
            return;
        }
        let Some(column) = &self.column else {
            if metric != Metric::RowCount {
                let message = format!("`{}` is of a column", metric.name());
                findings.push(Finding::error("S01", path.key("metric"), message).help("add `column: NAME`"));
            }
            return;
        };
        let Some(schema) = known.schemas.get(dataset) else {
            return;
        };
        if let Some(found) = column_findings(column, schema, path.key("column"), findings)
            && metric.needs_numbers()
        {
            typed(
                metric.name(),
                column,
                found,
                DataType::is_numeric,
                "numbers",
                path.key("column"),
                findings,
            );
        }
    }

    fn named<'c>(&'c self, path: &Path, findings: &mut Vec<Finding>) -> Option<&'c str> {
        if self.dataset.is_none() {
            let finding = Finding::error("S01", path.clone(), "this check does not say of which input");
            findings.push(finding.help("add `dataset: INPUT`"));
        }
        self.dataset.as_deref()
    }

    fn demand_findings(&self, demand: &Demand, path: &Path, known: &Known<'_>, findings: &mut Vec<Finding>) {
        let rule = path.key("rule");
        let name = demand.name();
        let inner = rule.key(name);
        let wrong = |path: Path, message: String| Finding::error("S01", path, message);
        let Some(dataset) = self.named(path, findings) else {
            return;
        };
        if !self.columns.is_empty() && (self.column.is_some() || !demand.takes_columns()) {
            let finding = wrong(
                path.key("columns"),
                format!("`{name}` is of one column, or of `columns` alone"),
            );
            findings.push(finding.help("give `column` or `columns`"));
            return;
        }
        if self.about().is_empty() && !demand.is_of_rows() {
            findings.push(wrong(rule.clone(), format!("`{name}` is of a column")).help("add `column: NAME`"));
            return;
        }
        if let Some((other, key)) = demand.other()
            && !known.inputs.contains(&other)
        {
            findings.push(super::no_input(other, known.inputs, inner.key(key)));
            return;
        }
        match demand {
            Demand::Range(bounds) | Demand::Length(bounds) => match (bounds.min, bounds.max) {
                (None, None) => findings
                    .push(wrong(inner, "this allows every value".to_owned()).help("add `min` or `max`")),
                (Some(min), Some(max)) if min > max => {
                    findings.push(wrong(inner, format!("nothing is between {min} and {max}")))
                }
                _ => {}
            },
            Demand::AcceptedValues(values) if values.is_empty() => {
                findings.push(wrong(inner, "this accepts no value".to_owned()));
            }
            Demand::Pattern(pattern) => {
                if let Some(fault) = rows::pattern_fault(pattern) {
                    findings.push(wrong(inner, fault));
                }
            }
            Demand::Fresh(fresh) => {
                if let Err(fault) = fresh.max_age.parse::<Millis>() {
                    findings.push(wrong(inner.key("max_age"), fault));
                } else if !known.has_clock {
                    let finding = wrong(
                        rule,
                        "`fresh` needs to know the time it is measured from".to_owned(),
                    );
                    findings
                        .push(finding.help("add `as_of: \"${{ trigger.logical_date }}\"` beside `checks`"));
                }
            }
            Demand::Distribution(likeness)
                if likeness.psi_at_most.is_none()
                    && likeness.ks_at_most.is_none()
                    && likeness.mean_shift_at_most.is_none() =>
            {
                findings.push(
                    wrong(inner, "this allows every distribution".to_owned())
                        .help("add e.g. `psi_at_most: 0.2`"),
                );
            }
            Demand::ForeignKey(reference)
                if !reference.columns.is_empty() && reference.columns.len() != self.about().len() =>
            {
                let message = format!(
                    "{} columns cannot refer to {}",
                    self.about().len(),
                    reference.columns.len()
                );
                findings.push(wrong(inner.key("columns"), message));
            }
            _ => {}
        }
        if let Some(schema) = known.schemas.get(dataset) {
            self.column_types(demand, schema, path, &path.key("rule").key(name), findings);
        }
        self.other_columns(demand, known, &path.key("rule").key(name), findings);
    }

    fn column_types(
        &self,
        demand: &Demand,
        schema: &Schema,
        path: &Path,
        inner: &Path,
        findings: &mut Vec<Finding>,
    ) {
        for (at, column) in self.about().into_iter().enumerate() {
            let place = if self.columns.is_empty() {
                path.key("column")
            } else {
                path.key("columns").index(at)
            };
            let Some(found) = column_findings(column, schema, place.clone(), findings) else {
                continue;
            };
            let (keeps, what): (fn(&DataType) -> bool, &str) = match demand {
                Demand::Range(_) => (DataType::is_numeric, "numbers"),
                Demand::Pattern(_) | Demand::Length(_) => (|found| *found == DataType::String, "texts"),
                Demand::Fresh(_) | Demand::LaterThan(_) => (
                    |found| matches!(found, DataType::Date | DataType::Timestamp(..)),
                    "dates or timestamps",
                ),
                Demand::Order(_) => (
                    |found| found.is_numeric() || found.is_temporal(),
                    "numbers or times",
                ),
                Demand::Distribution(likeness)
                    if likeness.ks_at_most.is_some() || likeness.mean_shift_at_most.is_some() =>
                {
                    (DataType::is_numeric, "numbers")
                }
                _ => continue,
            };
            typed(demand.name(), column, found, keeps, what, place, findings);
        }
        match demand {
            Demand::Expression(Expression(text)) => findings.extend(condition_findings(text, schema, inner)),
            Demand::Order(order) => {
                for (at, column) in order.within.iter().enumerate() {
                    column_findings(column, schema, inner.key("within").index(at), findings);
                }
            }
            _ => {}
        }
    }

    fn other_columns(&self, demand: &Demand, known: &Known<'_>, inner: &Path, findings: &mut Vec<Finding>) {
        let Some(schema) = demand.other().and_then(|(other, _)| known.schemas.get(other)) else {
            return;
        };
        let own: Vec<&str> = self.about();
        let mut look = |column: &str, place: Path| {
            column_findings(column, schema, place, findings);
        };
        match demand {
            Demand::ForeignKey(reference) if !reference.columns.is_empty() => {
                for (at, column) in reference.columns.iter().enumerate() {
                    look(column, inner.key("columns").index(at));
                }
            }
            Demand::LaterThan(super::demand::Column {
                column: Some(column), ..
            })
            | Demand::Agrees(super::demand::Agreement {
                column: Some(column), ..
            }) => look(column, inner.key("column")),
            Demand::Distribution(_) => own.iter().for_each(|column| look(column, inner.key("reference"))),
            _ => own.iter().for_each(|column| look(column, inner.key("dataset"))),
        }
    }

    /// How the check went.
    ///
    /// # Errors
    /// `Rejected` if there is no such number, input or column.
    pub(super) fn carry_out(&self, tables: &Tables<'_>) -> Result<Outcome, StepError> {
        let outcome = match (&self.rule, &self.sql, self.metric) {
            (Some(demand), ..) => tables::judged(self, demand, tables)?,
            (None, Some(query), _) => {
                self.bounded("the query".to_owned(), query, queried(query, tables.frames)?, 0)
            }
            (None, None, Some(metric)) => {
                let dataset = self.dataset.as_deref().unwrap_or_default();
                let frame = tables.frame(dataset)?;
                let frame = match self.condition_rows(frame)? {
                    Some(rows) => frame
                        .filter(&rows)
                        .map_err(|error| StepError::internal(error.to_string()))?,
                    None => frame.clone(),
                };
                let number = metric.of(&frame, self.column.as_deref())?;
                let words = format!("{} {}", subject(dataset, self.column.as_deref()), metric.name());
                self.bounded(words, metric.name(), number, frame.height())
            }
            (None, None, None) => {
                return Err(StepError::rejected(
                    "a check has neither a metric nor SQL nor a rule",
                ));
            }
        };
        Ok(Outcome {
            name: self.name.clone(),
            severity: self.severity,
            ..outcome
        })
    }

    fn bounded(&self, what: String, check: &str, number: Option<f64>, rows: usize) -> Outcome {
        let wanted: Vec<String> = self.bounds(0.0).into_iter().map(|(words, _)| words).collect();
        let outcome = Outcome::new(
            self.dataset.as_deref().unwrap_or_default(),
            self.column.as_deref(),
            check,
            wanted.join(", "),
        );
        match number {
            Some(number) => {
                let keeps = self.bounds(number).iter().all(|(_, keeps)| *keeps);
                let says = format!("{what} is {}, {}", rounded(number), wanted.join(", "));
                outcome.over(rows).found(Some(number)).verdict(keeps, says)
            }
            // A number that does not exist cannot be within bounds.
            None => outcome
                .over(rows)
                .verdict(false, format!("{what} cannot be had: there are no values")),
        }
    }

    /// The rows for which `where` is true; `None` for all.
    ///
    /// # Errors
    /// `Rejected` if it cannot be computed or is no yes or no.
    pub(super) fn condition_rows(&self, frame: &DataFrame) -> Result<Option<BooleanChunked>, StepError> {
        let Some(Expression(text)) = &self.condition else {
            return Ok(None);
        };
        truth(text, frame).map(|rows| Some(crate::rule::known(rows)))
    }
}

/// A SQL condition for each row; missing where it is unknown.
///
/// # Errors
/// `Rejected` if it cannot be computed or is no yes or no.
pub(super) fn truth(text: &str, frame: &DataFrame) -> Result<BooleanChunked, StepError> {
    let failed = |error: PolarsError| StepError::rejected(format!("`{text}`: {}", fault::sentence(&error)));
    let expression = sql::expression(text).map_err(failed)?;
    let found = guarded(|| {
        frame
            .clone()
            .lazy()
            .select([expression.alias("condition")])
            .collect()
    })
    .map_err(failed)?;
    let column = found.column("condition").map_err(failed)?;
    let truth = column.bool().map_err(failed)?;
    if truth.len() == frame.height() {
        return Ok(truth.clone());
    }
    // A condition without a column is one value for all rows.
    let value = truth.get(0);
    Ok(BooleanChunked::from_iter_options(
        "condition".into(),
        (0..frame.height()).map(|_| value),
    ))
}

fn column_findings<'s>(
    name: &str,
    schema: &'s Schema,
    path: Path,
    findings: &mut Vec<Finding>,
) -> Option<&'s DataType> {
    let found = schema.column(name);
    if found.is_none() {
        findings.push(fault::no_column(name, path, schema.names()).at_word(name));
    }
    found.map(|column| &column.data_type)
}

fn typed(
    rule: &str,
    column: &str,
    found: &DataType,
    keeps: fn(&DataType) -> bool,
    what: &str,
    path: Path,
    findings: &mut Vec<Finding>,
) {
    if !keeps(found) && !matches!(found, DataType::Other(_)) {
        let message = format!("`{rule}` needs {what}, `{column}` is of type {found}");
        findings.push(Finding::error("D01/wrong-column-type", path, message));
    }
}

fn condition_findings(text: &str, schema: &Schema, path: &Path) -> Vec<Finding> {
    let expression = match sql::expression(text) {
        Ok(expression) => expression,
        Err(error) => return vec![fault::finding(&error, path.clone(), schema.names())],
    };
    let unknown: Vec<Finding> = expression
        .clone()
        .meta()
        .root_names()
        .iter()
        .filter(|name| schema.column(name).is_none())
        .map(|name| fault::no_column(name, path.clone(), schema.names()).at_word(name.as_str()))
        .collect();
    if !unknown.is_empty() {
        return unknown;
    }
    let flow =
        Flow::unread("data", schema).then(|frame| Ok(frame.select([expression.clone().alias("condition")])));
    match flow {
        Err(error) => vec![fault::finding(&error, path.clone(), schema.names())],
        Ok(flow) => {
            let found = flow
                .facts
                .get("condition")
                .map(|fact| fact.column.data_type.clone());
            match found {
                Some(found) if found != DataType::Boolean && !matches!(found, DataType::Other(_)) => {
                    let message = format!("this must be true or false, it is of type {found}");
                    vec![Finding::error("D01/wrong-column-type", path.clone(), message)]
                }
                _ => Vec::new(),
            }
        }
    }
}

fn query_findings(query: &str, path: &Path, known: &Known<'_>, findings: &mut Vec<Finding>) {
    let tables = match sql::tables_of(query) {
        Ok(tables) => tables,
        Err(refusal) => {
            findings.push(Finding::error("S03", path.key("sql"), refusal));
            return;
        }
    };
    for table in tables
        .iter()
        .filter(|table| !known.inputs.contains(&table.as_str()))
    {
        findings.push(super::no_input(table, known.inputs, path.key("sql")).at_word(table.as_str()));
    }
    let used: Vec<(&str, &Schema)> = known
        .schemas
        .iter()
        .map(|(name, schema)| (*name, *schema))
        .filter(|(name, _)| tables.contains(*name))
        .collect();
    if findings.is_empty() && used.len() == tables.len() {
        let flows: Vec<Flow> = used
            .iter()
            .map(|(name, schema)| Flow::unread(name, schema))
            .collect();
        let names = used.iter().map(|(name, _)| *name);
        let plan = Flow::of_many(&flows.iter().collect::<Vec<_>>(), |frames| {
            sql::query(query, names.clone().zip(frames))
        });
        if let Err(error) = plan {
            let columns = used.iter().flat_map(|(_, schema)| schema.names());
            findings.push(fault::finding(&error, path.key("sql"), columns));
        }
    }
}

/// The one number a query gives.
fn queried(query: &str, frames: &IndexMap<String, DataFrame>) -> Result<Option<f64>, StepError> {
    let tables = sql::tables_of(query).map_err(StepError::rejected)?;
    let used = frames.iter().filter(|(name, _)| tables.contains(*name));
    let plan = sql::query(
        query,
        used.map(|(name, frame)| (name.as_str(), frame.clone().lazy())),
    )
    .map_err(|error| StepError::rejected(fault::sentence(&error)))?;
    let result = table::collect("run the check's query", plan)?;
    if result.shape() != (1, 1) {
        return Err(StepError::rejected(format!(
            "a check's query must give one number, this gives {}",
            table::headline(&result)
        )));
    }
    let number = result.columns()[0]
        .cast(&PolarsType::Float64)
        .map_err(|error| StepError::rejected(fault::sentence(&error)))?;
    number
        .f64()
        .map(|numbers| numbers.get(0))
        .map_err(|error| StepError::internal(error.to_string()))
}
