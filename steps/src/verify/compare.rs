//! Two answers to one question.

use super::internal;
use crate::materialise::failed;
use polars::prelude::{Column, DataFrame, DataType as PolarsType};
use serde_json::{Value as Json, json};
use std::borrow::Cow;
use trainyard_contract::feature::FeatureView;
use trainyard_contract::{DataType, StepError};
use trainyard_features::online::{KeyBytes, Kind, Layout, OnlineStore, Value, ViewId, write_json};

/// An answer: of when it is, and the values of the view's features.
pub(super) struct Online {
    /// Microseconds since 1970.
    pub(super) event_time: i64,
    pub(super) values: Vec<Option<Value<'static>>>,
}

/// How two answers differ.
pub(super) struct Difference {
    view: String,
    key: String,
    /// `event time`, `answer` or the name of a feature.
    what: String,
    offline: String,
    online: String,
}

impl Difference {
    pub(super) fn of(self, view: &str, key: String) -> Self {
        Self {
            view: view.to_owned(),
            key,
            ..self
        }
    }

    pub(super) fn cells(&self) -> [String; 5] {
        let Self {
            view,
            key,
            what,
            offline,
            online,
        } = self;
        [view, key, what, offline, online].map(Clone::clone)
    }

    pub(super) fn sentence(&self) -> String {
        format!(
            "{} of {} is {} offline and {} online",
            self.what, self.key, self.offline, self.online
        )
    }

    pub(super) fn document(&self) -> Json {
        json!({
            "key": self.key, "what": self.what, "offline": self.offline, "online": self.online,
        })
    }
}

/// An instant as people write it.
pub(super) fn instant(microseconds: i64) -> String {
    jiff::Timestamp::from_microsecond(microseconds)
        .map_or_else(|_| microseconds.to_string(), |at| at.to_string())
}

/// The first way in which two answers differ.
pub(super) fn difference(
    names: &[&str],
    offline: Option<&Online>,
    online: Option<&Online>,
) -> Option<Difference> {
    let differs = |what: &str, offline: String, online: String| {
        Some(Difference {
            view: String::new(),
            key: String::new(),
            what: what.to_owned(),
            offline,
            online,
        })
    };
    let (offline, online) = match (offline, online) {
        (None, None) => return None,
        (Some(offline), Some(online)) => (offline, online),
        (offline, online) => {
            let shown = |answer: Option<&Online>| {
                answer.map_or_else(
                    || "missing".to_owned(),
                    |answer| format!("of {}", instant(answer.event_time)),
                )
            };
            return differs("answer", shown(offline), shown(online));
        }
    };
    if offline.event_time != online.event_time {
        return differs(
            "event time",
            instant(offline.event_time),
            instant(online.event_time),
        );
    }
    let values = offline.values.iter().zip(&online.values);
    let (name, (offline, online)) = names
        .iter()
        .zip(values)
        .find(|(_, (offline, online))| !same(offline.as_ref(), online.as_ref()))?;
    differs(name, shown(offline.as_ref()), shown(online.as_ref()))
}

/// Whether two values are the same; what is no number is the same as what is no number.
fn same(left: Option<&Value<'_>>, right: Option<&Value<'_>>) -> bool {
    match (left, right) {
        (Some(Value::Float(left)), Some(Value::Float(right))) => {
            left == right || (left.is_nan() && right.is_nan())
        }
        (left, right) => left == right,
    }
}

fn shown(value: Option<&Value<'_>>) -> String {
    match value {
        None => "missing".to_owned(),
        Some(Value::Boolean(value)) => value.to_string(),
        Some(Value::Signed(value)) => value.to_string(),
        Some(Value::Unsigned(value)) => value.to_string(),
        Some(Value::Float(value)) => value.to_string(),
        Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).chars().take(80).collect(),
    }
}

/// What the online store answers for each row of keys.
pub(super) fn looked_up(
    view: &FeatureView,
    keys: &DataFrame,
    store: &dyn OnlineStore,
) -> Result<Vec<Option<Online>>, StepError> {
    let mut columns = Vec::with_capacity(view.keys.len());
    for key in &view.keys {
        let column = keys.column(&key.name).map_err(internal)?;
        columns.push(column_values(column, &key.data_type)?);
    }
    let mut encoded = Vec::with_capacity(keys.height());
    for row in 0..keys.height() {
        let mut key = KeyBytes::default();
        for column in &columns {
            let value = column.get(row).and_then(Option::as_ref);
            key.push(value)
                .map_err(|error| StepError::rejected(format!("a key of `{}`: {error}", view.name)))?;
        }
        key.finish();
        encoded.push(key);
    }
    let layout = Layout::of(view);
    let mut found: Vec<Option<Online>> = (0..encoded.len()).map(|_| None).collect();
    store
        .get(
            &ViewId::of(view),
            layout.fields(),
            &encoded,
            &mut |place, answer| {
                let answer = answer.map(|(row, projection)| Online {
                    event_time: row.event_time(),
                    values: projection
                        .places()
                        .iter()
                        .map(|place| row.value(projection.layout(), (*place)?).map(owned))
                        .collect(),
                });
                if let Some(found) = found.get_mut(place) {
                    *found = answer;
                }
            },
        )
        .map_err(failed)?;
    Ok(found)
}

fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Boolean(value) => Value::Boolean(value),
        Value::Signed(value) => Value::Signed(value),
        Value::Unsigned(value) => Value::Unsigned(value),
        Value::Float(value) => Value::Float(value),
        Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
    }
}

/// The values of a view's features as the online store keeps them, by column and row.
pub(super) fn values(
    frame: &DataFrame,
    view: &FeatureView,
) -> Result<Vec<Vec<Option<Value<'static>>>>, StepError> {
    let columns = view
        .features
        .iter()
        .map(|(name, feature)| column_values(frame.column(name).map_err(internal)?, &feature.data_type));
    columns.collect()
}

fn column_values(column: &Column, wanted: &DataType) -> Result<Vec<Option<Value<'static>>>, StepError> {
    let typed = match wanted {
        DataType::Other(_) => column.as_materialized_series().clone(),
        wanted => column
            .as_materialized_series()
            .strict_cast(&crate::data_type::to_polars(wanted))
            .map_err(|error| StepError::rejected(crate::fault::sentence(&error)))?,
    };
    let physical = typed.to_physical_repr();
    let made = match Kind::of(wanted) {
        Kind::Boolean => {
            let values = physical.bool().map_err(internal)?;
            values.iter().map(|value| value.map(Value::Boolean)).collect()
        }
        Kind::Signed => {
            let values = physical.cast(&PolarsType::Int64).map_err(internal)?;
            let values = values.i64().map_err(internal)?;
            values.iter().map(|value| value.map(Value::Signed)).collect()
        }
        Kind::Unsigned => {
            let values = physical.cast(&PolarsType::UInt64).map_err(internal)?;
            let values = values.u64().map_err(internal)?;
            values.iter().map(|value| value.map(Value::Unsigned)).collect()
        }
        Kind::Float => {
            let values = physical.cast(&PolarsType::Float64).map_err(internal)?;
            let values = values.f64().map_err(internal)?;
            values.iter().map(|value| value.map(Value::Float)).collect()
        }
        Kind::Bytes => match wanted {
            DataType::List(item) => {
                let lists = typed.list().map_err(internal)?;
                let mut made = Vec::with_capacity(lists.len());
                for row in 0..lists.len() {
                    made.push(match lists.get_as_series(row) {
                        None => None,
                        Some(list) => Some(json_list(&list.into(), item)?),
                    });
                }
                made
            }
            DataType::Binary => {
                let values = typed.binary().map_err(internal)?;
                let bytes = values.iter();
                bytes
                    .map(|value| value.map(|value| Value::Bytes(Cow::Owned(value.to_vec()))))
                    .collect()
            }
            _ => {
                let values = typed.str().map_err(internal)?;
                let texts = values.iter();
                texts
                    .map(|value| value.map(|value| Value::Bytes(Cow::Owned(value.as_bytes().to_vec()))))
                    .collect()
            }
        },
    };
    Ok(made)
}

/// A list as the online store keeps it.
fn json_list(list: &Column, item: &DataType) -> Result<Value<'static>, StepError> {
    let mut text = vec![b'['];
    for (place, value) in column_values(list, item)?.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        write_json(&mut text, item, value.as_ref(), false);
    }
    text.push(b']');
    Ok(Value::Bytes(Cow::Owned(text)))
}

/// A key as people read it.
pub(super) fn key(view: &FeatureView, keys: &DataFrame, row: usize) -> Result<String, StepError> {
    let mut parts = Vec::with_capacity(view.keys.len());
    for key in &view.keys {
        let column = keys.column(&key.name).map_err(internal)?;
        let value = crate::rule::shown(column.as_materialized_series(), row);
        parts.push(format!(
            "{}={}",
            key.name,
            value.unwrap_or_else(|| "missing".to_owned())
        ));
    }
    Ok(parts.join(", "))
}
