//! Secrets that flow to where people can read them.
//!
//! Why: what a run is given, writes and prints is kept for ever and shown to everybody who may look
//! at it. A secret belongs into `secrets:`, which hands it to one process and to nothing else. The mask
//! over logs is a net below that, not a licence: it knows a secret only as it is, not cut or encoded.
//!
//! ```yaml
//! run: 'echo "$TOKEN"'                                   # S08/secret-in-log
//! run: 'echo "{\"t\": \"$TOKEN\"}" > "$OUT_report"'      # S08/secret-in-output
//! env: {DB_PASSWORD: hunter2-hunter2}                    # S08/secret-in-file
//! params: {key: "${{ event.headers.authorization }}"}    # S08/secret-in-parameter
//! ```

use super::script::{Command, commands};
use super::{Scene, found};
use crate::diagnostic::{Fix, Span};
use crate::expression::Template;
use crate::pipeline::locate;
use crate::pipeline::reader::Node;
use std::collections::BTreeSet;
use std::ops::Range;
use trainyard_contract::{Path, Segment};

pub(super) fn run(scene: &mut Scene<'_>) {
    let root = &scene.draft.root;
    for step in root.get("steps").map(Node::entries).unwrap_or_default() {
        script(scene, &step.value);
        hooks(scene, step.value.get("on_failure"));
    }
    hooks(scene, root.get("on_failure"));
    hooks(scene, root.get("finally"));
    written(scene);
    handed_on(scene);
}

fn hooks(scene: &mut Scene<'_>, list: Option<&Node>) {
    for hook in list.map(Node::items).unwrap_or_default() {
        script(scene, hook);
    }
}

/// What a script does with the variables that secrets fill.
fn script(scene: &mut Scene<'_>, step: &Node) {
    let secrets: BTreeSet<&str> = step
        .get("secrets")
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|entry| &*entry.key)
        .collect();
    if secrets.is_empty() {
        return;
    }
    let node = step.get("run").or_else(|| step.get("with")?.get("script"));
    let Some((node, text)) = node.and_then(|node| Some((node, node.text()?))) else {
        return;
    };
    let commands = commands(text);
    let uses_one = commands.iter().any(|command| {
        let words = command.words.iter().flat_map(|word| word.variables());
        words.into_iter().any(|(name, _)| secrets.contains(name))
    });
    for command in &commands {
        let Some(program) = command.words.first() else {
            continue;
        };
        let at = |range: &Range<usize>| locate::of_range(scene.sources, node, range.clone());
        match program.bare() {
            "echo" | "printf" => printed(scene, node, command, &secrets),
            "cat" if command.words.len() == 1 => {}
            "env" | "printenv" | "export" | "set" | "declare" => {
                let rest: Vec<&str> = command.words[1..].iter().map(|word| word.bare()).collect();
                let prints_all = match (program.bare(), rest.as_slice()) {
                    ("env" | "printenv" | "set" | "export", []) | ("export" | "declare", ["-p"]) => true,
                    ("printenv", names) => names.iter().any(|name| secrets.contains(name)),
                    _ => false,
                };
                if prints_all && reaches_log(command) {
                    let names: Vec<&str> = secrets.iter().copied().collect();
                    let finding = found(
                        "S08/secret-in-log",
                        at(&program.at),
                        format!("`{}` writes `{}` to the log", program.bare(), names.join("`, `")),
                    )
                    .label("prints the environment, secrets included")
                    .help("print single variables that are no secrets");
                    scene.add(finding);
                }
                if program.bare() == "set"
                    && uses_one
                    && let Some(word) = command.words[1..].iter().find(|word| traces(&word.text))
                {
                    let without = word.text.replace('x', "");
                    let span = at(&word.at);
                    let mut finding = found(
                        "S08/secret-in-log",
                        span,
                        "the script's trace writes each command with its secrets to the log",
                    )
                    .label("traces every command")
                    .help("leave `x` out; the log has what the commands print");
                    finding.0.fix = Some(Fix {
                        span,
                        replacement: if without == "-" { "+x".to_owned() } else { without },
                    });
                    scene.add(finding);
                }
            }
            _ => {}
        }
    }
}

/// `-x`, `-eux`: flags of `set` with `x`.
fn traces(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|flags| {
        flags.contains('x') && flags.bytes().all(|flag| flag.is_ascii_lowercase()) && flags.len() < 6
    })
}

fn reaches_log(command: &Command) -> bool {
    let to_log = |target: &str| matches!(target, "/dev/stdout" | "/dev/stderr" | "/dev/tty");
    !command.is_taken && command.target.as_ref().is_none_or(|target| to_log(target.bare()))
}

/// `echo` and `printf` of a secret, to the log or to what the run keeps.
fn printed(scene: &mut Scene<'_>, node: &Node, command: &Command, secrets: &BTreeSet<&str>) {
    let mentioned = command.words[1..].iter().flat_map(|word| word.variables());
    for (name, range) in mentioned.filter(|(name, _)| secrets.contains(name)) {
        let span = locate::of_range(scene.sources, node, range);
        if reaches_log(command) {
            let finding = found(
                "S08/secret-in-log",
                span,
                format!("the secret in `${name}` is written to the log"),
            )
            .label("a secret")
            .help("leave it out; whether it is set tells `${".to_owned() + name + ":+set}`");
            scene.add(finding);
            continue;
        }
        if command.is_taken {
            continue;
        }
        let kept = command
            .target
            .iter()
            .flat_map(|target| target.variables())
            .find_map(|(target, _)| match target {
                "TRAINYARD_METRICS" => Some("the metrics".to_owned()),
                _ => target
                    .strip_prefix("OUT_")
                    .map(|output| format!("the output `{output}`")),
            });
        if let Some(kept) = kept {
            let finding = found(
                "S08/secret-in-output",
                span,
                format!("the secret in `${name}` is written to {kept}, where it is kept and shown"),
            )
            .label("a secret")
            .help("keep what was got with it, never the secret itself");
            scene.add(finding);
        }
    }
}

/// Secrets that stand in the file.
fn written(scene: &mut Scene<'_>) {
    let mut places: Vec<(Span, String)> = Vec::new();
    scene
        .draft
        .root
        .each_text(&Path::root(), &mut |path, node, text| {
            if is_prose(path) || Template::is_in(text) {
                return;
            }
            if let Some((range, what)) = credential(text) {
                let span = locate::of_range(scene.sources, node, range);
                places.push((span, format!("{what} stands in this file")));
            } else if let Some(key) = secret_by_key(path)
                && looks_like_a_value(key, text)
            {
                let span = locate::of_range(scene.sources, node, 0..text.len());
                places.push((
                    span,
                    format!("`{key}` is a secret by its name, and its value stands in this file"),
                ));
            }
        });
    for (span, message) in places {
        let finding = found("S08/secret-in-file", span, message)
            .label("a secret")
            .help("make it invalid where it was issued, then name the new one under `secrets:` of the step");
        scene.add(finding);
    }
}

/// Words for people, and names of secrets.
fn is_prose(path: &Path) -> bool {
    let key = |at: usize| match path.0.get(at) {
        Some(Segment::Key(key)) => key.as_str(),
        _ => "",
    };
    let last = key(path.0.len().saturating_sub(1));
    matches!(last, "description" | "runbook" | "owner" | "uses" | "type" | "if")
        || matches!(key(0), "tests" | "include")
        || (0..path.0.len().saturating_sub(1)).any(|at| key(at) == "secrets" || key(at) == "inputs")
        || (matches!(key(0), "triggers" | "notify") && last == "secret")
}

/// The key whose value this text is, where keys are names of one's own.
fn secret_by_key(path: &Path) -> Option<&str> {
    let keys: Vec<&str> = path
        .0
        .iter()
        .filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect();
    let key = match keys.as_slice() {
        ["params", name, "default"] => name,
        ["environments", _, "vars" | "params", name] => name,
        ["triggers", _, "params", name] => name,
        ["datasets", _, "options", name] => name,
        [.., "env", name] => name,
        ["steps", _, "with", .., name] => name,
        _ => return None,
    };
    is_secret_name(key).then_some(*key)
}

/// Whether a name says that its value is a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    /// Tokens of texts, not of identity.
    const OF_TEXT: [&str; 14] = [
        "pad", "eos", "bos", "mask", "sep", "cls", "unk", "special", "max", "min", "num", "stop", "start",
        "end",
    ];
    let name = name.to_ascii_lowercase().replace('-', "_");
    let parts: Vec<&str> = name.split('_').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [.., "password" | "passwd" | "passphrase" | "apikey" | "secret"] => true,
        [.., "api" | "access" | "secret" | "private" | "signing", "key"] => true,
        [.., before, "token"] => !OF_TEXT.contains(before),
        _ => false,
    }
}

fn looks_like_a_value(key: &str, text: &str) -> bool {
    let is_plain = text.len() >= 4 && !text.contains([' ', '$', '<', '[', '{']);
    let is_mixed = || {
        text.len() >= 16
            && text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    // A path or a name of a secret is none itself.
    let is_name = text.starts_with(['/', '.']) || text.contains("://");
    is_plain && !is_name && (!key.to_ascii_lowercase().ends_with("token") || is_mixed())
}

/// A credential by its form: its bytes, and what it is.
fn credential(text: &str) -> Option<(Range<usize>, &'static str)> {
    const FORMS: [(&str, usize, &str); 11] = [
        ("AKIA", 16, "a key of AWS"),
        ("ASIA", 16, "a key of AWS"),
        ("ghp_", 36, "a token of GitHub"),
        ("gho_", 36, "a token of GitHub"),
        ("ghs_", 36, "a token of GitHub"),
        ("github_pat_", 40, "a token of GitHub"),
        ("glpat-", 20, "a token of GitLab"),
        ("xoxb-", 20, "a token of Slack"),
        ("xoxp-", 20, "a token of Slack"),
        ("hf_", 34, "a token of Hugging Face"),
        ("AIza", 35, "a key of Google"),
    ];
    for (start, length, what) in FORMS {
        for (at, _) in text.match_indices(start) {
            let is_inside = text[..at]
                .bytes()
                .next_back()
                .is_some_and(|byte| byte.is_ascii_alphanumeric());
            let rest = &text[at + start.len()..];
            let run = rest
                .bytes()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                .count();
            if !is_inside && run >= length {
                return Some((at..at + start.len() + run, what));
            }
        }
    }
    if let Some(at) = text.find("-----BEGIN ")
        && let Some(length) = text[at..].find("PRIVATE KEY-----")
    {
        return Some((at..at + length + "PRIVATE KEY-----".len(), "a private key"));
    }
    if let Some(at) = text.find("https://hooks.slack.com/services/T") {
        let length = text[at..].find([' ', '"', '\'', '\n']).unwrap_or(text.len() - at);
        return Some((at..at + length, "a webhook of Slack, whose path is its secret,"));
    }
    for (at, _) in text.match_indices("://") {
        let rest = &text[at + 3..];
        let authority = rest
            .split(['/', ' ', '\n', '"', '\'', '?', '#'])
            .next()
            .unwrap_or("");
        let Some((user, _)) = authority.rsplit_once('@') else {
            continue;
        };
        let Some((name, password)) = user.split_once(':') else {
            continue;
        };
        let is_literal = !password.is_empty() && !password.contains(['$', '{', '<', '*']);
        if is_literal {
            let start = at + 3 + name.len() + 1;
            return Some((start..start + password.len(), "a password"));
        }
    }
    None
}

/// Secrets that expressions hand on as values.
fn handed_on(scene: &mut Scene<'_>) {
    let mut findings = Vec::new();
    scene
        .draft
        .root
        .each_text(&Path::root(), &mut |path, node, text| {
            if !Template::is_in(text) || matches!(path.0.first(), Some(Segment::Key(key)) if key == "tests") {
                return;
            }
            for (range, what) in credentials_of_event(text) {
                let span = locate::of_range(scene.sources, node, range);
                findings.push(
                    found(
                        "S08/secret-in-parameter",
                        span,
                        format!("{what} becomes {}", sink(path)),
                    )
                    .label("a secret of the caller")
                    .help("let `auth:` of the trigger check it, and pass on what is no secret"),
                );
            }
        });
    for (name, param) in &scene.draft.spec.params {
        // A value in the file is found as such.
        if param.default.is_some() || param.of != "string" || !is_secret_name(name) {
            continue;
        }
        let span = scene
            .draft
            .key_span(scene.sources, &Path::root().key("params").key(name));
        let mut finding = found(
            "S08/secret-in-parameter",
            span,
            format!("`{name}` is a secret by its name, and params are kept with the run and shown by `plan`"),
        )
        .label("a secret as a param")
        .help(format!(
            "name it under `secrets:` of the step that needs it: `secrets: {{{}: {name}}}`",
            name.to_ascii_uppercase().replace('-', "_")
        ));
        for (span, sink) in mentions(scene, name).into_iter().take(4) {
            finding = finding.also(span, format!("becomes {sink}"));
        }
        findings.push(finding);
    }
    scene.out.extend(findings.into_iter().map(super::Finding::done));
}

/// Where `params.NAME` is used: the word, and what it becomes part of.
fn mentions(scene: &Scene<'_>, name: &str) -> Vec<(Span, &'static str)> {
    let mut places = Vec::new();
    scene
        .draft
        .root
        .each_text(&Path::root(), &mut |path, node, text| {
            let Ok(template) = Template::parse(text) else {
                return;
            };
            let references = template.references();
            let mention = references
                .mentions
                .iter()
                .find(|mention| mention.root == "params" && mention.name.as_deref() == Some(name));
            if let Some(mention) = mention {
                places.push((
                    locate::of_range(scene.sources, node, mention.at.clone()),
                    sink(path),
                ));
            }
        });
    places
}

/// What a value at this place becomes part of.
fn sink(path: &Path) -> &'static str {
    let keys: Vec<&str> = path
        .0
        .iter()
        .filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect();
    match keys.as_slice() {
        ["triggers", _, "params", ..] => "a param of the run, which is kept and shown",
        ["datasets", ..] => "part of a dataset's name, which is kept with its lineage",
        ["concurrency", ..] => "the name of a group, which is shown",
        ["alerts" | "notify", ..] => "part of a message",
        ["steps", _, "matrix", ..] => "the name of a step's cell, which logs and artifacts carry",
        [.., "env", _] => "a value of `env`, which is kept with the run",
        [.., "image"] => "the name of an image, which is kept with the run",
        [.., "name" | "alias" | "feature_view" | "path"] => "part of a name, which is kept and shown",
        _ => "a parameter of a step, which is kept with the run",
    }
}

/// Parts of a request by which callers prove who they are, as an expression names them.
fn credentials_of_event(text: &str) -> Vec<(Range<usize>, &'static str)> {
    const HEADERS: [&str; 7] = [
        "authorization",
        "proxy_authorization",
        "cookie",
        "x_api_key",
        "api_key",
        "x_auth_token",
        "x_gitlab_token",
    ];
    let mut places = Vec::new();
    for (root, is_header) in [("event.headers", true), ("event.body", false)] {
        for (at, _) in text.match_indices(root) {
            let rest = &text[at + root.len()..];
            let skipped = rest.len() - rest.trim_start_matches(['.', '[', '\'', '"']).len();
            let length = rest[skipped..]
                .bytes()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                .count();
            let member = &rest[skipped..skipped + length];
            let word = member.to_ascii_lowercase().replace('-', "_");
            let start = at + root.len() + skipped;
            if is_header && HEADERS.contains(&word.as_str()) {
                places.push((start..start + length, "the caller's credential"));
            } else if !is_header && is_secret_name(&word) {
                places.push((start..start + length, "a secret of the request's body"));
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::fixture::findings;

    fn with_script(script: &str) -> Vec<String> {
        findings(&format!(
            "version: 1\nname: p\nsteps:\n  a:\n    secrets: {{TOKEN: token}}\n    run: |\n{}",
            script
                .lines()
                .map(|line| format!("      {line}\n"))
                .collect::<String>()
        ))
    }

    #[test]
    fn a_secret_that_is_printed_is_shown_where_it_is_named() {
        assert_eq!(
            with_script("set -eu\necho \"token ${TOKEN}\""),
            ["S08/secret-in-log 8:19 ${TOKEN}"]
        );
        assert_eq!(
            with_script("printf '%s' $TOKEN > /dev/stderr"),
            ["S08/secret-in-log 7:19 $TOKEN"]
        );
        assert_eq!(with_script("env"), ["S08/secret-in-log 7:7 env"]);
        assert_eq!(with_script("printenv TOKEN"), ["S08/secret-in-log 7:7 printenv"]);
        assert_eq!(
            with_script("set -eux\ncurl -H \"a: $TOKEN\" u"),
            ["S08/secret-in-log 7:11 -eux"]
        );
        assert_eq!(
            with_script("echo \"t=$TOKEN\" >> \"$OUT_report\""),
            ["S08/secret-in-output 7:15 $TOKEN"]
        );
        assert_eq!(
            with_script("echo \"{$TOKEN}\" > $TRAINYARD_METRICS"),
            ["S08/secret-in-output 7:14 $TOKEN"]
        );
    }

    #[test]
    fn a_secret_that_goes_where_it_belongs_is_none_of_our_business() {
        for sound in [
            "curl -H \"Authorization: Bearer $TOKEN\" https://example.com",
            "echo \"$TOKEN\" | docker login --password-stdin",
            "echo \"machine x password $TOKEN\" > ~/.netrc",
            "echo \"token is ${TOKEN:+set}\"",
            "echo '$TOKEN'",
            "x=$(printenv TOKEN)\nlogin \"$x\"",
            "set -x\necho hello",
            "env FOO=1 program",
            "# echo $TOKEN\nexport OTHER=1",
        ] {
            assert_eq!(with_script(sound), Vec::<String>::new(), "{sound}");
        }
    }

    #[test]
    fn a_secret_in_the_file_is_known_by_its_form_or_by_its_key() {
        let step = |more: &str| {
            findings(&format!(
                "version: 1\nname: p\nsteps:\n  a:\n    run: 'true'\n{more}"
            ))
        };
        assert_eq!(
            step("    env: {DB_PASSWORD: hunter2}\n"),
            ["S08/secret-in-file 6:24 hunter2"]
        );
        assert_eq!(
            step("    env: {URL: \"postgres://ann:hunter2@db/x\"}\n"),
            ["S08/secret-in-file 6:32 hunter2"]
        );
        assert_eq!(
            step("    env: {KEY: AKIAIOSFODNN7EXAMPLE}\n"),
            ["S08/secret-in-file 6:16 AKIAIOSFODNN7EXAMPLE"]
        );
        for sound in [
            "    env: {PAD_TOKEN: '<pad>', TOKEN_LIMIT: 12, PRIMARY_KEY: customer_id}\n",
            "    env: {HF_TOKEN: short, SECRET_FILE: /run/x, MASK_TOKEN: '[MASK]'}\n",
            "    env: {URL: \"https://example.com/a:b@c\"}\n",
            "    env: {DB_PASSWORD: \"\"}\n    secrets: {API_KEY: billing_api_key}\n",
            "    description: never put AKIAIOSFODNN7EXAMPLE here\n",
        ] {
            assert_eq!(step(sound), Vec::<String>::new(), "{sound}");
        }
    }

    #[test]
    fn expressions_carry_secrets_only_by_name() {
        let text = |param: &str, value: &str| {
            format!(
                "version: 1\nname: p\nparams: {{{param}: {{type: string}}}}\n\
                 triggers: {{api: {{type: webhook, path: /hooks/p, params: {{{param}: \"{value}\"}}}}}}\n\
                 steps:\n  a: {{run: 'true', env: {{X: \"${{{{ params.{param} }}}}\"}}}}\n"
            )
        };
        assert_eq!(
            findings(&text("day", "${{ event.headers.authorization }}")),
            ["S08/secret-in-parameter 4:82 authorization"]
        );
        assert_eq!(
            findings(&text("day", "${{ event.body.date }}")),
            Vec::<String>::new()
        );
        assert_eq!(
            findings(&text("db_password", "${{ event.body.date }}")),
            ["S08/secret-in-parameter 3:10 db_password"]
        );
    }

    #[test]
    fn names_of_tokens_in_texts_are_no_secrets() {
        for name in [
            "db_password",
            "API_KEY",
            "client-secret",
            "auth_token",
            "aws_secret_access_key",
            "passwd",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "token",
            "tokens",
            "max_token",
            "pad_token",
            "primary_key",
            "key",
            "secret_santa",
            "keyboard",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
