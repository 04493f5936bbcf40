//! Diagnostics: findings with a position. One value, many renderers.

pub mod explain;
pub mod render;
pub mod source;

pub use source::{FileId, SourceFile, Sources, Span};
pub use trainyard_contract::Severity;

/// One fault or remark at a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, `FAMILY/rule`, e.g. `S01/unknown-key`, `M01/known-too-late`. The family is what
    /// `trainyard explain` and `# check: ignore=` take; both also take the whole.
    pub code: String,
    pub severity: Severity,
    /// One sentence, lower case, no full stop.
    pub message: String,
    pub primary: Label,
    /// Other places that explain it.
    pub secondary: Vec<Label>,
    /// Further facts, a line each.
    pub notes: Vec<String>,
    /// What would fix it, one sentence.
    pub help: Option<String>,
    /// The same as an edit, where it is certain.
    pub fix: Option<Fix>,
}

/// What is said beside the place from which a library or another pipeline is used.
const USED_HERE: &str = "used here";

impl Diagnostic {
    /// Points into the files themselves, and says from where they were used: the nearest use first.
    pub(crate) fn settle(&mut self, sources: &Sources) {
        let mut chain = Vec::new();
        let mut file = self.primary.span.file;
        while let Some((_, at)) = sources.use_of(file) {
            chain.push(at);
            file = at.file;
        }
        self.secondary.extend(chain.into_iter().map(|span| Label {
            span,
            text: USED_HERE.to_owned(),
        }));
        let labels = std::iter::once(&mut self.primary.span)
            .chain(self.secondary.iter_mut().map(|label| &mut label.span))
            .chain(self.fix.iter_mut().map(|fix| &mut fix.span));
        labels.for_each(|span| span.file = sources.itself(span.file));
    }

    /// The file that is at fault: of what was found through a use, the one that it began in.
    pub(crate) fn blamed(&self) -> FileId {
        let used = self.secondary.iter().rfind(|label| label.text == USED_HERE);
        used.map_or(self.primary.span.file, |label| label.span.file)
    }

    /// Takes over the uses of the same finding through another use.
    pub(crate) fn also_used(&mut self, other: &mut Self) {
        if !self.secondary.iter().any(|label| label.text == USED_HERE) {
            return;
        }
        for label in other.secondary.drain(..) {
            if label.text == USED_HERE && !self.secondary.contains(&label) {
                self.secondary.push(label);
            }
        }
    }
}

/// A place and what to say there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    /// A few words beside the underline; may be empty.
    pub text: String,
}

/// Replace the text at `span`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    pub span: Span,
    pub replacement: String,
}

/// A diagnostic that a comment in the source asks to pass over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    pub diagnostic: Diagnostic,
    /// As the comment gives it; may be empty.
    pub reason: String,
}
