//! `/api/v1/features/lookup`: latest values row by row.

use super::answer::{freshness, instant, json, list, text};
use super::columns::{Columns, check_size};
use super::gather::Gathered;
use super::plan::{Plan, PlanKey};
use crate::app::Shared;
use crate::extract::Body;
use crate::problem::Problem;
use axum::extract::State;
use axum::response::Response;
use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use trainyard_contract::Timestamp;
use trainyard_features::online::OnlineStore;
use utoipa::ToSchema;

/// A question for the latest values of features.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookupRequest {
    /// `view:feature`, `view@v2:feature` or `view:*`.
    #[serde(default)]
    features: Vec<String>,
    /// Instead of `features`: those of a service.
    #[serde(default)]
    service: Option<String>,
    /// Keys of entities, a row each: `{"origin": "JFK"}`.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Map<String, Value>>,
    /// Whether features go by `view__feature` in the answer.
    #[serde(default)]
    full_names: bool,
    /// Whether the answer says how fresh the views are.
    #[serde(default)]
    freshness: bool,
}

/// Latest values, in the order of the rows that were asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LookupAnswer {
    rows: Vec<LookupRow>,
    /// By view, if that was asked for.
    freshness: Option<Value>,
}

/// The values of a row.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LookupRow {
    /// By feature; null unless the status is `PRESENT`.
    #[schema(value_type = Object)]
    values: Map<String, Value>,
    /// By feature: `PRESENT`, `NULL_VALUE`, `NOT_FOUND` or `OUTSIDE_MAX_AGE`.
    statuses: BTreeMap<String, String>,
    /// When the values hold, by view; null where there is no row.
    event_times: BTreeMap<String, Option<String>>,
}

/// Looks up the latest values of features by keys, row by row.
#[utoipa::path(
    post, path = "/api/v1/features/lookup", tag = "features", operation_id = "lookup_features",
    request_body = LookupRequest,
    responses((status = 200, body = LookupAnswer), Problem)
)]
pub(crate) async fn lookup(
    State(app): State<Shared>,
    Body(request): Body<LookupRequest>,
) -> Result<Response, Problem> {
    let plan = app.features.known().plan(PlanKey {
        service: request.service,
        features: request.features,
        full_names: request.full_names,
    })?;
    check_size(request.rows.len(), plan.outputs.len())?;
    let columns = Columns::new(&plan, by_column(&plan, request.rows))?;
    let now = (app.clock)();
    let wants_freshness = request.freshness;
    let body = match app.features.near(columns.rows * plan.outputs.len()) {
        Some(store) => answer(&plan, &columns, &*store, now, wants_freshness)?,
        None => {
            let desk = app.clone();
            app.blocking(move || answer(&plan, &columns, &*desk.features.store()?, now, wants_freshness))
                .await?
        }
    };
    Ok(json(body))
}

/// Rows as columns: one for each name that a row has; where another lacks it, it is null.
pub(super) fn by_column(plan: &Plan, mut rows: Vec<Map<String, Value>>) -> IndexMap<String, Vec<Value>> {
    let names: IndexSet<String> = rows.iter().flat_map(|row| row.keys().cloned()).collect();
    if rows.is_empty() {
        return plan.keys.keys().map(|name| (name.clone(), Vec::new())).collect();
    }
    names
        .into_iter()
        .map(|name| {
            let column = rows
                .iter_mut()
                .map(|row| row.get_mut(&name).map_or(Value::Null, Value::take))
                .collect();
            (name, column)
        })
        .collect()
}

pub(super) fn answer(
    plan: &Plan,
    columns: &Columns,
    store: &dyn OnlineStore,
    now: Timestamp,
    wants_freshness: bool,
) -> Result<Vec<u8>, Problem> {
    let gathered = Gathered::new(plan, columns, store, now, false)?;
    let mut out = Vec::with_capacity(64 + columns.rows * plan.outputs.len() * 64);
    let names: Vec<Vec<u8>> = plan.outputs.iter().map(|output| quoted(&output.name)).collect();
    let views: Vec<Vec<u8>> = plan.views.iter().map(|view| quoted(&view.name)).collect();
    out.extend_from_slice(b"{\"rows\":[");
    list(&mut out, 0..columns.rows, |out, row| {
        let cells = plan.outputs.iter().zip(&names);
        let cells = cells.filter_map(|(output, name)| Some((name, *gathered.cells(output.cell).get(row)?)));
        out.extend_from_slice(b"{\"values\":{");
        list(out, cells.clone(), |out, (name, cell)| {
            out.extend_from_slice(name);
            out.extend_from_slice(gathered.json(cell));
        });
        out.extend_from_slice(b"},\"statuses\":{");
        list(out, cells, |out, (name, cell)| {
            out.extend_from_slice(name);
            text(out, cell.status.word());
        });
        out.extend_from_slice(b"},\"event_times\":{");
        list(out, views.iter().enumerate(), |out, (view, name)| {
            out.extend_from_slice(name);
            match gathered.events(view).get(row).copied().flatten() {
                Some(event) => instant(out, event),
                None => out.extend_from_slice(b"null"),
            }
        });
        out.extend_from_slice(b"}}");
    });
    out.push(b']');
    if wants_freshness {
        out.extend_from_slice(b",\"freshness\":");
        out.extend_from_slice(freshness(plan, store, now)?.to_string().as_bytes());
    }
    out.push(b'}');
    Ok(out)
}

/// A name with the colon after it.
fn quoted(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + 3);
    text(&mut out, name);
    out.push(b':');
    out
}
