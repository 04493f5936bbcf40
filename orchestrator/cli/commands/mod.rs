//! One file a command.

mod apply;
mod approvals;
mod backfill;
mod check;
mod completions;
mod contracts;
mod diff;
mod doctor;
mod explain;
mod features;
mod gc;
mod init;
mod lineage;
mod models;
mod openapi;
mod pipelines;
mod plan;
mod run;
mod runs;
mod schema;
mod serve;
mod step;
mod steps;
mod test;
mod tokens;
mod triggers;

use crate::args::{Cli, Command};
use crate::output::{Exit, Fault, Terminal};
use trainyard_contract::{Catalogue, Timestamp};

/// Carries one command out.
pub(crate) fn dispatch(cli: Cli, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let home = cli.common.home.as_deref();
    match cli.command {
        Command::Init(args) => init::init(&args, terminal),
        Command::Check(args) => check::check(&args, home, terminal),
        Command::Plan(args) => plan::plan(&args, home, terminal),
        Command::Diff(args) => diff::diff(&args, home, terminal),
        Command::Apply(args) => apply::apply(&args, home, terminal),
        Command::Run(args) => run::run(&args, home, terminal),
        Command::Backfill(args) => backfill::backfill(&args, home, terminal),
        Command::Backfills(command) => backfill::backfills(&command, home, terminal),
        Command::Test(args) => test::test(&args, home, terminal),
        Command::Serve(args) => serve::serve(&args, home, terminal),
        Command::Openapi => openapi::openapi(terminal),
        Command::Pipelines(command) => pipelines::pipelines(&command, home, terminal),
        Command::Tokens(command) => tokens::tokens(&command, home, terminal),
        Command::Runs(command) => runs::runs(&command, home, terminal),
        Command::Models(command) => models::models(&command, home, terminal),
        Command::Features(command) => features::features(&command, home, terminal),
        Command::Contracts(command) => contracts::contracts(&command, terminal),
        Command::Lineage(command) => lineage::lineage(&command, home, terminal),
        Command::Approvals(command) => approvals::approvals(&command, home, terminal),
        Command::Triggers(command) => triggers::triggers(&command, home, terminal),
        Command::Steps(command) => steps::steps(&command, terminal),
        Command::Schema(args) => schema::schema(&args, terminal),
        Command::Explain(args) => explain::explain(&args, terminal),
        Command::Gc(args) => gc::gc(&args, home, terminal),
        Command::Completions(args) => completions::completions(&args, terminal),
        Command::Doctor => doctor::doctor(home, terminal),
        Command::Step(args) => step::step(&args),
    }
}

/// Every kind of step this binary has.
pub(crate) fn catalogue() -> Catalogue {
    let processes = trainyard_executors::process_steps();
    #[cfg(feature = "steps")]
    let all = processes.and(trainyard_steps::catalogue());
    #[cfg(not(feature = "steps"))]
    let all = processes;
    all
}

/// The clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

/// The person at the keyboard, for the record.
pub(crate) fn user() -> String {
    ["TRAINYARD_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
        .unwrap_or_else(|| "unknown".to_owned())
}
