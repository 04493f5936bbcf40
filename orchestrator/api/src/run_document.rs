//! Runs as documents.

use crate::documents::instant;
use crate::problem::Problem;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use trainyard_contract::{OutputValue, Timestamp};
use trainyard_domain::run::{CodeVersion, Event, Instance, Run, RunStatus, SkipReason, SlaLimit, StepState};
use trainyard_store::RunSummary;
use utoipa::ToSchema;

/// Chosen instances that a document names.
const MOST_CHOSEN: usize = 1_000;

/// Runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunPage {
    pub(crate) runs: Vec<RunLine>,
    /// `cursor` of the next page, if there is one.
    pub(crate) next: Option<String>,
}

/// A run as a line of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunLine {
    pub(crate) id: String,
    pub(crate) pipeline: String,
    pub(crate) environment: Option<String>,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub(crate) status: &'static str,
    pub(crate) created_at: String,
    pub(crate) started_at: Option<String>,
    pub(crate) ended_at: Option<String>,
    /// Who asked for it.
    pub(crate) by: String,
    pub(crate) reason: Option<String>,
    /// How many events there are.
    pub(crate) events: u64,
    pub(crate) counts: Counts,
}

/// Step instances by final state; what is missing to `total` waits or runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Counts {
    total: u32,
    succeeded: u32,
    reused: u32,
    skipped: u32,
    /// Not run because something upstream failed.
    blocked: u32,
    failed: u32,
    cancelled: u32,
}

impl From<RunSummary> for RunLine {
    fn from(run: RunSummary) -> Self {
        let steps = run.steps;
        Self {
            id: run.id.to_string(),
            pipeline: run.pipeline.to_string(),
            environment: run.environment,
            status: run.status.as_str(),
            created_at: instant(run.created_at),
            started_at: run.started_at.map(instant),
            ended_at: run.ended_at.map(instant),
            by: run.by,
            reason: run.reason,
            events: run.events,
            counts: Counts {
                total: steps.total,
                succeeded: steps.succeeded,
                reused: steps.reused,
                skipped: steps.skipped,
                blocked: steps.blocked,
                failed: steps.failed,
                cancelled: steps.cancelled,
            },
        }
    }
}

/// A run with its steps.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunDocument {
    #[serde(flatten)]
    line: RunLine,
    /// Nothing runs and nothing can start: only approvals or timers are left.
    is_waiting: bool,
    /// Step instances, also items of `for_each` steps, that wait for a slot of their pool, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    waits_for: BTreeMap<String, String>,
    /// Step instances, items and iterations that its last retry was told to run again, at most a thousand of
    /// them; what depends on them ran with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_chose: Option<Vec<String>>,
    /// Why it never started, or has not yet: its concurrency group has no room.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_started_because: Option<String>,
    /// Hash of the pipeline's files when the run was made.
    version: String,
    /// The pipeline's file.
    file: String,
    /// The commit that its files were of, if they lay in a git repository.
    code: Option<CodeDocument>,
    owner: Option<String>,
    #[schema(value_type = Object)]
    params: Map<String, Value>,
    /// What started it, as expressions see it.
    #[schema(value_type = Object)]
    trigger: Value,
    /// When it should be over, of a run with `sla.finish_by`.
    finish_by: Option<String>,
    /// In what it is late, or will be.
    late: Vec<LateDocument>,
    /// That it is beyond its budget and goes on all the same (`on_exceed: notify`), in a sentence.
    over_budget: Option<String>,
    /// When it ran into its timeout.
    timed_out_at: Option<String>,
    /// Parts of the pipeline that this version reads and does not act on.
    not_obeyed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepDocument>>,
}

/// Which version of its files a run went by.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CodeDocument {
    commit: String,
    /// The branch that was checked out.
    branch: Option<String>,
    /// Whether a file that the run went by was not as in the commit.
    is_dirty: bool,
    /// Which; of many the first.
    changed: Vec<String>,
    /// The revision that was asked for, if the files were not the project folder's.
    revision: Option<String>,
}

impl From<&CodeVersion> for CodeDocument {
    fn from(code: &CodeVersion) -> Self {
        Self {
            commit: code.commit.clone(),
            branch: code.branch.clone(),
            is_dirty: code.is_dirty(),
            changed: code.changed.clone(),
            revision: code.pinned.as_ref().map(|pinned| pinned.revision.clone()),
        }
    }
}

/// A limit of the service level that a run has not kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LateDocument {
    /// `max_duration`, `finish_by`, or `finish_by_foreseen` if its forecast says that it will not make it.
    #[schema(value_type = String)]
    limit: SlaLimit,
    /// When it should have been over.
    due: String,
    /// When that was noticed.
    at: String,
    /// Channels that are to be told: `sla.on_breach`.
    tell: Vec<String>,
}

/// What keeps a run from going on.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// Of the run as a whole.
    pub(crate) group: Option<String>,
    /// Of its step instances.
    pub(crate) slots: BTreeMap<u32, String>,
}

/// A step instance of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepDocument {
    /// The instance: `train[algorithm=random_forest]`.
    name: String,
    /// The step it is an instance of.
    step: String,
    uses: String,
    /// `waiting`, `ready`, `awaiting_approval`, `running`, `retrying`, `succeeded`, `reused`, `failed`,
    /// `skipped` or `cancelled`.
    state: String,
    needs: Vec<String>,
    /// Attempts so far.
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    headline: Option<String>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    #[schema(value_type = Object)]
    metrics: IndexMap<String, f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<OutputDocument>,
    /// What it had made before it failed; nothing is built upon it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<OutputDocument>,
    /// Wall and processor time in milliseconds, memory in bytes, rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    resources: Option<Value>,
    /// The run whose result was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Since when it runs or waits for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    failure: Option<Value>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<Because>,
    /// How many items of a `for_each` step there are, and how they ended; of a `repeat` step, how many
    /// iterations have begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    items: Option<Value>,
}

/// Why a step was skipped.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Because {
    /// `condition`, `upstream`, `upstream_failed`, `not_needed` or `not_selected`.
    reason: String,
    /// The step instance that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
}

/// What a step made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutputDocument {
    name: String,
    /// `table`, `model`, `metrics`, `report`, `file`, or `value`.
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    /// Hash of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// Where it can be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<String>,
}

impl RunDocument {
    pub(crate) fn of(line: RunSummary, run: &Run, waits: Waits, with_steps: bool) -> Self {
        let definition = run.definition();
        let steps = with_steps.then(|| {
            let pairs = definition.instances.iter().zip(run.steps());
            pairs
                .map(|(instance, (ix, state))| step(run, instance, ix, state))
                .collect()
        });
        Self {
            line: line.into(),
            waits_for: waits
                .slots
                .into_iter()
                .map(|(ix, reason)| (run.name(ix).into_owned(), reason))
                .collect(),
            retry_chose: run.chosen().map(|chosen| {
                let names = chosen.iter().take(MOST_CHOSEN);
                names.map(|ix| run.name(*ix).into_owned()).collect()
            }),
            not_started_because: run.turned_away().map(str::to_owned).or(waits.group),
            is_waiting: run.status() == RunStatus::Waiting,
            version: definition.pipeline_hash.to_string(),
            file: definition.file.clone(),
            code: definition.code.as_ref().map(CodeDocument::from),
            owner: definition.owner.clone(),
            params: definition
                .params
                .iter()
                .map(|(name, param)| (name.clone(), param.value.clone()))
                .collect(),
            trigger: definition.trigger.clone(),
            finish_by: run.finish_by().map(instant),
            late: run
                .breaches()
                .iter()
                .map(|breach| LateDocument {
                    limit: breach.limit,
                    due: instant(breach.due),
                    at: instant(breach.at),
                    tell: definition.bounds.on_breach.clone(),
                })
                .collect(),
            over_budget: definition.bounds.over_budget.clone(),
            timed_out_at: run.timed_out_at().map(instant),
            not_obeyed: definition.not_obeyed.clone(),
            steps,
        }
    }
}

fn step(run: &Run, instance: &Instance, ix: u32, state: &StepState) -> StepDocument {
    let name = |ix: u32| Some(run.name(ix).into_owned());
    let mut document = StepDocument {
        name: instance.name.clone(),
        step: instance.step.as_str().to_owned(),
        uses: instance.uses.clone(),
        state: state.word().to_owned(),
        needs: instance
            .upstream
            .iter()
            .filter_map(|up| name(up.instance))
            .collect(),
        attempts: run.next_attempt(ix).saturating_sub(1),
        headline: None,
        metrics: IndexMap::new(),
        outputs: Vec::new(),
        kept: Vec::new(),
        resources: None,
        from: None,
        since: None,
        until: None,
        failure: None,
        because: None,
        items: run
            .items_of(ix)
            .and_then(|items| serde_json::to_value(items.counts()).ok()),
    };
    let at = |at: &Timestamp| Some(instant(*at));
    match state {
        StepState::Succeeded {
            outputs,
            metrics,
            headline,
            resources,
            from,
            ..
        } => {
            if let Some(from) = from {
                "reused".clone_into(&mut document.state);
                document.from = Some(from.to_string());
            }
            document.headline.clone_from(headline);
            document.metrics.clone_from(metrics);
            document.resources = serde_json::to_value(resources).ok();
            document.outputs = made(run, instance, outputs);
        }
        StepState::Failed { failure, kept, .. } => {
            document.failure = serde_json::to_value(failure).ok();
            document.kept = made(run, instance, kept);
        }
        StepState::Skipped { because } => document.because = why(because, &name),
        StepState::Running { since, .. } | StepState::AwaitingApproval { since, .. } => {
            document.since = at(since);
        }
        StepState::Retrying { until, .. } => document.until = at(until),
        _ => {}
    }
    document
}

fn why(because: &SkipReason, name: &dyn Fn(u32) -> Option<String>) -> Option<Because> {
    Some(match serde_json::to_value(because).ok()? {
        Value::String(reason) => Because { reason, step: None },
        Value::Object(of) => {
            let (reason, more) = of.into_iter().next()?;
            let step = more.get("step").and_then(Value::as_u64);
            Because {
                reason,
                step: step.and_then(|ix| name(u32::try_from(ix).ok()?)),
            }
        }
        _ => return None,
    })
}

fn made(run: &Run, instance: &Instance, values: &IndexMap<String, OutputValue>) -> Vec<OutputDocument> {
    let values = values.iter();
    values
        .map(|(name, value)| output(run, instance, name, value))
        .collect()
}

fn output(run: &Run, instance: &Instance, name: &str, value: &OutputValue) -> OutputDocument {
    match value {
        OutputValue::Artifact(artifact) => OutputDocument {
            name: name.to_owned(),
            kind: artifact.kind.to_string(),
            value: None,
            hash: Some(artifact.hash.to_string()),
            size: Some(artifact.size),
            media_type: Some(artifact.media_type.clone()),
            rows: artifact.rows,
            href: Some(format!(
                "/api/v1/runs/{}/steps/{}/outputs/{}",
                run.id(),
                encode(&instance.name),
                encode(name)
            )),
        },
        OutputValue::Value(value) => OutputDocument {
            name: name.to_owned(),
            kind: "value".to_owned(),
            value: Some(value.clone()),
            hash: None,
            size: None,
            media_type: None,
            rows: None,
            href: None,
        },
    }
}

/// A text as one part of a path.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Events of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    pub(crate) run: String,
    pub(crate) events: Vec<EventDocument>,
    /// `after` of the next page, if there is one.
    pub(crate) next: Option<u64>,
}

/// One event; what else it carries depends on its kind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventDocument {
    /// Counts from 1.
    seq: u64,
    at: String,
    /// `run_started`, `attempt_started`, `attempt_succeeded` …
    event: String,
    /// The rest of it.
    #[schema(value_type = Object)]
    detail: Value,
}

impl EventDocument {
    pub(crate) fn of(seq: u64, event: &Event) -> Result<Self, Problem> {
        let whole =
            serde_json::to_value(event).map_err(|error| Problem::internal("write an event", &error))?;
        let mut detail = match whole {
            Value::Object(detail) => detail,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        detail.remove("at");
        let word = detail.remove("event").unwrap_or_else(|| json!(""));
        Ok(Self {
            seq,
            at: instant(event.at),
            event: word.as_str().unwrap_or_default().to_owned(),
            detail: Value::Object(detail),
        })
    }
}
