//! The schema's history: numbered, forward only, never edited once landed.

use crate::error::{StoreError, database};
use rusqlite::Connection;
use std::path::Path;

/// Marks a SQLite file as ours: `TRYD`.
pub(crate) const APPLICATION_ID: i64 = 0x5452_5944;

const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_runs", include_str!("../migrations/0001_runs.sql")),
    ("0002_registry", include_str!("../migrations/0002_registry.sql")),
    ("0003_lineage", include_str!("../migrations/0003_lineage.sql")),
    ("0004_serve", include_str!("../migrations/0004_serve.sql")),
    ("0005_plans", include_str!("../migrations/0005_plans.sql")),
    ("0006_ends", include_str!("../migrations/0006_ends.sql")),
    ("0007_usage", include_str!("../migrations/0007_usage.sql")),
    (
        "0008_token_roles",
        include_str!("../migrations/0008_token_roles.sql"),
    ),
    ("0009_pools", include_str!("../migrations/0009_pools.sql")),
    ("0010_retention", include_str!("../migrations/0010_retention.sql")),
    ("0011_backfills", include_str!("../migrations/0011_backfills.sql")),
    ("0012_features", include_str!("../migrations/0012_features.sql")),
];

/// The schema this version writes.
pub(crate) const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Names of all migrations, oldest first.
#[cfg(test)]
pub(crate) fn names() -> Vec<&'static str> {
    MIGRATIONS.iter().map(|(name, _)| *name).collect()
}

/// The schema version of a database, 0 if it is empty.
///
/// # Errors
/// `Newer`, `NotADatabase`.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let pragma = |name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(|error| match database("read the schema version")(error) {
                StoreError::Corrupt { what, .. } => StoreError::NotADatabase {
                    path: path.to_owned(),
                    why: what,
                },
                other => other,
            })
    };
    let found = pragma("user_version")?;
    let application = pragma("application_id")?;
    if application == APPLICATION_ID {
        if found > NEWEST {
            return Err(StoreError::Newer {
                path: path.to_owned(),
                found,
                known: NEWEST,
            });
        }
        return Ok(found);
    }
    let is_empty = pragma("schema_version")? == 0;
    if is_empty && application == 0 && found == 0 {
        return Ok(0);
    }
    Err(StoreError::NotADatabase {
        path: path.to_owned(),
        why: format!("it is a SQLite file of another application (id {application})"),
    })
}

/// Brings the schema from `from` to the newest. Each migration is a transaction with its number, so
/// that a process which dies in between leaves one or the other.
pub(crate) fn migrate(connection: &Connection, from: i64) -> Result<(), StoreError> {
    for (at, (_, sql)) in MIGRATIONS
        .iter()
        .enumerate()
        .skip(usize::try_from(from).unwrap_or(0))
    {
        let script = format!(
            "BEGIN IMMEDIATE;\n{sql}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {};\nCOMMIT;",
            at + 1
        );
        if let Err(error) = connection.execute_batch(&script) {
            // Without an open transaction there is nothing to roll back, which is as good.
            let _ = connection.execute_batch("ROLLBACK");
            return Err(database("migrate the database")(error));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainyard_contract::ContentHash;

    /// What landed stays as it landed: databases out there were made by exactly these texts.
    #[test]
    fn landed_migrations_are_never_edited() {
        let landed = include_str!("../migrations/LANDED");
        let actual: String = MIGRATIONS
            .iter()
            .map(|(name, sql)| format!("{name} {}\n", ContentHash::of(sql.as_bytes())))
            .collect();
        assert_eq!(actual, landed);
    }
}
