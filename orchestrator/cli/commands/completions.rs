//! `trainyard completions`.

use crate::args::{Cli, CompletionsArgs};
use crate::output::{Exit, Fault, Terminal};
use clap::CommandFactory;

pub(crate) fn completions(args: &CompletionsArgs, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "trainyard", &mut script);
    terminal.out(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}
