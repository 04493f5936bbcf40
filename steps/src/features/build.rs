//! The plan of `features.build`, from input tables to the output's columns.

use super::leakage::Watch;
use super::{Input, Params, dates, fit, joins, text, windows};
use crate::fault;
use crate::flow::Flow;
use crate::inference::with;
use crate::sql::{self, Expression};
use indexmap::{IndexMap, IndexSet};
use polars::prelude::{DataType as PolarsType, Expr, SortMultipleOptions, col, concat_str, lit};
use std::collections::BTreeSet;
use trainyard_contract::finding::{Finding, Path, nearest};
use trainyard_contract::{DataType, Schema};

/// Number of a base row, to come back to their order.
const ROW: &str = "__row";
/// Marks the rows that are fitted on.
pub(super) const FIT: &str = "__fit";

/// What came of building: the table unless something is wrong, and what is wrong.
pub(super) struct Built {
    pub(super) table: Option<(Flow, Schema)>,
    pub(super) findings: Vec<Finding>,
    /// Features whose counts are weighed by document frequencies.
    pub(super) weighted: Vec<String>,
}

/// A table on its way from base to features.
pub(super) struct Build<'a> {
    pub(super) params: &'a Params,
    pub(super) step: &'a str,
    pub(super) inputs: &'a IndexMap<String, Input>,
    pub(super) base: &'a str,
    pub(super) event_time: Option<String>,
    pub(super) flow: Flow,
    pub(super) watch: Watch,
    pub(super) findings: Vec<Finding>,
    /// Features in the order of the output.
    pub(super) features: IndexSet<String>,
    /// Features whose counts are weighed by document frequencies.
    pub(super) weighted: IndexSet<String>,
    /// Whether what is fitted comes from elsewhere.
    pub(super) applies: bool,
}

/// Name of the base input.
fn base<'a>(params: &'a Params, inputs: &[&'a str]) -> Option<&'a str> {
    let joined: BTreeSet<&str> = params
        .join
        .iter()
        .map(|j| &j.table)
        .chain(params.as_of_join.iter().map(|j| &j.table))
        .chain(params.windows.iter().filter_map(|windows| windows.table.as_ref()))
        .chain(params.group.iter().filter_map(|group| group.table.as_ref()))
        .map(String::as_str)
        .collect();
    match &params.base {
        Some(base) => inputs.iter().copied().find(|input| input == base),
        None => inputs.iter().copied().find(|input| !joined.contains(input)),
    }
}

/// Inputs that parameters name and that are not there.
pub(super) fn tables(params: &Params, inputs: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut look = |table: &str, path: Path| {
        if !inputs.contains(&table) {
            let finding = Finding::error("D01", path, format!("there is no input `{table}`")).at_word(table);
            findings.push(match nearest(table, inputs.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help(format!("the inputs are {}", fault::list(inputs))),
            });
        }
    };
    if let Some(base) = &params.base {
        look(base, with("base"));
    }
    for (at, join) in params.join.iter().enumerate() {
        look(&join.table, with("join").index(at).key("table"));
    }
    for (at, join) in params.as_of_join.iter().enumerate() {
        look(&join.table, with("as_of_join").index(at).key("table"));
    }
    for (at, windows) in params.windows.iter().enumerate() {
        if let Some(table) = &windows.table {
            look(table, with("windows").index(at).key("table"));
        }
    }
    for (at, group) in params.group.iter().enumerate() {
        if let Some(table) = &group.table {
            look(table, with("group").index(at).key("table"));
        }
    }
    if findings.is_empty() && base(params, inputs).is_none() {
        let finding = Finding::error(
            "D01",
            with("base"),
            "every input is looked up by a join, none gives the rows",
        );
        findings.push(finding.help("say `base: NAME`"));
    }
    findings
}

impl<'a> Build<'a> {
    /// Starts from the base table. The tables that parameters name must be among the inputs.
    pub(super) fn new(params: &'a Params, step: &'a str, inputs: &'a IndexMap<String, Input>) -> Self {
        let names: Vec<&str> = inputs.keys().map(String::as_str).collect();
        let base = base(params, &names).and_then(|base| inputs.get_key_value(base));
        let (base, flow, event_time) = match base {
            Some((name, input)) => (
                name.as_str(),
                input.flow.clone(),
                params
                    .event_time
                    .clone()
                    .or_else(|| input.schema.event_time.clone()),
            ),
            None => (
                "",
                Flow::unread("", &Schema::default()),
                params.event_time.clone(),
            ),
        };
        let watch = Watch::new(params.predict_at.clone());
        let mut build = Self {
            params,
            step,
            inputs,
            base,
            event_time,
            flow,
            watch,
            findings: Vec::new(),
            features: IndexSet::new(),
            weighted: IndexSet::new(),
            applies: false,
        };
        build.columns_of_base();
        build
    }

    /// The same, where what is fitted comes from elsewhere.
    pub(super) fn applying(self, applies: bool) -> Self {
        Self { applies, ..self }
    }

    /// Does everything else.
    pub(super) fn finish(mut self) -> Built {
        let label = self.label_sources();
        self.watch.label(label);
        self.kept();
        self.joined();
        for at in 0..self.params.windows.len() {
            windows::windows(&mut self, at);
        }
        for at in 0..self.params.group.len() {
            windows::group(&mut self, at);
        }
        dates::dates(&mut self);
        text::text(&mut self);
        self.crossed();
        self.computed();
        self.filtered();
        self.labelled();
        let fit_on = self.fitted_on();
        if self
            .findings
            .iter()
            .all(|f| f.severity != trainyard_contract::Severity::Error)
        {
            fit::declare(&mut self);
        }
        let ok = self
            .findings
            .iter()
            .all(|f| f.severity != trainyard_contract::Severity::Error);
        let table = if ok { self.output(fit_on) } else { None };
        Built {
            table,
            findings: self.findings,
            weighted: self.weighted.into_iter().collect(),
        }
    }

    /// Adds a finding if the table as it is now has no such column.
    pub(super) fn has(&mut self, name: &str, path: Path) -> bool {
        let known = self.flow.facts.get(name).is_some();
        if !known {
            self.findings
                .push(fault::no_column(name, path, self.flow.facts.names()).at_word(name));
        }
        known
    }

    /// Adds a finding if a new column cannot have this name.
    pub(super) fn is_free(&mut self, name: &str, path: &Path) -> bool {
        let free = self.flow.facts.get(name).is_none();
        if !free {
            let message = format!("`{name}` is already a column here");
            let finding = Finding::error("D03", path.clone(), message);
            self.findings
                .push(finding.help("give the new column another name"));
        }
        free
    }

    fn columns_of_base(&mut self) {
        for (at, name) in self.params.entity.iter().enumerate() {
            self.has(name, with("entity").index(at));
        }
        if let Some(name) = self.event_time.clone()
            && self.has(&name, with("event_time"))
        {
            let data_type = self
                .flow
                .facts
                .get(&name)
                .map(|fact| fact.column.data_type.clone());
            if !matches!(data_type, Some(DataType::Date | DataType::Timestamp(..))) {
                let data_type = data_type.map(|t| t.to_string()).unwrap_or_default();
                let message =
                    format!("`{name}` is of type {data_type}, an event time is a date or a timestamp");
                self.findings.push(Finding::error(
                    "D01/wrong-column-type",
                    with("event_time"),
                    message,
                ));
            }
        }
        if let Some(finding) = self.watch.unknown_moment(&self.flow.facts, self.base) {
            self.findings.push(finding);
        }
    }

    /// Columns of the base table that the label is made from.
    fn label_sources(&self) -> BTreeSet<crate::facts::Source> {
        let Some(label) = &self.params.label else {
            return BTreeSet::new();
        };
        let Ok(expression) = sql::expression(&label.expr.0) else {
            return BTreeSet::new();
        };
        expression
            .meta()
            .root_names()
            .iter()
            .filter_map(|name| self.flow.facts.get(name))
            .flat_map(|fact| fact.sources.keys().cloned())
            .collect()
    }

    fn kept(&mut self) {
        for (at, name) in self.params.keep.iter().enumerate() {
            let path = with("keep").index(at);
            if self
                .params
                .label
                .as_ref()
                .is_some_and(|label| label.name == *name)
            {
                let message = format!("`{name}` is the label, not a feature");
                self.findings
                    .push(Finding::error("M02", path, message).help("leave it out of `keep`"));
                continue;
            }
            if !self.has(name, path.clone()) {
                continue;
            }
            if !self.features.insert(name.clone()) {
                let message = format!("`{name}` is kept twice");
                self.findings
                    .push(Finding::error("D03", path, message).help("list it once"));
                continue;
            }
            self.watched(name, name, &path);
        }
    }

    /// Holds a column against the moment of prediction and the label; `word` is what stands at `path`.
    pub(super) fn watched(&mut self, column: &str, word: &str, path: &Path) {
        if let Some(fact) = self.flow.facts.get(column) {
            self.findings.extend(self.watch.feature(column, fact, word, path));
        }
    }

    fn joined(&mut self) {
        for at in 0..self.params.join.len() {
            joins::join(self, at);
        }
        if self.params.as_of_join.is_empty() {
            return;
        }
        let Some(event_time) = self.event_time.clone() else {
            let finding = Finding::error(
                "D01",
                with("as_of_join"),
                "an as-of join needs the base's event time",
            );
            self.findings.push(finding.help("say `event_time: COLUMN`"));
            return;
        };
        if self.flow.facts.get(&event_time).is_none() {
            return;
        }
        // One sort serves all as-of joins: a lag moves all rows alike.
        self.step(|frame| {
            let in_order = SortMultipleOptions::default().with_maintain_order(true);
            Ok(frame
                .with_row_index(ROW, None)
                .sort([event_time.as_str()], in_order))
        });
        for at in 0..self.params.as_of_join.len() {
            joins::as_of_join(self, at, &event_time);
        }
        self.step(|frame| {
            let names = frame.clone().collect_schema()?;
            let rest: Vec<Expr> = names
                .iter_names()
                .filter(|name| *name != ROW)
                .map(|name| col(name.clone()))
                .collect();
            Ok(frame.sort([ROW], SortMultipleOptions::default()).select(rest))
        });
    }

    /// Selects the output's columns. What is fitted changes their types only afterwards, so the plan is
    /// not typed again.
    fn fit_facts(&mut self, selected: &[Expr]) {
        self.flow.plan = self.flow.plan.clone().select(selected);
        let names: Vec<String> = selected
            .iter()
            .filter_map(|column| Some(column.clone().meta().output_name().ok()?.to_string()))
            .collect();
        let mut columns = std::mem::take(&mut self.flow.facts.columns);
        self.flow.facts.columns = names
            .into_iter()
            .filter_map(|name| columns.swap_remove_entry(&name))
            .collect();
    }

    /// A change that cannot be wrong by what the user wrote.
    fn step(
        &mut self,
        change: impl Fn(polars::prelude::LazyFrame) -> polars::prelude::PolarsResult<polars::prelude::LazyFrame>,
    ) {
        match self.flow.then(change) {
            Ok(flow) => self.flow = flow,
            Err(error) => self
                .findings
                .push(fault::finding(&error, Path::root().key("with"), [])),
        }
    }

    /// An expression over the columns there are now; findings if it is none.
    fn expression(&mut self, text: &str, path: &Path) -> Option<Expr> {
        let expression = match sql::expression(text) {
            Ok(expression) => expression,
            Err(error) => {
                self.findings
                    .push(Finding::error("S03", path.clone(), fault::sentence(&error)));
                return None;
            }
        };
        let columns = self
            .flow
            .facts
            .columns
            .iter()
            .map(|(name, fact)| (name.as_str(), &fact.column.data_type));
        let mut whole = true;
        for misuse in sql::check_expression(text, columns) {
            whole = false;
            let word = text.get(misuse.range.clone()).unwrap_or_default();
            // What is already reported as wrong need not be reported again where it is used.
            if !self.params.columns.contains_key(word) || self.findings.is_empty() {
                self.findings.push(misuse.finding(text, path.clone()));
            }
        }
        let facts = &self.flow.facts;
        let typed = |name: &str| facts.get(name).map(|fact| fact.column.data_type.clone());
        whole.then(|| sql::dated(expression, typed))
    }

    fn computed(&mut self) {
        for (name, Expression(text)) in &self.params.columns {
            let path = with("columns").key(name);
            if !self.is_free(name, &path) {
                continue;
            }
            let Some(expression) = self.expression(text, &path) else {
                continue;
            };
            self.derive(name, expression, &path);
        }
    }

    /// Adds a column that is no feature; whether that went well.
    pub(super) fn put(&mut self, name: &str, expression: Expr, path: &Path) -> bool {
        let alias = expression.alias(name);
        match self.flow.then(|frame| Ok(frame.with_columns([alias.clone()]))) {
            Ok(flow) => {
                self.flow = flow;
                true
            }
            Err(error) => {
                let finding = fault::finding(&error, path.clone(), self.flow.facts.names());
                self.findings.push(finding);
                false
            }
        }
    }

    /// Takes a column out again.
    pub(super) fn drop_column(&mut self, name: &str) {
        self.step(|frame| {
            let names = frame.clone().collect_schema()?;
            let rest = names.iter_names().filter(|other| *other != name);
            Ok(frame.select(rest.map(|name| col(name.clone())).collect::<Vec<_>>()))
        });
    }

    /// Adds a feature, held against the moment of prediction and the label.
    pub(super) fn derive(&mut self, name: &str, expression: Expr, path: &Path) {
        if !self.is_free(name, path) {
            return;
        }
        let roots: Vec<String> = expression
            .clone()
            .meta()
            .root_names()
            .iter()
            .map(ToString::to_string)
            .collect();
        let before = self.flow.facts.clone();
        if self.put(name, expression, path) {
            let found = self
                .watch
                .expression(name, &before, &self.flow.facts, &roots, path);
            self.findings.extend(found);
            fit::declare_aggregate(self, name, path);
            self.features.insert(name.to_owned());
        }
    }

    fn crossed(&mut self) {
        for (name, columns) in &self.params.cross {
            let path = with("cross").key(name);
            let mut whole = columns.len() > 1;
            if !whole {
                let finding = Finding::error("S01", path.clone(), "a cross has at least two columns");
                self.findings.push(finding);
            }
            for (at, column) in columns.iter().enumerate() {
                whole &= self.has(column, path.index(at));
            }
            if whole {
                let texts: Vec<Expr> = columns
                    .iter()
                    .map(|column| col(column.as_str()).cast(PolarsType::String))
                    .collect();
                // A missing part leaves the whole missing.
                self.derive(name, concat_str(texts, "|", false), &path);
            }
        }
    }

    /// The condition of rows that are fitted on.
    fn fitted_on(&mut self) -> Option<Expr> {
        let Expression(text) = self.params.fit_on.as_ref()?;
        let path = with("fit_on");
        let condition = self.expression(text, &path)?;
        self.is_boolean(&condition, &path).then_some(condition)
    }

    fn filtered(&mut self) {
        let Some(Expression(text)) = &self.params.filter else {
            return;
        };
        let path = with("filter");
        let Some(condition) = self.expression(text, &path) else {
            return;
        };
        if !self.is_boolean(&condition, &path) {
            return;
        }
        for name in condition.clone().meta().root_names() {
            if let Some(fact) = self.flow.facts.get(&name) {
                self.findings.extend(self.watch.condition(&name, fact, &path));
            }
        }
        self.step(|frame| Ok(frame.filter(condition.clone())));
    }

    fn is_boolean(&mut self, condition: &Expr, path: &Path) -> bool {
        let tried = self
            .flow
            .then(|frame| Ok(frame.select([condition.clone().alias("condition")])));
        match tried {
            Ok(flow) => {
                let data_type = flow
                    .facts
                    .get("condition")
                    .map(|fact| fact.column.data_type.clone());
                if data_type == Some(DataType::Boolean) {
                    return true;
                }
                let found = data_type.map(|t| t.to_string()).unwrap_or_default();
                let message = format!("a filter must be true or false, this is {found}");
                self.findings.push(Finding::error("S03", path.clone(), message));
            }
            Err(error) => self
                .findings
                .push(fault::finding(&error, path.clone(), self.flow.facts.names())),
        }
        false
    }

    fn labelled(&mut self) {
        let Some(label) = &self.params.label else { return };
        let path = with("label");
        if self.flow.facts.get(&label.name).is_some() {
            let message = format!("`{}` is already a column here", label.name);
            let finding = Finding::error("D03", path.key("name"), message);
            self.findings.push(finding.help("give the label another name"));
            return;
        }
        let Some(expression) = self.expression(&label.expr.0, &path.key("expr")) else {
            return;
        };
        let alias = expression.alias(label.name.as_str());
        match self.flow.then(|frame| Ok(frame.with_columns([alias.clone()]))) {
            Ok(flow) => self.flow = flow,
            Err(error) => {
                let names = self.flow.facts.names();
                self.findings
                    .push(fault::finding(&error, path.key("expr"), names));
            }
        }
        if let Some(fact) = self.flow.facts.columns.get_mut(&label.name) {
            fact.column.nullable = false;
        }
    }

    /// The output's columns, and if only some rows are fitted on, [`FIT`] which marks them.
    fn output(&mut self, fit_on: Option<Expr>) -> Option<(Flow, Schema)> {
        let label = self.params.label.as_ref().map(|label| label.name.clone());
        let columns: IndexSet<String> = self
            .params
            .entity
            .iter()
            .chain(&self.event_time)
            .chain(&self.features)
            .chain(&label)
            .cloned()
            .collect();
        let marked = fit_on.map(|condition| condition.fill_null(lit(false)).alias(FIT));
        let selected: Vec<Expr> = columns
            .iter()
            .map(|name| col(name.as_str()))
            .chain(marked)
            .collect();
        self.fit_facts(&selected);
        self.flow.facts.columns.shift_remove(FIT);
        let mut schema = self.flow.facts.schema();
        schema.event_time.clone_from(&self.event_time);
        schema.primary_key.clone_from(&self.params.entity);
        schema.predict_at.clone_from(&self.params.predict_at);
        schema.features = self.features.iter().cloned().collect();
        schema.label = label;
        Some((self.flow.clone(), schema))
    }
}
