//! `/api/v1/lineage`.

use crate::app::Shared;
use crate::extract::Asked;
use crate::problem::Problem;
use crate::run_document::CodeDocument;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use trainyard_contract::task::Way;
use trainyard_store::{LineageGraph, LineageNode, Store, StoreError};
use utoipa::{IntoParams, ToSchema};

const MOST_NODES: usize = 10_000;
const DEEPEST: u32 = 100;

/// Lineage of what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LineageQuery {
    /// A run, `NAME:VERSION` or `NAME@ALIAS` of a model, a dataset, or `dataset.column`.
    subject: String,
    /// `up` (what it comes from), `down` (what depends on it) or `both`.
    #[serde(default)]
    #[param(inline)]
    direction: Direction,
    /// Steps to follow at most; 20 if left out.
    #[param(minimum = 1, maximum = 100)]
    depth: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Up,
    Down,
    #[default]
    Both,
}

/// What something comes from and what depends on it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineageDocument {
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    up: Option<GraphDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    down: Option<GraphDocument>,
}

/// A part of the lineage graph.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GraphDocument {
    nodes: Vec<NodeDocument>,
    edges: Vec<EdgeDocument>,
    /// There is more than was asked for.
    is_truncated: bool,
}

/// A thing in the lineage graph.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeDocument {
    name: String,
    /// Steps away from the subject.
    distance: u32,
    /// Of a step or run: the version that its files were of.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<CodeDocument>,
}

/// `target` depends on `source`; both are places in `nodes`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EdgeDocument {
    source: usize,
    target: usize,
    /// From the plan of a step; else a script has declared it.
    is_derived: bool,
    /// How a column comes in, in the words of OpenLineage's column lineage: `IDENTITY`, `FILTER` and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ways: Vec<&'static str>,
}

impl GraphDocument {
    fn of(store: &Store, graph: LineageGraph) -> Result<Self, Problem> {
        let versions = trainyard_engine::versions_in(store, &graph)?;
        let code = |node: &LineageNode| match node {
            LineageNode::Run { run } | LineageNode::Step { run, .. } => {
                versions.get(run).map(CodeDocument::from)
            }
            _ => None,
        };
        Ok(Self {
            nodes: graph
                .nodes
                .iter()
                .map(|(node, distance)| NodeDocument {
                    name: node.to_string(),
                    distance: *distance,
                    code: code(node),
                })
                .collect(),
            edges: graph
                .edges
                .iter()
                .map(|edge| EdgeDocument {
                    source: edge.source,
                    target: edge.target,
                    is_derived: edge.derived,
                    ways: edge.ways.iter().map(Way::word).collect(),
                })
                .collect(),
            is_truncated: graph.truncated,
        })
    }
}

/// Follows data from source column to model and back.
#[utoipa::path(
    get, path = "/api/v1/lineage", tag = "lineage", operation_id = "show_lineage",
    params(LineageQuery),
    responses((status = 200, body = LineageDocument), Problem)
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Asked(query): Asked<LineageQuery>,
) -> Result<Json<LineageDocument>, Problem> {
    let depth = query.depth.unwrap_or(20);
    if !(1..=DEEPEST).contains(&depth) {
        return Err(Problem::bad_request(
            "query-invalid",
            format!("`depth` is from 1 to {DEEPEST}"),
        ));
    }
    let document = app
        .read(move |store| {
            let node = node(store, &query.subject)?;
            let wants = |direction| query.direction == Direction::Both || query.direction == direction;
            let is_run = matches!(node, LineageNode::Run { .. });
            let up = (wants(Direction::Up) && !is_run)
                .then(|| store.lineage_up(&node, depth, MOST_NODES))
                .transpose()?;
            let down = wants(Direction::Down)
                .then(|| match &node {
                    LineageNode::Run { run } => store.lineage_of_run(run, MOST_NODES),
                    node => store.lineage_down(node, depth, MOST_NODES),
                })
                .transpose()?;
            Ok(LineageDocument {
                subject: node.to_string(),
                up: up.map(|graph| GraphDocument::of(store, graph)).transpose()?,
                down: down.map(|graph| GraphDocument::of(store, graph)).transpose()?,
            })
        })
        .await?;
    Ok(Json(document))
}

/// What a text means: a model version, a run, a column, a dataset.
fn node(store: &Store, subject: &str) -> Result<LineageNode, Problem> {
    let of_version = |name: &str, version: &str| {
        store
            .model_version(name, version)
            .map(|found| LineageNode::ModelVersion {
                name: found.name,
                version: found.version,
            })
    };
    if let Some((name, version)) = subject.split_once([':', '@']) {
        return Ok(of_version(name, version)?);
    }
    match store.find_run(subject) {
        Ok(run) => return Ok(LineageNode::Run { run }),
        Err(StoreError::NoRun(_) | StoreError::Ambiguous { .. }) => {}
        // A name may end as a run did.
        Err(StoreError::Removed { .. }) if subject.parse::<trainyard_contract::RunId>().is_err() => {}
        Err(error) => return Err(error.into()),
    }
    if let Some((dataset, column)) = subject.split_once('.') {
        return Ok(LineageNode::DatasetColumn {
            dataset: dataset.to_owned(),
            column: column.to_owned(),
        });
    }
    match of_version(subject, "latest") {
        Ok(found) => Ok(found),
        Err(StoreError::NoModel(_) | StoreError::NoModelVersion { .. }) => Ok(LineageNode::Dataset {
            name: subject.to_owned(),
        }),
        Err(error) => Err(error.into()),
    }
}
