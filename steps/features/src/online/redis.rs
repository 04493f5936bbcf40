//! The online store in Redis: a hash a view, and a hash beside it with what is known of the view.
//!
//! Pieces of rows go in by a script, each atomically; which of two rows is later the script reads from the rows themselves.
//! The watermark comes with the last piece, so that a killed materialisation is done again, and what it had written stays:
//! whole rows, each the latest of its key.

use super::store::Visit;
use super::{
    Field, KeyBytes, Layout, OnlineError, OnlineStore, Place, Projector, Row, SortedRows, Statistics, ViewId,
    Watermark, Write, Written,
};
use crate::online::key::number;
use crate::online::row::{event_time, times};
use redis::{Client, Connection, RedisError, RedisResult, Script};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use trainyard_contract::Timestamp;

/// Key and row.
type Scanned = (Vec<u8>, Vec<u8>);

/// How long a connection may take to be made, or to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Rows a script takes at once: Redis answers nobody else meanwhile.
const AT_ONCE: usize = 1_000;
const SCANNED: usize = 1_000;

/// Texts are compared there by the rules of a language, and so times are compared as numbers.
const UPSERT: &str = "
local changed = 0
for i = 3, #ARGV, 2 do
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  local later = true
  if old then
    local a, b, c, d = struct.unpack('>I4I4I4I4', ARGV[i + 1], 9)
    local e, f, g, h = struct.unpack('>I4I4I4I4', old, 9)
    if a ~= e then later = a > e elseif b ~= f then later = b > f
    elseif c ~= g then later = c > g else later = d >= h end
  end
  if later then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    changed = changed + 1
  end
end
local newest = redis.call('HGET', KEYS[2], 'newest')
if ARGV[1] ~= '' and (not newest or tonumber(ARGV[1]) > tonumber(newest)) then
  redis.call('HSET', KEYS[2], 'newest', ARGV[1])
end
redis.call('HSET', KEYS[2], 'written_at', ARGV[2])
return changed";

/// A store in Redis.
pub struct RedisOnline {
    client: Client,
    place: String,
    idle: Mutex<Vec<Connection>>,
    upsert: Script,
    layouts: Mutex<HashMap<(String, u32), Arc<Layout>>>,
}

impl RedisOnline {
    /// Connects to `redis://…` or, with TLS, `rediss://…`.
    ///
    /// # Errors
    /// `Url`, or `Io` if nobody answers there.
    pub fn open(url: &str) -> Result<Self, OnlineError> {
        let place = Place::Redis(url.to_owned()).to_string();
        let client = Client::open(url).map_err(|_| OnlineError::Url(place.clone()))?;
        let store = Self {
            client,
            place,
            idle: Mutex::default(),
            upsert: Script::new(UPSERT),
            layouts: Mutex::default(),
        };
        store.with("open", |link| redis::cmd("PING").query::<()>(link))?;
        Ok(store)
    }

    /// Works with a connection that nobody else uses. One that has broken meanwhile is replaced once: everything that is
    /// asked here may be asked twice.
    fn with<T>(
        &self,
        doing: &'static str,
        mut work: impl FnMut(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, OnlineError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut link) = idle {
            match work(&mut link) {
                Ok(done) => {
                    self.give_back(link);
                    return Ok(done);
                }
                Err(error) if error.is_io_error() => {}
                Err(error) => return Err(self.fault(doing, error)),
            }
        }
        let connected = self
            .client
            .get_connection_with_timeout(PATIENCE)
            .and_then(|link| {
                link.set_read_timeout(Some(PATIENCE))?;
                link.set_write_timeout(Some(PATIENCE))?;
                Ok(link)
            });
        let mut link = connected.map_err(|error| self.fault(doing, error))?;
        let done = work(&mut link).map_err(|error| self.fault(doing, error))?;
        self.give_back(link);
        Ok(done)
    }

    fn give_back(&self, link: Connection) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(link);
    }

    fn fault(&self, doing: &'static str, error: RedisError) -> OnlineError {
        let place = self.place.clone();
        if error.code() == Some("OOM") || error.code() == Some("MISCONF") {
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
        let text: Option<String> = self.with("read", |link| {
            redis::cmd("HGET")
                .arg(about(view))
                .arg(format!("layout:{id}"))
                .query(link)
        })?;
        let fields = text.and_then(|text| serde_json::from_str::<Vec<Field>>(&text).ok());
        let layout = fields.map(Layout::new).filter(|layout| layout.id() == id);
        let layout = Arc::new(layout.ok_or_else(|| self.damaged("a row has a layout that is not known"))?);
        known.insert(key, layout.clone());
        Ok(layout)
    }

    fn put(&self, view: &ViewId, rows: &[(&[u8], &[u8])], now: Timestamp) -> Result<u64, OnlineError> {
        let newest = rows.iter().map(|(_, row)| event_time(row)).max();
        let mut call = self.upsert.prepare_invoke();
        call.key(name(view)).key(about(view));
        call.arg(newest.map_or_else(String::new, |newest| newest.to_string()))
            .arg(now.0);
        for (key, row) in rows {
            call.arg(*key).arg(*row);
        }
        self.with("write to", |link| call.invoke(link))
    }
}

fn name(view: &ViewId) -> String {
    format!("trainyard:{{{view}}}")
}

fn about(view: &ViewId) -> String {
    format!("trainyard:{{{view}}}:view")
}

fn json<T: serde::Serialize>(document: &T) -> Result<String, OnlineError> {
    serde_json::to_string(document).map_err(|error| OnlineError::Source(Box::new(error)))
}

impl OnlineStore for RedisOnline {
    fn get(
        &self,
        view: &ViewId,
        wanted: &[Field],
        keys: &[KeyBytes],
        visit: &mut Visit<'_>,
    ) -> Result<(), OnlineError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut question = redis::cmd("HMGET");
        question.arg(name(view));
        for key in keys {
            question.arg(key.as_bytes());
        }
        let rows: Vec<Option<Vec<u8>>> = self.with("read", |link| question.query(link))?;
        let mut projector = Projector::new(wanted);
        for (place, bytes) in rows.iter().enumerate() {
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
        let mut all = Vec::with_capacity(writes.len());
        for write in writes {
            let fields = json(&write.layout.fields())?;
            self.with("write to", |link| {
                redis::cmd("HSET")
                    .arg(about(write.view))
                    .arg(format!("layout:{}", write.layout.id()))
                    .arg(&fields)
                    .query::<()>(link)
            })?;
            let mut written = Written::default();
            for piece in &mut *write.rows {
                let piece: SortedRows = piece?;
                let rows: Vec<(&[u8], &[u8])> = piece.iter().collect();
                for rows in rows.chunks(AT_ONCE) {
                    written.rows += rows.len() as u64;
                    written.changed += self.put(write.view, rows, now)?;
                    written.bytes += rows
                        .iter()
                        .map(|(key, row)| (key.len() + row.len()) as u64)
                        .sum::<u64>();
                }
            }
            if let Some(watermark) = write.watermark {
                let text = json(&watermark())?;
                self.with("write to", |link| {
                    redis::cmd("HSET")
                        .arg(about(write.view))
                        .arg("watermark")
                        .arg(&text)
                        .query::<()>(link)
                })?;
            }
            all.push(written);
        }
        Ok(all)
    }

    fn delete(&self, view: &ViewId, keys: &[KeyBytes]) -> Result<u64, OnlineError> {
        if keys.is_empty() {
            return Ok(0);
        }
        let mut command = redis::cmd("HDEL");
        command.arg(name(view));
        for key in keys {
            command.arg(key.as_bytes());
        }
        self.with("write to", |link| command.query(link))
    }

    fn expire(&self, view: &ViewId, before: Timestamp) -> Result<u64, OnlineError> {
        let mut cursor = 0_u64;
        let mut removed = 0;
        loop {
            let (next, rows): (u64, Vec<Scanned>) = self.with("read", |link| {
                redis::cmd("HSCAN")
                    .arg(name(view))
                    .arg(cursor)
                    .arg("COUNT")
                    .arg(SCANNED)
                    .query(link)
            })?;
            let old: Vec<&Vec<u8>> = rows
                .iter()
                .filter(|(_, row)| is_before(row, before))
                .map(|(key, _)| key)
                .collect();
            if !old.is_empty() {
                let gone: u64 = self.with("write to", |link| {
                    redis::cmd("HDEL").arg(name(view)).arg(&old).query(link)
                })?;
                removed += gone;
            }
            if next == 0 {
                return Ok(removed);
            }
            cursor = next;
        }
    }

    fn watermark(&self, view: &ViewId) -> Result<Option<Watermark>, OnlineError> {
        let text: Option<String> = self.with("read", |link| {
            redis::cmd("HGET").arg(about(view)).arg("watermark").query(link)
        })?;
        text.map(|text| serde_json::from_str(&text).map_err(|_| self.damaged("a watermark cannot be read")))
            .transpose()
    }

    fn statistics(&self, view: &ViewId) -> Result<Statistics, OnlineError> {
        let (rows, (newest, written_at)): (u64, (Option<i64>, Option<i64>)) = self.with("read", |link| {
            let rows = redis::cmd("HLEN").arg(name(view)).query(link)?;
            let times = redis::cmd("HMGET")
                .arg(about(view))
                .arg("newest")
                .arg("written_at")
                .query(link)?;
            Ok((rows, times))
        })?;
        Ok(Statistics {
            rows,
            bytes: None,
            newest: newest.map(Timestamp),
            written_at: written_at.map(Timestamp),
        })
    }

    fn is_near(&self) -> bool {
        false
    }
}

fn is_before(row: &[u8], before: Timestamp) -> bool {
    let event = times(row).first_chunk().map(|bytes| number(*bytes));
    event.is_some_and(|event| event < before.0)
}
