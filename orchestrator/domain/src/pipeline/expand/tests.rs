//! Kinds of libraries and pipelines inside pipelines, from text to run.

mod libraries;
mod pipelines;

use crate::pipeline::files::memory::MemoryFiles;
use crate::pipeline::fixture::{checked, shown};
use crate::pipeline::{BindRequest, Checked, Pipeline};
use crate::run::definition::{Instance, RunDefinition};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

fn sound(files: &MemoryFiles) -> Arc<Pipeline> {
    let checked = checked(files, &["pipelines/p.yaml"], None);
    assert_eq!(told(&checked), [""; 0], "{:#?}", checked.diagnostics);
    checked.pipelines[0].clone()
}

fn found(files: &MemoryFiles) -> Vec<String> {
    told(&checked(files, &["pipelines/p.yaml"], None))
}

/// All findings but those of columns that the small examples do not use.
fn told(checked: &Checked) -> Vec<String> {
    let mut all = shown(checked);
    all.retain(|found| !found.starts_with("D06"));
    all
}

/// Other places of the only finding: text and `file line:column`.
fn also(checked: &Checked) -> Vec<String> {
    let mut all = checked
        .diagnostics
        .iter()
        .filter(|found| !found.code.starts_with("D06"));
    let (Some(finding), None) = (all.next(), all.next()) else {
        panic!("{:#?}", checked.diagnostics);
    };
    finding
        .secondary
        .iter()
        .map(|label| {
            let file = checked.sources.file(label.span.file).unwrap();
            let (line, column) = file.line_column(label.span.start);
            format!("{} {} {line}:{column}", label.text, file.name)
        })
        .collect()
}

fn bind(pipeline: &Pipeline) -> RunDefinition {
    let request = BindRequest {
        environment: None,
        params: &BTreeMap::new(),
        trigger: json!({"type": "manual", "logical_date": "2026-11-22"}),
        seed: 7,
    };
    pipeline.bind(&request).unwrap()
}

fn instance<'d>(definition: &'d RunDefinition, name: &str) -> &'d Instance {
    let found = definition.instances.iter().find(|instance| instance.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// What an instance waits for; in parentheses what it takes no data from.
fn upstream(definition: &RunDefinition, name: &str) -> Vec<String> {
    instance(definition, name)
        .upstream
        .iter()
        .map(|edge| {
            let above = &definition.instances[edge.instance as usize].name;
            match edge.data {
                true => above.clone(),
                false => format!("({above})"),
            }
        })
        .collect()
}
