//! Where views' rows come from, and whether these have what the views promise.

use super::Source;
use super::resolve::Desk;
use crate::pipeline::checks::found;
use crate::pipeline::draft::{Draft, IncludedContract};
use crate::pipeline::spec::Dataset;
use std::collections::BTreeMap;
use std::sync::Arc;
use trainyard_contract::data_contract::ColumnContract;
use trainyard_contract::feature::file::ViewSpec;
use trainyard_contract::feature::{FeatureSource, Key};
use trainyard_contract::finding::nearest;
use trainyard_contract::{DataContract, DataType, Path};

/// Datasets of all pipelines, by name.
pub(super) struct Datasets<'a>(BTreeMap<&'a str, Vec<Declared<'a>>>);

struct Declared<'a> {
    pipeline: &'a str,
    dataset: &'a Dataset,
    contract: Option<&'a IncludedContract>,
}

impl<'a> Datasets<'a> {
    pub(super) fn of(drafts: &'a [Draft]) -> Self {
        let mut datasets: BTreeMap<&str, Vec<Declared<'_>>> = BTreeMap::new();
        for draft in drafts {
            for (name, dataset) in &draft.spec.datasets {
                let contract = dataset
                    .contract
                    .as_ref()
                    .and_then(|name| draft.contracts.get(name));
                datasets.entry(name).or_default().push(Declared {
                    pipeline: &draft.spec.name,
                    dataset,
                    contract,
                });
            }
        }
        Self(datasets)
    }
}

/// What is known of a view's rows.
pub(super) enum Origin {
    Known {
        source: FeatureSource,
        /// The contract of the dataset, if it has one.
        contract: Option<Arc<DataContract>>,
    },
    /// It names what is not there; that has been told.
    Unknown,
}

impl Origin {
    pub(super) fn contract(&self) -> Option<&DataContract> {
        match self {
            Self::Known { contract, .. } => contract.as_deref(),
            Self::Unknown => None,
        }
    }
}

/// The source of a view; without one, the step that writes it, or nothing but pushes.
pub(super) fn of_view(desk: &mut Desk<'_>, source: &Source, name: &str, spec: &ViewSpec) -> Origin {
    let at = Path::root().key("views").key(name).key("source");
    let writers: Vec<(String, String)> = writers(desk.drafts, name).collect();
    let Some(given) = &spec.source else {
        let known = match writers.into_iter().next() {
            Some((pipeline, step)) => FeatureSource::Step { pipeline, step },
            None => FeatureSource::Push,
        };
        return Origin::Known {
            source: known,
            contract: None,
        };
    };
    if let Some((pipeline, step)) = writers.first() {
        let message =
            format!("`{name}` has a source, and step `{step}` of pipeline `{pipeline}` writes it as well");
        let finding = found("S01/duplicate-name", desk.key(source, &at), message)
            .label("one of two origins")
            .help("take `source` out, or let the step write a view of another name");
        desk.add(finding);
    }
    let format = given.format.map(|format| format.as_str().to_owned());
    if let Some(path) = &given.path {
        return Origin::Known {
            source: FeatureSource::File {
                path: path.clone(),
                format,
            },
            contract: None,
        };
    }
    let Some(dataset) = &given.dataset else {
        return Origin::Unknown;
    };
    let place = desk.at(source, &at.key("dataset"));
    let declared = desk.datasets.0.get(dataset.as_str());
    let Some((first, others)) = declared.and_then(|declared| declared.split_first()) else {
        let known: Vec<&str> = desk.datasets.0.keys().copied().collect();
        let otherwise = "declare it under `datasets:` of a pipeline, or name the files: `source: {path: …}`";
        desk.unknown(place, "dataset", dataset, known, otherwise);
        return Origin::Unknown;
    };
    let source_of = FeatureSource::Dataset {
        dataset: dataset.clone(),
        path: first.dataset.path.clone(),
        format: format.or_else(|| first.dataset.format.map(|format| format.as_str().to_owned())),
    };
    let contract = first.contract.map(|known| Arc::clone(&known.contract));
    if let Some(other) = others
        .iter()
        .find(|other| other.dataset.path != first.dataset.path)
    {
        let message = format!(
            "pipelines `{}` and `{}` have a dataset `{dataset}` each, of different files",
            first.pipeline, other.pipeline
        );
        let finding = found("S02/unknown-name", place, message)
            .label("which of them?")
            .help(format!(
                "name the files: `source: {{path: {}}}`",
                first.dataset.path
            ));
        desk.add(finding);
    }
    Origin::Known {
        source: source_of,
        contract,
    }
}

/// Pipelines and steps that write a view.
pub(super) fn writers<'a>(drafts: &'a [Draft], view: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
    drafts.iter().flat_map(move |draft| {
        let steps = draft.spec.steps.iter().filter(move |(_, step)| {
            let store = step.with.get("store");
            store.and_then(|store| store.get("feature_view")?.as_str()) == Some(view)
        });
        steps.map(|(step, _)| (draft.spec.name.clone(), step.clone()))
    })
}

/// Whether a type tells when something happened.
pub(super) fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date | DataType::Timestamp(..))
}

/// Holds a view's columns against the contract of its source; what this says of each feature.
pub(super) fn columns(
    desk: &mut Desk<'_>,
    source: &Source,
    name: &str,
    spec: &ViewSpec,
    keys: &[Key],
    origin: &Origin,
) -> BTreeMap<String, ColumnContract> {
    let mut found_columns = BTreeMap::new();
    let Some(contract) = origin.contract() else {
        return found_columns;
    };
    let at = Path::root().key("views").key(name);
    let column_of = |wanted: &str| spec.columns.get(wanted).map_or(wanted.to_owned(), String::clone);
    let mut wanted: Vec<(String, Option<&DataType>, Path, &str)> = Vec::new();
    for key in keys {
        let path = if spec.columns.contains_key(&key.name) {
            at.key("columns").key(&key.name)
        } else {
            at.key("entities")
        };
        wanted.push((column_of(&key.name), Some(&key.data_type), path, "key"));
    }
    wanted.push((spec.event_time.clone(), None, at.key("event_time"), "event time"));
    if let Some(created) = &spec.created_time {
        wanted.push((created.clone(), None, at.key("created_time"), "created time"));
    }
    for (feature, of) in &spec.features {
        let path = if spec.columns.contains_key(feature) {
            at.key("columns").key(feature)
        } else {
            at.key("features").key(feature)
        };
        wanted.push((column_of(feature), Some(&of.data_type), path, "feature"));
    }
    for (column, data_type, path, what) in wanted {
        let place = if what == "feature" && !spec.columns.values().any(|renamed| *renamed == column) {
            desk.key(source, &path)
        } else {
            desk.at(source, &path)
        };
        let Some(promised) = contract.columns.get(&column) else {
            let message = format!(
                "the contract `{}` of its source has no column `{column}`",
                contract.name
            );
            let finding =
                found("D01/missing-column", place, message).label(format!("the {what} is taken from it"));
            let finding = match nearest(&column, contract.columns.keys().map(String::as_str)) {
                Some(near) => finding.help(format!(
                    "did you mean `{near}`? `columns:` says what the source calls it"
                )),
                None => finding.help("`columns:` says what the source calls it"),
            };
            desk.add(finding);
            continue;
        };
        let is = &promised.data_type;
        let fault = match data_type {
            Some(declared) if !is.fits_in(declared) => Some((
                format!(
                    "`{column}` is {is} in the contract `{}`, and {declared} here",
                    contract.name
                ),
                format!("write `{is}`, or a type that holds all its values"),
            )),
            None if !is_time(is) => Some((
                format!("`{column}` is {is}, and the {what} is a date or timestamp"),
                "name a column of type date or timestamp".to_owned(),
            )),
            _ => None,
        };
        if let Some((message, help)) = fault {
            let finding = found("D01/wrong-column-type", place, message)
                .label("another type")
                .help(help);
            desk.add(finding);
        }
        if what == "event time" && promised.nullable {
            let message = format!("`{column}` may be missing, and a row without a time is never found");
            let finding = found("D02/nullable", place, message)
                .label("may be missing")
                .help("fill it before, or let the contract say `nullable: false`");
            desk.add(finding);
        }
    }
    for (feature, of) in &spec.features {
        let Some(promised) = contract.columns.get(&column_of(feature)) else {
            continue;
        };
        if let (Some(is), Some(here)) = (&promised.unit, &of.unit)
            && is != here
        {
            let place = desk.at(source, &at.key("features").key(feature).key("unit"));
            let message = format!(
                "`{feature}` is in {is} in the contract `{}`, and in {here} here",
                contract.name
            );
            let finding = found("D02/unit", place, message)
                .label("another unit")
                .help("take the contract's unit, or convert the values in a step");
            desk.add(finding);
        }
        found_columns.insert(feature.clone(), promised.clone());
    }
    found_columns
}
