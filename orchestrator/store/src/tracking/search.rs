//! Searches: a tree becomes a statement made of our own pieces, and everything that anybody wrote becomes one
//! of its values.

use super::experiment::Experiment;
use super::logged_model::{LoggedModel, ModelRow};
use super::registry::RegisteredModel;
use super::run::{RunRow, TrackedRun};
use super::version::VersionRecord;
use super::{Tracking, TrackingError};
use crate::database::{Bind, Result as Read, Row, Value};
use crate::error::database;
use std::fmt::Write;
use trainyard_domain::tracking::filter::DatasetField;
use trainyard_domain::tracking::{
    Attribute, Comparison, Condition, Dialect, Filter, Order, Subject, TextTest,
};

const SEARCHING: &str = "search";
/// Models and versions without this tag count as those that have it with another value: clients ask so for all
/// that is no prompt.
const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// Whether deleted ones are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    #[default]
    Active,
    Deleted,
    All,
}

/// A search.
#[derive(Clone, Debug)]
pub struct Search {
    /// Of runs and logged models: in which experiments.
    pub experiments: Vec<i64>,
    pub filter: Filter,
    /// Of logged models: those measured on one of these, by name and digest; metrics then are those measured there.
    pub datasets: Vec<(String, Option<String>)>,
    pub order: Vec<Order>,
    pub view: View,
    pub limit: i64,
    pub offset: i64,
}

impl Tracking<'_> {
    /// Runs that a search finds; in the order asked for, then the newest first.
    ///
    /// # Errors
    /// Of the database.
    pub fn search_runs(&self, search: &Search) -> Result<Vec<TrackedRun>, TrackingError> {
        let rows = self.find(&RUNS, search, RunRow::read)?;
        Ok(rows.into_iter().map(RunRow::into_run).collect::<Result<_, _>>()?)
    }

    /// Experiments that a search finds.
    ///
    /// # Errors
    /// Of the database.
    pub fn search_experiments(&self, search: &Search) -> Result<Vec<Experiment>, TrackingError> {
        let found = self.find(&EXPERIMENTS, search, Experiment::read)?;
        found
            .into_iter()
            .map(|experiment| self.with_tags(experiment))
            .collect()
    }

    /// Registered models that a search finds.
    ///
    /// # Errors
    /// Of the database.
    pub fn search_models(&self, search: &Search) -> Result<Vec<RegisteredModel>, TrackingError> {
        let found = self.find(&MODELS, search, RegisteredModel::read)?;
        found
            .into_iter()
            .map(|model| self.whole_registered(model))
            .collect()
    }

    /// Versions that a search finds.
    ///
    /// # Errors
    /// Of the database.
    pub fn search_versions(&self, search: &Search) -> Result<Vec<VersionRecord>, TrackingError> {
        let found = self.find(&VERSIONS, search, VersionRecord::read)?;
        found
            .into_iter()
            .map(|record| {
                let aliases = self.aliases_of(record.model)?;
                self.whole_version(record, &aliases)
            })
            .collect()
    }

    /// Logged models that a search finds.
    ///
    /// # Errors
    /// Of the database.
    pub fn search_logged_models(&self, search: &Search) -> Result<Vec<LoggedModel>, TrackingError> {
        let rows = self.find(&LOGGED_MODELS, search, ModelRow::read)?;
        rows.into_iter()
            .map(|row| self.whole_model(row.into_model()?))
            .collect()
    }

    fn find<T>(
        &self,
        searched: &Searched,
        search: &Search,
        mut read: impl FnMut(&Row<'_>) -> Read<T>,
    ) -> Result<Vec<T>, TrackingError> {
        if searched.experiment.is_some() && search.experiments.is_empty() {
            return Ok(Vec::new());
        }
        let is_sqlite = matches!(self.store.database, crate::database::Database::Sqlite(_));
        let made = Statement::of(searched, search, is_sqlite);
        let values: Vec<&dyn Bind> = made.values.iter().map(|value| value as &dyn Bind).collect();
        let mut found = Vec::new();
        self.store
            .each_of_made(SEARCHING, &made.sql, &values, &mut |row| {
                found.push(read(row).map_err(database(SEARCHING))?);
                Ok(true)
            })?;
        Ok(found)
    }
}

/// What is searched, in the pieces that statements are made of.
struct Searched {
    dialect: Dialect,
    columns: &'static str,
    from: &'static str,
    /// What names a row, and the columns that other tables name it by.
    key: &'static str,
    foreign: &'static str,
    metrics: Option<&'static str>,
    params: Option<&'static str>,
    tags: &'static str,
    experiment: Option<&'static str>,
    is_deleted: &'static str,
    last_order: &'static str,
}

const RUNS: Searched = Searched {
    dialect: Dialect::Runs,
    columns: "r.number, r.id, r.experiment, r.name, r.user_name, r.status, r.started_at_ms, r.ended_at_ms, r.location, r.is_deleted",
    from: "tracked_runs AS r",
    key: "r.number",
    foreign: "run",
    metrics: Some("run_latest_metrics"),
    params: Some("run_params"),
    tags: "run_tags",
    experiment: Some("r.experiment"),
    is_deleted: "r.is_deleted",
    last_order: "r.started_at_ms DESC, r.id",
};

const EXPERIMENTS: Searched = Searched {
    dialect: Dialect::Experiments,
    columns: "r.id, r.name, r.location, r.created_at_ms, r.updated_at_ms, r.is_deleted",
    from: "experiments AS r",
    key: "r.id",
    foreign: "experiment",
    metrics: None,
    params: None,
    tags: "experiment_tags",
    experiment: None,
    is_deleted: "r.is_deleted",
    last_order: "r.created_at_ms DESC, r.id DESC",
};

const MODELS: Searched = Searched {
    dialect: Dialect::Models,
    columns: "r.id, r.name, r.created_at_us, r.updated_at_us, r.description",
    from: "models AS r",
    key: "r.id",
    foreign: "model",
    metrics: None,
    params: None,
    tags: "model_tags",
    experiment: None,
    is_deleted: "r.is_deleted",
    last_order: "r.name",
};

const VERSIONS: Searched = Searched {
    dialect: Dialect::Versions,
    columns: "m.name, r.model, r.version, r.source, r.run_id, r.run_link, r.logged_model, r.description, r.user_name, r.stage, \
              r.created_at_us, r.updated_at_us",
    from: "version_records AS r JOIN models AS m ON m.id = r.model",
    key: "(r.model, r.version)",
    foreign: "model, version",
    metrics: None,
    params: None,
    tags: "version_tags",
    experiment: None,
    is_deleted: "r.is_deleted",
    last_order: "m.name, r.version DESC",
};

const LOGGED_MODELS: Searched = Searched {
    dialect: Dialect::LoggedModels,
    columns: "r.number, r.id, r.experiment, r.name, r.kind, r.status, r.source_run, r.location, r.created_at_ms, r.updated_at_ms, r.is_deleted",
    from: "logged_models AS r",
    key: "r.number",
    foreign: "model",
    metrics: Some("logged_model_metrics"),
    params: Some("logged_model_params"),
    tags: "logged_model_tags",
    experiment: Some("r.experiment"),
    is_deleted: "r.is_deleted",
    last_order: "r.created_at_ms DESC, r.id",
};

impl Searched {
    /// The column of an attribute, and what its values are multiplied with there.
    fn column(&self, attribute: Attribute) -> (&'static str, f64) {
        let is_registry = matches!(self.dialect, Dialect::Models | Dialect::Versions);
        match attribute {
            Attribute::RunId if self.dialect == Dialect::Runs => ("r.id", 1.0),
            Attribute::RunId => ("r.run_id", 1.0),
            Attribute::Name if self.dialect == Dialect::Versions => ("m.name", 1.0),
            Attribute::RunName | Attribute::Name => ("r.name", 1.0),
            Attribute::Status => ("r.status", 1.0),
            Attribute::UserId => ("r.user_name", 1.0),
            Attribute::ArtifactUri => ("r.location", 1.0),
            Attribute::ExperimentId if self.dialect == Dialect::Experiments => ("CAST(r.id AS text)", 1.0),
            Attribute::ExperimentId => ("CAST(r.experiment AS text)", 1.0),
            Attribute::StartTime => ("r.started_at_ms", 1.0),
            Attribute::EndTime => ("r.ended_at_ms", 1.0),
            Attribute::CreatedAt if is_registry => ("r.created_at_us", 1000.0),
            Attribute::CreatedAt => ("r.created_at_ms", 1.0),
            Attribute::UpdatedAt if is_registry => ("r.updated_at_us", 1000.0),
            Attribute::UpdatedAt => ("r.updated_at_ms", 1.0),
            Attribute::ModelId => ("r.id", 1.0),
            Attribute::ModelType => ("r.kind", 1.0),
            Attribute::SourceRunId => ("r.source_run", 1.0),
            Attribute::SourcePath => ("r.source", 1.0),
            Attribute::VersionNumber => ("r.version", 1.0),
        }
    }
}

/// A statement in the making.
struct Statement<'a> {
    sql: String,
    values: Vec<Value<'a>>,
    is_sqlite: bool,
    datasets: &'a [(String, Option<String>)],
}

impl<'a> Statement<'a> {
    fn of(searched: &Searched, search: &'a Search, is_sqlite: bool) -> Self {
        let mut made = Self {
            sql: String::with_capacity(512),
            values: Vec::new(),
            is_sqlite,
            datasets: &search.datasets,
        };
        made.push(&["SELECT ", searched.columns, " FROM ", searched.from]);
        let by: Vec<String> = search
            .order
            .iter()
            .enumerate()
            .map(|(at, order)| made.order(searched, at, order))
            .collect();
        made.push(&[" WHERE "]);
        match search.view {
            View::Active => made.push(&[searched.is_deleted, " = 0"]),
            View::Deleted => made.push(&[searched.is_deleted, " = 1"]),
            View::All => made.push(&["1 = 1"]),
        }
        if searched.dialect == Dialect::Versions {
            made.push(&[" AND m.is_deleted = 0"]);
        }
        if let Some(column) = searched.experiment {
            made.push(&[" AND ", column, " IN ("]);
            for (at, experiment) in search.experiments.iter().enumerate() {
                made.push(&[if at > 0 { ", " } else { "" }]);
                made.value(Value::Integer(*experiment));
            }
            made.push(&[")"]);
        }
        if !search.datasets.is_empty() {
            made.push(&[" AND r.number IN (SELECT model FROM logged_model_metrics WHERE 1 = 1"]);
            made.measured_on();
            made.push(&[")"]);
        }
        made.push(&[" AND "]);
        made.filter(searched, &search.filter);
        made.push(&[" ORDER BY "]);
        if by.is_empty() && searched.dialect == Dialect::Versions {
            made.push(&["r.updated_at_us DESC, "]);
        }
        for by in by {
            made.push(&[&by, ", "]);
        }
        made.push(&[searched.last_order, " LIMIT "]);
        made.value(Value::Integer(search.limit));
        made.push(&[" OFFSET "]);
        made.value(Value::Integer(search.offset));
        made
    }

    fn push(&mut self, pieces: &[&str]) {
        for piece in pieces {
            self.sql.push_str(piece);
        }
    }

    /// A place for a value.
    fn value(&mut self, value: Value<'a>) {
        self.values.push(value);
        let _ = write!(self.sql, "?{}", self.values.len());
    }

    /// Joins what an order needs; gives what to order by. Values first, then NaN, then what has none.
    fn order(&mut self, searched: &Searched, at: usize, order: &'a Order) -> String {
        let direction = if order.descending { "DESC" } else { "ASC" };
        let table = match &order.by {
            Subject::Metric(_) => searched.metrics,
            Subject::Param(_) => searched.params,
            Subject::Tag(_) => Some(searched.tags),
            Subject::Attribute(attribute) => {
                let (column, _) = searched.column(*attribute);
                return format!("CASE WHEN {column} IS NULL THEN 1 ELSE 0 END, {column} {direction}");
            }
            Subject::Dataset(_) => None,
        };
        let (Some(table), Subject::Metric(key) | Subject::Param(key) | Subject::Tag(key)) =
            (table, &order.by)
        else {
            return format!("{} {direction}", searched.key);
        };
        let is_metric = matches!(order.by, Subject::Metric(_));
        let (joined, foreign) = (format!("o{at}"), searched.foreign);
        if is_metric && searched.dialect == Dialect::LoggedModels {
            // Of many points the newest counts, on the dataset that is named.
            self.push(&[
                " LEFT JOIN (SELECT model, value, is_nan, row_number() OVER (PARTITION BY model ORDER BY at_ms DESC, step DESC) \
                 AS place FROM logged_model_metrics WHERE key = ",
            ]);
            self.value(Value::Text(key));
            for (column, wanted) in [
                ("dataset_name", &order.dataset.0),
                ("dataset_digest", &order.dataset.1),
            ] {
                if let Some(wanted) = wanted {
                    self.push(&[" AND ", column, " = "]);
                    self.value(Value::Text(wanted));
                }
            }
            self.push(&[
                ") AS ",
                &joined,
                " ON ",
                &joined,
                ".model = r.number AND ",
                &joined,
                ".place = 1",
            ]);
        } else {
            self.push(&[
                " LEFT JOIN ",
                table,
                " AS ",
                &joined,
                " ON ",
                &joined,
                ".",
                foreign,
                " = ",
                searched.key,
                " AND ",
                &joined,
                ".key = ",
            ]);
            self.value(Value::Text(key));
        }
        let nan = if is_metric {
            format!("WHEN {joined}.is_nan = 1 THEN 1 ")
        } else {
            String::new()
        };
        format!("CASE WHEN {joined}.value IS NULL THEN 2 {nan}ELSE 0 END, {joined}.value {direction}")
    }

    fn filter(&mut self, searched: &Searched, filter: &'a Filter) {
        let (all, joint) = match filter {
            Filter::Is(comparison) => return self.comparison(searched, comparison),
            Filter::And(all) if all.is_empty() => return self.push(&["1 = 1"]),
            Filter::And(all) => (all, " AND "),
            Filter::Or(all) => (all, " OR "),
        };
        self.push(&["("]);
        for (at, one) in all.iter().enumerate() {
            self.push(&[if at > 0 { joint } else { "" }]);
            self.filter(searched, one);
        }
        self.push(&[")"]);
    }

    fn comparison(&mut self, searched: &Searched, comparison: &'a Comparison) {
        let condition = &comparison.condition;
        match &comparison.subject {
            Subject::Attribute(attribute) => {
                let (column, factor) = searched.column(*attribute);
                self.condition(column, factor, condition);
            }
            Subject::Metric(key) => self.of_table(searched, searched.metrics, key, condition),
            Subject::Param(key) => self.of_table(searched, searched.params, key, condition),
            Subject::Tag(key) => self.of_table(searched, Some(searched.tags), key, condition),
            Subject::Dataset(field) => {
                let column = match field {
                    DatasetField::Name => "d.name",
                    DatasetField::Digest => "d.digest",
                    DatasetField::Context => "i.context",
                };
                self.push(&[
                    "r.number IN (SELECT i.run FROM run_datasets AS i JOIN datasets AS d ON d.number = i.dataset WHERE ",
                ]);
                self.condition(column, 1.0, condition);
                self.push(&[")"]);
            }
        }
    }

    /// A row that has such a metric, parameter or tag.
    fn of_table(
        &mut self,
        searched: &Searched,
        table: Option<&'static str>,
        key: &'a str,
        condition: &'a Condition,
    ) {
        // The grammar lets through only what a dialect has.
        let Some(table) = table else {
            return self.push(&["1 = 0"]);
        };
        let is_registry = matches!(searched.dialect, Dialect::Models | Dialect::Versions);
        let is_inverted =
            is_registry && key == PROMPT_TAG && matches!(condition, Condition::Text(TextTest::NotEqual, _));
        let is_in = if is_inverted || *condition == Condition::Absent {
            " NOT IN (SELECT "
        } else {
            " IN (SELECT "
        };
        self.push(&[
            searched.key,
            is_in,
            searched.foreign,
            " FROM ",
            table,
            " WHERE key = ",
        ]);
        self.value(Value::Text(key));
        match condition {
            Condition::Absent | Condition::Present => {}
            Condition::Text(TextTest::NotEqual, text) if is_inverted => {
                self.push(&[" AND value = "]);
                self.value(Value::Text(text));
            }
            Condition::Text(TextTest::Equal, text) => {
                // The index holds the beginning of each value.
                self.push(&[" AND substr(value, 1, 100) = substr("]);
                self.text(text);
                self.push(&[", 1, 100) AND value = "]);
                self.value(Value::Text(text));
            }
            Condition::Number(comparator, number) => {
                use trainyard_domain::tracking::Comparator;
                if searched.dialect == Dialect::LoggedModels {
                    self.measured_on();
                }
                if *comparator == Comparator::NotEqual {
                    self.push(&[" AND (is_nan = 1 OR value <> "]);
                    self.value(Value::Real(*number));
                    self.push(&[")"]);
                } else {
                    self.push(&[" AND is_nan = 0 AND value ", comparator.as_str(), " "]);
                    self.value(Value::Real(*number));
                }
            }
            condition => {
                self.push(&[" AND "]);
                self.condition("value", 1.0, condition);
            }
        }
        self.push(&[")"]);
    }

    /// Only what was measured on the datasets that are named, if any are.
    fn measured_on(&mut self) {
        for (at, (called, digest)) in self.datasets.iter().enumerate() {
            self.push(&[if at == 0 { " AND (" } else { " OR " }, "(dataset_name = "]);
            self.value(Value::Text(called));
            if let Some(digest) = digest {
                self.push(&[" AND dataset_digest = "]);
                self.value(Value::Text(digest));
            }
            self.push(&[")"]);
        }
        if !self.datasets.is_empty() {
            self.push(&[")"]);
        }
    }

    /// A text where its type must be said.
    fn text(&mut self, text: &'a str) {
        self.push(&["CAST("]);
        self.value(Value::Text(text));
        self.push(&[" AS text)"]);
    }

    fn condition(&mut self, column: &str, factor: f64, condition: &'a Condition) {
        match condition {
            Condition::Number(comparator, number) => {
                let scaled = number * factor;
                let sign = comparator.as_str().replace("!=", "<>");
                self.push(&["CAST(", column, " AS double precision) ", &sign, " "]);
                self.value(Value::Real(scaled));
            }
            Condition::Text(TextTest::Equal, text) => {
                self.push(&[column, " = "]);
                self.value(Value::Text(text));
            }
            Condition::Text(TextTest::NotEqual, text) => {
                self.push(&[column, " <> "]);
                self.value(Value::Text(text));
            }
            Condition::Text(test, text) => self.like(column, *test, text),
            Condition::Among(texts) => self.list(column, " IN (", texts),
            Condition::NotAmong(texts) => self.list(column, " NOT IN (", texts),
            Condition::Absent => self.push(&[column, " IS NULL"]),
            Condition::Present => self.push(&[column, " IS NOT NULL"]),
        }
    }

    fn list(&mut self, column: &str, is_in: &str, texts: &'a [String]) {
        self.push(&[column, is_in]);
        for (at, text) in texts.iter().enumerate() {
            self.push(&[if at > 0 { ", " } else { "" }]);
            self.value(Value::Text(text));
        }
        self.push(&[")"]);
    }

    /// SQLite's `LIKE` does not mind the case of ASCII letters and PostgreSQL's does, and there a backslash means
    /// something. What both can do is told apart here.
    fn like(&mut self, column: &str, test: TextTest, pattern: &'a str) {
        if !self.is_sqlite {
            let like = if test == TextTest::Ilike {
                " ILIKE "
            } else {
                " LIKE "
            };
            self.push(&[column, like]);
            self.text(pattern);
            return self.push(&[" ESCAPE ''"]);
        }
        self.push(&[column, " LIKE "]);
        self.value(Value::Text(pattern));
        if test == TextTest::Like {
            // What remains is to compare the letters: the pattern in SQLite's own language, which minds them.
            self.push(&[" AND ", column, " GLOB replace(replace(replace(replace(replace("]);
            self.value(Value::Text(pattern));
            self.push(&[
                ", '[', '[[]'), '*', '[*]'), char(63), '[' || char(63) || ']'), '%', '*'), '_', char(63))",
            ]);
        }
    }
}
