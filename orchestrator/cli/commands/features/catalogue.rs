//! What there is: views, services and entities with their versions, snapshots and statistics.

use super::super::runs::Shelf;
use crate::output::{Exit, Fault, Terminal, human_bytes, human_instant};
use crate::project::Project;
use serde_json::{Value, json};
use trainyard_contract::feature::{FeatureDefinitions, FeatureSource, FeatureView};
use trainyard_contract::finding::nearest;
use trainyard_features::offline::Snapshot;
use trainyard_store::{FeatureViewVersion, ViewSnapshot};

/// What the store knows of a view.
struct Stored {
    version: FeatureViewVersion,
    snapshot: Option<ViewSnapshot>,
}

/// Nothing if nothing has run yet or the view was never written.
fn stored(project: &Project, view: &str) -> Result<Option<Stored>, Fault> {
    if !project.has_state() {
        return Ok(None);
    }
    let shelf = Shelf::open(project)?;
    let Some(version) = shelf.store.feature_view(view, None)? else {
        return Ok(None);
    };
    let snapshot = shelf.store.feature_snapshot(view, version.view.version, None)?;
    Ok(Some(Stored { version, snapshot }))
}

/// Whether the newest row is older than the view allows; nothing if it says nothing or has no rows.
fn is_stale(view: &FeatureView, stored: Option<&Stored>) -> Option<bool> {
    let (_, newest) = stored?.snapshot.as_ref()?.event_times?;
    Some(super::super::now().since(newest) > view.freshness?)
}

pub(super) fn list(
    definitions: &FeatureDefinitions,
    project: &Project,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let mut rows = Vec::new();
    let mut views = Vec::new();
    for view in definitions.views.values() {
        let stored = stored(project, &view.name)?;
        let snapshot = stored.as_ref().and_then(|stored| stored.snapshot.as_ref());
        let stale = is_stale(view, stored.as_ref());
        let newest = snapshot
            .and_then(|snapshot| snapshot.event_times)
            .map(|times| times.1);
        let keys: Vec<&str> = view.keys.iter().map(|key| key.name.as_str()).collect();
        rows.push(vec![
            view.name.clone(),
            stored
                .as_ref()
                .map_or_else(String::new, |stored| stored.version.view.version.to_string()),
            keys.join(", "),
            view.features.len().to_string(),
            if view.online { "yes" } else { "" }.to_owned(),
            snapshot.map_or_else(String::new, |snapshot| snapshot.rows.to_string()),
            match (newest, stale) {
                (Some(at), Some(true)) => format!("{} (stale)", human_instant(at)),
                (Some(at), _) => human_instant(at),
                (None, _) => String::new(),
            },
            view.owner.clone().unwrap_or_default(),
        ]);
        views.push(json!({
            "definition": view, "version": stored.as_ref().map(|stored| stored.version.view.version),
            "rows": snapshot.map(|snapshot| snapshot.rows), "newest": newest, "stale": stale,
        }));
    }
    if terminal.is_json() {
        terminal.out_json(&json!({
            "views": views, "on_demand": definitions.on_demand.values().collect::<Vec<_>>(),
            "services": definitions.services.values().collect::<Vec<_>>(),
            "entities": definitions.entities.values().collect::<Vec<_>>(),
        }));
        return Ok(Exit::Done);
    }
    if definitions.is_empty() {
        terminal
            .note("no features are defined; write `features/*.yaml`, or let `features.build` write a view");
        return Ok(Exit::Done);
    }
    terminal.table(
        &[
            "VIEW", "VERSION", "KEYS", "FEATURES", "ONLINE", "ROWS", "NEWEST", "OWNER",
        ],
        &[1, 3, 5],
        &rows,
    );
    if !definitions.on_demand.is_empty() {
        let rows: Vec<Vec<String>> = definitions
            .on_demand
            .values()
            .map(|view| {
                let features: Vec<&str> = view.features.keys().map(String::as_str).collect();
                let inputs: Vec<String> = view.inputs.iter().map(ToString::to_string).collect();
                vec![view.name.clone(), features.join(", "), inputs.join(", ")]
            })
            .collect();
        terminal.out("");
        terminal.table(&["ON DEMAND", "FEATURES", "INPUTS"], &[], &rows);
    }
    if !definitions.services.is_empty() {
        let rows: Vec<Vec<String>> = definitions
            .services
            .values()
            .map(|service| {
                let features: Vec<String> = service.features.iter().map(ToString::to_string).collect();
                vec![
                    service.name.clone(),
                    features.join(", "),
                    service.owner.clone().unwrap_or_default(),
                ]
            })
            .collect();
        terminal.out("");
        terminal.table(&["SERVICE", "FEATURES", "OWNER"], &[], &rows);
    }
    Ok(Exit::Done)
}

pub(super) fn unknown(definitions: &FeatureDefinitions, name: &str) -> Fault {
    let fault = Fault::new(format!("there is no feature view, service or entity `{name}`"));
    let names = definitions
        .views
        .keys()
        .chain(definitions.on_demand.keys())
        .chain(definitions.services.keys())
        .chain(definitions.entities.keys());
    match nearest(name, names.map(String::as_str)) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault
            .help("`trainyard features list` shows them all; what has faults is told by `trainyard check`"),
    }
}

pub(super) fn show(
    definitions: &FeatureDefinitions,
    name: &str,
    project: &Project,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    if let Some(view) = definitions.views.get(name) {
        return show_view(view, project, terminal);
    }
    let (document, head, about) = if let Some(view) = definitions.on_demand.get(name) {
        (serde_json::to_value(view)?, "on-demand view", &view.description)
    } else if let Some(service) = definitions.services.get(name) {
        (
            serde_json::to_value(service)?,
            "feature service",
            &service.description,
        )
    } else if let Some(entity) = definitions.entities.get(name) {
        (serde_json::to_value(entity)?, "entity", &entity.description)
    } else {
        return Err(unknown(definitions, name));
    };
    if terminal.is_json() {
        terminal.out_json(&document);
        return Ok(Exit::Done);
    }
    terminal.out(format!("{name}  {head}"));
    if let Some(about) = about {
        terminal.out(format!("  {about}"));
    }
    let mut rows = Vec::new();
    if let Some(view) = definitions.on_demand.get(name) {
        for key in &view.request {
            rows.push(vec![
                key.name.clone(),
                key.data_type.to_string(),
                "from the request".to_owned(),
            ]);
        }
        for (feature, of) in &view.features {
            rows.push(vec![feature.clone(), of.data_type.to_string(), of.expr.clone()]);
        }
    } else if let Some(service) = definitions.services.get(name) {
        for asked in definitions
            .expand(&service.features)
            .map_err(|error| Fault::new(error.to_string()))?
        {
            let of = match asked {
                trainyard_contract::feature::Asked::Stored { feature, .. } => &feature.data_type,
                trainyard_contract::feature::Asked::Derived { feature, .. } => &feature.data_type,
            };
            rows.push(vec![
                asked.name().to_owned(),
                of.to_string(),
                asked.view_name().to_owned(),
            ]);
        }
    } else if let Some(entity) = definitions.entities.get(name) {
        for key in &entity.keys {
            rows.push(vec![
                key.name.clone(),
                key.data_type.to_string(),
                "key".to_owned(),
            ]);
        }
    }
    terminal.out("");
    terminal.table(&["NAME", "TYPE", "FROM"], &[], &rows);
    Ok(Exit::Done)
}

fn show_view(view: &FeatureView, project: &Project, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let (versions, snapshots) = if project.has_state() {
        let shelf = Shelf::open(project)?;
        let versions = shelf.store.feature_view_versions(&view.name)?;
        let latest = versions.first().map_or(0, |latest| latest.view.version);
        let snapshots = shelf.store.feature_snapshots(&view.name, latest, u64::MAX, 5)?;
        (versions, snapshots)
    } else {
        (Vec::new(), Vec::new())
    };
    if terminal.is_json() {
        let versions = versions.iter().map(|version| {
            json!({
                "version": version.view.version, "definition": version.view, "run": version.run,
                "revision": version.revision, "created_at": version.created_at,
            })
        });
        let snapshots = snapshots.iter().map(|snapshot| {
            json!({
                "sequence": snapshot.snapshot.sequence, "rows": snapshot.rows, "added": snapshot.added, "size": snapshot.size,
                "run": snapshot.run, "created_at": snapshot.created_at, "event_times": snapshot.event_times,
            })
        });
        terminal.out_json(&json!({
            "definition": view, "versions": versions.collect::<Vec<_>>(), "snapshots": snapshots.collect::<Vec<_>>(),
        }));
        return Ok(Exit::Done);
    }
    terminal.out(format!("{}  feature view", view.name));
    if let Some(about) = &view.description {
        terminal.out(format!("  {about}"));
    }
    let keys: Vec<String> = view
        .keys
        .iter()
        .map(|key| format!("{} {}", key.name, key.data_type))
        .collect();
    let mut facts = vec![
        ("keys", keys.join(", ")),
        ("source", source(&view.source)),
        ("event time", view.event_time.clone()),
        (
            "ttl",
            view.ttl.map_or("no limit".to_owned(), |ttl| ttl.to_string()),
        ),
        ("online", if view.online { "yes" } else { "no" }.to_owned()),
    ];
    facts.extend(view.created_time.clone().map(|created| ("created time", created)));
    facts.extend(
        view.freshness
            .map(|freshness| ("freshness", freshness.to_string())),
    );
    facts.extend(view.owner.clone().map(|owner| ("owner", owner)));
    if !view.tags.is_empty() {
        facts.push(("tags", view.tags.join(", ")));
    }
    for (name, text) in facts {
        terminal.out(format!("  {name:<12} {text}"));
    }
    let rows: Vec<Vec<String>> = view
        .features
        .iter()
        .map(|(name, feature)| {
            vec![
                name.clone(),
                feature.data_type.to_string(),
                feature.unit.clone().unwrap_or_default(),
                feature
                    .known_at
                    .as_ref()
                    .map_or_else(String::new, |known| known.moment.clone()),
                feature.description.clone().unwrap_or_default(),
            ]
        })
        .collect();
    terminal.out("");
    terminal.table(
        &["FEATURE", "TYPE", "UNIT", "KNOWN AT", "DESCRIPTION"],
        &[],
        &rows,
    );
    if !versions.is_empty() {
        let rows: Vec<Vec<String>> = versions
            .iter()
            .map(|version| {
                vec![
                    version.view.version.to_string(),
                    human_instant(version.created_at),
                    version
                        .run
                        .as_ref()
                        .map_or_else(String::new, |run| run.short().to_owned()),
                    version.revision.clone().unwrap_or_default(),
                ]
            })
            .collect();
        terminal.out("");
        terminal.table(&["VERSION", "SINCE", "RUN", "REVISION"], &[0], &rows);
    }
    if !snapshots.is_empty() {
        let rows: Vec<Vec<String>> = snapshots
            .iter()
            .map(|snapshot| {
                vec![
                    snapshot.snapshot.sequence.to_string(),
                    human_instant(snapshot.created_at),
                    snapshot.rows.to_string(),
                    snapshot.added.to_string(),
                    human_bytes(snapshot.size),
                ]
            })
            .collect();
        terminal.out("");
        terminal.table(
            &["SNAPSHOT", "MADE", "ROWS", "ADDED", "SIZE"],
            &[0, 2, 3, 4],
            &rows,
        );
    }
    Ok(Exit::Done)
}

pub(super) fn source(source: &FeatureSource) -> String {
    match source {
        FeatureSource::Dataset { dataset, path, .. } => format!("dataset {dataset} ({path})"),
        FeatureSource::File { path, .. } => path.clone(),
        FeatureSource::Step { pipeline, step } => format!("step {step} of pipeline {pipeline}"),
        FeatureSource::Push => "rows that are pushed".to_owned(),
    }
}

pub(super) fn search(
    definitions: &FeatureDefinitions,
    words: &[String],
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let mut found: Vec<(String, String, String)> = Vec::new();
    let mut look = |name: String, data_type: String, about: &Option<String>, more: &[&str]| {
        let about = about.clone().unwrap_or_default();
        let text = format!("{name} {about} {}", more.join(" ")).to_lowercase();
        if words.iter().all(|word| text.contains(word.as_str())) {
            found.push((name, data_type, about));
        }
    };
    for view in definitions.views.values() {
        let mut more: Vec<&str> = view.tags.iter().map(String::as_str).collect();
        more.extend(view.owner.as_deref());
        more.extend(view.description.as_deref());
        more.extend(view.entities.iter().map(String::as_str));
        for (name, feature) in &view.features {
            let full = format!("{}:{name}", view.name);
            look(full, feature.data_type.to_string(), &feature.description, &more);
        }
    }
    for view in definitions.on_demand.values() {
        let mut more: Vec<&str> = view.tags.iter().map(String::as_str).collect();
        more.extend(view.owner.as_deref());
        more.extend(view.description.as_deref());
        for (name, feature) in &view.features {
            let full = format!("{}:{name}", view.name);
            look(full, feature.data_type.to_string(), &feature.description, &more);
        }
    }
    for service in definitions.services.values() {
        let mut more: Vec<&str> = service.tags.iter().map(String::as_str).collect();
        more.extend(service.owner.as_deref());
        look(
            service.name.clone(),
            "service".to_owned(),
            &service.description,
            &more,
        );
    }
    if terminal.is_json() {
        let found = found
            .iter()
            .map(|(name, data_type, about)| json!({"name": name, "type": data_type, "description": about}));
        terminal.out_json(&Value::Array(found.collect()));
    } else if found.is_empty() {
        terminal.note("nothing has all these words");
    } else {
        let rows: Vec<Vec<String>> = found
            .into_iter()
            .map(|(name, data_type, about)| vec![name, data_type, about])
            .collect();
        terminal.table(&["FEATURE", "TYPE", "DESCRIPTION"], &[], &rows);
    }
    Ok(Exit::Done)
}

pub(super) fn stats(
    view: &str,
    version: Option<u32>,
    project: &Project,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let shelf = Shelf::open(project)?;
    let Some(of) = shelf.store.feature_view(view, version)? else {
        return Err(
            Fault::new(format!("the store has no rows of a feature view `{view}`"))
                .help("a step writes them, `trainyard features push`, or `materialise`"),
        );
    };
    let Some(present) = shelf.store.feature_snapshot(view, of.view.version, None)? else {
        return Err(Fault::new(format!(
            "`{view}` version {} has no snapshot yet",
            of.view.version
        )));
    };
    let snapshot = Snapshot::load(&shelf.home.objects(), &present.snapshot.manifest.hash)
        .map_err(|error| Fault::new(error.to_string()))?;
    let statistics = snapshot.statistics();
    if terminal.is_json() {
        let columns: serde_json::Map<String, Value> = statistics
            .iter()
            .map(|(name, of)| {
                let document = json!({
                    "missing": of.nulls, "distinct": of.distinct, "min": of.min, "max": of.max, "mean": of.mean,
                    "stddev": of.stddev, "quantiles": of.quantiles,
                });
                (name.clone(), document)
            })
            .collect();
        terminal.out_json(&json!({
            "view": view, "version": of.view.version, "snapshot": snapshot.sequence, "rows": snapshot.rows,
            "partitions": snapshot.partitions.len(), "size": snapshot.size(), "event_times": present.event_times,
            "columns": columns,
        }));
        return Ok(Exit::Done);
    }
    terminal.out(format!(
        "{view} version {}, snapshot {}: {} rows in {} partitions, {}",
        of.view.version,
        snapshot.sequence,
        snapshot.rows,
        snapshot.partitions.len(),
        human_bytes(snapshot.size())
    ));
    if let Some((first, last)) = present.event_times {
        terminal.out(format!(
            "  from {} to {}",
            human_instant(first),
            human_instant(last)
        ));
    }
    let shown = |value: &Option<Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
    let rows: Vec<Vec<String>> = statistics
        .iter()
        .map(|(name, of)| {
            vec![
                name.clone(),
                of.nulls.to_string(),
                of.distinct.to_string(),
                shown(&of.min),
                number(of.mean),
                number(of.quantiles.get(3).copied()),
                shown(&of.max),
            ]
        })
        .collect();
    terminal.out("");
    terminal.table(
        &[
            "COLUMN", "MISSING", "DISTINCT", "LEAST", "MEAN", "MEDIAN", "GREATEST",
        ],
        &[1, 2, 3, 4, 5, 6],
        &rows,
    );
    Ok(Exit::Done)
}
