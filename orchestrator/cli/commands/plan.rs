//! `trainyard plan`.

use super::check::{Binding, Bound, bind};
use super::now;
use crate::args::{Format, PlanArgs};
use crate::output::{Exit, Fault, Terminal};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use trainyard_contract::Severity;
use trainyard_domain::plan::{self, ChecksSummary, render};
use trainyard_domain::run::{self, InstanceIx, Run, RunDefinition};
use trainyard_engine::Facts;

pub(crate) fn plan(args: &PlanArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let bound = match bind(&args.bind, home, terminal)? {
        Binding::Ready(bound) => *bound,
        Binding::Refused => return Ok(Exit::Refused),
    };
    let select = args
        .select
        .as_deref()
        .map(|text| select(text, &bound.definition))
        .transpose()?;
    let plan = foresee(&bound, select)?;
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
        }
    }
    if args.detailed_exitcode && plan.has_work() {
        return Ok(Exit::Fault);
    }
    Ok(Exit::Done)
}

fn foresee(bound: &Bound, select: Option<BTreeSet<InstanceIx>>) -> Result<plan::Plan, Fault> {
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
        true,
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
    plan.checks = Some(ChecksSummary {
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: Vec::new(),
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
