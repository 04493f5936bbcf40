//! What `trainyard check` says of faulty files.
//!
//! Beside each file or folder of `tests/invalid/` stands a `.stderr` file: what a user sees, read by
//! a person before it was accepted. After a change on purpose run the test with
//! `TRAINYARD_ACCEPT=1` and read the difference.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A faulty file, or a folder that is a project with faults.
struct Case {
    /// Path below `tests/invalid` without extension.
    name: String,
    /// The file of a case that is one file.
    file: Option<String>,
}

/// What a command printed and how it ended.
struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid")
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for family in std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap()) {
        let family_name = family.file_name().into_string().unwrap();
        if !family_name.starts_with(char::is_uppercase) {
            continue;
        }
        for entry in std::fs::read_dir(family.path())
            .unwrap()
            .map(|entry| entry.unwrap())
        {
            let path = entry.path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let name = format!("{family_name}/{stem}");
            if path.is_dir() {
                cases.push(Case { name, file: None });
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let file = Some(format!("{name}.yaml"));
                cases.push(Case { name, file });
            }
        }
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

impl Case {
    /// The project's folder when `invalid` is where the cases are.
    fn project(&self, invalid: &Path) -> PathBuf {
        match self.file {
            Some(_) => invalid.to_owned(),
            None => invalid.join(&self.name),
        }
    }

    /// Checks the case where it lies below `invalid`.
    fn check(&self, invalid: &Path, more: &[&str]) -> Answer {
        let mut arguments = vec!["check"];
        arguments.extend(self.file.as_deref());
        arguments.extend(more);
        trainyard(&self.project(invalid), &arguments)
    }

    /// All diagnostics as objects.
    fn diagnostics(&self, invalid: &Path) -> Vec<Value> {
        let answer = self.check(invalid, &["--format", "json"]);
        serde_json::from_str(&answer.out)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.name, answer.out))
    }
}

fn trainyard(folder: &Path, arguments: &[&str]) -> Answer {
    let output = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("TRAINYARD_HOME")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    Answer {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a claim for every case on two threads and fails with all that do not hold.
fn for_each_case(claim: impl Fn(&Case) -> Result<(), String> + Sync) {
    let cases = cases();
    assert!(cases.len() >= 50, "only {} cases", cases.len());
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failures = std::sync::Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    if let Err(failure) = claim(case) {
                        failures.lock().unwrap().insert(case.name.clone(), failure);
                    }
                }
            });
        }
    });
    let mut report = String::new();
    for (name, failure) in failures.into_inner().unwrap() {
        writeln!(report, "--- {name}\n{failure}").unwrap();
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn each_fault_is_shown_as_it_was_accepted() {
    let accept = std::env::var_os("TRAINYARD_ACCEPT").is_some();
    for_each_case(|case| {
        let answer = case.check(&folder(), &[]);
        let shown = format!("{}{}exit {}\n", answer.err, answer.out, answer.code.unwrap_or(-1));
        let golden = folder().join(format!("{}.stderr", case.name));
        if accept {
            std::fs::write(golden, shown).unwrap();
            return Ok(());
        }
        let wanted =
            std::fs::read_to_string(golden).map_err(|error| format!("{error}; shown was:\n{shown}"))?;
        if shown == wanted {
            Ok(())
        } else {
            Err(format!("shown:\n{shown}\naccepted:\n{wanted}"))
        }
    });
}

#[test]
fn every_rule_has_a_file_that_breaks_it() {
    let mut shown = BTreeSet::new();
    for case in cases() {
        let golden = std::fs::read_to_string(folder().join(format!("{}.stderr", case.name))).unwrap();
        for line in golden
            .lines()
            .filter(|line| line.starts_with("error[") || line.starts_with("warning["))
        {
            let code = line.split(['[', ']']).nth(1).unwrap();
            shown.insert(code.to_owned());
        }
    }
    let rules: BTreeSet<String> = trainyard_domain::pipeline::rules()
        .map(|rule| rule.code.to_owned())
        .collect();
    let untried: Vec<_> = rules
        .difference(&shown)
        .filter(|code| !TRIED_BELOW.contains(&code.as_str()))
        .collect();
    assert!(untried.is_empty(), "no file breaks {untried:?}");
    let unexplained: Vec<_> = shown.difference(&rules).collect();
    assert!(
        unexplained.is_empty(),
        "`explain` has no page for {unexplained:?}"
    );
}

/// Rules that a file alone cannot break: about kinds of steps that are not there yet or models, tried with stand-ins
/// where they are written, and about money, time and feature views, which take a past; definitions of features are tried in the
/// domain.
const TRIED_BELOW: [&str; 11] = [
    "C01/over-budget",
    "D04/breaks-feature-readers",
    "D04/model-input",
    "D05/output-schema",
    "D05/stream-schema",
    "M07/not-delivered",
    "M08/no-monitor",
    "S06/unused-entity",
    "S06/unused-input",
    "S07/sla-below-past",
    "S10/tick-lost",
];

#[test]
fn the_reference_of_checks_is_made_from_the_rules() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/checks.md");
    let reference = trainyard_domain::diagnostic::explain::reference();
    if std::env::var_os("TRAINYARD_ACCEPT").is_some() {
        std::fs::write(&file, &reference).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == reference,
        "write it anew: trainyard explain --format markdown > docs/checks.md"
    );
}

#[test]
fn a_fix_removes_what_it_fixes() {
    let fixed = std::sync::atomic::AtomicUsize::new(0);
    for_each_case(|case| {
        for diagnostic in case.diagnostics(&folder()) {
            let Some(fix) = diagnostic.get("fix").filter(|fix| !fix.is_null()) else {
                continue;
            };
            let yard = tempfile::tempdir().unwrap();
            copy(case, yard.path());
            let file = case.project(yard.path()).join(fix["file"].as_str().unwrap());
            let mut text = std::fs::read_to_string(&file).unwrap();
            let place = |end: &str| usize::try_from(fix[end].as_u64().unwrap()).unwrap();
            text.replace_range(place("start")..place("end"), fix["replacement"].as_str().unwrap());
            std::fs::write(&file, text).unwrap();
            let same = |other: &Value| {
                other["code"] == diagnostic["code"] && other["message"] == diagnostic["message"]
            };
            let after = case.diagnostics(yard.path());
            if let Some(left) = after.iter().find(|other| same(other)) {
                return Err(format!("still there after {fix}: {left}"));
            }
            if after.len() > case.diagnostics(&folder()).len() {
                return Err(format!("{fix} brings new faults: {after:?}"));
            }
            fixed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(())
    });
    let fixed = fixed.into_inner();
    assert!(fixed >= 30, "only {fixed} diagnostics have a fix");
}

/// Copies what a case needs.
fn copy(case: &Case, to: &Path) {
    let parts: Vec<&str> = match &case.file {
        Some(file) => vec!["trainyard.yaml", "contracts", "data", "scripts", file],
        None => vec![&case.name],
    };
    for part in parts {
        copy_all(&folder().join(part), &to.join(part));
    }
}

fn copy_all(from: &Path, to: &Path) {
    if !from.is_dir() {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
        return;
    }
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        copy_all(&entry.path(), &to.join(entry.file_name()));
    }
}

#[test]
fn every_position_lies_inside_its_file_and_every_format_tells_the_same() {
    for_each_case(|case| {
        let list = case.diagnostics(&folder());
        for diagnostic in &list {
            let file = case.project(&folder()).join(diagnostic["file"].as_str().unwrap());
            let lines = std::fs::read(&file)
                .map(|bytes| String::from_utf8_lossy(&bytes).split('\n').count())
                .map_err(|error| format!("{}: {error}", file.display()))?;
            let line = usize::try_from(diagnostic["line"].as_u64().unwrap()).unwrap();
            if !(1..=lines).contains(&line) {
                return Err(format!("line {line} of {lines}: {diagnostic}"));
            }
        }
        let sarif: Value = serde_json::from_str(&case.check(&folder(), &["--format", "sarif"]).out).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        let stopping = results
            .iter()
            .filter(|result| result.get("suppressions").is_none())
            .count();
        let github = case.check(&folder(), &["--format", "github"]).out;
        let commands = github.lines().filter(|line| line.starts_with("::")).count();
        if (stopping, commands) == (list.len(), list.len()) {
            Ok(())
        } else {
            Err(format!(
                "json {}, sarif {stopping}, github {commands}",
                list.len()
            ))
        }
    });
}

#[test]
fn a_hostile_file_is_refused_with_a_position() {
    let deep_block: String = (0..3_000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    let anchors: String = (0..500).map(|at| format!("a{at}: &a{at} [1]\n")).collect();
    let wide = format!(
        "version: 1\nname: wide\nsteps:\n  a: &a {{run: \"{}\"}}\n",
        "x".repeat(100_000)
    );
    let aliases: String = (0..10_000).map(|at| format!("  s{at}: *a\n")).collect();
    for (name, text) in [
        ("brackets", "[".repeat(100_000)),
        ("levels", format!("{}1", "{a: ".repeat(100_000))),
        ("dashes", "- ".repeat(100_000)),
        ("question_marks", "? ".repeat(100_000)),
        ("deep_block", deep_block),
        ("long_key", format!("{}: 1\n", "k".repeat(10_000_000))),
        (
            "long_line",
            format!("version: 1\nname: {}\n", "n".repeat(10_000_000)),
        ),
        ("anchors", format!("{anchors}version: 1\n")),
        ("repeated_alias", wide + &aliases),
        ("quotes", "\"".repeat(100_001)),
        ("comments", format!("{}version: 2\n", "#\n".repeat(1_000_000))),
        (
            "deep_expression",
            format!("version: 1\nname: {}\n", "${{ ".to_owned() + &"(".repeat(100_000)),
        ),
    ] {
        let yard = tempfile::tempdir().unwrap();
        std::fs::write(yard.path().join("trainyard.yaml"), "version: 1\nname: hostile\n").unwrap();
        std::fs::write(yard.path().join("hostile.yaml"), text).unwrap();
        let answer = trainyard(yard.path(), &["check", "hostile.yaml"]);
        assert_eq!(
            answer.code,
            Some(1),
            "{name}: {}",
            answer.err.chars().take(2_000).collect::<String>()
        );
        let place = answer
            .err
            .lines()
            .find_map(|line| line.trim_start().strip_prefix("--> hostile.yaml:"));
        assert!(
            place.is_some_and(|place| place.split(':').all(|part| part.parse::<u32>().is_ok())),
            "{name}"
        );
        assert!(
            answer.err.len() < 400_000,
            "{name}: {} bytes of output",
            answer.err.len()
        );
        assert!(!answer.err.contains('\u{1b}'), "{name}");
    }
}
