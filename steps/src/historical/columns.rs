//! Columns as keys and times.

use polars::prelude::{
    BinaryChunked, ChunkedArray, DataFrame, DataType as PolarsType, Int64Chunked, PolarsResult, Series,
    TimeUnit, polars_bail,
};
use trainyard_contract::Millis;
use trainyard_features::point_in_time::{KeyColumn, NO_TIME};

/// The unit of times: the finest that occurs, but none coarser than a microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    Microseconds,
    Nanoseconds,
}

impl Unit {
    /// The unit that a column's times need.
    pub(crate) fn of(data_type: &PolarsType) -> Self {
        match data_type {
            PolarsType::Datetime(TimeUnit::Nanoseconds, _) => Self::Nanoseconds,
            _ => Self::Microseconds,
        }
    }

    fn per_microsecond(self) -> i64 {
        match self {
            Self::Microseconds => 1,
            Self::Nanoseconds => 1000,
        }
    }

    /// A duration in this unit.
    pub(crate) fn span(self, span: Millis) -> i64 {
        let milliseconds = i64::try_from(span.0).unwrap_or(i64::MAX);
        milliseconds.saturating_mul(1000 * self.per_microsecond())
    }

    /// A time of this unit, rounded down.
    pub(crate) fn to_microseconds(self, time: i64) -> i64 {
        time.div_euclid(self.per_microsecond())
    }

    /// A duration of this unit in seconds.
    pub(crate) fn seconds(self, span: f64) -> f64 {
        span / (1_000_000 * self.per_microsecond()) as f64
    }

    /// The type of a column of such times.
    pub(crate) fn time_unit(self) -> TimeUnit {
        match self {
            Self::Microseconds => TimeUnit::Microseconds,
            Self::Nanoseconds => TimeUnit::Nanoseconds,
        }
    }
}

/// Dates and timestamps as numbers. A date means its first moment; a timestamp without a time zone is one of
/// UTC.
///
/// # Errors
/// If the column is neither.
pub(super) fn instants(column: &Series, unit: Unit) -> PolarsResult<Vec<i64>> {
    let per_unit = match column.dtype() {
        PolarsType::Date => 86_400_000_000 * unit.per_microsecond(),
        PolarsType::Datetime(TimeUnit::Milliseconds, _) => 1000 * unit.per_microsecond(),
        PolarsType::Datetime(TimeUnit::Microseconds, _) => unit.per_microsecond(),
        PolarsType::Datetime(TimeUnit::Nanoseconds, _) => 1,
        other => {
            polars_bail!(InvalidOperation: "`{}` is {other}, a time is a date or a timestamp", column.name())
        }
    };
    let physical = column.to_physical_repr().cast(&PolarsType::Int64)?;
    let values = physical.i64()?;
    let scaled = |value: i64| value.saturating_mul(per_unit).max(NO_TIME + 1);
    let mut times = Vec::with_capacity(values.len());
    for chunk in values.downcast_iter() {
        let all = chunk.values().as_slice();
        match chunk.validity() {
            Some(valid) => times.extend(
                all.iter()
                    .zip(valid.iter())
                    .map(|(value, valid)| if valid { scaled(*value) } else { NO_TIME }),
            ),
            None if per_unit == 1 => times.extend_from_slice(all),
            None => times.extend(all.iter().map(|value| scaled(*value))),
        }
    }
    Ok(times)
}

/// How a key column of both sides is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// Texts and bytes.
    Texts,
    /// As 64 bits with a sign; a larger number equals nothing.
    Integers,
    /// As 64 bits without one.
    Unsigned,
    /// As instants.
    Instants(Unit),
}

impl KeyKind {
    /// How columns of two types are compared; `None` if they cannot be. Floating-point numbers are no keys: equal
    /// ones need not be.
    pub(crate) fn of(left: &PolarsType, right: &PolarsType) -> Option<Self> {
        let is_text = |data_type: &PolarsType| {
            matches!(
                data_type,
                PolarsType::String | PolarsType::Categorical(..) | PolarsType::Enum(..)
            )
        };
        if is_text(left) && is_text(right) {
            return Some(Self::Texts);
        }
        if left.is_integer() && right.is_integer() {
            let unsigned = |data_type: &PolarsType| data_type.is_unsigned_integer();
            return Some(if unsigned(left) && unsigned(right) {
                Self::Unsigned
            } else {
                Self::Integers
            });
        }
        match (left, right) {
            (PolarsType::Binary, PolarsType::Binary) => Some(Self::Texts),
            (PolarsType::Boolean, PolarsType::Boolean) | (PolarsType::Time, PolarsType::Time) => {
                Some(Self::Integers)
            }
            (PolarsType::Date, PolarsType::Date) => Some(Self::Integers),
            (PolarsType::Duration(left), PolarsType::Duration(right)) if left == right => {
                Some(Self::Integers)
            }
            (PolarsType::Date | PolarsType::Datetime(..), PolarsType::Date | PolarsType::Datetime(..)) => {
                Some(Self::Instants(Unit::of(left).max(Unit::of(right))))
            }
            _ => None,
        }
    }
}

/// Key columns in the form in which they are looked up.
pub(super) struct Keyed(Vec<Held>);

enum Held {
    Integers {
        values: Int64Chunked,
        valid: Option<Vec<bool>>,
    },
    Instants(Vec<i64>),
    Texts(BinaryChunked),
}

impl Keyed {
    /// The columns of those names, each of its kind.
    ///
    /// # Errors
    /// If one is not there, or cannot be of its kind.
    pub(super) fn of(frame: &DataFrame, names: &[impl AsRef<str>], kinds: &[KeyKind]) -> PolarsResult<Self> {
        let columns = names.iter().zip(kinds).map(|(name, kind)| {
            let column = frame.column(name.as_ref())?.as_materialized_series();
            held(column, *kind)
        });
        columns.collect::<PolarsResult<Vec<Held>>>().map(Self)
    }

    /// Hands the columns over.
    pub(super) fn with<T>(&self, then: impl FnOnce(&[KeyColumn<'_>]) -> T) -> T {
        let texts: Vec<Vec<Option<&[u8]>>> = self
            .0
            .iter()
            .map(|held| match held {
                Held::Texts(texts) => texts.iter().collect(),
                _ => Vec::new(),
            })
            .collect();
        let valid: Vec<Option<Vec<bool>>> = self
            .0
            .iter()
            .map(|held| match held {
                Held::Instants(times) => Some(times.iter().map(|time| *time != NO_TIME).collect()),
                _ => None,
            })
            .collect();
        let columns: Vec<KeyColumn<'_>> = self
            .0
            .iter()
            .zip(&texts)
            .zip(&valid)
            .map(|((held, texts), instants)| match held {
                Held::Integers { values, valid } => KeyColumn::Integers {
                    values: values
                        .downcast_iter()
                        .next()
                        .map_or(&[], |chunk| chunk.values().as_slice()),
                    valid: valid.as_deref(),
                },
                Held::Instants(times) => KeyColumn::Integers {
                    values: times,
                    valid: instants.as_deref(),
                },
                Held::Texts(_) => KeyColumn::Texts(texts),
            })
            .collect();
        then(&columns)
    }
}

fn held(column: &Series, kind: KeyKind) -> PolarsResult<Held> {
    let integers = |values: Int64Chunked| {
        let values = values.rechunk().into_owned();
        let valid = (values.null_count() > 0).then(|| values.iter().map(|value| value.is_some()).collect());
        Held::Integers { values, valid }
    };
    Ok(match kind {
        KeyKind::Texts => {
            let column = match column.dtype() {
                PolarsType::Binary => column.clone(),
                _ => column.cast(&PolarsType::String)?.cast(&PolarsType::Binary)?,
            };
            Held::Texts(column.binary()?.clone())
        }
        KeyKind::Integers => {
            let physical = column.to_physical_repr().cast(&PolarsType::Int64)?;
            integers(physical.i64()?.clone())
        }
        KeyKind::Unsigned => {
            let values = column.cast(&PolarsType::UInt64)?;
            let values: Int64Chunked = values
                .u64()?
                .iter()
                .map(|value| value.map(u64::cast_signed))
                .collect::<ChunkedArray<_>>();
            integers(values)
        }
        KeyKind::Instants(unit) => Held::Instants(instants(column, unit)?),
    })
}
