//! The online store in PostgreSQL: a table of rows by view and key. A write is one transaction.

use super::store::Visit;
use super::{
    Field, KeyBytes, Layout, OnlineError, OnlineStore, Place, Projector, Row, Statistics, ViewId, Watermark,
    Write, Written,
};
use crate::online::key::ordered;
use crate::online::row::event_time;
use postgres::error::SqlState;
use postgres::{Client, Config, Statement, Transaction};
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_postgres_rustls::MakeRustlsConnect;
use trainyard_contract::Timestamp;

const PATIENCE: Duration = Duration::from_secs(5);

const TABLES: &str = "
select pg_advisory_xact_lock(7236281735);
create table if not exists trainyard_online_rows
  (view text not null, key bytea not null, row bytea not null, primary key (view, key));
create table if not exists trainyard_online_views
  (view text primary key, newest bigint, written_at bigint not null, watermark text);
create table if not exists trainyard_online_layouts
  (view text not null, id bigint not null, fields text not null, primary key (view, id));";

const LOOKUP: &str = "
select asked.place, found.row
from unnest($2::bytea[]) with ordinality as asked(key, place)
join trainyard_online_rows as found on found.view = $1 and found.key = asked.key";

/// The sixteen bytes of a row that say when it is of compare as times do.
const UPSERT: &str = "
insert into trainyard_online_rows as old (view, key, row)
select $1, given.key, given.row from unnest($2::bytea[], $3::bytea[]) as given(key, row)
on conflict (view, key) do update set row = excluded.row
where substring(excluded.row from 9 for 16) >= substring(old.row from 9 for 16)";

const KEEP: &str = "
insert into trainyard_online_views as old (view, newest, written_at, watermark) values ($1, $2, $3, $4)
on conflict (view) do update set newest = greatest(old.newest, excluded.newest), written_at = excluded.written_at,
  watermark = coalesce(excluded.watermark, old.watermark)";

/// A store in PostgreSQL.
pub struct PostgresOnline {
    config: Config,
    tls: MakeRustlsConnect,
    place: String,
    idle: Mutex<Vec<Link>>,
    layouts: Mutex<HashMap<(String, u32), Arc<Layout>>>,
}

struct Link {
    client: Client,
    lookup: Statement,
}

type Sql<T> = Result<T, postgres::Error>;

impl PostgresOnline {
    /// Connects to `postgres://…` and makes the tables that are missing.
    ///
    /// # Errors
    /// `Url`, or `Io` if nobody answers there or the tables cannot be made.
    pub fn open(url: &str) -> Result<Self, OnlineError> {
        let place = Place::Postgres(url.to_owned()).to_string();
        let mut config = Config::from_str(url).map_err(|_| OnlineError::Url(place.clone()))?;
        config.connect_timeout(PATIENCE);
        let io = |source: Box<dyn std::error::Error + Send + Sync>| OnlineError::Io {
            doing: "open",
            place: place.clone(),
            source,
        };
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| io(Box::new(error)))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let store = Self {
            config,
            tls: MakeRustlsConnect::new(tls),
            place,
            idle: Mutex::default(),
            layouts: Mutex::default(),
        };
        let made = store.connect_bare().and_then(|mut client| {
            let mut making = client.transaction()?;
            making.batch_execute(TABLES)?;
            making.commit()
        });
        made.map_err(|error| store.fault("open", error))?;
        Ok(store)
    }

    fn connect_bare(&self) -> Sql<Client> {
        self.config.connect(self.tls.clone())
    }

    fn connect(&self) -> Sql<Link> {
        let mut client = self.connect_bare()?;
        let lookup = client.prepare(LOOKUP)?;
        Ok(Link { client, lookup })
    }

    /// Works with a connection that nobody else uses. One that has broken meanwhile is replaced once: everything that is
    /// asked here may be asked twice.
    fn with<T>(
        &self,
        doing: &'static str,
        mut work: impl FnMut(&mut Link) -> Sql<T>,
    ) -> Result<T, OnlineError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut link) = idle {
            match work(&mut link) {
                Ok(done) => {
                    self.give_back(link);
                    return Ok(done);
                }
                Err(_) if link.client.is_closed() => {}
                Err(error) => return Err(self.fault(doing, error)),
            }
        }
        let mut link = self.connect().map_err(|error| self.fault(doing, error))?;
        let done = work(&mut link).map_err(|error| self.fault(doing, error))?;
        self.give_back(link);
        Ok(done)
    }

    fn give_back(&self, link: Link) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(link);
    }

    fn fault(&self, doing: &'static str, error: postgres::Error) -> OnlineError {
        let place = self.place.clone();
        if error.code() == Some(&SqlState::DISK_FULL) {
            return OnlineError::Full { place };
        }
        OnlineError::Io {
            doing,
            place,
            source: Box::new(error),
        }
    }

    fn damaged(&self, what: impl Into<String>) -> OnlineError {
        OnlineError::Damaged {
            place: self.place.clone(),
            what: what.into(),
        }
    }

    fn layout(&self, view: &ViewId, id: u32) -> Result<Arc<Layout>, OnlineError> {
        let key = (view.to_string(), id);
        let mut known = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = known.get(&key) {
            return Ok(layout.clone());
        }
        let found = self.with("read", |link| {
            link.client.query_opt(
                "select fields from trainyard_online_layouts where view = $1 and id = $2",
                &[&key.0, &i64::from(id)],
            )
        })?;
        let text: Option<String> = found.and_then(|row| row.try_get(0).ok());
        let fields = text.and_then(|text| serde_json::from_str::<Vec<Field>>(&text).ok());
        let layout = fields.map(Layout::new).filter(|layout| layout.id() == id);
        let layout = Arc::new(layout.ok_or_else(|| self.damaged("a row has a layout that is not known"))?);
        known.insert(key, layout.clone());
        Ok(layout)
    }

    fn put(
        &self,
        writing: &mut Transaction<'_>,
        write: &mut Write<'_>,
        now: Timestamp,
    ) -> Result<Written, OnlineError> {
        let fault = |error| self.fault("write to", error);
        let json = |error| OnlineError::Source(Box::new(error));
        let view = write.view.to_string();
        let fields = serde_json::to_string(write.layout.fields()).map_err(json)?;
        writing
            .execute(
                "insert into trainyard_online_layouts (view, id, fields) values ($1, $2, $3) on conflict do nothing",
                &[&view, &i64::from(write.layout.id()), &fields],
            )
            .map_err(fault)?;
        let upsert = writing.prepare(UPSERT).map_err(fault)?;
        let mut written = Written::default();
        let mut newest: Option<i64> = None;
        for piece in &mut *write.rows {
            let piece = piece?;
            let (keys, rows): (Vec<&[u8]>, Vec<&[u8]>) = piece.iter().unzip();
            written.rows += piece.len() as u64;
            written.changed += writing.execute(&upsert, &[&view, &keys, &rows]).map_err(fault)?;
            written.bytes += keys
                .iter()
                .chain(&rows)
                .map(|bytes| bytes.len() as u64)
                .sum::<u64>();
            newest = newest.max(rows.iter().map(|row| event_time(row)).max());
        }
        let watermark = write
            .watermark
            .map(|watermark| serde_json::to_string(&watermark()))
            .transpose()
            .map_err(json)?;
        writing
            .execute(KEEP, &[&view, &newest, &now.0, &watermark])
            .map_err(fault)?;
        Ok(written)
    }
}

impl OnlineStore for PostgresOnline {
    fn get(
        &self,
        view: &ViewId,
        wanted: &[Field],
        keys: &[KeyBytes],
        visit: &mut Visit<'_>,
    ) -> Result<(), OnlineError> {
        let bytes: Vec<&[u8]> = keys.iter().map(KeyBytes::as_bytes).collect();
        let name = view.to_string();
        let found = self.with("read", |link| link.client.query(&link.lookup, &[&name, &bytes]))?;
        let mut rows: Vec<Option<&[u8]>> = vec![None; keys.len()];
        for row in &found {
            let place: i64 = row.try_get(0).map_err(|error| self.fault("read", error))?;
            let bytes: &[u8] = row.try_get(1).map_err(|error| self.fault("read", error))?;
            let slot = usize::try_from(place - 1)
                .ok()
                .and_then(|place| rows.get_mut(place));
            if let Some(slot) = slot {
                *slot = Some(bytes);
            }
        }
        let mut projector = Projector::new(wanted);
        for (place, bytes) in rows.into_iter().enumerate() {
            let Some(bytes) = bytes else {
                visit(place, None);
                continue;
            };
            let row = Row::read(bytes).ok_or_else(|| self.damaged(format!("a row of {view}")))?;
            let known = projector.of(row, |id| self.layout(view, id))?;
            visit(place, Some((row, known)));
        }
        Ok(())
    }

    fn write(&self, writes: &mut [Write<'_>], now: Timestamp) -> Result<Vec<Written>, OnlineError> {
        // Rows are given once, so a connection that breaks under them is not replaced.
        let mut link = self.connect().map_err(|error| self.fault("write to", error))?;
        let mut writing = link
            .client
            .transaction()
            .map_err(|error| self.fault("write to", error))?;
        let written = writes
            .iter_mut()
            .map(|write| self.put(&mut writing, write, now))
            .collect::<Result<Vec<_>, _>>()?;
        writing.commit().map_err(|error| self.fault("write to", error))?;
        self.give_back(link);
        Ok(written)
    }

    fn delete(&self, view: &ViewId, keys: &[KeyBytes]) -> Result<u64, OnlineError> {
        let bytes: Vec<&[u8]> = keys.iter().map(KeyBytes::as_bytes).collect();
        let name = view.to_string();
        self.with("write to", |link| {
            link.client.execute(
                "delete from trainyard_online_rows where view = $1 and key = any($2::bytea[])",
                &[&name, &bytes],
            )
        })
    }

    fn expire(&self, view: &ViewId, before: Timestamp) -> Result<u64, OnlineError> {
        let name = view.to_string();
        let before = ordered(before.0);
        self.with("write to", |link| {
            link.client.execute(
                "delete from trainyard_online_rows where view = $1 and substring(row from 9 for 8) < $2",
                &[&name, &before.as_slice()],
            )
        })
    }

    fn watermark(&self, view: &ViewId) -> Result<Option<Watermark>, OnlineError> {
        let name = view.to_string();
        let found = self.with("read", |link| {
            link.client.query_opt(
                "select watermark from trainyard_online_views where view = $1",
                &[&name],
            )
        })?;
        let text: Option<String> = found.and_then(|row| row.try_get(0).ok()).flatten();
        text.map(|text| serde_json::from_str(&text).map_err(|_| self.damaged("a watermark cannot be read")))
            .transpose()
    }

    fn statistics(&self, view: &ViewId) -> Result<Statistics, OnlineError> {
        let name = view.to_string();
        let row = self.with("read", |link| {
            link.client.query_one(
                "select count(*), sum(length(key) + length(row))::bigint,
                   (select newest from trainyard_online_views where view = $1),
                   (select written_at from trainyard_online_views where view = $1)
                 from trainyard_online_rows where view = $1",
                &[&name],
            )
        })?;
        let number = |place: usize| -> Result<Option<i64>, OnlineError> {
            row.try_get(place).map_err(|error| self.fault("read", error))
        };
        let natural = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        Ok(Statistics {
            rows: natural(number(0)?).unwrap_or(0),
            bytes: Some(natural(number(1)?).unwrap_or(0)),
            newest: number(2)?.map(Timestamp),
            written_at: number(3)?.map(Timestamp),
        })
    }

    fn is_near(&self) -> bool {
        false
    }
}
