//! Backfills: how one is made of what was asked, and how its runs are started.
//!
//! Any number of servers work on one: each reads where it stands, decides, and commits runs and ticks
//! together, unless another has moved it on since.

use crate::app::Shared;
use crate::hub::Notice;
use crate::problem::Problem;
use crate::project::RunOrder;
use crate::random;
use crate::runs::{Prepared, prepare};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::{Condvar, Mutex};
use std::time::Duration;
use trainyard_contract::finding::nearest;
use trainyard_contract::{ContentHash, RunId, Timestamp};
use trainyard_domain::backfill::{self, BackfillOrder, Limits, MOST_AT_ONCE, MOST_TICKS, Phase, Standing};
use trainyard_domain::pipeline::{Origin, Pipeline, spec};
use trainyard_domain::trigger::{NoTicks, Trigger, span, ticks_between};
use trainyard_store::{
    Backfill, BackfillMade, IdempotencyKey, NewBackfill, NewTick, QueueOptions, TickBody, TickMade, TickStart,
};
use utoipa::ToSchema;

/// Runs that one transaction starts.
const AT_ONCE: usize = 32;
/// How often it is looked at backfills of others at least.
const EVERY: Duration = Duration::from_secs(1);
/// Somebody else may be faster so often before it is tried again later.
const TRIES: usize = 8;
/// Runs at once if nobody says how many.
const MAX_PARALLEL: u32 = 4;

/// A backfill to be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackfillRequest {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Its schedule; may be left out if there is only one.
    pub trigger: Option<String>,
    /// The first tick: a date or local time by the schedule's clock, or an instant.
    pub from: String,
    /// The last tick, itself included; a date means the whole day. What lies in the future is left to the
    /// schedule.
    pub to: String,
    /// Environment of its runs; the pipeline's own if left out.
    pub environment: Option<String>,
    /// Values that take the place of those that the trigger gives.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// Runs at once; 4 if left out.
    #[schema(minimum = 1, maximum = 256)]
    pub max_parallel: Option<u32>,
    /// Stops once so many ticks have failed.
    #[schema(minimum = 1)]
    pub stop_after: Option<u32>,
    /// The last tick first.
    pub reverse: bool,
    /// Leaves out ticks that have a run which succeeded or is under way.
    pub only_missing: bool,
    /// Whether earlier results are taken.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub reuse: bool,
    /// Why, for those who wonder.
    pub reason: Option<String>,
}

fn yes() -> bool {
    true
}

/// What is asked, resolved: ready to be kept.
pub(crate) struct Draft {
    pub(crate) pipeline: std::sync::Arc<Pipeline>,
    pub(crate) trigger: String,
    pub(crate) environment: Option<String>,
    pub(crate) order: BackfillOrder,
    /// In the order of time.
    pub(crate) ticks: Vec<NewTick>,
}

/// Resolves what is asked: the schedule, its ticks in the past, and whether its runs can be bound.
pub(crate) fn draft(app: &Shared, request: &BackfillRequest) -> Result<Draft, Problem> {
    crate::service::scan(app);
    let pipeline = app.project.entry(&request.pipeline)?.current;
    let name = schedule_of(&pipeline, request.trigger.as_deref())?;
    let spec = &pipeline.spec().triggers[&name];
    let environment = request
        .environment
        .clone()
        .or_else(|| pipeline.default_environment());
    let trigger = Trigger::new(&pipeline, environment.as_deref(), &name, spec)
        .map_err(|error| Problem::internal("read a trigger", &error))?;
    let limits = limits(request)?;
    let (from, to) = span(&trigger, &request.from, &request.to)
        .map_err(|fault| Problem::refused("backfill-span-invalid", fault.to_string()))?;
    let now = (app.clock)();
    let to = to.min(now);
    if from > to {
        let problem = Problem::refused(
            "backfill-span-invalid",
            "that time is empty, or lies in the future",
        );
        return Err(problem.help("a backfill is for ticks from `from` up to now"));
    }
    let firings = ticks_between(&trigger, from, to, MOST_TICKS).map_err(|fault| {
        let problem = Problem::refused("backfill-ticks-refused", fault.to_string());
        match fault {
            NoTicks::TooMany { .. } => problem.help("order it in parts"),
            _ => problem,
        }
    })?;
    let ticks: Vec<NewTick> = firings
        .into_iter()
        .map(|firing| NewTick {
            at: firing.at,
            body: TickBody {
                trigger: with_params(firing.trigger, &request.params),
                key: firing.key,
                reason: firing.reason,
            },
        })
        .collect();
    let order = BackfillOrder {
        from,
        to,
        environment: request.environment.clone(),
        params: request.params.clone(),
        limits,
        reverse: request.reverse,
        only_missing: request.only_missing,
        reuse: request.reuse,
    };
    let Some(first) = ticks.first() else {
        return Err(Problem::refused(
            "backfill-empty",
            format!("`{name}` has no tick in that time"),
        ));
    };
    let bound = app.project.bind(&pipeline, &run_order(&order, first), now)?;
    Ok(Draft {
        environment: bound.definition.environment,
        trigger: name,
        order,
        ticks,
        pipeline,
    })
}

fn limits(request: &BackfillRequest) -> Result<Limits, Problem> {
    let max_parallel = request.max_parallel.unwrap_or(MAX_PARALLEL);
    if !(1..=MOST_AT_ONCE).contains(&max_parallel) {
        return Err(Problem::refused(
            "backfill-limit-invalid",
            format!("`max_parallel` is from 1 to {MOST_AT_ONCE}"),
        ));
    }
    if request.stop_after == Some(0) {
        return Err(Problem::refused(
            "backfill-limit-invalid",
            "`stop_after` is 1 or more",
        ));
    }
    Ok(Limits {
        max_parallel,
        stop_after: request.stop_after,
    })
}

/// The schedule that is meant.
fn schedule_of(pipeline: &Pipeline, wanted: Option<&str>) -> Result<String, Problem> {
    let triggers = &pipeline.spec().triggers;
    let is_schedule = |trigger: &spec::Trigger| matches!(trigger, spec::Trigger::Schedule(_));
    let schedules = triggers
        .iter()
        .filter(|(_, trigger)| is_schedule(trigger))
        .map(|(name, _)| name.as_str());
    let Some(wanted) = wanted else {
        let named: Vec<&str> = schedules.collect();
        return match named.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err(Problem::refused(
                "backfill-no-schedule",
                format!("pipeline `{}` has no schedule", pipeline.name()),
            )),
            several => Err(Problem::refused(
                "backfill-trigger-missing",
                format!("pipeline `{}` has several schedules", pipeline.name()),
            )
            .help(format!("say which: {}", several.join(", ")))),
        };
    };
    match triggers.get(wanted) {
        Some(trigger) if is_schedule(trigger) => Ok(wanted.to_owned()),
        Some(_) => Err(Problem::refused(
            "backfill-no-schedule",
            format!("trigger `{wanted}` is no schedule: only a clock has ticks in the past"),
        )),
        None => {
            let near = nearest(wanted, schedules);
            let problem = Problem::not_found(
                "trigger-not-found",
                format!(
                    "pipeline `{}` has no trigger `{}`",
                    pipeline.name(),
                    crate::problem::cut(wanted)
                ),
            );
            Err(match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem,
            })
        }
    }
}

/// `trigger` of a tick's run with params of the order in place of its own.
fn with_params(mut trigger: Value, params: &Map<String, Value>) -> Value {
    if !params.is_empty()
        && let Some(trigger) = trigger.as_object_mut()
    {
        let own = trigger
            .entry("params")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(own) = own.as_object_mut() {
            own.extend(params.clone());
        }
    }
    trigger
}

fn run_order(order: &BackfillOrder, tick: &NewTick) -> RunOrder {
    RunOrder {
        environment: order.environment.clone(),
        trigger: tick.body.trigger.as_object().cloned().unwrap_or_default(),
        ..RunOrder::default()
    }
}

/// Keeps what was asked and wakes who carries it out; gives its id and whether it is new.
pub(crate) fn keep(
    app: &Shared,
    draft: &Draft,
    by: &str,
    reason: Option<&str>,
    key: Option<(&str, ContentHash)>,
) -> Result<(String, bool), Problem> {
    let bytes = random::bytes::<8>().map_err(|error| Problem::internal("name a backfill", &error))?;
    let id = format!("bf_{}", random::hex(&bytes));
    let new = NewBackfill {
        id: &id,
        pipeline: draft.pipeline.name(),
        trigger: &draft.trigger,
        environment: draft.environment.as_deref(),
        order: &draft.order,
        ticks: &draft.ticks,
        created_at: (app.clock)(),
        by,
        reason,
        key,
    };
    match app.write_now(|_, store| Ok(store.create_backfill(&new)?))? {
        BackfillMade::New => {
            tracing::info!(backfill = %id, pipeline = %draft.pipeline.name(), ticks = draft.ticks.len(), "backfill_made");
            app.backfills.wake();
            Ok((id, true))
        }
        BackfillMade::Repeated(id) => Ok((id, false)),
        BackfillMade::KeyTaken(id) => Err(Problem::refused(
            "idempotency-key-taken",
            format!("that Idempotency-Key stands for another request, which made backfill {id}"),
        )),
    }
}

/// The backfill that a text means.
pub(crate) fn find(app: &Shared, text: &str) -> Result<Backfill, Problem> {
    let found = app.connections.with(|store| Ok(store.find_backfill(text)?))?;
    found.ok_or_else(|| {
        Problem::not_found(
            "backfill-not-found",
            format!("there is no backfill `{}`", crate::problem::cut(text)),
        )
    })
}

/// Changes what a backfill does; gives it as it is then.
pub(crate) fn steer(app: &Shared, text: &str, command: backfill::Command) -> Result<Backfill, Problem> {
    for _ in 0..TRIES {
        let known = find(app, text)?;
        let phase = backfill::steer(known.phase, command).map_err(|phase| {
            Problem::conflict("backfill-over", format!("backfill {} is {phase}", known.id))
        })?;
        if phase == known.phase {
            return Ok(known);
        }
        let changed = app.write_now(|app, store| {
            let forgiven = match command {
                backfill::Command::Resume => store.backfill_tally(&known)?.failures(),
                _ => known.forgiven,
            };
            Ok(store.steer_backfill(&known, phase, forgiven, (app.clock)())?)
        })?;
        if changed {
            tracing::info!(backfill = %known.id, phase = %phase, "backfill_steered");
            app.backfills.wake();
            return find(app, &known.id);
        }
    }
    Err(too_busy())
}

fn too_busy() -> Problem {
    Problem::new(
        axum::http::StatusCode::SERVICE_UNAVAILABLE,
        "backfill-busy",
        "others change the backfill all the time; try again",
    )
}

/// What is to become of a tick, before it is durable.
enum Wanted {
    Run(Box<Prepared>),
    Refused(String),
}

/// Starts what is due of all backfills.
pub(crate) fn advance_all(app: &Shared) {
    let running = app.connections.with(|store| Ok(store.running_backfills()?));
    match running {
        Ok(running) => {
            for id in running {
                if let Err(problem) = advance(app, &id) {
                    tracing::warn!(backfill = %id, problem = problem.detail(), "backfill_not_advanced");
                }
            }
        }
        Err(problem) => tracing::warn!(problem = problem.detail(), "backfills_not_read"),
    }
}

/// Starts what is due of one backfill.
pub(crate) fn advance(app: &Shared, id: &str) -> Result<(), Problem> {
    let mut lost = 0;
    while lost < TRIES && !app.is_ending() {
        // In this order: what changes after the version was read is found out when it is committed.
        let read = app.connections.with(|store| {
            let Some(backfill) = store.backfill(id)? else {
                return Ok(None);
            };
            let tally = store.backfill_tally(&backfill)?;
            let room = backfill::room(&backfill.order.limits, &tally).min(AT_ONCE);
            let ticks = store.waiting_ticks(&backfill, u32::try_from(room).unwrap_or(0))?;
            Ok(Some((backfill, tally, ticks)))
        })?;
        let Some((known, tally, ticks)) = read else {
            return Ok(());
        };
        let standing = Standing {
            phase: known.phase,
            tally,
            forgiven: known.forgiven,
        };
        let waiting: Vec<Timestamp> = ticks.iter().map(|tick| tick.at).collect();
        let next = backfill::next(&known.order.limits, &standing, &waiting);
        if next.start.is_empty() && next.phase == known.phase {
            return Ok(());
        }
        let wanted: Vec<(&NewTick, Wanted)> = ticks
            .iter()
            .filter(|tick| next.start.contains(&tick.at))
            .map(|tick| Ok((tick, want(app, &known, tick)?)))
            .collect::<Result<_, Problem>>()?;
        let by = format!("backfill:{}", known.id);
        let starts: Vec<(Timestamp, TickStart<'_>)> = wanted
            .iter()
            .map(|(tick, wanted)| (tick.at, start_of(&tick.body, wanted, &by)))
            .collect();
        let made = app.write_now(|app, store| {
            Ok(store.advance_backfill(&known, next.phase, &starts, (app.clock)())?)
        })?;
        let Some(made) = made else {
            lost += 1;
            continue;
        };
        tell(app, &known, next.phase, &made);
        if made.is_empty() {
            return Ok(());
        }
    }
    Ok(())
}

/// A tick as the store takes it.
fn start_of<'a>(tick: &'a TickBody, wanted: &'a Wanted, by: &'a str) -> TickStart<'a> {
    match wanted {
        Wanted::Refused(why) => TickStart::Refused(why),
        Wanted::Run(prepared) => {
            let key = IdempotencyKey {
                scope: "trigger",
                key: &tick.key,
                request: ContentHash::of(tick.key.as_bytes()),
            };
            TickStart::Run(prepared.queued(by, Some(&tick.reason), Some(key)))
        }
    }
}

/// Binds the run of a tick.
fn want(app: &Shared, known: &Backfill, tick: &NewTick) -> Result<Wanted, Problem> {
    let options = QueueOptions {
        reuse: known.order.reuse,
        ..QueueOptions::default()
    };
    // What the file's trigger says is the file's; values that somebody gave are theirs.
    let origin = if known.order.params.is_empty() {
        Origin::Trigger
    } else {
        Origin::Person
    };
    let order = run_order(&known.order, tick);
    match prepare(app, known.pipeline.as_str(), &order, origin, options) {
        Ok(prepared) => Ok(Wanted::Run(Box::new(prepared.that_waits()))),
        Err(problem) if problem.is_refusal() => Ok(Wanted::Refused(problem.in_words())),
        Err(problem) => Err(problem),
    }
}

fn tell(app: &Shared, known: &Backfill, phase: Phase, made: &[TickMade]) {
    let started: Vec<&RunId> = made
        .iter()
        .filter_map(|made| match made {
            TickMade::Started(run) => Some(run),
            _ => None,
        })
        .collect();
    if !started.is_empty() {
        app.engine.nudge();
        tracing::info!(backfill = %known.id, runs = started.len(), "backfill_advanced");
    }
    if phase != known.phase {
        tracing::info!(backfill = %known.id, phase = %phase, "backfill_phase");
        let mut notice = Notice::new("backfill_phase", (app.clock)());
        notice.pipeline = Some(known.pipeline.to_string());
        notice.message = Some(format!("backfill {}: {phase}", known.id));
        app.hub.tell(notice);
    }
}

/// Wakes whoever carries backfills out.
#[derive(Default)]
pub(crate) struct Bell {
    has_rung: Mutex<bool>,
    rung: Condvar,
}

impl Bell {
    pub(crate) fn wake(&self) {
        *crate::app::lock(&self.has_rung) = true;
        self.rung.notify_all();
    }

    /// Waits until it is rung, and no longer than that.
    pub(crate) fn wait(&self, longest: Duration) {
        let guard = crate::app::lock(&self.has_rung);
        let waited = self
            .rung
            .wait_timeout_while(guard, longest, |has_rung| !*has_rung);
        *waited.unwrap_or_else(std::sync::PoisonError::into_inner).0 = false;
    }
}

/// Carries backfills out until the server is ending.
pub(crate) fn backfill_thread(app: &Shared) {
    while !app.is_ending() {
        advance_all(app);
        app.backfills.wait(EVERY);
    }
}
