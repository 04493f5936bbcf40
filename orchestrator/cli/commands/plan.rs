//! `trainyard plan`.

use super::check::{Binding, Bound, bind};
use super::{catalogue, now};
use crate::args::{Format, PlanArgs};
use crate::output::{Exit, Fault, Terminal};
use crate::project::Project;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use trainyard_contract::Severity;
use trainyard_domain::pipeline::{self, Admission, CheckLevel, CheckRequest, NotAdmitted, Origin};
use trainyard_domain::plan::{self, ChecksSummary, Cost, PlanRequest, SavedPlan, render};
use trainyard_domain::run::{self, InstanceIx, Run, RunDefinition};
use trainyard_engine::Outlook;

pub(crate) fn plan(args: &PlanArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let mut bound = match bind(&args.bind, args.revision.as_deref(), home, terminal)? {
        Binding::Ready(bound) => *bound,
        Binding::Refused => return Ok(Exit::Refused),
    };
    let origin = match args.save {
        true => Origin::SavedPlan {
            param: args.bind.params.first().map(|(name, _)| name.as_str()),
        },
        false => Origin::Person,
    };
    let not_admitted = bound.admit(origin)?;
    let select = args
        .select
        .as_deref()
        .map(|text| select(text, &bound.definition))
        .transpose()?;
    let (mut plan, _) = bound.plan_within_budget(select, !args.no_reuse)?;
    plan.outside = outside(&bound, &plan)?;
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

/// What the run means for the project's other pipelines and for registered models.
fn outside(bound: &Bound, plan: &plan::Plan) -> Result<Vec<plan::OutsideEffect>, Fault> {
    // The others are as they stand, whatever revision this one is of.
    let project = Project::of(&bound.project.root, Some(&bound.project.home))?;
    let store = project.open_home()?.store()?;
    let registered = trainyard_engine::registered_by(&store, &bound.pipeline)?;
    let previous = match &plan.previous {
        Some(id) => {
            let stored = store.load_run(id)?;
            Some(Run::replay(
                id.clone(),
                Arc::new(stored.definition),
                &stored.events,
            )?)
        }
        None => None,
    };
    // Faults of the others are theirs to tell; they are looked at as far as they are right.
    let others = pipeline::check(&CheckRequest {
        project: project.file.as_deref(),
        entries: &project.pipeline_files()?,
        files: project.files().as_ref(),
        catalogue: &catalogue(),
        environment: None,
        params: &BTreeMap::new(),
        level: Some(CheckLevel::Off),
    });
    Ok(plan::effects_outside(
        plan,
        &bound.pipeline,
        previous.as_ref(),
        &others.pipelines,
        &registered,
    ))
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

/// Whether the budget does not let a plan be run; says why.
pub(crate) fn is_stopped_by_budget(plan: &plan::Plan, terminal: &mut Terminal) -> bool {
    let Some(reason) = plan.cost.as_ref().and_then(Cost::refusal) else {
        return false;
    };
    if terminal.is_json() {
        terminal.out_json(&serde_json::json!({
            "event": "refused", "code": "C01/over-budget", "reasons": [reason],
        }));
    } else {
        terminal.note(format!("error[C01/over-budget]: {reason}"));
    }
    true
}

impl Bound {
    /// Puts the gates in front that the environment asks for, and says why the run may not start, if so.
    pub(crate) fn admit(&mut self, origin: Origin<'_>) -> Result<Vec<NotAdmitted>, Fault> {
        let environment = self.definition.environment.as_deref();
        if self.pipeline.admission(environment) == Admission::default() {
            return Ok(Vec::new());
        }
        let store = self.project.open_home()?.store()?;
        let admitted = trainyard_engine::admit(&store, &self.pipeline, &mut self.definition, origin)?;
        self.gates.extend(admitted.gates);
        Ok(admitted.faults)
    }

    /// Plans it against the project's state, behind its gates and the budget's; with the selection to run by.
    pub(crate) fn plan_within_budget(
        &mut self,
        select: Option<BTreeSet<InstanceIx>>,
        reuse: bool,
    ) -> Result<(plan::Plan, Option<BTreeSet<InstanceIx>>), Fault> {
        let home = self.project.open_home()?;
        let outlook = Outlook {
            home: &home,
            project: self.project.root.clone(),
            pipeline: &self.pipeline,
            reuse,
            now: now(),
        };
        let (mut plan, select) = outlook.plan_within_budget(&mut self.definition, &mut self.gates, select)?;
        let count = |severity| {
            let of_it = self.checked.diagnostics.iter().filter(|d| d.severity == severity);
            of_it.count()
        };
        let over = plan.cost.as_ref().filter(|cost| cost.exceeds());
        plan.checks = Some(ChecksSummary {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: over
                .map(|cost| format!("warning[C01/over-budget]: {}", cost.line()))
                .into_iter()
                .chain(self.definition.bounds.foreseen_miss(outlook.now))
                .collect(),
        });
        Ok((plan, select))
    }
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
