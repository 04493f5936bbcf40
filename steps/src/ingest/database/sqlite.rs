//! Queries of SQLite files.

use super::{Cells, Columns, Query, Since, Take, refused};
use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use trainyard_contract::{DataType, StepError, TaskSpec};

pub(super) fn read(
    url: &str,
    spec: &TaskSpec,
    query: &Query<'_>,
    take: &mut Take<'_>,
) -> Result<(), StepError> {
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))
        .unwrap_or(url);
    let file = spec.data_file(path);
    if !file.is_file() {
        return Err(StepError::rejected(format!("there is no database {path}")));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(&file, flags).and_then(|connection| {
        connection
            .pragma_update(None, "query_only", true)
            .map(|()| connection)
    });
    let connection =
        opened.map_err(|error| StepError::io(format!("could not open database {path}"), &error))?;
    let mut values: Vec<SqlValue> = query.params.iter().map(value_of).collect::<Result<_, _>>()?;
    let text = match &query.since {
        None => query.text.to_owned(),
        Some(since) => {
            let place = values.len() + 1;
            values.push(watermark(&connection, query, since)?);
            since.around(query.text, '"', &format!("?{place}"))
        }
    };
    let mut statement = connection.prepare(&text).map_err(refused)?;
    if !statement.readonly() {
        return Err(StepError::rejected(
            "the query would write; only a SELECT is read",
        ));
    }
    let declared: Vec<(String, Option<String>)> = statement
        .columns()
        .iter()
        .map(|column| {
            (
                column.name().to_owned(),
                column.decl_type().map(str::to_ascii_uppercase),
            )
        })
        .collect();
    let width = declared.len();
    let mut rows = statement
        .query(rusqlite::params_from_iter(values))
        .map_err(refused)?;
    let mut columns: Option<Columns> = None;
    loop {
        let mut cells: Cells = Vec::with_capacity(query.batch_rows);
        let mut kinds = vec![Affinity::default(); width];
        while cells.len() < query.batch_rows {
            let Some(row) = rows.next().map_err(refused)? else {
                break;
            };
            let mut cell = Vec::with_capacity(width);
            for (at, kind) in kinds.iter_mut().enumerate() {
                let value = row.get_ref(at).map_err(refused)?;
                kind.see(&value);
                cell.push(text_of(value)?);
            }
            cells.push(cell);
        }
        let is_last = cells.len() < query.batch_rows;
        let known = columns.get_or_insert_with(|| {
            declared
                .iter()
                .zip(&kinds)
                .map(|((name, declared), kind)| (name.clone(), kind.data_type(declared.as_deref())))
                .collect()
        });
        take(known, cells)?;
        if is_last {
            return Ok(());
        }
    }
}

/// What values of a column are kept as: SQLite's columns hold anything.
#[derive(Clone, Copy, Default)]
struct Affinity {
    integer: bool,
    real: bool,
    other: bool,
}

impl Affinity {
    fn see(&mut self, value: &ValueRef<'_>) {
        match value {
            ValueRef::Null => {}
            ValueRef::Integer(_) => self.integer = true,
            ValueRef::Real(_) => self.real = true,
            ValueRef::Text(_) | ValueRef::Blob(_) => self.other = true,
        }
    }

    /// The type declared, as far as the first values keep to it; else theirs.
    fn data_type(self, declared: Option<&str>) -> DataType {
        let is = |words: &[&str]| {
            declared.is_some_and(|declared| words.iter().any(|word| declared.contains(word)))
        };
        if self.other {
            DataType::String
        } else if is(&["BOOL"]) && !self.real {
            DataType::Boolean
        } else if self.real || is(&["REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL"]) {
            DataType::Float64
        } else if self.integer || is(&["INT"]) {
            DataType::Int64
        } else {
            DataType::String
        }
    }
}

/// The bound of the watermark, written as the column writes its times.
fn watermark(connection: &Connection, query: &Query<'_>, since: &Since) -> Result<SqlValue, StepError> {
    let column = since.column.replace('"', "\"\"");
    let inner = query.text.trim().trim_end_matches(';');
    let probe = format!(
        "SELECT \"{column}\" FROM ({inner}\n) AS ingest_source WHERE \"{column}\" IS NOT NULL LIMIT 1"
    );
    let values: Vec<SqlValue> = query.params.iter().map(value_of).collect::<Result<_, _>>()?;
    let example = connection.prepare(&probe).and_then(|mut statement| {
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        rows.next()?.map(|row| row.get::<_, SqlValue>(0)).transpose()
    });
    Ok(match example.map_err(refused)? {
        Some(SqlValue::Text(example)) => {
            let mut text = since.as_time();
            let has_fraction = example.contains('.');
            if !has_fraction {
                text.truncate(19);
            }
            if example.as_bytes().get(10) == Some(&b'T') {
                text = text.replacen(' ', "T", 1);
            }
            if example.len() == 10 {
                text.truncate(10);
            }
            SqlValue::Text(text)
        }
        _ => SqlValue::Integer(since.height),
    })
}

fn value_of(value: &Value) -> Result<SqlValue, StepError> {
    Ok(match value {
        Value::Null => SqlValue::Null,
        Value::Bool(value) => SqlValue::Integer(i64::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => SqlValue::Integer(whole),
            (None, Some(number)) => SqlValue::Real(number),
            (None, None) => {
                return Err(StepError::rejected(format!(
                    "`params` has {number}, which is too large"
                )));
            }
        },
        Value::String(text) => SqlValue::Text(text.clone()),
        other => {
            return Err(StepError::rejected(format!(
                "`params` has {other}, which is no single value"
            )));
        }
    })
}

fn text_of(value: ValueRef<'_>) -> Result<Option<String>, StepError> {
    Ok(match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(
            std::str::from_utf8(text)
                .map_err(|_| StepError::rejected("the database holds a text that is not UTF-8"))?
                .to_owned(),
        ),
        ValueRef::Blob(_) => {
            return Err(StepError::rejected("the query gives bytes, which are not read")
                .help("leave the column out, or `hex()` it"));
        }
    })
}
