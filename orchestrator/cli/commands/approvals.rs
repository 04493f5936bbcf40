//! `trainyard approvals`.

use super::runs::Shelf;
use super::{now, user};
use crate::args::{AnswerArgs, ApprovalsCommand};
use crate::output::{Exit, Fault, Terminal, Tone, human_instant};
use crate::project::Project;
use serde_json::json;
use std::path::Path;
use trainyard_store::Request;

pub(crate) fn approvals(
    command: &ApprovalsCommand,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let shelf = Shelf::open(&Project::here(home)?)?;
    match command {
        ApprovalsCommand::List => list(&shelf, terminal),
        ApprovalsCommand::Approve(args) => answer(shelf, args, true, terminal),
        ApprovalsCommand::Reject(args) => answer(shelf, args, false, terminal),
    }
}

fn list(shelf: &Shelf, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let waiting = shelf.store.waiting_approvals()?;
    if terminal.is_json() {
        let documents = waiting.iter().map(|gate| {
            json!({
                "run": gate.run.as_str(), "pipeline": gate.pipeline.as_str(), "step": gate.instance,
                "author": gate.author, "rule": gate.rule, "given": gate.given, "asked_at": gate.asked_at.0,
            })
        });
        terminal.out_json(&documents.collect());
        return Ok(Exit::Done);
    }
    if waiting.is_empty() {
        terminal.note("nothing waits for a decision");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = waiting
        .iter()
        .map(|gate| {
            let (roles, wanted) = gate.rule.as_ref().map_or((String::new(), 1), |rule| {
                (rule.roles.join(", "), rule.min_approvals)
            });
            vec![
                gate.run.short().to_owned(),
                gate.pipeline.to_string(),
                gate.instance.clone(),
                format!("{} of {wanted}", gate.given.len()),
                roles,
                human_instant(gate.asked_at),
            ]
        })
        .collect();
    terminal.table(
        &["RUN", "PIPELINE", "STEP", "GIVEN", "ROLES", "SINCE"],
        &[],
        &rows,
    );
    Ok(Exit::Done)
}

fn answer(
    mut shelf: Shelf,
    args: &AnswerArgs,
    approve: bool,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let id = shelf.find(&args.run)?;
    let run = shelf.load(&id)?;
    let Some(ix) = run.find(&args.step) else {
        return Err(Fault::new(format!(
            "run {} has no step `{}`",
            id.short(),
            args.step
        )));
    };
    let by = user();
    let is_author = run.started_by() == Some(by.as_str());
    run.judge_answer(ix, &by, args.role.as_deref(), is_author)?;
    let instance = run.name(ix).into_owned();
    let request = Request::Answer {
        instance: instance.clone(),
        by,
        role: args.role.clone(),
        approve,
        comment: args.comment.clone(),
    };
    shelf.store.post_request(&id, &request, now())?;
    let verb = if approve { "Approved" } else { "Rejected" };
    terminal.status(Tone::Good, verb, format!("{instance} of run {}", id.short()));
    let lease = shelf.store.load_run(&id)?.lease;
    if lease.is_none_or(|lease| lease.expires_at < now()) {
        let next = format!(
            "no engine has the run now; `trainyard runs resume {}` goes on with it",
            id.short()
        );
        terminal.status(Tone::Warn, "Note", next);
    }
    Ok(Exit::Done)
}
