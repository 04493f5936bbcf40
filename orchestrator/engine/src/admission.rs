//! Whether a run may start in its environment, and who has to agree first.

use crate::EngineError;
use std::sync::Arc;
use trainyard_contract::RunId;
use trainyard_domain::pipeline::{NotAdmitted, Origin, Pipeline};
use trainyard_domain::run::{ApprovalRule, InstanceIx, Run, RunDefinition, SkipReason, StepState};
use trainyard_store::{RunFilter, RunStatus, Store};

/// Name of the gate that an environment's `required_approvals` puts in front of a run.
const PROMOTION: &str = "promotion";
/// Earlier runs that are read from the store at a time.
const PAGE: u32 = 200;

/// What an environment says to a run.
#[derive(Debug, Default)]
pub struct Admitted {
    /// Why it may not start; empty if it may.
    pub faults: Vec<NotAdmitted>,
    /// Gates that were put in front of it.
    pub gates: Vec<InstanceIx>,
}

/// Asks the environment of a definition, and puts the gates in front that it demands.
///
/// # Errors
/// If earlier runs cannot be read.
pub fn admit(
    store: &Store,
    pipeline: &Pipeline,
    definition: &mut RunDefinition,
    origin: Origin<'_>,
) -> Result<Admitted, EngineError> {
    let mut admitted = Admitted::default();
    let Some(environment) = definition.environment.clone() else {
        return Ok(admitted);
    };
    let admission = pipeline.admission(Some(&environment));
    if let Some(from) = &admission.promote_from
        && !any_run(store, definition, from, Some(RunStatus::Succeeded), is_whole)?
    {
        admitted.faults.push(NotAdmitted::NotPromoted {
            environment: environment.clone(),
            from: from.clone(),
        });
    }
    if admission.read_only {
        admitted.faults.extend(origin.against_read_only(&environment));
    }
    if let Some(rule) = admission.approval {
        let has_agreed = |run: &Run| has_passed(run, &rule);
        if !any_run(store, definition, &environment, None, has_agreed)? {
            admitted
                .gates
                .extend(definition.put_gate_in_front(PROMOTION, rule));
        }
    }
    Ok(admitted)
}

/// Whether some run of this very version in an environment is so; newest first.
fn any_run(
    store: &Store,
    definition: &RunDefinition,
    environment: &str,
    status: Option<RunStatus>,
    is_so: impl Fn(&Run) -> bool,
) -> Result<bool, EngineError> {
    let mut before: Option<RunId> = None;
    loop {
        let page = store.list_runs(&RunFilter {
            pipeline: Some(definition.pipeline.clone()),
            status,
            limit: PAGE,
            before,
        })?;
        for line in &page {
            if line.environment.as_deref() != Some(environment) {
                continue;
            }
            let stored = store.load_run(&line.id)?;
            if stored.definition.pipeline_hash != definition.pipeline_hash {
                continue;
            }
            let run = Run::replay(stored.id, Arc::new(stored.definition), &stored.events)?;
            if is_so(&run) {
                return Ok(true);
            }
        }
        let Some(last) = page.last() else {
            return Ok(false);
        };
        before = Some(last.id.clone());
    }
}

/// Whether everything ran: a run of chosen steps alone proves nothing.
fn is_whole(run: &Run) -> bool {
    (0..).zip(&run.definition().instances).all(|(ix, _)| {
        !matches!(
            run.step(ix),
            StepState::Skipped {
                because: SkipReason::NotSelected
            }
        )
    })
}

/// Whether the people whom the rule names have agreed to a run.
fn has_passed(run: &Run, rule: &ApprovalRule) -> bool {
    (0..).zip(&run.definition().instances).any(|(ix, instance)| {
        instance.name.starts_with(PROMOTION)
            && instance.approval.as_ref() == Some(rule)
            && matches!(run.step(ix), StepState::Succeeded { .. })
    })
}
