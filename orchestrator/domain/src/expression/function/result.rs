//! The type of a call, from the types of its arguments.

use super::Function;
use super::format::{Piece, pieces};
use crate::expression::syntax::{Kind, Node};
use crate::expression::{ExpressionError, Type};

struct Call<'a> {
    function: Function,
    nodes: &'a [Node],
    types: &'a [Type],
}

/// The type that a call gives.
///
/// # Errors
/// The first argument of a wrong type.
pub(in crate::expression) fn result(
    function: Function,
    nodes: &[Node],
    types: &[Type],
) -> Result<Type, ExpressionError> {
    let call = Call {
        function,
        nodes,
        types,
    };
    let first = types.first().unwrap_or(&Type::Any);
    match function {
        Function::Len => {
            let countable =
                first.is_text() || matches!(first, Type::Any | Type::List(_) | Type::Map(_) | Type::MapOf(_));
            if !countable {
                return Err(call.wrong(0, "a text, a list or a map"));
            }
            Ok(Type::Integer)
        }
        Function::Min | Function::Max => call.extreme(),
        Function::Sum => match call.elements(0)? {
            Type::Integer => Ok(Type::Integer),
            Type::Float | Type::Any => Ok(Type::Float),
            _ => Err(call.wrong(0, "a list of numbers")),
        },
        Function::Abs => {
            call.number(0)?;
            Ok(if *first == Type::Integer {
                Type::Integer
            } else {
                Type::Float
            })
        }
        Function::Round if types.len() == 2 => {
            call.number(0)?;
            call.integer(1)?;
            Ok(Type::Float)
        }
        Function::Round | Function::Floor | Function::Ceil => call.number(0).map(|()| Type::Integer),
        Function::Lower | Function::Upper | Function::Trim => call.text(0).map(|()| Type::String),
        Function::Contains => {
            match first {
                Type::List(of) => call.comparable(1, of)?,
                Type::Any => {}
                Type::Map(_) | Type::MapOf(_) => call.text(1)?,
                text if text.is_text() => call.text(1)?,
                _ => return Err(call.wrong(0, "a text, a list or a map")),
            }
            Ok(Type::Boolean)
        }
        Function::StartsWith | Function::EndsWith => {
            call.text(0)?;
            call.text(1)?;
            Ok(Type::Boolean)
        }
        Function::Replace => {
            (0..3).try_for_each(|at| call.text(at))?;
            Ok(Type::String)
        }
        Function::Split => {
            call.text(0)?;
            call.text(1)?;
            Ok(Type::list(Type::String))
        }
        Function::Join => {
            let of = call.elements(0)?;
            if !is_printable(of) {
                return Err(call.wrong(0, "a list of texts, numbers or booleans"));
            }
            call.text(1)?;
            Ok(Type::String)
        }
        Function::Format => call.format(),
        Function::Default => Ok(match (first, &types[1]) {
            (Type::Null, other) => other.clone(),
            (one, other) => one.join(other),
        }),
        Function::Has => {
            if !matches!(nodes[0].kind, Kind::Member(..) | Kind::Index(..)) {
                return Err(
                    ExpressionError::new(nodes[0].at.clone(), "`has` asks for a member")
                        .help("write it as in `has(params.x)`"),
                );
            }
            Ok(Type::Boolean)
        }
        Function::String => {
            if !is_printable(first) {
                return Err(call.wrong(0, "a text, a number or a boolean"));
            }
            Ok(Type::String)
        }
        Function::Integer | Function::Float => {
            if !(first.is_number() || first.is_text() || *first == Type::Any) {
                return Err(call.wrong(0, "a number or a text"));
            }
            Ok(if function == Function::Integer {
                Type::Integer
            } else {
                Type::Float
            })
        }
        Function::Date => call.day(0).map(|()| Type::Date),
        Function::DaysBetween => {
            call.day(0)?;
            call.day(1)?;
            Ok(Type::Integer)
        }
        Function::AddDays => {
            call.day(0)?;
            call.integer(1)?;
            Ok(Type::Date)
        }
        Function::Argmax | Function::Argmin => call.best(),
    }
}

fn is_printable(of: &Type) -> bool {
    of.is_text() || of.is_number() || matches!(of, Type::Any | Type::Boolean)
}

impl Call<'_> {
    fn wrong(&self, at: usize, wanted: &str) -> ExpressionError {
        let found = self.types[at].to_string();
        let message = format!("`{}` takes {wanted} here, not {found}", self.function.name());
        ExpressionError::new(self.nodes[at].at.clone(), message)
            .help(format!("write `{}`", self.function.usage()))
    }

    fn number(&self, at: usize) -> Result<(), ExpressionError> {
        if self.types[at].fits(&Type::Float) {
            Ok(())
        } else {
            Err(self.wrong(at, "a number"))
        }
    }

    fn integer(&self, at: usize) -> Result<(), ExpressionError> {
        if self.types[at].fits(&Type::Integer) {
            Ok(())
        } else {
            Err(self.wrong(at, "an integer"))
        }
    }

    fn text(&self, at: usize) -> Result<(), ExpressionError> {
        if self.types[at].fits(&Type::String) {
            Ok(())
        } else {
            Err(self.wrong(at, "a text"))
        }
    }

    fn day(&self, at: usize) -> Result<(), ExpressionError> {
        match &self.types[at] {
            Type::Any | Type::String | Type::Date | Type::Timestamp => Ok(()),
            _ => Err(self.wrong(at, "a date")),
        }
    }

    fn elements(&self, at: usize) -> Result<&Type, ExpressionError> {
        match &self.types[at] {
            Type::Any => Ok(&Type::Any),
            Type::List(of) => Ok(of),
            _ => Err(self.wrong(at, "a list")),
        }
    }

    fn comparable(&self, at: usize, with: &Type) -> Result<(), ExpressionError> {
        let found = &self.types[at];
        if found.fits(with) || with.fits(found) {
            Ok(())
        } else {
            Err(self.wrong(at, &format!("{with}")))
        }
    }

    fn extreme(&self) -> Result<Type, ExpressionError> {
        if self.types.len() == 1 {
            let of = self.elements(0)?;
            if !(of.is_number() || of.is_text() || *of == Type::Any) {
                return Err(self.wrong(0, "a list of numbers or of texts"));
            }
            return Ok(of.clone());
        }
        let mut of: Option<Type> = None;
        for (at, found) in self.types.iter().enumerate() {
            let ordered = found.is_number() || found.is_text() || *found == Type::Any;
            let same = of.as_ref().is_none_or(|of| {
                *of == Type::Any || *found == Type::Any || of.is_number() == found.is_number()
            });
            if !ordered || !same {
                return Err(self.wrong(at, "numbers or texts, all of one kind"));
            }
            of = Some(of.map_or_else(|| found.clone(), |of| of.join(found)));
        }
        Ok(of.unwrap_or(Type::Any))
    }

    fn format(&self) -> Result<Type, ExpressionError> {
        self.text(0)?;
        for at in 1..self.types.len() {
            if !is_printable(&self.types[at]) {
                return Err(self.wrong(at, "a text, a number or a boolean"));
            }
        }
        if let Kind::Text(text) = &self.nodes[0].kind {
            let wrong = |message: String| ExpressionError::new(self.nodes[0].at.clone(), message);
            let mut used = vec![false; self.nodes.len() - 1];
            for piece in pieces(text).map_err(wrong)? {
                let Piece::Place(number, decimals) = piece else {
                    continue;
                };
                let Some(seen) = used.get_mut(number) else {
                    return Err(wrong(format!(
                        "place {number} of `format` has no value: {} given",
                        used.len()
                    )));
                };
                *seen = true;
                if decimals.is_some() && !self.types[number + 1].fits(&Type::Float) {
                    return Err(self.wrong(number + 1, "a number"));
                }
            }
            if let Some(unused) = used.iter().position(|seen| !seen) {
                let at = self.nodes[unused + 1].at.clone();
                return Err(
                    ExpressionError::new(at, "the text of `format` has no place for this value")
                        .help("write `{}` where it should stand"),
                );
            }
        }
        Ok(Type::String)
    }

    /// `argmax(list, 'path')`: the path is followed through the type of the elements.
    fn best(&self) -> Result<Type, ExpressionError> {
        let of = self.elements(0).map_err(|error| match &self.types[0] {
            Type::Map(_) => error.help("it compares the cells of a matrix step; this step has no matrix"),
            _ => error,
        })?;
        self.text(1)?;
        let Kind::Text(path) = &self.nodes[1].kind else {
            return Ok(of.clone());
        };
        let at = &self.nodes[1].at;
        let mut found = of;
        let mut start = 0;
        for name in path.split('.') {
            // A literal without escapes is its text and two quotes, so the word can be pointed at.
            let word = match at.len() == path.len() + 2 {
                true => at.start + 1 + start..at.start + 1 + start + name.len(),
                false => at.clone(),
            };
            start += name.len() + 1;
            found = match found {
                Type::Any => return Ok(of.clone()),
                Type::MapOf(of) => of,
                Type::Map(members) => members.get(name).ok_or_else(|| {
                    let message = format!("`{}`: no element has `{name}`", self.function.name());
                    let error = ExpressionError::new(word, message);
                    match members.is_empty() {
                        true => error,
                        false => error
                            .help(format!("there are {}", quoted_names(members.keys())))
                            .did_you_mean(name, members.keys().map(String::as_str)),
                    }
                })?,
                other => {
                    let message = format!("`{name}` is asked of {other}, which has no members");
                    return Err(ExpressionError::new(word, message));
                }
            };
        }
        if !found.fits(&Type::Float) {
            let message = format!("`{}` compares numbers; `{path}` is {found}", self.function.name());
            return Err(ExpressionError::new(at.clone(), message));
        }
        Ok(of.clone())
    }
}

/// Names in back quotes, the first eight of them.
pub(in crate::expression) fn quoted_names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut all: Vec<String> = names.take(9).map(|name| format!("`{name}`")).collect();
    if all.len() == 9 {
        all[8] = "…".to_owned();
    }
    all.join(", ")
}
