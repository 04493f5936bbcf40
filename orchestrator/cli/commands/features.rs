//! `trainyard features`.

mod catalogue;
mod historical;
mod lineage;
mod materialise;
mod offline;
mod online;

pub(crate) use materialise::in_a_process;

use super::catalogue as kinds;
use crate::args::FeaturesCommand;
use crate::output::{Exit, Fault, Terminal};
use crate::project::Project;
use std::collections::BTreeMap;
use std::path::Path;
use trainyard_domain::pipeline::{self, CheckRequest, Checked};

pub(crate) fn features(
    command: &FeaturesCommand,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let project = Project::here(home)?;
    match command {
        FeaturesCommand::GetOnline(args) => online::get(&project, args, terminal),
        FeaturesCommand::Materialise(args) => materialise::materialise(&project, args, terminal),
        FeaturesCommand::Push(args) => online::push(&project, args, terminal),
        FeaturesCommand::GetHistorical(args) => historical::get(&project, args, terminal),
        FeaturesCommand::Snapshots(args) => offline::snapshots(&project, args, terminal),
        FeaturesCommand::Compact(args) => offline::compact(&project, args, terminal),
        FeaturesCommand::List => catalogue::list(&read(&project)?.features, &project, terminal),
        FeaturesCommand::Show { name } => {
            catalogue::show(&read(&project)?.features, name, &project, terminal)
        }
        FeaturesCommand::Search { words } => catalogue::search(&read(&project)?.features, words, terminal),
        FeaturesCommand::Lineage { name } => lineage::lineage(&read(&project)?, name, terminal),
        FeaturesCommand::Stats { view, version } => catalogue::stats(view, *version, &project, terminal),
    }
}

/// What the project's files define, and its pipelines.
pub(crate) fn read(project: &Project) -> Result<Checked, Fault> {
    let entries = project.pipeline_files()?;
    let files = project.files();
    Ok(pipeline::check(&CheckRequest {
        project: project.file.as_deref(),
        entries: &entries,
        files: files.as_ref(),
        catalogue: &kinds(),
        environment: None,
        params: &BTreeMap::new(),
        level: None,
    }))
}
