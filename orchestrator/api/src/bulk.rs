//! One action on many runs: what it does to each, and why not. Asked again it changes nothing more.

use crate::app::Shared;
use crate::auth::Principal;
use crate::extract::Body;
use crate::problem::Problem;
use crate::runs::load;
use crate::steering::not_chosen;
use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use trainyard_contract::{Millis, PipelineName, RunId, Timestamp};
use trainyard_domain::run::{RunOutcome, RunStatus as Standing};
use trainyard_store::{Request, RunFilter, RunStatus, RunSummary, Store, StoreError};
use utoipa::ToSchema;

/// Runs of one call at most, and if nobody says how many.
pub const MOST_RUNS: u32 = 500;
const USUAL_RUNS: u32 = 100;
/// Runs read at once while looking for those that are meant.
const PAGE: u32 = 200;

/// What is done to each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunAction {
    /// Asks it to stop. One that was asked before is not asked again.
    Cancel,
    /// Runs what did not succeed again.
    Retry,
    /// Goes on with one that was interrupted or lost its engine.
    Resume,
}

impl RunAction {
    /// Runs that it is for, if nobody names a status.
    fn statuses(self) -> &'static [RunStatus] {
        match self {
            Self::Cancel => &[RunStatus::Queued, RunStatus::Running],
            Self::Retry => &[RunStatus::Failed, RunStatus::Cancelled],
            Self::Resume => &[RunStatus::Running],
        }
    }
}

impl fmt::Display for RunAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Resume => "resume",
        })
    }
}

/// Which runs. All that is said has to hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunsFilter {
    /// Only of this pipeline.
    pub pipeline: Option<String>,
    /// Only of this status; those that the action is for if left out.
    pub status: Option<String>,
    /// Only runs made since: an instant, or how long ago, e.g. `6h`.
    pub since: Option<String>,
    /// Whichever pipeline, status and age. Without any of these words nothing is meant.
    pub all: bool,
}

/// An action on many runs.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionRequest {
    action: RunAction,
    /// Of a retry: exactly these steps of each run, also ones that have succeeded, with what depends on
    /// them. Everything that did not succeed if left out.
    #[serde(default)]
    select: Option<String>,
    /// These runs, by id; instead of a filter.
    #[serde(default)]
    runs: Option<Vec<String>>,
    /// The newest that fit.
    #[serde(default)]
    filter: Option<RunsFilter>,
    /// At most this many; 100 if left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Says what would be done, and does nothing.
    #[serde(default)]
    dry_run: bool,
}

/// What became of each run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActionAnswer {
    pub action: RunAction,
    pub dry_run: bool,
    /// Newest first, or in the order in which they were named.
    pub results: Vec<ActionResult>,
    /// There are more runs that fit than one call takes: ask again.
    pub more: bool,
}

impl ActionAnswer {
    /// How many runs that became of.
    pub fn count(&self, verdict: ActionVerdict) -> usize {
        let of_it = self.results.iter().filter(|result| result.verdict == verdict);
        of_it.count()
    }

    /// Whether that became of any run.
    pub fn has(&self, verdict: ActionVerdict) -> bool {
        self.count(verdict) > 0
    }
}

/// What became of one run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActionResult {
    pub run: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// As it was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    pub verdict: ActionVerdict,
    /// In a sentence.
    pub reason: String,
}

/// What became of one run, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionVerdict {
    /// It was asked.
    Asked,
    /// It would be asked, if this were no dry run.
    WouldAsk,
    /// It is so already, or was asked before.
    Unchanged,
    /// The action is not for a run like this, or there is no such run.
    Refused,
}

/// The newest runs that a filter means, and whether there are more.
///
/// # Errors
/// A sentence, if the filter says what makes no sense.
pub fn runs_of_filter(
    store: &Store,
    action: RunAction,
    filter: &RunsFilter,
    limit: u32,
    now: Timestamp,
) -> Result<(Vec<RunSummary>, bool), FilterError> {
    let says_something = filter.pipeline.is_some() || filter.status.is_some() || filter.since.is_some();
    if !says_something && !filter.all {
        return Err(FilterError::Invalid(
            "no run is meant: name a pipeline, a status, a time, or say `all`".to_owned(),
        ));
    }
    let pipeline = filter
        .pipeline
        .as_ref()
        .map(|name| name.parse::<PipelineName>())
        .transpose()
        .map_err(|_| FilterError::Invalid("`pipeline` is none".to_owned()))?;
    let since = filter.since.as_deref().map(|text| since(text, now)).transpose()?;
    let statuses = match &filter.status {
        Some(status) => vec![status.parse::<RunStatus>().map_err(FilterError::Invalid)?],
        None => action.statuses().to_vec(),
    };
    let mut found: Vec<RunSummary> = Vec::new();
    for status in statuses {
        let mut before = None;
        let mut of_status = 0;
        loop {
            let page = store.list_runs(&RunFilter {
                pipeline: pipeline.clone(),
                status: Some(status),
                limit: PAGE,
                before: before.clone(),
            })?;
            before = page.last().map(|run| run.id.clone());
            let is_last = page.len() < PAGE as usize;
            let count = page.len();
            let fitting = page
                .into_iter()
                .filter(|run| since.is_none_or(|since| run.created_at >= since));
            let had = found.len();
            found.extend(fitting);
            of_status += found.len() - had;
            // Runs are listed newest first: older ones follow.
            if is_last || found.len() - had < count || of_status > limit as usize {
                break;
            }
        }
    }
    found.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    Ok((found, has_more))
}

/// Why no runs were looked for.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn since(text: &str, now: Timestamp) -> Result<Timestamp, FilterError> {
    if let Ok(Millis(ago)) = text.parse::<Millis>() {
        let micros = i64::try_from(ago).unwrap_or(i64::MAX).saturating_mul(1_000);
        return Ok(Timestamp(now.0.saturating_sub(micros)));
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(at.as_microsecond()));
    }
    let date = text.parse::<jiff::civil::Date>().ok();
    let start = date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
    start
        .map(|start| Timestamp(start.timestamp().as_microsecond()))
        .ok_or_else(|| {
            FilterError::Invalid(
                "`since` is a date, an instant or a duration: `2026-11-22`, `2026-11-22T06:00Z`, `6h`"
                    .to_owned(),
            )
        })
}

/// What is done, by whom and when.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    pub action: RunAction,
    /// Steps of each run that a retry is to run again; none: all that did not succeed.
    pub select: Option<&'a str>,
    pub by: &'a str,
    pub now: Timestamp,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
}

/// Does it to each run, or says what it would do. A run that cannot be read is refused and keeps no other
/// from its turn.
pub fn act(store: &mut Store, runs: &[RunId], deed: &Deed<'_>) -> Vec<ActionResult> {
    let waiting = store.runs_with_requests().unwrap_or_default();
    let waiting: BTreeSet<RunId> = waiting.into_iter().collect();
    let mut seen = BTreeSet::new();
    let mut results = Vec::with_capacity(runs.len());
    for id in runs.iter().filter(|id| seen.insert((*id).clone())) {
        let result = one(store, id, waiting.contains(id), deed);
        results.push(result.unwrap_or_else(|problem| ActionResult {
            run: id.to_string(),
            pipeline: None,
            status: None,
            verdict: ActionVerdict::Refused,
            reason: problem.in_words(),
        }));
    }
    results
}

fn one(store: &mut Store, id: &RunId, is_asked: bool, deed: &Deed<'_>) -> Result<ActionResult, Problem> {
    let line = store.run_summary(id)?;
    let (verdict, reason) = if is_asked {
        let reason = "a request waits for its engine already".to_owned();
        (ActionVerdict::Unchanged, reason)
    } else {
        judge(store, id, deed)?
    };
    let verdict = match verdict {
        ActionVerdict::Asked if deed.dry_run => ActionVerdict::WouldAsk,
        ActionVerdict::Asked => {
            let by = deed.by.to_owned();
            match deed.action {
                RunAction::Cancel => store.post_request(id, &Request::Cancel { by }, deed.now)?,
                RunAction::Retry => {
                    let select = deed.select.map(str::to_owned);
                    store.hand_over(id, Some(&Request::Retry { by, select }), deed.now)?;
                }
                RunAction::Resume => store.hand_over(id, None, deed.now)?,
            }
            ActionVerdict::Asked
        }
        other => other,
    };
    Ok(ActionResult {
        run: id.to_string(),
        pipeline: Some(line.pipeline.to_string()),
        status: Some(line.status.as_str().to_owned()),
        verdict,
        reason,
    })
}

/// What the action means for a run as it stands.
fn judge(store: &Store, id: &RunId, deed: &Deed<'_>) -> Result<(ActionVerdict, String), Problem> {
    use ActionVerdict::{Asked, Refused, Unchanged};
    let run = load(store, id)?;
    let of_outcome = |outcome| format!("it is over: {}", crate::hub::outcome_word(outcome));
    Ok(match (deed.action, run.status()) {
        (RunAction::Cancel, Standing::Ended(RunOutcome::Cancelled)) => {
            (Unchanged, "it is cancelled".to_owned())
        }
        (RunAction::Cancel | RunAction::Resume, Standing::Ended(outcome)) => (Refused, of_outcome(outcome)),
        (RunAction::Cancel, _) if run.is_cancelled() => (Unchanged, "it is stopping already".to_owned()),
        (RunAction::Cancel, _) => (Asked, "it is asked to stop".to_owned()),
        (RunAction::Retry, Standing::Ended(_)) if let Some(text) = deed.select => {
            let chosen = run.choose(text).map_err(not_chosen)?;
            (Asked, format!("it runs again {}", run.choice_in_words(&chosen)))
        }
        (RunAction::Retry, Standing::Ended(RunOutcome::Succeeded)) => (
            Unchanged,
            "it has succeeded; there is nothing to retry".to_owned(),
        ),
        (RunAction::Retry, Standing::Ended(_)) => (Asked, "it tries again what did not succeed".to_owned()),
        (RunAction::Retry, _) => (Unchanged, "it is not over".to_owned()),
        (RunAction::Resume, _) => {
            let lease = store.load_run(id)?.lease;
            match lease.filter(|lease| lease.may_be_held(deed.now)) {
                Some(lease) => (
                    Unchanged,
                    format!("engine {} is at work on it", lease.owner.engine),
                ),
                None => (Asked, "it goes on".to_owned()),
            }
        }
    })
}

/// Cancels, retries or resumes many runs, named or as a filter finds them, newest first. Each has a result
/// of its own; asked again, what was asked before is `unchanged`. Engines act on it as they do on a
/// request for one run.
#[utoipa::path(
    post, path = "/api/v1/runs/actions", tag = "runs", operation_id = "act_on_runs",
    request_body = ActionRequest,
    responses((status = 200, body = ActionAnswer), Problem)
)]
pub(crate) async fn actions(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Body(request): Body<ActionRequest>,
) -> Result<Json<ActionAnswer>, Problem> {
    let invalid = |detail: &str| Problem::refused("action-invalid", detail);
    let limit = request.limit.unwrap_or(USUAL_RUNS);
    if !(1..=MOST_RUNS).contains(&limit) {
        return Err(invalid(&format!("`limit` is from 1 to {MOST_RUNS}")));
    }
    if request.select.is_some() && request.action != RunAction::Retry {
        return Err(invalid("`select` is for a retry"));
    }
    match (&request.runs, &request.filter) {
        (Some(runs), None) if runs.len() > limit as usize => {
            return Err(invalid(&format!("one call takes {limit} runs")));
        }
        (Some(_), None) | (None, Some(_)) => {}
        _ => return Err(invalid("name `runs` or a `filter`, one of the two")),
    }
    let answer = app
        .write(move |app, store| {
            let now = (app.clock)();
            let mut unknown = Vec::new();
            let (runs, more) = match (&request.runs, &request.filter) {
                (Some(named), _) => {
                    let mut runs = Vec::new();
                    for text in named {
                        match crate::runs::find(store, text) {
                            Ok(run) => runs.push(run),
                            Err(problem) if problem.is_refusal() => unknown.push(ActionResult {
                                run: crate::problem::cut(text),
                                pipeline: None,
                                status: None,
                                verdict: ActionVerdict::Refused,
                                reason: problem.in_words(),
                            }),
                            Err(problem) => return Err(problem),
                        }
                    }
                    (runs, false)
                }
                (None, filter) => {
                    let filter = filter.clone().unwrap_or_default();
                    let found = runs_of_filter(store, request.action, &filter, limit, now);
                    let (runs, more) = found.map_err(|error| match error {
                        FilterError::Invalid(why) => {
                            Problem::refused("action-invalid", crate::problem::cut(&why))
                        }
                        FilterError::Store(error) => error.into(),
                    })?;
                    (runs.into_iter().map(|run| run.id).collect(), more)
                }
            };
            let deed = Deed {
                action: request.action,
                select: request.select.as_deref(),
                by: &principal.name,
                now,
                dry_run: request.dry_run,
            };
            let mut results = act(store, &runs, &deed);
            results.extend(unknown);
            Ok(ActionAnswer {
                action: request.action,
                dry_run: request.dry_run,
                results,
                more,
            })
        })
        .await?;
    app.engine.nudge();
    Ok(Json(answer))
}
