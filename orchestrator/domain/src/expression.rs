//! Typed, side-effect free expressions: `${{ … }}`.
//!
//! The language is close to CEL: literals (`1`, `2.5`, `'text'`, `"text"`, `true`, `null`, `[1, 2]`,
//! `{'a': 1}`), members (`params.seed`, `steps['my-step']`, `list[0]`), calls of the functions in
//! [`function`], `! - * / % + < <= > >= == != in && ||` and `a ? b : c`. Nothing can loop, and the
//! size and the depth of a text are limited, so evaluation always ends soon. Whatever is wrong, an
//! overflow, a division by zero, a wrong type, is an [`ExpressionError`] that points at the place.
//!
//! Integers are 64 bits wide and divide like integers (`7 / 2` is 3). Dates, timestamps and
//! durations are texts at run time; where both sides of a comparison are timestamps or both are
//! durations, they compare by meaning: `'60s' == '1m'`.

mod arithmetic;
mod check;
mod evaluate;
pub mod function;
mod lexer;
mod parser;
mod references;
mod render;
mod substitute;
mod syntax;
mod template;
mod typing;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use evaluate::Context;
pub use references::{Mention, References};
pub use render::{Partial, RenderError, render, render_known};
pub use substitute::{Replacement, Substitution};
pub use template::Template;
pub use typing::{Type, TypeEnv};

use serde_json::Value;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use syntax::Node;

/// Longest text that is read as an expression, in bytes.
pub const MAX_LENGTH: usize = 16 * 1024;
/// Deepest nesting of an expression, counted in operators, brackets and calls inside each other.
pub const MAX_DEPTH: u32 = 64;
/// Most that one evaluation may build, in bytes.
pub const MAX_RESULT: usize = 16 << 20;

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// Bytes of the text that was given to [`parse`] or [`Template::parse`].
    pub at: Range<usize>,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// What would fix it.
    pub help: Option<String>,
    /// What should stand at `at` instead, where that is certain.
    pub replacement: Option<String>,
    pub kind: ErrorKind,
}

/// Which kind of fault an expression has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It is no expression.
    Syntax,
    /// There is no such root, or no such member where none of the next four applies.
    UnknownName,
    UnknownParam,
    UnknownVar,
    UnknownStep,
    UnknownOutput,
    /// One cell is asked of a step that has a matrix.
    ManyCells,
    /// Types do not fit.
    Type,
    /// Types fit and there is no value all the same: overflow, division by zero, absent member.
    Value,
}

impl ExpressionError {
    fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            help: None,
            replacement: None,
            kind: ErrorKind::Type,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Offers the nearest of some names, if one is near.
    fn did_you_mean<'a>(mut self, word: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(near) = trainyard_contract::finding::nearest(word, names) {
            self.help = Some(format!("did you mean `{near}`?"));
            self.replacement = Some(near.to_owned());
        }
        self
    }
}

/// A parsed expression.
#[derive(Clone)]
pub struct Expression {
    root: Arc<Node>,
}

/// Reads the text between `${{` and `}}`.
///
/// # Errors
/// The first thing that is not an expression; also a text longer than [`MAX_LENGTH`], nested deeper
/// than [`MAX_DEPTH`], or a call of an unknown function or with a wrong number of arguments.
pub fn parse(text: &str) -> Result<Expression, ExpressionError> {
    Expression::parse_range(text, 0..text.len())
}

impl Expression {
    fn parse_range(text: &str, range: Range<usize>) -> Result<Self, ExpressionError> {
        Ok(Self {
            root: Arc::new(parser::parse(text, range).map_err(|error| error.kind(ErrorKind::Syntax))?),
        })
    }

    /// The type of the value, for names of these types.
    ///
    /// # Errors
    /// The first unknown name or wrong type.
    pub fn check(&self, env: &TypeEnv) -> Result<Type, ExpressionError> {
        check::check(&self.root, env)
    }

    /// The value.
    ///
    /// # Errors
    /// What only the values show: a name that is absent, a wrong type, an overflow, a division by
    /// zero, an index beyond the end.
    pub fn evaluate(&self, context: &dyn Context) -> Result<Value, ExpressionError> {
        evaluate::evaluate(&self.root, context).map_err(|failure| failure.error.kind(ErrorKind::Value))
    }

    /// The names it mentions.
    pub fn references(&self) -> References {
        let mut references = References::default();
        references::collect(&self.root, &mut references);
        references
    }

    /// Whether it mentions no name at all, so that its value never changes.
    pub fn is_constant(&self) -> bool {
        self.references().mentions.is_empty()
    }

    /// Bytes of the text it was read from.
    pub fn at(&self) -> Range<usize> {
        self.root.at.clone()
    }
}

/// The expression in its shortest regular form; it reads back as the same expression.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.root, f)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.root)
    }
}
