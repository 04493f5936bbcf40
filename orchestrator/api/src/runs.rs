//! `/api/v1/runs`.

use crate::app::Shared;
use crate::auth::Principal;
use crate::caller::Caller;
use crate::extract::{Asked, Body, Idempotency, Named};
use crate::hub::Notice;
use crate::problem::Problem;
use crate::project::RunOrder;
use crate::random;
use crate::run_document::{EventDocument, EventPage, RunDocument, RunLine, RunPage, Waits};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use trainyard_contract::{ContentHash, RunId, Timestamp};
use trainyard_domain::pipeline::spec::policy::OnLimit;
use trainyard_domain::pipeline::{Admission, Origin, Pipeline};
use trainyard_domain::plan::Cost;
use trainyard_domain::run::{InstanceIx, Run, RunDefinition};
use trainyard_engine::{Outlook, Workplace, with_gates};
use trainyard_store::{
    DEFAULT_PRIORITY, Enqueued, IdempotencyKey, NewRun, QueueOptions, QueuedRun, RunFilter, RunStatus, Store,
};
use utoipa::{IntoParams, ToSchema};

const MOST_RUNS: u32 = 500;
const MOST_EVENTS: u32 = 5_000;

/// A run to be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NewRunRequest {
    /// Name of the pipeline; for a plan it may be left out.
    pub(crate) pipeline: Option<String>,
    /// Git revision whose files are taken instead of the project folder's: a branch, a tag, a commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 512)]
    pub(crate) revision: Option<String>,
    pub(crate) environment: Option<String>,
    /// Values by name, as the pipeline's params form says.
    #[schema(value_type = Object)]
    pub(crate) params: Map<String, Value>,
    /// Steps: `step`, `+step`, `step+`, `tag:x`, several separated by commas.
    pub(crate) select: Option<String>,
    /// Whether earlier results are taken.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(crate) reuse: bool,
    /// Why, for those who wonder.
    pub(crate) reason: Option<String>,
}

fn yes() -> bool {
    true
}

impl NewRunRequest {
    pub(crate) fn order(&self) -> RunOrder {
        RunOrder {
            revision: self.revision.clone(),
            environment: self.environment.clone(),
            params: self.params.clone(),
            select: self.select.clone(),
            ..RunOrder::default()
        }
    }
}

/// Which runs, and how many.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunQuery {
    /// Only of this pipeline.
    pipeline: Option<String>,
    /// Only of this status: `queued`, `running`, `succeeded`, `failed`, `cancelled`.
    status: Option<String>,
    /// At most this many; 50 if left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Runs, newest first.
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "runs", operation_id = "list_runs",
    params(RunQuery),
    responses((status = 200, body = RunPage), Problem)
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    Asked(query): Asked<RunQuery>,
) -> Result<Json<RunPage>, Problem> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=MOST_RUNS).contains(&limit) {
        return Err(Problem::bad_request(
            "query-invalid",
            format!("`limit` is from 1 to {MOST_RUNS}"),
        ));
    }
    let wrong = |what: &str| Problem::bad_request("query-invalid", format!("`{what}` is none"));
    let filter = RunFilter {
        pipeline: query
            .pipeline
            .map(|name| name.parse().map_err(|_| wrong("pipeline")))
            .transpose()?,
        status: query
            .status
            .map(|status| {
                status
                    .parse::<RunStatus>()
                    .map_err(|error| Problem::bad_request("query-invalid", error))
            })
            .transpose()?,
        limit: limit + 1,
        before: query
            .cursor
            .map(|run| run.parse().map_err(|_| wrong("cursor")))
            .transpose()?,
    };
    let mut runs = app.read(move |store| Ok(store.list_runs(&filter)?)).await?;
    let has_more = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let next = runs.last().filter(|_| has_more).map(|run| run.id.to_string());
    Ok(Json(RunPage {
        runs: runs.into_iter().map(RunLine::from).collect(),
        next,
    }))
}

/// Puts a new run into the queue. It is durable when the answer comes, and starts at once if there is
/// room. Sent again under the same `Idempotency-Key` within seven days, it starts nothing and gives the
/// same run.
#[utoipa::path(
    post, path = "/api/v1/runs", tag = "runs", operation_id = "create_run",
    params(("Idempotency-Key" = Option<String>, Header, description = "Any text that stands for this request")),
    request_body = NewRunRequest,
    responses(
        (status = 201, description = "The run is in the queue.", body = RunLine),
        (status = 200, description = "The same request was made before; this is its run.", body = RunLine),
        Problem
    )
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    caller: Option<Extension<Caller>>,
    Idempotency(key): Idempotency,
    Body(request): Body<NewRunRequest>,
) -> Result<Response, Problem> {
    let Some(pipeline) = request.pipeline.clone() else {
        return Err(Problem::refused(
            "pipeline-missing",
            "which pipeline is to run is not said",
        ));
    };
    let work = app.clone();
    let (run, is_new) = app
        .blocking(move || {
            let fingerprint =
                serde_json::to_vec(&request).map_err(|error| Problem::internal("read a request", &error))?;
            let options = QueueOptions {
                reuse: request.reuse,
                ..QueueOptions::default()
            };
            let key = key.as_deref().map(|key| IdempotencyKey {
                scope: "runs",
                key,
                request: ContentHash::of(&fingerprint),
            });
            let by = principal.name.as_str();
            // First: what was allowed when the request came may not be any more when it comes again.
            let earlier = match &key {
                Some(key) => work.connections.with(|store| Ok(store.earlier_request(key)?))?,
                None => None,
            };
            let (id, is_new) = match earlier.map(repeated).transpose()?.flatten() {
                Some(run) => (run, false),
                None => {
                    let order = RunOrder {
                        by: by.to_owned(),
                        ..request.order()
                    };
                    let prepared = prepare(&work, &pipeline, &order, Origin::Person, options)?
                        .called_by(caller.map(|Extension(caller)| caller));
                    for pipeline in &prepared.pipelines {
                        crate::manual::may_start(pipeline, &principal)?;
                    }
                    keep(&work, &prepared, by, request.reason.as_deref(), key)?
                }
            };
            let line = work.connections.with(|store| Ok(store.run_summary(&id)?))?;
            Ok((RunLine::from(line), is_new))
        })
        .await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = (status, Json(&run)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/runs/{}", run.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    if !is_new {
        response.headers_mut().insert(
            HeaderName::from_static("idempotency-replayed"),
            HeaderValue::from_static("true"),
        );
    }
    Ok(response)
}

/// A run that is ready to be kept.
pub(crate) struct Prepared {
    pub(crate) id: RunId,
    definition: RunDefinition,
    created_at: Timestamp,
    priority: u8,
    options: QueueOptions,
    /// Whose roles are asked.
    pipelines: [Arc<Pipeline>; 2],
}

impl Prepared {
    /// The same run, as asked for by somebody who traces.
    pub(crate) fn called_by(mut self, caller: Option<Caller>) -> Self {
        self.definition.caller = caller.map(|Caller(context)| context.to_string());
        self
    }

    /// The same run, which waits for its concurrency group whatever the pipeline says: it is wanted, even
    /// if it comes late.
    pub(crate) fn that_waits(mut self) -> Self {
        if let Some(place) = &mut self.definition.concurrency {
            place.policy.on_limit = OnLimit::Queue;
            place.policy.max_queued = u32::MAX;
        }
        self
    }

    /// The run as the store takes it.
    pub(crate) fn queued<'a>(
        &'a self,
        by: &'a str,
        reason: Option<&'a str>,
        key: Option<IdempotencyKey<'a>>,
    ) -> QueuedRun<'a> {
        QueuedRun {
            new: NewRun {
                id: &self.id,
                definition: &self.definition,
                created_at: self.created_at,
                by,
                reason,
            },
            priority: self.priority,
            options: &self.options,
            key,
        }
    }
}

/// Binds a run of a pipeline as its file is now, or as of the revision that is asked for.
pub(crate) fn prepare(
    app: &Shared,
    pipeline: &str,
    order: &RunOrder,
    origin: Origin<'_>,
    mut options: QueueOptions,
) -> Result<Prepared, Problem> {
    // What was saved a moment ago counts, also before the next look at the folder.
    crate::service::scan(app);
    let chosen = app
        .project
        .choose(&app.home, pipeline, order.revision.as_deref())?;
    let now = (app.clock)();
    let bound = app.project.bind(&chosen.pipeline, order, now)?;
    let mut definition = bound.definition;
    if let Some(checkout) = &chosen.checkout {
        definition.code = Some(checkout.version().clone());
        crate::service::tidy_checkouts(app);
    }
    let asked = (bound.select, options.reuse);
    let rules = chosen.rules_in(definition.environment.clone().as_deref());
    options.select = admitted(app, rules, &mut definition, origin, asked, now)?;
    let workplace = Workplace::of(&app.home, app.project.root(), &definition);
    app.connections.with(|store| {
        Ok(trainyard_engine::surroundings_of(
            store,
            &workplace,
            &app.versions,
            &mut definition,
            now,
        )?)
    })?;
    let priority = chosen
        .pipeline
        .spec()
        .priority
        .and_then(|priority| u8::try_from(priority).ok())
        .unwrap_or(DEFAULT_PRIORITY);
    Ok(Prepared {
        id: random::new_run_id(now).map_err(|error| Problem::internal("name a run", &error))?,
        definition,
        created_at: now,
        priority,
        options,
        pipelines: [chosen.pipeline, chosen.rules],
    })
}

/// Asks environment and budget, puts the gates in front that they demand, and gives the selection with
/// these.
fn admitted(
    app: &Shared,
    pipeline: &Pipeline,
    definition: &mut RunDefinition,
    origin: Origin<'_>,
    (select, reuse): (Option<BTreeSet<InstanceIx>>, bool),
    now: Timestamp,
) -> Result<Option<BTreeSet<InstanceIx>>, Problem> {
    let mut gates = Vec::new();
    if pipeline.admission(definition.environment.as_deref()) != Admission::default() {
        let admitted = app.connections.with(|store| {
            let admitted = trainyard_engine::admit(store, pipeline, definition, origin);
            Ok(admitted?)
        })?;
        if let Some(first) = admitted.faults.first() {
            let sentences: Vec<String> = admitted.faults.iter().map(ToString::to_string).collect();
            let problem = Problem::refused("run-not-admitted", sentences.join("; "));
            return Err(problem.help(first.help(&definition.file)));
        }
        gates = admitted.gates;
    }
    if !trainyard_engine::asks_to_foresee(pipeline) {
        return Ok(with_gates(select, &gates));
    }
    let outlook = Outlook {
        home: &app.home,
        project: crate::app::root(app),
        pipeline,
        reuse,
        now,
    };
    let (plan, select) = outlook.plan_within_budget(definition, &mut gates, select)?;
    match plan.cost.as_ref().and_then(Cost::refusal) {
        Some(reason) => Err(Problem::refused("over-budget", reason)),
        None => {
            if let Some(warning) = &definition.bounds.over_budget {
                tracing::warn!(pipeline = %definition.pipeline, reason = %warning, "over_budget");
                crate::meter::over_budget();
                let mut notice = Notice::new("over_budget", now);
                notice.pipeline = Some(definition.pipeline.to_string());
                notice.message = Some(warning.clone());
                app.hub.tell(notice);
            }
            Ok(select)
        }
    }
}

/// Makes a run that was asked for durable and tells the engine; gives the run and whether it is new.
fn keep(
    app: &Shared,
    prepared: &Prepared,
    by: &str,
    reason: Option<&str>,
    key: Option<IdempotencyKey<'_>>,
) -> Result<(RunId, bool), Problem> {
    let queued = prepared.queued(by, reason, key);
    let enqueued = app.write_now(|_, store| Ok(store.enqueue_run(&queued)?))?;
    if let Some(earlier) = repeated(enqueued)? {
        return Ok((earlier, false));
    }
    app.engine.nudge();
    Ok((prepared.id.clone(), true))
}

/// The run that an earlier request under the same key made.
fn repeated(earlier: Enqueued) -> Result<Option<RunId>, Problem> {
    match earlier {
        Enqueued::New => Ok(None),
        Enqueued::Repeated(run) => Ok(Some(run)),
        Enqueued::KeyTaken(run) => Err(Problem::refused(
            "idempotency-key-taken",
            format!("that Idempotency-Key stands for another request, which made run {run}"),
        )),
    }
}

/// The run that a text of a path means: an id, its last characters, `latest`.
pub(crate) fn find(store: &Store, text: &str) -> Result<RunId, Problem> {
    store.find_run(text).map_err(|error| match error {
        trainyard_store::StoreError::NoRun(_) => Problem::not_found(
            "run-not-found",
            format!("there is no run `{}`", crate::problem::cut(text)),
        ),
        other => other.into(),
    })
}

/// A run as its events have made it.
pub(crate) fn load(store: &Store, id: &RunId) -> Result<Run, Problem> {
    let stored = store.load_run(id)?;
    Run::replay(id.clone(), Arc::new(stored.definition), &stored.events)
        .map_err(|error| Problem::internal("read a run", &error))
}

/// How much of a run.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowQuery {
    /// `false` leaves the steps out.
    steps: Option<bool>,
}

/// One run with its steps.
#[utoipa::path(
    get, path = "/api/v1/runs/{run}", tag = "runs", operation_id = "show_run",
    params(("run" = String, Path, description = "Run id, its last 8 characters, or `latest`"), ShowQuery),
    responses((status = 200, body = RunDocument), Problem)
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Named(run): Named<String>,
    Asked(query): Asked<ShowQuery>,
) -> Result<Json<RunDocument>, Problem> {
    let with_steps = query.steps.unwrap_or(true);
    let now = (app.clock)();
    let document = app
        .read(move |store| {
            let id = find(store, &run)?;
            let line = store.run_summary(&id)?;
            let waits = match line.status {
                RunStatus::Queued => Waits {
                    group: store.waits_because(&id, now)?,
                    ..Waits::default()
                },
                RunStatus::Running => Waits {
                    slots: store.slots_awaited(&id, now)?,
                    ..Waits::default()
                },
                _ => Waits::default(),
            };
            Ok(RunDocument::of(line, &load(store, &id)?, waits, with_steps))
        })
        .await?;
    Ok(Json(document))
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Only those with a higher number.
    after: Option<u32>,
    /// At most this many; 500 if left out.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<u32>,
}

/// Events of a run in the order in which they happened.
#[utoipa::path(
    get, path = "/api/v1/runs/{run}/events", tag = "runs", operation_id = "list_run_events",
    params(("run" = String, Path, description = "Run id, its last 8 characters, or `latest`"), EventQuery),
    responses((status = 200, body = EventPage), Problem)
)]
pub(crate) async fn events(
    State(app): State<Shared>,
    Named(run): Named<String>,
    Asked(query): Asked<EventQuery>,
) -> Result<Json<EventPage>, Problem> {
    let limit = query.limit.unwrap_or(500);
    if !(1..=MOST_EVENTS).contains(&limit) {
        return Err(Problem::bad_request(
            "query-invalid",
            format!("`limit` is from 1 to {MOST_EVENTS}"),
        ));
    }
    let after = u64::from(query.after.unwrap_or(0));
    let page = app
        .read(move |store| {
            let id = find(store, &run)?;
            let total = store.run_summary(&id)?.events;
            let events = store.events_after(&id, after, limit)?;
            let last = events.last().map_or(after, |(number, _)| *number);
            let documents = events
                .into_iter()
                .map(|(number, event)| EventDocument::of(number, &event))
                .collect::<Result<_, _>>()?;
            Ok(EventPage {
                run: id.to_string(),
                events: documents,
                next: (last < total).then_some(last),
            })
        })
        .await?;
    Ok(Json(page))
}
