//! Channels and subscriptions: whether a channel can be used as it is written, and whether what is named is there.

use super::hooks::channel;
use super::near;
use crate::diagnostic::Diagnostic;
use crate::pipeline::checks::{Scene, found};
use crate::pipeline::reader::Node;
use crate::pipeline::spec::{FailureAction, HookStep, Project};
use serde_json::{Map, Value};
use trainyard_contract::Path;

/// The kind of step that tells channels something.
const SEND: &str = "notify.send@";

/// Channels of the pipeline's own, and those that its steps tell.
pub(super) fn channels(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    let smtp = scene
        .project
        .and_then(|project| project.notifications.as_ref()?.smtp.as_ref());
    for (name, declared) in &draft.spec.notify {
        if draft.borrowed.contains(&("notify", name.clone())) {
            continue;
        }
        if let Some(fault) = declared.clone().with_smtp(smtp).fault() {
            let at = Path::root().key("notify").key(name);
            let at = fault.keys.iter().fold(at, |at, key| at.key(*key));
            let span = draft.span(scene.sources, &at);
            scene.add(
                found("S11/channel", span, fault.message)
                    .label("cannot be used")
                    .help(fault.help),
            );
        }
    }
    let mut told: Vec<(Path, Vec<String>)> = Vec::new();
    for (name, step) in &draft.spec.steps {
        let at = Path::root().key("steps").key(name);
        if step.uses.as_deref().is_some_and(|uses| uses.starts_with(SEND)) {
            told.push((at.key("with").key("to"), named(&step.with)));
        }
        told.extend(of_hooks(&at.key("on_failure"), &step.on_failure));
    }
    told.extend(of_hooks(&Path::root().key("on_failure"), &draft.spec.on_failure));
    for (index, hook) in draft.spec.finally.iter().enumerate() {
        told.extend(of_hook(&Path::root().key("finally").index(index), hook));
    }
    for (at, names) in told {
        for (index, name) in names.iter().enumerate() {
            if !name.contains("${{") {
                let span = draft.span(scene.sources, &at.index(index));
                channel(scene, name, span);
            }
        }
    }
}

fn of_hooks(at: &Path, actions: &[FailureAction]) -> Vec<(Path, Vec<String>)> {
    actions
        .iter()
        .enumerate()
        .filter_map(|(index, action)| match action {
            FailureAction::Run(hook) => of_hook(&at.index(index), hook),
            FailureAction::Notify(_) => None,
        })
        .collect()
}

fn of_hook(at: &Path, hook: &HookStep) -> Option<(Path, Vec<String>)> {
    let sends = hook.uses.as_deref().is_some_and(|uses| uses.starts_with(SEND));
    sends.then(|| (at.key("with").key("to"), named(&hook.with)))
}

fn named(with: &Map<String, Value>) -> Vec<String> {
    let list = with.get("to").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

/// Channels and subscriptions of the project.
pub(in crate::pipeline::checks) fn of_project(project: &Project, root: &Node) -> Vec<Diagnostic> {
    let mut found_here = Vec::new();
    let smtp = project
        .notifications
        .as_ref()
        .and_then(|notifications| notifications.smtp.as_ref());
    let mut add_fault = |at: Option<&Node>, fault: crate::pipeline::spec::channel::ChannelFault| {
        let mut node = at;
        for key in &fault.keys {
            node = node.and_then(|node| node.get(key)).or(node);
        }
        if let Some(node) = node {
            let finding = found("S11/channel", node.span, fault.message).label("cannot be used");
            found_here.push(finding.help(fault.help).done());
        }
    };
    for (name, channel) in &project.notify {
        if let Some(fault) = channel.clone().with_smtp(smtp).fault() {
            add_fault(root.get("notify").and_then(|notify| notify.get(name)), fault);
        }
    }
    let notifications = project.notifications.iter();
    for (name, subscription) in notifications.flat_map(|notifications| &notifications.subscriptions) {
        for (index, to) in subscription.to.iter().enumerate() {
            if project.notify.contains_key(to.name()) {
                continue;
            }
            let list = root
                .get("notifications")
                .and_then(|node| node.get("subscriptions")?.get(name)?.get("to"));
            let Some(node) = list.map(|list| list.items().get(index).unwrap_or(list)) else {
                continue;
            };
            let finding = found(
                "S02/unknown-notify",
                node.span,
                format!("the project has no channel `{}`", to.name()),
            )
            .label("no such channel");
            let names: Vec<String> = project
                .notify
                .keys()
                .map(|name| format!("notify.{name}"))
                .collect();
            let finding = near(
                finding,
                &to.to_string(),
                names.iter().map(String::as_str),
                "declare it under `notify:` of trainyard.yaml",
            );
            found_here.push(finding.done());
        }
    }
    found_here
}
