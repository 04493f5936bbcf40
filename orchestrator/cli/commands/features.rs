//! `trainyard features`.

mod catalogue;
mod lineage;

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
    let checked = read(&project)?;
    match command {
        FeaturesCommand::List => catalogue::list(&checked.features, &project, terminal),
        FeaturesCommand::Show { name } => catalogue::show(&checked.features, name, &project, terminal),
        FeaturesCommand::Search { words } => catalogue::search(&checked.features, words, terminal),
        FeaturesCommand::Lineage { name } => lineage::lineage(&checked, name, terminal),
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
