//! What a search hands on beside its model.

use super::report::Findings;
use super::trial::State;
use super::trials;
use crate::table;
use crate::train::data::Examples;
use crate::train::{judge, outcome};
use serde_json::{Map, Value, json};
use trainyard_contract::{StepError, StepIo};
use trainyard_models::Model;

/// Metrics, tables and report.
pub(super) fn hand_on(
    io: &mut StepIo,
    findings: &Findings<'_>,
    model: &Model,
    examples: &Examples,
    valid: Option<&Examples>,
) -> Result<(), StepError> {
    let (best, measure, space) = (findings.best, findings.measure, findings.plan.space());
    let mut metrics = Map::new();
    if let Some(valid) = valid {
        metrics.extend(judge::measures(model, valid, "")?);
    }
    metrics.extend(judge::measures(model, examples, "train_")?);
    metrics.insert(measure.name().to_owned(), json!(best.value));
    if let Some(deviation) = best.deviation {
        metrics.insert(format!("{}_deviation", measure.name()), json!(deviation));
    }
    let of = |state| {
        findings
            .trials
            .iter()
            .filter(|trial| trial.state() == state)
            .count()
    };
    let pruned = of(State::Pruned);
    metrics.insert("trial".to_owned(), json!(best.job.trial + 1));
    metrics.insert("trials_pruned".to_owned(), json!(pruned));
    metrics.insert("trials_failed".to_owned(), json!(of(State::Failed)));
    metrics.insert(
        "algorithm".to_owned(),
        json!(space.algorithm(&best.job.params).name()),
    );
    metrics.insert("best".to_owned(), json!(best.job.params));
    let importance: Map<String, Value> = findings
        .importance
        .iter()
        .map(|(name, share)| (name.clone(), json!(share)))
        .collect();
    metrics.insert("importance".to_owned(), Value::Object(importance));
    let records = findings.trials.iter().map(|trial| trial.record(measure, space));
    metrics.insert("trials".to_owned(), records.collect());
    let measured = |trial: &trials::Trial<'_>| {
        let last = trial.last()?;
        Some((last.job.trial as u64 + 1, last.value?))
    };
    io.curve(
        &format!("trial_{}", measure.name()),
        findings.trials.iter().filter_map(measured),
    );
    io.headline(format!(
        "best of {} trials ({pruned} pruned): {}, {} {:.4}",
        findings.trials.len(),
        outcome::described(model),
        measure.name(),
        best.value.unwrap_or(f64::NAN)
    ));
    if io.wants("trials") {
        let mut rows = trials::table(findings.trials, findings.plan, measure)?;
        table::write(io, "trials", &mut rows, trials::schema(space))?;
    }
    if io.wants("timings") {
        let (mut rows, schema) = trials::timings(findings.trials)?;
        table::write(io, "timings", &mut rows, schema)?;
    }
    if io.wants("report") {
        io.output_report("report", &findings.page(), &findings.json())?;
    }
    io.output_metrics("metrics", &Value::Object(metrics))
}
