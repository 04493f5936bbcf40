//! What a finished step adds to the lineage graph.

use indexmap::IndexMap;
use trainyard_contract::task::ColumnEdge;
use trainyard_contract::{ContentHash, OutputValue};
use trainyard_domain::run::{BoundInput, Instance, InstanceIx, Run, RunnerKind, StepState};
use trainyard_executors::AttemptKey;
use trainyard_store::{LineageEdge, LineageNode};

/// A step that has just succeeded, and what its report says of where its outputs come from.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) key: AttemptKey,
    outputs: IndexMap<String, OutputValue>,
    columns: Vec<ColumnEdge>,
    /// Datasets and feature views it read and their content then.
    datasets: Vec<(String, ContentHash)>,
    /// Feature views it wrote and their content since.
    written: Vec<(String, ContentHash)>,
}

/// One end of an input: the artifacts that came through it.
enum Source {
    Dataset(String),
    Artifacts(Vec<ContentHash>),
}

impl Finished {
    pub(crate) fn new(
        key: &AttemptKey,
        outputs: &IndexMap<String, OutputValue>,
        columns: Vec<ColumnEdge>,
    ) -> Self {
        Self {
            key: key.clone(),
            outputs: outputs.clone(),
            columns,
            datasets: Vec::new(),
            written: Vec::new(),
        }
    }

    /// The same, with feature views as they were written.
    pub(crate) fn writing(mut self, views: impl IntoIterator<Item = (String, ContentHash)>) -> Self {
        self.written.extend(views);
        self
    }

    /// The same, with the content of datasets as the run saw them.
    pub(crate) fn reading(mut self, datasets: impl IntoIterator<Item = (String, ContentHash)>) -> Self {
        self.datasets.extend(datasets);
        self
    }

    /// The edges, sources before targets: dataset → its version → step → outputs → model version,
    /// and column by column beside it.
    pub(crate) fn edges(&self, run: &Run) -> Vec<LineageEdge> {
        let Some(instance) = run.instance_at(self.key.step) else {
            return Vec::new();
        };
        let instance = instance.as_ref();
        // A step that takes and makes nothing has no place in the way of data.
        if self.outputs.is_empty() && instance.inputs.is_empty() && self.written.is_empty() {
            return Vec::new();
        }
        let step = LineageNode::Step {
            run: self.key.run.clone(),
            instance: instance.name.clone(),
        };
        let mut edges = Vec::new();
        let mut edge = |source: LineageNode, target: LineageNode, derived: bool| {
            edges.push(LineageEdge {
                source,
                target,
                derived,
            });
        };
        edge(
            LineageNode::Run {
                run: self.key.run.clone(),
            },
            step.clone(),
            true,
        );
        for bound in instance.inputs.values() {
            match source_of(run, bound) {
                Some(Source::Dataset(name)) => {
                    let whole = LineageNode::Dataset { name: name.clone() };
                    match self.datasets.iter().find(|(known, _)| *known == name) {
                        Some((_, content)) => {
                            let version = LineageNode::DatasetVersion {
                                name,
                                content: *content,
                            };
                            edge(whole, version.clone(), true);
                            edge(version, step.clone(), true);
                        }
                        None => edge(whole, step.clone(), true),
                    }
                }
                Some(Source::Artifacts(hashes)) => {
                    for hash in hashes {
                        edge(LineageNode::Artifact { hash }, step.clone(), true);
                    }
                }
                None => {}
            }
        }
        // Nobody can look into a command: that its outputs come of its inputs is a declaration.
        let derived = instance.runner != RunnerKind::Process;
        for output in self.outputs.values() {
            match output {
                OutputValue::Artifact(artifact) => {
                    edge(
                        step.clone(),
                        LineageNode::Artifact { hash: artifact.hash },
                        derived,
                    );
                }
                OutputValue::Value(value) => {
                    if let Some(version) = model_version(value) {
                        edge(step.clone(), version, true);
                    }
                }
            }
        }
        for (name, content) in &self.written {
            let version = LineageNode::DatasetVersion {
                name: name.clone(),
                content: *content,
            };
            edge(LineageNode::Dataset { name: name.clone() }, version.clone(), true);
            edge(step.clone(), version, true);
        }
        for column in &self.columns {
            let Some(OutputValue::Artifact(artifact)) = self.outputs.get(&column.output) else {
                continue;
            };
            // What decides which rows there are has a say in the table as a whole.
            if column.column == ColumnEdge::ROWS {
                for source in column_sources(run, instance, column) {
                    edge(
                        source,
                        LineageNode::Artifact { hash: artifact.hash },
                        column.derived,
                    );
                }
                continue;
            }
            let target = LineageNode::ArtifactColumn {
                hash: artifact.hash,
                column: column.column.clone(),
            };
            edge(
                target.clone(),
                LineageNode::Artifact { hash: artifact.hash },
                true,
            );
            for source in column_sources(run, instance, column) {
                edge(source, target.clone(), column.derived);
            }
        }
        edges.sort();
        edges.dedup();
        edges
    }
}

fn model_version(value: &serde_json::Value) -> Option<LineageNode> {
    let name = value.get("name")?.as_str()?.to_owned();
    let version = u32::try_from(value.get("version")?.as_u64()?).ok()?;
    Some(LineageNode::ModelVersion { name, version })
}

fn source_of(run: &Run, bound: &BoundInput) -> Option<Source> {
    Some(match bound {
        BoundInput::Dataset(name) => Source::Dataset(name.clone()),
        BoundInput::Output { instance, output } => {
            Source::Artifacts(hash_of(run, *instance, output).into_iter().collect())
        }
        BoundInput::Collected { instances, output } => Source::Artifacts(
            instances
                .iter()
                .flat_map(|from| run.cells_of(*from))
                .filter_map(|ix| hash_of(run, ix, output))
                .collect(),
        ),
        BoundInput::Registry { .. } => return None,
    })
}

fn column_sources(run: &Run, instance: &Instance, edge: &ColumnEdge) -> Vec<LineageNode> {
    let Some(source) = instance
        .inputs
        .get(&edge.input)
        .and_then(|bound| source_of(run, bound))
    else {
        return Vec::new();
    };
    match source {
        Source::Dataset(dataset) => vec![LineageNode::DatasetColumn {
            dataset,
            column: edge.from.clone(),
        }],
        Source::Artifacts(hashes) => hashes
            .into_iter()
            .map(|hash| LineageNode::ArtifactColumn {
                hash,
                column: edge.from.clone(),
            })
            .collect(),
    }
}

fn hash_of(run: &Run, ix: InstanceIx, output: &str) -> Option<ContentHash> {
    let StepState::Succeeded { outputs, .. } = run.step(ix) else {
        return None;
    };
    match outputs.get(output)? {
        OutputValue::Artifact(artifact) => Some(artifact.hash),
        OutputValue::Value(_) => None,
    }
}
