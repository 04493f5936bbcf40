//! What a use hands to a library's kind or to a pipeline: of the kind and with the columns that it
//! declares.
//!
//! Why: a library or pipeline promises to work for what its contract says, and for nothing else.
//!
//! ```yaml
//! share: {uses: late_share@v1, inputs: {flights: load.weather}}   # D01/missing-column
//! ```

use super::{Scene, found};
use crate::pipeline::infer::compare;
use crate::pipeline::wiring::Reference;
use std::collections::BTreeMap;
use trainyard_contract::{ArtifactKind, Schema, Shape};

pub(super) fn run(scene: &mut Scene<'_>, shapes: &BTreeMap<(String, String), Shape>) {
    let draft = scene.draft;
    for handed in &draft.expansion.handed {
        let Some(reference) = Reference::parse(&handed.source) else {
            continue;
        };
        let (kind, schema): (ArtifactKind, Option<Schema>) = match reference {
            Reference::Dataset(name) => {
                let contract = draft
                    .spec
                    .datasets
                    .get(name)
                    .and_then(|dataset| draft.contracts.get(dataset.contract.as_ref()?));
                // A dataset may stand for a file of any kind.
                let kind = match handed.kind {
                    ArtifactKind::File => ArtifactKind::File,
                    _ => ArtifactKind::Table,
                };
                (kind, contract.map(|known| known.contract.schema(Some(name))))
            }
            Reference::Registry { .. } => (ArtifactKind::Model, None),
            Reference::Features(_) => (ArtifactKind::Table, None),
            Reference::Output { step, output, all } => {
                let declared = draft
                    .spec
                    .steps
                    .get_index_of(step)
                    .and_then(|index| scene.steps[index].outputs.get(output));
                let Some(declared) = declared else { continue };
                let schema = match shapes.get(&(step.to_owned(), output.to_owned())) {
                    Some(Shape::Table(schema)) if !all => Some(schema.clone()),
                    _ => None,
                };
                (declared.kind, schema)
            }
        };
        let is_model = kind == ArtifactKind::ModelVersion && handed.kind == ArtifactKind::Model;
        if kind != handed.kind && !is_model {
            scene.add(
                found(
                    "S02/wrong-kind",
                    handed.at,
                    format!(
                        "`{}` is of kind {kind}; `{}` of `{}` takes {}",
                        handed.source, handed.input, handed.owner, handed.kind
                    ),
                )
                .label(format!("not {}", handed.kind))
                .also(handed.declared, "declared here"),
            );
            continue;
        }
        let Some(name) = &handed.contract else { continue };
        match draft.contracts.get(name) {
            Some(known) => {
                if let Some(schema) = schema {
                    compare(scene, &handed.source, handed.at, &schema, &known.contract);
                }
            }
            None if draft.declares_contract(name) => {}
            None => scene.add(
                found(
                    "S02/unknown-contract",
                    handed.declared,
                    format!("no included file declares a contract `{name}`"),
                )
                .label("no such contract")
                .help("include the file that declares it: `include: [../contracts/*.yaml]`"),
            ),
        }
    }
}
