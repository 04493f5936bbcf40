//! The process: its threads, how it begins and how it ends.

use crate::app::{App, Connections, EngineLink, Shared};
use crate::auth::Auth;
use crate::backfilling::{self, Bell};
use crate::features::Materialise;
use crate::features::desk::FeatureDesk;
use crate::hub::Hub;
use crate::meter::Meter;
use crate::project::ProjectFolder;
use crate::random::{self, RandomError};
use crate::routes;
use crate::service::{self, MakeExecutor};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use trainyard_contract::{Catalogue, Millis, Timestamp};
use trainyard_engine::{Interrupts, Versions};
use trainyard_executors::Secrets;
use trainyard_features::online::Place;
use trainyard_notices::{Deliverer, Setup};
use trainyard_store::{Home, Owner, StoreError};
use trainyard_telemetry::Telemetry;

/// How long open connections get after the engine has ended.
const GOODBYE: Duration = Duration::from_secs(2);
/// Threads that answer; what waits for the disk has others.
const ANSWERING: usize = 2;

/// What a server works with.
pub struct Config {
    pub home: Home,
    /// The project's folder.
    pub root: PathBuf,
    pub catalogue: Catalogue,
    pub listen: SocketAddr,
    /// Names besides the address under which it may be addressed.
    pub hosts: Vec<String>,
    /// Who asks where nobody has to say who they are.
    pub user: String,
    pub make_executor: MakeExecutor,
    /// Where the secrets of hooks come from.
    pub secrets: Arc<dyn Secrets>,
    /// Runs at once; those that wait for people or timers do not count.
    pub max_runs: usize,
    /// How long other engines wait for one that is silent before they take its runs over.
    pub lease: Millis,
    /// Where features are looked up.
    pub online_store: Place,
    /// Fills it.
    pub materialise: Materialise,
    /// Where traces go.
    pub telemetry: Arc<Telemetry>,
    pub version: &'static str,
    /// The clock: microseconds since 1970.
    pub clock: fn() -> Timestamp,
}

/// Why a server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0} is not an address of this machine alone, and there is no token that would protect it")]
    Unprotected(SocketAddr),
    #[error("could not listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("could not start a thread")]
    Thread(#[source] io::Error),
    #[error("could not answer requests")]
    Answer(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// A server that listens already, and does not answer yet.
pub struct Server {
    app: Shared,
    listener: TcpListener,
    interrupts: Interrupts,
    ending: Arc<watch::Sender<bool>>,
    waking: Arc<Mutex<Vec<Sender<()>>>>,
    make_executor: MakeExecutor,
    owner: Owner,
    max_runs: usize,
    lease: Millis,
}

/// Where a server listens and what it found.
#[derive(Clone, Debug)]
pub struct Listening {
    pub address: SocketAddr,
    /// Whether requests need a token.
    pub is_protected: bool,
    pub pipelines: usize,
    /// Files with faults.
    pub broken: usize,
}

/// Ends a server from another thread.
#[derive(Clone)]
pub struct Stop {
    interrupts: Interrupts,
    ending: Arc<watch::Sender<bool>>,
    waking: Arc<Mutex<Vec<Sender<()>>>>,
    app: Shared,
}

impl Stop {
    /// Asks the server to end: nothing new is taken, running steps get time to finish, what they have
    /// done is kept, and their runs are given back.
    pub fn stop(&self) {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
        self.ending.send_replace(true);
        crate::app::lock(&self.waking).clear();
        self.app.engine.nudge();
        self.app.backfills.wake();
        self.app.notices.wake();
    }
}

impl Server {
    /// Opens the state, reads the project and listens.
    ///
    /// # Errors
    /// `Unprotected` for an address that others can reach, without a token in the store; `Listen`;
    /// `Store`.
    pub fn prepare(config: Config) -> Result<Self, ServeError> {
        let is_local = config.listen.ip().is_loopback();
        let has_token = config
            .home
            .store()?
            .tokens()?
            .iter()
            .any(|token| token.is_valid((config.clock)()));
        if !is_local && !has_token {
            return Err(ServeError::Unprotected(config.listen));
        }
        let listener = TcpListener::bind(config.listen)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|source| ServeError::Listen {
                address: config.listen,
                source,
            })?;
        let engine = format!("serve-{}", random::hex(&random::bytes::<6>()?));
        let (max_runs, lease) = (config.max_runs, config.lease);
        let (app, make_executor, ending) = build(config)?;
        Ok(Self {
            app,
            listener,
            interrupts: Arc::new(AtomicU32::new(0)),
            ending: Arc::new(ending),
            waking: Arc::default(),
            make_executor,
            owner: Owner::this_process(engine),
            max_runs,
            lease,
        })
    }

    /// What to tell the person who started it.
    ///
    /// # Errors
    /// If the system does not say where it listens, or the store does not answer.
    pub fn listening(&self) -> Result<Listening, ServeError> {
        let address = self.listener.local_addr().map_err(ServeError::Answer)?;
        let shelf = self.app.project.shelf();
        let stale = shelf.pipelines.values().filter(|entry| entry.is_stale).count();
        let is_protected = !crate::app::lock(&self.app.writer).tokens()?.is_empty();
        Ok(Listening {
            address,
            is_protected,
            pipelines: shelf.pipelines.len(),
            broken: shelf.broken.len() + stale,
        })
    }

    /// Ends it from elsewhere.
    pub fn stopper(&self) -> Stop {
        Stop {
            interrupts: self.interrupts.clone(),
            ending: self.ending.clone(),
            waking: self.waking.clone(),
            app: self.app.clone(),
        }
    }

    /// Answers until it is stopped.
    ///
    /// # Errors
    /// If a thread cannot be started or the listener fails.
    pub fn run(self) -> Result<(), ServeError> {
        let stop = self.stopper();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(ANSWERING)
            .thread_name("http")
            .enable_io()
            .enable_time()
            .build()
            .map_err(ServeError::Thread)?;
        let (wakes, woken) = channel();
        let (ready, is_ready) = channel();
        let watching = {
            let (app, wakes) = (self.app.clone(), wakes.clone());
            std::thread::Builder::new()
                .name("triggers".to_owned())
                .spawn(move || service::watch_thread(&app, &wakes, &woken, &ready))
                .map_err(ServeError::Thread)?
        };
        let backfilling = {
            let app = self.app.clone();
            std::thread::Builder::new()
                .name("backfills".to_owned())
                .spawn(move || backfilling::backfill_thread(&app))
                .map_err(ServeError::Thread)?
        };
        let engine = {
            let (make_executor, owner) = (self.make_executor, self.owner);
            let measure = service::Measure {
                max_runs: self.max_runs,
                lease: self.lease,
                tracking: self.listener.local_addr().ok().map(own_address),
            };
            let (app, interrupts) = (self.app.clone(), self.interrupts.clone());
            let stopped = wake(&self.waking);
            std::thread::Builder::new()
                .name("engine".to_owned())
                .spawn(move || {
                    let _gone = service::SayGone(wakes.clone());
                    // To a trigger that was not awake yet, a run that ended would be of the past.
                    let _ = is_ready.recv();
                    drop(is_ready);
                    service::engine_thread(
                        &app,
                        &make_executor,
                        &owner,
                        &interrupts,
                        &stopped,
                        measure,
                        &wakes,
                    );
                })
                .map_err(ServeError::Thread)?
        };
        let sweeping = {
            let (app, stopped) = (self.app.clone(), wake(&self.waking));
            std::thread::Builder::new()
                .name("retention".to_owned())
                .spawn(move || crate::retention::retention_thread(&app, &stopped))
                .map_err(ServeError::Thread)?
        };
        let delivering = crate::delivering::begin(&self.app).map_err(ServeError::Thread)?;
        let router = routes::router(&self.app);
        let mut ending = self.app.ending.clone();
        let listener = self.listener;
        let (ended, has_ended) = watch::channel(false);
        let answering = runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let goodbye = async move {
                // The sender is gone only when the server is, which is an end as well.
                let _ = ending.wait_for(|ending| *ending).await;
            };
            let served = axum::serve(listener, router)
                .with_graceful_shutdown(goodbye)
                .await;
            ended.send_replace(true);
            served
        });
        let failed = runtime.block_on(async {
            let mut ending = self.app.ending.clone();
            tokio::select! {
                _ = ending.wait_for(|ending| *ending) => None,
                served = answering => Some(served),
            }
        });
        if failed.is_some() {
            stop.stop();
        }
        let _ = engine.join();
        let _ = watching.join();
        let _ = sweeping.join();
        let _ = backfilling.join();
        for thread in delivering {
            let _ = thread.join();
        }
        runtime.block_on(async {
            let mut has_ended = has_ended;
            let _ = tokio::time::timeout(GOODBYE, has_ended.wait_for(|ended| *ended)).await;
        });
        runtime.shutdown_timeout(Duration::from_millis(200));
        match failed {
            Some(Ok(Err(error))) => Err(ServeError::Answer(error)),
            _ => Ok(()),
        }
    }
}

/// What handlers, scheduler and engine share, with the project read, and what ends it.
pub(crate) fn build(config: Config) -> Result<(Shared, MakeExecutor, watch::Sender<bool>), ServeError> {
    let started_at = (config.clock)();
    let (ending, is_ending) = watch::channel(false);
    let deliverer = Deliverer::new(Setup {
        root: config.root.clone(),
        secrets: config.secrets.clone(),
        owner: Owner::this_process(format!("notices-{}", random::hex(&random::bytes::<6>()?))),
        clock: config.clock,
    });
    let pushes = config.home.clone();
    let features = FeatureDesk::new(
        config.online_store,
        Box::new(move |view, version| pushes.pushed_features(view, version)),
    );
    let app = Arc::new(App {
        notices: Bell::default(),
        deliverer,
        connections: Connections::new(config.home.clone()),
        writer: Mutex::new(config.home.store()?),
        home: config.home,
        project: ProjectFolder::new(config.root, config.catalogue),
        versions: Versions::default(),
        hub: Hub::new(started_at),
        meter: Meter::install(),
        engine: EngineLink::default(),
        auth: Auth::default(),
        clock: config.clock,
        user: config.user,
        version: config.version,
        started_at,
        hosts: hosts(config.listen.ip(), &config.hosts),
        ending: is_ending,
        permits: Connections::permits(),
        firing: Mutex::new(()),
        backfills: Bell::default(),
        secrets: config.secrets,
        telemetry: config.telemetry,
        tracking: crate::mlflow::TrackingWriter::default(),
        features,
        materialise: config.materialise,
    });
    service::scan(&app);
    service::tidy_checkouts(&app);
    Ok((app, config.make_executor, ending))
}

/// How programs on this machine reach the server.
fn own_address(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}")
}

/// A channel that breaks when the server is stopped.
fn wake(waking: &Mutex<Vec<Sender<()>>>) -> std::sync::mpsc::Receiver<()> {
    let (sender, receiver) = channel();
    crate::app::lock(waking).push(sender);
    receiver
}

/// Names that mean this server: other names lead here only if somebody bends a name of theirs.
fn hosts(address: IpAddr, others: &[String]) -> Vec<String> {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec();
    hosts.push(match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    });
    hosts.extend(others.iter().map(|host| host.to_ascii_lowercase()));
    hosts
}
