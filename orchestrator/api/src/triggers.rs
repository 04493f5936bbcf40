//! `/api/v1/triggers`: what starts runs, and what came of it.

use crate::app::Shared;
use crate::documents::instant;
use crate::extract::Asked;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use trainyard_domain::pipeline::spec::Trigger;
use trainyard_domain::trigger::{Schedule, describe};
use trainyard_store::{Firing, FiringFilter};
use utoipa::{IntoParams, ToSchema};

const MOST: u32 = 500;

/// All triggers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TriggerList {
    triggers: Vec<TriggerLine>,
}

/// A trigger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TriggerLine {
    pipeline: String,
    name: String,
    /// `schedule`, `data`, `alert`, `webhook`, `pipeline` or `manual`.
    kind: String,
    /// In words.
    description: String,
    /// The next tick of a schedule; jitter may put its run off.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Where a webhook is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    is_paused: bool,
}

/// Triggers of all pipelines.
#[utoipa::path(
    get, path = "/api/v1/triggers", tag = "triggers", operation_id = "list_triggers",
    responses((status = 200, body = TriggerList), Problem)
)]
pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<TriggerList>, Problem> {
    let paused = app.read(|store| Ok(store.paused_pipelines()?)).await?;
    let now = (app.clock)();
    let shelf = app.project.shelf();
    let mut triggers = Vec::new();
    for entry in shelf.pipelines.values() {
        let pipeline = entry.current.name();
        for (name, trigger) in &entry.current.spec().triggers {
            let next = match trigger {
                Trigger::Schedule(spec) => Schedule::new(spec)
                    .ok()
                    .and_then(|schedule| schedule.ticks(now).next().map(|tick| instant(tick.at))),
                _ => None,
            };
            triggers.push(TriggerLine {
                pipeline: pipeline.as_str().to_owned(),
                name: name.clone(),
                kind: trigger.kind().to_owned(),
                description: describe(trigger),
                next,
                path: match trigger {
                    Trigger::Webhook(hook) => Some(hook.path.clone()),
                    _ => None,
                },
                is_paused: paused.iter().any(|pause| pause.pipeline == *pipeline),
            });
        }
    }
    Ok(Json(TriggerList { triggers }))
}

/// Which firings.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Only of this pipeline.
    pipeline: Option<String>,
    /// Only of this trigger.
    trigger: Option<String>,
    /// At most this many; 50 if left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(minimum = 0)]
    cursor: Option<u64>,
}

/// Firings, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FiringPage {
    firings: Vec<FiringDocument>,
    /// `cursor` of the next page, if there is one.
    next: Option<u64>,
}

/// What a trigger saw, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FiringDocument {
    id: u64,
    pipeline: String,
    trigger: String,
    kind: String,
    at: String,
    /// The tick it stands for, or when it was due.
    due: Option<String>,
    /// `started`, `repeated`, `refused`; of a run that its concurrency group turned away afterwards
    /// `skipped` or `failed`; or why it was held back: `paused`, `missed`, `cooldown`, `max_runs` …
    verdict: String,
    reason: Option<String>,
    run: Option<String>,
}

impl From<Firing> for FiringDocument {
    fn from(firing: Firing) -> Self {
        Self {
            id: firing.id,
            pipeline: firing.pipeline.to_string(),
            trigger: firing.trigger,
            kind: firing.kind,
            at: instant(firing.at),
            due: firing.due.map(instant),
            verdict: firing.verdict,
            reason: firing.reason,
            run: firing.run.map(|run| run.to_string()),
        }
    }
}

/// What triggers did and did not do, and why.
#[utoipa::path(
    get, path = "/api/v1/triggers/history", tag = "triggers", operation_id = "list_firings",
    params(HistoryQuery),
    responses((status = 200, body = FiringPage), Problem)
)]
pub(crate) async fn history(
    State(app): State<Shared>,
    Asked(query): Asked<HistoryQuery>,
) -> Result<Json<FiringPage>, Problem> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::bad_request(
            "query-invalid",
            format!("`limit` is from 1 to {MOST}"),
        ));
    }
    let wrong = |_| Problem::bad_request("query-invalid", "`pipeline` is none");
    let filter = FiringFilter {
        pipeline: query
            .pipeline
            .map(|name| name.parse().map_err(wrong))
            .transpose()?,
        trigger: query.trigger,
        before: query.cursor,
        limit: limit + 1,
    };
    let mut firings = app.read(move |store| Ok(store.firings(&filter)?)).await?;
    let has_more = firings.len() > limit as usize;
    firings.truncate(limit as usize);
    let next = firings.last().filter(|_| has_more).map(|firing| firing.id);
    Ok(Json(FiringPage {
        firings: firings.into_iter().map(FiringDocument::from).collect(),
        next,
    }))
}
