//! Models that another pipeline takes from the registry: what they want is there.

use super::Party;
use crate::diagnostic::{Diagnostic, Sources, Span};
use crate::pipeline::checks::found;
use crate::pipeline::wiring::Source;
use std::collections::BTreeMap;
use trainyard_contract::{Path, Schema, Shape};

/// A model that a pipeline registers: the columns it wants, and where its name is given.
struct Registered<'a> {
    writer: &'a Party<'a>,
    place: Span,
    features: &'a Schema,
}

pub(super) fn run(sources: &Sources, parties: &[Party<'_>]) -> Vec<(usize, Diagnostic)> {
    let mut models: BTreeMap<&str, Vec<Registered<'_>>> = BTreeMap::new();
    for writer in parties {
        for of in writer.pipeline.registers() {
            let Some(Shape::Model { features, .. }) = of.shape else {
                continue;
            };
            let path = Path::root().key("steps").key(of.step).key("with").key("name");
            models.entry(of.model).or_default().push(Registered {
                writer,
                place: writer.draft.span(sources, &path),
                features,
            });
        }
    }
    let mut findings = Vec::new();
    for reader in parties {
        for (index, (step, _)) in reader.draft.spec.steps.iter().enumerate() {
            for (input, source) in &reader.pipeline.steps[index].inputs {
                let Source::Registry { model, .. } = source else {
                    continue;
                };
                let others = models.get(model.as_str()).into_iter().flatten();
                for registered in others.filter(|other| other.writer.index != reader.index) {
                    let path = Path::root().key("steps").key(step).key("inputs").key(input);
                    let place = reader.draft.span(sources, &path);
                    let found = lacking(registered, reader, index, model, place);
                    findings.extend(found.map(|found| (registered.writer.index, found)));
                }
            }
        }
    }
    findings
}

/// The shape behind an input, if a step or a contract says it.
fn shape_of<'a>(party: &'a Party<'_>, source: &Source) -> Option<&'a Shape> {
    let Source::Output {
        step,
        output,
        all: false,
    } = source
    else {
        return None;
    };
    let (step, _) = party.draft.spec.steps.get_index(*step)?;
    party.pipeline.shape(step, output)
}

/// What the tables beside the model lack; nothing if one of them has it all, or none is known.
fn lacking(
    registered: &Registered<'_>,
    reader: &Party<'_>,
    index: usize,
    model: &str,
    place: Span,
) -> Option<Diagnostic> {
    let sources = reader.pipeline.steps[index].inputs.values();
    let mut tables: Vec<Schema> = Vec::new();
    for source in sources {
        match source {
            Source::Dataset(dataset) => {
                let contract = reader.draft.spec.datasets.get(dataset)?.contract.as_ref()?;
                tables.push(reader.contract(contract)?.schema(None));
            }
            source => match shape_of(reader, source) {
                Some(Shape::Table(schema)) => tables.push(schema.clone()),
                Some(Shape::UnknownTable) => return None,
                _ => {}
            },
        }
    }
    let faults = |table: &Schema| -> Vec<String> {
        let wanted = registered.features.columns.iter();
        let fault = |column: &trainyard_contract::Column| match table.column(&column.name) {
            None => Some(format!("`{}` is missing", column.name)),
            Some(is) if is.data_type.is_numeric() != column.data_type.is_numeric() => Some(format!(
                "`{}` is {} instead of {}",
                column.name, is.data_type, column.data_type
            )),
            Some(_) => None,
        };
        wanted.filter_map(fault).collect()
    };
    let fewest = tables.iter().map(faults).min_by_key(Vec::len)?;
    if fewest.is_empty() {
        return None;
    }
    let message = format!(
        "the model `{model}` wants columns that pipeline `{}` does not give it: {}",
        reader.name(),
        fewest.join(", ")
    );
    let finding = found("D04/model-input", registered.place, message)
        .label("the model is registered here")
        .also(place, format!("`{}` takes it here", reader.name()))
        .help("let both make the columns alike, or register the model under another name");
    Some(finding.done())
}
