//! A plan for people, for programs and for pull requests.

use super::changes::short;
use super::{Change, ChangeClass, Deployed, Forecast, Plan, PlannedStep, Reason, Verdict, spoken};
use crate::run::ParamOrigin;
use std::fmt::Write;

/// How a plan is shown to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// With ANSI colours.
    pub color: bool,
}

impl Style {
    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn class(self, class: ChangeClass) -> String {
        let code = match class {
            ChangeClass::Breaking => "1",
            ChangeClass::ForwardOnly | ChangeClass::NonBreaking => "36",
            ChangeClass::NoRerun => "2",
        };
        self.paint(code, &format!("{:<12}", class.words()))
    }

    fn verdict(self, verdict: Verdict, text: &str) -> String {
        self.paint(
            match verdict {
                Verdict::Run => "1;32",
                Verdict::Maybe => "36",
                Verdict::Fails => "1;31",
                Verdict::Reused | Verdict::Skipped => "2",
            },
            text,
        )
    }
}

/// Widest a column of reasons grows before forecasts move to the right of it.
const REASONS_AT_MOST: usize = 56;

/// As text in columns, a line each for steps, with a summary below.
pub fn human(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    let head = |out: &mut String, word: &str, rest: &str| {
        // A write to a text cannot fail.
        let _ = writeln!(out, "{}{rest}", style.paint("1", &format!("{word:<9}")));
    };
    let of = plan
        .environment
        .as_ref()
        .map(|name| format!("  ({name})"))
        .unwrap_or_default();
    head(&mut out, "Plan", &format!("{}{of}", plan.file));
    head(&mut out, "Spec", &spec_line(plan));
    change_table(&mut out, &plan.changes, style);
    if let Some(deployed) = &plan.deployed {
        head(&mut out, "Deployed", &deployed_line(deployed));
        change_table(&mut out, &deployed.changes, style);
    }
    if !plan.data.is_empty() {
        head(&mut out, "Data", &data_line(plan));
    }
    if !plan.params.is_empty() {
        head(&mut out, "Params", &params_line(plan));
    }
    out.push('\n');
    steps_table(&mut out, plan, style);
    out.push('\n');
    for (hook, occasion) in hooks(plan) {
        head(&mut out, "Hook", &format!("{hook}, {occasion}"));
    }
    for effect in &plan.effects {
        let open = if effect.certain { "" } else { "  (maybe)" };
        head(
            &mut out,
            "Effect",
            &format!("{}: {}{open}", effect.step, effect.effect),
        );
    }
    for effect in &plan.outside {
        head(&mut out, "Effects", &effect.line());
    }
    if let Some(forecast) = &plan.forecast {
        head(&mut out, "Time", &time_line(forecast));
    }
    if let Some(cost) = &plan.cost {
        head(&mut out, "Cost", &cost.line());
    }
    if let Some(checks) = &plan.checks {
        head(&mut out, "Checks", &checks_line(checks));
        for note in &checks.notes {
            let _ = writeln!(out, "         {note}");
        }
    }
    if !plan.not_obeyed.is_empty() {
        head(
            &mut out,
            "Note",
            &format!("not obeyed by this version yet: {}", plan.not_obeyed.join(", ")),
        );
    }
    let _ = writeln!(
        out,
        "{}   {}",
        summary(plan),
        style.paint("2", &format!("plan id {}", plan.id.short()))
    );
    out
}

/// Hooks that may run, and on which occasion.
fn hooks(plan: &Plan) -> impl Iterator<Item = (&str, String)> {
    let of_steps = plan.on_failure.iter();
    let of_steps = of_steps.map(|(hook, step)| (hook.as_str(), format!("on failure of {step}")));
    let of_the_run = plan.on_run_failure.iter();
    of_steps.chain(of_the_run.map(|hook| (hook.as_str(), "on failure of the run".to_owned())))
}

pub(super) fn change_table(out: &mut String, changes: &[Change], style: Style) {
    let rows: Vec<_> = changes
        .iter()
        .map(|change| (change, change_words(change)))
        .collect();
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let width = widest(
        &mut rows
            .iter()
            .map(|(change, _)| change.difference.path.chars().count()),
    );
    let value_width = widest(&mut rows.iter().map(|(_, (_, values))| values.chars().count()));
    for (change, (mark, values)) in &rows {
        let class = style.class(change.class);
        let _ = writeln!(
            out,
            "  {mark} {:<width$}  {values:<value_width$}   {class}  {}",
            change.difference.path, change.why
        );
    }
}

fn deployed_line(deployed: &Deployed) -> String {
    let run = deployed.run.short();
    match deployed.changes.len() {
        0 => format!("unchanged since run {run}, the last that succeeded"),
        1 => format!("1 change since run {run}, the last that succeeded:"),
        n => format!("{n} changes since run {run}, the last that succeeded:"),
    }
}

fn spec_line(plan: &Plan) -> String {
    match (&plan.previous, plan.changes.len()) {
        (None, _) => "first run of this pipeline here".to_owned(),
        (Some(run), 0) => format!("unchanged since run {}", run.short()),
        (Some(run), 1) => format!("1 change since run {}:", run.short()),
        (Some(run), n) => format!("{n} changes since run {}:", run.short()),
    }
}

fn change_words(change: &Change) -> (char, String) {
    match (&change.difference.before, &change.difference.now) {
        (Some(before), Some(now)) => ('~', format!("{} -> {}", short(before), short(now))),
        (None, Some(now)) => ('+', short(now)),
        (before, None) => ('-', before.as_ref().map(short).unwrap_or_default()),
    }
}

fn data_line(plan: &Plan) -> String {
    let words = plan.data.iter().map(|data| {
        let state = match (&data.note, data.changed) {
            (Some(note), _) => note.clone(),
            (None, Some(true)) => "changed".to_owned(),
            (None, Some(false)) => "unchanged".to_owned(),
            (None, None) if plan.previous.is_none() => return data.dataset.clone(),
            (None, None) => "(not known whether it changed)".to_owned(),
        };
        format!("{} {state}", data.dataset)
    });
    words.collect::<Vec<_>>().join("; ")
}

fn params_line(plan: &Plan) -> String {
    let words = plan.params.iter().map(|(name, param)| {
        let from = match param.from {
            ParamOrigin::Default => "",
            ParamOrigin::Environment => " (environment)",
            ParamOrigin::Trigger => " (trigger)",
            ParamOrigin::CommandLine => " (command line)",
        };
        format!("{name}={}{from}", short(&param.value))
    });
    words.collect::<Vec<_>>().join(", ")
}

fn steps_table(out: &mut String, plan: &Plan, style: Style) {
    let rows: Vec<(String, &PlannedStep, String, String)> = plan
        .steps
        .iter()
        .map(|step| {
            let time = step.forecast.as_ref().map(step_time).unwrap_or_default();
            (step_name(step), step, reasons(step), time)
        })
        .collect();
    let wide =
        |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
    let name_width = wide(&mut rows.iter().map(|row| &row.0));
    let reason_width = wide(
        &mut rows
            .iter()
            .map(|row| &row.2)
            .filter(|text| text.chars().count() <= REASONS_AT_MOST),
    );
    for (name, step, reasons, time) in &rows {
        let verdict = style.verdict(step.verdict, &format!("{:<8}", step.verdict.word()));
        let line = format!("  {name:<name_width$}   {verdict} {reasons:<reason_width$}   {time}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn step_name(step: &PlannedStep) -> String {
    match step.cells.as_slice() {
        [only] if only.instance == step.step => step.step.clone(),
        cells => format!("{}[{}]", step.step, cells.len()),
    }
}

/// The reasons of all cells, each once, with the number of cells where it is not all of them.
fn reasons(step: &PlannedStep) -> String {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for cell in step.cells.iter().filter(|cell| cell.verdict == step.verdict) {
        for reason in &cell.reasons {
            let words = reason.to_string();
            match counted.iter_mut().find(|(known, _)| *known == words) {
                Some((_, count)) => *count += 1,
                None => counted.push((words, 1)),
            }
        }
    }
    let cells = step.cells.len();
    let mut words: Vec<String> = counted
        .into_iter()
        .map(|(words, count)| {
            if cells > 1 {
                format!("{words} ({count} of {cells})")
            } else {
                words
            }
        })
        .collect();
    for verdict in [Verdict::Run, Verdict::Maybe, Verdict::Reused, Verdict::Skipped] {
        let count = step.cells.iter().filter(|cell| cell.verdict == verdict).count();
        if verdict < step.verdict && count > 0 {
            words.push(format!("{count} {}", verdict.word()));
        }
    }
    words.join("; ")
}

fn step_time(forecast: &Forecast) -> String {
    let span = forecast.elapsed;
    // A third more is worth saying.
    if span.p90.0 * 3 > span.p50.0 * 4 && span.p90.0 >= 1000 {
        format!("~ {}  (p90 {})", spoken(span.p50), spoken(span.p90))
    } else {
        format!("~ {}", spoken(span.p50))
    }
}

fn time_line(forecast: &Forecast) -> String {
    let partly = if forecast.is_complete {
        ""
    } else {
        "; some steps have no past to go by"
    };
    format!(
        "~ {} (p90 {}) with room for all; {} of work{partly}",
        spoken(forecast.elapsed.p50),
        spoken(forecast.elapsed.p90),
        spoken(forecast.work.p50),
    )
}

fn checks_line(checks: &super::ChecksSummary) -> String {
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}, {}",
        plural(checks.errors, "error"),
        plural(checks.warnings, "warning")
    )
}

fn summary(plan: &Plan) -> String {
    let mut parts = Vec::new();
    for verdict in [
        Verdict::Fails,
        Verdict::Run,
        Verdict::Maybe,
        Verdict::Reused,
        Verdict::Skipped,
    ] {
        let count = plan.count(verdict);
        if count > 0 {
            parts.push(format!("{count} {}", verdict.word()));
        }
    }
    let n = plan.steps.len();
    let steps = if n == 1 {
        "1 step".to_owned()
    } else {
        format!("{n} steps")
    };
    if parts.is_empty() {
        format!("{steps}.")
    } else {
        format!("{steps}: {}.", parts.join(", "))
    }
}

/// For comments on pull requests.
pub fn markdown(plan: &Plan) -> String {
    let mut out = String::new();
    let of = plan
        .environment
        .as_ref()
        .map(|name| format!(" in `{name}`"))
        .unwrap_or_default();
    let _ = writeln!(out, "### Plan of `{}`{of}\n", plan.pipeline);
    let _ = writeln!(out, "{}\n", summary(plan));
    let _ = writeln!(out, "Spec: {}", spec_line(plan));
    change_rows(&mut out, &plan.changes);
    if let Some(deployed) = &plan.deployed {
        let _ = writeln!(out, "\nDeployed: {}", deployed_line(deployed));
        change_rows(&mut out, &deployed.changes);
    }
    if !plan.data.is_empty() {
        let _ = writeln!(out, "\nData: {}", escaped(&data_line(plan)));
    }
    out.push_str("\n| step | verdict | why | forecast |\n| --- | --- | --- | --- |\n");
    for step in &plan.steps {
        let time = step.forecast.as_ref().map(step_time).unwrap_or_default();
        let verdict = match step.verdict {
            Verdict::Run | Verdict::Fails => format!("**{}**", step.verdict.word()),
            verdict => verdict.word().to_owned(),
        };
        let _ = writeln!(
            out,
            "| {} | {verdict} | {} | {time} |",
            code(&step_name(step)),
            escaped(&reasons(step))
        );
    }
    out.push('\n');
    for (hook, occasion) in hooks(plan) {
        let _ = writeln!(out, "- Hook: {}, {}", escaped(hook), escaped(&occasion));
    }
    for effect in &plan.effects {
        let open = if effect.certain { "" } else { " (maybe)" };
        let _ = writeln!(
            out,
            "- Effect: {}: {}{open}",
            effect.step,
            escaped(&effect.effect)
        );
    }
    for effect in &plan.outside {
        let _ = writeln!(out, "- Effects: {}", escaped(&effect.line()));
    }
    if let Some(forecast) = &plan.forecast {
        let _ = writeln!(out, "- Time: {}", time_line(forecast));
    }
    if let Some(cost) = &plan.cost {
        let _ = writeln!(out, "- Cost: {}", cost.line());
    }
    if let Some(checks) = &plan.checks {
        let _ = writeln!(out, "- Checks: {}", checks_line(checks));
    }
    let _ = writeln!(out, "\nPlan id `{}`", plan.id.short());
    out
}

pub(super) fn change_rows(out: &mut String, changes: &[Change]) {
    if !changes.is_empty() {
        out.push_str("\n| change | before | now | class | why |\n| --- | --- | --- | --- | --- |\n");
        for change in changes {
            let cell = |value: &Option<_>| value.as_ref().map(|v| code(&short(v))).unwrap_or_default();
            let class = match change.class {
                ChangeClass::Breaking => "**breaking**",
                class => class.words(),
            };
            let (before, now) = (cell(&change.difference.before), cell(&change.difference.now));
            let _ = writeln!(
                out,
                "| {} | {before} | {now} | {class} | {} |",
                code(&change.difference.path),
                escaped(&change.why)
            );
        }
    }
}

/// Texts of the pipeline must not become markup of the comment.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('|', "\\|"))
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '|' | '<' | '*' | '_' | '`' | '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// As a document; reasons also in words.
pub fn json(plan: &Plan) -> serde_json::Value {
    let mut document = serde_json::json!(plan);
    let summary: serde_json::Map<String, serde_json::Value> = [
        Verdict::Run,
        Verdict::Maybe,
        Verdict::Reused,
        Verdict::Skipped,
        Verdict::Fails,
    ]
    .into_iter()
    .map(|verdict| (verdict.word().to_owned(), plan.count(verdict).into()))
    .collect();
    document["summary"] = summary.into();
    for (at, step) in plan.steps.iter().enumerate() {
        document["steps"][at]["why"] = reasons(step).into();
        for (cell, planned) in step.cells.iter().enumerate() {
            let words: Vec<String> = planned.reasons.iter().map(Reason::to_string).collect();
            document["steps"][at]["cells"][cell]["why"] = words.join("; ").into();
        }
    }
    document
}
