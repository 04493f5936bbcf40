//! Values that steps get and nobody else sees.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the values of secrets come from.
pub trait Secrets: Send + Sync {
    /// The value of that name, if there is one.
    fn get(&self, name: &str) -> Option<String>;
}

/// Why a file of secrets was not read. Never carries a value.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("could not read secrets from {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} can be read by others (mode {mode:04o}); run `chmod 600 {}`", path.display(), path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{}:{line}: not of the form NAME=value", path.display())]
    Malformed { path: PathBuf, line: usize },
}

/// Secrets from the environment (`TRAINYARD_SECRET_<NAME>`, the name in upper case) and, where that
/// has none, from a file of lines `NAME=value`.
#[derive(Default)]
pub struct LocalSecrets {
    file: BTreeMap<String, String>,
}

impl LocalSecrets {
    /// Only the environment.
    pub fn from_env() -> Self {
        Self::default()
    }

    /// The environment and a file, which need not exist. Its lines are `NAME=value`; empty lines
    /// and lines that start with `#` are passed over; one pair of quotes around a value is taken
    /// off.
    ///
    /// # Errors
    /// `Exposed` if group or others may read the file, `Malformed`, or `Read`.
    pub fn with_file(path: &Path) -> Result<Self, SecretsError> {
        let read = |source| SecretsError::Read {
            path: path.to_owned(),
            source,
        };
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(read(error)),
        };
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SecretsError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let mut file = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let malformed = || SecretsError::Malformed {
                path: path.to_owned(),
                line: at + 1,
            };
            let (name, value) = line.split_once('=').ok_or_else(malformed)?;
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() {
                return Err(malformed());
            }
            let bare = ['"', '\'']
                .iter()
                .find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
            file.insert(name.to_ascii_uppercase(), bare.unwrap_or(value).to_owned());
        }
        Ok(Self { file })
    }
}

impl Secrets for LocalSecrets {
    fn get(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_uppercase();
        std::env::var(format!("TRAINYARD_SECRET_{name}"))
            .ok()
            .or_else(|| self.file.get(&name).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.env");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_file_of_secrets_is_read_by_name_whatever_its_case() {
        let (_dir, path) = file("# ours\n\nslack_token = \"xoxb=1\"\nEMPTY=\n", 0o600);
        let secrets = LocalSecrets::with_file(&path).unwrap();
        assert_eq!(secrets.get("SLACK_TOKEN").as_deref(), Some("xoxb=1"));
        assert_eq!(secrets.get("empty").as_deref(), Some(""));
        assert_eq!(secrets.get("other"), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let (_dir, path) = file("A=hunter2\n", 0o640);
        let error = LocalSecrets::with_file(&path).err().unwrap();
        assert!(matches!(error, SecretsError::Exposed { mode: 0o640, .. }));
    }

    #[test]
    fn a_malformed_line_is_named_by_number_and_not_repeated() {
        let (_dir, path) = file("A=1\nhunter2\n", 0o600);
        let text = LocalSecrets::with_file(&path).err().unwrap().to_string();
        assert!(text.contains(":2:") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_missing_file_is_no_secrets() {
        assert!(
            LocalSecrets::with_file(Path::new("/nonexistent/secrets.env"))
                .unwrap()
                .get("a")
                .is_none()
        );
    }
}
