//! The engine's thread, and the one that watches the project.

use crate::app::{EngineLink, Shared};
use crate::clockwork::Clockwork;
use crate::hub::Notice;
use crate::watching::Wake;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use trainyard_contract::Millis;
use trainyard_contract::task::chain;
use trainyard_domain::run::What;
use trainyard_engine::{Engine, EngineError, Interrupts, Observation, Setup};
use trainyard_executors::{Executor, ExecutorError, ExecutorNews};
use trainyard_store::Owner;
use trainyard_telemetry::narrate;

/// How often the project's folder is looked at.
const SCAN_EVERY: Duration = Duration::from_secs(1);
/// How long an engine that failed pauses at first, and at most.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Makes a place where attempts run.
pub type MakeExecutor = Box<dyn Fn(Sender<ExecutorNews>) -> Result<Box<dyn Executor>, ExecutorError> + Send>;

/// How much an engine takes on, and for how long it may be silent.
#[derive(Clone)]
pub(crate) struct Measure {
    pub(crate) max_runs: usize,
    pub(crate) lease: Millis,
    /// Where commands find the tracking API.
    pub(crate) tracking: Option<String>,
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
    wakes: &Sender<Wake>,
) {
    let mut pause = PAUSE;
    loop {
        let began = std::time::Instant::now();
        let worked = work(
            app,
            make_executor,
            owner.clone(),
            interrupts,
            measure.clone(),
            wakes,
        );
        app.meter.engine_stopped();
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
    wakes: &Sender<Wake>,
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
    .with_lease(measure.lease)
    .with_traces(app.telemetry.is_tracing())
    .with_tracking(measure.tracking);
    app.engine.connect(sender);
    engine.serve(
        &mut |observation| {
            observe(app, &observation);
            if let Observation::Committed { .. } = observation {
                app.notices.wake();
            }
            if let Observation::Ended { run, .. } = observation {
                app.backfills.wake();
                // Nobody hears it only when the server ends.
                let _ = wakes.send(Wake::Ended(run.clone()));
            }
        },
        interrupts,
        measure.max_runs,
    )
}

fn observe(app: &Shared, observation: &Observation<'_>) {
    app.meter.observe(observation);
    app.hub.observe(observation, (app.clock)());
    app.telemetry.observe(observation);
    narrate(observation);
    if let Observation::Event { run, event, of, .. } = observation
        && let What::RunTurnedAway { outcome, reason } = &event.what
        && let Err(problem) = crate::firing::keep_turned_away(app, of, *outcome, reason)
    {
        tracing::warn!(%run, problem = problem.detail(), "firing_not_kept");
    }
}

/// Says that the engine's thread is gone, in whatever way it went.
pub(crate) struct SayGone(pub(crate) Sender<Wake>);

impl Drop for SayGone {
    fn drop(&mut self) {
        // Nobody hears it only when the other thread is gone, too.
        let _ = self.0.send(Wake::EngineGone);
    }
}

/// Watches the project's folder and wakes triggers, until the server is ending and the engine's thread
/// is gone. `ready` is told once every trigger has been woken: what happens from then on, none misses.
pub(crate) fn watch_thread(app: &Shared, wakes: &Sender<Wake>, woken: &Receiver<Wake>, ready: &Sender<()>) {
    let mut clockwork = Clockwork::new(wakes.clone());
    let mut scan_at = Instant::now();
    let mut pause = Duration::ZERO;
    loop {
        match woken.recv_timeout(pause) {
            Ok(Wake::Ended(run)) => clockwork.run_ended(app, &run),
            Ok(Wake::FilesChanged) => clockwork.files_changed(),
            Ok(Wake::EngineGone) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if app.is_ending() {
            // Nothing new is begun; the engine's thread says when it has ended.
            let _ = ready.send(());
            pause = SCAN_EVERY;
            continue;
        }
        if scan_at <= Instant::now() {
            app.meter.tidy();
            scan(app);
            scan_at = Instant::now() + SCAN_EVERY;
        }
        let wake = clockwork.turn(app);
        // Heard once; later there is nobody to hear it.
        let _ = ready.send(());
        let until_scan = scan_at.saturating_duration_since(Instant::now());
        pause = clockwork.rest(wake, (app.clock)(), until_scan);
    }
}

/// Reads what has changed of the project, and tells of it.
pub(crate) fn scan(app: &Shared) {
    let now = (app.clock)();
    crate::features::scan(app);
    let scanned = app.connections.with(|store| Ok(app.project.scan(store, now)));
    if let Some(name) = app.project.name() {
        app.deliverer.set_project(&name);
    }
    match scanned {
        Ok(true) => app.hub.tell(Notice::new("pipelines_changed", now)),
        Ok(false) => {}
        Err(problem) => tracing::warn!(problem = problem.detail(), "project_not_read"),
    }
}

/// Removes checkouts of revisions that no run needs.
pub(crate) fn tidy_checkouts(app: &Shared) {
    let home = &app.home;
    let tidied = app
        .connections
        .with(|store| Ok(trainyard_engine::remove_old_checkouts(home, store)?));
    if let Err(problem) = tidied {
        tracing::warn!(problem = problem.detail(), "checkouts_not_tidied");
    }
}

impl EngineLink {
    /// Whether an engine works.
    pub(crate) fn works(&self) -> bool {
        self.is_running.load(std::sync::atomic::Ordering::Relaxed)
    }
}
