//! `trainyard runs logs`.

use super::Shelf;
use crate::output::{Exit, Fault, Terminal, Tone};
use serde_json::json;
use trainyard_domain::run::InstanceIx;

impl Shelf {
    pub(super) fn logs(
        &self,
        text: &str,
        step: Option<&str>,
        attempt: Option<u32>,
        terminal: &mut Terminal,
    ) -> Result<Exit, Fault> {
        let id = self.find(text)?;
        let run = self.load(&id)?;
        let definition = run.definition();
        let mut printed = 0;
        let mut matched = false;
        let item = step
            .and_then(|step| run.find(step))
            .filter(|ix| run.item(*ix).is_some());
        let all: Vec<InstanceIx> = match item {
            Some(item) => vec![item],
            None => (0..)
                .zip(&definition.instances)
                .filter(|(_, instance)| {
                    step.is_none_or(|step| {
                        instance.name == step || instance.step.as_str() == step || instance.is_within(step)
                    })
                })
                .flat_map(|(ix, _)| run.cells_of(ix))
                .collect(),
        };
        for ix in all {
            matched = true;
            let name = run.name(ix);
            let last = run.next_attempt(ix).saturating_sub(1);
            let Some(number) = attempt
                .or(Some(last))
                .filter(|number| (1..=last).contains(number))
            else {
                continue;
            };
            let path = self.home.log_path(&id, &name, number);
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(Fault::while_doing(
                        format!("could not read {}", path.display()),
                        &error,
                    ));
                }
            };
            let content = String::from_utf8_lossy(&bytes);
            for line in content.lines() {
                printed += 1;
                if terminal.is_json() {
                    let document = json!({ "instance": name, "attempt": number, "line": line });
                    terminal.out_json(&document);
                } else {
                    let head = terminal.paint(Tone::Quiet, format!("{name} |"));
                    terminal.out(format!("{head} {line}"));
                }
            }
        }
        if !matched {
            let names = definition.instances.iter().map(|instance| instance.step.as_str());
            let near = step.and_then(|step| trainyard_contract::finding::nearest(step, names));
            let fault = Fault::new(format!("run {} has no step `{}`", id.short(), step.unwrap_or("")));
            return Err(match near {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault,
            });
        }
        if printed == 0 && !terminal.is_json() {
            terminal.note("no log lines");
        }
        Ok(Exit::Done)
    }
}
