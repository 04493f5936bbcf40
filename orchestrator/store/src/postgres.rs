//! PostgreSQL: one connection, statements prepared once, and as few round trips as a turn can have.
//!
//! Statements whose answer nobody waits for are queued and travel with the next that needs one, all
//! in one round trip; many of the same insert travel as one. A connection that is lost is made anew;
//! what was under way then has either been kept or not, and the error says which of the two is known.

mod connection;
mod dialect;
pub(crate) mod migration;
mod value;

use crate::database::{Bind, DatabaseError, Row};
use crate::error::{StoreError, database};
use connection::{Connected, Server};
use futures_util::future::{LocalBoxFuture, join_all};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio_postgres::{Error, Statement};
use value::Owned;

/// Time between two attempts to reach the server: doubles from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// A connection to a server, made anew when it is lost.
pub(crate) struct Postgres {
    runtime: tokio::runtime::Runtime,
    server: Server,
    state: RefCell<State>,
    /// For how long a lost server is looked for before an error is given.
    patience: Duration,
}

#[derive(Default)]
struct State {
    connected: Option<Connected>,
    statements: BTreeMap<&'static str, Statement>,
    queue: Vec<Queued>,
    transaction: Transaction,
}

/// Where the transaction stands.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Transaction {
    #[default]
    None,
    /// Wanted: that statement begins it, together with the first of its own.
    Wanted(&'static str),
    Open,
    /// Something in it was refused, or its connection is lost: it can only be rolled back.
    Broken,
}

/// A statement that waits for its round trip.
struct Queued {
    sql: &'static str,
    values: Vec<Owned>,
    /// If it must change a row: the caller's number for it.
    guard: Option<usize>,
}

/// Why a queue did not go through.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The guard of that number changed no row.
    Refused(usize),
    Failed(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// What ends a queue.
enum Last {
    Nothing,
    Count(&'static str, Vec<Owned>),
    Rows(&'static str, Vec<Owned>),
    /// A statement that was put together: prepared for this once.
    Made(String, Vec<Owned>),
    Commit,
}

/// What it gives.
enum Given {
    Nothing,
    Count(u64),
    Rows(Vec<tokio_postgres::Row>),
}

/// How a round trip ended that did not go well.
enum Trouble {
    Refused(usize),
    Database(Error),
    Store(StoreError),
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres")
            .field("server", &self.server.name())
            .finish()
    }
}

impl Postgres {
    /// Connects, and makes or migrates the schema if needed; with `read_only`, refuses to write.
    pub(crate) fn open(url: &str, read_only: bool) -> Result<Self, StoreError> {
        let doing = "open the database";
        let server = Server::parse(url, read_only)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| StoreError::Unreachable {
                doing,
                source: Box::new(source),
            })?;
        let mut connected = runtime.block_on(server.connect())?;
        runtime.block_on(migration::bring_up(&mut connected, &server.name(), read_only))?;
        let state = State {
            connected: Some(connected),
            ..State::default()
        };
        Ok(Self {
            runtime,
            server,
            state: RefCell::new(state),
            patience: Duration::from_secs(10),
        })
    }

    /// Host, port and database, without user and password.
    pub(crate) fn name(&self) -> String {
        self.server.name()
    }

    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    pub(crate) fn is_in_transaction(&self) -> bool {
        self.state.borrow().transaction != Transaction::None
    }

    /// Wants a transaction, begun by that statement.
    pub(crate) fn begin(&self, sql: &'static str) {
        self.state.borrow_mut().transaction = Transaction::Wanted(sql);
    }

    /// Queues a statement whose answer is not waited for.
    pub(crate) fn send(&self, sql: &'static str, values: &[&dyn Bind], guard: Option<usize>) {
        let values = values.iter().map(|value| value.bind().into()).collect();
        self.state.borrow_mut().queue.push(Queued { sql, values, guard });
    }

    /// Sends what is queued.
    pub(crate) fn flush(&self, doing: &'static str) -> Result<(), Halt> {
        if self.state.borrow().queue.is_empty() {
            return Ok(());
        }
        self.trip(doing, Last::Nothing).map(|_| ())
    }

    /// Runs one statement; gives the number of rows it changed.
    pub(crate) fn execute(
        &self,
        doing: &'static str,
        sql: &'static str,
        values: &[&dyn Bind],
    ) -> Result<usize, StoreError> {
        let owned = || values.iter().map(|value| value.bind().into()).collect();
        match self.patiently(|| self.trip(doing, Last::Count(sql, owned())))? {
            Given::Count(count) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
            _ => Ok(0),
        }
    }

    /// Gives rows to `take` until it wants no more.
    pub(crate) fn each(
        &self,
        doing: &'static str,
        sql: &'static str,
        values: &[&dyn Bind],
        take: &mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let owned = || values.iter().map(|value| value.bind().into()).collect();
        if let Given::Rows(rows) = self.patiently(|| self.trip(doing, Last::Rows(sql, owned())))? {
            for row in &rows {
                if !take(&Row::Postgres(row))? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The same for a statement that was put together, with SQLite's names of parameters.
    pub(crate) fn each_of_made(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[&dyn Bind],
        take: &mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let made = || {
            let values = values.iter().map(|value| value.bind().into()).collect();
            Last::Made(dialect::translated(sql), values)
        };
        if let Given::Rows(rows) = self.patiently(|| self.trip(doing, made()))? {
            for row in &rows {
                if !take(&Row::Postgres(row))? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Ends the transaction and keeps it, together with what is still queued.
    pub(crate) fn commit(&self, doing: &'static str) -> Result<(), Halt> {
        let (transaction, is_empty) = {
            let state = self.state.borrow();
            (state.transaction, state.queue.is_empty())
        };
        if is_empty && !matches!(transaction, Transaction::Open | Transaction::Broken) {
            // Nothing was ever asked of it.
            self.state.borrow_mut().transaction = Transaction::None;
            return Ok(());
        }
        self.trip(doing, Last::Commit).map(|_| ())
    }

    pub(crate) fn roll_back(&self) {
        let mut state = self.state.borrow_mut();
        state.queue.clear();
        let was = std::mem::take(&mut state.transaction);
        if !matches!(was, Transaction::Open | Transaction::Broken) {
            return;
        }
        let Some(connected) = &state.connected else { return };
        let done = self.runtime.block_on(connected.client.batch_execute("ROLLBACK"));
        if done.is_err() {
            // The server rolls back what a lost connection has left open.
            state.lose();
        }
    }

    /// Repeats work outside transactions while the server cannot be reached, as long as patience lasts.
    pub(crate) fn patiently<T, E: Into<Halt>>(
        &self,
        mut work: impl FnMut() -> Result<T, E>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let is_in_transaction = self.is_in_transaction();
        loop {
            let error = match work().map_err(Into::into) {
                Ok(value) => return Ok(value),
                Err(Halt::Failed(error)) => error,
                // Only queues have guards, and a queue is flushed by those who know its guards.
                Err(Halt::Refused(_)) => return Err(StoreError::TurnFailed),
            };
            if is_in_transaction || !error.is_transient() || begun.elapsed() + pause > self.patience {
                return Err(error);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// The server's version as it says it, and what it says of durability.
    pub(crate) fn settings(&self, doing: &'static str) -> Result<Vec<(String, String)>, StoreError> {
        let mut settings = Vec::new();
        self.each(doing, crate::queries::postgres::SETTINGS, &[], &mut |row| {
            let name: String = row.get(0).map_err(database(doing))?;
            settings.push((name, row.get(1).map_err(database(doing))?));
            Ok(true)
        })?;
        Ok(settings)
    }

    /// One round trip: the queue, and what ends it.
    fn trip(&self, doing: &'static str, last: Last) -> Result<Given, Halt> {
        let state = &mut *self.state.borrow_mut();
        let is_commit = matches!(last, Last::Commit);
        if state.transaction == Transaction::Broken {
            state.queue.clear();
            return Err(Halt::Failed(StoreError::TurnFailed));
        }
        if state.connected.as_ref().is_none_or(Connected::is_closed) {
            let was_open = state.transaction == Transaction::Open;
            state.lose();
            if was_open {
                state.transaction = Transaction::Broken;
                state.queue.clear();
                return Err(Halt::Failed(lost(doing)));
            }
            state.connected = Some(self.runtime.block_on(self.server.connect())?);
        }
        let queue = dialect::gathered(std::mem::take(&mut state.queue));
        let done = self.runtime.block_on(state.send(queue, last));
        match done {
            Ok(given) => {
                state.transaction = match state.transaction {
                    Transaction::None => Transaction::None,
                    _ if is_commit => Transaction::None,
                    _ => Transaction::Open,
                };
                Ok(given)
            }
            Err(trouble) => {
                let had_begun = state.transaction != Transaction::None;
                if had_begun {
                    state.transaction = Transaction::Broken;
                }
                let error = match trouble {
                    Trouble::Refused(guard) => return Err(Halt::Refused(guard)),
                    Trouble::Store(error) => error,
                    Trouble::Database(error) => database(doing)(DatabaseError::Postgres(error)),
                };
                if matches!(error, StoreError::Unreachable { .. }) {
                    state.lose();
                    if is_commit {
                        return Err(Halt::Failed(StoreError::Uncertain(Box::default())));
                    }
                }
                Err(Halt::Failed(error))
            }
        }
    }
}

impl State {
    /// Forgets a connection that is gone, and what was prepared on it.
    fn lose(&mut self) {
        self.connected = None;
        self.statements.clear();
    }

    async fn send(&mut self, queue: Vec<Queued>, last: Last) -> Result<Given, Trouble> {
        let Some(connected) = &self.connected else {
            return Err(Trouble::Store(lost("reach the database")));
        };
        let client = &connected.client;
        let last_sql = match &last {
            Last::Count(sql, _) | Last::Rows(sql, _) => Some(*sql),
            Last::Nothing | Last::Made(..) | Last::Commit => None,
        };
        let mut unknown: Vec<&'static str> = queue.iter().map(|queued| queued.sql).chain(last_sql).collect();
        unknown.retain(|sql| !self.statements.contains_key(sql));
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() {
            let texts: Vec<String> = unknown.iter().map(|sql| dialect::translated(sql)).collect();
            let prepared = join_all(texts.iter().map(|text| client.prepare(text))).await;
            for (sql, statement) in unknown.into_iter().zip(prepared) {
                self.statements.insert(sql, statement.map_err(Trouble::Database)?);
            }
        }
        let known = &self.statements;
        let find = |sql: &str| {
            known
                .get(sql)
                .cloned()
                .ok_or(Trouble::Store(StoreError::TurnFailed))
        };
        // Polled in this order for the first time, they are sent in this order, and answered so.
        let mut trips: Vec<LocalBoxFuture<'_, Result<Given, Error>>> = Vec::with_capacity(queue.len() + 2);
        let mut guards = Vec::with_capacity(queue.len() + 2);
        if let Transaction::Wanted(begin) = self.transaction {
            guards.push(None);
            trips.push(Box::pin(async move {
                client.batch_execute(begin).await.map(|()| Given::Nothing)
            }));
        }
        for queued in queue {
            guards.push(queued.guard);
            let statement = find(queued.sql)?;
            trips.push(Box::pin(async move {
                client
                    .execute_raw(&statement, queued.values)
                    .await
                    .map(Given::Count)
            }));
        }
        match last {
            Last::Nothing => {}
            Last::Count(sql, values) => {
                let statement = find(sql)?;
                trips.push(Box::pin(async move {
                    client.execute_raw(&statement, values).await.map(Given::Count)
                }));
            }
            Last::Rows(sql, values) => {
                let statement = find(sql)?;
                trips.push(Box::pin(async move {
                    let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = values
                        .iter()
                        .map(|value| value as &(dyn tokio_postgres::types::ToSql + Sync))
                        .collect();
                    client.query(&statement, &values).await.map(Given::Rows)
                }));
            }
            Last::Made(sql, values) => trips.push(Box::pin(async move {
                let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = values
                    .iter()
                    .map(|value| value as &(dyn tokio_postgres::types::ToSql + Sync))
                    .collect();
                client.query(&sql, &values).await.map(Given::Rows)
            })),
            Last::Commit => trips.push(Box::pin(async move {
                client.batch_execute("COMMIT").await.map(|()| Given::Nothing)
            })),
        }
        let mut given = Given::Nothing;
        for (at, answer) in join_all(trips).await.into_iter().enumerate() {
            given = answer.map_err(Trouble::Database)?;
            if let (Some(guard), Given::Count(0)) = (guards.get(at).copied().flatten(), &given) {
                return Err(Trouble::Refused(guard));
            }
        }
        Ok(given)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(connected) = self.state.get_mut().connected.take() {
            self.runtime.block_on(connected.close());
        }
    }
}

fn lost(doing: &'static str) -> StoreError {
    StoreError::Unreachable {
        doing,
        source: "the connection was lost".into(),
    }
}
