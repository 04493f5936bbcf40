//! Everything an executor promises, with real processes: this binary is the tests, and, started
//! again by them with an argument, worker, supervisor or a parent that dies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "all of this program is tests, though it is not compiled as such"
)]

mod bench;
mod commands;
mod faults;
mod harness;
mod masking;
mod scheduling;
mod task_files;
mod workers;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// One test: what it claims, and the proof.
type Claim = (&'static str, fn());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--worker") => {
            return trainyard_executors::worker_main(&harness::catalogue(), Some(&harness::Lines));
        }
        Some("--supervise") => return trainyard_executors::supervisor_main(),
        Some("--parent") => return harness::parent_that_waits(&arguments[2..]),
        Some("--task") => return harness::task_file(&arguments[2]),
        Some("--measure") => return bench::measure(arguments.get(2).map(String::as_str)),
        _ => {}
    }
    let claims: Vec<Claim> = [
        commands::CLAIMS,
        faults::CLAIMS,
        task_files::CLAIMS,
        masking::CLAIMS,
        scheduling::CLAIMS,
        workers::CLAIMS,
    ]
    .concat();
    let trials = claims
        .into_iter()
        .map(|(name, proof)| {
            Trial::test(name, move || {
                proof();
                Ok(())
            })
        })
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
