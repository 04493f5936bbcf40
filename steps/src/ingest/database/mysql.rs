//! Queries of MySQL and MariaDB.

use super::{Cells, Columns, Query, Take, refused};
use ::mysql::consts::{ColumnFlags, ColumnType};
use ::mysql::prelude::Queryable;
use ::mysql::{Column, Conn, Error, Opts, Params, Value as SqlValue};
use serde_json::Value;
use trainyard_contract::{DataType, StepError, TimeUnit};

fn failed(error: Error) -> StepError {
    match error {
        Error::MySqlError(error) => refused(&error.message),
        Error::IoError(error) => StepError::io("could not reach the database", &error),
        other => refused(other),
    }
}

pub(super) fn read(url: &str, query: &Query<'_>, take: &mut Take<'_>) -> Result<(), StepError> {
    let url = url.replacen("mariadb:", "mysql:", 1);
    let options = Opts::from_url(&url).map_err(|_| {
        StepError::rejected("the URL of the database cannot be read")
            .help("mysql://user:password@host:port/database")
    })?;
    let mut connection = Conn::new(options).map_err(failed)?;
    connection
        .query_drop("SET time_zone = '+00:00'")
        .map_err(failed)?;
    connection
        .query_drop("START TRANSACTION READ ONLY")
        .map_err(failed)?;
    let mut values: Vec<SqlValue> = query.params.iter().map(value_of).collect::<Result<_, _>>()?;
    let mut text = query.text.to_owned();
    if let Some(since) = &query.since {
        let statement = connection.prep(query.text).map_err(failed)?;
        let is_time = statement.columns().iter().any(|column| {
            column.name_str() == since.column
                && matches!(type_of(column), DataType::Timestamp(..) | DataType::Date)
        });
        values.push(if is_time {
            SqlValue::from(since.as_time())
        } else {
            SqlValue::Int(since.height)
        });
        text = since.around(query.text, '`', "?");
    }
    let params = if values.is_empty() {
        Params::Empty
    } else {
        Params::Positional(values)
    };
    // Prepared, so that values come typed; rows are taken off the wire as they are asked for.
    let mut result = connection.exec_iter(text, params).map_err(failed)?;
    let columns: Columns = result
        .columns()
        .as_ref()
        .iter()
        .map(|column| (column.name_str().into_owned(), type_of(column)))
        .collect();
    let mut cells: Cells = Vec::new();
    for row in result.by_ref() {
        let mut cell = Vec::with_capacity(columns.len());
        for (value, (name, _)) in row.map_err(failed)?.unwrap().into_iter().zip(&columns) {
            cell.push(text_of(value, name)?);
        }
        cells.push(cell);
        if cells.len() == query.batch_rows {
            take(&columns, std::mem::take(&mut cells))?;
        }
    }
    take(&columns, cells)
}

fn type_of(column: &Column) -> DataType {
    let is_unsigned = column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
    match column.column_type() {
        ColumnType::MYSQL_TYPE_LONGLONG if is_unsigned => DataType::UInt64,
        ColumnType::MYSQL_TYPE_TINY | ColumnType::MYSQL_TYPE_SHORT | ColumnType::MYSQL_TYPE_YEAR => {
            DataType::Int32
        }
        ColumnType::MYSQL_TYPE_INT24 | ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_LONGLONG => {
            DataType::Int64
        }
        ColumnType::MYSQL_TYPE_FLOAT => DataType::Float32,
        ColumnType::MYSQL_TYPE_DOUBLE
        | ColumnType::MYSQL_TYPE_DECIMAL
        | ColumnType::MYSQL_TYPE_NEWDECIMAL => DataType::Float64,
        ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => DataType::Date,
        ColumnType::MYSQL_TYPE_TIMESTAMP | ColumnType::MYSQL_TYPE_DATETIME => {
            DataType::Timestamp(TimeUnit::Microseconds, None)
        }
        _ => DataType::String,
    }
}

fn value_of(value: &Value) -> Result<SqlValue, StepError> {
    Ok(match value {
        Value::Null => SqlValue::NULL,
        Value::Bool(value) => SqlValue::Int(i64::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => SqlValue::Int(whole),
            (None, Some(number)) => SqlValue::Double(number),
            (None, None) => {
                return Err(StepError::rejected(format!(
                    "`params` has {number}, which is too large"
                )));
            }
        },
        Value::String(text) => SqlValue::from(text.as_str()),
        other => {
            return Err(StepError::rejected(format!(
                "`params` has {other}, which is no single value"
            )));
        }
    })
}

fn text_of(value: SqlValue, column: &str) -> Result<Option<String>, StepError> {
    Ok(Some(match value {
        SqlValue::NULL => return Ok(None),
        SqlValue::Int(number) => number.to_string(),
        SqlValue::UInt(number) => number.to_string(),
        SqlValue::Float(number) => number.to_string(),
        SqlValue::Double(number) => number.to_string(),
        SqlValue::Date(year, month, day, 0, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        SqlValue::Date(year, month, day, hour, minute, second, micro) => {
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}")
        }
        SqlValue::Time(false, 0, hour, minute, second, micro) => {
            format!("{hour:02}:{minute:02}:{second:02}.{micro:06}")
        }
        SqlValue::Time(..) => {
            return Err(StepError::rejected(format!(
                "`{column}` of the query is a span of time, which is not read"
            ))
            .help("turn it into seconds with `TIME_TO_SEC()`"));
        }
        SqlValue::Bytes(bytes) => String::from_utf8(bytes).map_err(|_| {
            StepError::rejected(format!("`{column}` of the query has bytes that are no text"))
                .help("leave the column out, or `HEX()` it")
        })?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_texts_as_a_contract_reads_them() {
        let shown = |value| text_of(value, "x").unwrap();
        assert_eq!(shown(SqlValue::NULL), None);
        assert_eq!(
            shown(SqlValue::Date(2020, 1, 31, 0, 0, 0, 0)).as_deref(),
            Some("2020-01-31")
        );
        assert_eq!(
            shown(SqlValue::Date(2020, 1, 31, 10, 0, 0, 5)).as_deref(),
            Some("2020-01-31T10:00:00.000005")
        );
        assert_eq!(
            shown(SqlValue::Time(false, 0, 1, 2, 3, 0)).as_deref(),
            Some("01:02:03.000000")
        );
        assert_eq!(
            shown(SqlValue::Bytes(b"12.50".to_vec())).as_deref(),
            Some("12.50")
        );
        let refused = text_of(SqlValue::Bytes(vec![0xFF]), "photo").unwrap_err();
        assert_eq!(
            refused.failure.message,
            "`photo` of the query has bytes that are no text"
        );
    }
}
