//! What came from what, written in the transaction of the event that caused it.

use crate::database::{Database, params};
use crate::error::StoreError;
use crate::queries;
use crate::store::Store;
use crate::turn::Turn;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use trainyard_contract::task::Ways;
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
    /// A version of code in git.
    Code {
        commit: String,
    },
    /// Who started a run or answered a gate.
    Person {
        name: String,
    },
    /// A dataset by the name that OpenLineage gives it: where it is.
    External {
        namespace: String,
        name: String,
    },
    ExternalColumn {
        namespace: String,
        name: String,
        column: String,
    },
    /// A job of another system.
    Job {
        namespace: String,
        name: String,
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
            Self::Code { commit } => ("code", commit.clone(), none()),
            Self::Person { name } => ("person", name.clone(), none()),
            Self::External { namespace, name } => ("external", pair(namespace, name), none()),
            Self::ExternalColumn {
                namespace,
                name,
                column,
            } => ("external_column", pair(namespace, name), column.clone()),
            Self::Job { namespace, name } => ("job", pair(namespace, name), none()),
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
            "code" => Self::Code { commit: subject },
            "person" => Self::Person { name: subject },
            "external" => {
                let (namespace, name) = parted(&subject)?;
                Self::External { namespace, name }
            }
            "external_column" => {
                let (namespace, name) = parted(&subject)?;
                Self::ExternalColumn {
                    namespace,
                    name,
                    column: part,
                }
            }
            "job" => {
                let (namespace, name) = parted(&subject)?;
                Self::Job { namespace, name }
            }
            other => return Err(format!("`{other}` is no kind of lineage node")),
        })
    }
}

/// Two names as one subject. Neither holds a line break: whoever takes names in sees to that.
fn pair(namespace: &str, name: &str) -> String {
    format!("{namespace}\n{name}")
}

fn parted(subject: &str) -> Result<(String, String), String> {
    subject
        .split_once('\n')
        .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        .ok_or_else(|| format!("`{subject}` has no namespace"))
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
            Self::Code { commit } => write!(f, "code {}", commit.get(..10).unwrap_or(commit)),
            Self::Person { name } => write!(f, "person {name}"),
            Self::External { namespace, name } => write!(f, "dataset {}", located(namespace, name)),
            Self::ExternalColumn {
                namespace,
                name,
                column,
            } => write!(f, "column {}.{column}", located(namespace, name)),
            Self::Job { namespace, name } => write!(f, "job {namespace}/{name}"),
        }
    }
}

/// Where a dataset is, in one word.
fn located(namespace: &str, name: &str) -> String {
    match namespace {
        "file" => name.to_owned(),
        _ => format!("{namespace}/{}", name.trim_start_matches('/')),
    }
}

/// `target` depends on `source`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineageEdge {
    pub source: LineageNode,
    pub target: LineageNode,
    /// False where only a declaration says so.
    pub derived: bool,
    /// How a column comes in, where that is known.
    pub ways: Ways,
}

/// What was found from some nodes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineageGraph {
    /// Each with its distance from the start, nearest first.
    pub nodes: Vec<(LineageNode, u32)>,
    /// Sorted.
    pub edges: Vec<GraphEdge>,
    /// True if there is more than `limit` nodes allowed.
    pub truncated: bool,
}

/// An edge between places in [`LineageGraph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GraphEdge {
    pub source: usize,
    pub target: usize,
    /// False where only a declaration says so.
    pub derived: bool,
    pub ways: Ways,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Turn<'_> {
    /// Adds edges that runs have shown; those that are there already stay, become derived if this one is, and
    /// keep every way that was ever seen. Once a turn, with everything it has: what is written at once is
    /// written in an order that all engines keep. The turn needs an event of each run besides.
    ///
    /// # Errors
    /// `NoRun`, `Full`, `Disk`.
    pub fn write_lineage(&mut self, shown: &[(RunId, Vec<LineageEdge>)]) -> Result<(), StoreError> {
        if shown.iter().all(|(_, edges)| edges.is_empty()) {
            return Ok(());
        }
        self.guard(|turn| {
            let mut numbered = Vec::new();
            for (run, edges) in shown.iter().filter(|(_, edges)| !edges.is_empty()) {
                turn.has_effect(run);
                let number = turn.store.number(run)?;
                numbered.extend(edges.iter().map(|edge| (number, edge)));
            }
            let store = &*turn.store;
            if let Database::Postgres(_) = &store.database {
                return store.send_lineage(&numbered);
            }
            let mut ids = BTreeMap::new();
            for (number, edge) in numbered {
                let source = store.put_node(&mut ids, &edge.source)?;
                let target = store.put_node(&mut ids, &edge.target)?;
                let values = params![source, target, edge.derived, edge.ways.bits(), number];
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
    fn send_lineage(&self, edges: &[(i64, &LineageEdge)]) -> Result<(), StoreError> {
        let doing = "write lineage";
        let nodes: BTreeSet<_> = edges
            .iter()
            .flat_map(|(_, edge)| [edge.source.parts(), edge.target.parts()])
            .collect();
        for (kind, subject, part) in nodes {
            self.send(
                doing,
                queries::postgres::LINEAGE_PUT_NODES,
                params![kind, subject, part],
            )?;
        }
        for (run, edge) in edges {
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
                    edge.ways.bits(),
                    *run
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
                        Ok((
                            row.get::<_, i64>(0)?,
                            row.get::<_, bool>(1)?,
                            Ways::from_bits(row.get::<_, i64>(2)?),
                        ))
                    })?;
                    for (neighbour, derived, ways) in neighbours {
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
                        let (source, target) = match direction {
                            Direction::Up => (place, at),
                            Direction::Down => (at, place),
                        };
                        graph.edges.push(GraphEdge {
                            source,
                            target,
                            derived,
                            ways,
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
