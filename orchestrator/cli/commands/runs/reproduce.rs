//! `trainyard runs reproduce`.

use super::Shelf;
use crate::args::ReproduceArgs;
use crate::commands::check::{Binding, bind_entry};
use crate::commands::comparison;
use crate::commands::now;
use crate::commands::run::{Options, Start, drive};
use crate::output::{Exit, Fault, Terminal, Tone};
use crate::project::Project;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use trainyard_domain::comparison::Comparison;
use trainyard_domain::plan::{ChangeClass, changes_between};
use trainyard_domain::run::{ParamOrigin, RunDefinition, RunStatus};

/// Runs a run again from its recorded code, data and parameters, and says bit for bit what differs.
pub(super) fn reproduce(
    args: &ReproduceArgs,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let project = Project::here(home)?;
    let shelf = Shelf::open(&project)?;
    let id = shelf.find(&args.run)?;
    let original = shelf.load(&id)?;
    if !matches!(original.status(), RunStatus::Ended(_)) {
        return Err(Fault::new(format!("run `{}` is not over yet", id.short()))
            .help(format!("`trainyard runs watch {}` follows it", id.short())));
    }
    let recorded = original.definition().clone();
    // A commit alone says what its files were only if none was changed.
    let revision = recorded.code.as_ref().filter(|code| !code.is_dirty());
    let project = project.at(revision.map(|code| code.commit.as_str()))?;
    let mut params = overrides(&recorded);
    params.extend(args.params.iter().cloned());
    let bound = bind_entry(
        project,
        recorded.file.clone(),
        recorded.environment.as_deref(),
        &params,
        recorded.trigger.clone(),
        recorded.seed,
        terminal,
    )?;
    let Binding::Ready(bound) = bound else {
        return Ok(Exit::Refused);
    };
    let mut definition = bound.definition;
    refuse_other_files(&recorded, &definition, args)?;
    definition.reproduces = Some(id.clone());
    // It takes nobody's place: what it makes is looked at and nothing else.
    definition.concurrency = None;
    definition.bounds.max_duration = None;
    definition.bounds.finish_by = None;
    let select = trainyard_engine::repeatable(&definition);
    if select.is_empty() {
        return Err(Fault::new(
            "every step of the run has effects, so none can be made again",
        ));
    }
    let again = trainyard_api::new_run_id(now())?;
    let start = Start::New {
        id: again.clone(),
        definition: Box::new(definition.clone()),
        select: Some(select),
    };
    let options = Options {
        reuse: false,
        no_wait: true,
        workers: args.workers,
    };
    let driven = drive(&bound.project, start, &definition, &again, &options, terminal)?;
    if matches!(driven, Exit::Interrupted) {
        return Ok(driven);
    }
    let found = Comparison::of(&original, &shelf.load(&again)?);
    if terminal.is_json() {
        let mut document = json!({ "event": "comparison", "run": again.as_str(), "of": id.as_str(), "same": found.is_same() });
        document["differences"] = serde_json::to_value(&found).unwrap_or(Value::Null);
        terminal.out_json(&document);
    } else if found.is_same() {
        terminal.status(Tone::Good, "Same", format!("as {}, bit for bit", id.short()));
    } else {
        let origins = found.steps.iter().filter(|step| step.is_origin);
        let origins: Vec<&str> = origins.map(|step| step.instance.as_str()).collect();
        let count = found.steps.len();
        terminal.status(
            Tone::Bad,
            "Differs",
            format!(
                "from {} in {count} step{}, since {}",
                id.short(),
                if count == 1 { "" } else { "s" },
                origins.join(", ")
            ),
        );
        comparison::print(&found, terminal);
    }
    if let (Some(measured), false) = (comparison::measured(&found), terminal.is_json()) {
        terminal.status(Tone::Quiet, "Measured", measured);
    }
    if !found.left_out.is_empty() && !terminal.is_json() {
        let list = found.left_out.join(", ");
        terminal.status(
            Tone::Quiet,
            "Left out",
            format!("{list}: effects are not repeated"),
        );
    }
    Ok(if found.is_same() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// Parameters that were given to the run, as they would be given again.
fn overrides(recorded: &RunDefinition) -> BTreeMap<String, String> {
    let given = recorded
        .params
        .iter()
        .filter(|(_, bound)| !matches!(bound.from, ParamOrigin::Default | ParamOrigin::Environment));
    given
        .map(|(name, bound)| {
            let text = match &bound.value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            (name.clone(), text)
        })
        .collect()
}

/// That the pipeline is another than it was, and no commit has it as it was.
fn refuse_other_files(
    recorded: &RunDefinition,
    definition: &RunDefinition,
    args: &ReproduceArgs,
) -> Result<(), Fault> {
    let is_asked_for = |path: &str| {
        let mut names = args.params.iter().map(|(name, _)| format!("params.{name}"));
        names.any(|name| {
            path.strip_prefix(&name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    };
    let changed: Vec<String> = changes_between(recorded, definition)
        .into_iter()
        .filter(|change| change.class != ChangeClass::NoRerun)
        .map(|change| change.difference.path)
        .filter(|path| !is_asked_for(path))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let mut fault = Fault::new("the pipeline is not as it was when the run was made");
    fault.causes = changed;
    Err(fault.help(match &recorded.code {
        Some(code) => format!(
            "the run went by files that were changed after commit {}: {}",
            code.short(),
            code.changed.join(", ")
        ),
        None => "bring the files back; runs of a git repository remember their commit".to_owned(),
    }))
}
