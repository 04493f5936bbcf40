//! `/get-online-features` and `/health`, in the shape of Feast's feature server.

use super::answer::{freshness, instant, json, list, text};
use super::columns::Columns;
use super::gather::{Gathered, Status};
use super::plan::{Plan, PlanKey};
use crate::app::Shared;
use crate::extract::Body;
use crate::problem::Problem;
use axum::extract::State;
use axum::response::Response;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainyard_contract::Timestamp;
use trainyard_features::online::OnlineStore;
use utoipa::ToSchema;

/// A question for the latest values of features. Fields that later versions of Feast add are passed over.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct OnlineFeaturesRequest {
    /// Keys of entities by name, a list of as many values each.
    #[schema(value_type = Object)]
    pub(super) entities: IndexMap<String, Vec<Value>>,
    /// Instead of `features`: those of a service.
    #[serde(default)]
    pub(super) feature_service: Option<String>,
    /// `view:feature`, `view@v2:feature` or `view:*`.
    #[serde(default)]
    pub(super) features: Vec<String>,
    /// Whether features go by `view__feature` in the answer.
    #[serde(default)]
    pub(super) full_feature_names: bool,
    /// Whether the answer says which versions of views it is from.
    #[serde(default)]
    pub(super) include_feature_view_version_metadata: bool,
    /// Whether the answer says how fresh the views are; not a word of Feast's.
    #[serde(default)]
    pub(super) include_freshness: bool,
}

/// Values of features, column by column: first the entities' keys, then features in the order in which they were asked
/// for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OnlineFeatures {
    results: Vec<FeatureColumn>,
    metadata: OnlineFeaturesMetadata,
}

/// What the columns are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OnlineFeaturesMetadata {
    feature_names: Vec<String>,
    feature_view_metadata: Option<Vec<ViewOfAnswer>>,
    freshness: Option<Value>,
}

/// A view that values are from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ViewOfAnswer {
    name: String,
    version: u32,
}

/// The values of one feature.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeatureColumn {
    values: Vec<Value>,
    /// `PRESENT` (also where the value is null, as in Feast), `NOT_FOUND` or `OUTSIDE_MAX_AGE`.
    statuses: Vec<String>,
    event_timestamps: Vec<String>,
}

/// Looks up the latest values of features by keys.
#[utoipa::path(
    post, path = "/get-online-features", tag = "features", operation_id = "get_online_features",
    request_body = OnlineFeaturesRequest,
    responses((status = 200, body = OnlineFeatures), Problem)
)]
pub(crate) async fn get_online_features(
    State(app): State<Shared>,
    Body(request): Body<OnlineFeaturesRequest>,
) -> Result<Response, Problem> {
    let plan = app.features.known().plan(PlanKey {
        service: request.feature_service,
        features: request.features,
        full_names: request.full_feature_names,
    })?;
    let columns = Columns::new(&plan, request.entities)?;
    let extra = Extra {
        versions: request.include_feature_view_version_metadata,
        freshness: request.include_freshness,
    };
    let now = (app.clock)();
    let body = match app.features.near(columns.rows * plan.outputs.len()) {
        Some(store) => answer(&plan, &columns, &*store, now, extra)?,
        None => {
            let desk = app.clone();
            app.blocking(move || answer(&plan, &columns, &*desk.features.store()?, now, extra))
                .await?
        }
    };
    Ok(json(body))
}

#[derive(Clone, Copy)]
pub(super) struct Extra {
    pub(super) versions: bool,
    pub(super) freshness: bool,
}

pub(super) fn answer(
    plan: &Plan,
    columns: &Columns,
    store: &dyn OnlineStore,
    now: Timestamp,
    extra: Extra,
) -> Result<Vec<u8>, Problem> {
    let gathered = Gathered::new(plan, columns, store, now, true)?;
    let rows = columns.rows;
    let mut out = Vec::with_capacity(256 + rows * (plan.outputs.len() + 1) * 56);
    // What only expressions use is not told again, as in Feast.
    let given: Vec<(&String, &Vec<Value>)> = columns
        .by_name
        .iter()
        .filter(|(name, _)| !plan.request.contains_key(*name) || plan.keys.contains_key(*name))
        .collect();
    out.extend_from_slice(b"{\"results\":[");
    for (place, (_, column)) in given.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"values\":[");
        list(&mut out, *column, |out, value| {
            out.extend_from_slice(value.to_string().as_bytes());
        });
        out.extend_from_slice(b"],\"statuses\":[");
        list(&mut out, *column, |out, _| out.extend_from_slice(b"\"PRESENT\""));
        out.extend_from_slice(b"],\"event_timestamps\":[");
        list(&mut out, *column, |out, _| out.extend_from_slice(EPOCH));
        out.extend_from_slice(b"]}");
    }
    let times: Vec<Vec<u8>> = (0..plan.views.len())
        .map(|view| {
            let mut times = Vec::with_capacity(rows * 24);
            list(&mut times, gathered.events(view), |out, event| match event {
                Some(event) => instant(out, *event),
                None => out.extend_from_slice(EPOCH),
            });
            times
        })
        .collect();
    for (place, output) in plan.outputs.iter().enumerate() {
        if place > 0 || !given.is_empty() {
            out.push(b',');
        }
        let cells = gathered.cells(output.cell);
        out.extend_from_slice(b"{\"values\":[");
        list(&mut out, cells, |out, cell| {
            out.extend_from_slice(gathered.json(*cell))
        });
        out.extend_from_slice(b"],\"statuses\":[");
        list(&mut out, cells, |out, cell| {
            // Feast calls a null that is stored present.
            let status = match cell.status {
                Status::Null => Status::Present,
                other => other,
            };
            out.push(b'"');
            out.extend_from_slice(status.word().as_bytes());
            out.push(b'"');
        });
        out.extend_from_slice(b"],\"event_timestamps\":[");
        match output.view.and_then(|view| times.get(view)) {
            Some(times) => out.extend_from_slice(times),
            None => list(&mut out, cells, |out, _| out.extend_from_slice(EPOCH)),
        }
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"],\"metadata\":{\"feature_names\":[");
    let names = given.iter().map(|(name, _)| name.as_str());
    let names = names.chain(plan.outputs.iter().map(|output| output.name.as_str()));
    list(&mut out, names, text);
    out.push(b']');
    if extra.versions {
        out.extend_from_slice(b",\"feature_view_metadata\":[");
        list(&mut out, &plan.views, |out, view| {
            out.extend_from_slice(b"{\"name\":");
            text(out, &view.name);
            out.extend_from_slice(format!(",\"version\":{}}}", view.version).as_bytes());
        });
        out.push(b']');
    }
    if extra.freshness {
        out.extend_from_slice(b",\"freshness\":");
        out.extend_from_slice(freshness(plan, store, now)?.to_string().as_bytes());
    }
    out.extend_from_slice(b"}}");
    Ok(out)
}

/// Where there is no event time.
const EPOCH: &[u8] = b"\"1970-01-01T00:00:00Z\"";

/// Whether features can be looked up. `OK` is what MLflow's clients read; Feast's look at the status alone.
#[utoipa::path(
    get, path = "/health", tag = "features", operation_id = "feature_health",
    responses((status = 200, description = "They can", body = String), Problem)
)]
pub(crate) async fn health(State(app): State<Shared>) -> Result<&'static str, Problem> {
    let desk = app.clone();
    app.blocking(move || Ok(desk.features.store()?)).await?;
    Ok("OK")
}
