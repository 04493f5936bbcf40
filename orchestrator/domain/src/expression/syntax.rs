//! The tree of an expression, and how it prints.

use super::function::Function;
use super::lexer::is_name;
use std::fmt;
use std::ops::Range;

/// A part of an expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) at: Range<usize>,
    pub(super) kind: Kind,
}

/// A name as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Name, Node)>),
    /// A name that stands alone: `params`.
    Root(String),
    Member(Box<Node>, Name),
    Index(Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
    Unary(Unary, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    Choice(Box<Node>, Box<Node>, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Negate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Binary {
    pub(super) const ALL: [Self; 14] = [
        Self::Or,
        Self::And,
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::In,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Remainder,
    ];

    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// How tightly it binds; `? :` binds at [`CHOICE`], prefix operators at [`PREFIX`].
    pub(super) fn strength(self) -> u8 {
        match self {
            Self::Or => 2,
            Self::And => 3,
            Self::Equal | Self::NotEqual | Self::In => COMPARISON,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => COMPARISON,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide | Self::Remainder => 6,
        }
    }
}

pub(super) const CHOICE: u8 = 1;
pub(super) const COMPARISON: u8 = 4;
pub(super) const PREFIX: u8 = 7;
pub(super) const POSTFIX: u8 = 8;

impl Node {
    fn strength(&self) -> u8 {
        match &self.kind {
            Kind::Choice(..) => CHOICE,
            Kind::Binary(operator, ..) => operator.strength(),
            Kind::Unary(..) => PREFIX,
            _ => POSTFIX,
        }
    }

    /// Whether its printed form begins with a digit, so that a `-` before it would be read as its
    /// sign.
    fn begins_with_number(&self) -> bool {
        match &self.kind {
            Kind::Integer(value) => *value >= 0,
            Kind::Float(value) => value.is_sign_positive(),
            Kind::Member(inner, _) | Kind::Index(inner, _) => inner.begins_with_number(),
            _ => false,
        }
    }
}

/// Writes a node, in parentheses if it binds less tightly than `least`.
fn write_within(f: &mut fmt::Formatter<'_>, node: &Node, least: u8) -> fmt::Result {
    if node.strength() < least {
        write!(f, "({node})")
    } else {
        write!(f, "{node}")
    }
}

fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut write: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}

/// A text as a literal in single quotes.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("\\'"),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Null => f.write_str("null"),
            Kind::Boolean(value) => write!(f, "{value}"),
            Kind::Integer(value) => write!(f, "{value}"),
            Kind::Float(value) => write!(f, "{value:?}"),
            Kind::Text(text) => f.write_str(&quote(text)),
            Kind::List(items) => {
                f.write_str("[")?;
                write_list(f, items, |f, item| write!(f, "{item}"))?;
                f.write_str("]")
            }
            Kind::Map(entries) => {
                f.write_str("{")?;
                write_list(f, entries, |f, (key, value)| {
                    write!(f, "{}: {value}", quote(&key.text))
                })?;
                f.write_str("}")
            }
            Kind::Root(name) => f.write_str(name),
            Kind::Member(of, name) => {
                write_within(f, of, POSTFIX)?;
                if is_name(&name.text) {
                    write!(f, ".{}", name.text)
                } else {
                    write!(f, "[{}]", quote(&name.text))
                }
            }
            Kind::Index(of, index) => {
                write_within(f, of, POSTFIX)?;
                write!(f, "[{index}]")
            }
            Kind::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                write_list(f, arguments, |f, argument| write!(f, "{argument}"))?;
                f.write_str(")")
            }
            Kind::Unary(operator, operand) => {
                f.write_str(if *operator == Unary::Not { "!" } else { "-" })?;
                let sign = *operator == Unary::Negate && operand.begins_with_number();
                if sign {
                    write!(f, "({operand})")
                } else {
                    write_within(f, operand, PREFIX)
                }
            }
            Kind::Binary(operator, left, right) => {
                let strength = operator.strength();
                // Comparisons do not chain; everything else associates to the left.
                write_within(f, left, strength + u8::from(strength == COMPARISON))?;
                write!(f, " {} ", operator.symbol())?;
                write_within(f, right, strength + 1)
            }
            Kind::Choice(condition, then, otherwise) => {
                write_within(f, condition, CHOICE + 1)?;
                write!(f, " ? {then} : {otherwise}")
            }
        }
    }
}
