//! Who reads which column: of datasets, and of the outputs of steps.
//!
//! Use is followed backwards from what steps say they use, through the lineage of columns: a step that
//! merely hands a column on reads it only if somebody below does.

use super::{Known, Scene, Source};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::Shape;

/// Columns of a pipeline's tables and the steps that read them.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    datasets: BTreeMap<String, Readers>,
    outputs: BTreeMap<(String, String), Readers>,
    /// Step → columns by which it decides, of whatever input: keys, filters.
    deciding: BTreeMap<String, BTreeSet<String>>,
}

/// Steps that read a table.
#[derive(Clone, Debug, Default)]
struct Readers {
    /// Which columns these read nobody knows, so it may be all.
    of_all: BTreeSet<String>,
    columns: BTreeMap<String, BTreeSet<String>>,
}

impl Readers {
    fn of(&self, column: &str) -> BTreeSet<String> {
        let mut steps = self.of_all.clone();
        steps.extend(self.columns.get(column).into_iter().flatten().cloned());
        steps
    }
}

impl Reads {
    /// Steps that read a column of a dataset, or may read it.
    pub fn of_dataset(&self, dataset: &str, column: &str) -> BTreeSet<String> {
        self.datasets
            .get(dataset)
            .map(|readers| readers.of(column))
            .unwrap_or_default()
    }

    /// Steps that read a column of a step's output, or may read it.
    pub fn of_output(&self, step: &str, output: &str, column: &str) -> BTreeSet<String> {
        self.outputs
            .get(&(step.to_owned(), output.to_owned()))
            .map(|readers| readers.of(column))
            .unwrap_or_default()
    }

    /// Whether a step decides by a column, as by a key or in a filter.
    pub fn decides(&self, step: &str, column: &str) -> bool {
        self.deciding
            .get(step)
            .is_some_and(|columns| columns.contains(column))
    }
}

/// Follows what is read, last steps first.
pub(super) fn of(scene: &Scene<'_>, order: &[usize], known: &[Known]) -> Reads {
    let mut reads = Reads::default();
    for index in order.iter().rev().copied() {
        let Some((step, _)) = scene.draft.spec.steps.get_index(index) else {
            continue;
        };
        for inference in &known[index].inferences {
            let columns = inference.uses.values().flatten().cloned();
            reads.deciding.entry(step.clone()).or_default().extend(columns);
        }
        for (input, source) in &scene.steps[index].inputs {
            let read = read_by(step, input, &known[index], &reads);
            let readers = match source {
                Source::Dataset(name) => reads.datasets.entry(name.clone()).or_default(),
                Source::Output { step, output, .. } => {
                    let Some((above, _)) = scene.draft.spec.steps.get_index(*step) else {
                        continue;
                    };
                    reads.outputs.entry((above.clone(), output.clone())).or_default()
                }
                Source::Registry { .. } | Source::Features(_) => continue,
            };
            match read {
                None => {
                    readers.of_all.insert(step.clone());
                }
                Some(columns) => {
                    for column in columns {
                        readers.columns.entry(column).or_default().insert(step.clone());
                    }
                }
            }
        }
    }
    reads
}

/// Columns of an input that a step, or anyone after it, reads; none if nobody knows.
fn read_by(step: &str, input: &str, known: &Known, reads: &Reads) -> Option<BTreeSet<String>> {
    if !matches!(known.inputs.get(input), Some(Shape::Table(_))) || known.inferences.is_empty() {
        return None;
    }
    let mut columns = BTreeSet::new();
    for inference in &known.inferences {
        if inference.uses.is_empty() && inference.lineage.is_empty() {
            return None;
        }
        columns.extend(inference.uses.get(input).into_iter().flatten().cloned());
        let edges = inference.lineage.iter().filter(|edge| edge.input == input);
        let read = edges.filter(|edge| !reads.of_output(step, &edge.output, &edge.column).is_empty());
        columns.extend(read.map(|edge| edge.from.clone()));
    }
    Some(columns)
}
