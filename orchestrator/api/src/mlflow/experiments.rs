//! `experiments/…`.

use super::failure::Failure;
use super::fields::Fields;
use super::reading::{next_page, search, view};
use super::shapes::{ExperimentShape, One, Page, body, nothing};
use crate::app::Shared;
use axum::body::Bytes;
use serde::Serialize;
use trainyard_domain::tracking::limits::{self, PageLimit};
use trainyard_domain::tracking::{Dialect, Refusal, name};
use trainyard_store::tracking::Pair;

fn check_tag(key: &str, value: &str) -> Result<(), Refusal> {
    name::check_key(key, "key", "key")?;
    name::check_length("value", limits::EXPERIMENT_TAG_VALUE, value)
}

pub(super) async fn create(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = fields.required("name")?.to_owned();
    let location = fields.word("artifact_location")?.map(str::to_owned);
    if let Some(location) = &location {
        super::source::check_location(location)?;
    }
    let tags: Vec<Pair> = fields.pairs("tags")?;
    for (key, value) in &tags {
        check_tag(key, value)?;
    }
    let at = (app.clock)();
    app.track(move |tracking| {
        let id = tracking.create_experiment(&called, location.as_deref(), &tags, at)?;
        body(&One("experiment_id", id.to_string()))
    })
    .await
}

pub(super) async fn get(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.required("experiment_id")?.to_owned();
    app.tracked(move |tracking| {
        let experiment = tracking.experiment(&id)?;
        body(&One("experiment", ExperimentShape::from(&experiment)))
    })
    .await
}

pub(super) async fn get_by_name(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = fields.required("experiment_name")?.to_owned();
    app.tracked(move |tracking| {
        let experiment = tracking
            .experiment_of_name(&called)?
            .ok_or_else(|| Refusal::missing(format!("Could not find experiment with name '{called}'")))?;
        body(&One("experiment", ExperimentShape::from(&experiment)))
    })
    .await
}

pub(super) async fn find(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let mut search = search(fields, Dialect::Experiments, PageLimit::EXPERIMENTS)?;
    search.view = view(fields, "view_type")?;
    app.tracked(move |tracking| {
        let mut found = tracking.search_experiments(&search)?;
        let next = next_page(&search, &mut found);
        let items: Vec<_> = found.iter().map(ExperimentShape::from).collect();
        body(&Page {
            name: "experiments",
            items: &items,
            next,
        })
    })
    .await
}

pub(super) async fn delete(app: &Shared, fields: &Fields, is_deleted: bool) -> Result<Bytes, Failure> {
    let id = fields.required("experiment_id")?.to_owned();
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.delete_experiment(&id, is_deleted, at)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn update(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.required("experiment_id")?.to_owned();
    let called = fields.required("new_name")?.to_owned();
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.rename_experiment(&id, &called, at)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn set_tag(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.required("experiment_id")?.to_owned();
    let key = fields.required("key")?.to_owned();
    let value = fields.text("value")?.unwrap_or_default().to_owned();
    check_tag(&key, &value)?;
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.tag_experiment(&id, &key, &value, at)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn delete_tag(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.required("experiment_id")?.to_owned();
    let key = fields.required("key")?.to_owned();
    app.track(move |tracking| {
        tracking.untag_experiment(&id, &key)?;
        Ok(nothing())
    })
    .await
}

#[derive(Serialize)]
struct SummaryShape {
    experiment_id: String,
    name: String,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
}

/// Experiments that one request may name.
const MOST_EXPERIMENTS: usize = 20;

pub(super) async fn datasets(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let ids = fields.texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(Failure::invalid(
            "SearchDatasets request must specify at least one experiment_id.",
        ));
    }
    if ids.len() > MOST_EXPERIMENTS {
        return Err(Failure::invalid(format!(
            "SearchDatasets request cannot specify more than {MOST_EXPERIMENTS} experiment_ids. Received {} experiment_ids.",
            ids.len()
        )));
    }
    app.tracked(move |tracking| {
        let found = tracking.dataset_summaries(&ids)?;
        let items: Vec<_> = found
            .into_iter()
            .map(|summary| SummaryShape {
                experiment_id: summary.experiment.to_string(),
                name: summary.name,
                digest: summary.digest,
                context: summary.context,
            })
            .collect();
        body(&Page {
            name: "dataset_summaries",
            items: &items,
            next: None,
        })
    })
    .await
}
