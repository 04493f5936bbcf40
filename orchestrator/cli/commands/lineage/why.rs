//! `trainyard lineage why`: what a run or a model version owes its being to.

use super::find;
use crate::commands::runs::{Shelf, code};
use crate::output::{Exit, Fault, Terminal, Tone, human_instant};
use serde_json::{Value, json};
use trainyard_contract::RunId;
use trainyard_domain::run::{Event, ParamOrigin, Run, StepState, What};
use trainyard_store::LineageNode;

pub(super) fn why(shelf: &Shelf, subject: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let id = run_of(shelf, subject)?;
    let run = shelf.load(&id)?;
    let stored = shelf.store.load_run(&id)?;
    let definition = run.definition();
    let given: Vec<(&String, &Value)> = definition
        .params
        .iter()
        .filter(|(_, bound)| bound.from != ParamOrigin::Default)
        .map(|(name, bound)| (name, &bound.value))
        .collect();
    let approvals = approvals(&run, &stored.events);
    let (mut ran, mut reused) = (Vec::new(), Vec::new());
    for (ix, state) in run.steps() {
        if let StepState::Succeeded { from, .. } = state {
            match from {
                Some(from) => reused.push(json!({ "step": run.name(ix), "from": from.as_str() })),
                None => ran.push(run.name(ix).into_owned()),
            }
        }
    }
    if terminal.is_json() {
        terminal.out_json(&json!({
            "run": id.as_str(), "pipeline": definition.pipeline.as_str(), "by": stored.by, "trigger": definition.trigger,
            "reproduces": definition.reproduces.as_ref().map(RunId::as_str),
            "environment": definition.environment, "code": definition.code.as_ref().map(code::document),
            "params": given.iter().map(|(name, value)| ((*name).clone(), (*value).clone())).collect::<serde_json::Map<_, _>>(),
            "datasets": definition.datasets.iter().map(|(name, dataset)| json!({
                "name": name, "location": dataset.location, "content": dataset.content.map(|hash| hash.to_string()),
            })).collect::<Vec<_>>(),
            "approvals": approvals.iter().map(|(step, by, approve)| json!({ "step": step, "by": by, "approve": approve })).collect::<Vec<_>>(),
            "ran": ran, "reused": reused,
        }));
        return Ok(Exit::Done);
    }
    let head = terminal.paint(
        Tone::Strong,
        format!("run {} of {}", id.short(), definition.pipeline),
    );
    terminal.out(head);
    let mut tell = |what: &str, text: String| terminal.out(format!("  {what:<12} {text}"));
    tell("asked for", trigger(&definition.trigger, &stored.by));
    if let Some(at) = run.started_at() {
        tell("started", human_instant(at));
    }
    if let Some(of) = &definition.reproduces {
        tell("reproduces", of.short().to_owned());
    }
    if let Some(environment) = &definition.environment {
        tell("environment", environment.clone());
    }
    if let Some(code) = &definition.code {
        tell("code", code.to_string());
    }
    for (name, value) in given {
        tell("parameter", format!("{name} = {value}"));
    }
    for (name, dataset) in &definition.datasets {
        let content = dataset
            .content
            .map_or_else(|| "content not known".to_owned(), |hash| hash.short());
        tell("data", format!("{name}  {}  {content}", dataset.location));
    }
    for (step, by, approve) in approvals {
        let word = if approve { "approved" } else { "refused" };
        tell(word, format!("{step} by {by}"));
    }
    tell("steps", format!("{} ran, {} reused", ran.len(), reused.len()));
    Ok(Exit::Done)
}

fn run_of(shelf: &Shelf, subject: &str) -> Result<RunId, Fault> {
    match find(shelf, subject)? {
        LineageNode::Run { run } => Ok(run),
        LineageNode::ModelVersion { name, version } => {
            Ok(shelf.store.model_version(&name, &version.to_string())?.run)
        }
        other => Err(
            Fault::new(format!("{other} is neither a run nor a model version"))
                .help("`lineage up` and `lineage down` follow data"),
        ),
    }
}

/// `trigger` as expressions see it, in a sentence.
fn trigger(trigger: &Value, by: &str) -> String {
    let kind = trigger.get("type").and_then(Value::as_str).unwrap_or("manual");
    let name = trigger
        .get("name")
        .and_then(Value::as_str)
        .map(|name| format!(" `{name}`"));
    let date = trigger.get("logical_date").and_then(Value::as_str);
    let date = date.map(|date| format!(" for {date}"));
    format!(
        "{kind}{}{} by {by}",
        name.unwrap_or_default(),
        date.unwrap_or_default()
    )
}

fn approvals(run: &Run, events: &[Event]) -> Vec<(String, String, bool)> {
    let given = events.iter().filter_map(|event| match &event.what {
        What::ApprovalGiven {
            step, by, approve, ..
        } => Some((run.name(*step).into_owned(), by.clone(), *approve)),
        _ => None,
    });
    given.collect()
}
