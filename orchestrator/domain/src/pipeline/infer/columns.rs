//! Columns that are carried along and never used (D06).
//!
//! Why: reading and storing them costs time and space in every run. Use is followed backwards from
//! what steps say they use, through the lineage of columns, to the datasets.

use super::{Known, Scene, Source, found};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trainyard_contract::{DataContract, Path, Shape};

/// Columns of a table that someone uses.
#[derive(Clone, Debug)]
enum Use {
    /// Nobody knows, so all count.
    All,
    Some(BTreeSet<String>),
}

impl Use {
    fn add(&mut self, columns: impl IntoIterator<Item = String>) {
        if let Self::Some(known) = self {
            known.extend(columns);
        }
    }
}

pub(super) fn unused(
    scene: &mut Scene<'_>,
    order: &[usize],
    known: &[Known],
    contracts: &BTreeMap<String, Arc<DataContract>>,
) {
    let mut outputs: BTreeMap<(usize, &str), Use> = BTreeMap::new();
    let mut datasets: BTreeMap<&str, Use> = BTreeMap::new();
    for index in order.iter().rev().copied() {
        for (input, source) in &scene.steps[index].inputs {
            let used = used_by(index, input, &known[index], &outputs);
            let target = match source {
                Source::Dataset(name) => datasets.entry(name).or_insert_with(|| Use::Some(BTreeSet::new())),
                Source::Output { step, output, .. } => outputs
                    .entry((*step, output))
                    .or_insert_with(|| Use::Some(BTreeSet::new())),
                Source::Registry { .. } => continue,
            };
            match used {
                Use::All => *target = Use::All,
                Use::Some(columns) => target.add(columns),
            }
        }
    }
    let mut findings = Vec::new();
    for (name, used) in datasets {
        let Use::Some(used) = used else { continue };
        let Some(declared) = scene.draft.spec.datasets.get(name) else {
            continue;
        };
        let Some(contract) = declared
            .contract
            .as_ref()
            .and_then(|contract| contracts.get(contract))
        else {
            continue;
        };
        let unused: Vec<&str> = contract
            .columns
            .keys()
            .map(String::as_str)
            .filter(|column| !used.contains(*column))
            .collect();
        // A dataset of which nothing at all is used says more about the steps than about its columns.
        if unused.is_empty() || unused.len() == contract.columns.len() {
            continue;
        }
        let span = scene
            .draft
            .key_span(scene.sources, &Path::root().key("datasets").key(name));
        let all = contract.columns.len();
        findings.push(
            found(
                "D06/unused-columns",
                span,
                format!("`{name}` has {all} columns, and {} are used", all - unused.len()),
            )
            .label(format!("{} never used", unused.len()))
            .note(format!("never used: {}", unused.join(", ")))
            .help("read only the columns that are used, or say why: `# check: ignore=D06 …`"),
        );
    }
    for finding in findings {
        scene.add(finding);
    }
}

/// Columns of an input that a step, or anyone after it, uses.
fn used_by(index: usize, input: &str, known: &Known, outputs: &BTreeMap<(usize, &str), Use>) -> Use {
    if !matches!(known.inputs.get(input), Some(Shape::Table(_))) || known.inferences.is_empty() {
        return Use::All;
    }
    let mut columns = BTreeSet::new();
    for inference in &known.inferences {
        if inference.uses.is_empty() && inference.lineage.is_empty() {
            return Use::All;
        }
        columns.extend(inference.uses.get(input).into_iter().flatten().cloned());
        for edge in inference.lineage.iter().filter(|edge| edge.input == input) {
            let is_used = match outputs.get(&(index, edge.output.as_str())) {
                Some(Use::All) => true,
                Some(Use::Some(used)) => used.contains(&edge.column),
                None => false,
            };
            if is_used {
                columns.insert(edge.from.clone());
            }
        }
    }
    Use::Some(columns)
}
