//! What handlers, scheduler and engine share.

use crate::auth::Auth;
use crate::backfilling::Bell;
use crate::features::Materialise;
use crate::features::desk::FeatureDesk;
use crate::hub::Hub;
use crate::meter::Meter;
use crate::problem::Problem;
use crate::project::ProjectFolder;
use axum::http::StatusCode;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, watch};
use trainyard_contract::Timestamp;
use trainyard_engine::Versions;
use trainyard_executors::{ExecutorNews, Secrets};
use trainyard_notices::Deliverer;
use trainyard_store::{Home, Store, StoreError};
use trainyard_telemetry::Telemetry;

/// Requests that work on the store at once; each has a connection of its own.
const AT_WORK: usize = 8;

pub(crate) type Shared = Arc<App>;

/// The server's state.
pub(crate) struct App {
    pub(crate) home: Home,
    pub(crate) project: ProjectFolder,
    pub(crate) versions: Versions,
    pub(crate) hub: Hub,
    pub(crate) meter: Meter,
    pub(crate) engine: EngineLink,
    pub(crate) auth: Auth,
    pub(crate) clock: fn() -> Timestamp,
    pub(crate) user: String,
    pub(crate) version: &'static str,
    pub(crate) started_at: Timestamp,
    /// Names under which the server may be addressed, in lower case and without a port.
    pub(crate) hosts: Vec<String>,
    /// True once the server is to end.
    pub(crate) ending: watch::Receiver<bool>,
    pub(crate) connections: Connections,
    /// Everything that is written for a request, in turn: SQLite lets one writer in, and who waits here
    /// comes next at once instead of asking again and again.
    pub(crate) writer: Mutex<Store>,
    pub(crate) permits: Arc<Semaphore>,
    /// Held while a trigger is told something.
    pub(crate) firing: Mutex<()>,
    /// Rung when there may be something to do for backfills.
    pub(crate) backfills: Bell,
    /// Rung when there may be notices to deliver.
    pub(crate) notices: Bell,
    pub(crate) deliverer: Deliverer,
    /// Where hooks' secrets come from.
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// What clients track goes through here.
    pub(crate) tracking: crate::mlflow::TrackingWriter,
    pub(crate) features: FeatureDesk,
    pub(crate) materialise: Materialise,
}

/// Idle connections to the store.
pub(crate) struct Connections {
    home: Home,
    idle: Mutex<Vec<Store>>,
}

impl Connections {
    pub(crate) fn new(home: Home) -> Self {
        Self {
            home,
            idle: Mutex::default(),
        }
    }

    pub(crate) fn permits() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(AT_WORK))
    }

    fn take(&self) -> Result<Store, StoreError> {
        match lock(&self.idle).pop() {
            Some(store) => Ok(store),
            None => self.home.store(),
        }
    }

    fn give_back(&self, store: Store) {
        store.forget_runs();
        lock(&self.idle).push(store);
    }

    /// Works with a connection of its own. One that failed is not used again.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Store) -> Result<T, Problem>) -> Result<T, Problem> {
        let mut store = self.take()?;
        let done = work(&mut store);
        // A connection that had a disk error is closed for good; whether a problem was one of the disk
        // cannot be seen here, so it is asked.
        if store.data_version().is_ok() {
            self.give_back(store);
        }
        done
    }
}

impl App {
    /// Works with a connection of its own, away from the threads that answer.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Store) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = self.clone();
        self.blocking(move || app.connections.with(work)).await
    }

    /// Writes; one request at a time.
    pub(crate) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>, &mut Store) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = self.clone();
        self.blocking(move || app.write_now(work)).await
    }

    /// The same, from a thread that may wait.
    pub(crate) fn write_now<T>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>, &mut Store) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut store = lock(&self.writer);
        if store.data_version().is_err() {
            *store = self.home.store()?;
        }
        let done = work(self, &mut store);
        store.forget_runs();
        done
    }

    /// Runs what may wait away from the threads that answer.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let gone = || {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "server-ending",
                "the server is about to end",
            )
        };
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| gone())?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await
            .unwrap_or_else(|error| Err(Problem::internal("answer a request", &error)))
    }

    /// Whether the server is about to end.
    pub(crate) fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }
}

/// The way to the engine's thread.
#[derive(Default)]
pub(crate) struct EngineLink {
    sender: Mutex<Option<Sender<ExecutorNews>>>,
    trouble: Mutex<Option<String>>,
    pub(crate) is_running: AtomicBool,
}

impl EngineLink {
    /// Says that there is something in the queue or the inbox.
    pub(crate) fn nudge(&self) {
        if let Some(sender) = lock(&self.sender).as_ref() {
            // An engine that is gone looks into the queue when it comes back.
            let _ = sender.send(ExecutorNews::Nudge);
        }
    }

    pub(crate) fn connect(&self, sender: Sender<ExecutorNews>) {
        *lock(&self.sender) = Some(sender);
        *lock(&self.trouble) = None;
        self.is_running.store(true, Ordering::Relaxed);
    }

    pub(crate) fn disconnect(&self, trouble: Option<String>) {
        *lock(&self.sender) = None;
        *lock(&self.trouble) = trouble;
        self.is_running.store(false, Ordering::Relaxed);
    }

    /// Why it does not run, in words.
    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }
}

/// A lock whose last holder panicked is still a lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Absolute path of the project's folder.
pub(crate) fn root(app: &App) -> PathBuf {
    app.project.root().to_owned()
}
