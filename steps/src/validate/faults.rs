//! What is wrong with a check before anything runs.

use super::checks::Check;
use super::demand::{Agreement, Column, Demand};
use super::metric::Metric;
use super::remembered::PREVIOUS;
use super::rows;
use crate::fault;
use crate::flow::Flow;
use crate::sql::{self, Expression};
use indexmap::IndexMap;
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::{DataType, Millis, Schema};

/// What is known of the inputs before the run.
pub(super) struct Known<'a> {
    pub(super) schemas: &'a IndexMap<&'a str, &'a Schema>,
    pub(super) inputs: &'a [&'a str],
    pub(super) has_clock: bool,
}

impl Check {
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
            && other != PREVIOUS
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
                Demand::Distribution(_) => (
                    |found| found.is_numeric() || matches!(found, DataType::String | DataType::Boolean),
                    "numbers, texts or booleans",
                ),
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
            Demand::LaterThan(Column {
                column: Some(column), ..
            })
            | Demand::Agrees(Agreement {
                column: Some(column), ..
            }) => look(column, inner.key("column")),
            Demand::Distribution(_) => own.iter().for_each(|column| look(column, inner.key("reference"))),
            _ => own.iter().for_each(|column| look(column, inner.key("dataset"))),
        }
    }
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
