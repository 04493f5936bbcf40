//! Names of steps, outputs, datasets, contracts, kinds and channels, and the kinds of what flows.
//!
//! Why: an edge to something that does not exist would never be filled, or the order of work would
//! not be what the file says.
//!
//! ```yaml
//! train:
//!   uses: train.clasifier@v1          # S02/unknown-uses
//!   needs: [laod]                     # S02/unknown-step
//!   inputs: {train: split.trian}      # S02/unknown-output
//! ```

mod channels;
mod exports;
mod hooks;
mod inputs;
mod outputs;
mod pools;
mod signals;

use super::{Finding, Scene, found, kind_names};
use crate::diagnostic::Span;
use crate::pipeline::reader::Entry;
use crate::pipeline::wiring::{Kind, Wired, WiredHook, outputs_of, uses_of};
pub(super) use channels::of_project as channels_of_project;
use hooks::failure_actions;
use indexmap::IndexMap;
use inputs::inputs;
use outputs::{datasets, output_ports};
pub(super) use pools::of_project as pools_of_project;
use signals::{secrets, triggers_and_alerts};
use std::collections::BTreeSet;
use std::sync::Arc;
use trainyard_contract::Path;
use trainyard_contract::finding::{Names, nearest};
use trainyard_contract::task::OutputDeclaration;

/// A finding with the nearest of some names.
fn near<'n>(
    finding: Finding,
    word: &str,
    names: impl IntoIterator<Item = &'n str>,
    otherwise: &str,
) -> Finding {
    match nearest(word, names) {
        Some(near) => finding.did_you_mean(near),
        None if otherwise.is_empty() => finding,
        None => finding.help(otherwise.to_owned()),
    }
}

/// A finding with the nearest of all steps but the one it is about.
fn near_step(finding: Finding, word: &str, names: &Names<'_>, itself: &str) -> Finding {
    match names.nearest(word, Some(itself)) {
        Some(near) => finding.did_you_mean(near),
        None => finding.help("declare it under `steps:`"),
    }
}

pub(super) fn run(scene: &mut Scene<'_>) -> (Vec<Wired>, Vec<WiredHook>) {
    let draft = scene.draft;
    let kinds: Vec<Option<Arc<Kind>>> = (0..draft.spec.steps.len())
        .map(|index| kind(scene, index))
        .collect();
    let outputs: Vec<IndexMap<String, OutputDeclaration>> = draft
        .spec
        .steps
        .values()
        .zip(&kinds)
        .map(|(step, kind)| outputs_of(step, kind.as_deref()))
        .collect();
    let names = Names::new(draft.spec.steps.keys().map(String::as_str));
    let mut wired = Vec::with_capacity(draft.spec.steps.len());
    for (index, (step, kind)) in draft.spec.steps.values().zip(&kinds).enumerate() {
        let mut next = Wired {
            uses: uses_of(step.uses.as_deref(), step.run.as_deref(), step.image.as_deref()),
            kind: kind.clone(),
            inputs: IndexMap::new(),
            outputs: outputs[index].clone(),
            order: BTreeSet::new(),
            listed: BTreeSet::new(),
        };
        inputs(scene, index, &outputs, &kinds, &names, &mut next);
        needs(scene, index, &names, &mut next);
        output_ports(scene, index);
        wired.push(next);
    }
    let mut hooks = Vec::new();
    failure_actions(scene, &mut hooks);
    exports::run(scene, &wired);
    datasets(scene);
    triggers_and_alerts(scene);
    secrets(scene);
    pools::pools(scene);
    channels::channels(scene);
    tests(scene, &wired);
    (wired, hooks)
}

fn value_of<'d>(scene: &Scene<'d>, index: usize, keys: &[&str]) -> Option<&'d Entry> {
    let mut entry = scene.draft.step_entry(index)?;
    for key in keys {
        entry = entry.value.entry(key)?;
    }
    Some(entry)
}

fn step_key(scene: &Scene<'_>, index: usize) -> Span {
    scene
        .draft
        .step_entry(index)
        .map_or(scene.draft.root.span, |entry| entry.key_span)
}

fn kind(scene: &mut Scene<'_>, index: usize) -> Option<Arc<Kind>> {
    let (_, step) = scene.draft.spec.steps.get_index(index)?;
    let uses = uses_of(step.uses.as_deref(), step.run.as_deref(), step.image.as_deref());
    if step.uses.is_none() && step.run.is_none() {
        return None;
    }
    if uses.starts_with("lib:") || scene.draft.expansion.unresolved.contains(&uses) {
        return None;
    }
    let found_kind = scene.kinds.get(&uses);
    if found_kind.is_none() {
        let span = value_of(scene, index, &["uses"])
            .map_or_else(|| step_key(scene, index), |entry| entry.value.span);
        let finding = unknown_uses(scene, &uses, span);
        scene.add(finding);
    }
    found_kind
}

fn unknown_uses(scene: &Scene<'_>, uses: &str, span: Span) -> Finding {
    let mut names = kind_names(scene.kinds.catalogue);
    names.extend(scene.draft.expansion.kinds.iter().map(String::as_str));
    let finding = found(
        "S02/unknown-uses",
        span,
        format!("there is no kind of step `{uses}`"),
    )
    .label("no such kind");
    let bare = uses.split('@').next().unwrap_or(uses);
    let versions: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| name.split('@').next() == Some(bare))
        .collect();
    match versions.as_slice() {
        [] => {
            // Versions are short and alike: they would make any two names near.
            let near_bare = nearest(
                bare,
                names.iter().map(|name| name.split('@').next().unwrap_or(name)),
            );
            match near_bare.and_then(|near| names.iter().find(|name| name.split('@').next() == Some(near))) {
                Some(near) => finding.did_you_mean(near),
                None => {
                    let family = bare.split('.').next().unwrap_or(bare);
                    let same: Vec<&str> = names
                        .iter()
                        .copied()
                        .filter(|name| name.split('.').next() == Some(family))
                        .collect();
                    if same.is_empty() {
                        finding.help(format!("kinds are {}", names.join(", ")))
                    } else {
                        finding.help(format!("there are {}", same.join(", ")))
                    }
                }
            }
        }
        [.., newest] => finding.did_you_mean(newest),
    }
}

fn needs(scene: &mut Scene<'_>, index: usize, names: &Names<'_>, wired: &mut Wired) {
    let draft = scene.draft;
    let Some((name, step)) = draft.spec.steps.get_index(index) else {
        return;
    };
    if step.needs.is_empty() {
        return;
    }
    let items = value_of(scene, index, &["needs"])
        .map(|entry| entry.value.items())
        .unwrap_or_default();
    for item in items {
        let Some(text) = item.text() else { continue };
        match draft.spec.steps.get_index_of(text) {
            Some(needed) => {
                wired.order.insert(needed);
            }
            None => {
                let finding = found(
                    "S02/unknown-step",
                    item.span,
                    format!("`{name}` needs `{text}`, which is not a step"),
                )
                .label("no such step");
                // `needs: [step.output]` is a common slip.
                let bare = text.split(['.', '[']).next().unwrap_or(text);
                let finding = if bare != text && draft.spec.steps.contains_key(bare) {
                    finding.did_you_mean(bare)
                } else {
                    near_step(finding, text, names, name)
                };
                scene.add(finding);
            }
        }
    }
}

fn tests(scene: &mut Scene<'_>, wired: &[Wired]) {
    let draft = scene.draft;
    for (index, test) in draft.spec.tests.iter().enumerate() {
        let at = Path::root().key("tests").index(index);
        let Some(step) = draft.spec.steps.get_index_of(&test.step) else {
            let span = draft.span(scene.sources, &at.key("step"));
            let finding = found(
                "S02/unknown-step",
                span,
                format!("there is no step `{}`", test.step),
            )
            .label("no such step");
            let finding = near(
                finding,
                &test.step,
                draft.spec.steps.keys().map(String::as_str),
                "",
            );
            scene.add(finding);
            continue;
        };
        let inputs: Vec<&str> = draft.spec.steps[step].inputs.keys().map(String::as_str).collect();
        for input in test
            .given
            .keys()
            .filter(|input| !inputs.contains(&input.as_str()))
        {
            let span = draft.key_span(scene.sources, &at.key("given").key(input));
            let finding = found(
                "S02/unknown-input",
                span,
                format!("step `{}` has no input `{input}`", test.step),
            )
            .label("no such input");
            let finding = near(finding, input, inputs.iter().copied(), "");
            scene.add(finding);
        }
        for output in test
            .expect
            .keys()
            .filter(|output| !wired[step].outputs.contains_key(*output))
        {
            let span = draft.key_span(scene.sources, &at.key("expect").key(output));
            let finding = found(
                "S02/unknown-output",
                span,
                format!("step `{}` has no output `{output}`", test.step),
            )
            .label("no such output");
            let finding = near(
                finding,
                output,
                wired[step].outputs.keys().map(String::as_str),
                "",
            );
            scene.add(finding);
        }
        for param in test
            .params
            .keys()
            .filter(|param| !draft.spec.params.contains_key(*param))
        {
            let span = draft.key_span(scene.sources, &at.key("params").key(param));
            let finding = found(
                "S02/unknown-param",
                span,
                format!("`{param}` is not a param of this pipeline"),
            )
            .label("not declared");
            let finding = near(finding, param, draft.spec.params.keys().map(String::as_str), "");
            scene.add(finding);
        }
    }
}
