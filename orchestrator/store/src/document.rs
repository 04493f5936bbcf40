//! JSON as it is kept in a column.

use crate::error::{StoreError, encoding, unreadable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A value as text.
pub(crate) fn write(doing: &'static str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(encoding(doing))
}

/// The value a text stands for.
///
/// JSON has no way to write a metric that is not a number or is infinite, and keeps `null` instead;
/// such metrics read back as absent, since one odd metric must not make a whole run unreadable.
pub(crate) fn read<T: DeserializeOwned>(doing: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).or_else(|first| {
        let mut value: Value = serde_json::from_str(text).map_err(unreadable(doing))?;
        drop_null_metrics(&mut value);
        serde_json::from_value(value).map_err(|_| unreadable(doing)(first))
    })
}

fn drop_null_metrics(document: &mut Value) {
    if let Some(metrics) = document.get_mut("metrics").and_then(Value::as_object_mut) {
        metrics.retain(|_, metric| !metric.is_null());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainyard_contract::Timestamp;
    use trainyard_domain::run::{Event, What};

    #[test]
    fn a_metric_that_is_no_number_reads_back_as_absent() {
        let event = Event {
            at: Timestamp(1),
            what: What::AttemptSucceeded {
                step: 0,
                attempt: 1,
                outputs: Default::default(),
                metrics: [("auc".to_owned(), 0.5), ("gap".to_owned(), f64::NAN)]
                    .into_iter()
                    .collect(),
                headline: None,
                resources: Default::default(),
            },
        };
        let read: Event = read("read", &write("write", &event).unwrap()).unwrap();
        let What::AttemptSucceeded { metrics, .. } = read.what else {
            panic!("another event")
        };
        assert_eq!(metrics.into_iter().collect::<Vec<_>>(), [("auc".to_owned(), 0.5)]);
    }
}
