//! `trainyard doctor`: what this machine and project have, and what is missing.

use super::catalogue;
use crate::output::{Exit, Fault, Terminal, Tone, human_bytes};
use crate::project::Project;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};

/// How an examination came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Something works less well or not at all, but not what every project needs.
    Lacking,
    Bad,
}

struct Examined {
    what: &'static str,
    verdict: Verdict,
    found: String,
}

pub(crate) fn doctor(home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let project = Project::here(home)?;
    let mut list = vec![Examined {
        what: "version",
        verdict: Verdict::Good,
        found: format!(
            "trainyard {}, {} kinds of steps",
            env!("CARGO_PKG_VERSION"),
            catalogue().iter().count()
        ),
    }];
    list.push(match &project.file {
        Some(file) => examined(
            "project",
            Verdict::Good,
            project.root.join(file).display().to_string(),
        ),
        None => examined(
            "project",
            Verdict::Lacking,
            format!("no trainyard.yaml above {}", project.root.display()),
        ),
    });
    list.push(match project.pipeline_files() {
        Ok(files) if files.is_empty() => examined("pipelines", Verdict::Lacking, "none".to_owned()),
        Ok(files) => examined("pipelines", Verdict::Good, files.join(", ")),
        Err(fault) => examined("pipelines", Verdict::Lacking, fault.message),
    });
    list.extend(state_of(&project));
    list.push(program("git", &["--version"], "code versions are not recorded"));
    list.push(program("python3", &["--version"], "run.python@v1 cannot run"));
    list.push(container_engine());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    list.push(examined("cores", Verdict::Good, cores.to_string()));
    let bad = list.iter().any(|examined| examined.verdict == Verdict::Bad);
    if terminal.is_json() {
        let documents: Vec<_> = list
            .iter()
            .map(|e| {
                let verdict = match e.verdict {
                    Verdict::Good => "good",
                    Verdict::Lacking => "lacking",
                    Verdict::Bad => "bad",
                };
                json!({ "what": e.what, "verdict": verdict, "found": e.found })
            })
            .collect();
        terminal.out_json(&serde_json::Value::Array(documents));
    } else {
        for examined in &list {
            let mark = match examined.verdict {
                Verdict::Good => terminal.paint(Tone::Good, "ok     "),
                Verdict::Lacking => terminal.paint(Tone::Warn, "lacking"),
                Verdict::Bad => terminal.paint(Tone::Bad, "bad    "),
            };
            terminal.out(format!("{mark}  {:<16} {}", examined.what, examined.found));
        }
    }
    Ok(if bad { Exit::Refused } else { Exit::Done })
}

fn examined(what: &'static str, verdict: Verdict, found: String) -> Examined {
    Examined { what, verdict, found }
}

/// The database, and why what it acknowledges may be lost.
fn state_of(project: &Project) -> Vec<Examined> {
    if !project.has_state() {
        return vec![examined(
            "state",
            Verdict::Good,
            format!("{} (made by the first run)", project.home.display()),
        )];
    }
    let condition = project
        .open_home()
        .and_then(|home| Ok(home.store()?.condition()?));
    match condition {
        Ok(condition) => {
            let found = format!(
                "{}: {}, schema {} ({})",
                condition.place,
                condition.product,
                condition.schema,
                human_bytes(condition.size)
            );
            let risks = condition
                .risks
                .into_iter()
                .map(|risk| examined("durability", Verdict::Lacking, risk));
            std::iter::once(examined("state", Verdict::Good, found))
                .chain(risks)
                .collect()
        }
        Err(fault) => {
            let mut said = vec![fault.message];
            said.extend(fault.causes);
            vec![examined("state", Verdict::Bad, said.join(": "))]
        }
    }
}

fn program(name: &'static str, arguments: &[&str], without: &str) -> Examined {
    let output = Command::new(name).args(arguments).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            examined(name, Verdict::Good, text)
        }
        _ => examined(name, Verdict::Lacking, format!("not found: {without}")),
    }
}

fn container_engine() -> Examined {
    for engine in ["docker", "podman"] {
        let answers = Command::new(engine)
            .args(["version", "--format", "{{.Server.Version}}"])
            .stdin(Stdio::null())
            .output()
            .is_ok_and(|output| output.status.success());
        if answers {
            return examined("container engine", Verdict::Good, engine.to_owned());
        }
    }
    examined(
        "container engine",
        Verdict::Lacking,
        "none answers: run.container@v1 cannot run".to_owned(),
    )
}
