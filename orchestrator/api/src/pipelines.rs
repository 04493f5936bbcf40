//! `/api/v1/pipelines`.

use crate::app::Shared;
use crate::auth::Principal;
use crate::documents::{Accepted, instant};
use crate::extract::{Body, Named};
use crate::hub::Notice;
use crate::params as form;
use crate::problem::Problem;
use crate::project::{self, Entry, RunOrder, Shelf};
use crate::runs::NewRunRequest;
use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use trainyard_domain::pipeline::Origin;
use trainyard_domain::plan::{ChecksSummary, render};
use trainyard_engine::Outlook;
use trainyard_store::Pause;
use utoipa::ToSchema;

/// Pipelines of the project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineList {
    pipelines: Vec<PipelineLine>,
    /// Files that hold no pipeline that was ever good.
    broken: Vec<BrokenFile>,
}

/// A file that holds no pipeline that was ever good.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BrokenFile {
    file: String,
    diagnostics: Vec<Value>,
}

/// A pipeline as a line of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineLine {
    name: String,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    tags: Vec<String>,
    /// Hash of the current version: the file and all that it includes.
    version: String,
    /// When that version became the current one.
    since: String,
    /// The file has faults now; the current version is the last good one.
    is_stale: bool,
    /// Set while it starts no runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<PauseDocument>,
    triggers: Vec<String>,
    environments: Vec<String>,
}

/// Who paused a pipeline, when and why.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PauseDocument {
    at: String,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Pause> for PauseDocument {
    fn from(pause: Pause) -> Self {
        Self {
            at: instant(pause.at),
            by: pause.by,
            reason: pause.reason,
        }
    }
}

/// A pipeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineDocument {
    #[serde(flatten)]
    line: PipelineLine,
    steps: Vec<PipelineStep>,
    /// Findings in the file as it stands now.
    diagnostics: Vec<Value>,
    /// Parts that this version reads and does not act on.
    not_obeyed: Vec<String>,
}

/// A step of a pipeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineStep {
    name: String,
    uses: String,
    needs: Vec<String>,
    tags: Vec<String>,
}

/// All pipelines of the project folder.
#[utoipa::path(
    get, path = "/api/v1/pipelines", tag = "pipelines", operation_id = "list_pipelines",
    responses((status = 200, body = PipelineList), Problem)
)]
pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<PipelineList>, Problem> {
    let shelf = app.project.shelf();
    let paused = paused(&app).await?;
    Ok(Json(PipelineList {
        pipelines: shelf
            .pipelines
            .values()
            .map(|entry| line(entry, &paused))
            .collect(),
        broken: broken(&shelf),
    }))
}

fn broken(shelf: &Shelf) -> Vec<BrokenFile> {
    let files = shelf.broken.iter().map(|(file, diagnostics)| BrokenFile {
        file: file.clone(),
        diagnostics: diagnostics.clone(),
    });
    files.collect()
}

async fn paused(app: &Shared) -> Result<BTreeMap<String, PauseDocument>, Problem> {
    let pauses = app.read(|store| Ok(store.paused_pipelines()?)).await?;
    Ok(pauses
        .into_iter()
        .map(|pause| (pause.pipeline.as_str().to_owned(), pause.into()))
        .collect())
}

fn line(entry: &Entry, paused: &BTreeMap<String, PauseDocument>) -> PipelineLine {
    let pipeline = &entry.current;
    let spec = pipeline.spec();
    PipelineLine {
        name: pipeline.name().as_str().to_owned(),
        file: pipeline.file().to_owned(),
        description: spec.description.clone(),
        owner: spec.owner.clone(),
        tags: spec.tags.clone(),
        version: pipeline.hash().to_string(),
        since: instant(entry.since),
        is_stale: entry.is_stale,
        paused: paused.get(pipeline.name().as_str()).cloned(),
        triggers: spec.triggers.keys().cloned().collect(),
        environments: pipeline.environments().into_iter().map(str::to_owned).collect(),
    }
}

/// One pipeline with its steps and the findings in its file.
#[utoipa::path(
    get, path = "/api/v1/pipelines/{pipeline}", tag = "pipelines", operation_id = "show_pipeline",
    params(("pipeline" = String, Path, description = "Name of the pipeline")),
    responses((status = 200, body = PipelineDocument), Problem)
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Named(name): Named<String>,
) -> Result<Json<PipelineDocument>, Problem> {
    let entry = app.project.entry(&name)?;
    let paused = paused(&app).await?;
    // What is not obeyed is known of a run; without values for its params there may be none to ask.
    let bound = app
        .project
        .bind(&entry.current, &RunOrder::default(), (app.clock)());
    let spec = entry.current.spec();
    let steps = spec.steps.iter().map(|(name, step)| {
        let (uses, needs) = entry.current.wiring_of(name).unwrap_or_default();
        PipelineStep {
            name: name.clone(),
            uses: uses.to_owned(),
            needs: needs.into_iter().map(str::to_owned).collect(),
            tags: step.tags.clone(),
        }
    });
    Ok(Json(PipelineDocument {
        line: line(&entry, &paused),
        steps: steps.collect(),
        diagnostics: entry.diagnostics.clone(),
        not_obeyed: bound.map(|bound| bound.definition.not_obeyed).unwrap_or_default(),
    }))
}

/// The params that a run takes, as JSON Schema.
#[utoipa::path(
    get, path = "/api/v1/pipelines/{pipeline}/params", tag = "pipelines", operation_id = "show_params",
    params(("pipeline" = String, Path, description = "Name of the pipeline")),
    responses((status = 200, description = "A JSON Schema, draft 2020-12.", body = Object), Problem)
)]
pub(crate) async fn params(
    State(app): State<Shared>,
    Named(name): Named<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(form::schema(&app.project.entry(&name)?.current)))
}

/// What a run would do, and why; nothing is started.
#[utoipa::path(
    post, path = "/api/v1/pipelines/{pipeline}/plan", tag = "pipelines", operation_id = "plan_pipeline",
    params(("pipeline" = String, Path, description = "Name of the pipeline")),
    request_body = NewRunRequest,
    responses((status = 200, description = "As `trainyard plan --format json` prints it.", body = Object), Problem)
)]
pub(crate) async fn plan(
    State(app): State<Shared>,
    Named(name): Named<String>,
    Body(request): Body<NewRunRequest>,
) -> Result<Json<Value>, Problem> {
    let work = app.clone();
    let plan = app.blocking(move || foresee(&work, &name, request)).await?;
    Ok(Json(plan))
}

fn foresee(app: &Shared, name: &str, request: NewRunRequest) -> Result<Value, Problem> {
    let now = (app.clock)();
    let reuse = request.reuse;
    let chosen = app.project.choose(&app.home, name, request.revision.as_deref())?;
    let mut bound = app.project.bind(&chosen.pipeline, &request.order(), now)?;
    let checkout = chosen.checkout.as_ref();
    bound.definition.code = checkout.map(|checkout| checkout.version().clone());
    let rules = chosen.rules_in(bound.definition.environment.clone().as_deref());
    let admitted = app.connections.with(|store| {
        let admitted = trainyard_engine::admit(store, rules, &mut bound.definition, Origin::Person);
        Ok(admitted?)
    })?;
    let outlook = Outlook {
        home: &app.home,
        project: crate::app::root(app),
        pipeline: rules,
        reuse,
        now,
    };
    let mut gates = admitted.gates;
    let (mut plan, _) = outlook.plan_within_budget(&mut bound.definition, &mut gates, bound.select)?;
    let over = plan.cost.as_ref().filter(|cost| cost.exceeds());
    let over = over.map(|cost| format!("warning[C01/over-budget]: {}", cost.line()));
    let late = bound.definition.bounds.foreseen_miss(now);
    let notes = admitted
        .faults
        .iter()
        .map(ToString::to_string)
        .chain(over)
        .chain(late);
    let notes = notes.collect();
    let count = |severity: &str| {
        let of_it = chosen
            .diagnostics
            .iter()
            .filter(|found| found["severity"] == severity);
        of_it.count()
    };
    plan.checks = Some(ChecksSummary {
        errors: count("error"),
        warnings: count("warning"),
        notes,
    });
    Ok(render::json(&plan))
}

/// Why a pipeline is paused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PauseRequest {
    /// For those who wonder.
    reason: Option<String>,
}

/// Lets a pipeline start no runs: triggers are held back, runs that are asked for wait in the queue.
/// What runs goes on.
#[utoipa::path(
    post, path = "/api/v1/pipelines/{pipeline}/pause", tag = "pipelines", operation_id = "pause_pipeline",
    params(("pipeline" = String, Path, description = "Name of the pipeline")),
    request_body = PauseRequest,
    responses((status = 200, body = Accepted), Problem)
)]
pub(crate) async fn pause(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Named(name): Named<String>,
    Body(request): Body<PauseRequest>,
) -> Result<Json<Accepted>, Problem> {
    app.project.entry(&name)?;
    let pause = Pause {
        pipeline: project::name(&name)?,
        at: (app.clock)(),
        by: principal.name,
        reason: request.reason,
    };
    app.write(move |_, store| Ok(store.pause_pipeline(&pause)?))
        .await?;
    let mut notice = Notice::new("pipeline_paused", (app.clock)());
    notice.pipeline = Some(name.clone());
    app.hub.tell(notice);
    Ok(Json(Accepted {
        message: format!("`{name}` starts no runs until it is resumed"),
    }))
}

/// Lets a paused pipeline start runs again; those that wait in the queue start now.
#[utoipa::path(
    post, path = "/api/v1/pipelines/{pipeline}/resume", tag = "pipelines", operation_id = "resume_pipeline",
    params(("pipeline" = String, Path, description = "Name of the pipeline")),
    responses((status = 200, body = Accepted), Problem)
)]
pub(crate) async fn resume(
    State(app): State<Shared>,
    Named(name): Named<String>,
) -> Result<Json<Accepted>, Problem> {
    let pipeline = project::name(&name)?;
    let was_paused = app
        .write(move |_, store| Ok(store.resume_pipeline(&pipeline)?))
        .await?;
    if !was_paused {
        app.project.entry(&name)?;
    }
    app.engine.nudge();
    let mut notice = Notice::new("pipeline_resumed", (app.clock)());
    notice.pipeline = Some(name.clone());
    app.hub.tell(notice);
    Ok(Json(Accepted {
        message: if was_paused {
            format!("`{name}` starts runs again")
        } else {
            format!("`{name}` was not paused")
        },
    }))
}
