//! Items of a `for_each` step and iterations of a `repeat` step: how far they are, and a page of them.

use super::document::output_documents;
use super::state_word;
use crate::output::{Exit, Fault, Terminal, human_time};
use crate::progress::grouped;
use serde_json::{Value, json};
use trainyard_contract::RunId;
use trainyard_domain::run::{InstanceIx, Items, Run, StepState};

/// Which items to list.
pub(super) struct Page<'a> {
    pub(super) state: Option<&'a str>,
    /// From 1.
    pub(super) number: usize,
    pub(super) length: usize,
}

/// A step's items in half a line: `52,113 of 100,000 items, 3 failed`.
pub(super) fn progress(run: &Run, step: InstanceIx) -> String {
    let Some(items) = run.items_of(step) else {
        return String::new();
    };
    if let Some(last) = run.iteration(step) {
        let number = run.item(last).map_or(0, |(_, number)| number);
        return format!("iteration {number}, at most {}", items.list().len());
    }
    let counts = items.counts();
    let mut text = format!("{} of {} items", grouped(counts.over()), grouped(counts.total));
    let others = [
        (counts.reused, "reused"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
        (running(run, items), "running"),
    ];
    for (count, word) in others.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {} {word}", grouped(count)));
    }
    text
}

fn running(run: &Run, items: &Items) -> u32 {
    let all = items.instances();
    let live = run.running().filter(|(ix, _)| all.contains(ix)).count();
    u32::try_from(live).unwrap_or(u32::MAX)
}

/// The same as a document; of a step that repeats, how many iterations have begun.
pub(super) fn counts_document(run: &Run, of: InstanceIx, items: &Items) -> Value {
    if let Some(last) = run.iteration(of) {
        let begun = run.item(last).map_or(0, |(_, number)| number + 1);
        return json!({ "begun": begun, "most": items.list().len() });
    }
    let counts = items.counts();
    json!({
        "total": counts.total, "succeeded": counts.succeeded, "reused": counts.reused,
        "skipped": counts.skipped, "failed": counts.failed, "cancelled": counts.cancelled,
        "running": running(run, items),
    })
}

/// `runs show RUN --items STEP`.
pub(super) fn list(run: &Run, step: &str, page: &Page<'_>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let items = run.find(step).and_then(|ix| Some((ix, run.items_of(ix)?)));
    let Some((of, items)) = items else {
        let message = match run.find(step) {
            Some(_) => format!("`{step}` has no items: it runs once, or its list is not known yet"),
            None => format!("run {} has no step `{step}`", run.id().short()),
        };
        let steps = run.definition().instances.iter();
        let with_items = steps
            .filter(|step| step.for_each.is_some() || step.repeat.is_some())
            .map(|step| step.name.as_str());
        let names: Vec<&str> = with_items.collect();
        let fault = Fault::new(message);
        return Err(match names.as_slice() {
            [] => fault,
            names => fault.help(format!("steps with items are {}", names.join(", "))),
        });
    };
    let chosen: Vec<(InstanceIx, &Value)> = items
        .instances()
        .zip(items.list())
        // Iterations whose turn has not come are no more than a possibility.
        .take_while(|(ix, _)| run.iteration(of).is_none_or(|last| *ix <= last))
        .filter(|(ix, _)| {
            page.state
                .is_none_or(|state| state_word(run.step(*ix)).1 == state)
        })
        .collect();
    let pages = chosen.len().div_ceil(page.length).max(1);
    let shown = chosen
        .iter()
        .skip((page.number - 1) * page.length)
        .take(page.length);
    if terminal.is_json() {
        let list: Vec<Value> = shown.map(|(ix, item)| document(run, *ix, item)).collect();
        terminal.out_json(&json!({
            "run": run.id().as_str(), "step": step, "counts": counts_document(run, of, items),
            "page": page.number, "pages": pages, "items": list,
        }));
        return Ok(Exit::Done);
    }
    terminal.out(format!("{step}  {}", progress(run, of)));
    let rows: Vec<Vec<String>> = shown
        .map(|(ix, item)| {
            let state = run.step(*ix);
            let (tone, word) = state_word(state);
            let (time, note) = match state {
                StepState::Succeeded {
                    headline, resources, ..
                } => (human_time(resources.wall.0), headline.clone().unwrap_or_default()),
                StepState::Failed { failure, .. } => (String::new(), failure.message.clone()),
                _ => (String::new(), String::new()),
            };
            let value = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            vec![
                run.name(*ix).into_owned(),
                terminal.paint(tone, word),
                time,
                value,
                note,
            ]
        })
        .collect();
    terminal.out("");
    terminal.table(&["INSTANCE", "STATE", "TOOK", "ITEM", ""], &[2], &rows);
    if pages > 1 {
        terminal.note(format!("page {} of {pages}; --page chooses another", page.number));
    }
    Ok(Exit::Done)
}

fn document(run: &Run, ix: InstanceIx, item: &Value) -> Value {
    let state = run.step(ix);
    let mut document = json!({ "instance": run.name(ix), "item": item, "state": state_word(state).1 });
    match state {
        StepState::Succeeded {
            outputs,
            metrics,
            headline,
            attempts,
            from,
            ..
        } => {
            document["outputs"] = Value::Object(output_documents(outputs));
            document["metrics"] = json!(metrics);
            document["headline"] = json!(headline);
            document["attempts"] = json!(attempts);
            document["from"] = json!(from.as_ref().map(RunId::as_str));
        }
        StepState::Failed {
            failure,
            attempts,
            kept,
        } => {
            document["failure"] = json!(failure);
            document["kept"] = Value::Object(output_documents(kept));
            document["attempts"] = json!(attempts);
        }
        _ => {}
    }
    document
}
