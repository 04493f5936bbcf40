//! What is wrong with an expression, at which of its words.

use std::ops::Range;
use trainyard_contract::Finding;
use trainyard_contract::finding::{Path, nearest};

/// A fault of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Code of the rule, as `trainyard explain` knows it.
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
    /// Bytes of the text; empty if it is the text as a whole.
    pub range: Range<usize>,
}

impl Fault {
    pub(crate) fn new(code: &'static str, range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            range,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with the nearest of some names, or else all of them if they are few.
    pub(crate) fn near<'n>(self, word: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        match nearest(word, names.iter().copied()) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None if !names.is_empty() && names.len() <= 40 => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                self.help(format!("there are {}", names.join(", ")))
            }
            None => self,
        }
    }

    /// As a finding about `text`, which stands at `path`.
    pub fn finding(self, text: &str, path: Path) -> Finding {
        let finding = Finding::error(self.code, path, self.message).at_range(text, self.range);
        match self.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }
}

/// A value that a strict cast cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value} is not {wanted}; `TRY_CAST` gives a missing value instead")]
pub struct Unevaluable {
    /// As written, cut to 40 characters.
    pub value: String,
    /// The type it was to become.
    pub wanted: String,
}
