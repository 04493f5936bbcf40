//! Every figure.

use super::{conditions, direction, figure, p_value, percent, range, signed};
use crate::evaluate::answering::Verdict;
use crate::evaluate::compared::Other;
use crate::evaluate::groups::{Fairness, Ranged};
use crate::evaluate::judged::{BinaryDetail, ClassesDetail, Detail, Judged, NumbersDetail};
use crate::evaluate::metric::{Measured, Metric};
use crate::page::escape;
use crate::table::grouped;
use std::fmt::Write;
use trainyard_models::metrics::RESIDUAL_QUANTILES;
use trainyard_models::slices::Slices;

/// Values of a column, and classes of a matrix, that are shown.
const SHOWN: usize = 40;

pub(super) fn write(page: &mut String, judged: &Judged, verdicts: &[Verdict]) {
    gates(page, verdicts);
    metrics(page, judged);
    others(page, judged);
    match &judged.detail {
        Detail::Binary(detail) => decisions(page, detail),
        Detail::Classes(detail) => classes(page, detail),
        Detail::Numbers(detail) => errors(page, detail, judged.rows),
    }
    for fairness in &judged.fairness {
        groups(page, fairness);
    }
    if let Some(slices) = &judged.found_slices {
        found_slices(page, slices);
    }
    for (column, parts) in &judged.slices {
        let rows: Vec<Row<'_>> = parts
            .iter()
            .map(|part| Row {
                name: &part.value,
                rows: part.rows,
                note: part
                    .positives
                    .map(|positives| percent(positives as f64 / part.rows.max(1) as f64)),
                figures: &part.figures,
            })
            .collect();
        let _ = write!(page, "<h2>By {}</h2>", escape(column));
        let note = judged.positives.map(|_| "positive");
        by_value(page, note, &judged.metrics(), &rows);
        methods(page, parts.iter().flat_map(|part| &part.figures));
    }
}

fn head(page: &mut String, cells: &[(&str, bool)]) {
    page.push_str("<div class=\"wide\"><table><thead><tr>");
    for (cell, number) in cells {
        let class = if *number { " class=\"n\"" } else { "" };
        let _ = write!(page, "<th{class}>{}</th>", escape(cell));
    }
    page.push_str("</tr></thead><tbody>");
}

const END: &str = "</tbody></table></div>";

fn gates(page: &mut String, verdicts: &[Verdict]) {
    if verdicts.is_empty() {
        return;
    }
    page.push_str("<h2>Gates</h2>");
    head(page, &[("", false), ("demand", false), ("found", false)]);
    for verdict in verdicts {
        let (class, word) = match (verdict.applied, verdict.passed) {
            (false, _) => ("none", "not applied"),
            (true, true) => ("pass", "passed"),
            (true, false) => ("fail", "failed"),
        };
        let _ = write!(
            page,
            "<tr><td><span class=\"mark {class}\">{word}</span></td><td>{}</td><td>{}</td></tr>",
            escape(&verdict.demand),
            escape(&verdict.found)
        );
    }
    page.push_str(END);
}

fn metrics(page: &mut String, judged: &Judged) {
    page.push_str("<h2>Metrics</h2>");
    head(
        page,
        &[
            ("metric", false),
            ("value", true),
            ("95 % interval", true),
            ("method", false),
        ],
    );
    for measured in &judged.figures {
        let (interval, method) = match &measured.interval {
            Some((interval, method)) => (range(*interval), method.as_str()),
            None => ("–".to_owned(), "none"),
        };
        let _ = write!(
            page,
            "<tr><td>{}{}</td><td class=\"n\">{}</td><td class=\"n\">{interval}</td><td class=\"test\">{}</td></tr>",
            measured.metric.name(),
            direction(measured.metric),
            figure(measured.value),
            escape(method)
        );
    }
    page.push_str(END);
    let _ = write!(
        page,
        "<p class=\"note\">n = {} test rows. ↑ higher, ↓ lower is better.</p>",
        grouped(judged.rows as u64)
    );
    for (metric, why) in &judged.undefined {
        let _ = write!(
            page,
            "<p class=\"note\">{} has no value on these rows: {}</p>",
            metric.name(),
            escape(why)
        );
    }
}

fn others(page: &mut String, judged: &Judged) {
    let all: Vec<&Other> = judged.champion.iter().chain(&judged.baselines).collect();
    if all.is_empty() {
        return;
    }
    page.push_str("<h2>Beside other models</h2>");
    head(
        page,
        &[
            ("metric", false),
            ("this", true),
            ("other", true),
            ("difference", true),
            ("95 % interval", true),
            ("p", true),
            ("paired test", false),
        ],
    );
    for other in all {
        // A line of its own: beside the figures the name would push them off a narrow page.
        let _ = write!(
            page,
            "<tr><td colspan=\"7\"><b>{}</b> ({}){}</td></tr>",
            escape(&other.name),
            escape(&other.algorithm),
            other.failure.as_ref().map_or(String::new(), |failure| format!(
                " cannot be measured: {}",
                escape(failure)
            ))
        );
        for measured in &judged.figures {
            let Some(value) = other.value(measured.metric) else {
                continue;
            };
            let _ = write!(
                page,
                "<tr><td>{}{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>",
                measured.metric.name(),
                direction(measured.metric),
                figure(measured.value),
                figure(value)
            );
            match other.compared(measured.metric) {
                Some(compared) => {
                    let interval = compared.interval.map_or("–".to_owned(), |interval| {
                        format!("{} to {}", signed(interval.low), signed(interval.high))
                    });
                    let _ = write!(
                        page,
                        "<td class=\"n\">{}</td><td class=\"n\">{interval}</td><td class=\"n\">{}</td><td class=\"test\">{}</td></tr>",
                        signed(compared.difference),
                        p_value(compared.p_value),
                        escape(&compared.method)
                    );
                }
                None => page.push_str(
                    "<td class=\"n\">–</td><td class=\"n\">–</td><td class=\"n\">–</td><td>–</td></tr>",
                ),
            }
        }
    }
    page.push_str(END);
    let _ = write!(
        page,
        "<p class=\"note\">Difference: this model minus the other on the same {} rows. p: two-sided, that the models do not \
         differ; not corrected for the number of comparisons.</p>",
        grouped(judged.rows as u64)
    );
}

fn decisions(page: &mut String, detail: &BinaryDetail) {
    let cell = |actual, decided| grouped(detail.confusion.cell(actual, decided) as u64);
    page.push_str("<h2>Decisions</h2>");
    head(
        page,
        &[("", false), ("called positive", true), ("called negative", true)],
    );
    let _ = write!(
        page,
        "<tr><td>is positive</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\
         <tr><td>is negative</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>{END}\
         <p class=\"note\">At a probability of at least {}, {}.</p>",
        cell(1, 1),
        cell(1, 0),
        cell(0, 1),
        cell(0, 0),
        figure(detail.decision.threshold),
        escape(&detail.decision.how)
    );
    let costs = detail.thresholds.iter().any(|at| at.cost != 0.0);
    page.push_str("<details><summary>Decisions at other thresholds</summary>");
    let mut cells = vec![
        ("threshold", true),
        ("called positive", true),
        ("precision", true),
        ("recall", true),
        ("f1", true),
    ];
    if costs {
        cells.push(("cost of a row", true));
    }
    head(page, &cells);
    let share = |value: Option<f64>| value.map_or("–".to_owned(), figure);
    for at in &detail.thresholds {
        let _ = write!(
            page,
            "<tr><td class=\"n\">{:.2}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td>",
            at.threshold,
            grouped(at.selected),
            share(at.precision),
            share(at.recall),
            share(at.f1)
        );
        if costs {
            let _ = write!(page, "<td class=\"n\">{}</td>", figure(at.cost));
        }
        page.push_str("</tr>");
    }
    page.push_str(END);
    page.push_str("</details>");
}

fn classes(page: &mut String, detail: &ClassesDetail) {
    page.push_str("<h2>Each class against the others</h2>");
    let rows: Vec<Row<'_>> = detail
        .each
        .iter()
        .zip(&detail.classes)
        .map(|(each, class)| Row {
            name: class,
            rows: each.rows,
            note: None,
            figures: &each.figures,
        })
        .collect();
    let metrics: Vec<Metric> = detail
        .each
        .iter()
        .max_by_key(|each| each.figures.len())
        .map_or(Vec::new(), |each| each.figures.iter().map(|m| m.metric).collect());
    by_value(page, None, &metrics, &rows);
    methods(page, detail.each.iter().flat_map(|each| &each.figures));
    page.push_str("<h2>Confusion matrix</h2>");
    let shown = detail.classes.len().min(SHOWN);
    let mut cells = vec![("is ↓ called →", false)];
    cells.extend(
        detail
            .classes
            .iter()
            .take(shown)
            .map(|class| (class.as_str(), true)),
    );
    head(page, &cells);
    let total = |actual: usize| -> f64 {
        (0..detail.classes.len())
            .map(|decided| detail.confusion.cell(actual, decided))
            .sum()
    };
    for (actual, class) in detail.classes.iter().take(shown).enumerate() {
        let _ = write!(page, "<tr><td>{}</td>", escape(class));
        let all = total(actual);
        for decided in 0..shown {
            let count = detail.confusion.cell(actual, decided);
            let heat = if all > 0.0 {
                (count / all * 9.0).round()
            } else {
                0.0
            };
            let _ = write!(page, "<td class=\"n h{heat}\">{}</td>", grouped(count as u64));
        }
        page.push_str("</tr>");
    }
    page.push_str(END);
    let _ = write!(
        page,
        "<p class=\"note\">Rows by the class they have and the one they were given; darker the larger the share of the line.{}</p>",
        if detail.classes.len() > shown {
            format!(" The first {shown} of {} classes.", detail.classes.len())
        } else {
            String::new()
        }
    );
}

fn errors(page: &mut String, detail: &NumbersDetail, rows: usize) {
    let residuals = &detail.residuals;
    page.push_str("<h2>Errors</h2>");
    head(page, &[("prediction − label", false), ("value", true)]);
    let mut lines = vec![
        ("mean (bias)".to_owned(), residuals.bias),
        ("standard deviation".to_owned(), residuals.deviation),
        ("skewness".to_owned(), residuals.skewness),
        ("excess kurtosis".to_owned(), residuals.excess_kurtosis),
        ("share of predictions too high".to_owned(), residuals.share_above),
        (
            "correlation with the prediction".to_owned(),
            residuals.correlation_with_prediction,
        ),
    ];
    lines.extend(
        RESIDUAL_QUANTILES
            .iter()
            .zip(residuals.quantiles)
            .map(|(share, value)| (format!("at {:.0} %", share * 100.0), value)),
    );
    for (name, value) in lines {
        let _ = write!(
            page,
            "<tr><td>{name}</td><td class=\"n\">{}</td></tr>",
            figure(value)
        );
    }
    page.push_str(END);
    let _ = write!(
        page,
        "<p class=\"note\">n = {}; these describe the rows and have no interval.</p>",
        grouped(rows as u64)
    );
}

fn groups(page: &mut String, fairness: &Fairness) {
    let _ = write!(page, "<h2>Fairness by {}</h2>", escape(&fairness.by));
    head(
        page,
        &[
            ("metric", false),
            ("all rows", true),
            ("difference", true),
            ("ratio", true),
            ("lowest to highest", false),
            ("known as", false),
        ],
    );
    let ranged = |ranged: Option<Ranged>| match ranged {
        None => "–".to_owned(),
        Some(Ranged { value, interval }) => format!(
            "{}{}",
            figure(value),
            interval.map_or(String::new(), |interval| format!(
                "<small>{}</small>",
                range(interval)
            ))
        ),
    };
    for disparity in &fairness.disparities {
        let notion = match disparity.metric.name() {
            "selection_rate" => "demographic parity",
            "recall" => "equal opportunity; with false_positive_rate equalised odds",
            "false_positive_rate" => "with recall equalised odds",
            _ => "",
        };
        let _ = write!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{notion}</td></tr>",
            disparity.metric.name(),
            disparity.overall.map_or("–".to_owned(), figure),
            ranged(disparity.difference),
            ranged(disparity.ratio),
            disparity
                .between
                .as_ref()
                .map_or("–".to_owned(), |[least, greatest]| format!(
                    "{} to {}",
                    escape(least),
                    escape(greatest)
                ))
        );
    }
    page.push_str(END);
    let rows: Vec<Row<'_>> = fairness
        .groups
        .iter()
        .map(|group| Row {
            name: &group.value,
            rows: group.rows,
            note: Some(if group.small {
                "too small".to_owned()
            } else {
                String::new()
            }),
            figures: &group.figures,
        })
        .collect();
    let metrics: Vec<Metric> = fairness.disparities.iter().map(|d| d.metric).collect();
    by_value(page, Some(""), &metrics, &rows);
    methods(page, fairness.groups.iter().flat_map(|group| &group.figures));
    let _ = write!(
        page,
        "<p class=\"note\">A difference of 0 and a ratio of 1 are parity; their intervals: {}. A group that does not define a \
         rate is left out of it.</p>",
        escape(&fairness.method)
    );
}

fn found_slices(page: &mut String, slices: &Slices) {
    page.push_str("<h2>Parts in which the model is worse</h2>");
    if slices.found.is_empty() {
        let _ = write!(
            page,
            "<p>None of {} parts that were measured is clearly worse than the other rows.</p>",
            grouped(slices.measured as u64)
        );
        return;
    }
    head(
        page,
        &[
            ("rows where", false),
            ("n", true),
            ("mean loss", true),
            ("elsewhere", true),
            ("effect size", true),
            ("corrected p", true),
        ],
    );
    for slice in &slices.found {
        let _ = write!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{:.2}</td>\
             <td class=\"n\">{}</td></tr>",
            conditions(slice),
            grouped(slice.rows as u64),
            figure(slice.loss),
            figure(slice.loss_outside),
            slice.effect,
            p_value(slice.corrected_p_value)
        );
    }
    page.push_str(END);
    let _ = write!(
        page,
        "<p class=\"note\">Loss: logarithmic, or the absolute error of numbers. Welch's test of each of {} parts measured, \
         corrected for false discoveries (Benjamini and Hochberg).{}</p>",
        grouped(slices.measured as u64),
        if slices.complete {
            ""
        } else {
            " The least promising combinations were left out for the sake of time."
        }
    );
}

/// Metrics of some rows.
struct Row<'a> {
    name: &'a str,
    rows: usize,
    note: Option<String>,
    figures: &'a [Measured],
}

fn by_value(page: &mut String, note: Option<&str>, metrics: &[Metric], rows: &[Row<'_>]) {
    let mut cells = vec![("value", false), ("n", true)];
    cells.extend(note.map(|note| (note, true)));
    cells.extend(metrics.iter().map(|metric| (metric.name(), true)));
    head(page, &cells);
    for row in rows.iter().take(SHOWN) {
        let _ = write!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td>",
            escape(row.name),
            grouped(row.rows as u64)
        );
        if note.is_some() {
            let _ = write!(
                page,
                "<td class=\"n\">{}</td>",
                row.note.as_deref().unwrap_or_default()
            );
        }
        for metric in metrics {
            let shown = match row.figures.iter().find(|measured| measured.metric == *metric) {
                None => "–".to_owned(),
                Some(measured) => format!(
                    "{}{}",
                    figure(measured.value),
                    measured
                        .interval
                        .as_ref()
                        .map_or(String::new(), |(interval, _)| format!(
                            "<small>{}</small>",
                            range(*interval)
                        ))
                ),
            };
            let _ = write!(page, "<td class=\"n\">{shown}</td>");
        }
        page.push_str("</tr>");
    }
    page.push_str(END);
    if rows.len() > SHOWN {
        let _ = write!(
            page,
            "<p class=\"note\">The first {SHOWN} of {} values; the JSON has all.</p>",
            rows.len()
        );
    }
}

/// How the small intervals of a table were found.
fn methods<'a>(page: &mut String, figures: impl Iterator<Item = &'a Measured>) {
    let mut said: Vec<String> = Vec::new();
    for measured in figures {
        if let Some((_, method)) = &measured.interval {
            let words = format!("{} {}", measured.metric.name(), escape(method));
            if !said.contains(&words) {
                said.push(words);
            }
        }
    }
    if !said.is_empty() {
        let _ = write!(
            page,
            "<p class=\"note\">Small print: 95 % intervals by {}.</p>",
            said.join("; ")
        );
    }
}
