//! `trainyard features`.

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
        FeaturesCommand::Snapshots(args) => offline::snapshots(&project, args, terminal),
        FeaturesCommand::Compact(args) => offline::compact(&project, args, terminal),
    }
}
