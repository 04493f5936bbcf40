//! What breaks other pipelines of the project (D04).
//!
//! Why: each pipeline is right by itself, and yet one makes what another cannot read. Pipelines meet by the
//! name of a contract or a feature view, by the path of their data, and by the name of a model; nothing
//! runs to find out.
//!
//! ```yaml
//! # a.yaml, with contracts/scores_v2.yaml: `score` is gone from `scores`
//! outputs: {table: {type: table, contract: scores}}                    # D04/breaks-readers
//! # b.yaml, with contracts/scores.yaml
//! datasets: {scores: {path: data/scores.parquet, contract: scores}}
//! ```

mod models;

use super::found;
use crate::diagnostic::{Diagnostic, Sources, Span};
use crate::pipeline::Pipeline;
use crate::pipeline::draft::{Draft, local_file};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::data_contract::ColumnContract;
use trainyard_contract::{Column, DataContract, DataType, Path, Schema, Shape};

/// A pipeline that could be read, beside its document.
pub(super) struct Party<'a> {
    /// Place among all drafts.
    pub(super) index: usize,
    pub(super) draft: &'a Draft,
    pub(super) pipeline: &'a Pipeline,
}

impl Party<'_> {
    fn name(&self) -> &str {
        &self.draft.spec.name
    }

    fn contract(&self, name: &str) -> Option<&DataContract> {
        self.draft
            .contracts
            .get(name)
            .map(|known| known.contract.as_ref())
    }

    /// Where a contract speaks of a column.
    fn column_place(&self, contract: &str, column: &str) -> Option<Span> {
        let root = self.draft.contracts.get(contract)?.loaded.root.as_ref()?;
        Some(root.get("columns")?.entry(column)?.key_span)
    }

    /// Where a dataset names its contract.
    fn dataset_place(&self, sources: &Sources, dataset: &str) -> Span {
        let path = Path::root().key("datasets").key(dataset).key("contract");
        self.draft.span(sources, &path)
    }
}

/// Findings, each with the pipeline whose level decides whether it stops.
pub(super) fn run(sources: &Sources, parties: &[Party<'_>]) -> Vec<(usize, Diagnostic)> {
    let mut findings = Vec::new();
    let readers = readers(parties);
    for writer in parties {
        for table in tables(writer, sources) {
            let of_it = readers.get(table.name).map(Vec::as_slice).unwrap_or_default();
            findings.extend(broken_readers(sources, writer, &table, of_it));
        }
    }
    findings.extend(same_data(sources, parties));
    findings.extend(models::run(sources, parties));
    findings
}

/// Datasets by the name of their contract, each with its pipeline.
fn readers<'a>(parties: &'a [Party<'a>]) -> BTreeMap<&'a str, Vec<(&'a Party<'a>, &'a str)>> {
    let mut readers: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for party in parties {
        for (dataset, declared) in &party.draft.spec.datasets {
            if let Some(contract) = &declared.contract {
                readers
                    .entry(contract)
                    .or_default()
                    .push((party, dataset.as_str()));
            }
        }
    }
    readers
}

/// A table that a pipeline makes under a name that others can know.
struct Table<'a> {
    step: &'a str,
    output: &'a str,
    name: &'a str,
    /// `contract` or `feature view`.
    by: &'static str,
    place: Span,
    schema: &'a Schema,
}

fn tables<'a>(writer: &'a Party<'_>, sources: &Sources) -> Vec<Table<'a>> {
    let mut tables = Vec::new();
    for ((step, output), shape) in writer.pipeline.shapes() {
        let (Shape::Table(schema), Some(spec)) = (shape, writer.draft.spec.steps.get(step)) else {
            continue;
        };
        let at = Path::root().key("steps").key(step);
        let view = spec
            .with
            .get("store")
            .and_then(|store| store.get("feature_view")?.as_str());
        let contract = spec
            .outputs
            .get(output)
            .and_then(|output| output.contract.as_deref());
        let named = [
            contract.map(|name| (name, "contract", at.key("outputs").key(output).key("contract"))),
            view.filter(|name| Some(*name) != contract).map(|name| {
                (
                    name,
                    "feature view",
                    at.key("with").key("store").key("feature_view"),
                )
            }),
        ];
        for (name, by, path) in named.into_iter().flatten() {
            tables.push(Table {
                step,
                output,
                name,
                by,
                place: writer.draft.span(sources, &path),
                schema,
            });
        }
    }
    tables
}

/// What is wrong with a column for those who read it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Missing,
    Type(String, String),
    Nullable,
    Unit(String, String),
}

impl Fault {
    fn of(column: Option<&Column>, wanted: &ColumnContract) -> Option<Self> {
        let Some(column) = column else {
            return Some(Self::Missing);
        };
        let (is, wants) = (&column.data_type, &wanted.data_type);
        let unknown = matches!(is, DataType::Other(_)) || matches!(wants, DataType::Other(_));
        if is != wants && !unknown && !is.fits_in(wants) {
            return Some(Self::Type(is.to_string(), wants.to_string()));
        }
        if column.nullable && !wanted.nullable {
            return Some(Self::Nullable);
        }
        match (&column.unit, &wanted.unit) {
            (Some(is), Some(wants)) if is != wants => Some(Self::Unit(is.clone(), wants.clone())),
            _ => None,
        }
    }
}

/// A pipeline, its dataset, and the steps that read it.
type Reader<'a> = (&'a Party<'a>, &'a str, BTreeSet<String>);

fn broken_readers(
    sources: &Sources,
    writer: &Party<'_>,
    table: &Table<'_>,
    readers: &[(&Party<'_>, &str)],
) -> Vec<(usize, Diagnostic)> {
    // Column and fault, and by reader the dataset and the steps.
    let mut broken: BTreeMap<(&str, Fault), Vec<Reader<'_>>> = BTreeMap::new();
    for (reader, dataset) in readers
        .iter()
        .copied()
        .filter(|(reader, _)| reader.index != writer.index)
    {
        let Some(contract) = reader.contract(table.name) else {
            continue;
        };
        for (column, wanted) in &contract.columns {
            let Some(fault) = Fault::of(table.schema.column(column), wanted) else {
                continue;
            };
            let steps = reader.pipeline.reads().of_dataset(dataset, column);
            if !steps.is_empty() {
                broken
                    .entry((column, fault))
                    .or_default()
                    .push((reader, dataset, steps));
            }
        }
    }
    let made = format!(
        "`{}.{}` of pipeline `{}`",
        table.step,
        table.output,
        writer.name()
    );
    let found = broken.into_iter().map(|((column, fault), readers)| {
        let names: BTreeSet<&str> = readers.iter().map(|(reader, ..)| reader.name()).collect();
        let read = if names.len() == 1 { "reads" } else { "read" };
        let names = listed(&names);
        let (message, label, help) = match &fault {
            Fault::Missing => (
                format!("{made} has no column `{column}`, which {names} {read}"),
                format!("`{column}` is missing"),
                format!("keep `{column}` until nobody reads it, or give what is made now another name"),
            ),
            Fault::Type(is, wants) => (
                format!("`{column}` of {made} is {is}, and {names} {read} it as {wants}"),
                "another type".to_owned(),
                format!("convert it to {wants}, or give what is made now another name"),
            ),
            Fault::Nullable => (
                format!("`{column}` of {made} may be missing, and {names} {read} it as if it never were"),
                "may be missing".to_owned(),
                "fill the gaps in the step, or allow them where it is read".to_owned(),
            ),
            Fault::Unit(is, wants) => (
                format!("`{column}` of {made} is in {is}, and {names} {read} it in {wants}"),
                "another unit".to_owned(),
                format!("convert it to {wants}, or give what is made now another name"),
            ),
        };
        let mut finding = found("D04/breaks-readers", table.place, message)
            .label(label)
            .help(help);
        for (reader, dataset, steps) in readers {
            let steps: Vec<String> = steps.iter().map(|step| format!("`{step}`")).collect();
            let text = format!("`{}` reads it in {}", reader.name(), steps.join(", "));
            finding = finding.also(reader.dataset_place(sources, dataset), text);
            if let Some(place) = reader.column_place(table.name, column) {
                finding = finding.also(place, format!("what `{}` reads", reader.name()));
            }
        }
        let by = format!("they meet by the {} `{}`", table.by, table.name);
        (writer.index, finding.note(by).done())
    });
    found.collect()
}

/// Pipelines that read the same file by contracts that cannot both be true.
fn same_data(sources: &Sources, parties: &[Party<'_>]) -> Vec<(usize, Diagnostic)> {
    let mut by_path: BTreeMap<String, Vec<(&Party<'_>, &str, &str)>> = BTreeMap::new();
    for party in parties {
        for (dataset, declared) in &party.draft.spec.datasets {
            if let (Some(path), Some(contract)) = (local_file(&declared.path), &declared.contract) {
                by_path.entry(path).or_default().push((party, dataset, contract));
            }
        }
    }
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    for (path, readers) in by_path {
        // The first reader by each contract; of one file there is nothing to compare.
        let mut known: Vec<(&Party<'_>, &str, &str, Schema)> = Vec::new();
        for (reader, dataset, name) in readers {
            let Some(contract) = reader.draft.contracts.get(name) else {
                continue;
            };
            let file = contract.loaded.path.as_str();
            for (other, other_name, _, promised) in known.iter().filter(|(.., other, _)| *other != file) {
                if other.index == reader.index {
                    continue;
                }
                for (column, wanted) in &contract.contract.columns {
                    let Some(promised) = promised.column(column) else {
                        continue;
                    };
                    let Some(fault) = Fault::of(Some(promised), wanted) else {
                        continue;
                    };
                    if reader.pipeline.reads().of_dataset(dataset, column).is_empty() {
                        continue;
                    }
                    let place = reader.column_place(name, column);
                    let place = place.unwrap_or_else(|| reader.dataset_place(sources, dataset));
                    if told.insert((place, path.clone())) {
                        let finding =
                            contradiction(&path, column, &fault, place, (reader, *other), other_name);
                        findings.push((reader.index, finding));
                    }
                }
            }
            if !known.iter().any(|(.., other, _)| *other == file) {
                known.push((reader, name, file, contract.contract.schema(None)));
            }
        }
    }
    findings
}

fn contradiction(
    path: &str,
    column: &str,
    fault: &Fault,
    place: Span,
    (reader, other): (&Party<'_>, &Party<'_>),
    contract: &str,
) -> Diagnostic {
    let said = match fault {
        Fault::Type(is, wants) => format!("is {wants} here and {is}"),
        Fault::Unit(is, wants) => format!("is in {wants} here and in {is}"),
        Fault::Nullable | Fault::Missing => "is never missing here and may be".to_owned(),
    };
    let message = format!(
        "`{column}` of `{path}` {said} in the contract by which pipeline `{}` reads it",
        other.name()
    );
    let mut finding = found("D04/same-data-differs", place, message)
        .label(format!("as `{}` reads it", reader.name()))
        .help("let both pipelines include one contract of these data");
    if let Some(place) = other.column_place(contract, column) {
        finding = finding.also(place, format!("as `{}` reads it", other.name()));
    }
    finding.done()
}

/// `pipeline `a`` or `pipelines `a`, `b``.
fn listed(names: &BTreeSet<&str>) -> String {
    let plural = if names.len() == 1 { "" } else { "s" };
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("pipeline{plural} {}", names.join(", "))
}

#[cfg(test)]
mod tests;
