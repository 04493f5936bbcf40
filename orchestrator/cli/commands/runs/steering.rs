//! `trainyard runs cancel|retry|resume` of one run.

use super::{Shelf, state_word, status_text};
use crate::args::RetryArgs;
use crate::commands::run::{Options, Start, drive};
use crate::commands::{now, user};
use crate::output::{Exit, Fault, Terminal, Tone};
use crate::project::Project;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use trainyard_domain::run::{Again, InstanceIx, Run, RunOutcome, RunStatus, SelectError};
use trainyard_store::Request;

impl Shelf {
    pub(super) fn cancel(mut self, text: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
        let id = self.find(text)?;
        let run = self.load(&id)?;
        if let RunStatus::Ended(_) = run.status() {
            return Err(Fault::new(format!(
                "run {} is over: {}",
                id.short(),
                status_text(&run)
            )));
        }
        self.store
            .post_request(&id, &Request::Cancel { by: user() }, now())?;
        terminal.status(Tone::Good, "Asked", format!("run {} to stop", id.short()));
        Ok(Exit::Done)
    }

    pub(super) fn retry(
        self,
        project: &Project,
        args: &RetryArgs,
        terminal: &mut Terminal,
    ) -> Result<Exit, Fault> {
        let id = self.find(args.steer.run())?;
        let run = self.load(&id)?;
        let RunStatus::Ended(outcome) = run.status() else {
            return Err(Fault::new(format!("run {} is not over", id.short()))
                .help(format!("`trainyard runs resume {}` goes on with it", id.short())));
        };
        let chosen = args.select.as_deref().map(|text| run.choose(text));
        let chosen = chosen.transpose().map_err(not_chosen)?;
        if outcome == RunOutcome::Succeeded && chosen.is_none() {
            return Err(Fault::new(format!(
                "run {} has succeeded; there is nothing to retry",
                id.short()
            ))
            .help("`--select STEP` runs a step again all the same, with what depends on it"));
        }
        if args.steer.bulk.dry_run {
            foretell(&run, chosen.as_ref(), terminal);
            return Ok(Exit::Done);
        }
        if let Some(chosen) = &chosen
            && !terminal.is_json()
        {
            terminal.status(Tone::Good, "Chosen", run.choice_in_words(chosen));
        }
        let options = Options {
            reuse: true,
            no_wait: false,
            workers: None,
        };
        // The engine loads the run itself; a large one should not be there twice.
        let definition = run.definition().clone();
        drop(run);
        drop(self);
        drive(
            project,
            Start::Retry(id.clone(), chosen),
            &definition,
            &id,
            &options,
            terminal,
        )
    }

    pub(super) fn resume(
        self,
        project: &Project,
        text: &str,
        terminal: &mut Terminal,
    ) -> Result<Exit, Fault> {
        let id = self.find(text)?;
        let run = self.load(&id)?;
        if let RunStatus::Ended(outcome) = run.status() {
            let fault = Fault::new(format!("run {} is over: {}", id.short(), status_text(&run)));
            return Err(if outcome == RunOutcome::Succeeded {
                fault
            } else {
                fault.help(format!(
                    "`trainyard runs retry {}` runs what failed again",
                    id.short()
                ))
            });
        }
        let options = Options {
            reuse: true,
            no_wait: false,
            workers: None,
        };
        let definition = run.definition().clone();
        drop(run);
        drop(self);
        drive(
            project,
            Start::Resume(id.clone()),
            &definition,
            &id,
            &options,
            terminal,
        )
    }
}

fn not_chosen(error: SelectError) -> Fault {
    let fault = Fault::new(error.message);
    match error.help {
        Some(help) => fault.help(help),
        None => fault,
    }
}

/// Says what a retry would run again, and why.
fn foretell(run: &Run, chosen: Option<&BTreeSet<InstanceIx>>, terminal: &mut Terminal) {
    let again = run.to_run_again(chosen);
    let again = (0..).zip(again).filter_map(|(ix, again)| Some((ix, again?)));
    let lines = again.map(|(ix, again): (InstanceIx, Again)| {
        let because = match again {
            Again::Unfinished => "it did not succeed".to_owned(),
            Again::Chosen => "chosen: it runs, whatever it had made".to_owned(),
            Again::ItemsChosen(1) => "one of its items was chosen".to_owned(),
            Again::ItemsChosen(count) => format!("{count} of its items were chosen"),
            Again::Below(above) => format!("it depends on {}", run.name(above)),
            Again::RunHook => "a hook of the run: judged again at its end".to_owned(),
        };
        (run.name(ix).into_owned(), state_word(run.step(ix)), because)
    });
    if terminal.is_json() {
        let list: Vec<Value> = lines
            .map(
                |(name, (_, state), because)| json!({ "instance": name, "state": state, "because": because }),
            )
            .collect();
        terminal.out_json(&json!({ "run": run.id().as_str(), "again": list }));
        return;
    }
    let rows: Vec<Vec<String>> = lines
        .map(|(name, (tone, state), because)| vec![name, terminal.paint(tone, state), because])
        .collect();
    terminal.table(&["WOULD RUN AGAIN", "IS", "WHY"], &[], &rows);
}
