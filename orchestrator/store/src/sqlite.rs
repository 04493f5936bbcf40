//! SQLite: one connection to `state.db`, and how it is opened, flushed, checkpointed and, after a disk
//! error, closed for good.

use crate::database::{Params, Row};
use crate::error::{StoreError, database};
use crate::migration;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages in the write-ahead log after which a commit also copies them into the database. High,
/// because [`Sqlite::checkpoint`] does so when the engine is idle.
const CHECKPOINT_PAGES: u32 = 4_000;

/// The log is made this long when the database is, because a commit that overwrites a file in place
/// flushes without touching the file system's own journal.
const LOG_BYTES: usize = 4 << 20;

/// A connection to a database file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    /// None after a disk error.
    connection: Option<Connection>,
    read_only: bool,
}

impl Sqlite {
    /// Opens the database at `path`, made or migrated if needed.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = connect(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )?;
        // SQLite falls back to reading without a word.
        if connection
            .is_readonly("main")
            .map_err(database("open the database"))?
        {
            return Err(StoreError::ReadOnly {
                doing: "open the database",
            });
        }
        if migration::version(&connection, path)? < migration::NEWEST {
            create_or_migrate(&connection, path)?;
        }
        configure(&connection)?;
        let mut sqlite = Self::over(connection, false);
        // What an earlier process could not flush may stand in the log without being on the disk.
        // Copied into the database and flushed there, it is.
        sqlite.checkpoint()?;
        Ok(sqlite)
    }

    /// Opens an existing database for reading.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let found = migration::version(&connection, path)?;
        if found < migration::NEWEST {
            return Err(StoreError::NotADatabase {
                path: path.to_owned(),
                why: format!(
                    "its schema {found} is to be brought to {} by a command that writes",
                    migration::NEWEST
                ),
            });
        }
        Ok(Self::over(connection, true))
    }

    fn over(connection: Connection, read_only: bool) -> Self {
        connection.set_prepared_statement_cache_capacity(128);
        Self {
            connection: Some(connection),
            read_only,
        }
    }

    /// The connection, unless a disk error has closed it.
    pub(crate) fn connection(&self, doing: &'static str) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or(StoreError::Closed { doing })
    }

    /// Gives the connection up.
    pub(crate) fn close(&mut self) {
        self.connection = None;
    }

    pub(crate) fn is_in_transaction(&self, doing: &'static str) -> Result<bool, StoreError> {
        Ok(!self.connection(doing)?.is_autocommit())
    }

    pub(crate) fn execute(
        &self,
        doing: &'static str,
        sql: &str,
        values: &impl Params,
    ) -> Result<usize, StoreError> {
        let mut statement = self
            .connection(doing)?
            .prepare_cached(sql)
            .map_err(database(doing))?;
        values
            .with(|values| statement.execute(params_from_iter(values.iter().map(|value| value.bind()))))
            .map_err(database(doing))
    }

    /// Gives rows to `take` until it wants no more.
    pub(crate) fn each(
        &self,
        doing: &'static str,
        sql: &str,
        values: &impl Params,
        take: &mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self
            .connection(doing)?
            .prepare_cached(sql)
            .map_err(database(doing))?;
        let mut rows = values
            .with(|values| statement.query(params_from_iter(values.iter().map(|value| value.bind()))))
            .map_err(database(doing))?;
        while let Some(row) = rows.next().map_err(database(doing))? {
            if !take(&Row::Sqlite(row))? {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn roll_back(&self) {
        if let Some(connection) = self
            .connection
            .as_ref()
            .filter(|connection| !connection.is_autocommit())
        {
            // An error here means that SQLite has rolled back by itself already.
            let _ = connection.execute_batch("ROLLBACK");
        }
    }

    /// Copies what is committed from the write-ahead log into the database, as far as no reader
    /// stands in the way.
    pub(crate) fn checkpoint(&mut self) -> Result<(), StoreError> {
        let doing = "checkpoint the database";
        let done = self.each(doing, "PRAGMA wal_checkpoint(PASSIVE)", &[], &mut |_| Ok(false));
        match done {
            Ok(()) | Err(StoreError::Busy { .. }) => Ok(()),
            Err(error) => {
                if error.is_fatal() {
                    self.close();
                }
                Err(error)
            }
        }
    }

    /// Reads the whole database and says what is damaged.
    pub(crate) fn damage(&self) -> Result<Vec<String>, StoreError> {
        let doing = "check the database";
        let lines = |sql| {
            let mut lines = Vec::new();
            self.each(doing, sql, &[], &mut |row| {
                lines.push(row.get::<_, String>(0).map_err(database(doing))?);
                Ok(true)
            })?;
            Ok(lines)
        };
        let mut found = match lines("PRAGMA integrity_check") {
            Err(StoreError::Corrupt { what, .. }) => return Ok(vec![what]),
            other => other?,
        };
        found.retain(|line| line != "ok");
        let orphans = lines("PRAGMA foreign_key_check")?;
        found.extend(
            orphans
                .into_iter()
                .map(|table| format!("a row of {table} refers to a row that is gone")),
        );
        Ok(found)
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.roll_back();
        if !self.read_only && self.connection.is_some() {
            // A failure leaves the log as it is, and the next process reads it.
            let _ = self.checkpoint();
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    if flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) && !path.exists() {
        return Err(StoreError::NotADatabase {
            path: path.to_owned(),
            why: "there is no such file".to_owned(),
        });
    }
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| opening(path, error))?;
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(database("open the database"))?;
    // The last one out would delete the log; kept, its blocks are written in place next time.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(database("open the database"))?;
    Ok(connection)
}

/// SQLite says only that it cannot open a file; the file system says why.
fn opening(path: &Path, error: rusqlite::Error) -> StoreError {
    let doing = "open the database";
    let is_new = !path.exists();
    match OpenOptions::new()
        .read(true)
        .write(true)
        .create(is_new)
        .truncate(false)
        .open(path)
    {
        Err(source) => StoreError::io(doing, path, source),
        Ok(_) => database(doing)(error),
    }
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    let pragmas = format!(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
    );
    connection
        .execute_batch(&pragmas)
        .map_err(database("configure the database"))
}

/// One process at a time, so that nobody migrates what another is making.
fn create_or_migrate(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let doing = "make the database";
    let lock_path = lock_folder(path).join("migration.lock");
    fs::create_dir_all(lock_folder(path))
        .map_err(|source| StoreError::io(doing, lock_folder(path), source))?;
    let lock = File::create(&lock_path).map_err(|source| StoreError::io(doing, &lock_path, source))?;
    lock.lock()
        .map_err(|source| StoreError::io("lock", &lock_path, source))?;
    let from = migration::version(connection, path)?;
    if from == migration::NEWEST {
        return Ok(());
    }
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(database(doing))?;
    configure(connection)?;
    migration::migrate(connection, from)?;
    if from == 0 {
        flush_folder(path)?;
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(database("checkpoint the database"))?;
        lengthen_log(path);
    }
    Ok(())
}

/// Where lock files are.
pub(crate) fn lock_folder(database: &Path) -> PathBuf {
    database.parent().unwrap_or(Path::new(".")).join("locks")
}

/// The database's name is durable only when its folder is.
fn flush_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| StoreError::io("flush the folder", folder, source))
}

/// Fills the empty log with zeros, which SQLite takes for an empty log. Only for speed: on a disk
/// too small for it the log is left empty.
fn lengthen_log(path: &Path) {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    let log = PathBuf::from(name);
    if !fs::metadata(&log).is_ok_and(|log| log.len() == 0) {
        return;
    }
    if let Ok(mut file) = OpenOptions::new().write(true).open(&log) {
        let written = file.write_all(&vec![0; LOG_BYTES]).and_then(|()| file.sync_all());
        if written.is_err() {
            let _ = file.set_len(0);
        }
    }
}
