//! Feature views: their entities, keys, times and features.

use super::Source;
use super::leakage;
use super::resolve::Desk;
use super::sources::{self, Origin};
use crate::pipeline::checks::found;
use indexmap::IndexMap;
use trainyard_contract::feature::file::ViewSpec;
use trainyard_contract::feature::{Feature, FeatureSource, FeatureView, Key};
use trainyard_contract::{DataType, Millis, Path};

/// Whether values of a type can be found by being equal.
pub(super) fn is_key(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::String
                | DataType::Binary
                | DataType::Date
                | DataType::Time
                | DataType::Timestamp(..)
        )
}

pub(super) fn view(desk: &mut Desk<'_>, source: &Source, name: &str, spec: &ViewSpec) -> Option<FeatureView> {
    let at = Path::root().key("views").key(name);
    let keys = keys(desk, source, name, spec);
    for feature in spec.features.keys() {
        let taken = if keys.iter().any(|key| key.name == *feature) {
            Some("one of the view's keys")
        } else if *feature == spec.event_time || spec.created_time.as_ref() == Some(feature) {
            Some("one of the view's times")
        } else {
            None
        };
        if let Some(taken) = taken {
            let place = desk.key(source, &at.key("features").key(feature));
            let finding = found(
                "S01/duplicate-name",
                place,
                format!("`{feature}` is {taken} already"),
            )
            .label("a second meaning")
            .help("give the feature a name of its own; `columns:` says what the source calls it");
            desk.add(finding);
        }
    }
    for (renamed, column) in &spec.columns {
        let is_known = spec.features.contains_key(renamed) || keys.iter().any(|key| key.name == *renamed);
        if !is_known {
            let place = desk.key(source, &at.key("columns").key(renamed));
            let mut names: Vec<String> = keys.iter().map(|key| key.name.clone()).collect();
            names.extend(spec.features.keys().cloned());
            let otherwise = format!("name a key or feature for `{column}`");
            let names = names.iter().map(String::as_str);
            desk.unknown(place, "key or feature", renamed, names, &otherwise);
        }
    }
    if spec.created_time.as_ref() == Some(&spec.event_time) {
        let place = desk.at(source, &at.key("created_time"));
        let message = format!("`{}` is the event time as well", spec.event_time);
        let finding = found("S01/duplicate-name", place, message)
            .label("the event time")
            .help("leave `created_time` out, or name the column with the time of writing");
        desk.add(finding);
    }
    let origin = sources::of_view(desk, source, name, spec);
    let kinds = sources::columns(desk, source, name, spec, &keys, &origin);
    let order = leakage::check(desk, source, name, spec, &origin);
    let features: IndexMap<String, Feature> = spec
        .features
        .iter()
        .map(|(feature, spec)| {
            let of_source = kinds.get(feature);
            let feature_of = Feature {
                data_type: spec.data_type.clone(),
                description: spec
                    .description
                    .clone()
                    .or_else(|| of_source.and_then(|column| column.description.clone())),
                unit: spec
                    .unit
                    .clone()
                    .or_else(|| of_source.and_then(|column| column.unit.clone())),
                known_at: order.get(feature).cloned(),
                classification: spec
                    .classification
                    .clone()
                    .or_else(|| of_source.and_then(|column| column.classification.clone())),
            };
            (feature.clone(), feature_of)
        })
        .collect();
    let duration = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Millis>().ok());
    Some(FeatureView {
        name: name.to_owned(),
        version: 1,
        entities: spec.entities.clone(),
        keys,
        features,
        event_time: spec.event_time.clone(),
        created_time: spec.created_time.clone(),
        ttl: duration(&spec.ttl),
        online: spec.online,
        source: match origin {
            Origin::Known { source, .. } => source,
            Origin::Unknown => FeatureSource::Push,
        },
        columns: spec.columns.clone(),
        freshness: duration(&spec.freshness),
        description: spec.description.clone(),
        owner: spec.owner.clone(),
        tags: spec.tags.clone(),
    })
}

/// Keys of all entities, each name once.
fn keys(desk: &mut Desk<'_>, source: &Source, name: &str, spec: &ViewSpec) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for (index, entity) in spec.entities.iter().enumerate() {
        let at = desk.at(
            source,
            &Path::root().key("views").key(name).key("entities").index(index),
        );
        let Some(entity) = desk.features.definitions.entities.get(entity).cloned() else {
            let known: Vec<String> = desk.features.definitions.entities.keys().cloned().collect();
            let known = known.iter().map(String::as_str);
            desk.unknown(
                at,
                "entity",
                entity,
                known,
                "define it under `entities:` in `features/*.yaml`",
            );
            continue;
        };
        for key in entity.keys {
            match keys.iter().find(|known| known.name == key.name) {
                None => keys.push(key),
                Some(known) if known.data_type == key.data_type => {}
                Some(known) => {
                    let message = format!(
                        "`{}` is {} here and {} in an entity before it",
                        key.name, key.data_type, known.data_type
                    );
                    let finding = found("D03/ambiguous-column", at, message)
                        .label("another type")
                        .help("let both entities have one type of it, or give the keys different names");
                    desk.add(finding);
                }
            }
        }
    }
    keys
}
