//! The `trainyard` binary: arguments in, one command carried out, an exit code out.

mod args;
mod commands;
mod output;
mod progress;
mod project;
mod reports;
mod telemetry;

use clap::Parser;
use output::Terminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    let mut terminal = Terminal::new(&cli.common);
    // There 2 says that something differs.
    let fault = match cli.command.has_detailed_exitcode() {
        true => output::Exit::Refused,
        false => output::Exit::Fault,
    };
    match commands::dispatch(cli, &mut terminal) {
        Ok(exit) => exit.into(),
        Err(error) => {
            terminal.fault(&error);
            fault.into()
        }
    }
}
