//! From bytes to a tree of positioned values: the only place that knows YAML.
//!
//! YAML 1.2 with the core schema; anchors, aliases and merge keys work. What YAML allows and no
//! pipeline needs is refused with its place: several documents, keys that are not texts, tags of
//! one's own, nesting beyond [`MAX_DEPTH`], aliases that multiply beyond [`MAX_NODES`]. Building is
//! iterative, so no input can exhaust the stack.

pub(crate) mod comment;
pub(crate) mod node;
mod scalar;
mod syntax;
mod tree;

pub(crate) use comment::Ignore;
pub(crate) use node::{Content, Entry, Found, Node, Scalar};

use crate::diagnostic::{FileId, Span};

/// Largest document, in bytes: a pipeline of 10,000 steps has about 2 MiB.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting of lists and maps.
pub(crate) const MAX_DEPTH: usize = 64;
/// Most values of a document, those that aliases repeat included.
pub(crate) const MAX_NODES: usize = 500_000;
/// Longest key, in bytes.
pub(crate) const MAX_KEY: usize = 512;
/// Most bytes of text that aliases may repeat.
const MAX_REPEATED_BYTES: usize = 8 << 20;

/// A document that could be read.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) root: Node,
    /// `# check: ignore=…` comments in order.
    pub(crate) ignores: Vec<Ignore>,
}

/// What is wrong with a document as YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadFault {
    /// A rule of [`super::rules::RULES`].
    pub(crate) code: &'static str,
    pub(crate) span: Span,
    /// One sentence, lower case, no full stop.
    pub(crate) message: String,
    /// A few words beside the place.
    pub(crate) label: String,
    /// Another place that explains it, and what to say there.
    pub(crate) other: Option<Box<(Span, String)>>,
    pub(crate) help: Option<String>,
}

impl ReadFault {
    fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            span,
            message: message.into(),
            label: String::new(),
            other: None,
            help: None,
        }
    }

    fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The text of a file as far as it is text, and the fault if it is not or is too large. The text
/// is what positions count in; it is never longer than [`MAX_BYTES`].
pub(crate) fn decode(file: FileId, bytes: Vec<u8>) -> (String, Option<ReadFault>) {
    let size = bytes.len();
    if size > MAX_BYTES {
        let fault = ReadFault::new(
            "S01/limit",
            Span {
                file,
                start: 0,
                end: 0,
            },
            format!("the file has {size} bytes; at most {MAX_BYTES} are read"),
        )
        .help("split it: steps into library files, contracts into files of their own");
        // Enough of it to show the first line.
        let shown = bytes.iter().take(200).position(|b| *b == b'\n').unwrap_or(200);
        return (String::from_utf8_lossy(&bytes[..shown]).into_owned(), Some(fault));
    }
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let start = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            let fault = ReadFault::new(
                "S01/encoding",
                Span {
                    file,
                    start,
                    end: start + '\u{fffd}'.len_utf8(),
                },
                if is_utf16 {
                    "the file is UTF-16, not UTF-8"
                } else {
                    "the file is not UTF-8 from here on"
                },
            )
            .label("not UTF-8")
            .help("save the file as UTF-8");
            (String::from_utf8_lossy(&bytes).into_owned(), Some(fault))
        }
    }
}

/// Reads one document. With faults the document may still be there: a duplicate key, for one,
/// does not keep the rest from being checked.
pub(crate) fn read(file: FileId, text: &str) -> (Option<Document>, Vec<ReadFault>) {
    tree::read(file, text)
}

#[cfg(test)]
mod tests;
