//! Options that cannot hold together.

/// Options that contradict themselves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`options.{option}` {problem}")]
pub struct OptionsFault {
    pub option: &'static str,
    /// The end of a sentence that begins with the option.
    pub problem: String,
}

impl OptionsFault {
    pub(crate) fn new(option: &'static str, problem: impl Into<String>) -> Self {
        Self {
            option,
            problem: problem.into(),
        }
    }
}
