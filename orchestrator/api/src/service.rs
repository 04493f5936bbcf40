//! The engine's thread, and the one that watches the project.

use crate::app::{EngineLink, Shared};
use crate::clockwork::Clockwork;
use crate::hub::Notice;
use crate::meter;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use trainyard_contract::task::chain;
use trainyard_contract::{Millis, RunId};
use trainyard_domain::run::What;
use trainyard_engine::{Engine, EngineError, Interrupts, Observation, Setup};
use trainyard_executors::{Executor, ExecutorError, ExecutorNews};
use trainyard_store::Owner;

/// How often the project's folder is looked at.
const SCAN_EVERY: Duration = Duration::from_secs(1);
/// How long an engine that failed pauses at first, and at most.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Makes a place where attempts run.
pub type MakeExecutor = Box<dyn Fn(Sender<ExecutorNews>) -> Result<Box<dyn Executor>, ExecutorError> + Send>;

/// How much an engine takes on, and for how long it may be silent.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) max_runs: usize,
    pub(crate) lease: Millis,
}

/// Runs engines until interrupted. One that fails, because its disk or database does, is followed by
/// another, which goes on with everything from what is durable.
pub(crate) fn engine_thread(
    app: &Shared,
    make_executor: &MakeExecutor,
    owner: &Owner,
    interrupts: &Interrupts,
    stopped: &Receiver<()>,
    measure: Measure,
    ends: &Sender<RunId>,
) {
    let mut pause = PAUSE;
    loop {
        let began = std::time::Instant::now();
        let worked = work(app, make_executor, owner.clone(), interrupts, measure, ends);
        meter::engine_stopped();
        let Err(error) = worked else {
            app.engine.disconnect(None);
            return;
        };
        let causes = chain(&error).join(": ");
        tracing::error!(causes = %causes, "engine_failed");
        app.engine.disconnect(Some(causes));
        if began.elapsed() > LONGEST_PAUSE {
            pause = PAUSE;
        }
        match stopped.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => pause = (pause * 2).min(LONGEST_PAUSE),
            _ => return,
        }
    }
}

fn work(
    app: &Shared,
    make_executor: &MakeExecutor,
    owner: Owner,
    interrupts: &Interrupts,
    measure: Measure,
    ends: &Sender<RunId>,
) -> Result<(), EngineError> {
    let (sender, news) = channel();
    let executor = make_executor(sender.clone())?;
    let mut engine = Engine::new(Setup {
        home: app.home.clone(),
        executor,
        news,
        project: crate::app::root(app),
        owner,
        reuse: true,
        clock: app.clock,
    })?
    .with_lease(measure.lease);
    app.engine.connect(sender);
    engine.serve(
        &mut |observation| {
            observe(app, &observation);
            if let Observation::Ended { run, .. } = observation {
                // Nobody hears it only when the server ends.
                let _ = ends.send(run.clone());
            }
        },
        interrupts,
        measure.max_runs,
    )
}

fn observe(app: &Shared, observation: &Observation<'_>) {
    app.meter.observe(observation);
    app.hub.observe(observation, (app.clock)());
    match observation {
        Observation::Event { run, event, of, .. } => match &event.what {
            What::RunStarted { by, .. } => {
                tracing::info!(%run, pipeline = %of.definition().pipeline, by, "run_started");
            }
            What::RunEnded { outcome } => {
                let outcome = crate::hub::outcome_word(*outcome);
                tracing::info!(%run, pipeline = %of.definition().pipeline, outcome, "run_ended");
            }
            What::AttemptFailed {
                step,
                attempt,
                failure,
                ..
            } => {
                let step = of.name(*step);
                tracing::warn!(%run, %step, attempt, failure = %failure.message, "attempt_failed");
            }
            _ => {}
        },
        Observation::Lost { run } => tracing::warn!(%run, "run_taken_over_by_another_engine"),
        Observation::Trouble { message } => tracing::warn!(message, "engine_trouble"),
        _ => {}
    }
}

/// Watches the project's folder and wakes triggers, until the engine's thread is gone, from which it
/// hears of runs that have ended.
pub(crate) fn watch_thread(app: &Shared, ended_runs: &Receiver<RunId>) {
    let mut clockwork = Clockwork::default();
    let mut pause = Duration::ZERO;
    loop {
        match ended_runs.recv_timeout(pause) {
            Ok(run) => clockwork.run_ended(app, &run),
            Err(RecvTimeoutError::Timeout) => {
                app.meter.tidy();
                scan(app);
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if app.is_ending() {
            // Nothing new is begun; the channel breaks when the engine has ended.
            pause = SCAN_EVERY;
            continue;
        }
        let wake = clockwork.turn(app);
        let now = (app.clock)();
        let until = wake.map_or(SCAN_EVERY, |at| Duration::from_millis(at.since(now).0 + 1));
        pause = until.min(SCAN_EVERY);
    }
}

/// Reads what has changed of the project, and tells of it.
pub(crate) fn scan(app: &Shared) {
    let now = (app.clock)();
    let scanned = app.connections.with(|store| Ok(app.project.scan(store, now)));
    match scanned {
        Ok(true) => app.hub.tell(Notice::new("pipelines_changed", now)),
        Ok(false) => {}
        Err(problem) => tracing::warn!(problem = problem.detail(), "project_not_read"),
    }
}

impl EngineLink {
    /// Whether an engine works.
    pub(crate) fn works(&self) -> bool {
        self.is_running.load(std::sync::atomic::Ordering::Relaxed)
    }
}
