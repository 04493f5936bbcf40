//! What a call gives, from the values of its arguments.

use super::Function;
use super::format::{Piece, pieces};
use crate::expression::ExpressionError;
use crate::expression::arithmetic::{Budget, Number, date, equal, from_float, order, to_integer};
use crate::expression::syntax::Node;
use serde_json::Value;
use std::cmp::Ordering;

/// Evaluated arguments and where each stands.
struct Call<'a> {
    function: Function,
    nodes: &'a [Node],
    values: Vec<Value>,
    budget: &'a Budget,
}

/// Calls a function whose arguments are all evaluated first, which is every one but `default` and
/// `has`.
///
/// # Errors
/// A value the function cannot take, pointing at that argument.
pub(in crate::expression) fn call(
    function: Function,
    nodes: &[Node],
    values: Vec<Value>,
    budget: &Budget,
) -> Result<Value, ExpressionError> {
    let call = Call {
        function,
        nodes,
        values,
        budget,
    };
    match function {
        Function::Len => call.len(),
        Function::Min => call.extreme(Ordering::Less),
        Function::Max => call.extreme(Ordering::Greater),
        Function::Sum => call.sum(),
        Function::Abs => match call.number(0)? {
            Number::Integer(value) => match value.checked_abs() {
                Some(value) => Ok(Value::from(value)),
                None => Err(call.error(0, "the result is beyond the range of 64-bit integers")),
            },
            Number::Float(value) => from_float(value.abs()).map_err(|message| call.error(0, message)),
        },
        Function::Round if call.values.len() == 2 => call.round_to_digits(),
        Function::Round => call.to_whole(f64::round),
        Function::Floor => call.to_whole(f64::floor),
        Function::Ceil => call.to_whole(f64::ceil),
        Function::Lower => call.made(call.text(0)?.to_lowercase()),
        Function::Upper => call.made(call.text(0)?.to_uppercase()),
        Function::Trim => call.made(call.text(0)?.trim().to_owned()),
        Function::Contains => call.contains().map(Value::Bool),
        Function::StartsWith => Ok(Value::Bool(call.text(0)?.starts_with(call.text(1)?))),
        Function::EndsWith => Ok(Value::Bool(call.text(0)?.ends_with(call.text(1)?))),
        Function::Replace => call.replace(),
        Function::Split => call.split(),
        Function::Join => call.join(),
        Function::Format => call.format(),
        // Both look at an argument that may be absent, so the evaluator answers them itself.
        Function::Default | Function::Has => Ok(Value::Null),
        Function::String => call.made(call.printed(0)?),
        Function::Integer => call.integer_of(),
        Function::Float => call.float_of(),
        Function::Date => Ok(Value::from(call.day(0)?.to_string())),
        Function::DaysBetween => {
            let (from, to) = (call.day(0)?, call.day(1)?);
            match from.until(to) {
                Ok(span) => Ok(Value::from(span.get_days())),
                Err(_) => Err(call.error(0, "the dates are too far apart")),
            }
        }
        Function::AddDays => {
            let (from, days) = (call.day(0)?, call.integer(1)?);
            let later = jiff::Span::new()
                .try_days(days)
                .and_then(|span| from.checked_add(span));
            match later {
                Ok(date) => Ok(Value::from(date.to_string())),
                Err(_) => Err(call.error(1, "the result is beyond the range of dates")),
            }
        }
        Function::Argmax => call.best(Ordering::Greater),
        Function::Argmin => call.best(Ordering::Less),
    }
}

/// A value as the word its type is called by.
pub(in crate::expression) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "integer",
        Value::Number(number) if number.is_u64() => "a number beyond 64-bit integers",
        Value::Number(_) => "float",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

/// A text, number or boolean as it stands within a text.
pub(in crate::expression) fn print(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Call<'_> {
    fn error(&self, at: usize, message: impl Into<String>) -> ExpressionError {
        ExpressionError::new(
            self.nodes[at].at.clone(),
            format!("`{}`: {}", self.function.name(), message.into()),
        )
    }

    fn wrong(&self, at: usize, wanted: &str) -> ExpressionError {
        let found = kind_of(&self.values[at]);
        let message = format!("`{}` takes {wanted} here, not {found}", self.function.name());
        ExpressionError::new(self.nodes[at].at.clone(), message)
            .help(format!("write `{}`", self.function.usage()))
    }

    fn claim(&self, size: Option<usize>) -> Result<(), ExpressionError> {
        self.budget.claim(size).map_err(|message| self.error(0, message))
    }

    fn made(&self, text: String) -> Result<Value, ExpressionError> {
        self.claim(Some(text.len()))?;
        Ok(Value::String(text))
    }

    fn number(&self, at: usize) -> Result<Number, ExpressionError> {
        Number::of(&self.values[at]).ok_or_else(|| self.wrong(at, "a number"))
    }

    fn integer(&self, at: usize) -> Result<i64, ExpressionError> {
        self.values[at]
            .as_i64()
            .ok_or_else(|| self.wrong(at, "an integer"))
    }

    fn text(&self, at: usize) -> Result<&str, ExpressionError> {
        self.values[at].as_str().ok_or_else(|| self.wrong(at, "a text"))
    }

    fn list(&self, at: usize) -> Result<&[Value], ExpressionError> {
        self.values[at]
            .as_array()
            .map(Vec::as_slice)
            .ok_or_else(|| self.wrong(at, "a list"))
    }

    /// A date, or the date a timestamp begins with.
    fn day(&self, at: usize) -> Result<jiff::civil::Date, ExpressionError> {
        let text = self.text(at)?;
        let day = match text.get(10..) {
            Some("") => date(text),
            Some(_)
                if text.parse::<jiff::civil::DateTime>().is_ok()
                    || text.parse::<jiff::Timestamp>().is_ok() =>
            {
                text.get(..10).and_then(date)
            }
            _ => None,
        };
        day.ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            self.error(
                at,
                format!("`{}` is not a date such as 2026-11-22", shown.escape_debug()),
            )
        })
    }

    fn printed(&self, at: usize) -> Result<String, ExpressionError> {
        print(&self.values[at]).ok_or_else(|| self.wrong(at, "a text, a number or a boolean"))
    }

    fn len(&self) -> Result<Value, ExpressionError> {
        match &self.values[0] {
            Value::String(text) => Ok(Value::from(text.chars().count())),
            Value::Array(items) => Ok(Value::from(items.len())),
            Value::Object(members) => Ok(Value::from(members.len())),
            _ => Err(self.wrong(0, "a text, a list or a map")),
        }
    }

    fn extreme(&self, wanted: Ordering) -> Result<Value, ExpressionError> {
        let items = if self.values.len() == 1 {
            self.list(0)?
        } else {
            &self.values
        };
        let mut best: Option<&Value> = None;
        for (at, item) in items.iter().enumerate() {
            let place = if self.values.len() == 1 { 0 } else { at };
            // Comparing the first with itself refuses what has no order.
            let found = order(item, best.unwrap_or(item));
            let Some(found) = found else {
                return Err(self.error(place, "only numbers, or only texts, have an order"));
            };
            if best.is_none() || found == wanted {
                best = Some(item);
            }
        }
        best.cloned().ok_or_else(|| self.error(0, "the list is empty"))
    }

    fn sum(&self) -> Result<Value, ExpressionError> {
        let mut sum = Number::Integer(0);
        for item in self.list(0)? {
            let number = Number::of(item).ok_or_else(|| {
                self.error(
                    0,
                    format!("the list holds {}; only numbers have a sum", kind_of(item)),
                )
            })?;
            sum = match (sum, number) {
                (Number::Integer(sum), Number::Integer(number)) => Number::Integer(
                    sum.checked_add(number)
                        .ok_or_else(|| self.error(0, "the sum is beyond the range of 64-bit integers"))?,
                ),
                (sum, number) => Number::Float(sum.as_float() + number.as_float()),
            };
        }
        sum.into_value().map_err(|message| self.error(0, message))
    }

    fn to_whole(&self, round: fn(f64) -> f64) -> Result<Value, ExpressionError> {
        match self.number(0)? {
            Number::Integer(value) => Ok(Value::from(value)),
            Number::Float(value) => to_integer(round(value))
                .map(Value::from)
                .map_err(|message| self.error(0, message)),
        }
    }

    fn round_to_digits(&self) -> Result<Value, ExpressionError> {
        let value = self.number(0)?.as_float();
        let digits = self.integer(1)?;
        let Some(digits) = i32::try_from(digits)
            .ok()
            .filter(|digits| (0..=15).contains(digits))
        else {
            return Err(self.error(1, "digits are 0 to 15"));
        };
        let factor = 10f64.powi(digits);
        let scaled = value * factor;
        // Beyond 2⁵³ a float has no fraction left to round.
        let rounded = if scaled.abs() < 9_007_199_254_740_992.0 {
            scaled.round() / factor
        } else {
            value
        };
        from_float(rounded).map_err(|message| self.error(0, message))
    }

    fn contains(&self) -> Result<bool, ExpressionError> {
        match &self.values[0] {
            Value::String(text) => Ok(text.contains(self.text(1)?)),
            Value::Array(items) => Ok(items.iter().any(|item| equal(item, &self.values[1]))),
            Value::Object(members) => Ok(members.contains_key(self.text(1)?)),
            _ => Err(self.wrong(0, "a text, a list or a map")),
        }
    }

    fn replace(&self) -> Result<Value, ExpressionError> {
        let (text, from, to) = (self.text(0)?, self.text(1)?, self.text(2)?);
        if from.is_empty() {
            return Err(self.error(1, "the text to replace is empty"));
        }
        let count = text.matches(from).count();
        self.claim(
            count
                .checked_mul(to.len())
                .and_then(|more| more.checked_add(text.len())),
        )?;
        Ok(Value::String(text.replace(from, to)))
    }

    fn split(&self) -> Result<Value, ExpressionError> {
        let (text, separator) = (self.text(0)?, self.text(1)?);
        let parts: Vec<&str> = if separator.is_empty() {
            text.split("").filter(|part| !part.is_empty()).collect()
        } else {
            text.split(separator).collect()
        };
        self.claim(
            parts
                .len()
                .checked_mul(ELEMENT)
                .and_then(|size| size.checked_add(text.len())),
        )?;
        Ok(Value::from(parts))
    }

    fn join(&self) -> Result<Value, ExpressionError> {
        let (items, separator) = (self.list(0)?, self.text(1)?);
        let mut text = String::new();
        for (at, item) in items.iter().enumerate() {
            let Some(printed) = print(item) else {
                let message = format!(
                    "the list holds {}; only texts, numbers and booleans join",
                    kind_of(item)
                );
                return Err(self.error(0, message));
            };
            self.claim(printed.len().checked_add(separator.len()))?;
            if at > 0 {
                text.push_str(separator);
            }
            text.push_str(&printed);
        }
        Ok(Value::String(text))
    }

    fn format(&self) -> Result<Value, ExpressionError> {
        let mut text = String::new();
        for piece in pieces(self.text(0)?).map_err(|message| self.error(0, message))? {
            let part = match piece {
                Piece::Literal(literal) => literal,
                Piece::Place(number, _) if number + 1 >= self.values.len() => {
                    return Err(self.error(0, format!("place {number} has no value")));
                }
                Piece::Place(number, None) => self.printed(number + 1)?,
                Piece::Place(number, Some(decimals)) => {
                    format!("{:.decimals$}", self.number(number + 1)?.as_float())
                }
            };
            self.claim(Some(part.len()))?;
            text.push_str(&part);
        }
        Ok(Value::String(text))
    }

    fn integer_of(&self) -> Result<Value, ExpressionError> {
        if let Value::String(text) = &self.values[0] {
            let parsed = text.trim().parse::<i64>();
            return parsed
                .map(Value::from)
                .map_err(|_| self.unreadable(text, "a 64-bit integer"));
        }
        match self.number(0)? {
            Number::Integer(value) => Ok(Value::from(value)),
            Number::Float(value) => to_integer(value)
                .map(Value::from)
                .map_err(|message| self.error(0, message).help("use `round`, `floor` or `ceil`")),
        }
    }

    fn float_of(&self) -> Result<Value, ExpressionError> {
        let value = match &self.values[0] {
            Value::String(text) => text
                .trim()
                .parse()
                .map_err(|_| self.unreadable(text, "a number"))?,
            _ => self.number(0)?.as_float(),
        };
        from_float(value).map_err(|message| self.error(0, message))
    }

    fn unreadable(&self, text: &str, wanted: &str) -> ExpressionError {
        let shown: String = text.chars().take(40).collect();
        self.error(0, format!("`{}` is not {wanted}", shown.escape_debug()))
    }

    fn best(&self, wanted: Ordering) -> Result<Value, ExpressionError> {
        let (items, path) = (self.list(0)?, self.text(1)?);
        let mut best: Option<(Number, &Value)> = None;
        for item in items {
            let found = path.split('.').try_fold(item, |item, name| item.get(name));
            let Some(number) = found.and_then(Number::of) else {
                continue;
            };
            if best.is_none_or(|(leader, _)| number.compare(leader) == wanted) {
                best = Some((number, item));
            }
        }
        best.map(|(_, item)| item.clone()).ok_or_else(|| {
            let message = format!(
                "none of {} elements has a number at `{}`",
                items.len(),
                path.escape_debug()
            );
            self.error(1, message)
        })
    }
}

/// What an element of a list weighs, in bytes; a little more than a [`Value`] and a short text.
pub(in crate::expression) const ELEMENT: usize = 64;
