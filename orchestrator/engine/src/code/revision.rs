//! A revision as a person names it, and the commit that it means.

use super::git::{self, GitError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use trainyard_contract::finding::nearest;

/// Longest name of a revision, in bytes.
const LONGEST: usize = 512;
/// For one question about names.
const WITHIN: Duration = Duration::from_secs(10);
/// Names of branches and tags that are looked at for a proposal.
const MOST_NAMES: &str = "--count=2000";

/// Why the files of a revision cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    #[error("this is no name of a revision: {0}")]
    Malformed(&'static str),
    #[error("{} is in no git repository", .0.display())]
    NoRepository(PathBuf),
    #[error("there is no revision `{revision}` in the repository")]
    Unknown {
        revision: String,
        /// A branch or tag of a similar name.
        near: Option<String>,
    },
    #[error("the project's folder `{folder}` is not there at `{revision}`")]
    NoFolder { revision: String, folder: String },
    #[error("`{path}` of that revision is not taken: {reason}")]
    Hostile { path: String, reason: &'static str },
    #[error(
        "that revision has {files} files with {bytes} bytes; at most {most_files} and {most_bytes} are taken"
    )]
    TooLarge {
        files: usize,
        bytes: u64,
        most_files: usize,
        most_bytes: u64,
    },
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("could not {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl RevisionError {
    /// What would help.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Malformed(_) => "name a branch, a tag or a commit, e.g. `main`, `v1.2`, `HEAD~3`".to_owned(),
            Self::NoRepository(_) => "revisions are those of the git repository that the project lies in".to_owned(),
            Self::Unknown { near: Some(near), .. } => format!("did you mean `{near}`?"),
            Self::Unknown { near: None, .. } => {
                "nothing is fetched for a run; `git fetch` gets what the remote has".to_owned()
            }
            Self::Git(GitError::Missing) => "install git, or leave the revision out".to_owned(),
            Self::Git(GitError::Refused(said)) if said.contains("dubious ownership") => {
                "the repository belongs to somebody else; `git config --global --add safe.directory …` trusts it".to_owned()
            }
            Self::TooLarge { .. } => "keep data out of git, or in git-lfs: it is then taken from the project's folder".to_owned(),
            Self::Hostile { .. } | Self::NoFolder { .. } | Self::Git(_) | Self::Io { .. } => return None,
        })
    }

    /// Whether whoever named the revision can do something about it.
    pub fn is_of_request(&self) -> bool {
        !matches!(
            self,
            Self::Git(GitError::Slow(_) | GitError::Io(_) | GitError::TooMuch(_)) | Self::Io { .. }
        )
    }
}

/// A commit, and what the project's folder was in it.
pub(super) struct Found {
    pub(super) commit: String,
    pub(super) tree: String,
}

/// Whether a text may be handed to git as the name of a revision.
pub(super) fn judge(revision: &str) -> Result<(), RevisionError> {
    if revision.is_empty() {
        return Err(RevisionError::Malformed("it is empty"));
    }
    if revision.len() > LONGEST {
        return Err(RevisionError::Malformed("it is too long"));
    }
    if revision.starts_with('-') {
        return Err(RevisionError::Malformed("it begins with a dash"));
    }
    if revision.chars().any(char::is_control) {
        return Err(RevisionError::Malformed("it has control characters"));
    }
    Ok(())
}

/// The commit that a revision means.
pub(super) fn find(project: &Path, revision: &str) -> Result<Found, RevisionError> {
    judge(revision)?;
    if !git::has_repository(project) {
        return Err(RevisionError::NoRepository(project.to_owned()));
    }
    let prefix = match git::prefix(project, WITHIN) {
        Err(GitError::Refused(said)) if said.contains("not a git repository") => {
            return Err(RevisionError::NoRepository(project.to_owned()));
        }
        other => other?,
    };
    let unknown = || RevisionError::Unknown {
        revision: revision.to_owned(),
        near: near(project, revision),
    };
    let Some(commit) = object(project, &format!("{revision}^{{commit}}"))? else {
        return Err(unknown());
    };
    let folder = prefix.to_string_lossy();
    let folder = folder.trim_end_matches('/');
    // Without a name it is the commit's whole tree.
    match object(project, &format!("{commit}:{folder}"))? {
        Some(tree) => Ok(Found { commit, tree }),
        None => Err(RevisionError::NoFolder {
            revision: revision.to_owned(),
            folder: folder.to_owned(),
        }),
    }
}

/// The id of an object by its name; none if there is no such thing.
fn object(project: &Path, name: &str) -> Result<Option<String>, GitError> {
    let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", name];
    match git::ask(project, &arguments, Vec::new(), WITHIN, 1 << 10) {
        Ok(bytes) => Ok(Some(git::line(&bytes)).filter(|id| git::is_object_id(id))),
        Err(GitError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn near(project: &Path, revision: &str) -> Option<String> {
    let arguments = ["for-each-ref", "--format=%(refname:short)", MOST_NAMES];
    let bytes = git::ask(project, &arguments, Vec::new(), WITHIN, 1 << 20).ok()?;
    let names = String::from_utf8_lossy(&bytes);
    nearest(revision, names.lines()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_could_take_for_an_option_or_a_line_is_no_revision() {
        for bad in [
            "",
            "-h",
            "--upload-pack=touch /tmp/x",
            "a\0b",
            "main\nHEAD",
            "a\u{7f}",
            &"x".repeat(10_000),
        ] {
            assert!(matches!(judge(bad), Err(RevisionError::Malformed(_))), "{bad:?}");
        }
        for good in [
            "main",
            "feature/x",
            "HEAD~3",
            "v1.2",
            "HEAD@{2 days ago}",
            "größe",
        ] {
            assert!(judge(good).is_ok(), "{good}");
        }
    }
}
