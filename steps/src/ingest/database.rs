//! `ingest.sql@v1`: what a query gives becomes a table that keeps its contract.

mod mysql;
mod postgres;
mod sqlite;

use super::dedupe::Choice;
use super::intake::{Sieve, Sifting};
use super::store;
use super::watermark::Remembered;
use super::{Keep, Mode, kept};
use crate::dataset::RowReader;
use crate::inference;
use crate::sink::Sink;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use trainyard_contract::finding::Finding;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{
    ArtifactKind, DataType, FailureClass, InferRequest, Inference, Memory, Millis, Shape, Step, StepError,
    StepIo,
};

/// Output of the step.
const TABLE: &str = "table";

/// Parameters of `ingest.sql@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The environment variable under the step's `secrets` that holds the database's URL:
    /// `postgres://user:password@host/database`, `mysql://…` or `sqlite:FILE`. Default: `DATABASE_URL`.
    #[serde(default = "default_connection")]
    connection: String,
    /// The URL itself, for one without a password, such as `sqlite:data/shop.db`. Default: that of `connection`.
    #[serde(default)]
    url: Option<String>,
    /// One `SELECT` in the database's own SQL. Values are never put into its text: they are `params`, written
    /// `$1` for PostgreSQL, `?` for MySQL and `?1` for SQLite. It runs in a session that cannot write.
    query: String,
    /// Values of the query's parameters in order: texts, numbers, truth values or null. Default: none.
    #[serde(default)]
    params: Vec<Value>,
    /// `full`, or `incremental`: only rows that the `watermark` says are new are asked for, and put to the table the
    /// step gave last time. Default: `full`.
    #[serde(default)]
    mode: Mode,
    /// Column of the result that grows with time: a time or a whole number, never missing. Needed for `incremental`.
    #[serde(default)]
    watermark: Option<String>,
    /// How far below the greatest watermark of the last time rows are asked for once more, for a watermark that is a
    /// time; needs `dedupe_on`. A duration such as `2h`. Default: `0s`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "duration"))]
    lateness: Option<String>,
    /// Of rows that agree in these columns one is kept. Default: all rows.
    #[serde(default)]
    dedupe_on: Vec<String>,
    /// Which of them: `first` or `last` as they come, the table of the last time before new rows. Default: `last`.
    #[serde(default = "default_keep")]
    dedupe_keep: Keep,
    /// Share of rows, 0 to 1, that may break the contract; they are set aside as the artifact `quarantine`.
    /// Default: 0, one bad row fails the step.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    max_bad_share: f64,
    /// Rows held at a time, 1 to 1,000,000. Default: 10,000.
    #[serde(default = "default_batch")]
    #[schemars(range(min = 1, max = 1_000_000))]
    batch_rows: usize,
}

fn default_connection() -> String {
    "DATABASE_URL".to_owned()
}

fn default_keep() -> Keep {
    Keep::Last
}

fn default_batch() -> usize {
    10_000
}

impl Params {
    fn sifting(&self) -> Result<Sifting, String> {
        Ok(Sifting {
            is_incremental: self.mode == Mode::Incremental,
            watermark: self.watermark.clone(),
            lateness: match &self.lateness {
                None => Millis(0),
                Some(text) => text.parse()?,
            },
            dedupe_on: self.dedupe_on.clone(),
            choice: match self.dedupe_keep {
                Keep::First => Choice::First,
                Keep::Last => Choice::Last,
            },
            columns: Vec::new(),
            max_bad_share: self.max_bad_share,
        })
    }
}

/// What is asked of a database.
pub(super) struct Query<'a> {
    text: &'a str,
    params: &'a [Value],
    since: Option<Since>,
    batch_rows: usize,
}

/// From where on.
pub(super) struct Since {
    column: String,
    /// Rows with this very value, too.
    inclusive: bool,
    /// Microseconds since 1970 of a time, or a whole number.
    height: i64,
}

impl Since {
    /// As a text that databases read as a time: `2020-01-31 10:00:00.000000`, in UTC.
    fn as_time(&self) -> String {
        let at = jiff::Timestamp::from_microsecond(self.height).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let clock = jiff::tz::TimeZone::UTC.to_datetime(at);
        clock.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
    }

    /// The query around the user's, with `value` in place of the watermark.
    fn around(&self, query: &str, quote: char, value: &str) -> String {
        let column = self.column.replace(quote, &format!("{quote}{quote}"));
        let operator = if self.inclusive { ">=" } else { ">" };
        let inner = query.trim().trim_end_matches(';');
        format!(
            "SELECT * FROM ({inner}\n) AS ingest_source WHERE {quote}{column}{quote} {operator} {value} ORDER BY {quote}{column}{quote}"
        )
    }
}

/// Columns of a result, and the type each has in the database.
pub(super) type Columns = Vec<(String, DataType)>;
/// Rows of texts as a CSV file would have them.
pub(super) type Cells = Vec<Vec<Option<String>>>;
/// Takes rows; comes at least once, if only to tell the columns.
pub(super) type Take<'t> = dyn FnMut(&Columns, Cells) -> Result<(), StepError> + 't;

pub(crate) struct IngestSql;

impl Step for IngestSql {
    fn uses(&self) -> &'static str {
        "ingest.sql@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Reads what a query of PostgreSQL, MySQL or SQLite gives into a table that keeps its contract.",
            inputs: Ports::Named(Vec::new()),
            outputs: Ports::Named(vec![InputPort::required(
                TABLE,
                ArtifactKind::Table,
                "the query's rows",
            )]),
            params: schemars::schema_for!(Params).to_value(),
            revision: 1,
            // What a database holds has no hash, so an earlier result never stands for a new one.
            effect: Effect::External("what a database holds"),
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match inference::parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let mut answer = inference::unknown_tables(request);
        let contract = request
            .outputs
            .get(TABLE)
            .and_then(|output| output.contract.as_ref())
            .and_then(|name| request.contracts.get(name));
        let mut find = |code, at: &str, problem: String, help: &str| {
            answer
                .findings
                .push(Finding::error(code, inference::with(at), problem).help(help.to_owned()));
        };
        if params.mode == Mode::Incremental && params.watermark.is_none() {
            find(
                "S01",
                "mode",
                "`incremental` needs a `watermark`".into(),
                "name the column that grows with time: `watermark: COLUMN`",
            );
        }
        if params.mode == Mode::Snapshot {
            find(
                "S03",
                "mode",
                "a query has no snapshots to read".into(),
                "say `full` or `incremental`",
            );
        }
        if let Err(problem) = params.sifting() {
            find("S03", "lateness", problem, "write it as `30m` or `2h`");
        }
        if params.lateness.is_some() && params.dedupe_on.is_empty() {
            find(
                "S01",
                "lateness",
                "rows that are asked for once more would come twice".into(),
                "say which rows are the same: `dedupe_on: [COLUMN]`",
            );
        }
        if let Some(url) = &params.url {
            let has_password = url
                .split_once("://")
                .is_some_and(|(_, rest)| rest.split_once('@').is_some_and(|(user, _)| user.contains(':')));
            if has_password {
                find(
                    "S03",
                    "url",
                    "a password must not stand in a pipeline".into(),
                    "put the URL among the step's `secrets`, and name its variable under `connection`",
                );
            }
        }
        if let Some(contract) = contract {
            let schema = contract.schema(None);
            for (at, column) in params
                .watermark
                .iter()
                .map(|c| ("watermark", c))
                .chain(params.dedupe_on.iter().map(|c| ("dedupe_on", c)))
            {
                if schema.column(column).is_none() {
                    answer.findings.push(
                        crate::fault::no_column(column, inference::with(at), schema.names()).at_word(column),
                    );
                }
            }
            answer.outputs.insert(TABLE.to_owned(), Shape::Table(schema));
        }
        inference::sifted(request, answer)
    }

    fn memory(&self, with: &Value) -> Option<Memory> {
        (with.get("mode").and_then(Value::as_str) == Some("incremental")).then_some(Memory::Latest)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let sifting = params.sifting().map_err(StepError::rejected)?;
        let url = match &params.url {
            Some(url) => url.clone(),
            None => io.secrets().get(&params.connection).cloned().ok_or_else(|| {
                StepError::rejected(format!("the step has no secret `{}`", params.connection))
                    .help(format!("say `secrets: {{{}: NAME}}`", params.connection))
            })?,
        };
        let contract = io
            .spec()
            .outputs
            .get(TABLE)
            .and_then(|output| output.contract.as_ref())
            .and_then(|name| io.spec().contracts.get(name))
            .cloned();
        let earlier = store::earlier(io, TABLE, &sifting)?;
        let mut sieve = Sieve::new(&sifting, earlier.as_ref(), io.staging_path()?, io.scratch(), 0);
        sieve.grows("query");
        let mut reader = RowReader::new(contract.as_ref(), &mut sieve, "query");
        let query = Query {
            text: &params.query,
            params: &params.params,
            since: earlier
                .as_ref()
                .and_then(|earlier| since(&earlier.remembered, &sifting, contract.as_ref())),
            batch_rows: params.batch_rows,
        };
        let mut take = |columns: &Columns, cells: Cells| reader.take(columns, cells);
        let scheme = url.split([':', '/']).next().unwrap_or_default().to_owned();
        match scheme.as_str() {
            "postgres" | "postgresql" => postgres::read(&url, &query, &mut take)?,
            "mysql" | "mariadb" => mysql::read(&url, &query, &mut take)?,
            "sqlite" => sqlite::read(&url, &io.spec().clone(), &query, &mut take)?,
            _ => {
                return Err(StepError::rejected("the URL is of no database that can be read")
                    .help("it begins with `postgres:`, `mysql:` or `sqlite:`"));
            }
        }
        let (schema, notes) = reader.end();
        for note in notes {
            io.log(note);
        }
        let intook = sieve.finish().map_err(|mut error| {
            if error.failure.class == FailureClass::GateFailed {
                error = error.help("mend the data, change the contract, or tolerate a share of bad rows with `max_bad_share`");
            }
            error
        })?;
        let mut aside = Sink::new(io.staging_path()?);
        let line = store::keep(io, TABLE, intook, kept(&schema, &[]), &mut aside)?;
        store::quarantine(io, aside)?;
        io.headline(line);
        Ok(())
    }
}

/// From where on to ask, after what is remembered.
fn since(
    remembered: &Remembered,
    sifting: &Sifting,
    contract: Option<&trainyard_contract::DataContract>,
) -> Option<Since> {
    let high = remembered.high?;
    let is_number = contract
        .and_then(|contract| contract.columns.get(&remembered.column))
        .is_some_and(|column| column.data_type.is_integer());
    let lateness = i64::try_from(sifting.lateness.0)
        .unwrap_or(i64::MAX)
        .saturating_mul(1000);
    Some(Since {
        column: remembered.column.clone(),
        inclusive: !sifting.dedupe_on.is_empty(),
        height: if is_number {
            high
        } else {
            high.saturating_sub(lateness)
        },
    })
}

/// A wrong query, in the database's words.
fn refused(problem: impl std::fmt::Display) -> StepError {
    StepError::rejected(format!("the database refused the query: {problem}"))
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
