//! Columns that steps hand on and nobody ever reads (D06).
//!
//! Why: reading and storing them costs time and space in every run. A column counts that a step takes from a
//! dataset into a table of its own while no step below needs it. What a step does not take in the first
//! place costs nothing, and what a table holds that no step reads any more is what the pipeline was run for.

use super::{Known, Scene, Source, found};
use crate::pipeline::wiring::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trainyard_contract::task::ColumnEdge;
use trainyard_contract::{DataContract, Path, Shape};

/// A table: a dataset by its name, or an output by its step's place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Dataset(String),
    Output(usize, String),
}

/// What becomes of a table's columns.
#[derive(Debug, Default)]
struct Fate {
    /// Which columns are read nobody knows, so it may be all.
    is_open: bool,
    read: BTreeSet<String>,
    /// Columns that steps hand on, and these steps.
    handed: BTreeMap<String, BTreeSet<String>>,
}

impl Fate {
    fn is_read(&self, column: &str) -> bool {
        self.is_open || self.read.contains(column)
    }

    /// Columns that are handed on and not read.
    fn idle(&self) -> impl Iterator<Item = (&String, &BTreeSet<String>)> {
        self.handed.iter().filter(|(column, _)| !self.is_read(column))
    }
}

pub(super) fn idle(
    scene: &mut Scene<'_>,
    order: &[usize],
    known: &[Known],
    contracts: &BTreeMap<String, Arc<DataContract>>,
) {
    let fates = fates(scene, order, known);
    let mut findings = Vec::new();
    let declared: BTreeMap<_, _> = scene.draft.spec.datasets.iter().collect();
    for (name, declared) in declared {
        let Some(fate) = fates.get(&Table::Dataset(name.clone())) else {
            continue;
        };
        let contract = declared.contract.as_ref();
        let Some(contract) = contract.and_then(|contract| contracts.get(contract)) else {
            continue;
        };
        let idle: BTreeMap<&String, &BTreeSet<String>> = fate
            .idle()
            .filter(|(column, _)| contract.columns.contains_key(*column))
            .collect();
        // A dataset of which nothing at all is used says more about the steps than about its columns.
        if idle.is_empty() || idle.len() == contract.columns.len() {
            continue;
        }
        let span = scene
            .draft
            .key_span(scene.sources, &Path::root().key("datasets").key(name));
        let columns: Vec<&str> = contract
            .columns
            .keys()
            .map(String::as_str)
            .filter(|column| idle.keys().any(|idle| idle == column))
            .collect();
        let by: BTreeSet<String> = idle
            .values()
            .copied()
            .flatten()
            .map(|step| format!("`{step}`"))
            .collect();
        let by: Vec<String> = by.into_iter().collect();
        findings.push(
            found(
                "D06/unused-columns",
                span,
                format!(
                    "{} of the {} columns of `{name}` are handed on and never read",
                    columns.len(),
                    contract.columns.len()
                ),
            )
            .label(format!("{} never read", columns.len()))
            .note(format!("handed on by {}: {}", by.join(", "), columns.join(", ")))
            .help("let the step take only the columns that are used, or say why: `# check: ignore=D06 …`"),
        );
    }
    for finding in findings {
        scene.add(finding);
    }
}

/// Follows what is read, last steps first.
fn fates(scene: &Scene<'_>, order: &[usize], known: &[Known]) -> BTreeMap<Table, Fate> {
    let table = |source: &Source| match source {
        Source::Dataset(name) => Some(Table::Dataset(name.clone())),
        Source::Output { step, output, .. } => Some(Table::Output(*step, output.clone())),
        Source::Registry { .. } | Source::Features(_) => None,
    };
    let sources = scene.steps.iter().flat_map(|step| step.inputs.values());
    let taken: BTreeSet<Table> = sources.filter_map(table).collect();
    let mut fates: BTreeMap<Table, Fate> = exported(scene);
    for index in order.iter().rev().copied() {
        let Some((step, _)) = scene.draft.spec.steps.get_index(index) else {
            continue;
        };
        for (input, source) in &scene.steps[index].inputs {
            let Some(from) = table(source) else { continue };
            let is_wanted = |edge: &ColumnEdge| {
                let to = Table::Output(index, edge.output.clone());
                edge.column == ColumnEdge::ROWS
                    || !taken.contains(&to)
                    || fates.get(&to).is_none_or(|fate| fate.is_read(&edge.column))
            };
            let known = &known[index];
            let is_table = matches!(known.inputs.get(input), Some(Shape::Table(_)));
            let tells_nothing = known
                .inferences
                .iter()
                .any(|inference| inference.uses.is_empty() && inference.lineage.is_empty());
            let mut read = BTreeSet::new();
            let mut handed = BTreeSet::new();
            for inference in &known.inferences {
                read.extend(inference.uses.get(input).into_iter().flatten().cloned());
                for edge in inference.lineage.iter().filter(|edge| edge.input == *input) {
                    handed.insert(edge.from.clone());
                    if is_wanted(edge) {
                        read.insert(edge.from.clone());
                    }
                }
            }
            let fate = fates.entry(from).or_default();
            fate.is_open |= !is_table || known.inferences.is_empty() || tells_nothing;
            fate.read.extend(read);
            for column in handed {
                fate.handed.entry(column).or_default().insert(step.clone());
            }
        }
    }
    fates
}

/// Tables that the pipeline gives to those that use it: whoever that is may read all of them.
fn exported(scene: &Scene<'_>) -> BTreeMap<Table, Fate> {
    let given = scene.draft.spec.outputs.values();
    let tables = given.filter_map(|text| match Reference::parse(text)? {
        Reference::Output { step, output, .. } => {
            let index = scene.draft.spec.steps.get_index_of(step)?;
            Some(Table::Output(index, output.to_owned()))
        }
        _ => None,
    });
    let open = || Fate {
        is_open: true,
        ..Fate::default()
    };
    tables.map(|table| (table, open())).collect()
}
