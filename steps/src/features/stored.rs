//! `features.build` with `store`: its table as the next snapshot of a feature view.

use super::{Params, Store};
use crate::offline::{Layout, ViewBefore, ViewWriter, objects};
use indexmap::IndexMap;
use polars::prelude::DataFrame;
use std::str::FromStr;
use trainyard_contract::feature::{Feature, FeatureSource, FeatureView, Key, StoredView};
use trainyard_contract::{Finding, Millis, Schema, StepError, StepIo};

/// The view that a step's parameters and table define, where no file of the project does.
pub(super) fn definition(
    store: &Store,
    params: &Params,
    schema: &Schema,
    place: (&str, &str),
) -> Result<FeatureView, String> {
    let event_time = schema
        .event_time
        .clone()
        .ok_or("a feature view needs an `event_time`")?;
    let is_key = |name: &&String| **name != event_time;
    let keys: Vec<Key> = params
        .entity
        .iter()
        .filter(is_key)
        .filter_map(|name| {
            Some(Key {
                name: name.clone(),
                data_type: schema.column(name)?.data_type.clone(),
            })
        })
        .collect();
    let apart = |name: &str| {
        name == event_time || schema.label.as_deref() == Some(name) || keys.iter().any(|key| key.name == name)
    };
    let features: IndexMap<String, Feature> = schema
        .feature_names()
        .into_iter()
        .filter(|name| !apart(name))
        .filter_map(|name| {
            let column = schema.column(name)?;
            let feature = Feature {
                data_type: column.data_type.clone(),
                description: None,
                unit: column.unit.clone(),
                known_at: column.known_at.clone(),
                classification: column.classification.clone(),
            };
            Some((name.to_owned(), feature))
        })
        .collect();
    let ttl = store.ttl.as_deref().map(Millis::from_str).transpose()?;
    Ok(FeatureView {
        name: store.feature_view.clone(),
        version: 1,
        entities: Vec::new(),
        keys,
        features,
        event_time,
        created_time: None,
        ttl,
        online: store.online,
        source: FeatureSource::Step {
            pipeline: place.0.to_owned(),
            step: place.1.to_owned(),
        },
        columns: IndexMap::new(),
        freshness: None,
        description: None,
        owner: None,
        tags: Vec::new(),
    })
}

/// What is wrong with `store` as far as the columns tell.
pub(super) fn check(
    store: &Store,
    params: &Params,
    schema: &Schema,
    defined: Option<&FeatureView>,
) -> Vec<Finding> {
    let at = |name: &str| crate::inference::with("store").key(name);
    let Some(view) = defined else {
        return match definition(store, params, schema, ("", "")) {
            Ok(_) => Vec::new(),
            Err(message) => {
                let finding = Finding::error("S01", at("feature_view"), message);
                vec![finding.help("say which column tells when a row's values hold: `event_time: COLUMN`")]
            }
        };
    };
    let names = Layout::of(view).columns;
    let missing = names.iter().map(|column| view.column_of(&column.name));
    let missing = missing.filter(|name| schema.column(name).is_none());
    missing
        .map(|name| {
            let message = format!(
                "feature view `{}` wants a column `{name}`, and the table has none",
                view.name
            );
            Finding::error("S04", at("feature_view"), message)
        })
        .collect()
}

/// Writes the table's rows as the view's next snapshot, to be recorded with the step's success.
///
/// # Errors
/// `Rejected` for rows that do not fit the view, and what writing gives.
pub(super) fn write(
    io: &mut StepIo,
    store: &Store,
    params: &Params,
    schema: &Schema,
    frame: &DataFrame,
) -> Result<String, StepError> {
    let name = &store.feature_view;
    let defined = match io.spec().features.views.get(name) {
        Some(view) => view.clone(),
        None => {
            let place = (io.spec().pipeline.as_str(), io.spec().step.as_str());
            definition(store, params, schema, place).map_err(StepError::rejected)?
        }
    };
    let before = before(io, defined)?;
    let objects = objects(io);
    let scratch = io.scratch().join("offline");
    let mut writer = ViewWriter::new(&objects, &before.layout, &before.base, &scratch)?;
    writer.push(before.layout.rows_of_source(frame)?)?;
    let written = writer.finish(store.mode.change())?;
    before.record(io, written)
}

/// The view as it is before; a definition that breaks readers of what is there begins the next version.
fn before(io: &StepIo, defined: FeatureView) -> Result<ViewBefore, StepError> {
    let known = io.spec().feature_views.get(&defined.name);
    let (version, snapshot) = match known {
        None => (1, None),
        Some(known) if defined.breaks(&known.view) => (known.view.version + 1, None),
        Some(known) => (known.view.version, known.snapshot.clone()),
    };
    ViewBefore::new(
        io,
        StoredView {
            view: FeatureView { version, ..defined },
            snapshot,
            pushes: known.map(|known| known.pushes.clone()).unwrap_or_default(),
            pushed: Default::default(),
            as_of: None,
        },
    )
}
