//! Files of the project that a pipeline names: data, schemas, scripts, tests.
//!
//! Why: a run of hours would end at a misspelt path.
//!
//! ```yaml
//! datasets: {flights: {path: data/fligths.parquet}}      # S02/missing-file
//! ```

use super::{Scene, found};
use crate::diagnostic::Span;
use crate::pipeline::draft::local_file;
use crate::pipeline::files::is_pattern;
use crate::pipeline::reader::Node;
use serde_json::Value;
use std::collections::BTreeMap;
use trainyard_contract::Path;
use trainyard_contract::finding::nearest;

pub(super) fn run(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    let mut named: Vec<(Span, String, bool)> = Vec::new();
    for (name, dataset) in &draft.spec.datasets {
        let span = draft.span(scene.sources, &Path::root().key("datasets").key(name).key("path"));
        named.push((span, dataset.path.clone(), true));
    }
    let at = Path::root().key("tests");
    for (index, test) in draft.spec.tests.iter().enumerate() {
        for (section, files) in [("given", &test.given), ("expect", &test.expect)] {
            for (key, path) in files {
                let span = draft.span(scene.sources, &at.index(index).key(section).key(key));
                named.push((span, path.clone(), false));
            }
        }
    }
    // Steps are many: their nodes are walked in order instead of looked up by path.
    for (index, (_, step)) in draft.spec.steps.iter().enumerate() {
        let Some(entry) = draft.step_entry(index) else {
            continue;
        };
        for (output, declaration) in &step.outputs {
            for (key, path) in [
                ("input_schema", &declaration.input_schema),
                ("output_schema", &declaration.output_schema),
            ] {
                if let Some(path) = path
                    && let Some(node) = entry
                        .value
                        .get("outputs")
                        .and_then(|all| all.get(output)?.get(key))
                {
                    named.push((node.span, path.clone(), false));
                }
            }
        }
        for node in entry.value.get("code").map(Node::items).unwrap_or_default() {
            named.extend(node.text().map(|text| (node.span, text.to_owned(), false)));
        }
        if let (Some(uses), Some(with)) = (&step.uses, entry.value.get("with"))
            && let Some(kind) = scene.kinds.get(uses)
        {
            for (key, _) in file_params(&kind.signature.params) {
                if let Some(node) = with.get(&key) {
                    named.extend(node.text().map(|text| (node.span, text.to_owned(), false)));
                }
            }
        }
    }
    let mut known: BTreeMap<(String, bool), bool> = BTreeMap::new();
    for (span, path, is_data) in named {
        if let Some(finding) = missing(scene, span, &path, is_data, &mut known) {
            scene.add(finding);
        }
    }
}

/// Parameters that are paths of files.
fn file_params(schema: &Value) -> Vec<(String, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, rules)| rules.get("x-kind").and_then(Value::as_str) == Some("file"))
        .map(|(name, rules)| (name.clone(), rules))
        .collect()
}

fn missing(
    scene: &Scene<'_>,
    span: Span,
    text: &str,
    is_data: bool,
    known: &mut BTreeMap<(String, bool), bool>,
) -> Option<super::Finding> {
    let Some(path) = local_file(text) else {
        // Data may lie anywhere, as a URL or an absolute path; whatever else is named is part of the
        // project.
        let leaves = !is_data && !text.contains("://") && !text.contains("${{") && !is_pattern(text);
        return leaves.then(|| {
            found("S02/missing-file", span, format!("`{text}` leaves the project"))
                .label("outside the project")
                .help("write a path from the project's folder")
        });
    };
    let exists = *known
        .entry((path.clone(), is_data))
        .or_insert_with(|| match is_data {
            true => scene.files.has_data(&path),
            false => scene.files.exists(&path),
        });
    if exists {
        return None;
    }
    let finding = found("S02/missing-file", span, format!("there is no file `{path}`")).label("no such file");
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let pattern = if folder.is_empty() {
        "*".to_owned()
    } else {
        format!("{folder}/*")
    };
    let there = scene.files.glob(&pattern).unwrap_or_default();
    let names = there
        .iter()
        .map(|path| path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name));
    Some(match nearest(name, names) {
        Some(near) if folder.is_empty() => finding.did_you_mean(near),
        Some(near) => {
            let near = format!("{folder}/{near}");
            if text == path {
                finding.did_you_mean(&near)
            } else {
                finding.help(format!("did you mean `{near}`?"))
            }
        }
        None => finding.help("paths start at the project's folder"),
    })
}
