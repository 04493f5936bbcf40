//! Which version of its files a run goes by.

use serde::{Deserialize, Serialize};

/// The state of the repository that a run's files lay in when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeVersion {
    /// The commit's whole id, in hexadecimal digits.
    pub commit: String,
    /// The branch that was checked out, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Files that the run goes by and that were not as in the commit, by path from the project folder; of
    /// many the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Set where the files are those of a revision; else they are those of the project folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pinned>,
}

/// A revision that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// As it was asked for: a branch, a tag, a commit.
    pub revision: String,
    /// Id of the tree that the project folder was in that commit.
    pub tree: String,
}

impl CodeVersion {
    /// Whether a file of the run was not as in the commit.
    pub fn is_dirty(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The beginning of the commit's id, as people write it.
    pub fn short(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }
}

impl std::fmt::Display for CodeVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.short())?;
        match (&self.pinned, &self.branch) {
            (Some(pinned), _) if !self.commit.starts_with(&pinned.revision) => {
                write!(f, " ({})", pinned.revision)?;
            }
            (None, Some(branch)) => write!(f, " on {branch}")?,
            _ => {}
        }
        match self.changed.as_slice() {
            [] => Ok(()),
            [one] => write!(f, ", with changes in {one}"),
            [first, others @ ..] => write!(f, ", with changes in {first} and {} more", others.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> CodeVersion {
        CodeVersion {
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            branch: None,
            changed: Vec::new(),
            pinned: None,
        }
    }

    #[test]
    fn a_version_says_in_a_line_what_a_person_asks_of_it() {
        assert_eq!(version().to_string(), "0123456789ab");
        let on_branch = CodeVersion {
            branch: Some("main".to_owned()),
            changed: vec!["pipelines/a.yaml".to_owned()],
            ..version()
        };
        assert!(on_branch.is_dirty());
        assert_eq!(
            on_branch.to_string(),
            "0123456789ab on main, with changes in pipelines/a.yaml"
        );
        let many = CodeVersion {
            changed: vec!["a.py".to_owned(), "b.py".to_owned(), "c.py".to_owned()],
            ..version()
        };
        assert_eq!(many.to_string(), "0123456789ab, with changes in a.py and 2 more");
    }

    #[test]
    fn a_revision_is_named_as_it_was_asked_for_unless_that_is_the_commit_itself() {
        let pinned = |revision: &str| CodeVersion {
            branch: Some("main".to_owned()),
            pinned: Some(Pinned {
                revision: revision.to_owned(),
                tree: "f".repeat(40),
            }),
            ..version()
        };
        assert_eq!(pinned("v1.2").to_string(), "0123456789ab (v1.2)");
        assert_eq!(pinned("0123456").to_string(), "0123456789ab");
    }
}
