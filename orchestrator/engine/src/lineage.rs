//! What a finished step adds to the lineage graph.

use crate::prepare::Surroundings;
use crate::reproduction::registered;
use indexmap::IndexMap;
use std::path::Path;
use trainyard_contract::location::PublicName;
use trainyard_contract::task::{ColumnEdge, Ways};
use trainyard_contract::{ContentHash, OutputValue};
use trainyard_domain::run::{BoundInput, Event, Instance, InstanceIx, Run, RunnerKind, StepState, What};
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
    /// Models it took from the registry: name, alias, version.
    models: Vec<(String, String, u32)>,
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
            models: Vec::new(),
            written: Vec::new(),
        }
    }

    /// The same, with feature views as they were written.
    pub(crate) fn writing(mut self, views: impl IntoIterator<Item = (String, ContentHash)>) -> Self {
        self.written.extend(views);
        self
    }

    /// The same, with datasets, views and models as the run saw them.
    pub(crate) fn reading(mut self, surroundings: &Surroundings) -> Self {
        self.datasets = surroundings.contents();
        self.models = surroundings.versions();
        self
    }

    /// A dataset and its content, as it was read; a view whose version was left open is of that which there was.
    fn content_of(&self, name: &str) -> Option<(String, ContentHash)> {
        let is_it = |known: &str| {
            known == name
                || name.starts_with("features:")
                    && !name.contains('@')
                    && known.split('@').next() == Some(name)
        };
        self.datasets
            .iter()
            .find(|(known, _)| is_it(known))
            .map(|(known, content)| (known.clone(), *content))
    }

    /// The edges, sources before targets: place → dataset → its version → step → outputs → model version,
    /// and column by column beside it. Relative places start at `project`.
    pub(crate) fn edges(&self, run: &Run, project: &Path) -> Vec<LineageEdge> {
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
                ways: Ways::default(),
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
                    if let Some(reference) = run.definition().datasets.get(&name) {
                        let whole = LineageNode::Dataset { name: name.clone() };
                        let PublicName { namespace, name } = PublicName::of(&reference.location, project);
                        edge(LineageNode::External { namespace, name }, whole, false);
                    }
                    match self.content_of(&name) {
                        Some((name, content)) => {
                            let whole = LineageNode::Dataset { name: name.clone() };
                            let version = LineageNode::DatasetVersion { name, content };
                            edge(whole, version.clone(), true);
                            edge(version, step.clone(), true);
                        }
                        None => edge(LineageNode::Dataset { name }, step.clone(), true),
                    }
                }
                Some(Source::Artifacts(hashes)) => {
                    for hash in hashes {
                        edge(LineageNode::Artifact { hash }, step.clone(), true);
                    }
                }
                None => {
                    let taken = registered(bound).and_then(|(model, alias)| {
                        let mut models = self.models.iter();
                        models.find(|(name, by, _)| name == model && by == alias)
                    });
                    if let Some((name, _, version)) = taken {
                        let (name, version) = (name.clone(), *version);
                        edge(LineageNode::ModelVersion { name, version }, step.clone(), true);
                    }
                }
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
            let whole = LineageNode::Dataset { name: name.clone() };
            edge(step.clone(), whole.clone(), true);
            edge(whole, version.clone(), true);
            edge(step.clone(), version, true);
        }
        for column in &self.columns {
            let view = self
                .written
                .iter()
                .find(|(name, _)| name.split('@').next() == Some(&column.output));
            let target = if let Some((name, _)) = view {
                LineageNode::DatasetColumn {
                    dataset: name.clone(),
                    column: column.column.clone(),
                }
            } else {
                let Some(OutputValue::Artifact(artifact)) = self.outputs.get(&column.output) else {
                    continue;
                };
                let whole = LineageNode::Artifact { hash: artifact.hash };
                // What decides which rows there are has a say in the table as a whole.
                if column.column == ColumnEdge::ROWS {
                    whole
                } else {
                    let target = LineageNode::ArtifactColumn {
                        hash: artifact.hash,
                        column: column.column.clone(),
                    };
                    edges.push(LineageEdge {
                        source: target.clone(),
                        target: whole,
                        derived: true,
                        ways: Ways::default(),
                    });
                    target
                }
            };
            for source in column_sources(run, instance, column) {
                edges.push(LineageEdge {
                    source,
                    target: target.clone(),
                    derived: column.derived,
                    ways: column.ways.iter().copied().collect(),
                });
            }
        }
        edges.sort();
        edges.dedup();
        edges
    }
}

/// Who and which code is behind what has happened to a run: who started it from which commit, and who answered a
/// gate, on whose word the model versions before it went on.
pub(crate) fn of_events(run: &Run, events: &[Event]) -> Vec<LineageEdge> {
    let mut edges = Vec::new();
    let mut edge = |source: LineageNode, target: LineageNode| {
        edges.push(LineageEdge {
            source,
            target,
            derived: true,
            ways: Ways::default(),
        });
    };
    let person = |name: &str| LineageNode::Person {
        name: name.to_owned(),
    };
    for event in events {
        match &event.what {
            What::RunStarted { by, .. } => {
                let started = LineageNode::Run {
                    run: run.id().clone(),
                };
                if let Some(code) = &run.definition().code {
                    let commit = code.commit.clone();
                    edge(LineageNode::Code { commit }, started.clone());
                }
                edge(person(by), started);
            }
            What::ApprovalGiven {
                step, by, approve, ..
            } => {
                let Some(instance) = run.instance_at(*step) else {
                    continue;
                };
                let gate = LineageNode::Step {
                    run: run.id().clone(),
                    instance: instance.as_ref().name.clone(),
                };
                edge(person(by), gate.clone());
                if *approve {
                    for version in versions_at(run, instance.as_ref()) {
                        edge(gate.clone(), version);
                    }
                }
            }
            _ => {}
        }
    }
    edges
}

/// The model versions that a step takes.
fn versions_at(run: &Run, instance: &Instance) -> Vec<LineageNode> {
    let taken = instance.inputs.values().filter_map(|bound| match bound {
        BoundInput::Output { instance, output } => match run.step(*instance) {
            StepState::Succeeded { outputs, .. } => outputs.get(output),
            _ => None,
        },
        _ => None,
    });
    taken
        .filter_map(|output| match output {
            OutputValue::Value(value) => model_version(value),
            OutputValue::Artifact(_) => None,
        })
        .collect()
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
        BoundInput::Features(features) => Source::Dataset(features.to_string()),
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
