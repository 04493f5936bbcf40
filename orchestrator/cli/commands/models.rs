//! `trainyard models`.

use super::runs::Shelf;
use crate::args::ModelsCommand;
use crate::output::{Exit, Fault, Terminal, human_bytes, human_instant};
use crate::project::Project;
use serde_json::{Value, json};
use std::path::Path;
use trainyard_domain::tracking::{Attribute, Comparison, Condition, Filter, Order, Subject, TextTest};
use trainyard_store::ModelVersion;
use trainyard_store::tracking::{Search, TrackingError, VersionRecord, View};

pub(crate) fn models(
    command: &ModelsCommand,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let shelf = Shelf::open(&Project::here(home)?)?;
    match command {
        ModelsCommand::List => list(&shelf, terminal),
        ModelsCommand::Show { model } => show(&shelf, model, terminal),
    }
}

fn list(shelf: &Shelf, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let mut documents = Vec::new();
    let mut rows = Vec::new();
    for model in shelf.store.models()? {
        let versions = shelf.store.model_versions(&model.name)?;
        for version in &versions {
            rows.push(vec![
                model.name.clone(),
                version.version.to_string(),
                version.aliases.join(", "),
                version
                    .draft
                    .metrics
                    .get("roc_auc")
                    .map_or_else(String::new, |auc| format!("{auc:.4}")),
                human_instant(version.created_at),
                version.run.short().to_owned(),
                version.draft.model.hash.short(),
            ]);
        }
        let mut versions: Vec<Value> = versions.iter().map(document).collect();
        for version in of_clients(shelf, &model.name)? {
            rows.push(vec![
                model.name.clone(),
                version.version.to_string(),
                version.aliases.join(", "),
                String::new(),
                human_instant(version.created_at),
                String::new(),
                version.source.clone(),
            ]);
            versions.push(json!({
                "name": version.name, "version": version.version, "aliases": version.aliases,
                "created_at": version.created_at.0, "source": version.source, "tracked_run": version.run_id,
                "description": version.description,
            }));
        }
        documents.push(json!({ "name": model.name, "latest": model.latest, "versions": versions }));
    }
    if terminal.is_json() {
        terminal.out_json(&Value::Array(documents));
    } else if rows.is_empty() {
        terminal.note("no model is registered; a pipeline registers one with `registry.register@v1`");
    } else {
        terminal.table(
            &[
                "MODEL",
                "VERSION",
                "ALIASES",
                "ROC AUC",
                "REGISTERED",
                "RUN",
                "CONTENT",
            ],
            &[1, 3],
            &rows,
        );
    }
    Ok(Exit::Done)
}

/// Versions that MLflow's clients have registered, newest first; steps have none of their files.
fn of_clients(shelf: &Shelf, model: &str) -> Result<Vec<VersionRecord>, Fault> {
    let search = Search {
        experiments: Vec::new(),
        filter: Filter::Is(Comparison {
            subject: Subject::Attribute(Attribute::Name),
            condition: Condition::Text(TextTest::Equal, model.to_owned()),
        }),
        datasets: Vec::new(),
        order: vec![Order::by(Attribute::VersionNumber, true)],
        view: View::Active,
        limit: 10_000,
        offset: 0,
    };
    let found = shelf.store.read_tracking(|tracking| {
        let mut own = Vec::new();
        for version in tracking.search_versions(&search)? {
            if tracking.draft_of(&version)?.is_none() {
                own.push(version);
            }
        }
        Ok(own)
    });
    found.map_err(|error| match error {
        TrackingError::Store(error) => error.into(),
        TrackingError::Refused(refused) => Fault::new(refused.message),
    })
}

fn show(shelf: &Shelf, model: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let version = find(shelf, model)?;
    if terminal.is_json() {
        terminal.out_json(&document(&version));
        return Ok(Exit::Done);
    }
    let draft = &version.draft;
    terminal.out(format!("{} version {}", version.name, version.version));
    let mut facts = vec![
        ("aliases", version.aliases.join(", ")),
        ("registered", human_instant(version.created_at)),
        ("by", format!("{} of run {}", version.instance, version.run)),
        (
            "content",
            format!("{} ({})", draft.model.hash, human_bytes(draft.model.size)),
        ),
    ];
    if let Some(description) = &draft.description {
        facts.push(("description", description.clone()));
    }
    for (name, text) in facts {
        terminal.out(format!("  {name:<12} {text}"));
    }
    if !draft.metrics.is_empty() {
        let rows: Vec<Vec<String>> = draft
            .metrics
            .iter()
            .map(|(name, value)| vec![name.clone(), format!("{value:.6}")])
            .collect();
        terminal.out("");
        terminal.table(&["METRIC", "VALUE"], &[1], &rows);
    }
    if let Some(fields) = draft
        .signature
        .pointer("/avro/input/fields")
        .and_then(Value::as_array)
    {
        let rows: Vec<Vec<String>> = fields
            .iter()
            .map(|field| {
                let kind = &field["type"];
                let text = match kind {
                    Value::Array(options) => options
                        .iter()
                        .filter_map(Value::as_str)
                        .collect::<Vec<_>>()
                        .join(" or "),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                vec![field["name"].as_str().unwrap_or("?").to_owned(), text]
            })
            .collect();
        terminal.out("");
        terminal.table(&["INPUT", "TYPE"], &[], &rows);
    }
    if !draft.attachments.is_empty() {
        let objects = shelf.home.objects();
        let rows: Vec<Vec<String>> = draft
            .attachments
            .iter()
            .map(|(role, artifact)| vec![role.clone(), objects.path(&artifact.hash).display().to_string()])
            .collect();
        terminal.out("");
        terminal.table(&["ATTACHED", "FILE"], &[], &rows);
    }
    Ok(Exit::Done)
}

/// `NAME`, `NAME@ALIAS` or `NAME:VERSION`; the name alone means the latest version.
pub(crate) fn find(shelf: &Shelf, text: &str) -> Result<ModelVersion, Fault> {
    let (name, version) = text.split_once(['@', ':']).unwrap_or((text, "latest"));
    shelf.store.model_version(name, version).map_err(|error| {
        let names: Vec<String> = shelf
            .store
            .models()
            .unwrap_or_default()
            .into_iter()
            .map(|m| m.name)
            .collect();
        let near =
            trainyard_contract::finding::nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        match near.filter(|near| near != name) {
            Some(near) => Fault::from(error).help(format!("did you mean `{near}`?")),
            None => Fault::from(error),
        }
    })
}

fn document(version: &ModelVersion) -> Value {
    let draft = &version.draft;
    let attachments: serde_json::Map<String, Value> = draft
        .attachments
        .iter()
        .map(|(role, artifact)| (role.clone(), artifact.hash.to_string().into()))
        .collect();
    json!({
        "name": version.name, "version": version.version, "aliases": version.aliases,
        "created_at": version.created_at.0, "run": version.run.as_str(), "instance": version.instance,
        "model": draft.model.hash.to_string(), "size": draft.model.size, "metrics": draft.metrics,
        "description": draft.description, "tags": draft.tags, "signature": draft.signature,
        "attachments": attachments,
    })
}
