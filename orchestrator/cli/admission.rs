//! Whether a run may start in its environment, and who has to agree first.

use crate::commands::Bound;
use crate::output::Fault;
use std::collections::BTreeSet;
use std::sync::Arc;
use trainyard_contract::ContentHash;
use trainyard_domain::pipeline::NotAdmitted;
use trainyard_domain::run::{ApprovalRule, Run, SkipReason, StepState};
use trainyard_store::{RunFilter, RunStatus, Store};

/// Name of the gate that an environment's `required_approvals` puts in front of a run.
const PROMOTION: &str = "promotion";
/// Runs that are looked through for an earlier success or agreement.
const RUNS_LOOKED_AT: u32 = 200;

/// Puts the gates in front that the environment asks for, and says why the run may not start, if so.
pub(crate) fn admit(bound: &mut Bound) -> Result<Vec<NotAdmitted>, Fault> {
    let admission = bound.pipeline.admission(bound.definition.environment.as_deref());
    let Some(environment) = bound.definition.environment.clone() else {
        return Ok(Vec::new());
    };
    if admission == Default::default() {
        return Ok(Vec::new());
    }
    let store = bound.project.open_home()?.store()?;
    let mut faults = Vec::new();
    if let Some(from) = &admission.promote_from
        && !has_succeeded(&store, bound, from)?
    {
        faults.push(NotAdmitted::NotPromoted {
            environment: environment.clone(),
            from: from.clone(),
        });
    }
    if admission.read_only {
        faults.push(NotAdmitted::ReadOnly {
            environment: environment.clone(),
        });
    }
    if let Some(rule) = admission.approval
        && !has_been_agreed(&store, bound, &environment, &rule)?
    {
        bound
            .gates
            .extend(bound.definition.put_gate_in_front(PROMOTION, rule));
    }
    Ok(faults)
}

/// A selection with the gates that stand in front of everything.
pub(crate) fn with_gates(select: Option<BTreeSet<u32>>, bound: &Bound) -> Option<BTreeSet<u32>> {
    select.map(|mut select| {
        select.extend(&bound.gates);
        select
    })
}

/// Runs of this very version in an environment, newest first.
fn runs_of(
    store: &Store,
    bound: &Bound,
    environment: &str,
    status: Option<RunStatus>,
) -> Result<Vec<Run>, Fault> {
    let filter = RunFilter {
        pipeline: Some(bound.definition.pipeline.clone()),
        status,
        limit: RUNS_LOOKED_AT,
        before: None,
    };
    let version: ContentHash = bound.definition.pipeline_hash;
    let mut runs = Vec::new();
    for summary in store.list_runs(&filter)? {
        if summary.environment.as_deref() != Some(environment) {
            continue;
        }
        let stored = store.load_run(&summary.id)?;
        if stored.definition.pipeline_hash == version {
            runs.push(Run::replay(
                stored.id.clone(),
                Arc::new(stored.definition),
                &stored.events,
            )?);
        }
    }
    Ok(runs)
}

/// Whether this version has succeeded as a whole: a run of chosen steps alone proves nothing.
fn has_succeeded(store: &Store, bound: &Bound, environment: &str) -> Result<bool, Fault> {
    let runs = runs_of(store, bound, environment, Some(RunStatus::Succeeded))?;
    let left_out = |state: &StepState| {
        matches!(
            state,
            StepState::Skipped {
                because: SkipReason::NotSelected
            }
        )
    };
    let is_whole = |run: &Run| {
        (0..)
            .zip(&run.definition().instances)
            .all(|(ix, _)| !left_out(run.step(ix)))
    };
    Ok(runs.iter().any(is_whole))
}

/// Whether the people whom the rule names have agreed to this version here before.
fn has_been_agreed(
    store: &Store,
    bound: &Bound,
    environment: &str,
    rule: &ApprovalRule,
) -> Result<bool, Fault> {
    let runs = runs_of(store, bound, environment, None)?;
    Ok(runs.iter().any(|run| {
        (0..).zip(&run.definition().instances).any(|(ix, instance)| {
            instance.name.starts_with(PROMOTION)
                && instance.approval.as_ref() == Some(rule)
                && matches!(run.step(ix), StepState::Succeeded { .. })
        })
    }))
}
