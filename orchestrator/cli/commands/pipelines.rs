//! `trainyard pipelines`.

use super::{catalogue, now, user};
use crate::args::PipelinesCommand;
use crate::output::{Exit, Fault, Terminal, Tone, human_instant};
use crate::project::Project;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use trainyard_contract::PipelineName;
use trainyard_contract::finding::nearest;
use trainyard_domain::pipeline::{self, CheckRequest, Pipeline};
use trainyard_engine::DiskFiles;
use trainyard_store::{Pause, Store};

pub(crate) fn pipelines(
    command: &PipelinesCommand,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let project = Project::here(home)?;
    let mut store = project.open_home()?.store()?;
    let folder = Folder::read(&project)?;
    match command {
        PipelinesCommand::List => list(&folder, &store, terminal),
        PipelinesCommand::Show { pipeline } => show(folder.find(pipeline)?, &store, terminal),
        PipelinesCommand::Pause { pipeline, reason } => {
            let pause = Pause {
                pipeline: folder.find(pipeline)?.name().clone(),
                at: now(),
                by: user(),
                reason: reason.clone(),
            };
            store.pause_pipeline(&pause)?;
            terminal.status(Tone::Good, "Paused", format!("{pipeline}; what runs goes on"));
            Ok(Exit::Done)
        }
        PipelinesCommand::Resume { pipeline } => {
            let name: PipelineName = pipeline.parse()?;
            if store.resume_pipeline(&name)? {
                terminal.status(Tone::Good, "Resumed", pipeline);
            } else {
                folder.find(pipeline)?;
                terminal.note(format!("{pipeline} was not paused"));
            }
            Ok(Exit::Done)
        }
    }
}

/// What the project's folder holds.
struct Folder {
    good: Vec<Arc<Pipeline>>,
    /// Files with faults.
    faulty: Vec<String>,
}

impl Folder {
    fn read(project: &Project) -> Result<Self, Fault> {
        let entries = project.pipeline_files()?;
        let files = DiskFiles::new(project.root.clone());
        let catalogue = catalogue();
        let checked = pipeline::check(&CheckRequest {
            project: project.file.as_deref(),
            entries: &entries,
            files: &files,
            catalogue: &catalogue,
            environment: None,
            params: &BTreeMap::new(),
            level: None,
        });
        let is_good = |file: &String| checked.pipelines.iter().any(|pipeline| pipeline.file() == file);
        Ok(Self {
            faulty: entries.iter().filter(|file| !is_good(file)).cloned().collect(),
            good: checked.pipelines,
        })
    }

    fn find(&self, name: &str) -> Result<&Pipeline, Fault> {
        let found = self.good.iter().find(|pipeline| pipeline.name().as_str() == name);
        found.map(Arc::as_ref).ok_or_else(|| {
            let fault = Fault::new(format!("there is no pipeline `{name}` without faults"));
            let names = self.good.iter().map(|pipeline| pipeline.name().as_str());
            match nearest(name, names) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None if self.faulty.is_empty() => fault,
                None => fault.help(format!(
                    "`trainyard check` says what is wrong in {}",
                    self.faulty.join(", ")
                )),
            }
        })
    }
}

fn list(folder: &Folder, store: &Store, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let pauses = store.paused_pipelines()?;
    let paused = |name: &PipelineName| pauses.iter().find(|pause| pause.pipeline == *name);
    if terminal.is_json() {
        let good = folder.good.iter().map(|pipeline| {
            json!({
                "name": pipeline.name().as_str(), "file": pipeline.file(), "version": pipeline.hash().to_string(),
                "paused_by": paused(pipeline.name()).map(|pause| pause.by.clone()),
            })
        });
        let document = json!({ "pipelines": good.collect::<Vec<_>>(), "faulty": folder.faulty });
        terminal.out_json(&document);
        return Ok(Exit::Done);
    }
    let mut rows: Vec<Vec<String>> = folder
        .good
        .iter()
        .map(|pipeline| {
            let state = paused(pipeline.name()).map_or_else(
                || terminal.paint(Tone::Good, "good"),
                |pause| {
                    terminal.paint(
                        Tone::Warn,
                        format!("paused by {} {}", pause.by, human_instant(pause.at)),
                    )
                },
            );
            vec![
                pipeline.name().to_string(),
                pipeline.file().to_owned(),
                pipeline.hash().short(),
                pipeline.steps().count().to_string(),
                state,
            ]
        })
        .collect();
    rows.extend(folder.faulty.iter().map(|file| {
        let state = terminal.paint(Tone::Bad, "faulty");
        vec![String::new(), file.clone(), String::new(), String::new(), state]
    }));
    terminal.table(&["PIPELINE", "FILE", "VERSION", "STEPS", "STATE"], &[3], &rows);
    Ok(Exit::Done)
}

fn show(pipeline: &Pipeline, store: &Store, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let spec = pipeline.spec();
    let pauses = store.paused_pipelines()?;
    let paused = pauses.iter().find(|pause| pause.pipeline == *pipeline.name());
    let steps: Vec<(&str, &str, Vec<&str>)> = pipeline
        .steps()
        .filter_map(|step| pipeline.wiring_of(step).map(|(uses, needs)| (step, uses, needs)))
        .collect();
    if terminal.is_json() {
        let steps = steps
            .iter()
            .map(|(name, uses, needs)| json!({ "name": name, "uses": uses, "needs": needs }));
        let params: serde_json::Map<String, Value> = pipeline
            .params()
            .iter()
            .map(|(name, param)| {
                (
                    name.clone(),
                    json!({ "type": param.of, "default": param.default }),
                )
            })
            .collect();
        terminal.out_json(&json!({
            "name": pipeline.name().as_str(), "file": pipeline.file(), "version": pipeline.hash().to_string(),
            "description": spec.description, "owner": spec.owner, "environments": pipeline.environments(),
            "triggers": spec.triggers.keys().collect::<Vec<_>>(), "params": params,
            "steps": steps.collect::<Vec<_>>(), "paused_by": paused.map(|pause| pause.by.clone()),
        }));
        return Ok(Exit::Done);
    }
    terminal.out(format!(
        "{}  {}  version {}",
        pipeline.name(),
        pipeline.file(),
        pipeline.hash().short()
    ));
    if let Some(description) = &spec.description {
        terminal.out(format!("  {description}"));
    }
    if let Some(pause) = paused {
        let reason = pause
            .reason
            .as_deref()
            .map_or_else(String::new, |reason| format!(": {reason}"));
        terminal.out(format!(
            "  paused by {} {}{reason}",
            pause.by,
            human_instant(pause.at)
        ));
    }
    for (name, param) in pipeline.params() {
        let default = param
            .default
            .as_ref()
            .map_or_else(String::new, |default| format!(" = {default}"));
        terminal.out(format!("  {name}: {}{default}", param.of));
    }
    let rows: Vec<Vec<String>> = steps
        .into_iter()
        .map(|(name, uses, needs)| vec![name.to_owned(), uses.to_owned(), needs.join(", ")])
        .collect();
    terminal.out("");
    terminal.table(&["STEP", "USES", "NEEDS"], &[], &rows);
    Ok(Exit::Done)
}
