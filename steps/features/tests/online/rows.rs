//! Rows to write and a way to read them back.

use trainyard_contract::{DataType, Timestamp};
use trainyard_features::online::{
    Column, Feed, Field, KeyBytes, Layout, OnlineError, OnlineStore, RowBatch, Value, Values, ViewId,
    Watermark, Write, Written,
};

pub(crate) fn field(name: &str, data_type: DataType) -> Field {
    Field {
        name: name.to_owned(),
        data_type,
    }
}

pub(crate) fn layout() -> Layout {
    Layout::new(vec![
        field("temp", DataType::Float64),
        field("sky", DataType::String),
    ])
}

/// Rows of airports: key, event time, created time, temperature, sky.
pub(crate) fn airports(rows: &[(&str, i64, i64, Option<f64>, &str)]) -> RowBatch {
    let mut temperature = Column::of(&DataType::Float64);
    for (_, _, _, temp, _) in rows {
        assert!(temperature.push(temp.map(Value::Float)));
    }
    RowBatch {
        keys: vec![Values::Bytes(rows.iter().map(|row| row.0).collect()).into()],
        event_times: rows.iter().map(|row| row.1).collect(),
        created_times: Some(rows.iter().map(|row| row.2).collect()),
        features: vec![
            temperature,
            Values::Bytes(rows.iter().map(|row| row.4).collect()).into(),
        ],
    }
}

pub(crate) fn key(name: &str) -> KeyBytes {
    let mut key = KeyBytes::default();
    key.push(Some(&Value::Bytes(name.as_bytes().into()))).unwrap();
    key.finish();
    key
}

pub(crate) fn write(
    store: &dyn OnlineStore,
    view: &ViewId,
    batch: &RowBatch,
    watermark: Option<&Watermark>,
    now: i64,
) -> Result<Written, OnlineError> {
    let layout = layout();
    let pieces = Feed::of(&layout, batch)?;
    let mark = || watermark.cloned().unwrap_or_default();
    let mut write = [Write {
        view,
        layout: &layout,
        rows: &mut pieces.into_iter().map(Ok),
        watermark: watermark.is_some().then_some(&mark),
    }];
    Ok(store.write(&mut write, Timestamp(now))?[0])
}

/// `event temperature sky` of each airport, or `-`.
pub(crate) fn read(store: &dyn OnlineStore, view: &ViewId, names: &[&str]) -> Vec<String> {
    let keys: Vec<KeyBytes> = names.iter().map(|name| key(name)).collect();
    let mut found = vec![String::new(); names.len()];
    store
        .get(view, layout().fields(), &keys, &mut |place, row| {
            found[place] = match row {
                None => "-".to_owned(),
                Some((row, projection)) => {
                    let mut words = vec![row.event_time().to_string()];
                    for place in projection.places() {
                        let value = place.and_then(|place| row.value(projection.layout(), place));
                        words.push(match value {
                            None => "null".to_owned(),
                            Some(Value::Float(value)) => value.to_string(),
                            Some(Value::Bytes(text)) => String::from_utf8(text.into_owned()).unwrap(),
                            Some(other) => format!("{other:?}"),
                        });
                    }
                    words.join(" ")
                }
            };
        })
        .unwrap();
    found
}
