//! Columns that are carried along and never used (D06).
//!
//! Why: reading and storing them costs time and space in every run. Use is followed backwards from
//! what steps say they use, through the lineage of columns, to the datasets.

use super::{Reads, Scene, found};
use std::collections::BTreeMap;
use std::sync::Arc;
use trainyard_contract::{DataContract, Path};

pub(super) fn unused(scene: &mut Scene<'_>, reads: &Reads, contracts: &BTreeMap<String, Arc<DataContract>>) {
    let mut findings = Vec::new();
    let declared: BTreeMap<_, _> = scene.draft.spec.datasets.iter().collect();
    for (name, declared) in declared {
        let Some(used) = reads.columns_of(name) else {
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
