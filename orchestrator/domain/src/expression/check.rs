//! The types of an expression's parts, and what does not fit.

use super::evaluate::{Nothing, evaluate};
use super::function::{Function, quoted_names, result};
use super::lexer::is_name;
use super::references::{References, collect};
use super::syntax::{Binary, Kind, Name, Node, Unary, quote};
use super::{ErrorKind, ExpressionError, Type, TypeEnv};
use std::collections::BTreeMap;

/// The type of the whole.
pub(super) fn check(node: &Node, env: &TypeEnv) -> Result<Type, ExpressionError> {
    let of = type_of(node, env)?;
    let mut references = References::default();
    collect(node, &mut references);
    if references.mentions.is_empty() {
        // What never changes can be tried now: `1 / 0`, `date('2026-02-30')`.
        evaluate(node, &Nothing).map_err(|failure| failure.error.kind(ErrorKind::Value))?;
    }
    Ok(of)
}

fn type_of(node: &Node, env: &TypeEnv) -> Result<Type, ExpressionError> {
    match &node.kind {
        Kind::Null => Ok(Type::Null),
        Kind::Boolean(_) => Ok(Type::Boolean),
        Kind::Integer(_) => Ok(Type::Integer),
        Kind::Float(_) => Ok(Type::Float),
        Kind::Text(_) => Ok(Type::String),
        Kind::List(items) => {
            let mut of: Option<Type> = None;
            for item in items {
                let item = type_of(item, env)?;
                of = Some(of.map_or_else(|| item.clone(), |of| of.join(&item)));
            }
            Ok(Type::list(of.unwrap_or(Type::Any)))
        }
        Kind::Map(entries) => entries
            .iter()
            .map(|(key, value)| Ok((key.text.clone(), type_of(value, env)?)))
            .collect::<Result<_, _>>()
            .map(Type::Map),
        Kind::Root(name) if name == "steps" => Err(steps_alone(node)),
        Kind::Root(name) => root(node, name, env),
        Kind::Member(of, name) => {
            let inner = match &of.kind {
                Kind::Root(steps) => root(of, steps, env)?,
                _ => type_of(of, env)?,
            };
            member(of, &inner, name)
        }
        Kind::Index(of, index) => element(of, index, env),
        Kind::Call(function, arguments) => {
            let types = arguments
                .iter()
                .map(|argument| type_of(argument, env))
                .collect::<Result<Vec<_>, _>>()?;
            result(*function, arguments, &types)
        }
        Kind::Unary(operator, operand) => unary(*operator, operand, type_of(operand, env)?),
        Kind::Binary(operator, left, right) => {
            let (left_type, right_type) = (type_of(left, env)?, type_of(right, env)?);
            binary(node, *operator, (left, &left_type), (right, &right_type))
        }
        Kind::Choice(condition, then, otherwise) => {
            boolean(condition, &type_of(condition, env)?, "`?`")?;
            Ok(type_of(then, env)?.join(&type_of(otherwise, env)?))
        }
    }
}

/// `steps` without a name: which steps an expression waits for must be known without running.
pub(super) fn steps_alone(node: &Node) -> ExpressionError {
    ExpressionError::new(node.at.clone(), "`steps` needs the name of a step")
        .help("write `steps.NAME`; the name is written out, so that the order of steps is known")
}

fn root(node: &Node, name: &str, env: &TypeEnv) -> Result<Type, ExpressionError> {
    if let Some(of) = env.roots.get(name) {
        return Ok(of.clone());
    }
    let at = node.at.clone();
    if let Some(reason) = env.absent.get(name) {
        return Err(
            ExpressionError::new(at, format!("`{name}` cannot be used here: {reason}"))
                .kind(ErrorKind::UnknownName),
        );
    }
    let error = ExpressionError::new(at, format!("there is no name `{name}`")).kind(ErrorKind::UnknownName);
    if let Some(function) = Function::named(name) {
        return Err(error.help(format!("`{name}` is a function; call it: `{}`", function.usage())));
    }
    let inside = env
        .roots
        .iter()
        .find(|(_, of)| matches!(of, Type::Map(members) if members.contains_key(name)));
    if let Some((root, _)) = inside {
        let full = format!("{root}.{name}");
        return Err(ExpressionError {
            replacement: Some(full.clone()),
            ..error.help(format!("did you mean `{full}`?"))
        });
    }
    Err(error
        .help(format!(
            "names are {}; texts stand in quotes: '{name}'",
            quoted_names(env.roots.keys())
        ))
        .did_you_mean(name, env.roots.keys().map(String::as_str)))
}

fn member(of_node: &Node, of: &Type, name: &Name) -> Result<Type, ExpressionError> {
    match of {
        Type::Any => Ok(Type::Any),
        Type::MapOf(of) => Ok(of.as_ref().clone()),
        Type::Map(members) => match members.get(&name.text) {
            Some(found) => Ok(found.clone()),
            None => Err(unknown_member(of_node, name, members)),
        },
        Type::List(_) => {
            let message = format!("`{of_node}` is a list, which has no member `{}`", name.text);
            let error = ExpressionError::new(name.at.clone(), message);
            Err(
                if matches!(&of_node.kind, Kind::Member(root, _) if is_root(root, "steps")) {
                    error.kind(ErrorKind::ManyCells).help(format!(
                    "a step with a matrix is the list of its cells: choose one, `{of_node}[0]` or `argmax({of_node}, 'metrics.NAME')`"
                ))
                } else {
                    error.help(format!("choose an element: `{of_node}[0].{}`", name.text))
                },
            )
        }
        other => {
            let message = format!("`{of_node}` is {other}, which has no member `{}`", name.text);
            Err(ExpressionError::new(name.at.clone(), message))
        }
    }
}

fn is_root(node: &Node, name: &str) -> bool {
    matches!(&node.kind, Kind::Root(root) if root == name)
}

fn unknown_member(of: &Node, name: &Name, members: &BTreeMap<String, Type>) -> ExpressionError {
    let word = name.text.escape_debug();
    let (kind, message) = match &of.kind {
        Kind::Root(root) => match root.as_str() {
            "params" => (ErrorKind::UnknownParam, format!("there is no param `{word}`")),
            "vars" => (ErrorKind::UnknownVar, format!("there is no variable `{word}`")),
            "steps" => (ErrorKind::UnknownStep, format!("there is no step `{word}`")),
            "matrix" => (
                ErrorKind::UnknownName,
                format!("this step's matrix has no key `{word}`"),
            ),
            _ => (ErrorKind::UnknownName, format!("`{root}` has no member `{word}`")),
        },
        Kind::Member(step, outputs) if outputs.text == "outputs" => match &step.kind {
            Kind::Member(steps, step) if is_root(steps, "steps") => (
                ErrorKind::UnknownOutput,
                format!("step `{}` has no output `{word}`", step.text),
            ),
            _ => (ErrorKind::UnknownOutput, format!("there is no output `{word}`")),
        },
        _ => (ErrorKind::UnknownName, format!("`{of}` has no member `{word}`")),
    };
    let error = ExpressionError::new(name.at.clone(), message).kind(kind);
    // `steps.my-step` reads as a subtraction, so the first part of the name is what is unknown.
    let hyphened = members.keys().find(|key| {
        key.strip_prefix(name.text.as_str())
            .is_some_and(|rest| rest.starts_with('-'))
    });
    if let Some(key) = hyphened {
        return error.help(format!(
            "names with `-` stand in brackets: `{of}[{}]`",
            quote(key)
        ));
    }
    if members.is_empty() {
        return error;
    }
    let names = format!("there are {}", quoted_names(members.keys()));
    error.help(names).did_you_mean(
        &name.text,
        members.keys().map(String::as_str).filter(|key| is_name(key)),
    )
}

fn element(of_node: &Node, index: &Node, env: &TypeEnv) -> Result<Type, ExpressionError> {
    let of = type_of(of_node, env)?;
    let index_type = type_of(index, env)?;
    let wanted = match &of {
        Type::Any => return Ok(Type::Any),
        Type::List(of) if index_type.fits(&Type::Integer) => {
            if let Kind::Integer(negative @ ..0) = index.kind {
                let message = format!("index {negative} is before the first element");
                return Err(ExpressionError::new(index.at.clone(), message).help("elements count from 0"));
            }
            return Ok(of.as_ref().clone());
        }
        Type::MapOf(of) if index_type.fits(&Type::String) => return Ok(of.as_ref().clone()),
        Type::Map(members) if index_type.fits(&Type::String) => {
            return Ok(members
                .values()
                .cloned()
                .reduce(|one, other| one.join(&other))
                .unwrap_or(Type::Any));
        }
        Type::List(_) => "an integer",
        Type::Map(_) | Type::MapOf(_) => "a text",
        other => {
            let message = format!("`{of_node}` is {other}, which has no elements");
            return Err(ExpressionError::new(index.at.clone(), message));
        }
    };
    let message = format!("the index of a {of} is {wanted}, not {index_type}");
    Err(ExpressionError::new(index.at.clone(), message))
}

fn boolean(node: &Node, of: &Type, operator: &str) -> Result<(), ExpressionError> {
    if of.fits(&Type::Boolean) {
        return Ok(());
    }
    let error = ExpressionError::new(node.at.clone(), format!("{operator} takes booleans, not {of}"));
    Err(match of {
        _ if of.is_number() => error.help("compare it: `… > 0`"),
        _ if of.is_text() => error.help("compare it: `… == 'text'`"),
        Type::List(_) | Type::Map(_) | Type::MapOf(_) => error.help("ask for its length: `len(…) > 0`"),
        _ => error,
    })
}

fn unary(operator: Unary, operand: &Node, of: Type) -> Result<Type, ExpressionError> {
    match operator {
        Unary::Not => boolean(operand, &of, "`!`").map(|()| Type::Boolean),
        Unary::Negate if of == Type::Any => Ok(Type::Float),
        Unary::Negate if of.is_number() => Ok(of),
        Unary::Negate => Err(ExpressionError::new(
            operand.at.clone(),
            format!("`-` takes numbers, not {of}"),
        )),
    }
}

fn binary(
    node: &Node,
    operator: Binary,
    (left_node, left): (&Node, &Type),
    (right_node, right): (&Node, &Type),
) -> Result<Type, ExpressionError> {
    let symbol = operator.symbol();
    let any = *left == Type::Any || *right == Type::Any;
    match operator {
        Binary::Or | Binary::And => {
            boolean(left_node, left, &format!("`{symbol}`"))?;
            boolean(right_node, right, &format!("`{symbol}`"))?;
            Ok(Type::Boolean)
        }
        Binary::Equal | Binary::NotEqual => {
            let null = *left == Type::Null || *right == Type::Null;
            if any || null || left.fits(right) || right.fits(left) {
                return Ok(Type::Boolean);
            }
            let message = format!("`{symbol}` compares {left} with {right}, which are never equal");
            Err(ExpressionError::new(node.at.clone(), message))
        }
        Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
            let ordered = |of: &Type| of.is_number() || of.is_text() || *of == Type::Any;
            let comparable = any || (left.is_number() && right.is_number()) || left.fits(right);
            if ordered(left) && ordered(right) && comparable {
                return Ok(Type::Boolean);
            }
            let message = format!("`{symbol}` compares numbers or texts, not {left} with {right}");
            Err(ExpressionError::new(node.at.clone(), message))
        }
        Binary::In => match right {
            Type::Any => Ok(Type::Boolean),
            Type::List(of) if left.fits(of) || of.fits(left) => Ok(Type::Boolean),
            Type::Map(_) | Type::MapOf(_) if left.fits(&Type::String) => Ok(Type::Boolean),
            text if text.is_text() && left.fits(&Type::String) => Ok(Type::Boolean),
            Type::List(of) => {
                let message = format!("a list of {of} never holds {left}");
                Err(ExpressionError::new(left_node.at.clone(), message))
            }
            other => {
                let message = format!("`in` looks in a list, a map or a text, not for {left} in {other}");
                Err(ExpressionError::new(right_node.at.clone(), message))
            }
        },
        Binary::Add => match (left, right) {
            (Type::Any, _) | (_, Type::Any) => Ok(Type::Any),
            (left, right) if left.is_number() && right.is_number() => Ok(left.join(right)),
            (left, right) if left.is_text() && right.is_text() => Ok(Type::String),
            (Type::List(_), Type::List(_)) => Ok(left.join(right)),
            (left, right) => {
                let message =
                    format!("`+` takes two numbers, two texts or two lists, not {left} and {right}");
                let error = ExpressionError::new(node.at.clone(), message);
                Err(match (left, right) {
                    (Type::Date | Type::Timestamp, Type::Integer) => error.help("use `add_days(date, days)`"),
                    _ if left.is_text() || right.is_text() => error.help("make it a text: `string(…)`"),
                    _ => error,
                })
            }
        },
        Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder => {
            let number = |of: &Type| of.is_number() || *of == Type::Any;
            if number(left) && number(right) {
                return Ok(if any { Type::Float } else { left.join(right) });
            }
            let error = ExpressionError::new(
                node.at.clone(),
                format!("`{symbol}` takes numbers, not {left} and {right}"),
            );
            let days = operator == Binary::Subtract && *left == Type::Date;
            Err(if days {
                error.help("use `days_between(from, to)` or `add_days(date, -1)`")
            } else {
                error
            })
        }
    }
}
