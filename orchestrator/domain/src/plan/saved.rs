//! A plan that was kept, to be applied as it is or not at all.
//!
//! Its id is a hash of everything it was decided on. Before it is applied the same plan is made again:
//! another id means that something has moved since, and what has is told.

use super::{Plan, Verdict};
use crate::run::RunDefinition;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{ContentHash, Timestamp};

/// Version of this document; a plan of another version is not applied.
pub const SAVED_PLAN_VERSION: u32 = 1;

/// How a plan was asked for, so that it can be made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// The pipeline's file, relative to the project.
    pub file: String,
    pub environment: Option<String>,
    /// Params as typed.
    pub params: BTreeMap<String, String>,
    /// `trigger` as expressions see it: its date stays that of the plan.
    pub trigger: Value,
    pub seed: u64,
    pub select: Option<String>,
    /// Whether earlier results are taken.
    pub reuse: bool,
}

/// A plan that was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    pub version: u32,
    pub id: ContentHash,
    pub made_at: Timestamp,
    pub made_by: String,
    pub request: PlanRequest,
    /// What would run.
    pub definition: RunDefinition,
    /// What was foretold, to tell later what has moved.
    pub grounds: Grounds,
}

/// What a plan was decided on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// The run it was compared with.
    pub previous: Option<String>,
    /// Content of datasets and of files of code, where it can be known.
    pub contents: BTreeMap<String, Option<ContentHash>>,
    /// Instance → verdict, reuse key, run whose result is taken.
    pub fates: BTreeMap<String, (String, Option<ContentHash>, Option<String>)>,
}

impl Grounds {
    pub(super) fn of(plan: &Plan) -> Self {
        let datasets = plan.data.iter().map(|data| (data.dataset.clone(), data.content));
        let files = plan.code.iter().map(|(path, content)| (path.clone(), *content));
        let cells = plan.steps.iter().flat_map(|step| &step.cells);
        Self {
            previous: plan.previous.as_ref().map(ToString::to_string),
            contents: datasets.chain(files).collect(),
            fates: cells
                .map(|cell| {
                    let from = cell.from.as_ref().map(ToString::to_string);
                    (
                        cell.instance.clone(),
                        (cell.verdict.word().to_owned(), cell.key, from),
                    )
                })
                .collect(),
        }
    }
}

impl SavedPlan {
    /// Keeps a plan as it was just made.
    pub fn new(
        plan: &Plan,
        request: PlanRequest,
        definition: RunDefinition,
        made_at: Timestamp,
        made_by: String,
    ) -> Self {
        Self {
            version: SAVED_PLAN_VERSION,
            id: plan.id,
            made_at,
            made_by,
            request,
            definition,
            grounds: Grounds::of(plan),
        }
    }

    /// What has moved since, a sentence each: `now` is the same plan made again. Empty if nothing has.
    pub fn moved(&self, now: &Plan, definition: &RunDefinition) -> Vec<String> {
        if now.id == self.id {
            return Vec::new();
        }
        let mut moved = Vec::new();
        let then = &self.definition;
        if then.pipeline_hash != definition.pipeline_hash {
            let mut changes = super::changes_between(then, definition);
            // These are told by themselves.
            let is_value = |path: &str| path.starts_with("params.") || path.starts_with("vars.");
            changes.retain(|change| !is_value(&change.difference.path));
            match changes.len() {
                0 => moved.push("the files of the pipeline have changed".to_owned()),
                n => {
                    let first: Vec<&str> = changes
                        .iter()
                        .take(3)
                        .map(|change| change.difference.path.as_str())
                        .collect();
                    let more = if n > 3 {
                        format!(" and {} more", n - 3)
                    } else {
                        String::new()
                    };
                    moved.push(format!("the spec has changed: {}{more}", first.join(", ")));
                }
            }
        }
        let names: BTreeSet<&String> = then.params.keys().chain(definition.params.keys()).collect();
        for name in names {
            let value =
                |definition: &RunDefinition| definition.params.get(name).map(|param| param.value.clone());
            if value(then) != value(definition) {
                moved.push(format!("the param `{name}` has another value"));
            }
        }
        for name in then
            .vars
            .keys()
            .chain(definition.vars.keys())
            .collect::<BTreeSet<_>>()
        {
            if then.vars.get(name) != definition.vars.get(name) {
                moved.push(format!("the environment's `vars.{name}` has another value"));
            }
        }
        let grounds = Grounds::of(now);
        for (name, content) in &grounds.contents {
            if self
                .grounds
                .contents
                .get(name)
                .is_some_and(|before| before != content)
            {
                moved.push(format!("`{name}` has other content"));
            }
        }
        if grounds.previous != self.grounds.previous {
            moved.push(match &grounds.previous {
                Some(run) => format!("{run} has been started since"),
                None => "the run that it was compared with is gone".to_owned(),
            });
        }
        for (instance, (verdict, _, from)) in &grounds.fates {
            match self.grounds.fates.get(instance) {
                Some((before, _, _)) if before != verdict => {
                    moved.push(format!("`{instance}` was {before} and would now be {verdict}"));
                }
                Some((_, _, before)) if before != from && verdict == Verdict::Reused.word() => {
                    moved.push(format!("`{instance}` would take the result of another run"));
                }
                _ => {}
            }
        }
        if moved.is_empty() {
            moved.push("what its steps are made of has changed".to_owned());
        }
        moved
    }
}
