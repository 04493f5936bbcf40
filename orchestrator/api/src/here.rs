//! Backfills of the command line: the same store, decisions and engine as a server's, without its API
//! and without triggers.

use crate::app::Shared;
use crate::backfill_document::{BackfillDocument, BackfillPlan, TickDocument};
use crate::backfilling::{self, BackfillRequest};
use crate::backfills;
use crate::problem::Problem;
use crate::server::{Config, ServeError, build};
use crate::service::{self, Measure};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;
use trainyard_domain::backfill::{Command, TickState};
use trainyard_engine::Interrupts;
use trainyard_store::{BackfillFilter, Owner};

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// Why a backfill was not made or carried out.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// Said in the words of the API.
    #[error("{message}")]
    Refused { message: String, help: Option<String> },
    #[error("could not start a thread")]
    Thread(#[source] std::io::Error),
    /// The engine ended without having been asked.
    #[error("the engine has ended: {0}")]
    Engine(String),
}

impl From<Problem> for BackfillError {
    fn from(problem: Problem) -> Self {
        Self::Refused {
            message: problem.in_words(),
            help: problem.help_text().map(str::to_owned),
        }
    }
}

/// How [`BackfillDesk::carry_out`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarriedOut {
    /// It starts no more runs, and those it started are over.
    Over,
    /// It was interrupted; it goes on when it is resumed, here or by a server.
    Interrupted,
}

/// Makes and carries out backfills in this process.
pub struct BackfillDesk {
    app: Shared,
    make_executor: service::MakeExecutor,
    measure: Measure,
    by: String,
}

impl BackfillDesk {
    /// Opens state and project. `listen` and `hosts` of the configuration are for servers.
    ///
    /// # Errors
    /// `Store`, `Random`.
    pub fn open(config: Config) -> Result<Self, ServeError> {
        let by = config.user.clone();
        let measure = Measure {
            max_runs: config.max_runs,
            lease: config.lease,
            tracking: None,
        };
        let (app, make_executor, _) = build(config)?;
        Ok(Self {
            app,
            make_executor,
            measure,
            by,
        })
    }

    /// What a backfill would do.
    ///
    /// # Errors
    /// `Refused`.
    pub fn plan(&self, request: &BackfillRequest) -> Result<BackfillPlan, BackfillError> {
        let draft = backfilling::draft(&self.app, request)?;
        let plan = self
            .app
            .connections
            .with(|store| BackfillPlan::of(store, &draft))?;
        Ok(plan)
    }

    /// Keeps a backfill; whoever carries backfills out begins.
    ///
    /// # Errors
    /// `Refused`.
    pub fn create(&self, request: &BackfillRequest) -> Result<BackfillDocument, BackfillError> {
        let draft = backfilling::draft(&self.app, request)?;
        let (id, _) = backfilling::keep(&self.app, &draft, &self.by, request.reason.as_deref(), None)?;
        self.show(&id)
    }

    /// A backfill and how far it is.
    ///
    /// # Errors
    /// `Refused`.
    pub fn show(&self, id: &str) -> Result<BackfillDocument, BackfillError> {
        Ok(backfills::document(&self.app, backfilling::find(&self.app, id)?)?)
    }

    /// Backfills, newest first.
    ///
    /// # Errors
    /// `Refused`.
    pub fn list(&self, pipeline: Option<&str>, limit: u32) -> Result<Vec<BackfillDocument>, BackfillError> {
        let filter = BackfillFilter {
            pipeline: pipeline.map(crate::project::name).transpose()?,
            limit,
            ..BackfillFilter::default()
        };
        let found = self.app.connections.with(|store| {
            let found = store.backfills(&filter)?.into_iter();
            found
                .map(|backfill| BackfillDocument::of(store, backfill))
                .collect::<Result<_, _>>()
        })?;
        Ok(found)
    }

    /// The first ticks of a backfill, in that state if one is named.
    ///
    /// # Errors
    /// `Refused`.
    pub fn ticks(
        &self,
        id: &str,
        state: Option<&str>,
        limit: u32,
    ) -> Result<Vec<TickDocument>, BackfillError> {
        let state = state
            .map(|state| {
                state
                    .parse::<TickState>()
                    .map_err(|message| BackfillError::Refused { message, help: None })
            })
            .transpose()?;
        let known = backfilling::find(&self.app, id)?;
        let ticks = self
            .app
            .connections
            .with(|store| Ok(store.backfill_ticks(&known, state, None, limit)?))?;
        Ok(ticks.into_iter().map(TickDocument::from).collect())
    }

    /// Pauses, resumes or cancels a backfill; with `stop_runs` its runs are asked to stop, too.
    ///
    /// # Errors
    /// `Refused`.
    pub fn steer(
        &self,
        id: &str,
        command: Command,
        stop_runs: bool,
    ) -> Result<BackfillDocument, BackfillError> {
        let known = backfilling::steer(&self.app, id, command)?;
        if stop_runs {
            backfills::stop_runs(&self.app, &known, &self.by)?;
        }
        Ok(backfills::document(&self.app, known)?)
    }

    /// Works on a backfill until it starts no more runs and none of them is under way, with an engine of
    /// its own beside those of servers. Like theirs it takes whatever waits in the queue.
    ///
    /// # Errors
    /// `Refused` if the store fails, `Thread`, `Engine`.
    pub fn carry_out(
        self,
        id: &str,
        interrupts: &Interrupts,
        tell: &mut dyn FnMut(&BackfillDocument),
    ) -> Result<CarriedOut, BackfillError> {
        let Self {
            app,
            make_executor,
            measure,
            ..
        } = self;
        let stop: Interrupts = Arc::new(AtomicU32::new(0));
        let (wakes, _woken) = channel();
        let (halt, stopped) = channel();
        let engine = {
            let (app, stop) = (app.clone(), stop.clone());
            let owner = Owner::this_process("backfill");
            std::thread::Builder::new()
                .name("engine".to_owned())
                .spawn(move || {
                    service::engine_thread(&app, &make_executor, &owner, &stop, &stopped, measure, &wakes);
                })
                .map_err(BackfillError::Thread)?
        };
        let worked = work(&app, id, interrupts, tell, &|| engine.is_finished());
        stop.fetch_add(1, Ordering::Relaxed);
        drop(halt);
        app.engine.nudge();
        let joined = engine.join();
        if joined.is_err() {
            let trouble = app.engine.trouble().unwrap_or_default();
            return Err(BackfillError::Engine(trouble));
        }
        worked
    }
}

fn work(
    app: &Shared,
    id: &str,
    interrupts: &Interrupts,
    tell: &mut dyn FnMut(&BackfillDocument),
    is_gone: &dyn Fn() -> bool,
) -> Result<CarriedOut, BackfillError> {
    loop {
        backfilling::advance(app, id)?;
        let document = backfills::document(app, backfilling::find(app, id)?)?;
        tell(&document);
        let progress = &document.progress;
        if document.phase != "running" && progress.queued + progress.running == 0 {
            return Ok(CarriedOut::Over);
        }
        if interrupts.load(Ordering::Relaxed) > 0 {
            return Ok(CarriedOut::Interrupted);
        }
        if is_gone() {
            return Err(BackfillError::Engine(app.engine.trouble().unwrap_or_default()));
        }
        app.backfills.wait(TOLD_EVERY);
    }
}
