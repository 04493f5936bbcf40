//! One attempt from a task file to a report file: what every place that is not this machine runs.

use crate::inspect::{self, OutputInspector};
use crate::protocol::RunOrder;
use crate::secrets::Secrets;
use crate::supervisor::attempt::{self, Control, Told};
use crate::supervisor::folder::KeptFolder;
use crate::supervisor::watch::Watch;
use crate::worker;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use trainyard_contract::io::News;
use trainyard_contract::task::StepError;
use trainyard_contract::{Catalogue, Failure, FailureClass, TaskReport, TaskSpec};

/// Carries out the attempt of a task file. Its log goes to its file and to standard error; its
/// report goes beside the task, `TASK.json` giving `TASK.report.json`, whole and only if there is
/// none yet.
///
/// The code is 0 if the attempt succeeded, 1 if it failed, and 2 if there could be no report.
pub fn run_task_file(
    catalogue: &Catalogue,
    inspector: Option<&dyn OutputInspector>,
    secrets: &dyn Secrets,
    task: &Path,
) -> ExitCode {
    let outcome = read_task(task).and_then(|spec| {
        let target = report_path(task);
        if target.exists() {
            return Err(format!("there is a report already: {}", target.display()));
        }
        let report = carry_out(catalogue, inspector, secrets, spec);
        write_report(&target, &report)?;
        Ok(report.failure)
    });
    match outcome {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(failure)) => {
            say(&format!("failed: {}", failure.message));
            ExitCode::from(1)
        }
        Err(message) => {
            say(&message);
            ExitCode::from(2)
        }
    }
}

/// Where the report of a task file goes.
pub fn report_path(task: &Path) -> PathBuf {
    task.with_extension("report.json")
}

fn read_task(task: &Path) -> Result<TaskSpec, String> {
    let bytes = fs::read(task).map_err(|error| format!("could not read {}: {error}", task.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{} is not a task: {error}", task.display()))
}

fn carry_out(
    catalogue: &Catalogue,
    inspector: Option<&dyn OutputInspector>,
    secrets: &dyn Secrets,
    spec: TaskSpec,
) -> TaskReport {
    let wanted = spec
        .process
        .as_ref()
        .map_or(&spec.secrets, |process| &process.secrets);
    let mut values = BTreeMap::new();
    for (variable, name) in wanted {
        let Some(value) = secrets.get(name) else {
            let failure = Failure::new(FailureClass::Rejected, format!("the secret `{name}` is not set"));
            return crate::report::failed(&spec, failure);
        };
        values.insert(variable.clone(), value);
    }
    if spec.process.is_none() {
        let say = |news: &News| {
            if let News::Log(line) = news {
                say(line);
            }
        };
        return worker::carry_out(catalogue, spec, values, false, say).report;
    }
    let watch = match Watch::start() {
        Ok(watch) => watch,
        Err(error) => {
            let failure = StepError::io("could not watch over processes", &error).failure;
            return crate::report::failed(&spec, failure);
        }
    };
    let mark = format!("{}/{}/{}", spec.run, spec.instance, spec.attempt);
    let order = RunOrder {
        id: 1,
        spec: spec.clone(),
        mark,
        quick: false,
        next: false,
        first: false,
        follow: true,
        secrets: values,
    };
    let mut kept = KeptFolder::default();
    let report = attempt::carry_out(order, &Control::default(), &watch, &mut kept, |told| {
        if let Told::Line(line) = told {
            say(&line);
        }
    });
    crate::supervisor::folder::remove_kept();
    match inspector {
        Some(inspector) if inspect::is_wanted(&report) => inspect::inspected(inspector, &spec, report),
        _ => report,
    }
}

/// Writes the report so that there is a whole one or none, and never a second.
fn write_report(target: &Path, report: &TaskReport) -> Result<(), String> {
    let half = target.with_extension(format!("{}.half", std::process::id()));
    let written = serde_json::to_vec(report)
        .map_err(io::Error::other)
        .and_then(|bytes| {
            let mut file = File::create(&half)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            // A link, unlike a rename, does not replace what is there.
            fs::hard_link(&half, target)
        });
    let _ = fs::remove_file(&half);
    written.map_err(|error| format!("could not write {}: {error}", target.display()))
}

fn say(line: &str) {
    // Nobody may be reading.
    let _ = writeln!(io::stderr(), "{line}");
}
