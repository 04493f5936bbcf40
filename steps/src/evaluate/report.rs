//! The report: one HTML page without scripts or anything from elsewhere. First what a lead wants to know
//! in two minutes, then pictures, then every figure.

mod pictures;
mod reasons;
mod tables;

use super::answering::Verdict;
use super::explained::number;
use super::groups::Fairness;
use super::judged::{Detail, Judged};
use super::metric::{Better, Measured, Metric};
use crate::page::escape;
use crate::table::grouped;
use std::fmt::Write;
use trainyard_models::metrics::Interval;
use trainyard_models::slices::{Condition, Slice};
use trainyard_models::{Model, Predictor, Task};

const STYLE: &str = include_str!("report.css");
/// Figures that head the report.
const TILES: usize = 3;

/// What the report is about.
pub(crate) struct About<'a> {
    pub(crate) pipeline: &'a str,
    pub(crate) step: &'a str,
    pub(crate) model: &'a Model,
    pub(crate) model_hash: String,
    pub(crate) seed: u64,
    pub(crate) draws: u32,
}

/// The report as a page.
pub(crate) fn html(about: &About<'_>, judged: &Judged, verdicts: &[Verdict], passed: bool) -> String {
    let label = about.model.label();
    let title = format!("{}: {} of {}", about.pipeline, about.step, label.name);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{0}</title><style>{STYLE}</style></head><body><main><h1>{0}</h1>",
        escape(&title)
    );
    verdict(&mut page, verdicts, passed);
    tiles(&mut page, judged);
    subject(&mut page, about, judged);
    warnings(&mut page, judged);
    pictures::write(&mut page, judged);
    reasons::write(&mut page, about, judged);
    tables::write(&mut page, judged, verdicts);
    let _ = writeln!(
        page,
        "<p class=\"note\">Intervals hold the true value in 95 of 100 samples of rows. Those called bootstrap draw the rows \
         again {} times, seed {}. The JSON beside this page has every figure. Model <code>{}</code>.</p></main></body></html>",
        about.draws,
        about.seed,
        escape(&about.model_hash)
    );
    page
}

fn verdict(page: &mut String, verdicts: &[Verdict], passed: bool) {
    let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.passed).collect();
    let idle: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.applied).collect();
    let (class, words) = match (verdicts.len() - idle.len(), failed.len()) {
        (0, _) if !idle.is_empty() => (
            "none",
            "No gate applied: there is no champion yet to compare with".to_owned(),
        ),
        (0, _) => ("none", "No gates: nothing was demanded".to_owned()),
        (all, 0) if passed && idle.is_empty() => ("pass", format!("Passed: all {all} gates hold")),
        (all, 0) if passed => (
            "pass",
            format!("Passed: {all} gates hold, {} not applied", idle.len()),
        ),
        (all, failed) => ("fail", format!("Not passed: {failed} of {all} gates do not hold")),
    };
    let _ = write!(
        page,
        "<section class=\"verdict {class}\"><p class=\"words\">{words}</p>"
    );
    if !failed.is_empty() || !idle.is_empty() {
        page.push_str("<ul>");
        for verdict in failed.into_iter().chain(idle) {
            let _ = write!(
                page,
                "<li><b>{}</b>: found {}</li>",
                escape(&verdict.demand),
                escape(&verdict.found)
            );
        }
        page.push_str("</ul>");
    }
    page.push_str("</section>");
}

/// The figures that matter most: the first of the metrics, beside the champion's.
fn tiles(page: &mut String, judged: &Judged) {
    page.push_str("<section class=\"tiles\">");
    for measured in judged.figures.iter().take(TILES) {
        let _ = write!(
            page,
            "<div class=\"tile\"><p class=\"what\">{}{}</p><p class=\"big\">{}</p><p class=\"note\">{}; n = {}</p>",
            measured.metric.name(),
            direction(measured.metric),
            figure(measured.value),
            interval_in_words(measured),
            grouped(judged.rows as u64)
        );
        beside_champion(page, judged, measured);
        page.push_str("</div>");
    }
    page.push_str("</section>");
}

fn beside_champion(page: &mut String, judged: &Judged, measured: &Measured) {
    let Some(champion) = &judged.champion else {
        return;
    };
    let Some(value) = champion.value(measured.metric) else {
        let why = champion.failure.as_deref().unwrap_or("undefined on these rows");
        let _ = write!(page, "<p>{}: {}</p>", escape(&champion.name), escape(why));
        return;
    };
    let _ = write!(page, "<p>{}: {}", escape(&champion.name), figure(value));
    if let Some(compared) = champion.compared(measured.metric) {
        let better = match measured.metric.better() {
            Better::Higher => compared.difference,
            Better::Lower => -compared.difference,
            Better::Neither => 0.0,
        };
        let sure = compared
            .interval
            .is_some_and(|interval| interval.low > 0.0 || interval.high < 0.0);
        let (class, words) = match (sure, better > 0.0) {
            (true, true) => ("pass", "better"),
            (true, false) if better < 0.0 => ("fail", "worse"),
            _ => ("even", "no clear difference"),
        };
        let _ = write!(
            page,
            "<br><span class=\"mark {class}\">{words}</span> difference {}{}, p {}, {}",
            signed(compared.difference),
            compared.interval.map_or(String::new(), |interval| format!(
                " ({} to {})",
                signed(interval.low),
                signed(interval.high)
            )),
            p_value(compared.p_value),
            escape(&compared.method)
        );
    }
    page.push_str("</p>");
}

fn subject(page: &mut String, about: &About<'_>, judged: &Judged) {
    let label = about.model.label();
    let rows = grouped(judged.rows as u64);
    let what = match (&label.task, judged.positives) {
        (Task::Binary { positive, .. }, Some(positives)) => format!(
            "{rows} test rows, of which {} ({}) have <b>{} = {}</b>",
            grouped(positives as u64),
            percent(positives as f64 / judged.rows.max(1) as f64),
            escape(&label.name),
            escape(positive)
        ),
        (Task::Multiclass { classes }, _) => format!(
            "{rows} test rows with one of {} values of <b>{}</b>",
            classes.len(),
            escape(&label.name)
        ),
        _ => format!("{rows} test rows with a known <b>{}</b>", escape(&label.name)),
    };
    let _ = write!(
        page,
        "<p>{} with {}, judged on {what}.{}{}</p>",
        escape(&about.model.algorithm().name().replace('_', " ")),
        match about.model.features().len() {
            1 => "one feature".to_owned(),
            features => format!("{features} features"),
        },
        if judged.unlabelled > 0 {
            format!(
                " {} rows without a label were left out.",
                grouped(judged.unlabelled as u64)
            )
        } else {
            String::new()
        },
        match &judged.detail {
            Detail::Binary(detail) => format!(
                " Decisions are positive from a probability of {} on ({}).",
                figure(detail.decision.threshold),
                escape(&detail.decision.how)
            ),
            Detail::Classes(_) => " Decisions are for the class of the highest probability.".to_owned(),
            Detail::Numbers(_) => String::new(),
        }
    );
}

/// What makes figures look better, or parts worse, than they are.
fn warnings(page: &mut String, judged: &Judged) {
    let mut said = Vec::new();
    if let Detail::Binary(detail) = &judged.detail
        && detail.decision.on_test
    {
        said.push(
            "The threshold was chosen on the rows it is judged by, which flatters every figure of decisions. \
             Give the step an input <code>valid</code>."
                .to_owned(),
        );
    }
    if let Some(worst) = judged
        .found_slices
        .as_ref()
        .and_then(|slices| slices.found.first())
    {
        said.push(format!(
            "Worst part found: <b>{}</b>, n = {}, mean loss {} against {} elsewhere.",
            conditions(worst),
            grouped(worst.rows as u64),
            figure(worst.loss),
            figure(worst.loss_outside)
        ));
    }
    for fairness in &judged.fairness {
        said.extend(widest(fairness));
    }
    if !said.is_empty() {
        let _ = write!(
            page,
            "<ul class=\"said\"><li>{}</li></ul>",
            said.join("</li><li>")
        );
    }
}

/// The disparity with the lowest ratio, in words.
fn widest(fairness: &Fairness) -> Option<String> {
    let (disparity, ratio) = fairness
        .disparities
        .iter()
        .filter_map(|disparity| Some((disparity, disparity.ratio?)))
        .min_by(|left, right| left.1.value.total_cmp(&right.1.value))?;
    let [least, greatest] = disparity.between.as_ref()?;
    let small = fairness.groups.iter().filter(|group| group.small).count();
    Some(format!(
        "By {}, {} is furthest apart: {} has {} of what {} has{}.{}",
        escape(&fairness.by),
        disparity.metric.name(),
        escape(least),
        percent(ratio.value),
        escape(greatest),
        ratio.interval.map_or(String::new(), |interval| format!(
            " ({} to {})",
            percent(interval.low),
            percent(interval.high)
        )),
        match small {
            0 => String::new(),
            1 => " One group is too small to judge.".to_owned(),
            small => format!(" {small} groups are too small to judge."),
        }
    ))
}

/// Which rows a slice has, e.g. `hour > 17 and carrier is UA`.
fn conditions(slice: &Slice) -> String {
    let words: Vec<String> = slice
        .conditions
        .iter()
        .map(|condition| match condition {
            Condition::Between { column, above, up_to } => match (above, up_to) {
                (Some(above), Some(up_to)) => {
                    format!("{} < {column} ≤ {}", number(*above), number(*up_to))
                }
                (Some(above), None) => format!("{column} > {}", number(*above)),
                (None, Some(up_to)) => format!("{column} ≤ {}", number(*up_to)),
                (None, None) => format!("{column} is known"),
            },
            other => other.to_string(),
        })
        .collect();
    escape(&words.join(" and "))
}

/// A picture with what it shows.
fn picture(page: &mut String, picture: &str, caption: &str) {
    let _ = write!(
        page,
        "<figure>{picture}<figcaption>{caption}</figcaption></figure>"
    );
}

fn direction(metric: Metric) -> &'static str {
    match metric.better() {
        Better::Lower => " ↓",
        Better::Higher => " ↑",
        Better::Neither => "",
    }
}

fn interval_in_words(measured: &Measured) -> String {
    match &measured.interval {
        Some((interval, method)) => format!("{} ({})", range(*interval), escape(method)),
        None => "no interval".to_owned(),
    }
}

pub(crate) fn range(interval: Interval) -> String {
    format!("{} to {}", figure(interval.low), figure(interval.high))
}

/// Four digits after the point, or as many as matter of a large or small number.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return value.to_string();
    }
    if size >= 1e6 || (size > 0.0 && size < 5e-4) {
        format!("{value:.3e}")
    } else if size >= 1_000.0 {
        format!("{value:.1}")
    } else if size >= 10.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.4}")
    }
}

fn signed(value: f64) -> String {
    if value > 0.0 {
        format!("+{}", figure(value))
    } else {
        figure(value)
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn p_value(p: f64) -> String {
    if p < 0.001 {
        "below 0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}
