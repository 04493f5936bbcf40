//! `/push` and `/write-to-online-store`: rows that are known at once, offline as well.

use super::columns::MOST_ROWS;
use super::desk::FeatureDesk;
use super::pusher::Pushed;
use crate::app::Shared;
use crate::extract::Body;
use crate::problem::{Fault, Problem, cut};
use axum::Json;
use axum::extract::State;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainyard_contract::feature::FeatureView;
use trainyard_contract::finding::nearest;
use trainyard_contract::{DataType, Timestamp};
use trainyard_features::offline::{PushLogError, PushedRow};
use trainyard_features::online::{Column, Feed, Layout, RowBatch, ViewId, instant, read_json};
use utoipa::ToSchema;

/// Rows of one push: a frame of Feast's has so many at most.
const MOST_PUSHED: usize = 5 * MOST_ROWS;
/// How far the clocks of those who push may be ahead, in microseconds.
const AHEAD: i64 = 5 * 60 * 1_000_000;
/// Wrong values that are named.
const MOST_NAMED: usize = 10;
/// What Feast's clients call the times, whatever the view calls them.
const FEAST_EVENT: &str = "event_timestamp";
const FEAST_CREATED: &str = "created";

/// Where pushed rows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Destination {
    Online,
    Offline,
    #[default]
    OnlineAndOffline,
}

/// Rows for a view.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PushRequest {
    /// The feature view.
    push_source_name: String,
    /// Keys, times and features by name, a list of as many values each.
    #[schema(value_type = Object)]
    df: IndexMap<String, Vec<Value>>,
    /// Default: both. Feast's own default, online alone, would let training and serving drift apart.
    #[serde(default)]
    to: Destination,
}

/// Rows for a view's online store alone, as Feast's remote store sends them.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct WriteRequest {
    /// The feature view.
    feature_view_name: String,
    /// Keys, times and features by name, a list of as many values each.
    #[schema(value_type = Object)]
    df: IndexMap<String, Vec<Value>>,
}

/// What became of pushed rows. All are durable.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PushAnswer {
    rows: usize,
}

/// Writes rows to the online store, to the offline store, or to both. They are durable when they are answered; a row that is
/// older than the one in the online store changes nothing there.
#[utoipa::path(
    post, path = "/push", tag = "features", operation_id = "push_features",
    request_body = PushRequest,
    responses((status = 200, body = PushAnswer), Problem)
)]
pub(crate) async fn push(
    State(app): State<Shared>,
    Body(request): Body<PushRequest>,
) -> Result<Json<PushAnswer>, Problem> {
    take(&app, request.push_source_name, request.df, request.to).await
}

/// Writes rows to the online store alone.
#[utoipa::path(
    post, path = "/write-to-online-store", tag = "features", operation_id = "write_to_online_store",
    request_body = WriteRequest,
    responses((status = 200, body = PushAnswer), Problem)
)]
pub(crate) async fn write_to_online_store(
    State(app): State<Shared>,
    Body(request): Body<WriteRequest>,
) -> Result<Json<PushAnswer>, Problem> {
    take(&app, request.feature_view_name, request.df, Destination::Online).await
}

async fn take(
    app: &Shared,
    name: String,
    frame: IndexMap<String, Vec<Value>>,
    to: Destination,
) -> Result<Json<PushAnswer>, Problem> {
    let known = app.features.known();
    let now = (app.clock)();
    let app = app.clone();
    let work = move || {
        let view = known.view(&name)?;
        let rows = Frame::new(view, frame)?.rows(now)?;
        keep(&app.features, view, &rows, to, now)?;
        Ok(Json(PushAnswer {
            rows: rows.batch.len(),
        }))
    };
    // Not among those who work on the state: a push waits for the disk, and many may wait together.
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Problem::internal("take pushed rows", &error)))
}

/// Offline first: what is online and not offline would be served, and never learned from.
pub(super) fn keep(
    desk: &FeatureDesk,
    view: &FeatureView,
    rows: &Rows,
    to: Destination,
    now: Timestamp,
) -> Result<(), Problem> {
    let id = ViewId::of(view);
    if to != Destination::Online {
        let log = desk.log(&id, &view.name, view.version);
        let pushed: Vec<PushedRow> = rows
            .values
            .iter()
            .map(|values| PushedRow {
                received: now,
                values: values.clone(),
            })
            .collect();
        log.append(&pushed)?;
    }
    if to != Destination::Offline && view.online {
        let layout = Layout::of(view);
        let pieces = Feed::of(&layout, &rows.batch)
            .map_err(|wrong| Problem::refused("rows-invalid", wrong.to_string()))?;
        let pushed = Pushed {
            view: id,
            layout,
            pieces,
        };
        let store = desk.store()?;
        let written = desk.pusher().push(&*store, pushed, now);
        written.map_err(|error| Problem::of_store(&error))?;
    } else if to == Destination::Online {
        return Err(Problem::refused(
            "feature-view-not-online",
            format!("the feature view `{}` is not kept for online lookup", view.name),
        )
        .help("write `online: true` in its definition"));
    }
    Ok(())
}

impl From<PushLogError> for Problem {
    fn from(error: PushLogError) -> Self {
        match &error {
            PushLogError::TooLong { .. } => Self::refused("row-too-long", error.to_string()),
            PushLogError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => Self::new(
                axum::http::StatusCode::INSUFFICIENT_STORAGE,
                "disk-full",
                error.to_string(),
            ),
            _ => Self::internal("keep pushed rows", &error),
        }
    }
}

/// Rows for both stores.
pub(super) struct Rows {
    pub(super) batch: RowBatch,
    values: Vec<Map<String, Value>>,
}

/// Columns of a push, all that the view wants and no others.
pub(super) struct Frame<'a> {
    view: &'a FeatureView,
    columns: IndexMap<String, Vec<Value>>,
    rows: usize,
}

fn wants(view: &FeatureView) -> impl Iterator<Item = (&str, &DataType)> {
    let keys = view.keys.iter().map(|key| (key.name.as_str(), &key.data_type));
    let features = view
        .features
        .iter()
        .map(|(name, feature)| (name.as_str(), &feature.data_type));
    keys.chain(features)
}

impl<'a> Frame<'a> {
    pub(super) fn new(view: &'a FeatureView, given: IndexMap<String, Vec<Value>>) -> Result<Self, Problem> {
        let rows = given.first().map_or(0, |(_, column)| column.len());
        if rows > MOST_PUSHED {
            return Err(Problem::refused(
                "too-many-rows",
                format!("{rows} rows are pushed at once, and {MOST_PUSHED} are allowed"),
            )
            .help("push in parts"));
        }
        let mut columns = IndexMap::with_capacity(given.len());
        let mut faults = Vec::new();
        let fault = |name: &str, message: String, help: Option<String>| Fault {
            at: format!("df.{}", cut(name)),
            message,
            help,
        };
        let is_wanted = |name: &str| wants(view).any(|(wanted, _)| wanted == name);
        for (name, column) in given {
            let known = match name.as_str() {
                name if is_wanted(name) => Some(name),
                name if name == view.event_time => Some(name),
                name if view.created_time.as_deref() == Some(name) => Some(name),
                FEAST_EVENT => Some(view.event_time.as_str()),
                // A view without such a time does without it.
                FEAST_CREATED => Some(view.created_time.as_deref().unwrap_or(FEAST_CREATED)),
                _ => None,
            };
            if column.len() != rows {
                let message = format!("it has {} rows, and the first column has {rows}", column.len());
                faults.push(fault(&name, message, None));
            }
            match known.map(str::to_owned) {
                Some(known) => {
                    columns.insert(known, column);
                }
                None => {
                    let near = nearest(&name, wants(view).map(|(name, _)| name));
                    let help = near.map(|near| format!("did you mean `{near}`?"));
                    faults.push(fault(&name, "the view has no such column".to_owned(), help));
                }
            }
        }
        let wanted = wants(view)
            .map(|(name, _)| name)
            .chain([view.event_time.as_str()]);
        for name in wanted.filter(|name| !columns.contains_key(*name)) {
            faults.push(fault(
                name,
                "this column is missing".to_owned(),
                Some("write `null` for values that are not known".to_owned()),
            ));
        }
        refuse("columns-wrong", view, faults)?;
        Ok(Self { view, columns, rows })
    }

    fn cell(&self, name: &str, row: usize) -> &Value {
        self.columns
            .get(name)
            .and_then(|column| column.get(row))
            .unwrap_or(&Value::Null)
    }

    pub(super) fn rows(self, now: Timestamp) -> Result<Rows, Problem> {
        let mut faults = Vec::new();
        let mut columns: Vec<Column> = wants(self.view)
            .map(|(_, data_type)| Column::of(data_type))
            .collect();
        for ((place, (name, data_type)), column) in wants(self.view).enumerate().zip(&mut columns) {
            for row in 0..self.rows {
                let is_key = place < self.view.keys.len();
                let value = read_json(data_type, self.cell(name, row));
                let message = match &value {
                    Ok(None) if is_key => "a key is not null".to_owned(),
                    Ok(_) => String::new(),
                    Err(wrong) => wrong.to_string(),
                };
                if !message.is_empty() && faults.len() < MOST_NAMED {
                    faults.push(wrong(name, row, message));
                }
                if !column.push(value.unwrap_or_default()) {
                    return Err(Problem::refused(
                        "rows-invalid",
                        format!("`{name}` is of another kind"),
                    ));
                }
            }
        }
        let events = self.event_times(now, &mut faults);
        let created = self.created_times(now, &mut faults);
        refuse("values-wrong", self.view, faults)?;
        let features = columns.split_off(self.view.keys.len());
        let values = (0..self.rows)
            .map(|row| self.values(row, &events, created.as_deref()))
            .collect();
        Ok(Rows {
            batch: RowBatch {
                keys: columns,
                event_times: events,
                created_times: created,
                features,
            },
            values,
        })
    }

    fn event_times(&self, now: Timestamp, faults: &mut Vec<Fault>) -> Vec<i64> {
        let name = &self.view.event_time;
        let mut times = Vec::with_capacity(self.rows);
        for row in 0..self.rows {
            let given = self.cell(name, row);
            let message = match instant(given) {
                Some(time) if time <= now.0.saturating_add(AHEAD) => {
                    times.push(time);
                    continue;
                }
                Some(_) => format!("{given} is more than 5 minutes in the future; is the clock right?"),
                None => format!("{given} is not a time"),
            };
            times.push(0);
            if faults.len() < MOST_NAMED {
                faults.push(wrong(name, row, message));
            }
        }
        times
    }

    /// When the rows were written: now, unless they say it.
    fn created_times(&self, now: Timestamp, faults: &mut Vec<Fault>) -> Option<Vec<i64>> {
        let name = self.view.created_time.as_deref()?;
        let mut times = Vec::with_capacity(self.rows);
        for row in 0..self.rows {
            let given = self.cell(name, row);
            match instant(given) {
                Some(time) => times.push(time),
                None if given.is_null() => times.push(now.0),
                None => {
                    times.push(0);
                    if faults.len() < MOST_NAMED {
                        faults.push(wrong(name, row, format!("{given} is not a time")));
                    }
                }
            }
        }
        Some(times)
    }

    /// A row for the offline store.
    fn values(&self, row: usize, events: &[i64], created: Option<&[i64]>) -> Map<String, Value> {
        let mut values: Map<String, Value> = wants(self.view)
            .map(|(name, _)| (name.to_owned(), self.cell(name, row).clone()))
            .collect();
        let time = |times: &[i64]| {
            let time = times.get(row).copied().unwrap_or_default();
            Value::from(crate::documents::instant(Timestamp(time)))
        };
        values.insert(self.view.event_time.clone(), time(events));
        if let (Some(name), Some(created)) = (&self.view.created_time, created) {
            values.insert(name.clone(), time(created));
        }
        values
    }
}

fn wrong(name: &str, row: usize, message: String) -> Fault {
    Fault {
        at: format!("df.{name}[{row}]"),
        message,
        help: None,
    }
}

fn refuse(code: &'static str, view: &FeatureView, faults: Vec<Fault>) -> Result<(), Problem> {
    match faults.first() {
        None => Ok(()),
        Some(first) => Err(Problem::refused(
            code,
            format!(
                "the rows do not fit the feature view `{}`: {}: {}",
                view.name, first.at, first.message
            ),
        )
        .errors(faults)),
    }
}
