//! Definitions from `features/*.yaml`, as far as lookups need them. Their faults are told by `trainyard check`.

use indexmap::IndexMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use trainyard_contract::Millis;
use trainyard_contract::feature::file::{FeatureFile, OnDemandSpec, ServiceSpec, ViewSpec};
use trainyard_contract::feature::{
    DerivedFeature, Entity, Feature, FeatureDefinitions, FeatureRef, FeatureService, FeatureSource,
    FeatureView, Key, OnDemandView,
};
use trainyard_store::{Store, StoreError};

/// The files, in the order of their names.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root.join("features"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            matches!(ending, Some("yaml" | "yml"))
        })
        .collect();
    files.sort();
    files
}

/// What tells whether files have changed.
pub(crate) type Stamps = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

/// The files as they are now.
pub(crate) fn stamps(root: &Path) -> Stamps {
    let stamp = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len()))
    };
    files(root)
        .into_iter()
        .map(|path| {
            let found = stamp(&path);
            (path, found)
        })
        .collect()
}

/// The same with the versions that the store knows: a definition that breaks readers of the latest one is the next.
///
/// # Errors
/// What the store says.
pub(crate) fn with_versions(
    mut definitions: FeatureDefinitions,
    store: &Store,
) -> Result<FeatureDefinitions, StoreError> {
    for view in definitions.views.values_mut() {
        if let Some(latest) = store.feature_view(&view.name, None)? {
            let step = u32::from(view.breaks(&latest.view));
            view.version = latest.view.version + step;
        }
    }
    Ok(definitions)
}

/// The definitions of a project; nothing if a file has faults, so that those from before stay.
pub(crate) fn read(root: &Path) -> Option<FeatureDefinitions> {
    let mut all = FeatureFile {
        version: 1,
        entities: IndexMap::new(),
        views: IndexMap::new(),
        on_demand: IndexMap::new(),
        services: IndexMap::new(),
    };
    for path in files(root) {
        let text = fs::read_to_string(&path).ok()?;
        let document = trainyard_domain::pipeline::read_yaml(&text).ok()?;
        let file: FeatureFile = serde_json::from_value(document).ok()?;
        all.entities.extend(file.entities);
        all.views.extend(file.views);
        all.on_demand.extend(file.on_demand);
        all.services.extend(file.services);
    }
    definitions(&all)
}

fn definitions(file: &FeatureFile) -> Option<FeatureDefinitions> {
    let mut all = FeatureDefinitions::default();
    for (name, entity) in &file.entities {
        let keys = entity.keys.iter().map(|(name, data_type)| Key {
            name: name.clone(),
            data_type: data_type.clone(),
        });
        let entity = Entity {
            name: name.clone(),
            keys: keys.collect(),
            description: entity.description.clone(),
            owner: entity.owner.clone(),
            tags: entity.tags.clone(),
        };
        all.entities.insert(name.clone(), entity);
    }
    for (name, spec) in &file.views {
        let view = view(name, spec, &all.entities)?;
        all.views.insert(name.clone(), view);
    }
    for (name, spec) in &file.on_demand {
        all.on_demand.insert(name.clone(), on_demand(name, spec)?);
    }
    for (name, spec) in &file.services {
        all.services.insert(name.clone(), service(name, spec)?);
    }
    Some(all)
}

fn span(text: Option<&String>) -> Option<Option<Millis>> {
    match text {
        None => Some(None),
        Some(text) => text.parse().ok().map(Some),
    }
}

fn view(name: &str, spec: &ViewSpec, entities: &IndexMap<String, Entity>) -> Option<FeatureView> {
    let mut keys: Vec<Key> = Vec::new();
    for entity in &spec.entities {
        for key in &entities.get(entity)?.keys {
            if !keys.iter().any(|known| known.name == key.name) {
                keys.push(key.clone());
            }
        }
    }
    let features = spec.features.iter().map(|(name, feature)| {
        let feature = Feature {
            data_type: feature.data_type.clone(),
            description: feature.description.clone(),
            unit: feature.unit.clone(),
            known_at: None,
            classification: feature.classification.clone(),
        };
        (name.clone(), feature)
    });
    Some(FeatureView {
        name: name.to_owned(),
        version: 1,
        entities: spec.entities.clone(),
        keys,
        features: features.collect(),
        event_time: spec.event_time.clone(),
        created_time: spec.created_time.clone(),
        ttl: span(spec.ttl.as_ref())?,
        online: spec.online,
        source: match spec.source.as_ref().and_then(|source| source.path.clone()) {
            Some(path) => FeatureSource::File {
                path,
                format: spec
                    .source
                    .as_ref()
                    .and_then(|source| source.format)
                    .map(|format| format.as_str().to_owned()),
            },
            None => FeatureSource::Push,
        },
        columns: spec.columns.clone(),
        freshness: span(spec.freshness.as_ref())?,
        description: spec.description.clone(),
        owner: spec.owner.clone(),
        tags: spec.tags.clone(),
    })
}

fn references(texts: &[String]) -> Option<Vec<FeatureRef>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

fn on_demand(name: &str, spec: &OnDemandSpec) -> Option<OnDemandView> {
    let request = spec.request.iter().map(|(name, data_type)| Key {
        name: name.clone(),
        data_type: data_type.clone(),
    });
    let features = spec.features.iter().map(|(name, feature)| {
        let feature = DerivedFeature {
            data_type: feature.data_type.clone(),
            expr: feature.expr.clone(),
            description: feature.description.clone(),
            unit: feature.unit.clone(),
        };
        (name.clone(), feature)
    });
    Some(OnDemandView {
        name: name.to_owned(),
        request: request.collect(),
        inputs: references(&spec.inputs)?,
        features: features.collect(),
        description: spec.description.clone(),
        owner: spec.owner.clone(),
        tags: spec.tags.clone(),
    })
}

fn service(name: &str, spec: &ServiceSpec) -> Option<FeatureService> {
    Some(FeatureService {
        name: name.to_owned(),
        features: references(&spec.features)?,
        description: spec.description.clone(),
        owner: spec.owner.clone(),
        tags: spec.tags.clone(),
    })
}
