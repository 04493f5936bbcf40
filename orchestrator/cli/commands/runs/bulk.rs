//! One action on many runs. Engines carry it out, as they do requests for one run.

use super::Shelf;
use crate::args::SteerArgs;
use crate::commands::{now, user};
use crate::output::{Exit, Fault, Terminal, Tone};
use std::io::{BufRead, IsTerminal, Write};
use trainyard_api::{ActionAnswer, ActionVerdict, Deed, RunAction, RunsFilter, act, runs_of_filter};
use trainyard_contract::RunId;

impl Shelf {
    pub(super) fn bulk(
        mut self,
        action: RunAction,
        which: &SteerArgs,
        select: Option<&str>,
        terminal: &mut Terminal,
    ) -> Result<Exit, Fault> {
        let args = &which.bulk;
        let filter = RunsFilter {
            pipeline: args.pipeline.clone(),
            status: args.status.clone(),
            since: args.since.clone(),
            all: args.all,
        };
        let (runs, more): (Vec<RunId>, bool) = if args.is_meant() {
            let (runs, more) = runs_of_filter(&self.store, action, &filter, args.limit, now())?;
            (runs.into_iter().map(|run| run.id).collect(), more)
        } else {
            (vec![self.find(which.run())?], false)
        };
        let by = user();
        let mut deed = Deed {
            action,
            select,
            by: &by,
            now: now(),
            dry_run: true,
        };
        let mut answer = ActionAnswer {
            action,
            dry_run: true,
            results: act(&mut self.store, &runs, &deed),
            more,
        };
        if args.dry_run || !answer.has(ActionVerdict::WouldAsk) {
            show(&answer, terminal)?;
            return Ok(Exit::Done);
        }
        if !args.yes {
            show(&answer, terminal)?;
            if !is_confirmed(&answer)? {
                return Err(Fault::new("nothing was done").help("`--yes` does it without asking"));
            }
        }
        answer.dry_run = false;
        deed.dry_run = false;
        answer.results = act(&mut self.store, &runs, &deed);
        show(&answer, terminal)?;
        Ok(Exit::Done)
    }
}

/// Asks a person; where there is none, nobody agrees.
fn is_confirmed(answer: &ActionAnswer) -> Result<bool, Fault> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let count = answer.count(ActionVerdict::WouldAsk);
    let mut err = std::io::stderr();
    let asked = write!(err, "{} {count} run(s)? [y/N] ", answer.action).and_then(|()| err.flush());
    asked.map_err(|error| Fault::while_doing("could not ask", &error))?;
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Fault::while_doing("could not read the answer", &error))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn show(answer: &ActionAnswer, terminal: &mut Terminal) -> Result<(), Fault> {
    if terminal.is_json() {
        terminal.out_json(&serde_json::to_value(answer)?);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = answer
        .results
        .iter()
        .map(|result| {
            let (tone, word) = match result.verdict {
                ActionVerdict::Asked => (Tone::Good, "asked"),
                ActionVerdict::WouldAsk => (Tone::Busy, "would ask"),
                ActionVerdict::Unchanged => (Tone::Quiet, "unchanged"),
                ActionVerdict::Refused => (Tone::Warn, "refused"),
            };
            vec![
                result.run.clone(),
                result.pipeline.clone().unwrap_or_default(),
                result.status.clone().unwrap_or_default(),
                terminal.paint(tone, word),
                result.reason.clone(),
            ]
        })
        .collect();
    if rows.is_empty() {
        terminal.note("no run fits");
        return Ok(());
    }
    let verb = answer.action.to_string().to_uppercase();
    terminal.table(&["RUN", "PIPELINE", "STATUS", verb.as_str(), ""], &[], &rows);
    if answer.more {
        terminal.note("there are more: the same again takes the next ones, or raise `--limit`");
    }
    if !answer.dry_run && answer.action != RunAction::Cancel && answer.has(ActionVerdict::Asked) {
        terminal.note("servers (`trainyard serve`) on this state carry them out");
    }
    Ok(())
}
