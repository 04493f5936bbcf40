//! Values that steps get and nobody else sees.

use crate::mask::Masker;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the values of secrets come from.
pub trait Secrets: Send + Sync {
    /// The value of that name, if there is one.
    fn get(&self, name: &str) -> Option<String>;

    /// The text with everything masked that is or was a secret; nothing if there is none of it in there.
    fn masked(&self, _text: &[u8]) -> Option<Vec<u8>> {
        None
    }
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

/// What the names of variables begin with that hold secrets.
const VARIABLE: &str = "TRAINYARD_SECRET_";

/// Shorter values are not masked in texts of ours: they would be found everywhere.
const SHORTEST_MASKED: usize = 4;

/// A file that was changed so shortly before it was read may have been changed again since, under the
/// same time.
const UNSETTLED: Duration = Duration::from_secs(1);

/// Secrets from the environment (`TRAINYARD_SECRET_<NAME>`, the name in upper case) and, where that
/// has none, from a file of lines `NAME=value`, which is read again when it has changed.
pub struct LocalSecrets {
    path: Option<PathBuf>,
    known: Mutex<Known>,
}

struct Known {
    /// The file as it was read; none if it was not there.
    stamp: Option<Stamp>,
    file: BTreeMap<String, String>,
    /// Every value so far: one that has been changed since may still stand in a text.
    seen: BTreeSet<String>,
    masker: Arc<Masker>,
    /// Why the file as it is now was not read, until it was said.
    trouble: Option<SecretsError>,
}

/// What differs when a file was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last change of content, name or mode.
    changed: (i64, i64),
    /// Whether the time says it all.
    is_settled: bool,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let at = u64::try_from(changed.0)
            .map(Duration::from_secs)
            .unwrap_or_default();
        let age = SystemTime::now()
            .duration_since(UNIX_EPOCH + at)
            .unwrap_or_default();
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            changed,
            is_settled: age > UNSETTLED + Duration::from_secs(1),
        }
    }
}

impl LocalSecrets {
    /// Only the environment.
    pub fn from_env() -> Self {
        let variables = std::env::vars().filter(|(name, _)| name.starts_with(VARIABLE));
        let mut known = Known {
            stamp: None,
            file: BTreeMap::new(),
            seen: BTreeSet::new(),
            masker: Arc::default(),
            trouble: None,
        };
        known.see(variables.map(|(_, value)| value));
        Self {
            path: None,
            known: Mutex::new(known),
        }
    }

    /// The environment and a file, which need not exist. Its lines are `NAME=value`; empty lines
    /// and lines that start with `#` are passed over; one pair of quotes around a value is taken
    /// off. When it changes it is read again; a change that cannot be read is logged, and what was there before
    /// holds.
    ///
    /// # Errors
    /// `Exposed` if group or others may read the file, `Malformed`, or `Read`.
    pub fn with_file(path: &Path) -> Result<Self, SecretsError> {
        let secrets = Self {
            path: Some(path.to_owned()),
            ..Self::from_env()
        };
        let trouble = secrets.known().trouble.take();
        trouble.map_or(Ok(secrets), Err)
    }

    /// What is known, after a look at the file.
    fn known(&self) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.path {
            known.look(path);
        }
        known
    }
}

impl Known {
    fn look(&mut self, path: &Path) {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.stamp = None;
                self.file.clear();
                return;
            }
            Err(source) => {
                let path = path.to_owned();
                self.trouble = Some(SecretsError::Read { path, source });
                return;
            }
        };
        let stamp = Stamp::of(&metadata);
        if self.stamp.is_some_and(|known| known == stamp && known.is_settled) {
            return;
        }
        let is_new = self.stamp.is_none_or(|known| {
            (known.inode, known.size, known.changed) != (stamp.inode, stamp.size, stamp.changed)
        });
        self.stamp = Some(stamp);
        match read(path, &metadata) {
            Ok(file) => {
                self.see(file.values().cloned());
                self.file = file;
            }
            // Said once for each change.
            Err(trouble) if is_new => self.trouble = Some(trouble),
            Err(_) => {}
        }
    }

    fn see(&mut self, values: impl Iterator<Item = String>) {
        let before = self.seen.len();
        self.seen
            .extend(values.filter(|value| value.len() >= SHORTEST_MASKED));
        if self.seen.len() > before {
            self.masker = Arc::new(Masker::new(self.seen.iter().map(String::as_str)));
        }
    }
}

fn read(path: &Path, metadata: &Metadata) -> Result<BTreeMap<String, String>, SecretsError> {
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretsError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let text = std::fs::read_to_string(path).map_err(|source| SecretsError::Read {
        path: path.to_owned(),
        source,
    })?;
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
    Ok(file)
}

impl Secrets for LocalSecrets {
    fn get(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_uppercase();
        let (value, trouble) = {
            let mut known = self.known();
            (known.file.get(&name).cloned(), known.trouble.take())
        };
        // Not under the lock: the log asks for it, too.
        if let Some(trouble) = trouble {
            let causes = trainyard_contract::task::chain(&trouble).join(": ");
            tracing::warn!(causes, "secrets_not_read");
        }
        std::env::var(format!("{VARIABLE}{name}")).ok().or(value)
    }

    fn masked(&self, text: &[u8]) -> Option<Vec<u8>> {
        let masker = self.known().masker.clone();
        masker.masked(text)
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

    #[test]
    fn a_file_that_changes_is_read_again_and_its_old_values_stay_masked() {
        let (_dir, path) = file("KEY=before-it-changed\n", 0o600);
        let secrets = LocalSecrets::with_file(&path).unwrap();
        assert_eq!(secrets.get("key").as_deref(), Some("before-it-changed"));
        std::fs::write(&path, "KEY=after-it-changed!\n").unwrap();
        assert_eq!(secrets.get("key").as_deref(), Some("after-it-changed!"));
        let masked = secrets
            .masked(b"a before-it-changed b after-it-changed! c")
            .unwrap();
        assert_eq!(String::from_utf8(masked).unwrap(), "a *** b *** c");
        // A change that cannot be read takes nothing away.
        std::fs::write(&path, "KEY=after\nhalf a li").unwrap();
        assert_eq!(secrets.get("key").as_deref(), Some("after-it-changed!"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(secrets.get("key"), None);
        assert!(secrets.masked(b"after-it-changed!").is_some());
    }

    #[test]
    fn a_value_of_a_few_characters_does_not_make_texts_unreadable() {
        let (_dir, path) = file("A=a\nB=abcd\n", 0o600);
        let secrets = LocalSecrets::with_file(&path).unwrap();
        assert_eq!(secrets.masked(b"a banana").as_deref(), None);
        assert_eq!(secrets.masked(b"an abcd").as_deref(), Some(&b"an ***"[..]));
    }
}
