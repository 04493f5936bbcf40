//! Types of values, and texts that have to be something.

use super::words::{describe, either};
use super::zone::{Meant, is_zone};
use super::{Place, Walk};
use crate::pipeline::reader::{Content, Node, Scalar};
use crate::pool::Rate;
use trainyard_contract::schema::DATA_TYPE_NAMES;
use trainyard_contract::{ByteSize, DataType, Millis};

/// Whether a value is of a JSON Schema type.
pub(super) fn is(node: &Node, wanted: &str) -> bool {
    match (wanted, &node.content) {
        (_, Content::Unknown)
        | ("null", Content::Scalar(Scalar::Null))
        | ("boolean", Content::Scalar(Scalar::Bool(_)))
        | ("number", Content::Scalar(Scalar::Number(_)))
        | ("string", Content::Scalar(Scalar::Text(_)))
        | ("array", Content::List(_))
        | ("object", Content::Map(_)) => true,
        ("integer", Content::Scalar(Scalar::Number(number))) => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

fn name(wanted: &str) -> String {
    match wanted {
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a text",
        "boolean" => "a boolean",
        "array" => "a list",
        "object" => "a map",
        other => other,
    }
    .to_owned()
}

/// Reports a value of a wrong type, with the fix where it is plain.
pub(super) fn wrong_type(node: &Node, wanted: &[&str], place: Place<'_>, walk: &mut Walk<'_>) {
    let names: Vec<String> = wanted
        .iter()
        .filter(|of| **of != "null")
        .map(|of| name(of))
        .collect();
    let names = either(&names);
    let span = place.span(node);
    let has = |of: &str| wanted.contains(&of);
    let mut fix = None;
    let help = match &node.content {
        Content::Scalar(Scalar::Text(text)) if has("integer") && text.parse::<i64>().is_ok() => {
            fix = Some(text.to_string());
            Some(format!("remove the quotes: {text}"))
        }
        Content::Scalar(Scalar::Text(text))
            if has("number") && text.parse::<f64>().is_ok_and(f64::is_finite) =>
        {
            fix = Some(text.to_string());
            Some(format!("remove the quotes: {text}"))
        }
        Content::Scalar(Scalar::Text(text)) if has("boolean") => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" | "y" => Some("true"),
            "no" | "off" | "false" | "n" => Some("false"),
            _ => None,
        }
        .map_or_else(
            || Some("write `true` or `false`".to_owned()),
            |value| {
                fix = Some(value.to_owned());
                Some(format!("write `{value}`"))
            },
        ),
        Content::Scalar(Scalar::Number(number)) if has("string") => {
            fix = Some(format!("\"{number}\""));
            Some(format!("put it in quotes: \"{number}\""))
        }
        Content::Scalar(Scalar::Bool(value)) if has("string") => {
            fix = Some(format!("\"{value}\""));
            Some(format!("put it in quotes: \"{value}\""))
        }
        Content::Scalar(scalar) if has("array") && *scalar != Scalar::Null => {
            let text = match scalar {
                Scalar::Text(text) => text.to_string(),
                Scalar::Number(number) => number.to_string(),
                Scalar::Bool(value) => value.to_string(),
                Scalar::Null => String::new(),
            };
            if text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
            {
                fix = Some(format!("[{text}]"));
            }
            Some(format!("write a list: [{text}]"))
        }
        Content::Scalar(Scalar::Null) => Some(format!("write {names}, or leave the key out")),
        _ => None,
    };
    walk.report(
        "S01/wrong-type",
        span,
        format!("{} has to be {names}, not {}", place.subject(), describe(node)),
        &format!("not {names}"),
        help,
    );
    if let Some(fix) = fix {
        walk.fix(span, fix);
    }
}

/// What is wrong with a text that has to be something.
pub(super) struct WrongText {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) label: &'static str,
    pub(super) help: Option<String>,
    pub(super) fix: Option<String>,
}

const WRONG_FORMAT: &str = "S01/wrong-format";

/// Checks a text against what `x-kind` or `format` says it has to be.
pub(super) fn wrong_text(kind: &str, text: &str) -> Option<WrongText> {
    let wrong = |message: String, label: &'static str, help: &str| {
        Some(WrongText {
            code: WRONG_FORMAT,
            message,
            label,
            help: Some(help.to_owned()),
            fix: None,
        })
    };
    let shown: String = text.chars().take(60).collect();
    match kind {
        "duration" if text.parse::<Millis>().is_err() => {
            let spelled = spelled_duration(text);
            Some(WrongText {
                code: WRONG_FORMAT,
                message: format!("`{shown}` is not a duration"),
                label: "not a duration",
                help: Some(spelled.as_ref().map_or_else(
                    || "write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `3d`".to_owned(),
                    |spelled| format!("write `{spelled}`"),
                )),
                fix: spelled,
            })
        }
        "rate" if text.parse::<Rate>().is_err() => wrong(
            format!("`{shown}` is not a rate"),
            "not a rate",
            "write a number of starts, at most 10000, and a time: `10/1m`, `100/1h`",
        ),
        "size" if text.parse::<ByteSize>().is_err() => {
            let binary = ["K", "M", "G", "T"]
                .iter()
                .find_map(|unit| {
                    let digits = text
                        .strip_suffix(unit)
                        .or_else(|| text.strip_suffix(&format!("{unit}B")))?;
                    digits.parse::<u64>().is_ok().then(|| format!("{digits}{unit}i"))
                })
                .or_else(|| {
                    text.strip_suffix('B')
                        .filter(|rest| rest.parse::<ByteSize>().is_ok())
                        .map(str::to_owned)
                });
            Some(WrongText {
                code: WRONG_FORMAT,
                message: format!("`{shown}` is not a size"),
                label: "not a size",
                help: Some(binary.as_ref().map_or_else(
                    || "write a whole number and a unit: `512Ki`, `512Mi`, `8Gi`, `1Ti`".to_owned(),
                    |binary| format!("write `{binary}`"),
                )),
                fix: binary,
            })
        }
        "data_type" => {
            if let Ok(known) = text.parse::<DataType>() {
                return wrong_zone_of(known);
            }
            let mean = match text.to_ascii_lowercase().as_str() {
                "int" | "integer" => Some("int32"),
                "long" | "bigint" => Some("int64"),
                "float" => Some("float32"),
                "double" | "number" => Some("float64"),
                "bool" => Some("boolean"),
                "str" | "text" | "varchar" => Some("string"),
                "timestamp" | "datetime" => Some("timestamp[us, UTC]"),
                other => trainyard_contract::finding::nearest(other, DATA_TYPE_NAMES.iter().copied()),
            };
            Some(WrongText {
                code: WRONG_FORMAT,
                message: format!("`{shown}` is not a column type"),
                label: "not a column type",
                help: Some(mean.map_or_else(
                    || format!("types are {}", DATA_TYPE_NAMES.join(", ")),
                    |mean| format!("did you mean `{mean}`?"),
                )),
                fix: mean.filter(|mean| !mean.contains(',')).map(str::to_owned),
            })
        }
        "time_of_day" if !is_time_of_day(text) => wrong(
            format!("`{shown}` is not a time of day"),
            "not a time",
            "write `HH:MM` in quotes, e.g. \"06:00\"",
        ),
        "timezone" if !is_zone(text) => Some(wrong_zone(text)),
        _ => None,
    }
}

/// `90 min`, `1 hour`, `30sec` as our durations.
fn spelled_duration(text: &str) -> Option<String> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let unit = match text[at..].trim().to_ascii_lowercase().as_str() {
        "" => return None,
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "ms" | "msec" | "millis" | "milliseconds" => "ms",
        _ => return None,
    };
    let spelled = format!("{}{unit}", &text[..at]);
    spelled.parse::<Millis>().is_ok().then_some(spelled)
}

fn is_time_of_day(text: &str) -> bool {
    let Some((hour, minute)) = text.split_once(':') else {
        return false;
    };
    let within = |part: &str, limit: u8| {
        part.len() == 2
            && part.bytes().all(|b| b.is_ascii_digit())
            && part.parse::<u8>().is_ok_and(|n| n < limit)
    };
    within(hour, 24) && within(minute, 60)
}

/// A zone that the database does not have. Only a name that is surely meant is put in its place:
/// what looks alike may lie on another continent.
fn wrong_zone(text: &str) -> WrongText {
    let shown: String = text.chars().take(60).collect();
    let meant = Meant::by(text);
    let fix = match meant {
        Some(Meant::Surely(zone)) => Some(zone.to_owned()),
        Some(Meant::Perhaps(_)) | None => None,
    };
    WrongText {
        code: "S01/unknown-timezone",
        message: format!("`{shown}` is not a time zone"),
        label: "not a time zone",
        help: Some(meant.map_or_else(
            || "write a name of the IANA database such as `Europe/Berlin` or `UTC`".to_owned(),
            |meant| format!("did you mean `{}`?", meant.name()),
        )),
        fix,
    }
}

/// The zone of a column type, or of what its lists hold.
fn zone_of(kind: &mut DataType) -> Option<&mut String> {
    match kind {
        DataType::Timestamp(_, zone) => zone.as_mut(),
        DataType::List(inner) => zone_of(inner),
        _ => None,
    }
}

/// A column type of a zone that there is not. The whole type is proposed, which is quoted in some
/// places and not in others, so nothing is put in its place.
fn wrong_zone_of(mut kind: DataType) -> Option<WrongText> {
    let zone = zone_of(&mut kind).filter(|zone| !is_zone(zone))?;
    let wrong = wrong_zone(zone);
    let help = match Meant::by(zone) {
        Some(meant) => {
            meant.name().clone_into(zone);
            Some(format!("did you mean `{kind}`?"))
        }
        None => wrong.help,
    };
    Some(WrongText {
        help,
        fix: None,
        ..wrong
    })
}

/// Message and help for a text that does not match a pattern.
pub(super) fn wrong_pattern(subject: &str, pattern: &str, text: &str) -> (String, String) {
    let shown: String = text.chars().take(60).collect();
    if pattern == crate::pipeline::spec::NAME_PATTERN {
        let proposal: String = text
            .to_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .skip_while(|c| !c.is_ascii_lowercase())
            .take(63)
            .collect();
        let help = if proposal.is_empty() {
            "names are a lower-case letter, then up to 62 of a-z, 0-9, `_` and `-`".to_owned()
        } else {
            format!("write `{proposal}`: a lower-case letter, then up to 62 of a-z, 0-9, `_` and `-`")
        };
        return (format!("`{shown}` is not a valid name"), help);
    }
    (
        format!("{subject} is `{shown}`, which has not the form it needs"),
        format!("it has to match `{pattern}`"),
    )
}
