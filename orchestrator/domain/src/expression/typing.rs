//! Types of expressions.

use super::arithmetic::{date, timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use trainyard_contract::Millis;

/// Type of an expression's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Not known before the run; every use is allowed.
    Any,
    Null,
    Boolean,
    Integer,
    /// Any number.
    Float,
    String,
    /// A text `2026-11-22`.
    Date,
    /// A text `2026-11-22T01:02:03Z` or with an offset.
    Timestamp,
    /// A text as [`Millis`] reads it: `30m`.
    Duration,
    List(Box<Type>),
    /// A map with exactly these members.
    Map(BTreeMap<String, Type>),
    /// A map whose keys are not known before the run.
    MapOf(Box<Type>),
}

impl Type {
    /// A map with exactly these members.
    pub fn map<K: Into<String>>(members: impl IntoIterator<Item = (K, Type)>) -> Self {
        Self::Map(members.into_iter().map(|(name, of)| (name.into(), of)).collect())
    }

    /// A list of elements of one type.
    pub fn list(of: Type) -> Self {
        Self::List(Box::new(of))
    }

    /// The type of a value that is known: texts are [`Type::String`], whatever they say.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Integer,
            Value::Number(_) => Self::Float,
            Value::String(_) => Self::String,
            Value::Array(items) => Self::list(
                items
                    .iter()
                    .map(Self::of)
                    .reduce(|one, other| one.join(&other))
                    .unwrap_or(Self::Any),
            ),
            Value::Object(members) => Self::map(members.iter().map(|(name, value)| (name, Self::of(value)))),
        }
    }

    /// Whether a value is of this type. An integer is a float as well.
    pub fn admits(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _)
            | (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Float, Value::Number(_))
            | (Self::String, Value::String(_)) => true,
            (Self::Integer, Value::Number(number)) => number.is_i64(),
            (Self::Date, Value::String(text)) => date(text).is_some(),
            (Self::Timestamp, Value::String(text)) => timestamp(text).is_some(),
            (Self::Duration, Value::String(text)) => text.parse::<Millis>().is_ok(),
            (Self::List(of), Value::Array(items)) => items.iter().all(|item| of.admits(item)),
            (Self::MapOf(of), Value::Object(members)) => members.values().all(|value| of.admits(value)),
            (Self::Map(types), Value::Object(members)) => {
                types.len() == members.len()
                    && types
                        .iter()
                        .all(|(name, of)| members.get(name).is_some_and(|value| of.admits(value)))
            }
            _ => false,
        }
    }

    /// Whether every value of this type may stand where `wanted` is wanted; true where that is not
    /// known before the run. A text may stand for a date, a timestamp or a duration: whether it is
    /// one shows at run time.
    pub fn fits(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Integer, Self::Float) => true,
            (one, other) if one.is_text() && other.is_text() => {
                one == other || matches!(one, Self::String) || matches!(other, Self::String)
            }
            (Self::List(one), Self::List(other)) | (Self::MapOf(one), Self::MapOf(other)) => one.fits(other),
            (Self::Map(members), Self::MapOf(of)) => members.values().all(|member| member.fits(of)),
            (Self::MapOf(of), Self::Map(members)) => members.values().all(|member| of.fits(member)),
            (Self::Map(have), Self::Map(want)) => {
                have.len() == want.len()
                    && want
                        .iter()
                        .all(|(name, of)| have.get(name).is_some_and(|member| member.fits(of)))
            }
            (one, other) => one == other,
        }
    }

    /// The narrowest type of which values of both are.
    pub fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one.clone(),
            (Self::Integer | Self::Float, Self::Integer | Self::Float) => Self::Float,
            (one, other) if one.is_text() && other.is_text() => Self::String,
            (Self::List(one), Self::List(other)) => Self::list(one.join(other)),
            _ => Self::Any,
        }
    }

    /// String, date, timestamp or duration.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::String | Self::Date | Self::Timestamp | Self::Duration)
    }

    /// Integer or float.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Integer | Self::Float)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Null => f.write_str("null"),
            Self::Boolean => f.write_str("boolean"),
            Self::Integer => f.write_str("integer"),
            Self::Float => f.write_str("float"),
            Self::String => f.write_str("string"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            Self::List(of) => match of.as_ref() {
                Self::Any => f.write_str("list"),
                of => write!(f, "list[{of}]"),
            },
            Self::Map(_) | Self::MapOf(_) => f.write_str("map"),
        }
    }
}

/// Reads what a parameter's `type:` says: `integer`, `float`, `list[string]`, `map`, ….
impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const NAMES: [&str; 10] = [
            "boolean",
            "integer",
            "float",
            "string",
            "date",
            "timestamp",
            "duration",
            "list[string]",
            "map",
            "any",
        ];
        // Lists of lists are read up to a depth nobody needs, so that no text nests without end.
        let mut inner = text.trim();
        let mut lists = 0;
        while let Some(of) = inner
            .strip_prefix("list[")
            .and_then(|rest| rest.strip_suffix(']'))
            && lists < 8
        {
            inner = of.trim();
            lists += 1;
        }
        let mut of = match inner {
            "any" => Self::Any,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "float" => Self::Float,
            "string" => Self::String,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "duration" => Self::Duration,
            "list" => Self::list(Self::Any),
            "map" => Self::MapOf(Box::new(Self::Any)),
            other => {
                let shown: String = other.chars().take(40).collect();
                let mean = match other {
                    "int" | "int64" | "long" => Some("integer"),
                    "number" | "double" | "float64" => Some("float"),
                    "bool" => Some("boolean"),
                    "str" | "text" => Some("string"),
                    "datetime" => Some("timestamp"),
                    "object" | "dict" => Some("map"),
                    "array" => Some("list"),
                    _ => trainyard_contract::finding::nearest(other, NAMES),
                };
                return Err(match mean {
                    Some(name) => format!("`{shown}` is not a type; did you mean `{name}`?"),
                    None => format!("`{shown}` is not a type; types are {}", NAMES.join(", ")),
                });
            }
        };
        for _ in 0..lists {
            of = Self::list(of);
        }
        Ok(of)
    }
}

/// The names an expression may use at some place, and their types.
#[derive(Clone, Debug, Default)]
pub struct TypeEnv {
    /// `params`, `vars`, `steps` and so on.
    pub roots: BTreeMap<String, Type>,
    /// Roots that exist elsewhere but not here, with the reason, e.g. `matrix` → "this step has no
    /// matrix".
    pub absent: BTreeMap<String, String>,
}

impl TypeEnv {
    /// The same and one more root.
    #[must_use]
    pub fn with(mut self, root: impl Into<String>, of: Type) -> Self {
        self.roots.insert(root.into(), of);
        self
    }

    /// The same and one more root that cannot be used, with the reason.
    #[must_use]
    pub fn without(mut self, root: impl Into<String>, reason: impl Into<String>) -> Self {
        self.absent.insert(root.into(), reason.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_reads_back_as_it_prints() {
        for text in [
            "integer",
            "list[string]",
            "list[list[float]]",
            "map",
            "list",
            "date",
            "duration",
        ] {
            assert_eq!(text.parse::<Type>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_foreign_word_for_a_type_is_translated() {
        assert_eq!(
            "int".parse::<Type>().unwrap_err(),
            "`int` is not a type; did you mean `integer`?"
        );
        assert_eq!(
            "strng".parse::<Type>().unwrap_err(),
            "`strng` is not a type; did you mean `string`?"
        );
        assert!("list[".repeat(10_000).parse::<Type>().is_err());
    }
}
