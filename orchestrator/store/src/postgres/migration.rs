//! The schema's history on PostgreSQL: the same numbers as on SQLite, forward only, never edited once landed.

use super::connection::Connected;
use crate::error::{StoreError, database};
use tokio_postgres::{GenericClient, Transaction};

const MIGRATIONS: &[(&str, &str)] = &[
    (
        "0001_runs",
        include_str!("../../migrations/postgres/0001_runs.sql"),
    ),
    (
        "0002_registry",
        include_str!("../../migrations/postgres/0002_registry.sql"),
    ),
    (
        "0003_lineage",
        include_str!("../../migrations/postgres/0003_lineage.sql"),
    ),
    (
        "0004_serve",
        include_str!("../../migrations/postgres/0004_serve.sql"),
    ),
    (
        "0005_plans",
        include_str!("../../migrations/postgres/0005_plans.sql"),
    ),
    (
        "0006_ends",
        include_str!("../../migrations/postgres/0006_ends.sql"),
    ),
    (
        "0007_usage",
        include_str!("../../migrations/postgres/0007_usage.sql"),
    ),
    (
        "0008_token_roles",
        include_str!("../../migrations/postgres/0008_token_roles.sql"),
    ),
    (
        "0009_pools",
        include_str!("../../migrations/postgres/0009_pools.sql"),
    ),
    (
        "0010_retention",
        include_str!("../../migrations/postgres/0010_retention.sql"),
    ),
    (
        "0011_backfills",
        include_str!("../../migrations/postgres/0011_backfills.sql"),
    ),
    (
        "0012_features",
        include_str!("../../migrations/postgres/0012_features.sql"),
    ),
];

/// The schema this version writes.
pub(crate) const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Whoever migrates holds this lock: `TRYD`.
const LOCK: i64 = 0x5452_5944;

/// Makes the schema, or brings it to the newest version; a reader only looks. All in one
/// transaction, one process at a time.
pub(super) async fn bring_up(
    connected: &mut Connected,
    name: &str,
    read_only: bool,
) -> Result<(), StoreError> {
    let doing = "migrate the database";
    if !read_only && version(&connected.client).await? < NEWEST {
        // Another may be at it: it has finished, or given up, when the lock is had. The lock is the
        // connection's, because only a transaction that begins after it sees what the other has made.
        let lock = format!("SET lock_timeout = 0; SELECT pg_advisory_lock({LOCK}); SET lock_timeout = '5s'");
        connected
            .client
            .batch_execute(&lock)
            .await
            .map_err(database(doing))?;
        let made = migrate(connected, name, read_only).await;
        let unlock = format!("SELECT pg_advisory_unlock({LOCK})");
        let unlocked = connected
            .client
            .batch_execute(&unlock)
            .await
            .map_err(database(doing));
        return made.and(unlocked);
    }
    migrate(connected, name, read_only).await
}

async fn migrate(connected: &mut Connected, name: &str, read_only: bool) -> Result<(), StoreError> {
    let doing = "migrate the database";
    let transaction = connected.client.transaction().await.map_err(database(doing))?;
    let found = version(&transaction).await?;
    let not_ours = |why| {
        Err(StoreError::NotADatabase {
            path: name.into(),
            why,
        })
    };
    if found > NEWEST {
        return Err(StoreError::Newer {
            path: name.into(),
            found,
            known: NEWEST,
        });
    }
    if found < NEWEST && read_only {
        return not_ours(format!(
            "its schema {found} is to be brought to {NEWEST} by a command that writes"
        ));
    }
    if found == 0
        && let Some(table) = foreign_table(&transaction).await?
    {
        return not_ours(format!("it has a table `{table}` of another application"));
    }
    for (at, (name, sql)) in MIGRATIONS
        .iter()
        .enumerate()
        .skip(usize::try_from(found).unwrap_or(0))
    {
        if at == 0 {
            transaction
                .batch_execute(
                    "CREATE TABLE trainyard_schema (version bigint PRIMARY KEY, name text NOT NULL, \
                     made_at timestamptz NOT NULL DEFAULT now())",
                )
                .await
                .map_err(database(doing))?;
        }
        transaction.batch_execute(sql).await.map_err(database(doing))?;
        transaction
            .execute(
                "INSERT INTO trainyard_schema (version, name) VALUES ($1, $2)",
                &[&(at as i64 + 1), name],
            )
            .await
            .map_err(database(doing))?;
    }
    transaction.commit().await.map_err(database(doing))
}

/// The schema version, 0 if there is none.
async fn version(client: &impl GenericClient) -> Result<i64, StoreError> {
    let doing = "read the schema version";
    let known = client
        .query_one("SELECT to_regclass('trainyard_schema') IS NOT NULL", &[])
        .await
        .map_err(database(doing))?;
    if !known.try_get::<_, bool>(0).map_err(database(doing))? {
        return Ok(0);
    }
    client
        .query_one("SELECT coalesce(max(version), 0) FROM trainyard_schema", &[])
        .await
        .map_err(database(doing))?
        .try_get(0)
        .map_err(database(doing))
}

/// A table in the way of ours.
async fn foreign_table(transaction: &Transaction<'_>) -> Result<Option<String>, StoreError> {
    let doing = "read the schema version";
    let found = transaction
        .query_opt(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1 LIMIT 1",
            &[],
        )
        .await
        .map_err(database(doing))?;
    found
        .map(|row| row.try_get(0).map_err(database(doing)))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainyard_contract::ContentHash;

    /// What landed stays as it landed: databases out there were made by exactly these texts.
    #[test]
    fn landed_migrations_are_never_edited() {
        let landed = include_str!("../../migrations/postgres/LANDED");
        let actual: String = MIGRATIONS
            .iter()
            .map(|(name, sql)| format!("{name} {}\n", ContentHash::of(sql.as_bytes())))
            .collect();
        assert_eq!(actual, landed);
    }

    #[test]
    fn both_databases_have_the_same_history() {
        let names: Vec<&str> = MIGRATIONS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, crate::migration::names());
    }
}
