//! `evaluate.classifier@v1`: a model on rows nobody has learnt from, beside the champion and simpler
//! models, and the gates it must pass.
//!
//! Latencies differ from run to run. They are measured only if a gate asks for one and go to the
//! log and the attempt's metrics, never into artifacts: the same rows give the same report.

mod contenders;
mod gates;
mod infer;
mod judged;
mod judging;
mod picture;
mod report;

pub(crate) use contenders::read_model;

use crate::table::{self, grouped};
use crate::train;
use crate::train::data;
use crate::train::outcome::DEFAULT_THRESHOLD;
use crate::train::rows::{self, refused};
use crate::train::scores::Metric;
use contenders::{Columns, baselines, champion, whole_frame};
use gates::{Gate, LatencyMillis, Measure, Verdict};
use infer::{wrong_columns, wrong_gates};
use judged::Judged;
use judging::Judging;
use report::About;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{
    ArtifactKind, ArtifactRef, InferRequest, Inference, Shape, Step, StepError, StepIo,
};
use trainyard_models::latency::measure_latency;
use trainyard_models::{Frame, Model, Predictor, Task};

/// Single predictions timed for a latency gate.
const TIMED_ROWS: usize = 2_000;

/// Parameters of `evaluate.classifier@v1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Metrics to report, the first one for slices with its interval. Default: `roc_auc`,
    /// `average_precision`, `log_loss`, `brier`, `accuracy`, `precision`, `recall`, `f1`, `ece`.
    #[serde(default)]
    metrics: Vec<Metric>,
    /// Columns by whose values the metrics are reported as well.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    slices: Vec<String>,
    /// How the model is explained. Default: not at all.
    #[serde(default)]
    explain: Option<Explain>,
    /// What the model must reach. All must hold for the output `passed` to be true.
    #[serde(default)]
    gates: Vec<Gate>,
    /// Least probability of a positive decision. Default: 0.5.
    #[serde(default = "default_threshold")]
    #[schemars(range(min = 0, max = 1))]
    threshold: f64,
    /// What a gate that does not hold does: `report` makes `passed` false, `fail` fails the step.
    /// Default: `report`.
    #[serde(default)]
    on_gate_failure: OnGateFailure,
    /// Seed of samples and shuffles. Default: 42.
    #[serde(default = "train::default_seed")]
    seed: u64,
}

/// How a model is explained.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Explain {
    /// How importance is found. Default: `permutation`.
    #[serde(default)]
    method: ExplainMethod,
    /// Features shown. Default: 10.
    #[serde(default = "default_top")]
    #[schemars(range(min = 1, max = 1_000))]
    top: u32,
    /// Shuffles of each feature. Default: 3.
    #[serde(default = "default_repeats")]
    #[schemars(range(min = 1, max = 100))]
    repeats: u32,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ExplainMethod {
    /// Loss of AUC when a feature's values are shuffled.
    #[default]
    Permutation,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OnGateFailure {
    #[default]
    Report,
    Fail,
}

fn default_threshold() -> f64 {
    DEFAULT_THRESHOLD
}

fn default_top() -> u32 {
    10
}

fn default_repeats() -> u32 {
    3
}

impl Params {
    fn metrics(&self) -> Vec<Metric> {
        let mut metrics = if self.metrics.is_empty() {
            Metric::ALL.to_vec()
        } else {
            self.metrics.clone()
        };
        for gate in &self.gates {
            if let Measure::Metric(metric) = gate.metric
                && !metrics.contains(&metric)
            {
                metrics.push(metric);
            }
        }
        metrics
    }

    /// Columns to slice by: those listed and those of gates.
    fn slices(&self) -> Vec<String> {
        let mut columns = Vec::new();
        for column in self
            .slices
            .iter()
            .chain(self.gates.iter().filter_map(|gate| gate.slice.as_ref()))
        {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
        columns
    }
}

/// Evaluates a classifier.
pub(crate) struct EvaluateClassifier;

impl Step for EvaluateClassifier {
    fn uses(&self) -> &'static str {
        "evaluate.classifier@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Judges a classifier on test rows, beside other models, and answers its gates.",
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
            params: schemars::schema_for!(Params).to_value(),
            revision: 1,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match train::known_parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let mut answer = Inference::default();
        for (name, declared) in request.outputs {
            answer.outputs.insert(name.clone(), Shape::Other(declared.kind));
        }
        answer.findings = wrong_gates(&params, request);
        answer.findings.extend(wrong_columns(&params, request));
        let mut used: BTreeSet<String> = params.slices().into_iter().collect();
        if let Some(Shape::Model { features, label }) = request.inputs.get("model") {
            used.extend(features.names().map(str::to_owned));
            used.extend(label.clone());
        }
        answer.uses.insert("test".to_owned(), used);
        answer
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run(io)
    }
}

fn run(io: &mut StepIo) -> Result<(), StepError> {
    let params: Params = io.params()?;
    for gate in &params.gates {
        if let Some(fault) = gate.fault() {
            return Err(StepError::rejected(format!("gate `{}`: {fault}", gate.demand())));
        }
    }
    let artifact = io
        .artifact("model")?
        .cloned()
        .ok_or_else(|| StepError::rejected("input `model` is missing"))?;
    let model = read_model(io, &artifact)?;
    let Task::Binary { .. } = &model.label().task else {
        return Err(StepError::rejected(
            "the model does not tell two classes apart, and this step judges those that do",
        ));
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(data::threads(io))
        .build()
        .map_err(|error| StepError::internal(format!("could not start threads: {error}")))?;
    let table = table::open(io, "test")?;
    let mut columns = Columns::of(&model);
    let champion = champion(io)?;
    let baselines = baselines(io)?;
    for (_, model) in champion.iter().chain(&baselines) {
        columns.also(model);
    }
    columns.further.extend(params.slices());
    let rows = data::read(io, &table, &columns.roles, &columns.further)?;
    let examples = data::examples(
        &rows,
        &columns.roles,
        train::known_classes(&model.label().task).as_ref(),
    )?;
    train::note_unlabelled(io, "test", &examples);
    if examples.count() == 0 {
        return Err(StepError::rejected(
            "no row of `test` has a label, so nothing can be judged",
        ));
    }
    let whole = whole_frame(&rows, &columns, &examples)?;
    let mut slice_values = BTreeMap::new();
    for column in params.slices() {
        let values = rows
            .column(&column)
            .map_err(|_| StepError::rejected(format!("there is no column `{column}` in `test`")))?;
        let texts = rows::texts(values)?;
        slice_values.insert(
            column,
            examples
                .rows
                .iter()
                .map(|&row| texts[row].clone())
                .collect::<Vec<_>>(),
        );
    }
    drop(rows);
    io.progress(1, 4, "parts");
    let judging = Judging {
        params: &params,
        model: &model,
        frame: &whole,
        examples: &examples,
    };
    let mut found = pool.install(|| judging.judge(champion, baselines, &slice_values))?;
    io.progress(2, 4, "parts");
    found.importance = pool.install(|| judging.explain())?;
    io.progress(3, 4, "parts");
    let latency = latency(io, &params, &model, &whole)?;
    let verdicts: Vec<Verdict> = params
        .gates
        .iter()
        .map(|gate| gate.answer(&found, latency))
        .collect();
    let passed = verdicts.iter().all(|verdict| verdict.passed);
    for verdict in &verdicts {
        let word = if verdict.passed { "passed" } else { "failed" };
        io.log(format!("gate {word}: {}: {}", verdict.demand, verdict.found));
    }
    hand_on(io, &params, &model, &artifact, &found, &verdicts, passed)
}

fn latency(
    io: &mut StepIo,
    params: &Params,
    model: &Model,
    frame: &Frame,
) -> Result<Option<LatencyMillis>, StepError> {
    if !params.gates.iter().any(Gate::needs_latency) {
        return Ok(None);
    }
    let measured = measure_latency(model, frame, TIMED_ROWS).map_err(|error| refused(&error))?;
    let millis = |time: std::time::Duration| time.as_secs_f64() * 1_000.0;
    let latency = LatencyMillis {
        p50: millis(measured.p50),
        p99: millis(measured.p99),
    };
    io.log(format!(
        "one prediction takes {:.4} ms (median) and {:.4} ms (99th percentile) over {} rows",
        latency.p50,
        latency.p99,
        grouped(measured.rows as u64)
    ));
    io.metric("latency_ms_p50", latency.p50);
    io.metric("latency_ms_p99", latency.p99);
    Ok(Some(latency))
}

fn hand_on(
    io: &mut StepIo,
    params: &Params,
    model: &Model,
    artifact: &ArtifactRef,
    found: &Judged,
    verdicts: &[Verdict],
    passed: bool,
) -> Result<(), StepError> {
    let (pipeline, step) = (io.spec().pipeline.clone(), io.spec().step.clone());
    let about = About {
        pipeline: &pipeline,
        step: &step,
        model,
        model_hash: artifact.hash.to_string(),
        seed: params.seed,
        repeats: params
            .explain
            .as_ref()
            .map_or(0, |explain| explain.repeats as usize),
    };
    let json = report::json(&about, found, verdicts, passed);
    io.output_report("report", &report::html(&about, found, verdicts, passed), &json)?;
    io.output_metrics("metrics", &Value::Object(numbers(found, verdicts)))?;
    io.output_value("passed", json!(passed));
    let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.passed).collect();
    let gates = match (verdicts.len(), failed.len()) {
        (0, _) => String::new(),
        (all, 0) => format!(", {all} gates passed"),
        (all, failed) => format!(", {failed} of {all} gates failed"),
    };
    let auc = found.metrics.first().map_or(String::new(), |first| {
        format!("{} {:.4}", first.metric.name(), first.value)
    });
    io.headline(format!("{auc} on {} rows{gates}", grouped(found.rows as u64)));
    if params.on_gate_failure == OnGateFailure::Fail && !passed {
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
    for measured in &found.metrics {
        numbers.insert(measured.metric.name().to_owned(), json!(measured.value));
        if let Some((interval, _)) = &measured.interval {
            numbers.insert(format!("{}_low", measured.metric.name()), json!(interval.low));
            numbers.insert(format!("{}_high", measured.metric.name()), json!(interval.high));
        }
    }
    for (metric, value) in found.champion.iter().flat_map(|champion| &champion.metrics) {
        numbers.insert(format!("champion_{}", metric.name()), json!(value));
    }
    numbers.insert("rows".to_owned(), json!(found.rows));
    numbers.insert(
        "positive_share".to_owned(),
        json!(found.positives as f64 / found.rows.max(1) as f64),
    );
    numbers.insert("gates".to_owned(), json!(verdicts.len()));
    numbers.insert(
        "gates_passed".to_owned(),
        json!(verdicts.iter().filter(|verdict| verdict.passed).count()),
    );
    numbers
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
