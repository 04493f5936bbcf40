//! `evaluate.classifier@v1` and `evaluate.regressor@v1`: a model on rows nobody has learnt from, beside
//! the champion and simpler models, and the gates it must pass.
//!
//! Speed differs from run to run. It is measured only if it is asked for and goes to the log and the
//! attempt's metrics, never into artifacts: the same rows give the same report.

mod answering;
pub(crate) mod answers;
mod compared;
mod contenders;
mod explained;
mod gates;
mod groups;
mod infer;
mod judged;
mod judging;
pub(crate) mod metric;
pub(crate) mod names;
mod params;
pub(crate) mod picture;
mod record;
pub(crate) mod report;
mod swarm;
mod threshold;
mod timing;
mod truth;

pub(crate) use contenders::read_model;

use crate::table::{self, grouped};
use crate::train::{data, rows};
use answering::Verdict;
use answers::Setting;
use contenders::{Columns, baselines, champion};
use judged::{Detail, Judged};
use judging::Judging;
use params::{ClassifierParams, OnGateFailure, Plan, RegressorParams};
use report::About;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use threshold::Decision;
use timing::Timing;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{ArtifactKind, ArtifactRef, InferRequest, Inference, Step, StepError, StepIo};
use trainyard_models::metrics::CostMatrix;
use trainyard_models::{Model, Predictor, Task};
use truth::Test;

/// Evaluates a classifier of two classes or several.
pub(crate) struct EvaluateClassifier;

/// Evaluates a regression.
pub(crate) struct EvaluateRegressor;

impl Step for EvaluateClassifier {
    fn uses(&self) -> &'static str {
        "evaluate.classifier@v1"
    }

    fn signature(&self) -> Signature {
        let mut signature = signature(
            "Judges a classifier on test rows, beside other models, and answers its gates.",
            schemars::schema_for!(ClassifierParams).to_value(),
            3,
        );
        if let Ports::Named(inputs) = &mut signature.inputs {
            inputs.push(InputPort::optional(
                "valid",
                ArtifactKind::Table,
                "rows on which the threshold is chosen, where it is; else the test rows",
            ));
        }
        if let Ports::Named(outputs) = &mut signature.outputs {
            outputs.push(InputPort::optional(
                "threshold",
                ArtifactKind::Number,
                "least probability of a positive decision, for two classes",
            ));
        }
        signature
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        infer::infer::<ClassifierParams>(request)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run::<ClassifierParams>(io, true)
    }
}

impl Step for EvaluateRegressor {
    fn uses(&self) -> &'static str {
        "evaluate.regressor@v1"
    }

    fn signature(&self) -> Signature {
        signature(
            "Judges a regression on test rows, beside other models, and answers its gates.",
            schemars::schema_for!(RegressorParams).to_value(),
            2,
        )
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        infer::infer::<RegressorParams>(request)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run::<RegressorParams>(io, false)
    }
}

fn signature(doc: &'static str, params: Value, revision: u32) -> Signature {
    Signature {
        doc,
        inputs: Ports::Named(vec![
            InputPort::required("model", ArtifactKind::Model, "the model to judge"),
            InputPort::required("test", ArtifactKind::Table, "rows nobody has learnt from"),
            InputPort::optional("baselines", ArtifactKind::Model, "models to be better than").many(),
            InputPort::optional(
                "champion",
                ArtifactKind::Model,
                "the model in use; may not exist yet",
            ),
        ]),
        outputs: Ports::Named(vec![
            InputPort::optional(
                "report",
                ArtifactKind::Report,
                "the evaluation as a page and as JSON",
            ),
            InputPort::optional("metrics", ArtifactKind::Metrics, "metrics by name"),
            InputPort::optional("passed", ArtifactKind::Boolean, "whether every gate holds"),
        ]),
        params,
        revision,
        effect: Effect::None,
        runner: Runner::Worker,
    }
}

fn run<P: DeserializeOwned + Into<Plan>>(io: &mut StepIo, classes: bool) -> Result<(), StepError> {
    let plan: Plan = io.params::<P>()?.into();
    infer::refuse(&plan)?;
    let artifact = io
        .artifact("model")?
        .cloned()
        .ok_or_else(|| StepError::rejected("input `model` is missing"))?;
    let model = read_model(io, &artifact)?;
    right_task(&model, classes)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(data::threads(io))
        .build()
        .map_err(|error| StepError::internal(format!("could not start threads: {error}")))?;
    let mut columns = Columns::of(&model);
    let champion = champion(io)?;
    let baselines = baselines(io)?;
    for (_, model) in champion.iter().chain(&baselines) {
        columns.also(model);
    }
    columns.further.extend(plan.columns());
    let table = table::open(io, "test")?;
    let rows = data::read(io, &table, &columns.roles, &columns.further)?;
    let test = Test::read(&rows, &columns, &model, "test")?;
    if test.unlabelled > 0 {
        io.log(format!(
            "{} rows of `test` have no label and are left out",
            grouped(test.unlabelled as u64)
        ));
    }
    let mut values = BTreeMap::new();
    for column in plan.columns() {
        let found = rows
            .column(&column)
            .map_err(|_| StepError::rejected(format!("there is no column `{column}` in `test`")))?;
        let texts = rows::texts(found)?;
        let labelled: Vec<Option<String>> = test.rows.iter().map(|&row| texts[row].clone()).collect();
        values.insert(column, labelled);
    }
    drop(rows);
    io.progress(1, 4, "parts");
    let costs: CostMatrix = plan.costs.map(Into::into).unwrap_or_default();
    let answers = pool.install(|| test.ask(&model))?;
    let decision = decide(io, &plan, &model, &answers, costs)?;
    let setting = Setting {
        threshold: decision.threshold,
        costs,
        quantile: plan.quantile,
        features: model.features().len(),
        draws: plan.draws as usize,
        seed: plan.seed,
    };
    let judging = Judging {
        plan: &plan,
        model: &model,
        test: &test,
        answers: &answers,
        setting: &setting,
        decision: &decision,
        values: &values,
    };
    let mut found = pool.install(|| judging.judge(champion, baselines))?;
    for metric in plan.metrics(&answers.truth) {
        if found.measured(metric).is_none() {
            io.log(format!("these rows do not define `{}`", metric.name()));
        }
    }
    io.progress(2, 4, "parts");
    found.explained = pool.install(|| judging.explain())?;
    io.progress(3, 4, "parts");
    let timing = if plan.needs_timing() {
        Some(pool.install(|| Timing::take(&model, &test.frame))?)
    } else {
        None
    };
    tell_speed(io, timing.as_ref());
    let verdicts: Vec<Verdict> = plan
        .gates
        .iter()
        .map(|gate| gate.answer(&found, timing.as_ref()))
        .collect();
    for verdict in &verdicts {
        let word = match (verdict.applied, verdict.passed) {
            (false, _) => "not applied",
            (true, true) => "passed",
            (true, false) => "failed",
        };
        io.log(format!("gate {word}: {}: {}", verdict.demand, verdict.found));
    }
    hand_on(io, &plan, &model, &artifact, &found, &verdicts)
}

fn right_task(model: &Model, classes: bool) -> Result<(), StepError> {
    match (&model.label().task, classes) {
        (Task::Binary { .. } | Task::Multiclass { .. }, true) | (Task::Regression, false) => Ok(()),
        (_, true) => Err(StepError::rejected(
            "the model does not tell classes apart, and this step judges those that do",
        )
        .help("use `evaluate.regressor@v1`")),
        (_, false) => Err(StepError::rejected(
            "the model does not predict a number, and this step judges those that do",
        )
        .help("use `evaluate.classifier@v1`")),
    }
}

/// The threshold, chosen on `valid` if that is there.
fn decide(
    io: &mut StepIo,
    plan: &Plan,
    model: &Model,
    answers: &answers::Answers,
    costs: CostMatrix,
) -> Result<Decision, StepError> {
    let given = matches!(plan.threshold, threshold::Threshold::Fixed(_));
    let has_valid = !matches!(io.input("valid"), None | Some(TaskInput::Absent));
    let decision = if has_valid && !given {
        let columns = Columns::of(model);
        let table = table::open(io, "valid")?;
        let rows = data::read(io, &table, &columns.roles, &columns.further)?;
        let valid = Test::read(&rows, &columns, model, "valid")?;
        plan.threshold.decide(&valid.ask(model)?, costs, "valid")?
    } else {
        plan.threshold.decide(answers, costs, "test")?
    };
    if !given {
        io.log(format!("threshold {:.4}, {}", decision.threshold, decision.how));
    }
    if decision.on_test {
        io.log(
            "warning: the threshold is chosen on the rows it is judged by; give the step an input `valid`",
        );
    }
    Ok(decision)
}

fn tell_speed(io: &mut StepIo, timing: Option<&Timing>) {
    let Some(timing) = timing else { return };
    io.log(format!(
        "one prediction takes {:.4} ms (median), {:.4} ms (95th percentile) and {:.4} ms (99th percentile) \
         over {} rows; {} rows a second all at once",
        timing.p50,
        timing.p95,
        timing.p99,
        grouped(timing.rows as u64),
        grouped(timing.rows_per_second as u64),
    ));
    io.metric("latency_ms_p50", timing.p50);
    io.metric("latency_ms_p95", timing.p95);
    io.metric("latency_ms_p99", timing.p99);
    io.metric("rows_per_second", timing.rows_per_second);
}

fn hand_on(
    io: &mut StepIo,
    plan: &Plan,
    model: &Model,
    artifact: &ArtifactRef,
    found: &Judged,
    verdicts: &[Verdict],
) -> Result<(), StepError> {
    let passed = verdicts.iter().all(|verdict| verdict.passed);
    let (pipeline, step) = (io.spec().pipeline.clone(), io.spec().step.clone());
    let about = About {
        pipeline: &pipeline,
        step: &step,
        model,
        model_hash: artifact.hash.to_string(),
        seed: plan.seed,
        draws: plan.draws,
    };
    let json = record::json(&about, found, verdicts, passed);
    io.output_report("report", &report::html(&about, found, verdicts, passed), &json)?;
    io.output_metrics("metrics", &Value::Object(numbers(found, verdicts)))?;
    io.output_value("passed", json!(passed));
    if let Detail::Binary(detail) = &found.detail {
        io.output_value("threshold", json!(detail.decision.threshold));
    }
    let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.passed).collect();
    let applied = verdicts.iter().filter(|verdict| verdict.applied).count();
    let mut gates = match (applied, failed.len()) {
        (0, _) => String::new(),
        (1, 0) => ", 1 gate passed".to_owned(),
        (all, 0) => format!(", {all} gates passed"),
        (all, failed) => format!(", {failed} of {all} gates failed"),
    };
    if applied < verdicts.len() {
        let word = if verdicts.len() - applied == 1 {
            "gate"
        } else {
            "gates"
        };
        gates.push_str(&format!(
            ", no champion yet: {} {word} not applied",
            verdicts.len() - applied
        ));
    }
    let first = found.figures.first().map_or(String::new(), |first| {
        format!("{} {:.4}", first.metric.name(), first.value)
    });
    io.headline(format!("{first} on {} rows{gates}", grouped(found.rows as u64)));
    if plan.on_gate_failure == OnGateFailure::Fail && !passed {
        let said: Vec<String> = failed
            .iter()
            .map(|verdict| format!("{} ({})", verdict.demand, verdict.found))
            .collect();
        return Err(StepError::gate(format!(
            "{} of {} gates failed: {}",
            failed.len(),
            verdicts.len(),
            said.join("; ")
        )));
    }
    Ok(())
}

/// The numbers by name; those of the champion with `champion_` before them.
fn numbers(found: &Judged, verdicts: &[Verdict]) -> Map<String, Value> {
    let mut numbers = Map::new();
    for measured in &found.figures {
        let name = measured.metric.name();
        numbers.insert(name.to_owned(), json!(measured.value));
        if let Some((interval, _)) = &measured.interval {
            numbers.insert(format!("{name}_low"), json!(interval.low));
            numbers.insert(format!("{name}_high"), json!(interval.high));
        }
    }
    for (metric, value) in found.champion.iter().flat_map(|champion| &champion.values) {
        numbers.insert(format!("champion_{}", metric.name()), json!(value));
    }
    for fairness in &found.fairness {
        for disparity in &fairness.disparities {
            let name = format!("fairness_{}_{}", fairness.by, disparity.metric.name());
            if let Some(difference) = disparity.difference {
                numbers.insert(format!("{name}_difference"), json!(difference.value));
            }
            if let Some(ratio) = disparity.ratio {
                numbers.insert(format!("{name}_ratio"), json!(ratio.value));
            }
        }
    }
    numbers.insert("rows".to_owned(), json!(found.rows));
    if let Some(positives) = found.positives {
        let share = positives as f64 / found.rows.max(1) as f64;
        numbers.insert("positive_share".to_owned(), json!(share));
    }
    if let Detail::Binary(detail) = &found.detail {
        numbers.insert("threshold".to_owned(), json!(detail.decision.threshold));
    }
    numbers.insert("gates".to_owned(), json!(verdicts.len()));
    let applied = || verdicts.iter().filter(|verdict| verdict.applied);
    let passed = applied().filter(|verdict| verdict.passed).count();
    numbers.insert("gates_passed".to_owned(), json!(passed));
    numbers.insert(
        "gates_not_applied".to_owned(),
        json!(verdicts.len() - applied().count()),
    );
    numbers
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "evaluate_golden_tests.rs"]
mod golden_tests;
