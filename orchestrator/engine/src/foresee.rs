//! Plans against a project's state, and what the budget says to them.

use crate::code::Workplace;
use crate::{EngineError, Facts, deployed};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use trainyard_contract::Timestamp;
use trainyard_domain::pipeline::Pipeline;
use trainyard_domain::pipeline::spec::policy::OnExceed;
use trainyard_domain::plan::{self, Cost, Deployed, Month, Plan};
use trainyard_domain::run::{ApprovalRule, InstanceIx, OnExpire, Run, RunDefinition};
use trainyard_store::{Home, StoreError};

/// Name of the gate in front of a run that is beyond its budget.
const BUDGET: &str = "budget";

/// Where and when is planned.
pub struct Outlook<'a> {
    pub home: &'a Home,
    /// Folder of the project.
    pub project: PathBuf,
    pub pipeline: &'a Pipeline,
    /// Whether earlier results are taken.
    pub reuse: bool,
    pub now: Timestamp,
}

impl Outlook<'_> {
    /// What a run would do, with its cost where the project has prices.
    ///
    /// # Errors
    /// If the state cannot be read, or the definition is none that can run.
    pub fn plan(
        &self,
        definition: &RunDefinition,
        select: Option<&BTreeSet<InstanceIx>>,
    ) -> Result<Plan, EngineError> {
        let store = self.home.store()?;
        let used = store.month_usage(
            &definition.pipeline,
            definition.environment.as_deref(),
            Month::of(self.now),
        )?;
        let mut previous = store.previous_run(&definition.pipeline, definition.environment.as_deref())?;
        // What was only made again is no state of the pipeline; what it made again was.
        if let Some(original) = previous
            .as_ref()
            .and_then(|run| run.definition.reproduces.clone())
        {
            previous = match store.load_run(&original) {
                Ok(original) => Some(original),
                Err(StoreError::NoRun(_) | StoreError::Removed { .. }) => None,
                Err(error) => return Err(error.into()),
            };
        }
        let previous = previous
            .map(|stored| Run::replay(stored.id.clone(), Arc::new(stored.definition), &stored.events))
            .transpose()?;
        let mut facts = Facts::new(
            store,
            self.home.objects(),
            Workplace::of(self.home, &self.project, definition),
            definition.clone(),
            previous.as_ref().map(|run| (**run.definition()).clone()),
            self.now,
            self.reuse,
        )?;
        let planned = Arc::new(definition.clone());
        let mut plan = plan::plan(planned.clone(), previous.as_ref(), select, &mut facts)?;
        if let Some(previous) = &previous {
            plan::spare_unread_columns(&mut plan.changes, self.pipeline, previous);
            plan.deployed = self.deployed(previous, &planned)?;
        }
        plan.cost = plan::cost_of(&plan, self.pipeline, self.now, used);
        Ok(plan)
    }

    /// What the environment has, unless that is the run before.
    fn deployed(&self, previous: &Run, now: &RunDefinition) -> Result<Option<Deployed>, EngineError> {
        let store = self.home.store()?;
        let environment = now.environment.as_deref();
        let Some(run) = deployed(&store, &now.pipeline, environment)?.filter(|run| run != previous.id())
        else {
            return Ok(None);
        };
        let stored = store.load_run(&run)?;
        let before = Run::replay(run.clone(), Arc::new(stored.definition), &stored.events)?;
        let mut changes = plan::changes_between(before.definition(), now);
        plan::spare_unread_columns(&mut changes, self.pipeline, &before);
        Ok(Some(Deployed { run, changes }))
    }

    /// The same behind `gates`, which are joined by one of the budget's if it asks for agreement; with
    /// the selection to run by. The definition keeps what was foretold of it.
    ///
    /// # Errors
    /// As [`Outlook::plan`].
    pub fn plan_within_budget(
        &self,
        definition: &mut RunDefinition,
        gates: &mut Vec<InstanceIx>,
        select: Option<BTreeSet<InstanceIx>>,
    ) -> Result<(Plan, Option<BTreeSet<InstanceIx>>), EngineError> {
        let chosen = with_gates(select.clone(), gates);
        let plan = self.plan(definition, chosen.as_ref())?;
        let bounds = &mut definition.bounds;
        bounds.over_budget = plan.cost.as_ref().and_then(Cost::warning);
        if bounds.finish_by.is_some() {
            let whole = plan.forecast.filter(|forecast| forecast.is_complete);
            bounds.expected = whole.map(|forecast| forecast.elapsed.p50);
        }
        let asks = |cost: &Cost| cost.exceeds() && cost.on_exceed == OnExceed::RequireApproval;
        if !plan.cost.as_ref().is_some_and(asks) {
            return Ok((plan, chosen));
        }
        let rule = ApprovalRule {
            roles: Vec::new(),
            min_approvals: 1,
            not_author: false,
            expires: None,
            on_expire: OnExpire::Reject,
        };
        gates.extend(definition.put_gate_in_front(BUDGET, rule));
        let chosen = with_gates(select, gates);
        Ok((self.plan(definition, chosen.as_ref())?, chosen))
    }
}

/// Whether a run of the pipeline is to be foretold before it is made: because money is limited, or because
/// it may be known to come too late.
pub fn asks_to_foresee(pipeline: &Pipeline) -> bool {
    let spec = pipeline.spec();
    let has_deadline = spec.sla.as_ref().is_some_and(|sla| sla.finish_by.is_some());
    spec.budget.is_some() || has_deadline
}

/// A selection with the gates that stand in front of everything.
pub fn with_gates(
    select: Option<BTreeSet<InstanceIx>>,
    gates: &[InstanceIx],
) -> Option<BTreeSet<InstanceIx>> {
    select.map(|mut select| {
        select.extend(gates);
        select
    })
}
