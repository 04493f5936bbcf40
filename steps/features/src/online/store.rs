//! What every online store does.

use super::{KeyBytes, Layout, Projection, Row, Source, Watermark};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trainyard_contract::Timestamp;
use trainyard_contract::feature::FeatureView;

/// A view with its version: rows of different versions never meet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId {
    name: String,
    version: u32,
}

impl ViewId {
    /// Of a definition.
    pub fn of(view: &FeatureView) -> Self {
        Self::new(&view.name, view.version)
    }

    /// Of a name and a version.
    pub fn new(name: &str, version: u32) -> Self {
        Self {
            name: name.to_owned(),
            version,
        }
    }

    /// First bytes of all its keys, where views share a space: follows from the name, never zero.
    pub(crate) fn prefix(&self) -> [u8; 8] {
        let hash = blake3::hash(self.to_string().as_bytes());
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&hash.as_bytes()[..8]);
        prefix[0] |= 1;
        prefix
    }
}

impl fmt::Display for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@v{}", self.name, self.version)
    }
}

/// Why an online store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum OnlineError {
    #[error("could not {doing} the online store {place}")]
    Io {
        doing: &'static str,
        place: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is stored is not what was written.
    #[error("the online store {place} is damaged: {what}; remove it and materialise anew")]
    Damaged { place: String, what: String },
    #[error("there is no room left for the online store {place}")]
    Full { place: String },
    #[error("the online store {place} is of a newer version of this program")]
    Newer { place: String },
    #[error("{0} cannot be an online store: write a path, `redis://…`, `rediss://…` or `postgres://…`")]
    Url(String),
    /// Whoever gives the rows could not go on; nothing was written.
    #[error("the rows could not be read")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Batch(#[from] super::WrongBatch),
}

/// Rows of one view that are written, and how far the offline store is in with them.
pub struct Write<'a> {
    pub view: &'a ViewId,
    pub layout: &'a Layout,
    pub rows: &'a mut Source<'a>,
    /// Asked after the last row.
    pub watermark: Option<&'a dyn Fn() -> Watermark>,
}

/// What a write did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that were given, after all but the latest of each key had been left out.
    pub rows: u64,
    /// Rows that are now in the store; the others met a later one.
    pub changed: u64,
    /// Bytes of keys and rows that were written.
    pub bytes: u64,
}

/// What a store holds of a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub rows: u64,
    /// Of keys and rows, without what the store itself adds; none where it does not tell.
    pub bytes: Option<u64>,
    /// The latest event time of all that was ever written.
    pub newest: Option<Timestamp>,
    /// When it was last written to.
    pub written_at: Option<Timestamp>,
}

/// Takes the row of each key in turn, by the key's place in the question, with what was asked of it.
pub type Visit<'a> = dyn FnMut(usize, Option<(Row<'_>, &Projection)>) + 'a;

/// The latest row of each key of each view.
///
/// Readers and writers may be of different processes. A write is there wholly or not at all in the embedded store and in
/// PostgreSQL; in Redis each row is, and the watermark comes last.
pub trait OnlineStore: Send + Sync {
    /// Looks up the rows of many keys.
    ///
    /// # Errors
    /// If the store does not answer or a row is damaged.
    fn get(
        &self,
        view: &ViewId,
        wanted: &[super::Field],
        keys: &[KeyBytes],
        visit: &mut Visit<'_>,
    ) -> Result<(), OnlineError>;

    /// Writes rows and watermarks. A row that is older than the one it meets is passed over.
    ///
    /// # Errors
    /// `Source`, `Batch`, `Full`, `Io`, `Damaged`.
    fn write(&self, writes: &mut [Write<'_>], now: Timestamp) -> Result<Vec<Written>, OnlineError>;

    /// Removes the rows of those keys; says how many there were.
    ///
    /// # Errors
    /// If the store does not answer.
    fn delete(&self, view: &ViewId, keys: &[KeyBytes]) -> Result<u64, OnlineError>;

    /// Removes rows whose event time is before that instant; says how many there were.
    ///
    /// # Errors
    /// If the store does not answer.
    fn expire(&self, view: &ViewId, before: Timestamp) -> Result<u64, OnlineError>;

    /// How much of the offline store is in; none before the first time.
    ///
    /// # Errors
    /// If the store does not answer.
    fn watermark(&self, view: &ViewId) -> Result<Option<Watermark>, OnlineError>;

    /// What it holds of a view.
    ///
    /// # Errors
    /// If the store does not answer.
    fn statistics(&self, view: &ViewId) -> Result<Statistics, OnlineError>;

    /// Whether lookups take microseconds and need no thread that may wait.
    fn is_near(&self) -> bool;
}

/// Where an online store is.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    Redis(String),
    Postgres(String),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

impl fmt::Display for Place {
    /// Without password and options.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Redis(url) | Self::Postgres(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
                let rest = rest.split(['?', '#']).next().unwrap_or_default();
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                write!(f, "{scheme}://{host}")
            }
        }
    }
}

impl Place {
    /// What a setting names: a URL, or nothing for the file in the state folder.
    ///
    /// # Errors
    /// `Url` for a URL of another kind.
    pub fn read(url: Option<&str>, home: &Path) -> Result<Self, OnlineError> {
        let Some(url) = url.filter(|url| !url.is_empty()) else {
            return Ok(Self::File(home.join("features.online")));
        };
        match url.split_once("://") {
            None => Ok(Self::File(PathBuf::from(url))),
            Some(("file", path)) => Ok(Self::File(PathBuf::from(path))),
            Some(("redis" | "rediss", _)) => Ok(Self::Redis(url.to_owned())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.to_owned())),
            Some((scheme, _)) => Err(OnlineError::Url(format!("`{scheme}://…`"))),
        }
    }

    /// Opens the store, which is made if it is not there.
    ///
    /// # Errors
    /// As the store's own `open`.
    pub fn open(&self) -> Result<Arc<dyn OnlineStore>, OnlineError> {
        Ok(match self {
            Self::File(path) => Arc::new(super::Embedded::open(path)?),
            Self::Redis(url) => Arc::new(super::RedisOnline::open(url)?),
            Self::Postgres(url) => Arc::new(super::PostgresOnline::open(url)?),
        })
    }
}
