//! `trainyard apply`: a saved plan, exactly as it was made or not at all.

use super::check::{Binding, bind_entry};
use crate::args::ApplyArgs;
use crate::output::{Exit, Fault, Terminal, Tone};
use crate::project::Project;
use std::path::Path;
use trainyard_domain::pipeline::Origin;
use trainyard_domain::plan::{SAVED_PLAN_VERSION, SavedPlan};

pub(crate) fn apply(args: &ApplyArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let project = Project::here(home)?;
    let saved = find(&project, &args.plan)?;
    let project = project.at_revision(saved.definition.code.as_ref())?;
    let request = &saved.request;
    let mut bound = match bind_entry(
        project,
        request.file.clone(),
        request.environment.as_deref(),
        &request.params,
        request.trigger.clone(),
        request.seed,
        terminal,
    )? {
        Binding::Ready(bound) => *bound,
        Binding::Refused => return Ok(Exit::Refused),
    };
    // A saved plan is how things come to an environment that is read-only, but as its files say.
    let origin = Origin::SavedPlan {
        param: request.params.keys().next().map(String::as_str),
    };
    let not_admitted = bound.admit(origin)?;
    if !not_admitted.is_empty() {
        return Ok(super::run::refuse(
            &not_admitted,
            &bound.definition.file,
            terminal,
        ));
    }
    let select = request
        .select
        .as_deref()
        .map(|text| super::plan::select(text, &bound.definition))
        .transpose()?;
    let (again, select) = bound.plan_within_budget(select, request.reuse)?;
    let moved = saved.moved(&again, &bound.definition);
    if !moved.is_empty() {
        refuse(&saved, &moved, terminal);
        return Ok(Exit::Refused);
    }
    if super::plan::is_stopped_by_budget(&again, terminal) {
        return Ok(Exit::Refused);
    }
    let options = super::run::Options {
        reuse: request.reuse,
        no_wait: args.no_wait,
        workers: args.workers,
    };
    super::run::launch(bound, select, &options, terminal)
}

fn find(project: &Project, text: &str) -> Result<SavedPlan, Fault> {
    let is_id = !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let found = match is_id {
        true => project
            .open_home()?
            .store()?
            .saved_plans(&text.to_ascii_lowercase())?,
        false => Vec::new(),
    };
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(plan), None) if plan.version == SAVED_PLAN_VERSION => Ok(plan),
        (Some(plan), None) => Err(Fault::new(format!(
            "plan {} was saved by another version of trainyard (format {})",
            plan.id.short(),
            plan.version
        ))
        .help("make it again: `trainyard plan … --save`")),
        (Some(_), Some(_)) => Err(
            Fault::new(format!("more than one saved plan begins with `{text}`")).help("give more of its id"),
        ),
        (None, _) => Err(Fault::new(format!("there is no saved plan `{text}`"))
            .help("`trainyard plan … --save` keeps one and prints its id")),
    }
}

fn refuse(saved: &SavedPlan, moved: &[String], terminal: &mut Terminal) {
    if terminal.is_json() {
        terminal.out_json(&serde_json::json!({
            "event": "refused", "plan": saved.id, "moved": moved,
        }));
        return;
    }
    let head = terminal.paint_err(Tone::Bad, "error");
    terminal.note(format!(
        "{head}: plan {} does not hold any more, so nothing was started",
        saved.id.short()
    ));
    for reason in moved {
        terminal.note(format!("  - {reason}"));
    }
    terminal.note("  = help: look at the new plan, and save it: `trainyard plan … --save`");
}
