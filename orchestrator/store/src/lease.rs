//! Who owns a run.
//!
//! On SQLite two locks, because each fails where the other holds. The lease is a row with an epoch and
//! an end: it works across machines, and an append of an older epoch is refused whatever the clocks
//! say. On PostgreSQL the lease is all there is. The lock file is held by the operating system for as long as the owner lives: on one machine
//! no second engine can start executing, not even when the clock jumps past the lease's end.

use crate::database::{Database, Result as Read, Row, params};
use crate::error::StoreError;
use crate::queries;
use crate::sqlite::lock_folder;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use trainyard_contract::{Millis, RunId, Timestamp};

/// An engine, and the process it lives in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Name of the machine.
    pub host: String,
    /// Boot of the machine and namespace of process ids: a pid means something only within both.
    pub boot: String,
    pub pid: u32,
    /// When the process started, in the kernel's ticks since boot: tells a reused pid.
    pub process_start: u64,
    /// Id of the engine, different for each that is made.
    pub engine: String,
}

impl Owner {
    /// This process. Where the system does not say some of it, that part is empty.
    pub fn this_process(engine: impl Into<String>) -> Self {
        let read = |path: &str| {
            fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        let namespace = fs::read_link("/proc/self/ns/pid")
            .map(|link| link.display().to_string())
            .unwrap_or_default();
        let pid = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            boot: format!("{} {namespace}", read("/proc/sys/kernel/random/boot_id")),
            pid,
            process_start: process_start(pid).unwrap_or(0),
            engine: engine.into(),
        }
    }

    /// Whether the owner is a process of this machine that is gone.
    pub(crate) fn is_gone(&self) -> bool {
        let here = Self::this_process("");
        self.host == here.host
            && self.boot == here.boot
            && process_start(self.pid) != Some(self.process_start)
    }
}

/// Field 22 of `/proc/PID/stat`; the second field may hold spaces and parentheses.
fn process_start(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

/// An owner's right to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub owner: Owner,
    pub epoch: u64,
    pub expires_at: Timestamp,
}

impl Lease {
    /// Whether its owner may still be at work, as far as can be seen from here.
    pub fn may_be_held(&self, now: Timestamp) -> bool {
        self.expires_at > now && !self.owner.is_gone()
    }
}

/// The operating system's lock on a run; given back when dropped, also by a crash.
#[derive(Debug)]
pub(crate) struct HeldLock {
    path: PathBuf,
    _file: File,
}

impl HeldLock {
    /// The lock at `path`, or nothing if another holds it.
    fn take(path: PathBuf) -> Result<Option<Self>, StoreError> {
        loop {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(|source| StoreError::io("open the lock", &path, source))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(source)) => return Err(StoreError::io("lock", &path, source)),
            }
            // An owner removes the file before it lets go, so this may be a file without a name.
            let identity = |found: &fs::Metadata| (found.dev(), found.ino());
            let held = file
                .metadata()
                .map_err(|source| StoreError::io("read the lock", &path, source))?;
            match fs::metadata(&path) {
                Ok(named) if identity(&named) == identity(&held) => {
                    return Ok(Some(Self { path, _file: file }));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::io("read the lock", &path, source)),
            }
        }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // A file left behind is locked by nobody.
        let _ = fs::remove_file(&self.path);
    }
}

pub(crate) struct LeaseRow {
    epoch: i64,
    owner: Owner,
    expires_at_us: i64,
}

impl LeaseRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Self::read_from(row, 0)
    }

    /// Reads a lease whose columns begin at a place.
    pub(crate) fn read_from(row: &Row<'_>, at: usize) -> Read<Self> {
        Ok(Self {
            epoch: row.get(at)?,
            owner: Owner {
                host: row.get(at + 1)?,
                boot: row.get(at + 2)?,
                pid: row.get(at + 3)?,
                process_start: row.get::<_, i64>(at + 4)?.cast_unsigned(),
                engine: row.get(at + 5)?,
            },
            expires_at_us: row.get(at + 6)?,
        })
    }
}

impl From<LeaseRow> for Lease {
    fn from(row: LeaseRow) -> Self {
        Self {
            owner: row.owner,
            epoch: row.epoch.unsigned_abs(),
            expires_at: Timestamp(row.expires_at_us),
        }
    }
}

impl Store {
    /// Makes `owner` the owner of a run and gives the epoch that its appends carry. Taken at once
    /// if nobody owns it, if the lease has expired, or if its owner is a process of this machine
    /// that is gone. The lock is held until [`Store::release_lease`], or until this store is dropped.
    /// `now` counts on SQLite; on PostgreSQL leases end by the server's clock.
    ///
    /// # Errors
    /// `NoRun`, `LeaseHeld`, `Io` if the lock cannot be taken, `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn acquire_lease(
        &mut self,
        run: &RunId,
        owner: &Owner,
        now: Timestamp,
        ttl: Millis,
    ) -> Result<u64, StoreError> {
        let doing = "take over a run";
        let number = self.number(run)?;
        let held = |by: Option<Lease>| StoreError::LeaseHeld {
            run: run.clone(),
            by: by.map(|lease| Box::new(lease.owner)),
        };
        let lock = match &self.database {
            Database::Sqlite(_) if !self.locks.contains_key(run) => {
                let path = lock_folder(&self.path).join(format!("{run}.lock"));
                match HeldLock::take(path)? {
                    Some(lock) => Some(lock),
                    None => return Err(held(self.lease(number)?)),
                }
            }
            _ => None,
        };
        let epoch = self.transact(doing, |store| {
            let now = store.lease_time(now)?;
            let check = || match store.lease(number)? {
                Some(lease) if lease.owner != *owner && lease.expires_at > now && !lease.owner.is_gone() => {
                    Err(held(Some(lease)))
                }
                _ => Ok(()),
            };
            check()?;
            // Whoever else wants the run waits from here on; and may have been faster.
            let epoch = store
                .first(doing, queries::LEASE_RAISE_EPOCH, [number], |row| {
                    row.get::<_, i64>(0)
                })?
                .ok_or_else(|| StoreError::NoRun(run.to_string()))?;
            check()?;
            let values = params![
                number,
                epoch,
                owner.host,
                owner.boot,
                owner.pid,
                owner.process_start.cast_signed(),
                owner.engine,
                now.plus(ttl).0,
            ];
            store.send(doing, queries::LEASE_PUT, values)?;
            Ok(epoch.unsigned_abs())
        })?;
        if let Some(lock) = lock {
            self.locks.insert(run.clone(), lock);
        }
        Ok(epoch)
    }

    /// Extends leases to `ttl` from now, several in one flush. Leases that ended and are of runs that
    /// are over go: their owners took such a run and died before they saw that it was over.
    ///
    /// # Errors
    /// `LeaseLost` for the first that is not held any more; the others are not extended either.
    /// `Full`, `Busy`, `Disk`.
    pub fn renew_leases(
        &mut self,
        held: &[(RunId, u64)],
        now: Timestamp,
        ttl: Millis,
    ) -> Result<(), StoreError> {
        let doing = "renew a lease";
        self.transact(doing, |store| {
            let now = store.lease_time(now)?;
            for (run, epoch) in held {
                let number = store.number(run)?;
                let values = params![number, epoch.cast_signed(), now.plus(ttl).0];
                if store.execute(doing, queries::LEASE_RENEW, values)? == 0 {
                    let current = store
                        .first(doing, queries::RUN_POSITION, [number], |row| row.get::<_, i64>(0))?
                        .unwrap_or(0)
                        .unsigned_abs();
                    return Err(StoreError::LeaseLost {
                        run: run.clone(),
                        held: *epoch,
                        current,
                    });
                }
            }
            Ok(())
        })?;
        // Apart, so that renewing waits for nobody who holds one of those.
        self.transact(doing, |store| {
            let now = store.lease_time(now)?;
            store.execute(doing, queries::LEASE_FORGET, [now.0]).map(|_| ())
        })
    }

    /// Gives a run back. Nothing happens if another owns it by now.
    ///
    /// # Errors
    /// `NoRun`, `Full`, `Busy`, `Disk`; the lock is given back all the same.
    pub fn release_lease(&mut self, run: &RunId, epoch: u64) -> Result<(), StoreError> {
        let doing = "give back a run";
        let lock = self.locks.remove(run);
        let number = self.number(run)?;
        let released = self.transact(doing, |store| {
            store
                .execute(
                    doing,
                    queries::LEASE_RELEASE,
                    params![number, epoch.cast_signed()],
                )
                .map(|_| ())
        });
        // Only now may the next owner come: it would find the row otherwise.
        drop(lock);
        released
    }

    /// Leaves a run to whichever engine takes it next: its lease ends now. A run that is given back
    /// instead, with [`Store::release_lease`], is taken only if it is in the queue.
    ///
    /// # Errors
    /// As [`Store::release_lease`].
    pub fn yield_lease(&mut self, run: &RunId, epoch: u64) -> Result<(), StoreError> {
        let doing = "leave a run to another engine";
        let lock = self.locks.remove(run);
        let number = self.number(run)?;
        let yielded = self.transact(doing, |store| {
            let values = params![number, epoch.cast_signed()];
            store.execute(doing, queries::LEASE_YIELD, values).map(|_| ())
        });
        drop(lock);
        yielded
    }

    /// Who owns a run, if anybody does; the lease may have expired.
    pub(crate) fn lease(&self, number: i64) -> Result<Option<Lease>, StoreError> {
        Ok(self
            .first("read a lease", queries::LEASE_GET, [number], LeaseRow::read)?
            .map(Lease::from))
    }
}
