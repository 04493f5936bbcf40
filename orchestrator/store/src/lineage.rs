//! What came from what, written in the transaction of the event that caused it.

use crate::database::{Database, params};
use crate::error::StoreError;
use crate::queries;
use crate::store::Store;
use crate::turn::Turn;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use trainyard_contract::{ContentHash, RunId};

/// A thing that has an origin or gives rise to others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineageNode {
    Dataset {
        name: String,
    },
    /// A dataset as it was when it was read.
    DatasetVersion {
        name: String,
        content: ContentHash,
    },
    DatasetColumn {
        dataset: String,
        column: String,
    },
    Artifact {
        hash: ContentHash,
    },
    ArtifactColumn {
        hash: ContentHash,
        column: String,
    },
    /// A step instance of a run.
    Step {
        run: RunId,
        instance: String,
    },
    Run {
        run: RunId,
    },
    ModelVersion {
        name: String,
        version: u32,
    },
    File {
        path: String,
    },
}

impl LineageNode {
    /// Kind, subject and part, as kept.
    fn parts(&self) -> (&'static str, String, String) {
        let none = String::new;
        match self {
            Self::Dataset { name } => ("dataset", name.clone(), none()),
            Self::DatasetVersion { name, content } => ("dataset_version", name.clone(), content.to_string()),
            Self::DatasetColumn { dataset, column } => ("dataset_column", dataset.clone(), column.clone()),
            Self::Artifact { hash } => ("artifact", hash.to_string(), none()),
            Self::ArtifactColumn { hash, column } => ("artifact_column", hash.to_string(), column.clone()),
            Self::Step { run, instance } => ("step", run.to_string(), instance.clone()),
            Self::Run { run } => ("run", run.to_string(), none()),
            Self::ModelVersion { name, version } => ("model_version", name.clone(), version.to_string()),
            Self::File { path } => ("file", path.clone(), none()),
        }
    }

    fn from_parts(kind: &str, subject: String, part: String) -> Result<Self, String> {
        Ok(match kind {
            "dataset" => Self::Dataset { name: subject },
            "dataset_version" => Self::DatasetVersion {
                name: subject,
                content: part.parse()?,
            },
            "dataset_column" => Self::DatasetColumn {
                dataset: subject,
                column: part,
            },
            "artifact" => Self::Artifact {
                hash: subject.parse()?,
            },
            "artifact_column" => Self::ArtifactColumn {
                hash: subject.parse()?,
                column: part,
            },
            "step" => Self::Step {
                run: subject.parse().map_err(shown)?,
                instance: part,
            },
            "run" => Self::Run {
                run: subject.parse().map_err(shown)?,
            },
            "model_version" => Self::ModelVersion {
                name: subject,
                version: part.parse().map_err(shown)?,
            },
            "file" => Self::File { path: subject },
            other => return Err(format!("`{other}` is no kind of lineage node")),
        })
    }
}

fn shown(error: impl fmt::Display) -> String {
    error.to_string()
}

impl fmt::Display for LineageNode {
    /// Kind and name: `dataset flights`, `column flights.dep_time`, `model flight_delay@3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dataset { name } => write!(f, "dataset {name}"),
            Self::DatasetVersion { name, content } => write!(f, "dataset {name}#{}", content.short()),
            Self::DatasetColumn { dataset, column } => write!(f, "column {dataset}.{column}"),
            Self::Artifact { hash } => write!(f, "artifact {}", hash.short()),
            Self::ArtifactColumn { hash, column } => write!(f, "column {}.{column}", hash.short()),
            Self::Step { run, instance } => write!(f, "step {instance} of {}", run.short()),
            Self::Run { run } => write!(f, "run {}", run.short()),
            Self::ModelVersion { name, version } => write!(f, "model {name}@{version}"),
            Self::File { path } => write!(f, "file {path}"),
        }
    }
}

/// `target` depends on `source`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineageEdge {
    pub source: LineageNode,
    pub target: LineageNode,
    /// False where only a declaration says so.
    pub derived: bool,
}

/// What was found from some nodes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineageGraph {
    /// Each with its distance from the start, nearest first.
    pub nodes: Vec<(LineageNode, u32)>,
    /// Places of source and target in `nodes`, and whether the edge is derived; sorted.
    pub edges: Vec<(usize, usize, bool)>,
    /// True if there is more than `limit` nodes allowed.
    pub truncated: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Turn<'_> {
    /// Adds edges that a run has shown; those that are there already stay, and become derived if
    /// this one is. The turn needs an event of the run besides.
    ///
    /// # Errors
    /// `NoRun`, `Full`, `Disk`.
    pub fn write_lineage(&mut self, run: &RunId, edges: &[LineageEdge]) -> Result<(), StoreError> {
        if edges.is_empty() {
            return Ok(());
        }
        self.guard(|turn| {
            turn.has_effect(run);
            let store = &*turn.store;
            let number = store.number(run)?;
            if let Database::Postgres(_) = &store.database {
                return store.send_lineage(number, edges);
            }
            let mut ids = BTreeMap::new();
            for edge in edges {
                let source = store.put_node(&mut ids, &edge.source)?;
                let target = store.put_node(&mut ids, &edge.target)?;
                let values = params![source, target, edge.derived, number];
                store.execute("write lineage", queries::LINEAGE_PUT_EDGE, values)?;
            }
            Ok(())
        })
    }
}

impl Store {
    /// What a node depends on, up to `depth` edges away and at most `limit` nodes. Empty if the
    /// node is not known.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn lineage_up(
        &self,
        node: &LineageNode,
        depth: u32,
        limit: usize,
    ) -> Result<LineageGraph, StoreError> {
        let start = self.node_id(node)?.into_iter().collect();
        self.walk(start, &[Direction::Up], depth, limit)
    }

    /// What depends on a node, likewise.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn lineage_down(
        &self,
        node: &LineageNode,
        depth: u32,
        limit: usize,
    ) -> Result<LineageGraph, StoreError> {
        let start = self.node_id(node)?.into_iter().collect();
        self.walk(start, &[Direction::Down], depth, limit)
    }

    /// A run's step instances with what each took and gave.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn lineage_of_run(&self, run: &RunId, limit: usize) -> Result<LineageGraph, StoreError> {
        let steps = self.all(
            "read lineage",
            queries::LINEAGE_NODES_OF_SUBJECT,
            params!["step", run.as_str()],
            |row| row.get::<_, i64>(0),
        )?;
        self.walk(steps, &[Direction::Up, Direction::Down], 1, limit)
    }

    /// Nodes and edges by name, in an order that all engines keep, so that none waits for one that
    /// waits for it.
    fn send_lineage(&self, run: i64, edges: &[LineageEdge]) -> Result<(), StoreError> {
        let doing = "write lineage";
        let nodes: BTreeSet<_> = edges
            .iter()
            .flat_map(|edge| [edge.source.parts(), edge.target.parts()])
            .collect();
        for (kind, subject, part) in nodes {
            self.send(
                doing,
                queries::postgres::LINEAGE_PUT_NODES,
                params![kind, subject, part],
            )?;
        }
        for edge in edges {
            let (source, target) = (edge.source.parts(), edge.target.parts());
            self.send(
                doing,
                queries::postgres::LINEAGE_PUT_EDGES,
                params![
                    source.0,
                    source.1,
                    source.2,
                    target.0,
                    target.1,
                    target.2,
                    edge.derived,
                    run
                ],
            )?;
        }
        Ok(())
    }

    fn put_node<'a>(
        &self,
        ids: &mut BTreeMap<&'a LineageNode, i64>,
        node: &'a LineageNode,
    ) -> Result<i64, StoreError> {
        if let Some(id) = ids.get(node) {
            return Ok(*id);
        }
        let id = match self.node_id(node)? {
            Some(id) => id,
            None => {
                let (kind, subject, part) = node.parts();
                let doing = "write lineage";
                let values = params![kind, subject, part];
                self.first(doing, queries::LINEAGE_PUT_NODE, values, |row| row.get(0))?
                    .ok_or_else(|| StoreError::Corrupt {
                        doing,
                        what: format!("{node} is there and cannot be found"),
                    })?
            }
        };
        ids.insert(node, id);
        Ok(id)
    }

    fn node_id(&self, node: &LineageNode) -> Result<Option<i64>, StoreError> {
        let (kind, subject, part) = node.parts();
        self.first(
            "read lineage",
            queries::LINEAGE_NODE_ID,
            params![kind, subject, part],
            |row| row.get(0),
        )
    }

    fn node(&self, id: i64) -> Result<LineageNode, StoreError> {
        let doing = "read lineage";
        let parts = self.first(doing, queries::LINEAGE_NODE, [id], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
            ))
        })?;
        let broken = |what| StoreError::Corrupt { doing, what };
        let (kind, subject, part) = parts.ok_or_else(|| broken(format!("node {id} is missing")))?;
        LineageNode::from_parts(&kind, subject, part).map_err(broken)
    }

    /// Breadth first, because a recursive query would walk every path of a graph full of diamonds.
    fn walk(
        &self,
        start: Vec<i64>,
        directions: &[Direction],
        depth: u32,
        limit: usize,
    ) -> Result<LineageGraph, StoreError> {
        let doing = "read lineage";
        let mut graph = LineageGraph::default();
        let mut places: BTreeMap<i64, usize> = BTreeMap::new();
        for id in start {
            if graph.nodes.len() == limit {
                graph.truncated = true;
                break;
            }
            places.insert(id, graph.nodes.len());
            graph.nodes.push((self.node(id)?, 0));
        }
        let mut ids: Vec<i64> = places.keys().copied().collect();
        ids.sort_by_key(|id| places.get(id));
        let mut at = 0;
        while at < ids.len() {
            let (id, distance) = (ids[at], graph.nodes[at].1);
            if distance < depth {
                for direction in directions {
                    let sql = match direction {
                        Direction::Up => queries::LINEAGE_SOURCES,
                        Direction::Down => queries::LINEAGE_TARGETS,
                    };
                    let neighbours = self.all(doing, sql, [id], |row| {
                        Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?))
                    })?;
                    for (neighbour, derived) in neighbours {
                        let place = match places.get(&neighbour) {
                            Some(place) => *place,
                            None if graph.nodes.len() >= limit => {
                                graph.truncated = true;
                                continue;
                            }
                            None => {
                                let place = graph.nodes.len();
                                places.insert(neighbour, place);
                                ids.push(neighbour);
                                graph.nodes.push((self.node(neighbour)?, distance + 1));
                                place
                            }
                        };
                        graph.edges.push(match direction {
                            Direction::Up => (place, at, derived),
                            Direction::Down => (at, place, derived),
                        });
                    }
                }
            }
            at += 1;
        }
        graph.edges.sort_unstable();
        graph.edges.dedup();
        Ok(graph)
    }
}
