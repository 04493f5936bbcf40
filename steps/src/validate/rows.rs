//! Rules that each row keeps or breaks, as masks over the rows.

use super::checks::truth;
use super::demand::{Bounds, Demand, Direction, Order};
use crate::fault;
use crate::rule;
use crate::sql::Expression;
use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType as PolarsType, NewChunkedArray, PolarsError, PolarsResult,
    StringChunked, StringNameSpaceImpl,
};
use std::collections::HashMap;
use trainyard_contract::data_contract::ColumnContract;
use trainyard_contract::{DataType, StepError};

/// The rows that break a rule.
pub(super) struct Broken {
    pub(super) rows: BooleanChunked,
    /// Rows the rule has something to say of; missing values keep most rules.
    pub(super) looked_at: BooleanChunked,
    /// What must hold, in a few words.
    pub(super) wanted: String,
    /// What a row that breaks it has.
    pub(super) has: String,
}

/// Why a text is no regular expression, if it is none.
pub(super) fn pattern_fault(pattern: &str) -> Option<String> {
    let one = StringChunked::from_iter_values("".into(), [""].into_iter());
    one.contains(pattern, true)
        .err()
        .map(|error| format!("this is no regular expression: {}", fault::sentence(&error)))
}

/// A column contract that asks for nothing but the type.
fn bare(data_type: DataType) -> ColumnContract {
    ColumnContract {
        data_type,
        nullable: true,
        known_at: None,
        unit: None,
        classification: None,
        description: None,
        min: None,
        max: None,
        accepted_values: Vec::new(),
        pattern: None,
        unique: false,
    }
}

/// The rows that break a rule; `None` if it is not one of rows.
///
/// # Errors
/// `Rejected` if a column is not there or the rule does not fit its type.
pub(super) fn broken(
    demand: &Demand,
    frame: &DataFrame,
    columns: &[&str],
) -> Result<Option<Broken>, StepError> {
    let failed = |error: PolarsError| StepError::rejected(fault::sentence(&error));
    let all =
        |value: bool| BooleanChunked::from_iter_values("rows".into(), (0..frame.height()).map(|_| value));
    let column = |name: &str| frame.column(name).map_err(failed);
    let first = || column(columns.first().copied().unwrap_or_default());
    let of_contract = |contract: ColumnContract| -> Result<BooleanChunked, StepError> {
        let breaches = rule::breaches(first()?, &contract).map_err(failed)?;
        Ok(breaches
            .into_iter()
            .fold(all(false), |rows, breach| &rows | &breach.rows))
    };
    let data_type = || first().map(|column| crate::data_type::from_polars(column.dtype()));
    let found = match demand {
        Demand::NotNull => Broken {
            rows: first()?.is_null(),
            looked_at: all(true),
            wanted: "not missing".to_owned(),
            has: "a missing value".to_owned(),
        },
        Demand::Unique => Broken {
            rows: frame
                .select(columns.iter().copied())
                .and_then(|keys| keys.is_duplicated())
                .map_err(failed)?,
            looked_at: all(true),
            wanted: match columns {
                [_] => "unique".to_owned(),
                more => format!("({}) is unique", more.join(", ")),
            },
            has: format!("a ({}) that occurs more than once", columns.join(", ")),
        },
        Demand::Range(bounds) => {
            let contract = ColumnContract {
                min: bounds.min,
                max: bounds.max,
                ..bare(data_type()?)
            };
            let wanted = words(*bounds, "");
            Broken {
                rows: of_contract(contract)?,
                looked_at: first()?.is_not_null(),
                has: format!("a value that is not {wanted}"),
                wanted,
            }
        }
        Demand::AcceptedValues(values) => {
            let names: Vec<String> = values
                .iter()
                .map(|value| value.to_string().trim_matches('"').to_owned())
                .collect();
            let contract = ColumnContract {
                accepted_values: values.clone(),
                ..bare(data_type()?)
            };
            Broken {
                rows: of_contract(contract)?,
                looked_at: first()?.is_not_null(),
                wanted: if names.len() <= 3 {
                    format!("one of {}", names.join(", "))
                } else {
                    format!("one of {} values", names.len())
                },
                has: format!("a value that is not one of {}", names.join(", ")),
            }
        }
        Demand::Pattern(pattern) => {
            let contract = ColumnContract {
                pattern: Some(pattern.clone()),
                ..bare(data_type()?)
            };
            Broken {
                rows: of_contract(contract)?,
                looked_at: first()?.is_not_null(),
                wanted: format!("matches {pattern}"),
                has: format!("a value that does not match `{pattern}`"),
            }
        }
        Demand::Length(bounds) => {
            let texts = first()?.str().map_err(failed)?;
            let rows = texts.iter().map(|text| {
                let letters = text.map(|text| text.chars().count() as f64);
                letters.is_some_and(|letters| {
                    bounds.min.is_some_and(|min| letters < min) || bounds.max.is_some_and(|max| letters > max)
                })
            });
            let wanted = words(*bounds, " letters");
            Broken {
                rows: BooleanChunked::from_iter_values("rows".into(), rows),
                looked_at: first()?.is_not_null(),
                has: format!("a text that is not {wanted} long"),
                wanted,
            }
        }
        Demand::Expression(Expression(text)) => {
            let truth = truth(text, frame)?;
            Broken {
                looked_at: truth.is_not_null(),
                rows: rule::known(!truth),
                wanted: text.clone(),
                has: format!("values that break `{text}`"),
            }
        }
        Demand::Order(order) => {
            let (wanted, has) = match (order.direction, order.ties) {
                (Direction::Increasing, true) => ("never decreasing", "less than"),
                (Direction::Increasing, false) => ("increasing", "not greater than"),
                (Direction::Decreasing, true) => ("never increasing", "greater than"),
                (Direction::Decreasing, false) => ("decreasing", "not less than"),
            };
            let within = match order.within.as_slice() {
                [] => String::new(),
                names => format!(" within ({})", names.join(", ")),
            };
            Broken {
                rows: out_of_order(first()?, order, frame).map_err(failed)?,
                looked_at: first()?.is_not_null(),
                wanted: format!("{wanted}{within}"),
                has: format!("a value {has} the one before{within}"),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

fn words(bounds: Bounds, unit: &str) -> String {
    match (bounds.min, bounds.max) {
        (Some(min), Some(max)) => format!("{min} to {max}{unit}"),
        (Some(min), None) => format!("at least {min}{unit}"),
        (None, Some(max)) => format!("at most {max}{unit}"),
        (None, None) => "anything".to_owned(),
    }
}

fn out_of_order(column: &Column, order: &Order, frame: &DataFrame) -> PolarsResult<BooleanChunked> {
    let groups: Vec<Option<String>> = if order.within.is_empty() {
        Vec::new()
    } else {
        let keys: Vec<&Column> = order
            .within
            .iter()
            .map(|name| frame.column(name))
            .collect::<PolarsResult<_>>()?;
        let key = |row: usize| {
            let values = keys
                .iter()
                .map(|key| rule::shown(key.as_materialized_series(), row).unwrap_or_default());
            Some(values.collect::<Vec<_>>().join("\u{1f}"))
        };
        (0..frame.height()).map(key).collect()
    };
    let breaks = |before: std::cmp::Ordering| match order.direction {
        Direction::Increasing => before.is_gt() || (before.is_eq() && !order.ties),
        Direction::Decreasing => before.is_lt() || (before.is_eq() && !order.ties),
    };
    let series = column.as_materialized_series();
    let rows = if series.dtype().is_float() {
        let values = series.cast(&PolarsType::Float64)?;
        followed(values.f64()?.iter(), &groups, |before, value| {
            breaks(before.total_cmp(value))
        })
    } else {
        let values = series.cast(&PolarsType::Int64)?;
        followed(values.i64()?.iter(), &groups, |before, value| {
            breaks(before.cmp(value))
        })
    };
    Ok(BooleanChunked::from_iter_values("rows".into(), rows.into_iter()))
}

/// Whether each value breaks the order with the last one before it of the same group.
fn followed<V: Copy>(
    values: impl Iterator<Item = Option<V>>,
    groups: &[Option<String>],
    breaks: impl Fn(&V, &V) -> bool,
) -> Vec<bool> {
    let mut last: HashMap<Option<&str>, V> = HashMap::new();
    values
        .enumerate()
        .map(|(row, value)| {
            let Some(value) = value else { return false };
            let group = groups.get(row).and_then(Option::as_deref);
            last.insert(group, value)
                .is_some_and(|before| breaks(&before, &value))
        })
        .collect()
}
