//! The checks as a page: what fails first, then each table with a line a column.

use super::outcome::{Outcome, Severity};
use crate::page::{Cell, Page, Tone, escape, mark, prose, table, tile};
use crate::table::grouped;
use indexmap::IndexMap;
use std::fmt::Write;

/// What the page says besides the outcomes.
pub(super) struct About<'a> {
    pub(super) title: String,
    pub(super) headline: &'a str,
    /// Rows by input.
    pub(super) tables: &'a IndexMap<String, usize>,
    pub(super) notes: &'a [String],
    pub(super) as_of: Option<String>,
}

fn tone(outcome: &Outcome) -> Tone {
    match (outcome.passed, outcome.severity) {
        (true, _) => Tone::Pass,
        (false, Severity::Error) => Tone::Fail,
        (false, Severity::Warn) => Tone::Warn,
        (false, Severity::Info) => Tone::Plain,
    }
}

pub(super) fn page(about: &About<'_>, outcomes: &[Outcome]) -> String {
    let mut page = Page::new(&about.title);
    lead(&mut page, about, outcomes);
    failures(&mut page, outcomes);
    for (dataset, rows) in about.tables {
        let of_table: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.dataset == *dataset)
            .collect();
        if !of_table.is_empty() {
            page.heading(&format!("{dataset}, {} rows", grouped(*rows as u64)));
            lines(&mut page, &of_table);
        }
    }
    let queries: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| !about.tables.contains_key(&outcome.dataset))
        .collect();
    if !queries.is_empty() {
        page.heading("Queries");
        let rows: Vec<Vec<Cell>> = queries
            .iter()
            .map(|outcome| {
                vec![
                    Cell::Markup(mark(
                        if outcome.passed { "holds" } else { "fails" },
                        tone(outcome),
                    )),
                    outcome
                        .name
                        .clone()
                        .unwrap_or_else(|| outcome.check.clone())
                        .into(),
                    outcome.says.clone().into(),
                ]
            })
            .collect();
        page.table(&["", "query", "found"], &rows);
    }
    if !about.notes.is_empty() {
        page.heading("Notes");
        for note in about.notes {
            page.note(note);
        }
    }
    page.finish()
}

fn lead(page: &mut Page, about: &About<'_>, outcomes: &[Outcome]) {
    let failed = |severity: Severity| {
        outcomes
            .iter()
            .filter(|outcome| !outcome.passed && outcome.severity == severity)
            .count()
    };
    let (errors, warnings, remarks) = (
        failed(Severity::Error),
        failed(Severity::Warn),
        failed(Severity::Info),
    );
    let mut marks = if errors == 0 {
        mark("the data may be used", Tone::Pass)
    } else {
        mark("the data must not be used", Tone::Fail)
    };
    for (count, word, tone) in [
        (errors, "failed", Tone::Fail),
        (warnings, "warned", Tone::Warn),
        (remarks, "remarked", Tone::Plain),
    ] {
        if count > 0 {
            marks.push_str(&mark(&format!("{count} {word}"), tone));
        }
    }
    let rows: usize = about.tables.values().sum();
    let tiles = [
        tile(&grouped(outcomes.len() as u64), "checks"),
        tile(
            &grouped(outcomes.iter().filter(|outcome| outcome.passed).count() as u64),
            "hold",
        ),
        tile(&grouped(about.tables.len() as u64), "tables"),
        tile(&grouped(rows as u64), "rows"),
    ];
    let as_of = about
        .as_of
        .as_ref()
        .map_or(String::new(), |at| format!(" Ages are measured from {at}."));
    page.lead(&format!(
        "<p>{marks}</p><p>{}.{} Every check was made on all rows.</p><div class=\"tiles\">{}</div>",
        escape(about.headline),
        escape(&as_of),
        tiles.concat()
    ));
}

fn failures(page: &mut Page, outcomes: &[Outcome]) {
    let mut failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    if failed.is_empty() {
        return;
    }
    failed.sort_by_key(|outcome| outcome.severity);
    page.heading("What fails");
    page.points(failed.iter().map(|outcome| {
        let name = outcome
            .name
            .as_ref()
            .map_or(String::new(), |name| format!("<b>{}</b>: ", escape(name)));
        let severity = match outcome.severity {
            Severity::Error => String::new(),
            other => format!(" <span class=\"soft\">({other})</span>"),
        };
        let n = if outcome.says.contains(" rows ") || outcome.rows == 0 || outcome.says.contains("n = ") {
            String::new()
        } else {
            format!(
                " <span class=\"soft\">n = {}</span>",
                grouped(outcome.rows as u64)
            )
        };
        (
            tone(outcome),
            format!("{name}{}{n}{severity}{}", prose(&outcome.says), examples(outcome)),
        )
    }));
}

/// Some failing rows, to be opened.
fn examples(outcome: &Outcome) -> String {
    let Some(first) = outcome.failing.first() else {
        return String::new();
    };
    let columns: Vec<&str> = first.values.keys().map(String::as_str).collect();
    let head: Vec<&str> = ["row"].into_iter().chain(columns).collect();
    let rows: Vec<Vec<Cell>> = outcome
        .failing
        .iter()
        .map(|failing| {
            let values = failing.values.values().map(|value| match value {
                Some(value) => Cell::from(value.chars().take(200).collect::<String>()),
                None => Cell::Markup("<span class=\"soft\">missing</span>".to_owned()),
            });
            [Cell::Number(grouped(failing.row))]
                .into_iter()
                .chain(values)
                .collect()
        })
        .collect();
    let found = outcome.found.map_or(0, |found| found as u64);
    let words = if found > rows.len() as u64 {
        format!("the first {} of {} rows", rows.len(), grouped(found))
    } else {
        "the rows".to_owned()
    };
    format!(
        "<details><summary class=\"soft\">{words}</summary>{}</details>",
        table(&head, &rows)
    )
}

/// A line for the table as a whole and one for each column, each with all its checks.
fn lines(page: &mut Page, outcomes: &[&Outcome]) {
    let mut by_column: IndexMap<&str, Vec<&Outcome>> = IndexMap::new();
    let whole = outcomes.iter().filter(|outcome| outcome.column.is_none());
    for outcome in whole.chain(outcomes.iter().filter(|outcome| outcome.column.is_some())) {
        by_column
            .entry(outcome.column.as_deref().unwrap_or_default())
            .or_default()
            .push(outcome);
    }
    let mut markup = String::from("<div class=\"checks\">\n");
    for (column, outcomes) in &by_column {
        let least = outcomes
            .iter()
            .map(|outcome| outcome.rows)
            .min()
            .unwrap_or_default();
        let most = outcomes
            .iter()
            .map(|outcome| outcome.rows)
            .max()
            .unwrap_or_default();
        let n = if least == most {
            grouped(most as u64)
        } else {
            format!("{} – {}", grouped(least as u64), grouped(most as u64))
        };
        let name = if column.is_empty() {
            "<span class=\"soft\">the table</span>".to_owned()
        } else {
            escape(column)
        };
        let _ = write!(
            markup,
            "<div><span class=\"name\">{name}</span><span class=\"soft\">n = {n}</span><div>"
        );
        for outcome in outcomes {
            let sign = if outcome.passed { "✓" } else { "✗" };
            let _ = write!(
                markup,
                "<span title=\"{}\">{}</span>",
                escape(&outcome.says),
                mark(&format!("{sign} {}", words(outcome)), tone(outcome))
            );
        }
        markup.push_str("</div></div>\n");
    }
    markup.push_str("</div>\n");
    page.html(&markup);
}

/// What a check asks, and the number it found where that is not none.
fn words(outcome: &Outcome) -> String {
    const PLAIN: [&str; 16] = [
        "nullable",
        "not_null",
        "accepted_values",
        "min",
        "max",
        "pattern",
        "type",
        "unique",
        "range",
        "length",
        "primary_key",
        "present",
        "readable",
        "expression",
        "order",
        "fresh",
    ];
    let is_plain = PLAIN.contains(&outcome.check.as_str());
    let what = match &outcome.name {
        Some(name) => format!("{name}: "),
        None if is_plain => String::new(),
        None => format!("{} ", outcome.check.replace('_', " ")),
    };
    let wanted: String = outcome.wanted.replace("must be ", "").chars().take(60).collect();
    let found = match outcome.found {
        Some(found) if !outcome.passed || (found != 0.0 && (!is_plain || outcome.max_bad_share > 0.0)) => {
            format!(" ({} found)", number(found))
        }
        _ => String::new(),
    };
    format!("{what}{wanted}{found}")
}

/// Whole numbers with commas, others with four significant digits.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        return grouped(value as u64);
    }
    let decimals = (3.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
