//! Texts with `${{ … }}` inside.

use super::function::{Function, kind_of, print};
use super::substitute::Substitution;
use super::syntax::{Kind, Node};
use super::{Context, ErrorKind, Expression, ExpressionError, MAX_LENGTH, References, Type, TypeEnv};
use serde_json::Value;

const OPEN: &str = "${{";

/// A text with any number of `${{ … }}`. One that is exactly one expression keeps its type; any
/// other is a text with values put in.
#[derive(Clone, Debug)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Expression(Expression),
}

impl Template {
    /// Whether a text has an expression at all, so that most texts need no parsing.
    pub fn is_in(text: &str) -> bool {
        text.contains(OPEN)
    }

    /// Reads a text; positions of errors and expressions are bytes of the whole text.
    ///
    /// # Errors
    /// The first `${{` that is not closed or whose inside is no expression.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(found) = text[at..].find(OPEN) {
            let open = at + found;
            if open > at {
                pieces.push(Piece::Literal(text[at..open].to_owned()));
            }
            let start = open + OPEN.len();
            let end = end_of(text, start).map_err(|error| error.kind(ErrorKind::Syntax))?;
            pieces.push(Piece::Expression(Expression::parse_range(text, start..end)?));
            at = end + 2;
        }
        if at < text.len() {
            pieces.push(Piece::Literal(text[at..].to_owned()));
        }
        Ok(Self { pieces })
    }

    /// The expressions in the order of the text.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Expression(expression) => Some(expression),
            Piece::Literal(_) => None,
        })
    }

    /// The only expression, where there is nothing else.
    pub fn single(&self) -> Option<&Expression> {
        match self.pieces.as_slice() {
            [Piece::Expression(expression)] => Some(expression),
            _ => None,
        }
    }

    /// Whether no name is mentioned, so that the value never changes.
    pub fn is_constant(&self) -> bool {
        self.expressions().all(Expression::is_constant)
    }

    /// The names that its expressions mention.
    pub fn references(&self) -> References {
        References {
            mentions: self
                .expressions()
                .flat_map(|expression| expression.references().mentions)
                .collect(),
        }
    }

    /// The type of the value.
    ///
    /// # Errors
    /// As [`Expression::check`]; also a list, a map or null within a text.
    pub fn check(&self, env: &TypeEnv) -> Result<Type, ExpressionError> {
        if let Some(expression) = self.single() {
            return expression.check(env);
        }
        for expression in self.expressions() {
            let of = expression.check(env)?;
            if !(of.is_text() || of.is_number() || matches!(of, Type::Boolean | Type::Any)) {
                return Err(unprintable(expression, &of.to_string()));
            }
        }
        Ok(Type::String)
    }

    /// The value.
    ///
    /// # Errors
    /// As [`Expression::evaluate`]; also a list, a map or null within a text.
    pub fn evaluate(&self, context: &dyn Context) -> Result<Value, ExpressionError> {
        if let Some(expression) = self.single() {
            return expression.evaluate(context);
        }
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Expression(expression) => {
                    let value = expression.evaluate(context)?;
                    text.push_str(&print(&value).ok_or_else(|| unprintable(expression, kind_of(&value)))?);
                }
            }
        }
        Ok(Value::String(text))
    }
}

impl Template {
    /// The text with names replaced; `None` if it mentions none of them.
    pub fn substitute(&self, substitution: &dyn Substitution) -> Option<String> {
        let mut text = String::new();
        let mut changed = false;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Expression(expression) => {
                    let next = expression.substitute(substitution);
                    changed |= next.is_some();
                    let written = next.as_ref().unwrap_or(expression);
                    text.push_str(&format!("{OPEN} {written} }}}}"));
                }
            }
        }
        changed.then_some(text)
    }

    /// One expression of the same value.
    pub(super) fn into_node(self) -> Node {
        let at = 0..0;
        let node = |kind| Node { at: at.clone(), kind };
        if let [Piece::Expression(expression)] = self.pieces.as_slice() {
            return expression.node().clone();
        }
        let parts = self.pieces.into_iter().map(|piece| match piece {
            Piece::Literal(literal) => node(Kind::Text(literal)),
            Piece::Expression(expression) => {
                node(Kind::Call(Function::String, vec![expression.node().clone()]))
            }
        });
        let list = node(Kind::List(parts.collect()));
        node(Kind::Call(
            Function::Join,
            vec![list, node(Kind::Text(String::new()))],
        ))
    }
}

fn unprintable(expression: &Expression, of: &str) -> ExpressionError {
    ExpressionError::new(expression.at(), format!("{of} cannot stand within a text")).help(match of {
        "null" => "give a text for that case: `default(…, '')`",
        _ => "make it a text, as in `join(…, ',')`, or let the expression stand alone",
    })
}

/// Where the `}}` is that closes an expression: not one in quotes or of a map.
fn end_of(text: &str, start: usize) -> Result<usize, ExpressionError> {
    let unclosed = || {
        let open = start - OPEN.len()..start;
        ExpressionError::new(open, "`${{` is not closed by `}}`")
    };
    let bytes = text.as_bytes();
    let mut at = start;
    let mut braces = 0usize;
    while let Some(byte) = bytes.get(at) {
        if at - start > MAX_LENGTH {
            // Quotes may have swallowed the end; either way this is no expression to read.
            return Err(unclosed());
        }
        match byte {
            b'\'' | b'"' => {
                let quote = at;
                at += 1;
                while bytes.get(at).is_some_and(|found| found != byte) {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                if at >= bytes.len() {
                    let message = format!("this text is not closed by `{}`", char::from(*byte));
                    return Err(ExpressionError::new(quote..quote + 1, message));
                }
            }
            b'{' => braces += 1,
            b'}' if braces > 0 => braces -= 1,
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Ok(at),
            _ => {}
        }
        at += 1;
    }
    Err(unclosed())
}
