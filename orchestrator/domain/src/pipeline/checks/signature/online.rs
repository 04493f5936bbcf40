//! Features that are there in training and not when the model is asked (M07).
//!
//! A feature is delivered if the record of the stream brings it, or brings every column it is made of, or if
//! the feature view that it belongs to is kept for online lookup and the record brings its keys.

use super::streams::Stream;
use super::{Model, Shapes, at};
use crate::diagnostic::Span;
use crate::pipeline::checks::{Scene, found};
use crate::pipeline::features::readers::steps_reading;
use std::collections::BTreeSet;
use trainyard_contract::feature::FeatureRef;
use trainyard_contract::{Column, Shape};

/// A feature view of the pipeline.
struct View {
    name: String,
    place: Span,
    is_online: bool,
    entity: Vec<String>,
    columns: BTreeSet<String>,
}

pub(super) fn run(scene: &mut Scene<'_>, shapes: &Shapes, model: &Model, stream: &Stream) {
    let Some(record) = stream.schema.as_ref().and_then(|named| named.schema.record()) else {
        return;
    };
    if !model.is_known {
        return;
    }
    let brings = |column: &str| record.field(column).is_some();
    let views = views(scene, shapes);
    let mut findings = Vec::new();
    let mut keyless: BTreeSet<&str> = BTreeSet::new();
    for column in &model.columns {
        if brings(&column.name) || is_made_of(column, &brings) || is_computed(scene, column, &brings) {
            continue;
        }
        let view = views.iter().find(|view| view.columns.contains(&column.name));
        match view {
            Some(view) if view.is_online => {
                let missing: Vec<&str> = view
                    .entity
                    .iter()
                    .map(String::as_str)
                    .filter(|key| !brings(key))
                    .collect();
                if missing.is_empty() || !keyless.insert(&view.name) {
                    continue;
                }
                findings.push(
                    found(
                        "M07/not-delivered",
                        stream.place,
                        format!(
                            "`{}` is looked up in the feature view `{}` by {}, and `{}` does not bring {}",
                            column.name,
                            view.name,
                            view.entity.join(", "),
                            stream.name,
                            missing.join(", ")
                        ),
                    )
                    .label("this stream")
                    .also(view.place, "the feature view")
                    .help("let the stream bring the keys of the view"),
                );
            }
            _ => {
                let finding = found(
                    "M07/not-delivered",
                    stream.place,
                    format!(
                        "the model learns from `{}`, and nothing brings it when the model is asked",
                        column.name
                    ),
                )
                .label(format!("`{}` does not bring it", stream.name));
                let finding = match made_of(column) {
                    Some(sources) => finding.note(format!("it is made of {sources}")),
                    None => finding,
                };
                findings.push(match view {
                    Some(view) => finding
                        .also(view.place, "not kept for online lookup")
                        .help(format!("write `online: true` for the feature view `{}`", view.name)),
                    None => finding.help(
                        "let the stream bring it or what it is made of, keep it in a feature view with `online: true`, \
                         or do without it",
                    ),
                });
            }
        }
    }
    for finding in findings {
        scene.add(finding);
    }
}

/// Whether everything a column is made of is brought; a column of which nobody knows that is not.
fn is_made_of(column: &Column, brings: &dyn Fn(&str) -> bool) -> bool {
    !column.origins.is_empty() && column.origins.iter().all(|origin| brings(&origin.column))
}

fn made_of(column: &Column) -> Option<String> {
    let names: Vec<String> = column
        .origins
        .iter()
        .map(|origin| format!("`{}.{}`", origin.dataset, origin.column))
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Whether a column is computed on demand from what the record brings and what is looked up by keys it brings.
fn is_computed(scene: &Scene<'_>, column: &Column, brings: &dyn Fn(&str) -> bool) -> bool {
    let definitions = &scene.features.definitions;
    definitions.on_demand.values().any(|view| {
        let is_of_it = view.features.contains_key(&column.name)
            || column
                .name
                .strip_prefix(view.name.as_str())
                .and_then(|rest| rest.strip_prefix("__"))
                .is_some_and(|feature| view.features.contains_key(feature));
        let is_looked_up = |input: &FeatureRef| {
            let view = definitions.views.get(&input.view);
            view.is_some_and(|view| view.online && view.keys.iter().all(|key| brings(&key.name)))
        };
        is_of_it
            && view.request.iter().all(|field| brings(&field.name))
            && view.inputs.iter().all(is_looked_up)
    })
}

/// The views that the pipeline's steps write, and those of the project that they read.
fn views(scene: &Scene<'_>, shapes: &Shapes) -> Vec<View> {
    let mut views = Vec::new();
    for (name, view) in &scene.features.definitions.views {
        let readers = steps_reading(&scene.draft.spec, &scene.features.definitions, name, None);
        let Some(place) = scene.features.key_span(scene.sources, "views", name, &[]) else {
            continue;
        };
        if readers.is_empty() {
            continue;
        }
        let full = view.features.keys().map(|feature| format!("{name}__{feature}"));
        views.push(View {
            name: name.clone(),
            place,
            is_online: view.online,
            entity: view.keys.iter().map(|key| key.name.clone()).collect(),
            columns: view.features.keys().cloned().chain(full).collect(),
        });
    }
    for (step, spec) in &scene.draft.spec.steps {
        let Some(store) = spec.with.get("store") else {
            continue;
        };
        let Some(name) = store.get("feature_view").and_then(|name| name.as_str()) else {
            continue;
        };
        let entity = spec.with.get("entity").and_then(|entity| entity.as_array());
        let columns = shapes
            .iter()
            .filter(|((of, _), _)| of == step)
            .filter_map(|(_, shape)| match shape {
                Shape::Table(schema) => Some(schema.names().map(str::to_owned)),
                _ => None,
            });
        views.push(View {
            name: name.to_owned(),
            place: scene
                .draft
                .span(scene.sources, &at(step, &["with", "store", "feature_view"])),
            is_online: store.get("online").and_then(|online| online.as_bool()) == Some(true),
            entity: entity
                .into_iter()
                .flatten()
                .filter_map(|key| key.as_str().map(str::to_owned))
                .collect(),
            columns: columns.flatten().collect(),
        });
    }
    views
}
