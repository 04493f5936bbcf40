//! The store as everybody sees it: one connection to a database, and what it remembers of runs.

use crate::database::{Bind, Database, Params, Result as Read, Row};
use crate::error::{StoreError, database};
use crate::lease::HeldLock;
use crate::ledger::Ledger;
use crate::postgres::{Halt, Postgres};
use crate::queries;
use crate::sqlite::Sqlite;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use trainyard_contract::{RunId, Timestamp};

/// The event store: everything the product remembers but the content of artifacts.
///
/// One connection; the engine's thread owns it and commits once a turn. Other processes open their
/// own. On SQLite nothing is tried twice: an error says whether the same call may succeed later. On
/// PostgreSQL a call outside a turn looks for a lost server as long as [`Store::set_patience`] says.
#[derive(Debug)]
pub struct Store {
    pub(crate) database: Database,
    /// The database file; on PostgreSQL the server and database.
    pub(crate) path: PathBuf,
    pub(crate) ledgers: RefCell<BTreeMap<RunId, Ledger>>,
    pub(crate) locks: BTreeMap<RunId, HeldLock>,
}

impl Store {
    /// Opens the SQLite database at `path`, made or migrated if needed.
    ///
    /// # Errors
    /// `Newer`, `NotADatabase`, `Corrupt`, `ReadOnly`, `Full`, `Busy`, `Disk`, `Io`.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self::over(Database::Sqlite(Sqlite::open(path)?), path.to_owned()))
    }

    /// Opens an existing SQLite database for reading.
    ///
    /// # Errors
    /// As [`Store::open`]; a database of an older schema is `NotADatabase` until somebody has
    /// opened it for writing.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        Ok(Self::over(
            Database::Sqlite(Sqlite::open_read_only(path)?),
            path.to_owned(),
        ))
    }

    /// Opens the PostgreSQL database at `postgres://user:password@host:port/database`, its schema made
    /// or migrated if needed.
    ///
    /// # Errors
    /// `InvalidUrl`, `Unreachable`, `Newer`, `NotADatabase`, `Database` if the server refuses.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connected(url, false)
    }

    /// Opens an existing PostgreSQL database for reading.
    ///
    /// # Errors
    /// As [`Store::connect`]; a database of an older schema is `NotADatabase` until somebody has
    /// opened it for writing.
    pub fn connect_read_only(url: &str) -> Result<Self, StoreError> {
        Self::connected(url, true)
    }

    fn connected(url: &str, read_only: bool) -> Result<Self, StoreError> {
        let postgres = Postgres::open(url, read_only)?;
        let path = PathBuf::from(postgres.name());
        Ok(Self::over(Database::Postgres(Box::new(postgres)), path))
    }

    fn over(database: Database, path: PathBuf) -> Self {
        Self {
            database,
            path,
            ledgers: RefCell::default(),
            locks: BTreeMap::new(),
        }
    }

    /// For how long a server that cannot be reached is looked for, outside turns, before an error is
    /// given; 10 seconds unless set. An engine sets none, because it has a way to wait of its own.
    pub fn set_patience(&mut self, patience: Duration) {
        if let Database::Postgres(postgres) = &mut self.database {
            postgres.set_patience(patience);
        }
    }

    /// Gives the connection up if the error says so. Passes the error on.
    pub(crate) fn condemn(&mut self, error: StoreError) -> StoreError {
        if let (true, Database::Sqlite(sqlite)) = (error.is_fatal(), &mut self.database) {
            sqlite.close();
        }
        error
    }

    /// Runs one statement; gives the number of rows it changed.
    pub(crate) fn execute(
        &self,
        doing: &'static str,
        sql: &'static str,
        values: impl Params,
    ) -> Result<usize, StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.execute(doing, sql, &values),
            Database::Postgres(postgres) => values.with(|values| postgres.execute(doing, sql, values)),
        }
    }

    /// Runs one statement of a turn whose answer nobody waits for, at the latest when the turn is
    /// committed.
    pub(crate) fn send(
        &self,
        doing: &'static str,
        sql: &'static str,
        values: impl Params,
    ) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.execute(doing, sql, &values).map(|_| ()),
            Database::Postgres(postgres) => {
                values.with(|values| postgres.send(sql, values, None));
                Ok(())
            }
        }
    }

    /// Like [`Store::send`], and refused under the number `guard` if it changes no row: now, or by
    /// the next [`Store::flush`].
    pub(crate) fn guard(
        &self,
        doing: &'static str,
        sql: &'static str,
        values: impl Params,
        guard: usize,
    ) -> Result<(), Halt> {
        match &self.database {
            Database::Sqlite(sqlite) => match sqlite.execute(doing, sql, &values)? {
                0 => Err(Halt::Refused(guard)),
                _ => Ok(()),
            },
            Database::Postgres(postgres) => {
                values.with(|values| postgres.send(sql, values, Some(guard)));
                Ok(())
            }
        }
    }

    /// Waits for what was sent.
    pub(crate) fn flush(&self, doing: &'static str) -> Result<(), Halt> {
        match &self.database {
            Database::Sqlite(_) => Ok(()),
            Database::Postgres(postgres) => postgres.flush(doing),
        }
    }

    /// The first row of a query.
    pub(crate) fn first<T>(
        &self,
        doing: &'static str,
        sql: &'static str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> Read<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut read = Some(read);
        let mut found = None;
        self.each(doing, sql, values, &mut |row| {
            if let Some(read) = read.take() {
                found = Some(read(row).map_err(database(doing))?);
            }
            Ok(false)
        })?;
        Ok(found)
    }

    /// All rows of a query.
    pub(crate) fn all<T>(
        &self,
        doing: &'static str,
        sql: &'static str,
        values: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Read<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.each(doing, sql, values, &mut |row| {
            found.push(read(row).map_err(database(doing))?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Gives the rows of a query to `take` until it wants no more.
    pub(crate) fn each(
        &self,
        doing: &'static str,
        sql: &'static str,
        values: impl Params,
        take: &mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.each(doing, sql, &values, take),
            Database::Postgres(postgres) => values.with(|values| postgres.each(doing, sql, values, take)),
        }
    }

    /// Gives the rows of a query that was put together from pieces of ours, with every value bound, to `take`
    /// until it wants no more.
    pub(crate) fn each_of_made(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[&dyn Bind],
        take: &mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.each(doing, sql, &values, take),
            Database::Postgres(postgres) => postgres.each_of_made(doing, sql, values, take),
        }
    }

    /// Begins a transaction that writes.
    pub(crate) fn begin_writing(&self, doing: &'static str) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.execute(doing, "BEGIN IMMEDIATE", &[]).map(|_| ()),
            Database::Postgres(postgres) => {
                postgres.begin("BEGIN");
                Ok(())
            }
        }
    }

    /// Makes the open transaction durable. `Uncertain` if a connection was lost on the way.
    pub(crate) fn commit(&self, doing: &'static str) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.execute(doing, "COMMIT", &[]).map(|_| ()),
            Database::Postgres(postgres) => postgres.commit(doing).map_err(|halt| match halt {
                Halt::Failed(error) => error,
                Halt::Refused(_) => StoreError::TurnFailed,
            }),
        }
    }

    /// Undoes the open transaction, if there is one.
    pub(crate) fn roll_back(&self) {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.roll_back(),
            Database::Postgres(postgres) => postgres.roll_back(),
        }
    }

    /// Runs `work` in a transaction of its own. It must bear being repeated, even after it was kept:
    /// that happens when the connection is lost just then.
    pub(crate) fn transact<T>(
        &mut self,
        doing: &'static str,
        work: impl Fn(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let once = || {
            let done = self.begin_writing(doing).and_then(|()| {
                let value = work(self)?;
                self.commit(doing)?;
                Ok(value)
            });
            if done.is_err() {
                self.roll_back();
            }
            done
        };
        let done = match &self.database {
            Database::Sqlite(_) => once(),
            Database::Postgres(postgres) => postgres.patiently(once),
        };
        done.map_err(|error| self.condemn(error))
    }

    /// Runs `work`, whose reads see one state of the database.
    pub(crate) fn in_snapshot<T>(
        &self,
        doing: &'static str,
        work: impl Fn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => {
                if sqlite.is_in_transaction(doing)? {
                    return work();
                }
                sqlite.execute(doing, "BEGIN", &[])?;
                let done = work();
                sqlite.roll_back();
                done
            }
            Database::Postgres(postgres) if postgres.is_in_transaction() => work(),
            Database::Postgres(postgres) => postgres.patiently(|| {
                postgres.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
                let done = work();
                postgres.roll_back();
                done
            }),
        }
    }

    /// The time by which leases end: `now` on SQLite, whose users are on one machine; on PostgreSQL the
    /// server's, because the clocks of its users differ.
    pub(crate) fn lease_time(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        match &self.database {
            Database::Sqlite(_) => Ok(now),
            Database::Postgres(_) => {
                let time = self.first("read the clock", queries::postgres::CLOCK, [], |row| row.get(0))?;
                Ok(time.map_or(now, Timestamp))
            }
        }
    }

    /// Copies what is committed from SQLite's write-ahead log into the database, as far as no reader
    /// stands in the way. For moments with nothing else to do: commits then start at the head of
    /// the log again. A PostgreSQL server does this by itself.
    ///
    /// # Errors
    /// `Disk`, `Full`, `Closed`. Nothing that was committed is lost by any of them.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        match &mut self.database {
            Database::Sqlite(sqlite) => sqlite.checkpoint(),
            Database::Postgres(_) => Ok(()),
        }
    }

    /// A number that changes whenever another process has committed; cheap enough to ask every turn.
    /// On PostgreSQL it may also change when nobody has.
    ///
    /// # Errors
    /// `Disk`, `Closed`, `Unreachable`.
    pub fn data_version(&self) -> Result<u64, StoreError> {
        let doing = "look for news";
        if let Database::Postgres(_) = &self.database {
            // Two snapshots of the same text see the same rows.
            let snapshot = self.first(doing, queries::postgres::DATA_VERSION, [], |row| {
                row.get::<_, String>(0)
            })?;
            let mut hasher = DefaultHasher::new();
            snapshot.hash(&mut hasher);
            return Ok(hasher.finish());
        }
        let version = self.first(doing, "PRAGMA data_version", [], |row| row.get::<_, i64>(0))?;
        Ok(version.unwrap_or(0).unsigned_abs())
    }

    /// Reads the whole database and says what is damaged; nothing if it is sound. Slow: it is for
    /// `doctor`.
    ///
    /// # Errors
    /// `Disk`, `Closed`, `Unreachable`.
    pub fn damage(&self) -> Result<Vec<String>, StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.damage(),
            Database::Postgres(_) => {
                let doing = "check the database";
                let runs = self.all(doing, queries::postgres::DAMAGED_RUNS, [], |row| {
                    row.get::<_, String>(0)
                })?;
                Ok(runs
                    .into_iter()
                    .map(|run| format!("run {run} has another number of events than it counts"))
                    .collect())
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.roll_back();
    }
}
