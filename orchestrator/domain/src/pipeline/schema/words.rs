//! How messages speak of values.

use crate::pipeline::reader::{Content, Node, Scalar};

/// A value in a few words: `the text "abc"`, `a list`.
pub(crate) fn describe(node: &Node) -> String {
    match &node.content {
        Content::Scalar(Scalar::Null) => "nothing".to_owned(),
        Content::Scalar(Scalar::Bool(value)) => format!("the boolean {value}"),
        Content::Scalar(Scalar::Number(number)) => format!("the number {number}"),
        Content::Scalar(Scalar::Text(text)) => {
            let mut short: String = text.chars().take(40).collect();
            if short.len() < text.len() {
                short.push('…');
            }
            format!("the text {short:?}")
        }
        Content::List(_) => "a list".to_owned(),
        Content::Map(_) => "a map".to_owned(),
        Content::Unknown => "a value of the run".to_owned(),
    }
}

/// `1 item`, `2 items`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn either(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
