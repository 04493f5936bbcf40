//! `runs/…`, apart from what is logged to them.

use super::failure::Failure;
use super::fields::Fields;
use super::reading::{next_page, search, view};
use super::shapes::{One, Page, RunInfoShape, RunShape, body, nothing};
use crate::app::Shared;
use crate::auth::Principal;
use crate::random;
use axum::body::Bytes;
use trainyard_domain::tracking::limits::{self, PageLimit};
use trainyard_domain::tracking::{Dialect, RunState, name};
use trainyard_store::tracking::{NewTrackedRun, Pair};

/// Experiments that one search may name.
const MOST_EXPERIMENTS: usize = 10_000;

/// Tags as they are kept: checked and cut.
pub(super) fn tags(given: Vec<Pair>, path: impl Fn(usize) -> String) -> Result<Vec<Pair>, Failure> {
    given
        .into_iter()
        .enumerate()
        .map(|(at, (key, value))| {
            let path = path(at);
            name::check_key(&key, &path, &path)?;
            Ok((key, name::cut(&value, limits::TAG_VALUE).to_owned()))
        })
        .collect()
}

pub(super) async fn create(app: &Shared, who: &Principal, fields: &Fields) -> Result<Bytes, Failure> {
    let experiment = fields.text("experiment_id")?.unwrap_or("0").to_owned();
    let experiment = if experiment.is_empty() {
        "0".to_owned()
    } else {
        experiment
    };
    let called = fields.text("run_name")?.unwrap_or_default().to_owned();
    let user = fields.word("user_id")?.unwrap_or(&who.name).to_owned();
    let started_at = fields.int("start_time")?;
    let tags = tags(fields.pairs("tags")?, |_| "key".to_owned())?;
    let id = random::hex(&random::bytes::<16>().map_err(|error| Failure::internal("name a run", &error))?);
    let at = (app.clock)();
    app.track(move |tracking| {
        let new = NewTrackedRun {
            id: &id,
            experiment: &experiment,
            name: &called,
            user: &user,
            started_at,
            tags: &tags,
        };
        let (run, data) = tracking.create_run(&new, at)?;
        body(&One("run", RunShape::of(&run, &data)))
    })
    .await
}

pub(super) async fn get(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    app.tracked(move |tracking| {
        let run = tracking.run(&id)?;
        let data = tracking.data_of(std::slice::from_ref(&run))?;
        let data = data.into_iter().next().unwrap_or_default();
        body(&One("run", RunShape::of(&run, &data)))
    })
    .await
}

pub(super) async fn update(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    let status = fields.word("status")?.map(str::parse::<RunState>).transpose()?;
    let ended_at = fields.int("end_time")?;
    let called = fields.text("run_name")?.map(str::to_owned);
    app.track(move |tracking| {
        let run = tracking.update_run(&id, status, ended_at, called.as_deref())?;
        body(&One("run_info", RunInfoShape::of(&run)))
    })
    .await
}

pub(super) async fn delete(app: &Shared, fields: &Fields, is_deleted: bool) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    app.track(move |tracking| {
        tracking.delete_run(&id, is_deleted)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn find(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let ids = fields.texts("experiment_ids")?;
    if ids.len() > MOST_EXPERIMENTS {
        return Err(Failure::invalid(format!(
            "A search can name at most {MOST_EXPERIMENTS} experiments. Got {}.",
            ids.len()
        )));
    }
    let mut search = search(fields, Dialect::Runs, PageLimit::RUNS)?;
    search.view = view(fields, "run_view_type")?;
    // An id that cannot be one finds nothing.
    search.experiments = ids.iter().filter_map(|id| id.parse().ok()).collect();
    app.tracked(move |tracking| {
        let mut found = tracking.search_runs(&search)?;
        let next = next_page(&search, &mut found);
        let data = tracking.data_of(&found)?;
        let items: Vec<_> = found
            .iter()
            .zip(&data)
            .map(|(run, data)| RunShape::of(run, data))
            .collect();
        body(&Page {
            name: "runs",
            items: &items,
            next,
        })
    })
    .await
}
