//! What a run would do, and why.
//!
//! A plan plays the run through without starting anything: the same definition, the same rules of
//! skipping, the same reuse keys. Where a step's inputs are known, its fate is known; where they will
//! only be made, the step runs; where a condition or an approval is open, it may run. Facts about
//! the world come through [`PlanFacts`].

mod changes;
mod cost;
pub mod environments;
mod facts;
mod forecast;
mod foresee;
mod month;
mod outside;
mod reason;
pub mod render;
mod saved;

#[cfg(test)]
mod tests;

pub use changes::{Change, ChangeClass, Difference, changes_between, spare_unread_columns};
pub use cost::{Cost, MonthCost, Usage, cost_of};
pub use facts::{Missed, PlanFacts, Preparation, Source};
pub use forecast::{Forecast, Span};
pub use month::{Month, MonthUsage};
pub use outside::{OutsideEffect, RegisteredModel, effects_outside};
pub use reason::Reason;
pub use saved::{Grounds, PlanRequest, SAVED_PLAN_VERSION, SavedPlan};

use crate::run::{InstanceIx, ParamOrigin, Run, RunDefinition};
use forecast::Expected;
use foresee::Foresight;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trainyard_contract::{ContentHash, Millis, RunId};

/// What a run would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Hash of what was decided and on what grounds; another id: something has moved since.
    pub id: ContentHash,
    pub pipeline: String,
    pub file: String,
    pub environment: Option<String>,
    /// The run it is compared with.
    pub previous: Option<RunId>,
    /// Parameters, and where each value came from.
    pub params: IndexMap<String, PlannedParam>,
    /// What changed in the pipeline since the previous run.
    pub changes: Vec<Change>,
    /// What the environment has, where the previous run has not succeeded; set by whoever knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployed: Option<Deployed>,
    pub data: Vec<PlannedData>,
    /// Files of code and schemas with their content, where that can be known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub code: BTreeMap<String, Option<ContentHash>>,
    /// In declaration order; cells of a matrix are one step.
    pub steps: Vec<PlannedStep>,
    /// Hooks that run if a step fails: name of the hook, name of the step.
    pub on_failure: Vec<(String, String)>,
    /// Names of the hooks that run if the run fails.
    pub on_run_failure: Vec<String>,
    /// What is changed outside of the run's own outputs.
    pub effects: Vec<PlannedEffect>,
    /// What it means for other pipelines and registered models; set by whoever knows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<OutsideEffect>,
    /// For the whole run: along its longest path.
    pub forecast: Option<Forecast>,
    /// Cores and memory, for as long as they are held.
    pub usage: Option<Usage>,
    /// What that costs; set by whoever knows the prices.
    pub cost: Option<Cost>,
    /// Parts of the pipeline that are accepted and not obeyed yet.
    pub not_obeyed: Vec<String>,
    /// Findings of the checks; set by whoever ran them.
    pub checks: Option<ChecksSummary>,
}

/// The last run in the environment that succeeded, and what changed since.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Deployed {
    pub run: RunId,
    pub changes: Vec<Change>,
}

/// A parameter as the run would have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedParam {
    pub value: Value,
    pub from: ParamOrigin,
}

/// A dataset that a step reads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedData {
    pub dataset: String,
    /// Since the previous run; none: not known.
    pub changed: Option<bool>,
    /// In words, e.g. `+2,914 rows`.
    pub note: Option<String>,
    /// Its content now, where that can be known.
    pub content: Option<ContentHash>,
}

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedStep {
    pub step: String,
    /// Of all cells the one that does most.
    pub verdict: Verdict,
    pub forecast: Option<Forecast>,
    pub cells: Vec<PlannedInstance>,
}

/// What becomes of one instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedInstance {
    pub instance: String,
    pub verdict: Verdict,
    pub reasons: Vec<Reason>,
    /// Its reuse key, if that is known already.
    pub key: Option<ContentHash>,
    /// For `reused`: the run whose result it takes.
    pub from: Option<RunId>,
}

/// What becomes of a step; the later, the more it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Skipped,
    Reused,
    /// It runs if a condition turns out true or people agree.
    Maybe,
    Run,
    /// It cannot be started, so the run will fail.
    Fails,
}

impl Verdict {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Reused => "reused",
            Self::Maybe => "maybe",
            Self::Run => "run",
            Self::Fails => "fails",
        }
    }
}

/// A change outside of the run's own outputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedEffect {
    pub step: String,
    pub effect: String,
    /// Whether it happens for certain, should the run come so far.
    pub certain: bool,
}

/// What the checks found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChecksSummary {
    pub errors: usize,
    pub warnings: usize,
    /// A line each, for those worth reading.
    pub notes: Vec<String>,
}

/// Plans a run of `definition`. `previous` is the last run of the same pipeline in the same
/// environment, `select` what `--select` chose.
///
/// # Errors
/// As [`Run::new`].
pub fn plan(
    definition: Arc<RunDefinition>,
    previous: Option<&Run>,
    select: Option<&BTreeSet<InstanceIx>>,
    facts: &mut dyn PlanFacts,
) -> Result<Plan, crate::run::InvalidDefinition> {
    let foreseen = Foresight::new(definition.clone(), previous, select, facts)?.look_ahead();
    let expected = forecast::of_instances(&definition, &foreseen.instances, facts);
    let steps = group(&definition, &foreseen.instances, &expected);
    let mut plan = Plan {
        id: ContentHash::of(&[]),
        pipeline: definition.pipeline.to_string(),
        file: definition.file.clone(),
        environment: definition.environment.clone(),
        previous: previous.map(|run| run.id().clone()),
        params: definition
            .params
            .iter()
            .map(|(name, bound)| {
                (
                    name.clone(),
                    PlannedParam {
                        value: bound.value.clone(),
                        from: bound.from,
                    },
                )
            })
            .collect(),
        changes: previous
            .map(|run| changes_between(run.definition(), &definition))
            .unwrap_or_default(),
        deployed: None,
        data: data(&definition, previous.is_some(), facts),
        code: code(&definition, facts),
        steps,
        on_failure: foreseen.on_failure,
        on_run_failure: foreseen.on_run_failure,
        effects: Vec::new(),
        outside: Vec::new(),
        forecast: None,
        usage: cost::usage(&definition, &expected),
        cost: None,
        not_obeyed: definition.not_obeyed.clone(),
        checks: None,
    };
    plan.effects = effects(&definition, &foreseen.instances);
    plan.forecast = forecast::of_run(&definition, &foreseen.order, &expected);
    plan.id = id_of(&definition, &plan);
    Ok(plan)
}

impl Plan {
    /// Steps of a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.steps.iter().filter(|step| step.verdict == verdict).count()
    }

    /// Whether anything would run but what always runs at the end: what `--detailed-exitcode` tells.
    pub fn has_work(&self) -> bool {
        let mut cells = self.steps.iter().flat_map(|step| &step.cells);
        cells.any(|cell| cell.verdict >= Verdict::Maybe && !cell.reasons.contains(&Reason::AtTheEnd))
    }

    /// Names of the instances that will run, whatever happens in between.
    pub fn will_run(&self) -> impl Iterator<Item = &str> {
        let cells = self.steps.iter().flat_map(|step| &step.cells);
        cells
            .filter(|cell| cell.verdict == Verdict::Run)
            .map(|cell| cell.instance.as_str())
    }
}

fn group(
    definition: &RunDefinition,
    instances: &[Option<PlannedInstance>],
    expected: &[Expected],
) -> Vec<PlannedStep> {
    let mut groups: IndexMap<&str, Vec<usize>> = IndexMap::new();
    for (at, instance) in definition.instances.iter().enumerate() {
        if instances[at].is_some() {
            groups.entry(instance.step.as_str()).or_default().push(at);
        }
    }
    let steps = groups.into_iter().map(|(step, members)| {
        let cells: Vec<PlannedInstance> = members.iter().filter_map(|at| instances[*at].clone()).collect();
        let times: Vec<Expected> = members.iter().map(|at| expected[*at]).collect();
        let limits = members
            .first()
            .and_then(|at| definition.instances[*at].matrix_limits);
        PlannedStep {
            step: step.to_owned(),
            verdict: cells
                .iter()
                .map(|cell| cell.verdict)
                .max()
                .unwrap_or(Verdict::Skipped),
            forecast: forecast::of_step(&times, limits),
            cells,
        }
    });
    steps.collect()
}

fn data(definition: &RunDefinition, compared: bool, facts: &mut dyn PlanFacts) -> Vec<PlannedData> {
    let mut data = Vec::new();
    for dataset in definition.datasets.keys() {
        let source = Source::Dataset(dataset);
        let (before, now) = (facts.content_before(source), facts.content_now(source));
        let changed = before
            .zip(now)
            .filter(|_| compared)
            .map(|(before, now)| before != now);
        data.push(PlannedData {
            dataset: dataset.clone(),
            changed,
            note: facts.data_note(dataset),
            content: now,
        });
    }
    data
}

fn code(definition: &RunDefinition, facts: &mut dyn PlanFacts) -> BTreeMap<String, Option<ContentHash>> {
    let mut code = BTreeMap::new();
    for instance in &definition.instances {
        let schemas = instance
            .outputs
            .values()
            .flat_map(|output| [&output.input_schema, &output.output_schema]);
        let scripts = instance.process.iter().flat_map(|process| &process.code);
        for file in scripts.chain(schemas.flatten()) {
            if !code.contains_key(file) {
                code.insert(file.clone(), facts.content_now(Source::File(file)));
            }
        }
    }
    code
}

fn effects(definition: &RunDefinition, instances: &[Option<PlannedInstance>]) -> Vec<PlannedEffect> {
    let mut effects: Vec<PlannedEffect> = Vec::new();
    for (instance, planned) in definition.instances.iter().zip(instances) {
        let (Some(effect), Some(planned)) = (&instance.effect, planned) else {
            continue;
        };
        if matches!(planned.verdict, Verdict::Run | Verdict::Maybe) {
            let certain = planned.verdict == Verdict::Run;
            let effect = PlannedEffect {
                step: instance.step.to_string(),
                effect: effect.clone(),
                certain,
            };
            if !effects.contains(&effect) {
                effects.push(effect);
            }
        }
    }
    effects
}

/// Spec, environment, parameters, data and verdicts; not what only describes them.
fn id_of(definition: &RunDefinition, plan: &Plan) -> ContentHash {
    let cells: Vec<Value> = plan
        .steps
        .iter()
        .flat_map(|step| &step.cells)
        .map(|cell| json!([cell.instance, cell.verdict, cell.key, cell.from]))
        .collect();
    let grounds = json!({
        "pipeline": [definition.pipeline, definition.pipeline_hash],
        "environment": definition.environment,
        "params": plan.params,
        "vars": definition.vars,
        "previous": plan.previous,
        "data": plan.data,
        "code": plan.code,
        "cells": cells,
    });
    ContentHash::of(crate::run::reuse::sorted(&grounds).to_string().as_bytes())
}

/// A span of time for people: `0.4 s`, `48 s`, `6 m 10 s`, `2 h 5 m`.
pub(crate) fn spoken(span: Millis) -> String {
    let seconds = (span.0 + 500) / 1000;
    match seconds {
        _ if span.0 == 0 => "0 s".to_owned(),
        _ if span.0 < 950 => format!("{}.{} s", span.0 / 1000, (span.0 % 1000).div_ceil(100)),
        0..60 => format!("{seconds} s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{} m", seconds / 60),
        60..3600 => format!("{} m {} s", seconds / 60, seconds % 60),
        _ if (seconds / 60).is_multiple_of(60) => format!("{} h", seconds / 3600),
        _ => format!("{} h {} m", seconds / 3600, seconds / 60 % 60),
    }
}
