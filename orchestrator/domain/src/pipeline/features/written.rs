//! Views that steps write: their tables against what the views promise, and views that only a step defines.

use super::Features;
use crate::diagnostic::{Diagnostic, Sources};
use crate::pipeline::Pipeline;
use crate::pipeline::checks::found;
use crate::pipeline::draft::Draft;
use trainyard_contract::feature::{Entity, Feature, FeatureSource, FeatureView, Key};
use trainyard_contract::{DataType, Millis, Path, Schema, Shape};

/// Holds the tables of a pipeline's steps against the views they write, each finding with what decides its level; views that
/// no file has are defined by the step's own words.
pub(in crate::pipeline) fn run(
    sources: &Sources,
    features: &mut Features,
    draft: &Draft,
    pipeline: &Pipeline,
) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (step, spec) in &draft.spec.steps {
        let Some(store) = spec.with.get("store") else {
            continue;
        };
        let Some(name) = store.get("feature_view").and_then(|name| name.as_str()) else {
            continue;
        };
        let table = pipeline.shapes().iter().find_map(|((of, _), shape)| match shape {
            Shape::Table(schema) if of == step => Some(schema),
            _ => None,
        });
        let Some(schema) = table else { continue };
        match features.definitions.views.get(name) {
            Some(view) => against(sources, features, view, draft, step, schema, &mut out),
            None => {
                if let Some(view) = defined_by_step(draft, step, store, name, schema) {
                    for entity in &view.entities {
                        let entities = &mut features.definitions.entities;
                        entities.entry(entity.clone()).or_insert_with(|| Entity {
                            name: entity.clone(),
                            keys: view.keys.clone(),
                            description: None,
                            owner: None,
                            tags: Vec::new(),
                        });
                    }
                    features.definitions.views.insert(name.to_owned(), view);
                }
            }
        }
    }
    out
}

fn against(
    sources: &Sources,
    features: &Features,
    view: &FeatureView,
    draft: &Draft,
    step: &str,
    schema: &Schema,
    out: &mut Vec<Diagnostic>,
) {
    let at = Path::root()
        .key("steps")
        .key(step)
        .key("with")
        .key("store")
        .key("feature_view");
    let place = draft.span(sources, &at);
    let keys = view
        .keys
        .iter()
        .map(|key| (key.name.as_str(), Some(&key.data_type), "key"));
    let times = [(view.event_time.as_str(), None, "event time")];
    let created = view
        .created_time
        .iter()
        .map(|name| (name.as_str(), None, "created time"));
    let of_features = view
        .features
        .iter()
        .map(|(name, feature)| (name.as_str(), Some(&feature.data_type), "feature"));
    for (name, data_type, what) in keys.chain(times).chain(created).chain(of_features) {
        let column = schema.column(view.column_of(name));
        let message = match (column, data_type) {
            (None, _) => format!(
                "the table of `{step}` has no column `{}`, the {what} of `{}`",
                view.column_of(name),
                view.name
            ),
            (Some(is), Some(wanted))
                if !is.data_type.fits_in(wanted) && !matches!(is.data_type, DataType::Other(_)) =>
            {
                format!(
                    "`{name}` of `{step}` is {}, and {wanted} in the feature view `{}`",
                    is.data_type, view.name
                )
            }
            (Some(is), None) if !super::sources::is_time(&is.data_type) => {
                format!(
                    "`{name}` of `{step}` is {}, and the {what} is a date or timestamp",
                    is.data_type
                )
            }
            _ => continue,
        };
        let code = if column.is_none() {
            "D01/missing-column"
        } else {
            "D01/wrong-column-type"
        };
        let mut finding = found(code, place, message)
            .label(format!("`{}` is written here", view.name))
            .help("let the step make what the view promises, or change the view");
        let below: Vec<&str> = match what {
            "feature" => vec!["features", name],
            "event time" => vec!["event_time"],
            "created time" => vec!["created_time"],
            _ => vec!["entities"],
        };
        if let Some(place) = features.span(sources, "views", &view.name, &below) {
            finding = finding.also(place, "what the view promises");
        }
        out.push(finding.done());
    }
}

/// The view that a step's own words define.
fn defined_by_step(
    draft: &Draft,
    step: &str,
    store: &serde_json::Value,
    name: &str,
    schema: &Schema,
) -> Option<FeatureView> {
    let text = |key: &str| store.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    let texts = |key: &str| -> Vec<String> {
        let items = store.get(key).and_then(|value| value.as_array());
        items
            .into_iter()
            .flatten()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let duration = |key: &str| text(key).and_then(|text| text.parse::<Millis>().ok());
    let created_time = text("created_time");
    let keys: Vec<Key> = schema
        .primary_key
        .iter()
        .filter_map(|key| schema.column(key))
        .map(|column| Key {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
        })
        .collect();
    let entities = match texts("entities") {
        named if named.is_empty() && !keys.is_empty() => vec![name.to_owned()],
        named => named,
    };
    let is_apart = |column: &str| {
        keys.iter().any(|key| key.name == column)
            || schema.event_time.as_deref() == Some(column)
            || created_time.as_deref() == Some(column)
            || schema.label.as_deref() == Some(column)
    };
    let features = schema
        .feature_names()
        .into_iter()
        .filter(|column| !is_apart(column))
        .filter_map(|column| schema.column(column))
        .map(|column| {
            let feature = Feature {
                data_type: column.data_type.clone(),
                description: None,
                unit: column.unit.clone(),
                known_at: column.known_at.clone(),
                classification: column.classification.clone(),
            };
            (column.name.clone(), feature)
        })
        .collect();
    Some(FeatureView {
        name: name.to_owned(),
        version: 1,
        entities,
        keys,
        features,
        event_time: schema.event_time.clone()?,
        created_time,
        ttl: duration("ttl"),
        online: store.get("online").and_then(|online| online.as_bool()) == Some(true),
        source: FeatureSource::Step {
            pipeline: draft.spec.name.clone(),
            step: step.to_owned(),
        },
        columns: Default::default(),
        freshness: duration("freshness"),
        description: text("description"),
        owner: text("owner").or_else(|| draft.spec.owner.clone()),
        tags: texts("tags"),
    })
}
