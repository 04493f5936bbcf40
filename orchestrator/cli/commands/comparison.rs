//! Two runs beside each other, as `runs reproduce` and `lineage diff` show them.

use crate::output::{Terminal, Tone};
use serde_json::Value;
use trainyard_domain::comparison::{Comparison, Made, Named, Pair};
use trainyard_domain::plan::ChangeClass;
use trainyard_domain::run::CodeVersion;

/// Prints what differs, most telling first. Says nothing of steps if all made the same.
pub(super) fn print(comparison: &Comparison, terminal: &mut Terminal) {
    if let Some(pair) = &comparison.environment {
        line("environment", &words(pair, Clone::clone), terminal);
    }
    if let Some(pair) = &comparison.code {
        line("code", &words(pair, CodeVersion::to_string), terminal);
    }
    for change in &comparison.spec {
        if change.class == ChangeClass::NoRerun {
            continue;
        }
        let difference = &change.difference;
        let (before, now) = (difference.before.as_ref(), difference.now.as_ref());
        line(
            &difference.path,
            &format!("{} -> {}", short(before), short(now)),
            terminal,
        );
    }
    for changed in &comparison.datasets {
        line(
            &format!("dataset {}", changed.name),
            &words(&changed.pair, |hash| hash.short()),
            terminal,
        );
    }
    for changed in &comparison.files {
        line(
            &format!("file {}", changed.name),
            &words(&changed.pair, |hash| hash.short()),
            terminal,
        );
    }
    for step in &comparison.steps {
        let name = match step.is_origin {
            true => terminal.paint(Tone::Strong, format!("step {}", step.instance)),
            false => format!("step {}", step.instance),
        };
        let why = match (step.is_origin, step.because.is_empty()) {
            (false, _) => "because of what it is made of".to_owned(),
            (true, true) => "first to differ; nothing that it is made of does".to_owned(),
            (true, false) => format!("first to differ: {}", step.because.join(", ")),
        };
        terminal.out(format!("  {name}  {why}"));
        if let Some(pair) = &step.state {
            line("    state", &words(pair, |word| (*word).to_owned()), terminal);
        }
        for output in &step.outputs {
            line(
                &format!("    {}", output.name),
                &words(&output.pair, made),
                terminal,
            );
        }
        for metric in &step.metrics {
            line(&format!("    {}", metric.name), &numbers(metric), terminal);
        }
    }
}

/// How many numbers were measured anew, in a sentence; none if all are the same.
pub(super) fn measured(comparison: &Comparison) -> Option<String> {
    let names: Vec<&str> = comparison
        .measured
        .iter()
        .map(|metric| metric.name.as_str())
        .collect();
    (!names.is_empty()).then(|| format!("{}: no part of what was made", names.join(", ")))
}

fn line(what: &str, change: &str, terminal: &mut Terminal) {
    terminal.out(format!("  {what}  {change}"));
}

fn words<T>(pair: &Pair<T>, word: impl Fn(&T) -> String) -> String {
    let side = |side: &Option<T>| side.as_ref().map_or_else(|| "none".to_owned(), &word);
    format!("{} -> {}", side(&pair.before), side(&pair.now))
}

fn numbers(metric: &Named<f64>) -> String {
    words(&metric.pair, f64::to_string)
}

fn made(made: &Made) -> String {
    match made {
        Made::Content(hash) => hash.short(),
        Made::Value(value) => short(Some(value)),
    }
}

/// A value by its beginning.
fn short(value: Option<&Value>) -> String {
    const MOST: usize = 60;
    let Some(value) = value else {
        return "none".to_owned();
    };
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
