//! The project's files as the domain asks for them: it has no disk of its own.

/// Files of a project. Paths are relative to the project's root, parts separated by `/`; an
/// implementation never reads outside the root, whatever the path or a symbolic link says.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// [`FileFault`], also for paths that leave the project.
    fn read(&self, path: &str) -> Result<Vec<u8>, FileFault>;

    /// Files whose paths match a pattern with `*`, `?` and `**`, in ascending order.
    ///
    /// # Errors
    /// [`FileFault`] if the pattern is malformed or a folder cannot be listed.
    fn glob(&self, pattern: &str) -> Result<Vec<String>, FileFault>;

    /// Whether a file or folder of that path exists.
    fn exists(&self, path: &str) -> bool;

    /// Whether data lies there: a revision's files do not have all that is in the project folder.
    fn has_data(&self, path: &str) -> bool {
        self.exists(path)
    }
}

/// Why a file could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    #[error("there is no such file")]
    Missing,
    #[error("the path leaves the project")]
    Outside,
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    #[error("{0}")]
    Unreadable(String),
}

/// `path` as seen from the folder of the file `from`, both relative to the project's root; `None`
/// if it leaves the root or is absolute.
pub(super) fn relative_to(from: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\\') || path.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

/// A path of a document, relative to the project's root, in its shortest form; `file://` is
/// dropped. `None` for other URLs and for absolute paths: those are not files of the project.
pub(super) fn in_project(path: &str) -> Option<String> {
    let path = path.strip_prefix("file://").unwrap_or(path);
    if path.contains("://") {
        return None;
    }
    relative_to("", path)
}

/// Whether a path is a glob pattern.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

#[cfg(test)]
pub(crate) mod memory {
    use super::{FileFault, Files};
    use std::collections::BTreeMap;

    /// Files that exist only in a test.
    #[derive(Default)]
    pub(crate) struct MemoryFiles(pub(crate) BTreeMap<String, Vec<u8>>);

    impl MemoryFiles {
        pub(crate) fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
            self.0.insert(path.to_owned(), content.into());
            self
        }
    }

    impl Files for MemoryFiles {
        fn read(&self, path: &str) -> Result<Vec<u8>, FileFault> {
            self.0.get(path).cloned().ok_or(FileFault::Missing)
        }

        fn glob(&self, pattern: &str) -> Result<Vec<String>, FileFault> {
            let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
            Ok(self
                .0
                .keys()
                .filter(|path| {
                    path.strip_prefix(before)
                        .and_then(|rest| rest.strip_suffix(after))
                        .is_some_and(|middle| !middle.contains('/'))
                })
                .cloned()
                .collect())
        }

        fn exists(&self, path: &str) -> bool {
            let folder = format!("{path}/");
            self.0
                .keys()
                .any(|known| known == path || known.starts_with(&folder))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_from_the_folder_of_the_file_that_names_it() {
        assert_eq!(
            relative_to("pipelines/a.yaml", "../lib/steps.yaml").as_deref(),
            Some("lib/steps.yaml")
        );
        assert_eq!(
            relative_to("a.yaml", "./lib//x.yaml").as_deref(),
            Some("lib/x.yaml")
        );
        assert_eq!(relative_to("a.yaml", "../outside.yaml"), None);
        assert_eq!(relative_to("pipelines/a.yaml", "/etc/passwd"), None);
    }

    #[test]
    fn only_local_paths_are_files_of_the_project() {
        assert_eq!(in_project("file://./data/a.csv").as_deref(), Some("data/a.csv"));
        assert_eq!(in_project("s3://bucket/a.csv"), None);
        assert_eq!(in_project("data/../data/a.csv").as_deref(), Some("data/a.csv"));
    }
}
