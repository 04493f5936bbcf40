//! What is wrong with a query, at which of its words.

use std::ops::Range;
use trainyard_contract::Finding;
use trainyard_contract::finding::{Path, nearest};

/// A fault of a query or expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misuse {
    code: &'static str,
    message: String,
    help: Option<String>,
    warns: bool,
    /// Bytes of the text.
    pub(crate) range: Range<usize>,
}

impl Misuse {
    pub(super) fn new(code: &'static str, range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            warns: false,
            range,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same as a warning: the query runs, and may not do what was meant.
    pub(super) fn warning(mut self) -> Self {
        self.warns = true;
        self
    }

    /// The same with the nearest of some names, or else all of them if they are few.
    pub(super) fn near<'n>(self, word: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        match nearest(word, names.iter().copied()) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None if !names.is_empty() && names.len() <= 40 => {
                self.help(format!("there are {}", crate::fault::list(&names)))
            }
            None => self,
        }
    }

    /// As a finding about `text`, which stands at `path`.
    pub(crate) fn finding(self, text: &str, path: Path) -> Finding {
        let finding = if self.warns {
            Finding::warning(self.code, path, self.message)
        } else {
            Finding::error(self.code, path, self.message)
        };
        let finding = finding.at_range(text, self.range);
        match self.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }
}
