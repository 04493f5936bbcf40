//! `trainyard lineage diff`: what changed between two model versions or runs.

use super::find;
use crate::commands::comparison;
use crate::commands::runs::Shelf;
use crate::output::{Exit, Fault, Terminal, Tone};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use trainyard_contract::RunId;
use trainyard_domain::comparison::Comparison;
use trainyard_store::{LineageNode, ModelVersion};

/// A model version and its run, or a run alone.
struct Side {
    version: Option<ModelVersion>,
    run: RunId,
}

pub(super) fn diff(shelf: &Shelf, before: &str, now: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let (before, now) = (side(shelf, before)?, side(shelf, now)?);
    let compared = Comparison::of(&shelf.load(&before.run)?, &shelf.load(&now.run)?);
    let features = features_between(&before, &now);
    if terminal.is_json() {
        let mut document = serde_json::to_value(&compared).unwrap_or(Value::Null);
        document["before"] = before.name().into();
        document["now"] = now.name().into();
        document["features"] = json!({ "gone": features.0, "new": features.1 });
        document["same"] = compared.is_same().into();
        terminal.out_json(&document);
        return Ok(Exit::Done);
    }
    let head = terminal.paint(Tone::Strong, format!("{} -> {}", before.name(), now.name()));
    terminal.out(head);
    for (word, list) in [("gone", &features.0), ("new", &features.1)] {
        if !list.is_empty() {
            let list: Vec<&str> = list.iter().map(String::as_str).collect();
            terminal.out(format!("  features {word}  {}", list.join(", ")));
        }
    }
    comparison::print(&compared, terminal);
    if compared.is_same() {
        terminal.out("  every step made the same, bit for bit");
    }
    Ok(Exit::Done)
}

impl Side {
    fn name(&self) -> String {
        match &self.version {
            Some(version) => format!("{}:{}", version.name, version.version),
            None => self.run.short().to_owned(),
        }
    }

    /// Names and types of what the model takes.
    fn features(&self) -> BTreeSet<String> {
        let signature = self.version.as_ref().map(|version| &version.draft.signature);
        let fields = signature.and_then(|signature| signature.pointer("/avro/input/fields")?.as_array());
        fields
            .into_iter()
            .flatten()
            .filter_map(|field| {
                let name = field.get("name")?.as_str()?;
                Some(format!("{name} {}", field.get("type")?))
            })
            .collect()
    }
}

fn features_between(before: &Side, now: &Side) -> (BTreeSet<String>, BTreeSet<String>) {
    let (old, new) = (before.features(), now.features());
    (
        old.difference(&new).cloned().collect(),
        new.difference(&old).cloned().collect(),
    )
}

fn side(shelf: &Shelf, subject: &str) -> Result<Side, Fault> {
    match find(shelf, subject)? {
        LineageNode::Run { run } => Ok(Side { version: None, run }),
        LineageNode::ModelVersion { name, version } => {
            let version = shelf.store.model_version(&name, &version.to_string())?;
            Ok(Side {
                run: version.run.clone(),
                version: Some(version),
            })
        }
        other => Err(
            Fault::new(format!("{other} is neither a run nor a model version"))
                .help("write `NAME:VERSION`, `NAME@ALIAS` or a run's id"),
        ),
    }
}
