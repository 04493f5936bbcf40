//! Fields of a request, from its body or what stands after the `?`.
//!
//! Unknown fields are passed over, as clients of other versions need it; what a field has in place of what it
//! should have is said in the words that clients know.

use super::failure::Failure;
use crate::extract::media_type;
use axum::http::{HeaderMap, Method};
use serde_json::{Map, Value};
use trainyard_store::tracking::Pair;

/// What a request says.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: Map<String, Value>,
    is_query: bool,
}

const MORE: &str = "See the API docs for more information about request parameters.";

impl Fields {
    /// Reads a request.
    pub(crate) fn of(
        method: &Method,
        headers: &HeaderMap,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<Self, Failure> {
        if *method == Method::GET && query.is_some_and(|query| !query.is_empty()) {
            return Ok(Self::of_query(query.unwrap_or_default()));
        }
        if body.is_empty() && matches!(*method, Method::GET | Method::DELETE) {
            return Ok(Self::of_query(query.unwrap_or_default()));
        }
        if media_type(headers) != "application/json" {
            return Err(Failure::bad_request(
                "Bad Request. Content-Type must be one of ['application/json'].",
            ));
        }
        let values = match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => values,
            // Old clients encode their JSON twice.
            Ok(Value::String(text)) => serde_json::from_str(&text).unwrap_or_default(),
            // A body that cannot be read has no fields, and so the first that is needed is missing.
            _ => Map::new(),
        };
        Ok(Self {
            values,
            is_query: false,
        })
    }

    fn of_query(query: &str) -> Self {
        let mut values = Map::new();
        for (key, value) in form_pairs(query) {
            match values.get_mut(&key) {
                None => {
                    values.insert(key, Value::String(value));
                }
                Some(Value::Array(all)) => all.push(Value::String(value)),
                Some(one) => *one = Value::Array(vec![one.take(), Value::String(value)]),
            }
        }
        Self {
            values,
            is_query: true,
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    /// A text, which may be empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Array(all)) if self.is_query => Ok(all.last().and_then(Value::as_str)),
            Some(other) => Err(wrong(name, other)),
        }
    }

    /// A text that is not empty, if there is one.
    pub(crate) fn word(&self, name: &str) -> Result<Option<&str>, Failure> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// A text that has to be there and not empty.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.word(name)?.ok_or_else(|| missing(name))
    }

    /// The run's id, under either of its names.
    pub(crate) fn run_id(&self) -> Result<&str, Failure> {
        match self.word("run_id")? {
            Some(id) => Ok(id),
            None => self.word("run_uuid")?.ok_or_else(|| missing("run_id")),
        }
    }

    /// A whole number.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.get(name)
            .map(|value| int(value).ok_or_else(|| wrong(name, value)))
            .transpose()
    }

    /// Yes or no.
    pub(crate) fn bool(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if self.is_query => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(Failure::invalid(format!(
                    "Invalid boolean value: {text}, must be 'true' or 'false'."
                ))),
            },
            Some(other) => Err(wrong(name, other)),
        }
    }

    /// A list; none is empty.
    pub(crate) fn list(&self, name: &str) -> Result<&[Value], Failure> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(all)) => Ok(all),
            Some(one) if self.is_query => Ok(std::slice::from_ref(one)),
            Some(other) => Err(wrong(name, other)),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Failure> {
        let list = self.list(name)?;
        list.iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| wrong(name, &Value::Array(list.to_vec())))
    }

    /// A list of keys and values.
    pub(crate) fn pairs(&self, name: &str) -> Result<Vec<Pair>, Failure> {
        let list = self.list(name)?;
        list.iter()
            .enumerate()
            .map(|(at, pair)| {
                let text = |field: &str| match &pair[field] {
                    Value::Null => Ok(String::new()),
                    Value::String(text) => Ok(text.clone()),
                    _ => Err(wrong(name, &Value::Array(list.to_vec()))),
                };
                let (key, value) = (text("key")?, text("value")?);
                if key.is_empty() {
                    return Err(missing(&format!("{name}[{at}].key")));
                }
                Ok((key, value))
            })
            .collect()
    }

    /// The value as it is.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

/// A number, or one in a text.
pub(crate) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            number
                .as_f64()
                .filter(|n| n.fract() == 0.0 && n.abs() < 9.0e18)
                .map(|n| n as i64)
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A field that has to be there.
pub(crate) fn missing(name: &str) -> Failure {
    Failure::invalid(format!("Missing value for required parameter '{name}'. {MORE}"))
}

/// A field of another kind.
pub(crate) fn wrong(name: &str, value: &Value) -> Failure {
    let kind = match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    };
    let shown: String = value.to_string().chars().take(1_000).collect();
    Failure::invalid(format!(
        "Invalid value {shown} for parameter '{name}' supplied:  Hint: Value was of type '{kind}'. {MORE}"
    ))
}

/// The pairs of a query.
fn form_pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key), decoded(value))
    })
}

/// A part of a query without its `%` and `+`.
pub(crate) fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let coded = (*byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        match (byte, coded) {
            (_, Some(coded)) => {
                out.push(coded);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_json(text: &str) -> Fields {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json; charset=utf-8".parse().unwrap());
        Fields::of(&Method::POST, &headers, None, text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_wrong_with_a_field_is_said_as_clients_know_it() {
        let said = |failure: Failure| format!("{failure:?}");
        let fields = of_json(r#"{"name": 5, "tags": "x", "at": "12", "double": null}"#);
        assert!(
            said(fields.required("name").unwrap_err())
                .contains("Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'.")
        );
        assert!(said(fields.pairs("tags").unwrap_err()).contains("Hint: Value was of type 'str'."));
        assert!(
            said(fields.required("double").unwrap_err())
                .contains("Missing value for required parameter 'double'.")
        );
        assert_eq!(fields.int("at").unwrap(), Some(12));
        assert!(of_json("not json").required("x").is_err());
        assert_eq!(of_json(r#""{\"a\": \"b\"}""#).required("a").unwrap(), "b");
    }

    #[test]
    fn a_query_may_repeat_a_field() {
        let fields = Fields::of_query("run_ids=a&run_ids=b%20c&filter=x+%3D+%27y%27&flag=True");
        assert_eq!(fields.texts("run_ids").unwrap(), ["a", "b c"]);
        assert_eq!(fields.required("filter").unwrap(), "x = 'y'");
        assert_eq!(fields.bool("flag").unwrap(), Some(true));
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }
}
