//! The report: one HTML page without scripts or anything from elsewhere, and the same as JSON.

use super::gates::Verdict;
use super::judged::{Judged, Measured, Other, Slice};
use super::picture::{Line, Plot, ranking};
use crate::page::escape;
use crate::table::grouped;
use crate::train::scores::Metric;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use trainyard_models::{Model, Predictor, Task};

const STYLE: &str = include_str!("report.css");

/// What the report is about.
pub(crate) struct About<'a> {
    pub(crate) pipeline: &'a str,
    pub(crate) step: &'a str,
    pub(crate) model: &'a Model,
    pub(crate) model_hash: String,
    pub(crate) seed: u64,
    pub(crate) repeats: usize,
}

/// The report as JSON.
pub(crate) fn json(about: &About<'_>, judged: &Judged, verdicts: &[Verdict], passed: bool) -> Value {
    let slices: Map<String, Value> = judged
        .slices
        .iter()
        .map(|(column, slices)| {
            (
                column.clone(),
                Value::Array(slices.iter().map(slice_json).collect()),
            )
        })
        .collect();
    json!({
        "format": "trainyard.evaluation/1",
        "pipeline": about.pipeline,
        "step": about.step,
        "model": {
            "hash": about.model_hash,
            "algorithm": about.model.algorithm().name(),
            "features": about.model.features().iter().map(|feature| feature.name.as_str()).collect::<Vec<_>>(),
            "label": about.model.label(),
        },
        "rows": judged.rows,
        "positives": judged.positives,
        "rows_without_label": judged.unlabelled,
        "threshold": judged.threshold,
        "seed": about.seed,
        "passed": passed,
        "gates": verdicts.iter().map(Verdict::json).collect::<Vec<_>>(),
        "metrics": judged.metrics.iter().map(metric_json).collect::<Map<String, Value>>(),
        "confusion": {
            "true_positives": judged.confusion.true_positives,
            "false_positives": judged.confusion.false_positives,
            "true_negatives": judged.confusion.true_negatives,
            "false_negatives": judged.confusion.false_negatives,
        },
        "champion": judged.champion.as_ref().map(other_json),
        "baselines": judged.baselines.iter().map(other_json).collect::<Vec<_>>(),
        "slices": slices,
        "importance": judged.importance.iter().map(|importance| json!({
            "feature": importance.feature, "drop": importance.drop, "deviation": importance.deviation,
        })).collect::<Vec<_>>(),
        "curves": {
            "roc": judged.curves.roc.iter().map(|point| json!([point.x, point.y])).collect::<Vec<_>>(),
            "precision_recall": judged.curves.precision_recall.iter().map(|point| json!([point.x, point.y])).collect::<Vec<_>>(),
            "calibration": judged.curves.calibration.iter().map(|bin| json!({
                "rows": bin.rows, "mean_probability": bin.mean_probability, "observed": bin.observed,
            })).collect::<Vec<_>>(),
        },
    })
}

fn metric_json(measured: &Measured) -> (String, Value) {
    let value = match &measured.interval {
        Some((interval, method)) => json!({
            "value": measured.value, "low": interval.low, "high": interval.high, "method": method,
        }),
        None => json!({"value": measured.value}),
    };
    (measured.metric.name().to_owned(), value)
}

fn other_json(other: &Other) -> Value {
    json!({
        "name": other.name,
        "algorithm": other.algorithm,
        "metrics": numbers(&other.metrics),
        "roc_auc_difference": other.auc.map(|auc| json!({
            "difference": auc.difference, "low": auc.interval.low, "high": auc.interval.high,
            "p_value": auc.p_value, "method": "DeLong, paired",
        })),
        "failure": other.failure,
    })
}

fn slice_json(slice: &Slice) -> Value {
    json!({
        "value": slice.value, "rows": slice.rows, "positives": slice.positives, "metrics": numbers(&slice.metrics),
    })
}

fn numbers(metrics: &[(Metric, f64)]) -> Map<String, Value> {
    metrics
        .iter()
        .map(|(metric, value)| (metric.name().to_owned(), json!(value)))
        .collect()
}

/// The report as a page.
pub(crate) fn html(about: &About<'_>, judged: &Judged, verdicts: &[Verdict], passed: bool) -> String {
    let label = about.model.label();
    let positive = match &label.task {
        Task::Binary { positive, .. } => positive.as_str(),
        Task::Multiclass { .. } | Task::Regression | Task::Cluster => "",
    };
    let title = format!("{}: {} of {}", about.pipeline, about.step, label.name);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{0}</title><style>{STYLE}</style></head><body><main><h1>{0}</h1>",
        escape(&title)
    );
    let verdict = match (verdicts.is_empty(), passed) {
        (true, _) => "<span class=\"mark\">no gates</span>".to_owned(),
        (false, true) => format!(
            "<span class=\"mark pass\">all {} gates passed</span>",
            verdicts.len()
        ),
        (false, false) => {
            let failed = verdicts.iter().filter(|verdict| !verdict.passed).count();
            format!(
                "<span class=\"mark fail\">{failed} of {} gates failed</span>",
                verdicts.len()
            )
        }
    };
    let _ = write!(
        page,
        "<p>{verdict}</p><p>{} with {} features, judged on {} test rows, of which {} ({:.1} %) have <b>{} = {}</b>.{} Model <code>{}</code>.</p>",
        escape(about.model.algorithm().name()),
        about.model.features().len(),
        grouped(judged.rows as u64),
        grouped(judged.positives as u64),
        100.0 * judged.positives as f64 / judged.rows.max(1) as f64,
        escape(&label.name),
        escape(positive),
        if judged.unlabelled > 0 {
            format!(
                " {} rows without a label were left out.",
                grouped(judged.unlabelled as u64)
            )
        } else {
            String::new()
        },
        about.model_hash.get(..12).unwrap_or(&about.model_hash),
    );
    gates(&mut page, verdicts);
    metrics(&mut page, judged);
    others(&mut page, judged);
    pictures(&mut page, judged, positive);
    importance(&mut page, about, judged);
    confusion(&mut page, judged, positive);
    slices(&mut page, judged);
    page.push_str("</main></body></html>\n");
    page
}

fn gates(page: &mut String, verdicts: &[Verdict]) {
    if verdicts.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Gates</h2><table><thead><tr><th></th><th>demand</th><th>found</th></tr></thead><tbody>",
    );
    for verdict in verdicts {
        let (class, word) = if verdict.passed {
            ("pass", "passed")
        } else {
            ("fail", "failed")
        };
        let _ = write!(
            page,
            "<tr><td><span class=\"mark {class}\">{word}</span></td><td>{}</td><td>{}</td></tr>",
            escape(&verdict.demand),
            escape(&verdict.found)
        );
    }
    page.push_str("</tbody></table>");
}

fn metrics(page: &mut String, judged: &Judged) {
    let _ = write!(
        page,
        "<h2>Metrics</h2><table><thead><tr><th>metric</th><th class=\"n\">value</th>\
         <th class=\"n\">95 % interval</th><th>method</th></tr></thead><tbody>"
    );
    for measured in &judged.metrics {
        let (interval, method) = match &measured.interval {
            Some((interval, method)) => (format!("{:.4} to {:.4}", interval.low, interval.high), *method),
            None => ("–".to_owned(), "–"),
        };
        let better = if measured.metric.higher_is_better() {
            ""
        } else {
            " (lower is better)"
        };
        let _ = write!(
            page,
            "<tr><td>{}{better}</td><td class=\"n\">{:.4}</td><td class=\"n\">{interval}</td><td>{method}</td></tr>",
            measured.metric.name(),
            measured.value
        );
    }
    let _ = write!(
        page,
        "</tbody></table><p class=\"note\">n = {} test rows. Decisions are taken at a probability of {}.</p>",
        grouped(judged.rows as u64),
        judged.threshold
    );
}

fn others(page: &mut String, judged: &Judged) {
    let all: Vec<&Other> = judged.champion.iter().chain(&judged.baselines).collect();
    if all.is_empty() {
        return;
    }
    let columns: Vec<Metric> = judged.metrics.iter().map(|measured| measured.metric).collect();
    page.push_str("<h2>Beside other models</h2><div class=\"wide\"><table><thead><tr><th>model</th>");
    for metric in &columns {
        let _ = write!(page, "<th class=\"n\">{}</th>", metric.name());
    }
    page.push_str("<th class=\"n\">AUC difference</th><th class=\"n\">p</th></tr></thead><tbody><tr><td><b>this model</b></td>");
    for measured in &judged.metrics {
        let _ = write!(page, "<td class=\"n\">{:.4}</td>", measured.value);
    }
    page.push_str("<td></td><td></td></tr>");
    for other in all {
        let _ = write!(
            page,
            "<tr><td>{} ({})</td>",
            escape(&other.name),
            escape(&other.algorithm)
        );
        if let Some(failure) = &other.failure {
            let _ = write!(
                page,
                "<td colspan=\"{}\">{}</td></tr>",
                columns.len() + 2,
                escape(failure)
            );
            continue;
        }
        for metric in &columns {
            let shown = other
                .value(*metric)
                .map_or("–".to_owned(), |value| format!("{value:.4}"));
            let _ = write!(page, "<td class=\"n\">{shown}</td>");
        }
        match &other.auc {
            Some(auc) => {
                let _ = write!(
                    page,
                    "<td class=\"n\">{:+.4} ({:+.4} to {:+.4})</td><td class=\"n\">{:.3}</td></tr>",
                    auc.difference, auc.interval.low, auc.interval.high, auc.p_value
                );
            }
            None => page.push_str("<td class=\"n\">–</td><td class=\"n\">–</td></tr>"),
        }
    }
    let _ = write!(
        page,
        "</tbody></table></div><p class=\"note\">AUC difference: this model minus the other on the same {} rows, with \
         95 % interval and two-sided p of no difference, by DeLong's paired test.</p>",
        grouped(judged.rows as u64)
    );
}

fn pictures(page: &mut String, judged: &Judged, positive: &str) {
    let n = grouped(judged.rows as u64);
    let unit = |title: &str, x_name, y_name, diagonal| Plot {
        title: title.to_owned(),
        x_name,
        y_name,
        x_most: 1.0,
        y_most: 1.0,
        diagonal,
    };
    let line = |name: &str, points: Vec<(f64, f64)>, marked| Line {
        name: name.to_owned(),
        points,
        marked,
    };
    let curves = &judged.curves;
    let roc = unit(
        "ROC curve",
        "share of negatives called positive",
        "share of positives found",
        true,
    )
    .lines(&[line(
        "ROC",
        curves.roc.iter().map(|point| (point.x, point.y)).collect(),
        false,
    )]);
    let precision = unit("Precision and recall", "recall", "precision", false).lines(&[line(
        "precision",
        curves
            .precision_recall
            .iter()
            .map(|point| (point.x, point.y))
            .collect(),
        false,
    )]);
    let calibration = unit(
        "Calibration",
        "mean predicted probability",
        "observed share",
        true,
    )
    .lines(&[line(
        "observed share by predicted probability",
        curves
            .calibration
            .iter()
            .map(|bin| (bin.mean_probability, bin.observed))
            .collect(),
        true,
    )]);
    let most = curves
        .scores
        .iter()
        .fold(0.05f64, |most, (no, yes)| most.max(*no).max(*yes));
    let scores = Plot {
        title: "Predicted probabilities".into(),
        x_name: "predicted probability",
        y_name: "share of the class",
        x_most: 1.0,
        y_most: most,
        diagonal: false,
    }
    .bars(&curves.scores, ["negatives", "positives"]);
    let auc = judged
        .value(Metric::RocAuc)
        .map_or(String::new(), |auc| format!(", area {auc:.4}"));
    let captions = [
        (
            roc,
            format!("ROC curve{auc}. n = {n}, all thresholds, thinned to 200 points."),
        ),
        (
            precision,
            format!("Precision by recall. n = {n}, all thresholds, thinned to 200 points."),
        ),
        (
            calibration,
            format!(
                "Calibration: observed share by predicted probability, ten bins of equal width. n = {n}."
            ),
        ),
        (
            scores,
            format!(
                "Predicted probabilities of rows with {} (<span class=\"k1\">■</span>) and of the others (<span class=\"k0\">■</span>), 20 bins. n = {n}.",
                escape(positive)
            ),
        ),
    ];
    page.push_str("<h2>Curves</h2><div class=\"pictures\">");
    for (picture, caption) in captions {
        let _ = write!(
            page,
            "<figure>{picture}<figcaption>{caption}</figcaption></figure>"
        );
    }
    page.push_str("</div>");
}

fn importance(page: &mut String, about: &About<'_>, judged: &Judged) {
    if judged.importance.is_empty() {
        return;
    }
    let rows: Vec<(String, f64, f64)> = judged
        .importance
        .iter()
        .map(|importance| (importance.feature.clone(), importance.drop, importance.deviation))
        .collect();
    let _ = write!(
        page,
        "<h2>What the model relies on</h2><figure>{}<figcaption>Loss of AUC when a feature's values are shuffled among \
         the rows: mean of {} shuffles, whiskers one standard deviation, seed {}. n = {}.</figcaption></figure>",
        ranking("Permutation importance", &rows),
        about.repeats,
        about.seed,
        grouped(judged.rows as u64)
    );
}

fn confusion(page: &mut String, judged: &Judged, positive: &str) {
    let counts = &judged.confusion;
    let _ = write!(
        page,
        "<h2>Decisions</h2><table><thead><tr><th></th><th class=\"n\">called {0}</th><th class=\"n\">called other</th></tr></thead>\
         <tbody><tr><td>is {0}</td><td class=\"n\">{1}</td><td class=\"n\">{2}</td></tr>\
         <tr><td>is other</td><td class=\"n\">{3}</td><td class=\"n\">{4}</td></tr></tbody></table>\
         <p class=\"note\">At a probability of at least {5}.</p>",
        escape(positive),
        grouped(counts.true_positives),
        grouped(counts.false_negatives),
        grouped(counts.false_positives),
        grouped(counts.true_negatives),
        judged.threshold
    );
}

fn slices(page: &mut String, judged: &Judged) {
    for (column, slices) in &judged.slices {
        let metrics: Vec<Metric> = judged.metrics.iter().map(|measured| measured.metric).collect();
        let _ = write!(
            page,
            "<h2>By {}</h2><div class=\"wide\"><table><thead><tr><th>value</th><th class=\"n\">rows</th><th class=\"n\">positive</th>",
            escape(column)
        );
        for metric in &metrics {
            let _ = write!(page, "<th class=\"n\">{}</th>", metric.name());
        }
        page.push_str("</tr></thead><tbody>");
        const SHOWN: usize = 40;
        for slice in slices.iter().take(SHOWN) {
            let _ = write!(
                page,
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.1} %</td>",
                escape(&slice.value),
                grouped(slice.rows as u64),
                100.0 * slice.positives as f64 / slice.rows.max(1) as f64
            );
            for (nth, metric) in metrics.iter().enumerate() {
                let shown = match (slice.of(*metric), slice.interval.filter(|_| nth == 0)) {
                    (Some(value), Some(interval)) => {
                        format!("{value:.4} ({:.3} to {:.3})", interval.low, interval.high)
                    }
                    (Some(value), None) => format!("{value:.4}"),
                    (None, _) => "–".to_owned(),
                };
                let _ = write!(page, "<td class=\"n\">{shown}</td>");
            }
            page.push_str("</tr>");
        }
        page.push_str("</tbody></table></div>");
        if slices.len() > SHOWN {
            let _ = write!(
                page,
                "<p class=\"note\">The {SHOWN} largest of {} values.</p>",
                slices.len()
            );
        }
    }
}
