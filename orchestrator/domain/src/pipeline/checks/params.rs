//! Params: their types, limits and defaults, and what environments and the command line set.
//!
//! Why: a wrong default is otherwise found by the step that uses it, or by nobody.
//!
//! ```yaml
//! params: {late_minutes: {type: integer, default: fifteen}}   # S03/param-value
//! environments: {dev: {params: {late_minuts: 10}}}            # S02/unknown-param
//! ```

use super::{Scene, found};
use crate::expression::{Template, Type};
use crate::pipeline::spec::Param;
use serde_json::{Number, Value};
use trainyard_contract::Path;
use trainyard_contract::finding::nearest;

/// Types a param may have.
const TYPES: &str =
    "boolean, integer, float, string, date, timestamp, duration, or a list of one: list[string]";

/// The type that a param declares.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn type_of(param: &Param) -> Result<Type, String> {
    let of: Type = param.of.parse()?;
    let element = match &of {
        Type::List(of) => of.as_ref(),
        other => other,
    };
    match element {
        Type::Boolean
        | Type::Integer
        | Type::Float
        | Type::String
        | Type::Date
        | Type::Timestamp
        | Type::Duration => Ok(of),
        _ => Err(format!("`{}` is no type of a param; types are {TYPES}", param.of)),
    }
}

/// What keeps a value from being one of the param's, as a sentence about it.
pub(crate) fn value_fault(param: &Param, of: &Type, value: &Value) -> Option<String> {
    if !of.admits(value) {
        return Some(format!("{} is not {}", shown(value), article(of)));
    }
    let elements: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    };
    for element in elements {
        if let Some(number) = element.as_f64() {
            if let Some(least) = param.min.filter(|least| number < *least) {
                return Some(format!("{} is less than {least}", shown(element)));
            }
            if let Some(most) = param.max.filter(|most| number > *most) {
                return Some(format!("{} is more than {most}", shown(element)));
            }
        }
        if !param.choices.is_empty() && !param.choices.contains(element) {
            let choices: Vec<String> = param.choices.iter().map(shown).collect();
            let near = element
                .as_str()
                .and_then(|text| nearest(text, param.choices.iter().filter_map(Value::as_str)))
                .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Some(format!(
                "{} is none of {}{near}",
                shown(element),
                choices.join(", ")
            ));
        }
    }
    None
}

fn article(of: &Type) -> String {
    match of {
        Type::Integer => "an integer".to_owned(),
        other => format!("a {other}"),
    }
}

/// What a param is declared to be, with its article.
pub(crate) fn declaration(param: &Param) -> String {
    let article = if param.of == "integer" { "an" } else { "a" };
    format!("{article} {}", param.of)
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        format!("{short}…")
    } else {
        short
    }
}

/// A value as the command line gives it, by the declared type.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn parse_text(param: &Param, text: &str) -> Result<Value, String> {
    let of = type_of(param)?;
    let value = match &of {
        Type::List(of) => {
            let items: Vec<&str> = match text
                .trim()
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                Some(inside) => {
                    if let Ok(value @ Value::Array(_)) = serde_json::from_str::<Value>(text) {
                        return checked(param, &Type::List(of.clone()), value);
                    }
                    inside.split(',').collect()
                }
                None => text.split(',').collect(),
            };
            let items: Result<Vec<Value>, String> = items
                .into_iter()
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| scalar(of, item))
                .collect();
            Value::Array(items?)
        }
        of => scalar(of, text)?,
    };
    checked(param, &of, value)
}

fn checked(param: &Param, of: &Type, value: Value) -> Result<Value, String> {
    match value_fault(param, of, &value) {
        Some(fault) => Err(fault),
        None => Ok(value),
    }
}

fn scalar(of: &Type, text: &str) -> Result<Value, String> {
    let wrong = || format!("`{text}` is not {}", article(of));
    match of {
        Type::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(format!("{}; write `true` or `false`", wrong())),
        },
        Type::Integer => text.parse::<i64>().map(Value::from).map_err(|_| wrong()),
        Type::Float => {
            let number = text
                .parse::<f64>()
                .ok()
                .and_then(Number::from_f64)
                .ok_or_else(wrong)?;
            Ok(Value::Number(number))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

pub(super) fn run(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    let sources = scene.sources;
    let at = Path::root().key("params");
    for (name, param) in &draft.spec.params {
        let at = at.key(name);
        let of = match type_of(param) {
            Ok(of) => of,
            Err(message) => {
                let span = draft.span(sources, &at.key("type"));
                let finding = found("S01/wrong-format", span, message)
                    .label("not a type")
                    .help(format!("types are {TYPES}"));
                scene.add(finding);
                continue;
            }
        };
        if let (Some(least), Some(most)) = (param.min, param.max)
            && least > most
        {
            let span = draft.span(sources, &at.key("min"));
            scene.add(
                found(
                    "S01/out-of-range",
                    span,
                    format!("`min` of `{name}` is {least}, more than `max`, which is {most}"),
                )
                .label("more than `max`")
                .help("swap the two"),
            );
        }
        if let Some(default) = &param.default
            && !default.as_str().is_some_and(Template::is_in)
            && let Some(fault) = value_fault(param, &of, default)
        {
            let span = draft.span(sources, &at.key("default"));
            scene.add(wrong_value(name, param, span, &fault));
        }
        for (index, choice) in param.choices.iter().enumerate() {
            let element = match &of {
                Type::List(of) => of.as_ref(),
                other => other,
            };
            if !element.admits(choice) {
                let span = draft.span(sources, &at.key("choices").index(index));
                let fault = format!("{} is not {}", shown(choice), article(element));
                scene.add(
                    found("S03/param-value", span, format!("a choice of `{name}`: {fault}"))
                        .label("wrong type"),
                );
            }
        }
    }
    environments(scene);
    if let Some(chosen) = scene.environment
        && !scene.environments_declared().iter().any(|name| name == chosen)
    {
        let span = draft.key_span(sources, &Path::root().key("environments"));
        let known = scene.environments_declared();
        let finding = found(
            "S02/unknown-environment",
            span,
            format!("there is no environment `{chosen}`"),
        );
        let finding = match nearest(chosen, known.iter().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None if known.is_empty() => finding.help("declare it under `environments:`"),
            None => finding.help(format!("environments are {}", known.join(", "))),
        };
        scene.add(finding);
    }
    for (name, text) in scene.params {
        let Some(param) = draft.spec.params.get(name) else {
            continue;
        };
        if let Err(fault) = parse_text(param, text) {
            let span = draft.key_span(sources, &at.key(name));
            scene.add(
                wrong_value(name, param, span, &fault).note(format!("given on the command line as `{text}`")),
            );
        }
    }
}

fn wrong_value(name: &str, param: &Param, span: crate::diagnostic::Span, fault: &str) -> super::Finding {
    found(
        "S03/param-value",
        span,
        format!("the param `{name}` is {}: {fault}", declaration(param)),
    )
    .label(format!("not a value of `{name}`"))
    .help(limits(param))
}

fn limits(param: &Param) -> String {
    let mut limits = vec![format!("write a value of type {}", param.of)];
    limits.extend(param.min.map(|least| format!("at least {least}")));
    limits.extend(param.max.map(|most| format!("at most {most}")));
    if !param.choices.is_empty() {
        let choices: Vec<String> = param.choices.iter().map(shown).collect();
        limits.push(format!("one of {}", choices.join(", ")));
    }
    limits.join(", ")
}

fn environments(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    let names = scene.environments_declared();
    for (name, environment) in &draft.spec.environments {
        let at = Path::root().key("environments").key(name);
        if let Some(from) = &environment.promote_from
            && (!names.contains(from) || from == name)
        {
            let span = draft.span(scene.sources, &at.key("promote_from"));
            let finding = found(
                "S02/unknown-environment",
                span,
                format!("`{name}` cannot be promoted from `{from}`"),
            )
            .label("no other environment");
            scene.add(
                match nearest(
                    from,
                    names.iter().map(String::as_str).filter(|known| known != name),
                ) {
                    Some(near) => finding.did_you_mean(near),
                    None => finding,
                },
            );
        }
        for (param_name, value) in &environment.params {
            let here = at.key("params").key(param_name);
            let Some(param) = draft.spec.params.get(param_name) else {
                let span = draft.key_span(scene.sources, &here);
                let finding = found(
                    "S02/unknown-param",
                    span,
                    format!("`{param_name}` is not a param of this pipeline"),
                )
                .label("not declared");
                scene.add(
                    match nearest(param_name, draft.spec.params.keys().map(String::as_str)) {
                        Some(near) => finding.did_you_mean(near),
                        None => finding.help("declare it under `params:`"),
                    },
                );
                continue;
            };
            if let Ok(of) = type_of(param)
                && let Some(fault) = value_fault(param, &of, value)
            {
                let span = draft.span(scene.sources, &here);
                scene.add(wrong_value(param_name, param, span, &fault));
            }
        }
    }
}

impl Scene<'_> {
    /// Names of all environments, the project's included.
    pub(crate) fn environments_declared(&self) -> Vec<String> {
        let own = self.draft.spec.environments.keys();
        let shared = self
            .project
            .into_iter()
            .flat_map(|project| project.environments.keys());
        let mut names: Vec<String> = own.chain(shared).cloned().collect();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn param(text: Value) -> Param {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_text_of_the_command_line_is_read_by_the_declared_type() {
        let read = |of: &str, text: &str| parse_text(&param(json!({"type": of})), text);
        assert_eq!(read("integer", "12"), Ok(json!(12)));
        assert_eq!(read("float", "0.5"), Ok(json!(0.5)));
        assert_eq!(read("string", "12"), Ok(json!("12")));
        assert_eq!(read("boolean", "true"), Ok(json!(true)));
        assert_eq!(read("date", "2026-11-22"), Ok(json!("2026-11-22")));
        assert_eq!(read("list[string]", "a,b"), Ok(json!(["a", "b"])));
        assert_eq!(read("list[string]", "[\"a,b\"]"), Ok(json!(["a,b"])));
        assert_eq!(read("list[integer]", "[1, 2]"), Ok(json!([1, 2])));
        assert!(read("integer", "1.5").is_err());
        assert!(read("date", "yesterday").is_err());
        assert!(read("boolean", "yes").is_err());
    }

    #[test]
    fn limits_and_choices_hold_for_every_element() {
        let limited = param(json!({"type": "list[integer]", "min": 1, "max": 5}));
        let of = type_of(&limited).unwrap();
        assert_eq!(value_fault(&limited, &of, &json!([1, 5])), None);
        assert_eq!(
            value_fault(&limited, &of, &json!([1, 6])).as_deref(),
            Some("6 is more than 5")
        );
        let chosen = param(json!({"type": "string", "choices": ["fast", "exact"]}));
        let fault = value_fault(&chosen, &Type::String, &json!("fas")).unwrap();
        assert_eq!(
            fault,
            "\"fas\" is none of \"fast\", \"exact\"; did you mean `fast`?"
        );
    }
}
