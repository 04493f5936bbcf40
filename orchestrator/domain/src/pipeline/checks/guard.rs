//! Models that reach people unguarded (M08).
//!
//! Why: a gate or an alert on a number that nobody produces never says no; a model that goes to
//! production without anyone's word, or is not watched there, fails unseen; an alert that nobody owns or
//! that does nothing helps nobody.
//!
//! ```yaml
//! alerts: {decay: {target: {monitor: monitor.monitor, metric: roc_acu}, …}}   # M08/unknown-metric
//! register: {uses: registry.register@v1, with: {alias: production}}           # M08/no-approval
//! ```

use super::{Scene, found};
use crate::diagnostic::{Fix, Span};
use crate::expression::Template;
use crate::pipeline::infer::values_of;
use crate::pipeline::locate;
use crate::pipeline::reader::Node;
use crate::pipeline::spec::CheckLevel;
use serde_json::Value;
use std::collections::BTreeSet;
use trainyard_contract::finding::nearest;
use trainyard_contract::{Path, Ports, Runner};

/// Whether an environment is the one whose results people rely on.
pub(crate) fn is_production(environment: &str) -> bool {
    matches!(environment, "prod" | "production")
}

pub(super) fn run(scene: &mut Scene<'_>) {
    production(scene);
    strictness(scene);
    alerts(scene);
    own_gates(scene);
}

/// Production is checked strictly, whatever the file says.
fn strictness(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    for (name, environment) in &draft.spec.environments {
        let Some(level) = environment.check.filter(|level| *level != CheckLevel::Strict) else {
            continue;
        };
        if !is_production(name) {
            continue;
        }
        let path = Path::root().key("environments").key(name).key("check");
        let span = draft.span(scene.sources, &path);
        let word = match level {
            CheckLevel::Off => "off",
            _ => "baseline",
        };
        let mut finding = found(
            "M08/production-not-strict",
            span,
            format!("`{name}` asks for checks at level {word}; production is always checked at level strict"),
        )
        .label("not obeyed")
        .help("write `strict`, or leave it out");
        finding.0.fix = Some(Fix {
            span,
            replacement: "strict".to_owned(),
        });
        scene.add(finding);
    }
}

/// Steps that put a model where it decides about people.
fn production(scene: &mut Scene<'_>) {
    let Some(environment) = scene
        .environments()
        .into_iter()
        .flatten()
        .find(|environment| is_production(environment))
    else {
        return;
    };
    let draft = scene.draft;
    let values = values_of(scene, Some(&environment));
    let runs: Vec<bool> = draft
        .spec
        .steps
        .values()
        .map(|step| match &step.condition {
            Some(Value::Bool(runs)) => *runs,
            Some(Value::String(text)) => !matches!(values.evaluate(text), Ok(Some(Value::Bool(false)))),
            _ => true,
        })
        .collect();
    let has_rule = draft
        .spec
        .environments
        .get(&environment)
        .is_some_and(|environment| environment.required_approvals.is_some());
    for (index, (name, step)) in draft.spec.steps.iter().enumerate() {
        let Some(entry) = draft.step_entry(index).filter(|_| runs[index]) else {
            continue;
        };
        let uses = scene.steps[index].uses.as_str();
        let alias = step.with.get("alias").and_then(Value::as_str);
        let is_deployment = uses.starts_with("deploy.endpoint@");
        let is_promotion = uses.starts_with("registry.register@")
            && alias.is_some_and(|alias| matches!(alias, "production" | "champion"));
        if !is_deployment && !is_promotion {
            continue;
        }
        let span = if is_promotion {
            locate::of_path(
                scene.sources,
                &entry.value,
                &Path::root().key("with").key("alias"),
            )
        } else {
            entry.value.get("uses").map_or(entry.key_span, |node| node.span)
        };
        let does = if is_deployment {
            "deploys"
        } else {
            "puts a model into production"
        };
        let is_approved = has_rule
            || upstream(scene, index)
                .into_iter()
                .any(|above| runs[above] && is_approval(scene, above));
        if !is_approved {
            let finding = found(
                "M08/no-approval",
                span,
                format!("`{name}` {does} in `{environment}` without anybody's approval"),
            )
            .label("nobody has agreed")
            .help(format!(
                "let it wait for a `gate.approval@v1` step by `needs`, or give `{environment}` \
                 `required_approvals: {{roles: […], min: 1}}`"
            ));
            scene.add(finding);
        }
        let is_watched = (0..scene.steps.len()).any(|other| {
            runs[other]
                && scene.steps[other].uses.starts_with("monitor.")
                && upstream(scene, other).contains(&index)
        }) || draft
            .spec
            .alerts
            .values()
            .any(|alert| alert.target.endpoint.is_some());
        if is_deployment && !is_watched {
            let finding = found(
                "M08/no-monitor",
                span,
                format!("`{name}` deploys in `{environment}`, and nothing watches what it answers there"),
            )
            .label("not watched")
            .help("attach a `monitor.attach@v1` step to its endpoint, and alerts to that");
            scene.add(finding);
        }
    }
}

fn is_approval(scene: &Scene<'_>, step: usize) -> bool {
    scene.steps[step]
        .kind
        .as_ref()
        .is_some_and(|kind| kind.signature.runner == Runner::Orchestrator)
}

/// Everything that is over before a step begins.
fn upstream(scene: &Scene<'_>, step: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut left = vec![step];
    while let Some(index) = left.pop() {
        for above in scene.steps[index].upstream() {
            if found.insert(above) {
                left.push(above);
            }
        }
    }
    found
}

fn alerts(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    let owner = draft
        .spec
        .owner
        .as_ref()
        .or_else(|| scene.project.and_then(|project| project.owner.as_ref()));
    let known = metrics(scene);
    for (name, alert) in &draft.spec.alerts {
        let at = Path::root().key("alerts").key(name);
        let key = draft.key_span(scene.sources, &at);
        // What a damaged alert lacks may be what was misspelt.
        let whole = draft.root.find(&at.0).node.span;
        let is_damaged =
            |span: &Span| span.file == whole.file && span.start >= whole.start && span.end <= whole.end;
        if draft.loaded.damage.iter().any(is_damaged) {
            continue;
        }
        if alert.owner.is_none() && owner.is_none() {
            let finding = found(
                "M08/alert-without-owner",
                key,
                format!("nobody owns the alert `{name}`, and the pipeline has no owner either"),
            )
            .label("nobody's")
            .help("name who answers for it: `owner: TEAM`, here or for the whole pipeline");
            scene.add(finding);
        }
        if alert.actions.is_empty() {
            let span = match draft.root.find(&at.key("actions").0) {
                found if found.depth == 3 => draft.key_span(scene.sources, &at.key("actions")),
                _ => key,
            };
            let channel = draft.spec.notify.keys().next();
            let help = match channel {
                Some(channel) => {
                    format!("say whom it tells or what it starts: `actions: [notify.{channel}]`")
                }
                None => "say whom it tells or what it starts, by `actions:` and `notify:`".to_owned(),
            };
            let finding = found(
                "M08/alert-without-action",
                span,
                format!("a breach of the alert `{name}` does nothing"),
            )
            .label("without an action")
            .help(help);
            scene.add(finding);
        }
        // What an endpoint or a dataset is measured by is no metric of a model.
        if alert.target.monitor.is_none() || known.is_empty() {
            continue;
        }
        for (metric, path) in [
            (&alert.target.metric, at.key("target").key("metric")),
            (&alert.metric, at.key("metric")),
        ] {
            let Some(metric) = metric.as_deref() else { continue };
            if known.contains(metric) || OPERATIONAL.contains(&metric) {
                continue;
            }
            let span = draft.span(scene.sources, &path);
            let finding = found(
                "M08/unknown-metric",
                span,
                format!("the alert `{name}` waits for the metric `{metric}`, which nothing produces"),
            )
            .label("never has a value");
            scene.add(
                match nearest(metric, known.iter().map(String::as_str).chain(OPERATIONAL)) {
                    Some(near) => finding.did_you_mean(near),
                    None => finding.help("metrics are those that the evaluation of the model can give"),
                },
            );
        }
    }
}

/// What a monitor counts whatever the model.
const OPERATIONAL: [&str; 14] = [
    "latency",
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "error_ratio",
    "errors",
    "requests",
    "rows",
    "row_count",
    "null_ratio",
    "prediction",
    "predictions",
    "score",
    "throughput",
];

/// Metrics that the evaluations of this pipeline can give; of all evaluations that there are, if it has
/// none. None are known if a script makes metrics, since nobody knows which.
fn metrics(scene: &Scene<'_>) -> BTreeSet<String> {
    let makes_own = scene.steps.iter().any(|step| {
        let is_open = step
            .kind
            .as_ref()
            .is_none_or(|kind| matches!(kind.signature.outputs, Ports::Any { .. }));
        is_open
            && step
                .outputs
                .values()
                .any(|output| output.kind == trainyard_contract::ArtifactKind::Metrics)
    });
    if makes_own {
        return BTreeSet::new();
    }
    let is_evaluation = |uses: &str| uses.starts_with("evaluate.");
    let own: BTreeSet<&str> = scene
        .steps
        .iter()
        .map(|step| step.uses.as_str())
        .filter(|uses| is_evaluation(uses))
        .collect();
    let mut known = BTreeSet::new();
    let kinds = scene.kinds.catalogue.iter().map(|(uses, _)| uses);
    for uses in kinds.filter(|uses| is_evaluation(uses) && (own.is_empty() || own.contains(uses))) {
        known.extend(words_of_kind(scene, uses));
    }
    known
}

/// Metrics that a kind of evaluation can give.
fn words_of_kind(scene: &Scene<'_>, uses: &str) -> Vec<String> {
    scene
        .kinds
        .get(uses)
        .map_or_else(Vec::new, |kind| words_of(&kind.signature.params, "metrics"))
}

/// The words that a list parameter may hold, by its schema.
fn words_of(schema: &Value, parameter: &str) -> Vec<String> {
    let resolve = |node: &'_ Value| -> Value {
        match node
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|path| path.strip_prefix('#'))
        {
            Some(pointer) => schema.pointer(pointer).cloned().unwrap_or(Value::Null),
            None => node.clone(),
        }
    };
    let Some(items) = schema.pointer(&format!("/properties/{parameter}/items")) else {
        return Vec::new();
    };
    let items = resolve(items);
    let mut words = Vec::new();
    let of = |node: &Value, words: &mut Vec<String>| {
        let listed = node.get("enum").and_then(Value::as_array).into_iter().flatten();
        words.extend(
            listed
                .chain(node.get("const"))
                .filter_map(Value::as_str)
                .map(str::to_owned),
        );
    };
    of(&items, &mut words);
    for key in ["oneOf", "anyOf"] {
        for one in items.get(key).and_then(Value::as_array).into_iter().flatten() {
            of(&resolve(one), &mut words);
        }
    }
    words
}

/// Conditions over a metric of an evaluation that it was not asked for.
fn own_gates(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    let mut findings = Vec::new();
    for entry in draft.root.get("steps").map(Node::entries).unwrap_or_default() {
        let Some(node) = entry.value.get("if") else {
            continue;
        };
        let Some(text) = node.text().filter(|text| Template::is_in(text)) else {
            continue;
        };
        for (step, metric, range) in mentioned(text) {
            let Some(index) = draft.spec.steps.get_index_of(step) else {
                continue;
            };
            let wired = &scene.steps[index];
            if !wired.uses.starts_with("evaluate.") {
                continue;
            }
            let Some(made) = produced(scene, index) else {
                continue;
            };
            // An evaluation tells more than was asked for, under names of its own (`champion_…`), so only
            // a metric that it could give and was not asked for, or a slip of the pen, is a fault.
            let is_slip = nearest(metric, made.iter().map(String::as_str)).is_some();
            let is_left_out = words_of_kind(scene, &wired.uses)
                .iter()
                .any(|word| word == metric);
            if made.contains(metric) || OPERATIONAL.contains(&metric) || !(is_slip || is_left_out) {
                continue;
            }
            let span: Span = locate::of_range(scene.sources, node, range);
            let finding = found(
                "M08/unknown-metric",
                span,
                format!("`{step}` produces no metric `{metric}`, so this gate has nothing to go by"),
            )
            .label("never has a value");
            findings.push(
                match nearest(metric, made.iter().map(String::as_str)).filter(|_| !is_left_out) {
                    Some(near) => finding.did_you_mean(near),
                    None => finding.help(format!("add `{metric}` to `metrics:` of `{step}`")),
                },
            );
        }
    }
    scene.out.extend(findings.into_iter().map(super::Finding::done));
}

/// `steps.NAME.metrics.METRIC` and `steps.NAME.outputs.metrics.METRIC`: step, metric, its bytes.
fn mentioned(text: &str) -> Vec<(&str, &str, std::ops::Range<usize>)> {
    let length = |text: &str| {
        text.bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            .count()
    };
    let mut all = Vec::new();
    for (at, _) in text.match_indices("steps.") {
        let rest = &text[at + 6..];
        let step = &rest[..length(rest)];
        let after = &rest[step.len()..];
        let Some(prefix) = [".outputs.metrics.", ".metrics."]
            .into_iter()
            .find(|prefix| after.starts_with(prefix))
        else {
            continue;
        };
        let metric = &after[prefix.len()..];
        let metric = &metric[..length(metric)];
        let start = at + 6 + step.len() + prefix.len();
        if !metric.is_empty() {
            all.push((step, metric, start..start + metric.len()));
        }
    }
    all
}

/// Metrics that an evaluation was asked for; `None` where it takes its usual ones.
fn produced(scene: &Scene<'_>, index: usize) -> Option<BTreeSet<String>> {
    let (_, spec) = scene.draft.spec.steps.get_index(index)?;
    let words = |value: Option<&Value>| -> Option<Vec<String>> {
        value?
            .as_array()?
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let mut made: BTreeSet<String> = words(spec.with.get("metrics"))?.into_iter().collect();
    if made.is_empty() || made.iter().any(|word| Template::is_in(word)) {
        return None;
    }
    let gates = spec
        .with
        .get("gates")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for gate in gates {
        made.extend(gate.get("metric").and_then(Value::as_str).map(str::to_owned));
    }
    Some(made)
}

#[cfg(test)]
mod tests {
    use crate::pipeline::fixture::{checked, findings, project};

    const MODEL: &str = "  t: {run: 'make > \"$OUT_m\"', outputs: {m: {type: model}}}\n";

    fn found(head: &str, steps: &str) -> Vec<String> {
        let mut found = findings(&format!("version: 1\nname: p\n{head}steps:\n{MODEL}{steps}"));
        found.retain(|found| !found.starts_with("S06"));
        found
    }

    const PROD: &str = "environments: {dev: {}, prod: {}}\n";

    #[test]
    fn what_goes_to_production_has_somebodys_word() {
        let register = |more: &str| {
            format!(
                "  r: {{uses: registry.register@v1, inputs: {{model: t.m}}, with: {{alias: production}}, cache: false{more}}}\n"
            )
        };
        assert_eq!(found(PROD, &register("")), ["M08/no-approval 6:71 production"]);
        let approve = "  a: {uses: gate.approval@v1, inputs: {model: t.m}}\n";
        assert_eq!(
            found(PROD, &(approve.to_owned() + &register(", needs: [a]"))),
            Vec::<String>::new()
        );
        let only_in_dev = ", if: \"${{ environment.name == 'dev' }}\"";
        assert_eq!(found(PROD, &register(only_in_dev)), Vec::<String>::new());
        assert_eq!(
            found("environments: {dev: {}}\n", &register("")),
            Vec::<String>::new()
        );
        let ruled = "environments: {prod: {required_approvals: {roles: [risk]}}}\n";
        assert_eq!(found(ruled, &register("")), Vec::<String>::new());
        // An approval that is skipped in production is none.
        let elsewhere =
            "  a: {uses: gate.approval@v1, inputs: {model: t.m}, if: \"${{ environment.name == 'dev' }}\"}\n";
        assert_eq!(
            found(PROD, &(elsewhere.to_owned() + &register(", needs: [a]"))),
            ["M08/no-approval 7:71 production"]
        );
    }

    #[test]
    fn what_is_deployed_is_watched() {
        let steps = "  r: {uses: registry.register@v1, inputs: {model: t.m}}\n  d: {uses: deploy.endpoint@v1, inputs: {version: r.version}}\n";
        let ruled = "environments: {prod: {required_approvals: {roles: [risk]}}}\n";
        assert_eq!(found(ruled, steps), ["M08/no-monitor 7:13 deploy.endpoint@v1"]);
        let watched = format!("{steps}  m: {{uses: monitor.attach@v1, inputs: {{endpoint: d.endpoint}}}}\n");
        assert_eq!(found(ruled, &watched), Vec::<String>::new());
    }

    #[test]
    fn an_alert_has_an_owner_and_does_something() {
        let alert = |more: &str| {
            format!(
                "alerts: {{slow: {{target: {{endpoint: e}}, statistic: p99, operator: \">\", limit: 1{more}}}}}\n"
            )
        };
        assert_eq!(
            found(&alert(""), ""),
            [
                "M08/alert-without-action 3:10 slow",
                "M08/alert-without-owner 3:10 slow"
            ]
        );
        let told = format!(
            "owner: me\nnotify: {{x: {{type: file, path: x.log}}}}\n{}",
            alert(", actions: [notify.x]")
        );
        assert_eq!(found(&told, ""), Vec::<String>::new());
    }

    #[test]
    fn production_is_strict_whatever_it_says() {
        let text = "version: 1\nname: p\nenvironments: {prod: {check: off}}\nparams: {unused: {type: integer, default: 1}}\nsteps: {a: {run: 'true'}}\n";
        let files = project(text);
        let found = crate::pipeline::check(&crate::pipeline::CheckRequest {
            project: None,
            entries: &["pipelines/p.yaml".to_owned()],
            files: &files,
            catalogue: &crate::pipeline::fixture::catalogue(),
            environment: Some("prod"),
            params: &std::collections::BTreeMap::new(),
            level: None,
        });
        assert!(found.has_errors());
        let codes: Vec<&str> = found
            .diagnostics
            .iter()
            .map(|found| found.code.as_str())
            .collect();
        assert_eq!(codes, ["M08/production-not-strict", "S06/unused-param"]);
        let elsewhere = checked(&files, &["pipelines/p.yaml"], None);
        assert!(!elsewhere.has_errors());
    }
}
