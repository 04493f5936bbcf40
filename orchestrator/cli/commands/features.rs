//! `trainyard features`.

mod historical;
mod materialise;
mod online;

pub(crate) use materialise::in_a_process;
mod offline;

use crate::args::FeaturesCommand;
use crate::output::{Exit, Fault, Terminal};
use crate::project::Project;
use std::path::Path;

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
    }
}
