//! `metrics/…`: the history of metrics.

use super::failure::Failure;
use super::fields::Fields;
use super::shapes::{MetricShape, Page, body};
use crate::app::Shared;
use axum::body::Bytes;
use trainyard_domain::tracking::page;
use trainyard_store::tracking::MetricPoint;

/// Points that one answer holds where nothing else is said, and never more.
const MOST_POINTS: i64 = 25_000;
/// Runs that one request names.
const MOST_RUNS: usize = 100;
/// Points of each run that a picture gets.
const MOST_SAMPLES: i64 = 2_500;
/// Points of each run that a picture gets where nothing else is said.
const SAMPLES: i64 = 320;

pub(super) async fn get(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    let key = fields.required("metric_key")?.to_owned();
    let size = fields.int("max_results")?;
    if let Some(size) = size.filter(|size| *size <= 0) {
        return Err(Failure::invalid(format!(
            "Invalid value {size} for parameter 'max_results' supplied. It must be a positive integer"
        )));
    }
    let size = size.map(|size| size.min(MOST_POINTS));
    let offset = page::offset(fields.text("page_token")?)?;
    app.tracked(move |tracking| {
        let mut points = tracking.history(&id, &key, size.map(|size| size + 1), offset)?;
        let length = i64::try_from(points.len()).unwrap_or(i64::MAX);
        let next = size.filter(|size| length > *size).map(|size| {
            points.truncate(usize::try_from(size).unwrap_or(0));
            page::token(offset + size)
        });
        let items: Vec<_> = points
            .iter()
            .map(|point| MetricShape::of(&key, *point, None))
            .collect();
        body(&Page {
            name: "metrics",
            items: &items,
            next,
        })
    })
    .await
}

/// Points of a metric of many runs, one run after the other.
pub(super) async fn bulk(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let mut ids = fields.texts("run_id")?;
    if ids.is_empty() {
        return Err(Failure::invalid(
            "GetMetricHistoryBulk request must specify at least one run_id.",
        ));
    }
    if ids.len() > MOST_RUNS {
        return Err(Failure::invalid(format!(
            "GetMetricHistoryBulk request cannot specify more than {MOST_RUNS} run_ids. Received {} run_ids.",
            ids.len()
        )));
    }
    let Some(key) = fields.text("metric_key")?.map(str::to_owned) else {
        return Err(Failure::invalid(
            "GetMetricHistoryBulk request must specify a metric_key.",
        ));
    };
    let size = fields
        .int("max_results")?
        .unwrap_or(MOST_POINTS)
        .clamp(0, MOST_POINTS);
    ids.sort();
    app.tracked(move |tracking| {
        let mut left = size;
        let mut all: Vec<(&str, MetricPoint)> = Vec::new();
        for id in &ids {
            if left == 0 {
                break;
            }
            let points = tracking.history(id, &key, Some(left), 0)?;
            left -= i64::try_from(points.len()).unwrap_or(left);
            all.extend(points.into_iter().map(|point| (id.as_str(), point)));
        }
        let items: Vec<_> = all
            .iter()
            .map(|(id, point)| MetricShape::of(&key, *point, Some(id)))
            .collect();
        body(&Page {
            name: "metrics",
            items: &items,
            next: None,
        })
    })
    .await
}

/// Points of a metric of many runs at the same steps, so many that a picture can show them.
pub(super) async fn bulk_interval(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let ids = fields.texts("run_ids")?;
    let key = fields.text("metric_key")?.unwrap_or_default().to_owned();
    if ids.is_empty() {
        return Err(super::fields::missing("run_ids"));
    }
    if ids.len() > MOST_RUNS {
        return Err(Failure::invalid(format!(
            "GetMetricHistoryBulkInterval request must specify at most {MOST_RUNS} run_ids. Received {} run_ids.",
            ids.len()
        )));
    }
    if key.is_empty() {
        return Err(super::fields::missing("metric_key"));
    }
    let size = fields.int("max_results")?.unwrap_or(SAMPLES);
    if !(1..=MOST_SAMPLES).contains(&size) {
        return Err(Failure::invalid(format!(
            "max_results must be between 1 and {MOST_SAMPLES}."
        )));
    }
    let range = match (fields.int("start_step")?, fields.int("end_step")?) {
        (None, None) => (i64::MIN, i64::MAX),
        (Some(from), Some(to)) if from > to => {
            return Err(Failure::invalid(format!(
                "end_step must be greater than start_step. Found start_step={from} and end_step={to}."
            )));
        }
        (Some(from), Some(to)) => (from, to),
        _ => {
            return Err(Failure::invalid(
                "If either start step or end step are specified, both must be specified.",
            ));
        }
    };
    let size = usize::try_from(size).unwrap_or(1);
    app.tracked(move |tracking| {
        let mut all: Vec<(&str, MetricPoint)> = Vec::new();
        for id in &ids {
            let mut points = tracking.history(id, &key, None, 0)?;
            points.retain(|point| (range.0..=range.1).contains(&point.step));
            points.sort_by_key(|point| (point.step, point.at));
            all.extend(sampled(&points, size).map(|point| (id.as_str(), *point)));
        }
        let items: Vec<_> = all
            .iter()
            .map(|(id, point)| MetricShape::of(&key, *point, Some(id)))
            .collect();
        body(&Page {
            name: "metrics",
            items: &items,
            next: None,
        })
    })
    .await
}

/// So many of them, evenly, with the first and the last.
fn sampled<T>(points: &[T], size: usize) -> impl Iterator<Item = &T> {
    let is_all = points.len() <= size;
    let last = points.len().saturating_sub(1);
    let count = if is_all { points.len() } else { size };
    let stride = if is_all {
        1.0
    } else {
        points.len() as f64 / size as f64
    };
    (0..count).filter_map(move |at| {
        let is_end = at + 1 == count;
        points.get(if is_end {
            last
        } else {
            (at as f64 * stride) as usize
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_even_and_has_both_ends() {
        let steps: Vec<i64> = (0..20).collect();
        let of = |size: usize| sampled(&steps, size).copied().collect::<Vec<_>>();
        assert_eq!(of(5), [0, 4, 8, 12, 19]);
        assert_eq!(of(1), [19]);
        assert_eq!(of(20), steps);
        assert_eq!(sampled(&steps[..0], 5).count(), 0);
    }
}
