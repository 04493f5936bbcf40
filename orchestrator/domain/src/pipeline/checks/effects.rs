//! Effects that happen twice, or not at all.
//!
//! Why: an attempt that was lost may have done its work; tried again, a message is sent twice or a row
//! written twice, unless the receiver can tell by a key that it is the same. And a step whose result is
//! reused does not run, so what it should change outside stays undone.
//!
//! ```yaml
//! post: {run: "curl -X POST …", cache: false, retry: {max_attempts: 3}}    # S09/effect-retried
//! post: {run: "curl -X POST …"}                                            # S09/effect-reused
//! ```

use super::script::{Command, commands};
use super::{Scene, found};
use crate::diagnostic::{Fix, Span};
use crate::pipeline::draft::Draft;
use crate::pipeline::locate;
use crate::pipeline::reader::Node;
use crate::pipeline::spec::{Cache, HookStep, Project, Retry, Step};
use std::ops::Range;

/// A command that changes something elsewhere.
struct Change {
    what: &'static str,
    /// Bytes of the script.
    at: Range<usize>,
    /// Doing it again gives the same state, as a deletion or a copy to a fixed place does.
    is_repeatable: bool,
    /// It may be a question as well: what is got back matters.
    may_ask: bool,
}

pub(super) fn run(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    for (index, (name, step)) in draft.spec.steps.iter().enumerate() {
        let Some(entry) = draft.step_entry(index) else {
            continue;
        };
        if draft.damaged.contains(name) {
            continue;
        }
        let wired = &scene.steps[index];
        let effect = wired.kind.as_ref().and_then(|kind| kind.effect());
        // Reading what a database holds is an effect only in that it cannot be foretold.
        let kind_changes = effect.filter(|_| !wired.uses.starts_with("ingest."));
        if let (Some(effect), Some(cache)) = (kind_changes, entry.value.get("cache"))
            && !matches!(step.cache, Some(Cache::Switch(false)))
        {
            let span = value_span(
                scene,
                entry.value.entry("cache").map_or(entry.key_span, |e| e.key_span),
                cache,
            );
            let mut finding = found(
                "S09/effect-reused",
                span,
                format!("`{name}` changes something outside ({effect}), and a reused result would leave that undone"),
            )
            .label("may be reused")
            .help("write `cache: false`; steps with effects need no more than that");
            if span == cache.span {
                finding.0.fix = Some(Fix {
                    span,
                    replacement: "false".to_owned(),
                });
            }
            scene.add(finding);
        }
        let Some((node, text)) = script_of(&entry.value) else {
            continue;
        };
        let Some(change) = change_of(text) else { continue };
        retried(scene, name, step, &entry.value, node, text, &change);
        reused(scene, name, step, entry.key_span, node, &change);
    }
    for (hook, spec) in hooks(draft) {
        let Some((node, text)) = script_of(hook) else {
            continue;
        };
        let Some(change) = change_of(text) else { continue };
        let attempts = attempts(spec.retry.as_ref(), draft, scene.project);
        let own = spec.retry.as_ref().and_then(|retry| retry.max_attempts).is_some();
        finding_of_retry(scene, "the hook", hook, node, text, &change, attempts, own);
    }
}

fn hooks(draft: &Draft) -> Vec<(&Node, &HookStep)> {
    use crate::pipeline::spec::FailureAction;
    let mut all: Vec<(&Node, &HookStep)> = Vec::new();
    fn listed(node: Option<&Node>) -> std::slice::Iter<'_, Node> {
        node.map(Node::items).unwrap_or_default().iter()
    }
    fn run_of(action: &FailureAction) -> Option<&HookStep> {
        match action {
            FailureAction::Run(hook) => Some(hook),
            FailureAction::Notify(_) => None,
        }
    }
    for (index, step) in draft.spec.steps.values().enumerate() {
        let Some(entry) = draft.step_entry(index) else {
            continue;
        };
        let nodes = listed(entry.value.get("on_failure")).zip(&step.on_failure);
        all.extend(nodes.filter_map(|(node, action)| Some((node, run_of(action)?))));
    }
    let of_run = listed(draft.root.get("on_failure")).zip(&draft.spec.on_failure);
    all.extend(of_run.filter_map(|(node, action)| Some((node, run_of(action)?))));
    all.extend(listed(draft.root.get("finally")).zip(&draft.spec.finally));
    all
}

fn value_span(scene: &Scene<'_>, key: Span, node: &Node) -> Span {
    let is_one_line = scene
        .sources
        .file(node.span.file)
        .and_then(|file| file.text.get(node.span.start..node.span.end))
        .is_some_and(|text| !text.contains('\n'));
    if is_one_line { node.span } else { key }
}

fn script_of(step: &Node) -> Option<(&Node, &str)> {
    let node = step.get("run").or_else(|| step.get("with")?.get("script"))?;
    Some((node, node.text()?))
}

/// Attempts in all: the step's own word, then the pipeline's, then the project's; else one.
fn attempts(own: Option<&Retry>, draft: &Draft, project: Option<&Project>) -> u32 {
    let of = |retry: Option<&Retry>| retry.and_then(|retry| retry.max_attempts);
    of(own)
        .or_else(|| of(draft.spec.defaults.retry.as_ref()))
        .or_else(|| of(project.and_then(|project| project.defaults.retry.as_ref())))
        .unwrap_or(1)
}

fn retried(
    scene: &mut Scene<'_>,
    name: &str,
    step: &Step,
    entry: &Node,
    node: &Node,
    text: &str,
    change: &Change,
) {
    // With an output, the answer is what the request is for.
    if change.may_ask && !step.outputs.is_empty() && !matches!(step.cache, Some(Cache::Switch(false))) {
        return;
    }
    let attempts = attempts(step.retry.as_ref(), scene.draft, scene.project);
    let own = step.retry.as_ref().and_then(|retry| retry.max_attempts).is_some();
    finding_of_retry(
        scene,
        &format!("`{name}`"),
        entry,
        node,
        text,
        change,
        attempts,
        own,
    );
}

#[expect(
    clippy::too_many_arguments,
    reason = "a step and a hook have these in different places"
)]
fn finding_of_retry(
    scene: &mut Scene<'_>,
    who: &str,
    entry: &Node,
    node: &Node,
    text: &str,
    change: &Change,
    attempts: u32,
    own: bool,
) {
    if attempts < 2 || change.is_repeatable || has_key(text) {
        return;
    }
    let command = locate::of_range(scene.sources, node, change.at.clone());
    let limit = entry.get("retry").and_then(|retry| retry.get("max_attempts"));
    let message = format!(
        "{who} is tried up to {attempts} times, and each time {}: nothing tells the receiver that it is the same",
        change.what
    );
    let help = "send a key that stays the same from attempt to attempt, such as \
                `-H \"Idempotency-Key: $TRAINYARD_RUN-$TRAINYARD_STEP\"`, or write `retry: {max_attempts: 1}`";
    let finding = match limit.filter(|_| own) {
        Some(limit) => {
            let mut finding = found("S09/effect-retried", limit.span, message)
                .label("tries an effect again")
                .also(command, "the effect")
                .help(help);
            finding.0.fix = Some(Fix {
                span: limit.span,
                replacement: "1".to_owned(),
            });
            finding
        }
        None => found("S09/effect-retried", command, message)
            .label("happens again with every attempt")
            .note("the number of attempts comes from `defaults.retry`")
            .help(help),
    };
    scene.add(finding);
}

/// A script whose only purpose is its effect, and which the second run would not run.
fn reused(scene: &mut Scene<'_>, name: &str, step: &Step, key: Span, node: &Node, change: &Change) {
    if !step.outputs.is_empty() || matches!(step.cache, Some(Cache::Switch(false))) {
        return;
    }
    let shared = [
        scene.draft.spec.defaults.cache.as_ref(),
        scene.project.and_then(|project| project.defaults.cache.as_ref()),
    ];
    let by_default = step
        .cache
        .as_ref()
        .or_else(|| shared.into_iter().flatten().next());
    if matches!(by_default, Some(Cache::Switch(false))) {
        return;
    }
    let command = locate::of_range(scene.sources, node, change.at.clone());
    scene.add(
        found(
            "S09/effect-reused",
            command,
            format!(
                "`{name}` {}, and is not run again while nothing it depends on changes: a script's results are reused",
                change.what
            ),
        )
        .label("left undone when it is reused")
        .also(key, "has no `cache: false`")
        .help("write `cache: false` into the step"),
    );
}

/// Whether something in the script stays the same from attempt to attempt and can serve as a key.
fn has_key(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    text.contains("TRAINYARD_RUN") || lower.contains("idempoten") || lower.contains("x-request-id")
}

/// The first command of a script that changes something elsewhere.
fn change_of(script: &str) -> Option<Change> {
    commands(script).iter().find_map(change)
}

const POSTS: &str = "posts to a URL";

fn change(command: &Command) -> Option<Change> {
    let words: Vec<&str> = command.words.iter().map(super::script::Word::bare).collect();
    let at = command.words.first()?.at.start..command.words.iter().take(3).next_back()?.at.end;
    let told = |what, is_repeatable| {
        Some(Change {
            what,
            at,
            is_repeatable,
            may_ask: matches!(what, POSTS),
        })
    };
    let has = |word: &str| words.contains(&word);
    match (
        words[0].rsplit('/').next().unwrap_or(""),
        words.get(1).copied().unwrap_or(""),
    ) {
        ("curl", _) => {
            let method = http_method(&words)?;
            told(
                match method {
                    "PUT" => "puts something at a URL",
                    "DELETE" => "deletes what is at a URL",
                    _ => POSTS,
                },
                matches!(method, "PUT" | "DELETE"),
            )
        }
        ("wget", _) if words.iter().any(|word| word.starts_with("--post-")) => told(POSTS, false),
        ("http" | "https" | "xh", "POST") => told(POSTS, false),
        ("mail" | "mailx" | "sendmail" | "mutt", _) => told("sends a mail", false),
        ("aws", "sns") if has("publish") => told("publishes a message", false),
        ("aws", "sqs") if has("send-message") => told("sends a message", false),
        ("aws", "s3") if has("cp") || has("mv") || has("sync") || has("rm") => {
            let is_upload = words.last().is_some_and(|last| last.starts_with("s3://")) || has("rm");
            is_upload.then(|| told("changes a bucket", !has("mv"))).flatten()
        }
        ("gsutil", "cp" | "mv" | "rsync") if words.last().is_some_and(|last| last.starts_with("gs://")) => {
            told("changes a bucket", !has("mv"))
        }
        ("gcloud", "pubsub") if has("publish") => told("publishes a message", false),
        ("kubectl", "create") => told("creates something in a cluster", false),
        ("kubectl", "apply" | "delete" | "scale" | "patch" | "set") => told("changes a cluster", true),
        ("docker" | "podman", "push") => told("pushes an image", true),
        ("git", "push") => told("pushes to a repository", true),
        ("kafka-console-producer" | "kafka-console-producer.sh", _) => told("sends messages", false),
        ("kcat" | "kafkacat", _) if has("-P") => told("sends messages", false),
        ("psql" | "mysql" | "sqlite3" | "duckdb", _) => {
            let statement = words.iter().map(|word| word.to_ascii_lowercase());
            let mut statement = statement.filter(|word| word.contains(' '));
            let inserts = statement.any(|sql| {
                let inserts = sql.contains("insert into ")
                    && !sql.contains("on conflict")
                    && !sql.contains("or replace");
                inserts || (sql.contains("update ") && sql.contains(" + "))
            });
            inserts.then(|| told("writes to a database", false)).flatten()
        }
        _ => None,
    }
}

/// The method of a `curl` that changes something.
fn http_method<'w>(words: &[&'w str]) -> Option<&'w str> {
    let mut method = None;
    let mut has_body = false;
    let mut as_query = false;
    let mut rest = words[1..].iter().copied();
    while let Some(word) = rest.next() {
        match word {
            "-X" | "--request" => method = rest.next(),
            "-G" | "--get" => as_query = true,
            "-T" | "--upload-file" => method = method.or(Some("PUT")),
            "--json" | "-d" | "--data" | "--data-binary" | "--data-raw" | "--data-urlencode" | "-F"
            | "--form" => {
                has_body = true;
                rest.next();
            }
            _ => {
                if let Some(glued) = word.strip_prefix("-X").filter(|_| !word.starts_with("--")) {
                    method = Some(glued);
                } else if let Some(given) = word.strip_prefix("--request=") {
                    method = Some(given);
                } else {
                    let long = ["--data", "--json=", "--form="];
                    let is_short = word.starts_with("-d") && !word.starts_with("--");
                    has_body |= is_short || long.iter().any(|option| word.starts_with(option));
                }
            }
        }
    }
    match method {
        Some(method @ ("POST" | "PUT" | "PATCH" | "DELETE")) => Some(method),
        Some(_) => None,
        None => (has_body && !as_query).then_some("POST"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::fixture::findings;

    fn step(more: &str) -> Vec<String> {
        findings(&format!("version: 1\nname: p\nsteps:\n  a:\n{more}"))
    }

    #[test]
    fn an_effect_is_tried_again_only_with_a_key() {
        let post = |rest: &str, retry: &str| {
            step(&format!(
                "    run: >-\n      curl -X POST{rest} https://example.com\n    cache: false\n{retry}"
            ))
        };
        let retry = "    retry: {max_attempts: 3}\n";
        assert_eq!(post("", retry), ["S09/effect-retried 8:27 3"]);
        assert_eq!(post("", ""), Vec::<String>::new());
        assert_eq!(post("", "    retry: {max_attempts: 1}\n"), Vec::<String>::new());
        let key = " -H \"Idempotency-Key: $TRAINYARD_RUN\"";
        assert_eq!(post(key, retry), Vec::<String>::new());
    }

    #[test]
    fn attempts_may_come_from_defaults() {
        let text = "version: 1\nname: p\ndefaults: {retry: {max_attempts: 2}}\nsteps:\n  a:\n    cache: false\n    run: mail -s x a@example.com\n";
        assert_eq!(findings(text), ["S09/effect-retried 7:10 mail -s x"]);
    }

    #[test]
    fn a_script_for_its_effect_alone_is_not_reused() {
        assert_eq!(
            step("    run: curl -d x=1 https://example.com\n"),
            ["S09/effect-reused 5:10 curl -d x=1"]
        );
        let kept =
            step("    run: curl -d x=1 https://example.com > \"$OUT_x\"\n    outputs: {x: {type: file}}\n");
        assert_eq!(kept, Vec::<String>::new());
    }

    #[test]
    fn a_step_with_an_effect_that_asks_for_reuse_would_leave_it_undone() {
        let text = |cache: &str| {
            format!(
                "version: 1\nname: p\nsteps:\n  t: {{run: 'true > \"$OUT_m\"', outputs: {{m: {{type: model}}}}}}\n  \
                 r:\n    uses: registry.register@v1\n    inputs: {{model: t.m}}\n    with: {{name: x}}\n    cache: {cache}\n"
            )
        };
        assert_eq!(findings(&text("true")), ["S09/effect-reused 9:12 true"]);
        assert_eq!(findings(&text("false")), Vec::<String>::new());
    }

    #[test]
    fn reading_and_putting_to_a_fixed_place_may_be_repeated() {
        let told = |script: &str| change_of(script).map(|change| (change.what, change.is_repeatable));
        for reading in [
            "curl -sS https://example.com/x | jq .",
            "curl -G -d q=1 https://example.com",
            "aws s3 cp s3://b/x .",
            "psql -c \"select 1 + 1\"",
            "psql -c \"insert into t values (1) on conflict do nothing\"",
            "git pull && docker pull x",
            "curl -X GET https://example.com",
        ] {
            assert_eq!(told(reading), None, "{reading}");
        }
        assert_eq!(
            told("curl -T x https://e/y"),
            Some(("puts something at a URL", true))
        );
        assert_eq!(told("aws s3 cp x s3://b/x"), Some(("changes a bucket", true)));
        assert_eq!(
            told("a; psql -c 'INSERT INTO t VALUES (1)'"),
            Some(("writes to a database", false))
        );
        assert_eq!(told("curl -XPOST u"), Some(("posts to a URL", false)));
    }
}
