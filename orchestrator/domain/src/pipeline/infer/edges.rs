//! Outputs: what was inferred against what the contract of the output promises.
//!
//! Why: a contract that the step cannot meet is found before the run (D01), and so is one that it
//! meets only by luck (D02).

use super::{Known, Scene, found};
use crate::diagnostic::Span;
use crate::pipeline::wiring::Wired;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use trainyard_contract::finding::nearest;
use trainyard_contract::{ArtifactKind, DataContract, DataType, Schema, Shape};

/// Shapes of a step of which nothing is known but what it declares.
pub(super) fn declared(
    step: &str,
    wired: &Wired,
    contracts: &BTreeMap<String, Arc<DataContract>>,
) -> IndexMap<String, Shape> {
    wired
        .outputs
        .iter()
        .map(|(name, output)| {
            let shape = match (
                output.kind,
                output.contract.as_ref().and_then(|name| contracts.get(name)),
            ) {
                (ArtifactKind::Table, Some(contract)) => {
                    Shape::Table(contract.schema(Some(&format!("{step}.{name}"))))
                }
                (ArtifactKind::Table, None) => Shape::UnknownTable,
                (kind, _) => Shape::Other(kind),
            };
            (name.clone(), shape)
        })
        .collect()
}

/// Shapes of a step's outputs: as inferred, and as declared where nothing could be inferred.
pub(super) fn outputs(
    scene: &mut Scene<'_>,
    index: usize,
    known: &Known,
    contracts: &BTreeMap<String, Arc<DataContract>>,
) -> IndexMap<String, Shape> {
    let draft = scene.draft;
    let wired = &scene.steps[index];
    let Some((step, _)) = draft.spec.steps.get_index(index) else {
        return IndexMap::new();
    };
    let mut shapes = declared(step, wired, contracts);
    for (name, shape) in &mut shapes {
        let inferred = known
            .inferences
            .iter()
            .find_map(|inference| inference.outputs.get(name));
        let Some(inferred) = inferred.filter(|shape| !matches!(shape, Shape::UnknownTable)) else {
            continue;
        };
        let contract = wired
            .outputs
            .get(name)
            .and_then(|output| contracts.get(output.contract.as_ref()?));
        let mut inferred = inferred.clone();
        if let (Shape::Table(schema), Some(contract)) = (&mut inferred, contract) {
            let span = draft
                .step_entry(index)
                .and_then(|entry| entry.value.get("outputs")?.get(name)?.get("contract"))
                .map_or(draft.root.span, |node| node.span);
            // A step that takes the contract as its word has already answered for it.
            if !schema_is_contract(schema, contract) {
                compare(scene, &format!("{step}.{name}"), span, schema, contract);
            }
            refine(schema, contract);
        }
        *shape = inferred;
    }
    shapes
}

fn schema_is_contract(schema: &Schema, contract: &DataContract) -> bool {
    schema.columns.len() == contract.columns.len()
        && schema
            .columns
            .iter()
            .zip(&contract.columns)
            .all(|(column, (name, promised))| {
                column.name == *name
                    && column.data_type == promised.data_type
                    && column.nullable == promised.nullable
            })
}

/// What the contract knows of columns and inference could not tell.
fn refine(schema: &mut Schema, contract: &DataContract) {
    let promised = contract.schema(None);
    for column in &mut schema.columns {
        let Some(promised) = promised.column(&column.name) else {
            continue;
        };
        column.known_at = column.known_at.take().or_else(|| promised.known_at.clone());
        column.unit = column.unit.take().or_else(|| promised.unit.clone());
        column.classification = column
            .classification
            .take()
            .or_else(|| promised.classification.clone());
    }
    schema.event_time = schema.event_time.take().or(promised.event_time);
    if schema.primary_key.is_empty() {
        schema.primary_key = promised.primary_key;
    }
}

/// What a table lacks of what a contract promises.
pub(crate) fn compare(
    scene: &mut Scene<'_>,
    what: &str,
    span: Span,
    schema: &Schema,
    contract: &DataContract,
) {
    let place = |name: &str| {
        scene
            .draft
            .contracts
            .get(&contract.name)
            .and_then(|known| known.loaded.root.as_ref()?.get("columns")?.entry(name))
            .map(|entry| entry.key_span)
    };
    let mut findings = Vec::new();
    for (name, promised) in &contract.columns {
        let also = place(name);
        let with_place = |finding: super::super::checks::Finding| match also {
            Some(span) => finding.also(span, "promised here"),
            None => finding,
        };
        let Some(column) = schema.column(name) else {
            let finding = found(
                "D01/missing-column",
                span,
                format!(
                    "`{what}` has no column `{name}`, which the contract `{}` promises",
                    contract.name
                ),
            )
            .label(format!("`{name}` is missing"));
            let free = schema
                .names()
                .filter(|known| !contract.columns.contains_key(*known));
            findings.push(with_place(match nearest(name, free) {
                Some(near) => finding.help(format!("make the column `{name}`; there is `{near}`")),
                None => finding.help(format!(
                    "make the column `{name}`, or take it out of the contract"
                )),
            }));
            continue;
        };
        let (is, wanted) = (&column.data_type, &promised.data_type);
        let unknown = matches!(is, DataType::Other(_)) || matches!(wanted, DataType::Other(_));
        if is != wanted && !unknown {
            if castable(is, wanted) {
                if !is.fits_in(wanted) {
                    findings.push(with_place(
                        found(
                            "D02/narrowing",
                            span,
                            format!(
                                "`{name}` of `{what}` is {is}, and the contract `{}` holds only {wanted}",
                                contract.name
                            ),
                        )
                        .label("values may not fit")
                        .help(format!("promise {is}, or convert it in the step")),
                    ));
                }
            } else {
                findings.push(with_place(
                    found(
                        "D01/wrong-column-type",
                        span,
                        format!(
                            "`{name}` of `{what}` is {is}; the contract `{}` promises {wanted}",
                            contract.name
                        ),
                    )
                    .label("another type")
                    .help(format!("promise {is}, or convert it in the step")),
                ));
                continue;
            }
        }
        if column.nullable && !promised.nullable {
            findings.push(with_place(
                found(
                    "D02/nullable",
                    span,
                    format!(
                        "`{name}` of `{what}` may be missing, and the contract `{}` says it never is",
                        contract.name
                    ),
                )
                .label("may be missing")
                .help(format!(
                    "fill the gaps in the step, or promise `{name}: {{nullable: true}}`"
                )),
            ));
        }
        if let (Some(is), Some(wanted)) = (&column.unit, &promised.unit)
            && is != wanted
        {
            findings.push(with_place(
                found(
                    "D02/unit",
                    span,
                    format!(
                        "`{name}` of `{what}` is in {is}, and the contract `{}` says {wanted}",
                        contract.name
                    ),
                )
                .label("another unit")
                .help(format!("convert it to {wanted}, or promise {is}")),
            ));
        }
    }
    scene
        .out
        .extend(findings.into_iter().map(super::super::checks::Finding::done));
}

/// Whether values can be turned into the type at all.
fn castable(is: &DataType, wanted: &DataType) -> bool {
    (is.is_numeric() && wanted.is_numeric())
        || (matches!(is, DataType::Boolean) && wanted.is_integer())
        || matches!(
            (is, wanted),
            (DataType::Timestamp(_, one), DataType::Timestamp(_, other)) if one.is_some() == other.is_some()
        )
        || matches!((is, wanted), (DataType::Duration(_), DataType::Duration(_)))
}
