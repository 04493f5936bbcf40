//! Triggers, alerts and secrets: the names that they use.

use super::hooks::channel;
use super::near;
use crate::pipeline::checks::{Scene, found};
use crate::pipeline::spec::Trigger;
use crate::pipeline::spec::alert::AlertAction;
use crate::pipeline::spec::trigger::WebhookAuth;
use crate::pipeline::wiring::Reference;
use trainyard_contract::Path;
use trainyard_contract::finding::nearest;

pub(super) fn triggers_and_alerts(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    for (name, trigger) in &draft.spec.triggers {
        let at = Path::root().key("triggers").key(name);
        match trigger {
            Trigger::Data(data) => {
                for (index, dataset) in data.datasets.iter().enumerate() {
                    // `PIPELINE.STEP.OUTPUT` is another pipeline's.
                    if draft.spec.datasets.contains_key(dataset) || dataset.matches('.').count() == 2 {
                        continue;
                    }
                    let span = draft.span(scene.sources, &at.key("datasets").index(index));
                    let finding = found(
                        "S02/unknown-dataset",
                        span,
                        format!("there is no dataset `{dataset}`"),
                    )
                    .label("no such dataset");
                    let names = draft.spec.datasets.keys().map(String::as_str);
                    let finding = near(finding, dataset, names, "declare it under `datasets:`");
                    scene.add(finding);
                }
            }
            Trigger::Alert(of) => {
                for (index, alert) in of.alerts.iter().enumerate() {
                    if draft.spec.alerts.contains_key(alert) || alert.matches('.').count() == 1 {
                        continue;
                    }
                    let span = draft.span(scene.sources, &at.key("alerts").index(index));
                    let finding = found("S02/unknown-alert", span, format!("there is no alert `{alert}`"))
                        .label("no such alert");
                    let names = draft.spec.alerts.keys().map(String::as_str);
                    let finding = near(finding, alert, names, "declare it under `alerts:`");
                    scene.add(finding);
                }
            }
            _ => {}
        }
        if let Some(given) = trigger.params() {
            for param in given
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
                let names = draft.spec.params.keys().map(String::as_str);
                let finding = near(finding, param, names, "declare it under `params:`");
                scene.add(finding);
            }
        }
    }
    for (name, alert) in &draft.spec.alerts {
        let at = Path::root().key("alerts").key(name).key("actions");
        for (index, action) in alert.actions.iter().enumerate() {
            let AlertAction::Named(text) = action else {
                continue;
            };
            let span = draft.span(scene.sources, &at.index(index));
            match text.strip_prefix("trigger.") {
                Some(trigger) if draft.spec.triggers.contains_key(trigger) => {}
                Some(trigger) => {
                    let finding = found(
                        "S02/unknown-trigger",
                        span,
                        format!("there is no trigger `{trigger}`"),
                    )
                    .label("no such trigger");
                    let proposal = nearest(trigger, draft.spec.triggers.keys().map(String::as_str))
                        .map(|near| format!("trigger.{near}"));
                    scene.add(match proposal {
                        Some(proposal) => finding.did_you_mean(&proposal),
                        None => finding.help("declare it under `triggers:`"),
                    });
                }
                None => channel(scene, text, span),
            }
        }
        if let Some(monitor) = &alert.target.monitor
            && let Some(Reference::Output { step, .. }) = Reference::parse(monitor)
            && !draft.spec.steps.contains_key(step)
        {
            let span = draft.span(
                scene.sources,
                &Path::root().key("alerts").key(name).key("target").key("monitor"),
            );
            let finding =
                found("S02/unknown-step", span, format!("there is no step `{step}`")).label("no such step");
            let finding = near(finding, step, draft.spec.steps.keys().map(String::as_str), "");
            scene.add(finding);
        }
    }
    for (index, text) in draft.spec.sla.iter().flat_map(|sla| &sla.on_breach).enumerate() {
        let span = draft.span(
            scene.sources,
            &Path::root().key("sla").key("on_breach").index(index),
        );
        channel(scene, text, span);
    }
}

pub(super) fn secrets(scene: &mut Scene<'_>) {
    let Some(project) = scene.project.filter(|project| !project.secrets.is_empty()) else {
        return;
    };
    let draft = scene.draft;
    let mut named: Vec<(Path, String)> = Vec::new();
    for (name, step) in &draft.spec.steps {
        let at = Path::root().key("steps").key(name).key("secrets");
        named.extend(
            step.secrets
                .iter()
                .map(|(variable, secret)| (at.key(variable), secret.clone())),
        );
    }
    for (name, trigger) in &draft.spec.triggers {
        if let Trigger::Webhook(webhook) = trigger
            && let Some(WebhookAuth::HmacSha256 { secret } | WebhookAuth::Bearer { secret }) = &webhook.auth
        {
            named.push((
                Path::root().key("triggers").key(name).key("auth").key("secret"),
                secret.clone(),
            ));
        }
    }
    for (name, channel) in &draft.spec.notify {
        if let Some(secret) = channel.secret()
            && !draft.borrowed.contains(&("notify", name.clone()))
        {
            let at = Path::root().key("notify").key(name);
            let at = match channel.kind() {
                "email" => at.key("smtp"),
                _ => at,
            };
            named.push((at.key("secret"), secret.to_owned()));
        }
    }
    for (at, secret) in named {
        if project.secrets.contains_key(&secret) {
            continue;
        }
        let span = draft.span(scene.sources, &at);
        let finding = found(
            "S02/unknown-secret",
            span,
            format!("the project declares no secret `{secret}`"),
        )
        .label("no such secret");
        let names = project.secrets.keys().map(String::as_str);
        let finding = near(
            finding,
            &secret,
            names,
            "declare it under `secrets:` of trainyard.yaml",
        );
        scene.add(finding);
    }
}
