//! `trainyard plan`.

use super::check::{Binding, Bound, bind};
use super::now;
use crate::admission::{admit, with_gates};
use crate::args::{Format, PlanArgs};
use crate::output::{Exit, Fault, Terminal};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use trainyard_contract::Severity;
use trainyard_domain::pipeline::spec::policy::OnExceed;
use trainyard_domain::plan::{self, ChecksSummary, Cost, PlanRequest, SavedPlan, render};
use trainyard_domain::run::{self, ApprovalRule, InstanceIx, OnExpire, Run, RunDefinition};
use trainyard_engine::Facts;

pub(crate) fn plan(args: &PlanArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let mut bound = match bind(&args.bind, home, terminal)? {
        Binding::Ready(bound) => *bound,
        Binding::Refused => return Ok(Exit::Refused),
    };
    let not_admitted = admit(&mut bound)?;
    let select = args
        .select
        .as_deref()
        .map(|text| select(text, &bound.definition))
        .transpose()?;
    let (mut plan, _) = foresee_within_budget(&mut bound, select, !args.no_reuse)?;
    let notes = not_admitted
        .iter()
        .map(|fault| format!("{fault}; {}", fault.help(&plan.file)));
    let notes: Vec<String> = notes.collect();
    if let Some(checks) = plan.checks.as_mut() {
        checks.notes.extend(notes);
    }
    if args.save {
        save(args, &bound, &plan)?;
    }
    match terminal.format() {
        Format::Json => {
            let document = render::json(&plan);
            terminal.out_json(&document);
        }
        Format::Markdown => terminal.out(render::markdown(&plan).trim_end()),
        _ => {
            let style = render::Style {
                color: terminal.colors_out(),
            };
            terminal.out(render::human(&plan, style).trim_end());
            if args.save {
                terminal.out(format!(
                    "Saved    run exactly this: trainyard apply {}",
                    plan.id.short()
                ));
            }
        }
    }
    if args.detailed_exitcode && plan.has_work() {
        return Ok(Exit::Fault);
    }
    Ok(Exit::Done)
}

/// Keeps the plan for `apply`.
fn save(args: &PlanArgs, bound: &Bound, plan: &plan::Plan) -> Result<(), Fault> {
    let definition = bound.definition.clone();
    let request = PlanRequest {
        file: definition.file.clone(),
        environment: definition.environment.clone(),
        params: args.bind.params.iter().cloned().collect(),
        trigger: definition.trigger.clone(),
        seed: definition.seed,
        select: args.select.clone(),
        reuse: !args.no_reuse,
    };
    let saved = SavedPlan::new(plan, request, definition, now(), super::user());
    bound.project.open_home()?.store()?.save_plan(&saved)?;
    Ok(())
}

/// Plans with the gates in front; beyond the budget, and if it says so, with one for that as well. The
/// second is the selection to run by.
pub(crate) fn foresee_within_budget(
    bound: &mut Bound,
    select: Option<BTreeSet<InstanceIx>>,
    reuse: bool,
) -> Result<(plan::Plan, Option<BTreeSet<InstanceIx>>), Fault> {
    let chosen = with_gates(select.clone(), bound);
    let plan = foresee(bound, chosen.clone(), reuse)?;
    if !needs_agreement(&plan) {
        return Ok((plan, chosen));
    }
    let rule = ApprovalRule {
        roles: Vec::new(),
        min_approvals: 1,
        not_author: false,
        expires: None,
        on_expire: OnExpire::Reject,
    };
    bound
        .gates
        .extend(bound.definition.put_gate_in_front("budget", rule));
    let chosen = with_gates(select, bound);
    Ok((foresee(bound, chosen.clone(), reuse)?, chosen))
}

fn needs_agreement(plan: &plan::Plan) -> bool {
    let asks = |cost: &Cost| cost.exceeds() && cost.on_exceed == OnExceed::RequireApproval;
    plan.cost.as_ref().is_some_and(asks)
}

/// Why the budget does not let a plan be run, if so.
pub(crate) fn stopped_by_budget(plan: &plan::Plan) -> Option<String> {
    let cost = plan.cost.as_ref()?;
    let stops = cost.exceeds() && cost.on_exceed == OnExceed::Stop;
    stops.then(|| {
        format!(
            "error[C01/over-budget]: the run would cost more than its budget: {}",
            cost.line()
        )
    })
}

/// Plans a bound pipeline against the project's state.
pub(crate) fn foresee(
    bound: &Bound,
    select: Option<BTreeSet<InstanceIx>>,
    reuse: bool,
) -> Result<plan::Plan, Fault> {
    let home = bound.project.open_home()?;
    let store = home.store()?;
    let definition = Arc::new(bound.definition.clone());
    let previous = store
        .previous_run(&definition.pipeline, definition.environment.as_deref())?
        .map(|stored| Run::replay(stored.id.clone(), Arc::new(stored.definition), &stored.events))
        .transpose()?;
    let mut facts = Facts::new(
        store,
        home.objects(),
        bound.project.root.clone(),
        bound.definition.clone(),
        previous.as_ref().map(|run| (**run.definition()).clone()),
        now(),
        reuse,
    )?;
    let mut plan = plan::plan(definition, previous.as_ref(), select.as_ref(), &mut facts)?;
    let count = |severity| {
        bound
            .checked
            .diagnostics
            .iter()
            .filter(|d| d.severity == severity)
            .count()
    };
    plan.cost = plan::cost_of(&plan, &bound.pipeline);
    let mut notes = Vec::new();
    if let Some(cost) = plan.cost.as_ref().filter(|cost| cost.exceeds()) {
        notes.push(format!("warning[C01/over-budget]: {}", cost.line()));
    }
    plan.checks = Some(ChecksSummary {
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes,
    });
    Ok(plan)
}

/// The instances that `--select` names.
pub(crate) fn select(text: &str, definition: &RunDefinition) -> Result<BTreeSet<InstanceIx>, Fault> {
    run::select(text, definition).map_err(|error| {
        let help = error.help.clone();
        Fault {
            help,
            ..Fault::from(error)
        }
    })
}
