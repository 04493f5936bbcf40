//! What failures do: channels and steps outside the graph.

use super::unknown_uses;
use crate::diagnostic::Span;
use crate::pipeline::checks::{Scene, found};
use crate::pipeline::spec::{FailureAction, HookStep};
use crate::pipeline::wiring::{Occasion, SHELL, WiredHook, uses_of};
use std::collections::BTreeSet;
use trainyard_contract::finding::nearest;
use trainyard_contract::{Path, Ports};

pub(super) fn channel(scene: &mut Scene<'_>, text: &str, span: Span) {
    let names = &scene.draft.spec.notify;
    let Some(name) = text.strip_prefix("notify.") else {
        let finding = found(
            "S02/unknown-notify",
            span,
            format!("`{text}` is not `notify.NAME`"),
        )
        .label("no channel");
        let finding = if names.contains_key(text) {
            finding.did_you_mean(&format!("notify.{text}"))
        } else {
            finding.help("write `notify.NAME` with a channel of `notify:`")
        };
        scene.add(finding);
        return;
    };
    if !names.contains_key(name) {
        let finding = found(
            "S02/unknown-notify",
            span,
            format!("there is no channel `{name}`"),
        )
        .label("no such channel");
        let proposal = nearest(name, names.keys().map(String::as_str)).map(|near| format!("notify.{near}"));
        let finding = match proposal {
            Some(proposal) => finding.did_you_mean(&proposal),
            None => finding.help("declare it under `notify:`"),
        };
        scene.add(finding);
    }
}

pub(super) fn failure_actions(scene: &mut Scene<'_>, hooks: &mut Vec<WiredHook>) {
    let draft = scene.draft;
    let mut places: Vec<(Path, Occasion, Vec<FailureAction>)> = draft
        .spec
        .steps
        .iter()
        .enumerate()
        .filter(|(_, (_, step))| !step.on_failure.is_empty())
        .map(|(index, (name, step))| {
            let at = Path::root().key("steps").key(name).key("on_failure");
            (at, Occasion::StepFailed(index), step.on_failure.clone())
        })
        .collect();
    places.push((
        Path::root().key("on_failure"),
        Occasion::RunFailed,
        draft.spec.on_failure.clone(),
    ));
    let last = draft
        .spec
        .finally
        .iter()
        .map(|hook| FailureAction::Run(Box::new(hook.clone())))
        .collect();
    places.push((Path::root().key("finally"), Occasion::Finally, last));
    let mut names = BTreeSet::new();
    for (at, occasion, actions) in places {
        for (place, action) in actions.into_iter().enumerate() {
            let at = at.index(place);
            match action {
                FailureAction::Notify(text) => {
                    let span = draft.span(scene.sources, &at);
                    channel(scene, &text, span);
                }
                FailureAction::Run(spec) => {
                    if let Some(hook) = hook(scene, &at, occasion, &spec, &mut names) {
                        hooks.push(hook);
                    }
                }
            }
        }
    }
}

fn hook(
    scene: &mut Scene<'_>,
    at: &Path,
    occasion: Occasion,
    spec: &HookStep,
    names: &mut BTreeSet<String>,
) -> Option<WiredHook> {
    if spec.uses.is_none() && spec.run.is_none() {
        return None;
    }
    let uses = uses_of(spec.uses.as_deref(), spec.run.as_deref(), spec.image.as_deref());
    let Some(kind) = scene.kinds.get(&uses) else {
        let span = scene.draft.span(scene.sources, &at.key("uses"));
        let finding = unknown_uses(scene, &uses, span);
        scene.add(finding);
        return None;
    };
    if let Ports::Named(ports) = &kind.signature.inputs
        && let Some(port) = ports.iter().find(|port| port.required)
    {
        let span = scene.draft.span(scene.sources, &at.key("uses"));
        scene.add(
            found(
                "S02/missing-input",
                span,
                format!(
                    "`{uses}` needs the input `{}`, and hooks have no inputs",
                    port.name
                ),
            )
            .label("needs an input")
            .help("make it a step of the graph"),
        );
    }
    let base = spec.name.clone().unwrap_or_else(|| {
        let kind = uses.split('@').next().unwrap_or(SHELL).replace('.', "_");
        match occasion {
            Occasion::StepFailed(index) => {
                let step = scene
                    .draft
                    .spec
                    .steps
                    .get_index(index)
                    .map_or("step", |(name, _)| name);
                format!("{step}-{kind}")
            }
            Occasion::RunFailed => format!("on_failure-{kind}"),
            Occasion::Finally => format!("finally-{kind}"),
        }
    });
    // Of a step inside a use only its own name is cut.
    let (using, own) = base.split_at(base.rfind('.').map_or(0, |dot| dot + 1));
    let base: String = using.chars().chain(own.chars().take(58)).collect();
    let mut name = base.clone();
    let mut number = 2;
    while scene.draft.spec.steps.contains_key(&name) || !names.insert(name.clone()) {
        name = format!("{base}-{number}");
        number += 1;
    }
    Some(WiredHook {
        occasion,
        name,
        uses,
        kind,
        spec: spec.clone(),
    })
}
