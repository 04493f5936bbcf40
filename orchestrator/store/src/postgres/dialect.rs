//! Where PostgreSQL's SQL differs from SQLite's: the names of parameters, some statements, and
//! inserts of many rows at once.

use super::Queued;
use super::value::Owned;
use crate::queries;

/// The statement as PostgreSQL is to have it.
pub(super) fn translated(sql: &str) -> String {
    let own = queries::postgres::INSTEAD
        .iter()
        .find(|(of_sqlite, _)| *of_sqlite == sql);
    let sql = own.map_or(sql, |(_, own)| own);
    // No statement has a question mark in a text.
    sql.replace('?', "$")
}

/// Inserts of the same kind put together, after everything else: nothing in a queue waits for them.
pub(super) fn gathered(queue: Vec<Queued>) -> Vec<Queued> {
    let mut others = Vec::with_capacity(queue.len().min(16));
    let mut groups: Vec<(&'static str, Vec<Vec<Owned>>)> = Vec::new();
    for queued in queue {
        let many = queries::postgres::MANY.iter().find(|(one, _)| *one == queued.sql);
        match many {
            Some((_, many)) if queued.guard.is_none() => {
                match groups.iter_mut().find(|(sql, _)| sql == many) {
                    Some((_, rows)) => rows.push(queued.values),
                    None => groups.push((many, vec![queued.values])),
                }
            }
            _ => others.push(queued),
        }
    }
    for (many, rows) in groups {
        let width = rows.first().map_or(0, Vec::len);
        let mut columns: Vec<Vec<Owned>> = (0..width).map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        others.push(Queued {
            sql: many,
            values: columns
                .into_iter()
                .map(|column| Owned::column(column).unwrap_or(Owned::Null))
                .collect(),
            guard: None,
        });
    }
    others
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::Postgres;
    use trainyard_test_postgres::Server;

    #[test]
    fn every_statement_prepares_on_postgresql() {
        let Some(server) = Server::start() else { return };
        let postgres = Postgres::open(&server.database(), false).unwrap();
        let state = postgres.state.borrow();
        let client = &state.connected.as_ref().unwrap().client;
        for (path, sql) in queries::ALL.iter().chain(queries::postgres::ALL) {
            let prepared = postgres.runtime.block_on(client.prepare(&translated(sql)));
            prepared.map_err(|error| format!("{path}: {error:?}")).unwrap();
        }
    }
}
