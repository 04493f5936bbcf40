//! What the numbers look like.

use super::picture;
use crate::evaluate::judged::{BinaryDetail, ClassesDetail, Detail, Judged, NumbersDetail};
use crate::evaluate::picture::{Line, Plot, range};
use crate::page::escape;
use crate::table::grouped;
use trainyard_models::metrics::{CalibrationBin, CurvePoint};

/// Classes whose ROC curves are drawn.
const DRAWN_CLASSES: usize = 6;

pub(super) fn write(page: &mut String, judged: &Judged) {
    page.push_str("<h2>Pictures</h2><div class=\"pictures\">");
    let n = format!("n = {}", grouped(judged.rows as u64));
    match &judged.detail {
        Detail::Binary(detail) => of_two(page, detail, &n),
        Detail::Classes(detail) => of_several(page, detail, &n),
        Detail::Numbers(detail) => of_numbers(page, detail, &n),
    }
    page.push_str("</div>");
}

fn line(name: &str, points: Vec<(f64, f64)>, marked: bool) -> Line {
    Line {
        name: name.to_owned(),
        points,
        marked,
    }
}

fn points(curve: &[CurvePoint]) -> Vec<(f64, f64)> {
    curve.iter().map(|point| (point.x, point.y)).collect()
}

fn calibration(bins: &[CalibrationBin]) -> Vec<(f64, f64)> {
    bins.iter()
        .map(|bin| (bin.mean_probability, bin.observed))
        .collect()
}

fn of_two(page: &mut String, detail: &BinaryDetail, n: &str) {
    let roc = Plot::unit("ROC curve", "negatives called positive", "positives found", true);
    picture(
        page,
        &roc.lines(&[line("ROC", points(&detail.roc), false)]),
        &format!("ROC curve. {n}, all thresholds, thinned to 200 points."),
    );
    let precision = Plot::unit("Precision and recall", "recall", "precision", false);
    picture(
        page,
        &precision.lines(&[line("precision", points(&detail.precision_recall), false)]),
        &format!("Precision by recall. {n}, all thresholds, thinned to 200 points."),
    );
    let held = Plot::unit(
        "Calibration",
        "mean predicted probability",
        "observed share",
        true,
    );
    picture(
        page,
        &held.lines(&[line("observed share", calibration(&detail.calibration), true)]),
        &format!(
            "Calibration: observed share by predicted probability, ten bins of equal numbers of rows. {n}."
        ),
    );
    let most = detail
        .scores
        .iter()
        .fold(0.05f64, |most, (no, yes)| most.max(*no).max(*yes));
    let mut scores = Plot::unit(
        "Predicted probabilities",
        "predicted probability",
        "share of the class",
        false,
    );
    scores.y_range = (0.0, most);
    picture(
        page,
        &scores.bars(&detail.scores, ["negatives", "positives"]),
        &format!(
            "Predicted probabilities of positive rows (<span class=\"k1\">■</span>) and negative ones \
             (<span class=\"k0\">■</span>), 20 bins. {n}."
        ),
    );
    let by_threshold = Plot::unit("Decisions by threshold", "threshold", "share", false);
    let of = |value: fn(&crate::evaluate::judged::AtThreshold) -> Option<f64>| {
        detail
            .thresholds
            .iter()
            .filter_map(|at| Some((at.threshold, value(at)?)))
            .collect::<Vec<_>>()
    };
    let chosen = detail.decision.threshold.min(1.0);
    picture(
        page,
        &by_threshold.lines(&[
            line("precision", of(|at| at.precision), false),
            line("recall", of(|at| at.recall), false),
            line("F1", of(|at| at.f1), false),
            line("threshold in use", vec![(chosen, 0.0), (chosen, 1.0)], false),
        ]),
        &format!(
            "<span class=\"k1\">Precision</span>, <span class=\"k0\">recall</span> and <span class=\"k2\">F1</span> by \
             threshold, and <span class=\"k3\">the one in use</span>. {n}."
        ),
    );
    let gain = Plot::unit(
        "Cumulative gain",
        "rows with the highest scores",
        "positives among them",
        true,
    );
    picture(
        page,
        &gain.lines(&[line("gain", points(&detail.gain), false)]),
        &format!("Cumulative gain: positives found among the share of rows with the highest scores. {n}."),
    );
}

fn of_several(page: &mut String, detail: &ClassesDetail, n: &str) {
    let lines: Vec<Line> = detail
        .each
        .iter()
        .zip(&detail.classes)
        .take(DRAWN_CLASSES)
        .map(|(each, class)| line(class, points(&each.roc), false))
        .collect();
    let names: Vec<String> = lines
        .iter()
        .zip(["k1", "k0", "k2", "k3", "k4", "k5"])
        .map(|(line, class)| format!("<span class=\"{class}\">{}</span>", escape(&line.name)))
        .collect();
    let roc = Plot::unit("ROC curves", "others called so", "rows of the class found", true);
    let left_out = detail.classes.len().saturating_sub(DRAWN_CLASSES);
    picture(
        page,
        &roc.lines(&lines),
        &format!(
            "ROC curve of each class against the others: {}{}. {n}.",
            names.join(", "),
            if left_out > 0 {
                format!(" and {left_out} not drawn")
            } else {
                String::new()
            }
        ),
    );
    let held = Plot::unit(
        "Calibration",
        "highest probability of the row",
        "share of right decisions",
        true,
    );
    picture(
        page,
        &held.lines(&[line(
            "share of right decisions",
            calibration(&detail.calibration),
            true,
        )]),
        &format!("Whether the model is as sure as it should be: ten bins of equal width. {n}."),
    );
}

fn of_numbers(page: &mut String, detail: &NumbersDetail, n: &str) {
    let both = range(detail.points.iter().flat_map(|(p, t)| [*p, *t]));
    let mut cloud = Plot::unit("Prediction and label", "prediction", "label", true);
    (cloud.x_range, cloud.y_range) = (both, both);
    picture(
        page,
        &cloud.cloud(&detail.points, "labels by predictions"),
        &format!(
            "Label by prediction; on the line they are equal. {} of the rows, drawn by the seed; {n}.",
            detail.points.len()
        ),
    );
    let tenths: Vec<(f64, f64)> = detail
        .tenths
        .iter()
        .map(|(predicted, observed, _)| (*predicted, *observed))
        .collect();
    let both = range(tenths.iter().flat_map(|(p, t)| [*p, *t]));
    let mut means = Plot::unit("Calibration", "mean prediction", "mean label", true);
    (means.x_range, means.y_range) = (both, both);
    picture(
        page,
        &means.lines(&[line("mean label", tenths, true)]),
        &format!("Calibration: mean label by mean prediction, in tenths of the rows by prediction. {n}."),
    );
    let errors: Vec<(f64, f64)> = detail.points.iter().map(|(p, t)| (*p, p - t)).collect();
    let mut residuals = Plot::unit("Errors by prediction", "prediction", "prediction − label", false);
    residuals.x_range = range(errors.iter().map(|(p, _)| *p));
    residuals.y_range = range(errors.iter().map(|(_, e)| *e));
    picture(
        page,
        &residuals.cloud(&errors, "errors by prediction"),
        &format!(
            "Error by prediction: above 0 the prediction is too high. {} of the rows; {n}.",
            errors.len()
        ),
    );
    let bars: Vec<(f64, f64)> = detail.errors.iter().map(|(_, _, share)| (0.0, *share)).collect();
    let mut shares = Plot::unit("Errors", "prediction − label", "share of rows", false);
    if let (Some(first), Some(last)) = (detail.errors.first(), detail.errors.last())
        && first.0 < last.1
    {
        shares.x_range = (first.0, last.1);
        shares.y_range = (
            0.0,
            bars.iter().fold(0.05f64, |most, (_, share)| most.max(*share)),
        );
        picture(
            page,
            &shares.bars(&bars, ["", "share of rows"]),
            &format!("Errors from the first to the last percentile, 20 bins. {n}."),
        );
    }
}
