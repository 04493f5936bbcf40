//! Numbers that other tools computed, as the scripts in `golden` wrote them.

use serde_json::Value;

/// By how much a number may differ, as a share of its size, or absolutely below 1.
pub(crate) const TOLERANCE: f64 = 1e-9;

/// The cases of one kind in a fixture.
pub(crate) fn cases(fixture: &str, kind: &str) -> Vec<Case> {
    let path = format!(
        "{}/tests/models/golden/{fixture}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases: Vec<Case> = all[kind].as_array().unwrap().iter().cloned().map(Case).collect();
    assert!(!cases.is_empty(), "no cases of {kind}");
    cases
}

/// One set of rows with what was found for it under `found`.
pub(crate) struct Case(pub(crate) Value);

impl Case {
    pub(crate) fn name(&self) -> &str {
        self.0["name"].as_str().unwrap()
    }

    /// All numbers under a key, however deep they lie, row after row; a null is not a number.
    pub(crate) fn numbers(&self, key: &str) -> Vec<f64> {
        flat(&self.0[key])
    }

    pub(crate) fn codes(&self, key: &str) -> Vec<u32> {
        self.numbers(key).into_iter().map(|value| value as u32).collect()
    }

    /// Absent where all rows count the same.
    pub(crate) fn weights(&self) -> Option<Vec<f64>> {
        (!self.0["weights"].is_null()).then(|| self.numbers("weights"))
    }

    pub(crate) fn found(&self, key: &str) -> Option<&Value> {
        self.0["found"].get(key)
    }

    /// That what we find is what the other tool found, where it found anything; tells whether it did.
    pub(crate) fn expect(&self, key: &str, ours: impl Into<Found>) -> bool {
        let Some(theirs) = self.found(key) else {
            return false;
        };
        let (ours, theirs) = (ours.into().0, flat(theirs));
        assert_eq!(ours.len(), theirs.len(), "{}: {key}", self.name());
        for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let same = (ours.is_finite() && (ours - theirs).abs() <= TOLERANCE * theirs.abs().max(1.0))
                || (!ours.is_finite() && theirs.is_nan());
            assert!(same, "{}: {key}[{at}] is {ours}, not {theirs}", self.name());
        }
        true
    }
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        Value::Number(number) => vec![number.as_f64().unwrap()],
        _ => vec![f64::NAN],
    }
}

/// One number or several; what is undefined is not a number.
pub(crate) struct Found(Vec<f64>);

impl From<f64> for Found {
    fn from(value: f64) -> Self {
        Self(vec![value])
    }
}

impl From<Option<f64>> for Found {
    fn from(value: Option<f64>) -> Self {
        Self(vec![value.unwrap_or(f64::NAN)])
    }
}

impl<E> From<Result<f64, E>> for Found {
    fn from(value: Result<f64, E>) -> Self {
        value.ok().into()
    }
}

impl From<Vec<f64>> for Found {
    fn from(values: Vec<f64>) -> Self {
        Self(values)
    }
}
