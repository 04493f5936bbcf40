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
