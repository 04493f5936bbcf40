//! The evaluation as JSON, format `trainyard.evaluation/2`; described in `docs/evaluation.md`.

use super::answering::Verdict;
use super::compared::{Compared, Other};
use super::explained::{Dependence, Example, Explained};
use super::groups::{Fairness, Part, Ranged};
use super::judged::{BinaryDetail, ClassesDetail, Detail, Judged, NumbersDetail};
use super::metric::{Measured, Metric};
use super::report::About;
use serde_json::{Map, Value, json};
use trainyard_models::Predictor;
use trainyard_models::metrics::{CalibrationBin, ConfusionMatrix, CurvePoint, Interval, RESIDUAL_QUANTILES};
use trainyard_models::slices::Slices;

/// Everything that was found.
pub(crate) fn json(about: &About<'_>, judged: &Judged, verdicts: &[Verdict], passed: bool) -> Value {
    let slices: Map<String, Value> = judged
        .slices
        .iter()
        .map(|(column, parts)| (column.clone(), parts.iter().map(part).collect()))
        .collect();
    let mut record = json!({
        "format": "trainyard.evaluation/2",
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
        "seed": about.seed,
        "draws": about.draws,
        "level": super::metric::LEVEL,
        "passed": passed,
        "gates": verdicts.iter().map(Verdict::json).collect::<Vec<_>>(),
        "metrics": figures_and(&judged.figures, &judged.undefined),
        "champion": judged.champion.as_ref().map(other),
        "baselines": judged.baselines.iter().map(other).collect::<Vec<_>>(),
        "slices": slices,
        "found_slices": judged.found_slices.as_ref().map(found_slices),
        "fairness": judged.fairness.iter().map(fairness).collect::<Vec<_>>(),
    });
    if let Value::Object(record) = &mut record {
        record.extend(match &judged.detail {
            Detail::Binary(detail) => of_two(detail),
            Detail::Classes(detail) => of_several(detail),
            Detail::Numbers(detail) => of_numbers(detail),
        });
        record.extend(explained(&judged.explained));
    }
    record
}

fn interval(interval: Option<Interval>) -> Value {
    interval.map_or(Value::Null, |interval| json!([interval.low, interval.high]))
}

/// Figures, and those that do not exist with why.
fn figures_and(measured: &[Measured], undefined: &[(Metric, String)]) -> Map<String, Value> {
    let mut all = figures(measured);
    let missing = undefined
        .iter()
        .map(|(metric, why)| (metric.name().to_owned(), json!({"value": null, "why": why})));
    all.extend(missing);
    all
}

fn figures(figures: &[Measured]) -> Map<String, Value> {
    figures
        .iter()
        .map(|measured| {
            let value = match &measured.interval {
                Some((interval, method)) => json!({
                    "value": measured.value, "low": interval.low, "high": interval.high, "method": method,
                }),
                None => json!({"value": measured.value}),
            };
            (measured.metric.name().to_owned(), value)
        })
        .collect()
}

fn values(values: impl IntoIterator<Item = (Metric, f64)>) -> Map<String, Value> {
    values
        .into_iter()
        .map(|(metric, value)| (metric.name().to_owned(), json!(value)))
        .collect()
}

fn compared(compared: &Compared) -> Value {
    json!({
        "metric": compared.metric.name(), "difference": compared.difference,
        "interval": interval(compared.interval), "p_value": compared.p_value, "method": compared.method,
    })
}

fn other(other: &Other) -> Value {
    json!({
        "name": other.name,
        "algorithm": other.algorithm,
        "metrics": values(other.values.iter().copied()),
        "compared": other.compared.iter().map(compared).collect::<Vec<_>>(),
        "failure": other.failure,
    })
}

fn part(part: &Part) -> Value {
    json!({
        "value": part.value, "rows": part.rows, "positives": part.positives,
        "metrics": values(part.figures.iter().map(|measured| (measured.metric, measured.value))),
        "figures": figures(&part.figures),
    })
}

fn found_slices(slices: &Slices) -> Value {
    json!({
        "measured": slices.measured,
        "complete": slices.complete,
        "found": slices.found.iter().map(|slice| json!({
            "conditions": slice.conditions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "rows": slice.rows, "loss": slice.loss, "loss_outside": slice.loss_outside,
            "effect": slice.effect, "p_value": slice.p_value, "corrected_p_value": slice.corrected_p_value,
        })).collect::<Vec<_>>(),
    })
}

fn ranged(ranged: Option<Ranged>) -> Value {
    ranged.map_or(
        Value::Null,
        |ranged| json!({"value": ranged.value, "interval": interval(ranged.interval)}),
    )
}

fn fairness(fairness: &Fairness) -> Value {
    json!({
        "by": fairness.by,
        "method": fairness.method,
        "groups": fairness.groups.iter().map(|group| json!({
            "value": group.value, "rows": group.rows, "small": group.small, "metrics": figures(&group.figures),
        })).collect::<Vec<_>>(),
        "disparities": fairness.disparities.iter().map(|disparity| json!({
            "metric": disparity.metric.name(), "overall": disparity.overall,
            "difference": ranged(disparity.difference), "ratio": ranged(disparity.ratio),
            "between": disparity.between,
        })).collect::<Vec<_>>(),
    })
}

fn curve(points: &[CurvePoint]) -> Value {
    points.iter().map(|point| json!([point.x, point.y])).collect()
}

fn calibration(bins: &[CalibrationBin]) -> Value {
    bins.iter()
        .map(|bin| {
            json!({"rows": bin.rows, "mean_probability": bin.mean_probability, "observed": bin.observed})
        })
        .collect()
}

fn matrix(matrix: &ConfusionMatrix) -> Value {
    (0..matrix.classes())
        .map(|actual| {
            (0..matrix.classes())
                .map(|decided| json!(matrix.cell(actual, decided) as u64))
                .collect::<Value>()
        })
        .collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn of_two(detail: &BinaryDetail) -> Map<String, Value> {
    let cell = |actual, decided| detail.confusion.cell(actual, decided) as u64;
    object(json!({
        "threshold": detail.decision.threshold,
        "threshold_from": {"how": detail.decision.how, "on_test": detail.decision.on_test},
        "confusion": {
            "true_positives": cell(1, 1), "false_positives": cell(0, 1),
            "true_negatives": cell(0, 0), "false_negatives": cell(1, 0),
        },
        "thresholds": detail.thresholds.iter().map(|at| json!({
            "threshold": at.threshold, "selected": at.selected, "precision": at.precision,
            "recall": at.recall, "f1": at.f1, "cost": at.cost,
        })).collect::<Vec<_>>(),
        "curves": {
            "roc": curve(&detail.roc),
            "precision_recall": curve(&detail.precision_recall),
            "gain": curve(&detail.gain),
            "calibration": calibration(&detail.calibration),
            "scores": detail.scores.iter().map(|(no, yes)| json!([no, yes])).collect::<Vec<_>>(),
        },
    }))
}

fn of_several(detail: &ClassesDetail) -> Map<String, Value> {
    object(json!({
        "classes": detail.classes,
        "confusion": matrix(&detail.confusion),
        "each_class": detail.each.iter().zip(&detail.classes).map(|(each, class)| json!({
            "class": class, "rows": each.rows, "metrics": figures(&each.figures), "roc": curve(&each.roc),
        })).collect::<Vec<_>>(),
        "curves": {"calibration": calibration(&detail.calibration)},
    }))
}

fn of_numbers(detail: &NumbersDetail) -> Map<String, Value> {
    let residuals = &detail.residuals;
    object(json!({
        "residuals": {
            "bias": residuals.bias, "deviation": residuals.deviation, "skewness": residuals.skewness,
            "excess_kurtosis": residuals.excess_kurtosis, "share_above": residuals.share_above,
            "correlation_with_prediction": residuals.correlation_with_prediction,
            "quantiles": RESIDUAL_QUANTILES.iter().zip(residuals.quantiles)
                .map(|(share, value)| json!([share, value])).collect::<Vec<_>>(),
        },
        "curves": {
            "tenths": detail.tenths.iter().map(|(predicted, observed, rows)| json!({
                "mean_prediction": predicted, "mean_label": observed, "rows": rows,
            })).collect::<Vec<_>>(),
            "errors": detail.errors.iter().map(|(from, to, share)| json!([from, to, share])).collect::<Vec<_>>(),
        },
    }))
}

fn explained(explained: &Explained) -> Map<String, Value> {
    let mut record = Map::new();
    if let Some(found) = &explained.permutation {
        record.extend(object(json!({
            "importance": found.importance.iter().map(|importance| json!({
                "feature": importance.feature, "drop": importance.drop, "deviation": importance.deviation,
            })).collect::<Vec<_>>(),
            "importance_from": {
                "metric": found.metric.name(), "rows": found.rows, "repeats": found.repeats,
            },
        })));
    }
    if let Some(shap) = &explained.shap {
        let dependence: Map<String, Value> = shap
            .dependence
            .iter()
            .map(|(feature, dependence)| (feature.clone(), dependence_json(dependence)))
            .collect();
        let shap = json!({
            "rows": shap.rows, "how": shap.how, "unit": shap.unit, "of_class": shap.of_class, "base": shap.base,
            "mean_absolute": shap.mean_absolute.iter()
                .map(|(feature, value)| json!({"feature": feature, "value": value})).collect::<Vec<_>>(),
            "dependence": dependence,
            "examples": shap.examples.iter().map(example).collect::<Vec<_>>(),
        });
        record.insert("shap".to_owned(), shap);
    }
    record
}

fn dependence_json(dependence: &Dependence) -> Value {
    match dependence {
        Dependence::Numbers(points) => points.iter().map(|(value, shap)| json!([value, shap])).collect(),
        Dependence::Categories(means) => means
            .iter()
            .map(|(category, mean, rows)| json!({"category": category, "mean": mean, "rows": rows}))
            .collect(),
    }
}

fn example(example: &Example) -> Value {
    json!({
        "why": example.why, "row": example.row, "label": example.truth, "prediction": example.prediction,
        "base": example.base, "sum": example.sum,
        "adds": example.adds.iter().map(|(feature, value, adds)| json!({
            "feature": feature, "value": value, "adds": adds,
        })).collect::<Vec<_>>(),
    })
}
