//! What a database is and how far its word is good, for `doctor`.

use crate::database::Database;
use crate::error::StoreError;
use crate::migration;
use crate::postgres;
use crate::queries;
use crate::store::Store;

/// A database as `doctor` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `SQLite` or `PostgreSQL`, with its version.
    pub product: String,
    /// File, or server and database without user and password.
    pub place: String,
    /// Version of the schema.
    pub schema: i64,
    /// Bytes on its disk.
    pub size: u64,
    /// Why what it acknowledges may be lost in a power cut; empty if it may not.
    pub risks: Vec<String>,
}

impl Store {
    /// What this database is.
    ///
    /// # Errors
    /// `Disk`, `Closed`, `Unreachable`.
    pub fn condition(&self) -> Result<Condition, StoreError> {
        let doing = "look at the database";
        let place = self.path.display().to_string();
        let Database::Postgres(postgres) = &self.database else {
            return Ok(Condition {
                product: format!("SQLite {}", rusqlite::version()),
                size: std::fs::metadata(&self.path).map_or(0, |file| file.len()),
                place,
                schema: migration::NEWEST,
                risks: Vec::new(),
            });
        };
        let settings = postgres.settings(doing)?;
        let setting = |name: &str| {
            settings
                .iter()
                .find(|(of, _)| of == name)
                .map_or("", |(_, value)| value.as_str())
        };
        let mut risks = Vec::new();
        if setting("fsync") == "off" {
            risks.push("`fsync` is off: a power cut can destroy the database".to_owned());
        }
        if setting("full_page_writes") == "off" {
            risks.push("`full_page_writes` is off: a power cut can tear pages".to_owned());
        }
        if setting("synchronous_commit") == "off" {
            risks.push("`synchronous_commit` is off: Trainyard switches it on for itself".to_owned());
        }
        let size = self.first(doing, queries::postgres::SIZE, [], |row| row.get::<_, i64>(0))?;
        Ok(Condition {
            product: format!("PostgreSQL {}", setting("server_version")),
            place,
            schema: postgres::migration::NEWEST,
            size: size.unwrap_or(0).unsigned_abs(),
            risks,
        })
    }
}
