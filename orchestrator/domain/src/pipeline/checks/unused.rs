//! What is declared and never used.
//!
//! Why: it is either forgotten, which is a fault, or no longer needed, which misleads.
//!
//! ```yaml
//! params: {seed: {type: integer, default: 1}}     # S06/unused-param if nothing says params.seed
//! ```

use super::{Scene, found};
use crate::expression::Template;
use crate::pipeline::draft::Draft;
use crate::pipeline::load::Kind;
use crate::pipeline::reader::Node;
use crate::pipeline::spec::{Trigger, alert::Alert};
use crate::pipeline::values;
use crate::pipeline::wiring::{Reference, Source, WiredHook};
use serde_json::Value;
use std::collections::BTreeSet;
use trainyard_contract::feature::FeatureSource;
use trainyard_contract::{ArtifactKind, Path};

pub(super) fn run(scene: &mut Scene<'_>, _hooks: &[WiredHook]) {
    // With names that could not be resolved, nobody knows what is unused.
    if scene
        .out
        .iter()
        .any(|found| found.code.starts_with("S02") || found.code.starts_with("S03/syntax"))
    {
        return;
    }
    let is_open = |uses: &Option<String>| uses.as_ref().is_some_and(|uses| uses.starts_with("lib:"));
    if !scene.draft.loaded.damage.is_empty()
        || scene.draft.is_patchy
        || scene.draft.spec.steps.values().any(|step| is_open(&step.uses))
    {
        return;
    }
    let used = Used::collect(scene);
    let draft = scene.draft;
    for name in draft.spec.params.keys() {
        if !used.all_params && !used.params.contains(name) {
            let span = draft.key_span(scene.sources, &Path::root().key("params").key(name));
            scene.add(
                found(
                    "S06/unused-param",
                    span,
                    format!("the param `{name}` is never used"),
                )
                .label("never used")
                .help("remove it, or use it as `${{ params.NAME }}`"),
            );
        }
    }
    for name in draft.spec.datasets.keys() {
        if !used.datasets.contains(name) && !draft.borrowed.contains(&("datasets", name.clone())) {
            let span = draft.key_span(scene.sources, &Path::root().key("datasets").key(name));
            scene.add(
                found(
                    "S06/unused-dataset",
                    span,
                    format!("the dataset `{name}` is never used"),
                )
                .label("never used")
                .help("remove it, or take it as an input"),
            );
        }
    }
    for (index, (name, step)) in draft.spec.steps.iter().enumerate() {
        for (output, declaration) in &step.outputs {
            let stored = matches!(declaration.kind, ArtifactKind::Table | ArtifactKind::Model);
            // A step that makes one thing is run for it; what a person reads is never unused.
            // What a pipeline that is used makes is judged where it is checked itself.
            let is_inside = name.contains('.');
            if !stored
                || is_inside
                || step.outputs.len() == 1
                || used.outputs.contains(&(index, output.clone()))
            {
                continue;
            }
            let span = draft
                .step_entry(index)
                .and_then(|entry| entry.value.get("outputs")?.entry(output))
                .map_or(draft.root.span, |entry| entry.key_span);
            scene.add(
                found(
                    "S06/unused-output",
                    span,
                    format!("`{name}.{output}` is stored and nobody reads it"),
                )
                .label("never read")
                .help("leave it out, or use it"),
            );
        }
    }
    includes(scene, &used);
}

fn includes(scene: &mut Scene<'_>, used: &Used) {
    let draft = scene.draft;
    for include in &draft.includes {
        if include.files.is_empty() {
            continue;
        }
        let is_used = include.files.iter().any(|file| {
            let Some(root) = file.root.as_ref() else {
                return true;
            };
            match file.kind {
                Kind::Contract => root
                    .get("name")
                    .and_then(Node::text)
                    .is_none_or(|name| used.contracts.contains(name)),
                // Definitions are there for whoever asks.
                Kind::Features => true,
                _ => {
                    let takes = |section: &str, names: &BTreeSet<String>| {
                        root.get(section)
                            .map(Node::entries)
                            .unwrap_or_default()
                            .iter()
                            .any(|entry| names.contains(&*entry.key))
                    };
                    draft.library_uses.iter().any(|(path, _)| *path == file.path)
                        || draft.expansion.used_libraries.contains(&file.path)
                        || takes("datasets", &used.datasets)
                        || takes("notify", &used.channels)
                }
            }
        });
        if !is_used {
            let what = if include.is_pattern {
                "nothing of these files is used"
            } else {
                "nothing of this file is used"
            };
            let finding = found("S06/unused-include", include.span, what)
                .label("never used")
                .help("take it out");
            scene.out.push(finding.done());
        }
    }
}

#[derive(Default)]
struct Used {
    params: BTreeSet<String>,
    all_params: bool,
    datasets: BTreeSet<String>,
    outputs: BTreeSet<(usize, String)>,
    contracts: BTreeSet<String>,
    channels: BTreeSet<String>,
}

impl Used {
    fn collect(scene: &Scene<'_>) -> Self {
        let draft = scene.draft;
        let mut used = Self::default();
        let mut each = |text: &str| {
            if !Template::is_in(text) {
                if let Some(channel) = text.strip_prefix("notify.") {
                    used.channels.insert(channel.to_owned());
                }
                return;
            }
            let Ok(template) = Template::parse(text) else {
                return;
            };
            let references = template.references();
            used.all_params |= references.mentions_all_of("params");
            used.params
                .extend(references.names("params").into_iter().map(str::to_owned));
            for (step, outputs) in references.steps() {
                if let Some(index) = draft.spec.steps.get_index_of(step) {
                    used.outputs
                        .extend(outputs.into_iter().map(|output| (index, output.to_owned())));
                }
            }
        };
        draft.root.each_text(&Path::root(), &mut |_, _, text| each(text));
        for argument in &draft.expansion.arguments {
            argument
                .node
                .each_text(&Path::root(), &mut |_, _, text| each(text));
        }
        let given = draft.spec.outputs.values();
        let handed = draft.expansion.handed.iter().map(|handed| &handed.source);
        for text in given.chain(handed) {
            used.reference(draft, text);
        }
        let contracts = draft.expansion.handed.iter();
        used.contracts
            .extend(contracts.filter_map(|handed| handed.contract.clone()));
        for (step, wired) in draft.spec.steps.values().zip(scene.steps) {
            if let Some(kind) = &wired.kind {
                let with = Value::Object(step.with.clone());
                for (_, root, name) in values::mentioned_in_columns(&with, &kind.signature.params) {
                    if root == "params" {
                        used.params.insert(name);
                    }
                }
                // A parameter may name a dataset or a contract of the pipeline.
                each_text(&with, &mut |text| {
                    if draft.spec.datasets.contains_key(text) {
                        used.datasets.insert(text.to_owned());
                    }
                    if draft.contracts.contains_key(text) {
                        used.contracts.insert(text.to_owned());
                    }
                });
            }
            for source in wired.inputs.values() {
                match source {
                    Source::Dataset(name) => {
                        used.datasets.insert(name.clone());
                    }
                    Source::Output { step, output, .. } => {
                        used.outputs.insert((*step, output.clone()));
                    }
                    Source::Registry { .. } | Source::Features(_) => {}
                }
            }
            used.contracts
                .extend(step.outputs.values().filter_map(|output| output.contract.clone()));
        }
        used.contracts.extend(
            draft
                .spec
                .datasets
                .values()
                .filter_map(|dataset| dataset.contract.clone()),
        );
        for view in scene.features.definitions.views.values() {
            if let FeatureSource::Dataset { dataset, .. } = &view.source {
                used.datasets.insert(dataset.clone());
            }
        }
        for trigger in draft.spec.triggers.values() {
            if let Trigger::Data(data) = trigger {
                used.datasets.extend(data.datasets.iter().cloned());
            }
        }
        used.alerts(draft.spec.alerts.values());
        used
    }

    fn reference(&mut self, draft: &Draft, text: &str) {
        match Reference::parse(text) {
            Some(Reference::Dataset(name)) => {
                self.datasets.insert(name.to_owned());
            }
            Some(Reference::Output { step, output, .. }) => {
                if let Some(index) = draft.spec.steps.get_index_of(step) {
                    self.outputs.insert((index, output.to_owned()));
                }
            }
            Some(Reference::Registry { .. } | Reference::Features(_)) | None => {}
        }
    }

    fn alerts<'a>(&mut self, alerts: impl Iterator<Item = &'a Alert>) {
        for alert in alerts {
            self.datasets.extend(alert.target.dataset.clone());
            if let Some(Reference::Dataset(name)) = alert.target.monitor.as_deref().and_then(Reference::parse)
            {
                self.datasets.insert(name.to_owned());
            }
        }
    }
}

fn each_text(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, visit)),
        Value::Object(members) => members.values().for_each(|member| each_text(member, visit)),
        _ => {}
    }
}
