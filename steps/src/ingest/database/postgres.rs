//! Queries of PostgreSQL.

use super::{Cells, Columns, Query, Take, refused};
use ::postgres::error::DbError;
use ::postgres::types::{FromSql, IsNull, Kind, ToSql, Type, private::BytesMut, to_sql_checked};
use ::postgres::{Client, Config, Error};
use serde_json::Value;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres_rustls::MakeRustlsConnect;
use trainyard_contract::{DataType, StepError, TimeUnit};

/// Days and microseconds from 1970 to 2000, where PostgreSQL begins.
const DAYS: i64 = 10_957;
const MICROSECONDS: i64 = DAYS * 86_400_000_000;

fn connect(url: &str) -> Result<Client, StepError> {
    let mut config: Config = url.parse().map_err(|_| {
        StepError::rejected("the URL of the database cannot be read")
            .help("postgres://user:password@host:port/database")
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(15));
    }
    config.application_name("trainyard");
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StepError::internal(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.connect(MakeRustlsConnect::new(tls)).map_err(failed)
}

/// The class follows from who is to blame: the query, or the way to the server.
fn failed(error: Error) -> StepError {
    match error.as_db_error() {
        Some(db) => {
            let said = refused(message(db));
            match db.hint() {
                Some(hint) => said.help(hint.to_owned()),
                None => said,
            }
        }
        None if error.is_closed()
            || StdError::source(&error).is_some_and(|source| source.is::<std::io::Error>()) =>
        {
            StepError::io("could not reach the database", &error)
        }
        None => refused(trainyard_contract::task::chain(&error).join(": ")),
    }
}

fn message(error: &DbError) -> String {
    match error.detail() {
        Some(detail) => format!("{} ({detail})", error.message()),
        None => error.message().to_owned(),
    }
}

pub(super) fn read(url: &str, query: &Query<'_>, take: &mut Take<'_>) -> Result<(), StepError> {
    let mut client = connect(url)?;
    let mut transaction = client
        .build_transaction()
        .read_only(true)
        .isolation_level(::postgres::IsolationLevel::RepeatableRead)
        .start()
        .map_err(failed)?;
    let mut statement = transaction.prepare(query.text).map_err(failed)?;
    let mut bounds: Vec<Bound> = query.params.iter().cloned().map(Bound).collect();
    if let Some(since) = &query.since {
        let Some(column) = statement
            .columns()
            .iter()
            .find(|column| column.name() == since.column)
        else {
            return Err(StepError::rejected(format!(
                "the query gives no column `{}`",
                since.column
            )));
        };
        let is_time = matches!(*column.type_(), Type::DATE | Type::TIMESTAMP | Type::TIMESTAMPTZ);
        let value = if is_time {
            format!("{}+00", since.as_time())
        } else {
            since.height.to_string()
        };
        let place = format!("CAST(${}::text AS {})", bounds.len() + 1, column.type_().name());
        bounds.push(Bound(Value::String(value)));
        statement = transaction
            .prepare(&since.around(query.text, '"', &place))
            .map_err(failed)?;
    }
    if statement.params().len() != bounds.len() {
        return Err(refused(format!(
            "it has {} parameters, and `params` {} values",
            statement.params().len(),
            bounds.len()
        )));
    }
    let columns: Columns = statement
        .columns()
        .iter()
        .map(|column| (column.name().to_owned(), type_of(column.type_())))
        .collect();
    let values: Vec<&(dyn ToSql + Sync)> = bounds.iter().map(|bound| bound as &(dyn ToSql + Sync)).collect();
    let portal = transaction.bind(&statement, &values).map_err(failed)?;
    let batch = i32::try_from(query.batch_rows).unwrap_or(i32::MAX);
    loop {
        let rows = transaction.query_portal(&portal, batch).map_err(failed)?;
        let mut cells: Cells = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut cell = Vec::with_capacity(columns.len());
            for (at, (name, _)) in columns.iter().enumerate() {
                let value: Cell = row.try_get(at).map_err(|error| {
                    let why = StdError::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                    StepError::rejected(format!("column `{name}` of the query cannot be read: {why}"))
                        .help(format!("cast it in the query: `{name}::text`"))
                })?;
                cell.push(value.0);
            }
            cells.push(cell);
        }
        let is_last = rows.len() < query.batch_rows;
        take(&columns, cells)?;
        if is_last {
            return Ok(());
        }
    }
}

fn type_of(of: &Type) -> DataType {
    match *of {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 | Type::NUMERIC => DataType::Float64,
        Type::DATE => DataType::Date,
        Type::TIME => DataType::Time,
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microseconds, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microseconds, Some("UTC".to_owned())),
        _ => DataType::String,
    }
}

/// A value as a CSV file would have it.
struct Cell(Option<String>);

type Raw = Result<Cell, Box<dyn StdError + Sync + Send>>;

impl<'a> FromSql<'a> for Cell {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Raw {
        let text = match *of {
            Type::BOOL => bool::from_sql(of, raw)?.to_string(),
            Type::INT2 => i16::from_sql(of, raw)?.to_string(),
            Type::INT4 => i32::from_sql(of, raw)?.to_string(),
            Type::INT8 => i64::from_sql(of, raw)?.to_string(),
            Type::OID => u32::from_sql(of, raw)?.to_string(),
            Type::FLOAT4 => f32::from_sql(of, raw)?.to_string(),
            Type::FLOAT8 => f64::from_sql(of, raw)?.to_string(),
            Type::NUMERIC => numeric(raw)?,
            Type::DATE => {
                let days = i64::from(i32::from_be_bytes(raw.try_into()?)) + DAYS;
                civil(days * 86_400_000_000)?.date().to_string()
            }
            Type::TIMESTAMP => civil(i64::from_be_bytes(raw.try_into()?) + MICROSECONDS)?.to_string(),
            Type::TIMESTAMPTZ => format!("{}Z", civil(i64::from_be_bytes(raw.try_into()?) + MICROSECONDS)?),
            Type::TIME => civil(i64::from_be_bytes(raw.try_into()?))?.time().to_string(),
            Type::UUID => {
                let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
                match (
                    hex.get(..8),
                    hex.get(8..12),
                    hex.get(12..16),
                    hex.get(16..20),
                    hex.get(20..),
                ) {
                    (Some(a), Some(b), Some(c), Some(d), Some(e)) => format!("{a}-{b}-{c}-{d}-{e}"),
                    _ => hex,
                }
            }
            Type::JSONB => std::str::from_utf8(raw.get(1..).unwrap_or_default())?.to_owned(),
            Type::TEXT
            | Type::VARCHAR
            | Type::BPCHAR
            | Type::NAME
            | Type::JSON
            | Type::XML
            | Type::UNKNOWN => std::str::from_utf8(raw)?.to_owned(),
            _ if matches!(of.kind(), Kind::Enum(_)) => std::str::from_utf8(raw)?.to_owned(),
            _ => return Err(format!("it is of type {}", of.name()).into()),
        };
        Ok(Self(Some(text)))
    }

    fn from_sql_null(_: &Type) -> Raw {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn civil(microseconds: i64) -> Result<jiff::civil::DateTime, jiff::Error> {
    let at = jiff::Timestamp::from_microsecond(microseconds)?;
    Ok(jiff::tz::TimeZone::UTC.to_datetime(at))
}

/// A `numeric` of the binary protocol: digits of base 10,000, the weight of the first, the sign and the
/// number of decimal places.
fn numeric(raw: &[u8]) -> Result<String, Box<dyn StdError + Sync + Send>> {
    let words: Vec<i16> = raw
        .chunks_exact(2)
        .map(|pair| i16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    let [_, weight, sign, scale, digits @ ..] = words.as_slice() else {
        return Err("a numeric is cut off".into());
    };
    match sign.cast_unsigned() {
        0xC000 => return Ok("NaN".to_owned()),
        0xD000 => return Ok("inf".to_owned()),
        0xF000 => return Ok("-inf".to_owned()),
        _ => {}
    }
    let group = |place: i32| {
        let at = i32::from(*weight) - place;
        usize::try_from(at)
            .ok()
            .and_then(|at| digits.get(at))
            .copied()
            .unwrap_or(0)
    };
    let mut text = if *sign == 0x4000 {
        "-".to_owned()
    } else {
        String::new()
    };
    let mut whole = String::new();
    for place in (0..=i32::from(*weight).max(0)).rev() {
        whole.push_str(&format!("{:04}", group(place)));
    }
    let trimmed = whole.trim_start_matches('0');
    text.push_str(if trimmed.is_empty() { "0" } else { trimmed });
    let scale = usize::try_from(*scale)?;
    if scale > 0 {
        let mut fraction = String::new();
        let mut place = -1;
        while fraction.len() < scale {
            fraction.push_str(&format!("{:04}", group(place)));
            place -= 1;
        }
        fraction.truncate(scale);
        text.push('.');
        text.push_str(&fraction);
    }
    Ok(text)
}

/// A parameter's value, written as the type that the query wants.
#[derive(Debug)]
struct Bound(Value);

impl ToSql for Bound {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let mismatch = || format!("{} does not go with a parameter of type {}", self.0, of.name());
        let text = || match &self.0 {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if self.0.is_null() {
            return Ok(IsNull::Yes);
        }
        match *of {
            Type::BOOL => self.0.as_bool().ok_or_else(mismatch)?.to_sql(of, out),
            Type::INT2 => i16::try_from(self.0.as_i64().ok_or_else(mismatch)?)?.to_sql(of, out),
            Type::INT4 => i32::try_from(self.0.as_i64().ok_or_else(mismatch)?)?.to_sql(of, out),
            Type::INT8 => self.0.as_i64().ok_or_else(mismatch)?.to_sql(of, out),
            Type::FLOAT8 => self.0.as_f64().ok_or_else(mismatch)?.to_sql(of, out),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => text().to_sql(of, out),
            Type::DATE => {
                let date: jiff::civil::Date = text().parse().map_err(|_| mismatch())?;
                let days = date.since(jiff::civil::date(2000, 1, 1))?.get_days();
                out.extend_from_slice(&days.to_be_bytes());
                Ok(IsNull::No)
            }
            Type::TIMESTAMP | Type::TIMESTAMPTZ => {
                let text = text();
                let at = match text.parse::<jiff::Timestamp>() {
                    Ok(at) => at,
                    Err(_) => {
                        let clock: jiff::civil::DateTime = text.parse().map_err(|_| mismatch())?;
                        clock.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp()
                    }
                };
                out.extend_from_slice(&(at.as_microsecond() - MICROSECONDS).to_be_bytes());
                Ok(IsNull::No)
            }
            _ => Err(format!("{}; cast it in the query", mismatch()).into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(weight: i16, sign: i16, scale: i16, digits: &[i16]) -> Vec<u8> {
        let count = i16::try_from(digits.len()).unwrap();
        [count, weight, sign, scale]
            .iter()
            .chain(digits)
            .flat_map(|word| word.to_be_bytes())
            .collect()
    }

    #[test]
    fn numbers_of_any_length_are_read_to_the_last_digit() {
        assert_eq!(numeric(&raw(0, 0, 0, &[])).unwrap(), "0");
        assert_eq!(numeric(&raw(1, 0, 2, &[1, 2345, 6700])).unwrap(), "12345.67");
        assert_eq!(numeric(&raw(-1, 0x4000, 4, &[50])).unwrap(), "-0.0050");
        assert_eq!(numeric(&raw(-2, 0, 8, &[1])).unwrap(), "0.00000001");
        assert_eq!(numeric(&raw(1, 0, 0, &[10])).unwrap(), "100000");
    }
}
