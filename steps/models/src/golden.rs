//! Reference values in `tests/golden`, made by the scripts beside them.

use crate::matrix::Matrix;
use serde_json::Value;

/// One file of reference values.
pub(crate) struct Golden(Value);

impl Golden {
    pub(crate) fn read(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// The numbers at a path of names.
    pub(crate) fn numbers(&self, path: &[&str]) -> Vec<f64> {
        let mut value = &self.0;
        for name in path {
            value = &value[name];
        }
        match value {
            Value::Array(entries) => entries.iter().map(|entry| entry.as_f64().unwrap()).collect(),
            number => vec![number.as_f64().unwrap_or_else(|| panic!("no number at {path:?}"))],
        }
    }

    pub(crate) fn number(&self, path: &[&str]) -> f64 {
        self.numbers(path)[0]
    }
}

/// The rows all references use: 150 of 5 columns.
pub(crate) fn rows() -> (Golden, Matrix) {
    let data = Golden::read("data");
    let values = data.numbers(&["x"]);
    (data, Matrix { columns: 5, values })
}

/// Each number within `within` of the expected one, relative to its size where that is above 1.
#[track_caller]
pub(crate) fn assert_close(found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= within * expected.abs().max(1.0),
            "entry {at} is {found}, not {expected}"
        );
    }
}
