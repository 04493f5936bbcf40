//! The value of an expression.

use super::ExpressionError;
use super::arithmetic::{Budget, Number, calculate, equal, order};
use super::check::steps_alone;
use super::function::{ELEMENT, Function, call, kind_of};
use super::syntax::{Binary, Kind, Name, Node, Unary};
use serde_json::Value;
use std::ops::Range;

/// Where the values of names come from.
pub trait Context {
    /// The value of `params`, `vars`, `environment`, `trigger`, `event`, `matrix` or `run`; `None`
    /// where there is no such name.
    fn root(&self, name: &str) -> Option<Value>;

    /// The value of `steps.NAME`: status, matrix, outputs and metrics, or a list of these for a step
    /// with a matrix. Asked only for steps that the expression mentions.
    fn step(&self, name: &str) -> Option<Value>;

    /// The value of `ROOT.NAME`; worth its own code where roots are large, since the default clones
    /// the whole root.
    fn member(&self, root: &str, name: &str) -> Option<Value> {
        match self.root(root)? {
            Value::Object(mut members) => members.swap_remove(name),
            _ => None,
        }
    }
}

/// A context without any name.
pub(super) struct Nothing;

impl Context for Nothing {
    fn root(&self, _: &str) -> Option<Value> {
        None
    }

    fn step(&self, _: &str) -> Option<Value> {
        None
    }
}

/// Why there is no value.
pub(super) struct Failure {
    pub(super) error: ExpressionError,
    /// A name, member or element is not there: what `default` and `has` look for.
    absent: bool,
}

impl From<ExpressionError> for Failure {
    fn from(error: ExpressionError) -> Self {
        Self { error, absent: false }
    }
}

pub(super) fn evaluate(node: &Node, context: &dyn Context) -> Result<Value, Failure> {
    Evaluation {
        context,
        budget: Budget::new(),
    }
    .value(node)
}

struct Evaluation<'a> {
    context: &'a dyn Context,
    budget: Budget,
}

fn wrong(at: &Range<usize>, message: impl Into<String>) -> Failure {
    ExpressionError::new(at.clone(), message).into()
}

fn absent(at: &Range<usize>, message: impl Into<String>) -> Failure {
    Failure {
        error: ExpressionError::new(at.clone(), message),
        absent: true,
    }
}

impl Evaluation<'_> {
    fn value(&self, node: &Node) -> Result<Value, Failure> {
        match &node.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Boolean(value) => Ok(Value::Bool(*value)),
            Kind::Integer(value) => Ok(Value::from(*value)),
            Kind::Float(value) => Ok(Value::from(*value)),
            Kind::Text(text) => Ok(Value::String(text.clone())),
            Kind::List(items) => {
                let items = items
                    .iter()
                    .map(|item| self.weighed(item))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Value::Array(items))
            }
            Kind::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| Ok::<_, Failure>((key.text.clone(), self.weighed(value)?)));
                entries.collect::<Result<_, _>>().map(Value::Object)
            }
            Kind::Root(name) if name == "steps" => Err(steps_alone(node).into()),
            Kind::Root(name) => self
                .context
                .root(name)
                .ok_or_else(|| absent(&node.at, format!("there is no name `{name}` here"))),
            Kind::Member(of, name) => match &of.kind {
                Kind::Root(root) => self.member_of_root(of, root, name),
                _ => member(of, self.value(of)?, &name.text, &name.at),
            },
            Kind::Index(of, index) => {
                let of_value = self.value(of)?;
                let index_value = self.value(index)?;
                element(of, of_value, index, &index_value)
            }
            Kind::Call(function, arguments) => self.call(*function, arguments),
            Kind::Unary(operator, operand) => self.unary(*operator, operand),
            Kind::Binary(operator, left, right) => self.binary(node, *operator, left, right),
            Kind::Choice(condition, then, otherwise) => self.value(if self.boolean(condition, "`?`")? {
                then
            } else {
                otherwise
            }),
        }
    }

    /// A value that is copied into a list or a map: names can be mentioned often.
    fn weighed(&self, node: &Node) -> Result<Value, Failure> {
        let value = self.value(node)?;
        self.claim(node, weight(&value))?;
        Ok(value)
    }

    fn claim(&self, node: &Node, size: usize) -> Result<(), Failure> {
        self.budget
            .claim(Some(size))
            .map_err(|message| wrong(&node.at, message))
    }

    fn member_of_root(&self, of: &Node, root: &str, name: &Name) -> Result<Value, Failure> {
        if root == "steps" {
            return self.context.step(&name.text).ok_or_else(|| {
                absent(
                    &name.at,
                    format!("there is no step `{}` here", name.text.escape_debug()),
                )
            });
        }
        match self.context.member(root, &name.text) {
            Some(value) => Ok(value),
            None => member(of, self.value(of)?, &name.text, &name.at),
        }
    }

    fn call(&self, function: Function, arguments: &[Node]) -> Result<Value, Failure> {
        match (function, arguments) {
            (Function::Default, [first, second]) => match self.value(first) {
                Ok(Value::Null) => self.value(second),
                Err(failure) if failure.absent => self.value(second),
                found => found,
            },
            (Function::Has, [member]) => match self.value(member) {
                Ok(_) => Ok(Value::Bool(true)),
                Err(failure) if failure.absent => Ok(Value::Bool(false)),
                Err(failure) => Err(failure),
            },
            _ => {
                let values = arguments
                    .iter()
                    .map(|argument| self.value(argument))
                    .collect::<Result<_, _>>()?;
                Ok(call(function, arguments, values, &self.budget)?)
            }
        }
    }

    fn boolean(&self, node: &Node, operator: &str) -> Result<bool, Failure> {
        match self.value(node)? {
            Value::Bool(value) => Ok(value),
            other => Err(wrong(
                &node.at,
                format!("{operator} takes booleans, not {}", kind_of(&other)),
            )),
        }
    }

    fn unary(&self, operator: Unary, operand: &Node) -> Result<Value, Failure> {
        if operator == Unary::Not {
            return Ok(Value::Bool(!self.boolean(operand, "`!`")?));
        }
        let value = self.value(operand)?;
        let negated = match Number::of(&value) {
            Some(Number::Integer(value)) => value.checked_neg().map(Value::from),
            Some(Number::Float(value)) => Some(Value::from(-value)),
            None => {
                return Err(wrong(
                    &operand.at,
                    format!("`-` takes numbers, not {}", kind_of(&value)),
                ));
            }
        };
        negated.ok_or_else(|| wrong(&operand.at, "the result is beyond the range of 64-bit integers"))
    }

    fn binary(&self, node: &Node, operator: Binary, left: &Node, right: &Node) -> Result<Value, Failure> {
        let symbol = operator.symbol();
        if let Binary::Or | Binary::And = operator {
            let name = format!("`{symbol}`");
            let decided = operator == Binary::Or;
            let value = if self.boolean(left, &name)? == decided {
                decided
            } else {
                self.boolean(right, &name)?
            };
            return Ok(Value::Bool(value));
        }
        let (left_value, right_value) = (self.value(left)?, self.value(right)?);
        let refuse = |takes: &str| {
            let (left, right) = (kind_of(&left_value), kind_of(&right_value));
            wrong(
                &node.at,
                format!("`{symbol}` takes {takes}, not {left} and {right}"),
            )
        };
        match operator {
            Binary::Equal => Ok(Value::Bool(equal(&left_value, &right_value))),
            Binary::NotEqual => Ok(Value::Bool(!equal(&left_value, &right_value))),
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                let order =
                    order(&left_value, &right_value).ok_or_else(|| refuse("two numbers or two texts"))?;
                Ok(Value::Bool(match operator {
                    Binary::Less => order.is_lt(),
                    Binary::LessOrEqual => order.is_le(),
                    Binary::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }))
            }
            Binary::In => match (&left_value, &right_value) {
                (_, Value::Array(items)) => {
                    Ok(Value::Bool(items.iter().any(|item| equal(item, &left_value))))
                }
                (Value::String(key), Value::Object(members)) => Ok(Value::Bool(members.contains_key(key))),
                (Value::String(part), Value::String(text)) => Ok(Value::Bool(text.contains(part.as_str()))),
                _ => Err(refuse("a list, a map or a text on its right")),
            },
            Binary::Add => match (left_value, right_value) {
                (Value::String(left), Value::String(right)) => {
                    self.claim(node, left.len().saturating_add(right.len()))?;
                    Ok(Value::String(left + &right))
                }
                (Value::Array(mut left), Value::Array(right)) => {
                    self.claim(
                        node,
                        left.iter()
                            .chain(&right)
                            .map(weight)
                            .fold(0, usize::saturating_add),
                    )?;
                    left.extend(right);
                    Ok(Value::Array(left))
                }
                (left, right) => match (Number::of(&left), Number::of(&right)) {
                    (Some(left), Some(right)) => {
                        calculate(operator, left, right).map_err(|message| wrong(&node.at, message))
                    }
                    _ => Err(wrong(
                        &node.at,
                        format!(
                            "`+` takes two numbers, two texts or two lists, not {} and {}",
                            kind_of(&left),
                            kind_of(&right)
                        ),
                    )),
                },
            },
            _ => match (Number::of(&left_value), Number::of(&right_value)) {
                (Some(left), Some(right)) => {
                    calculate(operator, left, right).map_err(|message| wrong(&node.at, message))
                }
                _ => Err(refuse("numbers")),
            },
        }
    }
}

/// Roughly what a value weighs in bytes.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len().saturating_add(ELEMENT),
        Value::Array(items) => items.iter().map(weight).fold(ELEMENT, usize::saturating_add),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| weight(value).saturating_add(key.len()))
            .fold(ELEMENT, usize::saturating_add),
        _ => ELEMENT,
    }
}

fn member(of: &Node, value: Value, name: &str, at: &Range<usize>) -> Result<Value, Failure> {
    let Value::Object(mut members) = value else {
        let message = format!(
            "`{of}` is {}, which has no member `{}`",
            kind_of(&value),
            name.escape_debug()
        );
        // Nothing is a member of null: what is optional is absent as a whole.
        return Err(if value.is_null() {
            absent(at, message)
        } else {
            wrong(at, message)
        });
    };
    match members.swap_remove(name) {
        Some(found) => Ok(found),
        None => {
            let mut failure = absent(at, format!("`{of}` has no member `{}`", name.escape_debug()));
            failure.error = failure
                .error
                .did_you_mean(name, members.keys().map(String::as_str));
            Err(failure)
        }
    }
}

fn element(of: &Node, value: Value, index: &Node, at: &Value) -> Result<Value, Failure> {
    match (value, at) {
        (Value::Array(mut items), Value::Number(number)) => {
            let place = number.as_u64().and_then(|place| usize::try_from(place).ok());
            match place {
                Some(place) if place < items.len() => Ok(items.swap_remove(place)),
                _ if number.is_f64() => Err(wrong(&index.at, "the index of a list is an integer, not float")),
                _ => {
                    let message = format!("there is no element {number}: `{of}` has {}, from 0", items.len());
                    Err(absent(&index.at, message))
                }
            }
        }
        (value @ (Value::Object(_) | Value::Null), Value::String(name)) => member(of, value, name, &index.at),
        (Value::Array(_), other) => Err(wrong(
            &index.at,
            format!("the index of a list is an integer, not {}", kind_of(other)),
        )),
        (Value::Object(_), other) => Err(wrong(
            &index.at,
            format!("the index of a map is a text, not {}", kind_of(other)),
        )),
        (other, _) => Err(wrong(
            &index.at,
            format!("`{of}` is {}, which has no elements", kind_of(&other)),
        )),
    }
}
