//! `trainyard runs show`: where a run and its steps stand, and why.

use super::document::document;
use super::{Shelf, groups, items, state_word, status_text};
use crate::commands::now;
use crate::output::{Exit, Fault, Terminal, human_bytes, human_time};
use crate::progress::why_skipped;
use indexmap::IndexMap;
use serde_json::Value;
use trainyard_contract::{OutputValue, RunId};
use trainyard_domain::run::{InstanceIx, Run, RunStatus, StepState, out_of_time};

/// Instances that wait for slots, of which `runs show` tells.
const SLOTS_SHOWN: usize = 5;

/// What a run waits for.
#[derive(Default)]
struct Waits {
    /// Its concurrency group.
    group: Option<String>,
    /// Slots of pools, by instance.
    slots: IndexMap<String, String>,
}

impl Shelf {
    /// What keeps a run, or instances of it, from starting.
    fn waits(&self, id: &RunId, run: &Run) -> Result<Waits, Fault> {
        let now = now();
        Ok(match run.status() {
            RunStatus::NotStarted => Waits {
                group: self.store.waits_because(id, now)?,
                slots: IndexMap::new(),
            },
            RunStatus::Ended(_) => Waits::default(),
            RunStatus::Running | RunStatus::Waiting => {
                let slots = self.store.slots_awaited(id, now)?;
                let named = slots
                    .into_iter()
                    .map(|(ix, why)| (run.name(ix).into_owned(), why));
                Waits {
                    group: None,
                    slots: named.collect(),
                }
            }
        })
    }

    pub(super) fn show(&self, text: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
        let id = self.find(text)?;
        let run = self.load(&id)?;
        let waits = self.waits(&id, &run)?;
        if terminal.is_json() {
            let mut document = document(&run);
            if let Some(reason) = &waits.group {
                document["not_started_because"] = reason.clone().into();
            }
            if !waits.slots.is_empty() {
                document["waits_for"] = serde_json::to_value(waits.slots)?;
            }
            terminal.out_json(&document);
            return Ok(Exit::Done);
        }
        let definition = run.definition().clone();
        terminal.out(format!("{}  {}  {}", definition.pipeline, id, status_text(&run)));
        if let Some(reason) = run.turned_away() {
            terminal.out(format!("  never started: {reason}"));
        }
        if let Some(reason) = &waits.group {
            terminal.out(format!("  waits: {reason}"));
        }
        for (name, reason) in waits.slots.iter().take(SLOTS_SHOWN) {
            terminal.out(format!("  {name} waits: {reason}"));
        }
        if let more @ 1.. = waits.slots.len().saturating_sub(SLOTS_SHOWN) {
            terminal.out(format!("  and {more} more wait for slots"));
        }
        if let Some(code) = &definition.code {
            terminal.out(format!("  code {code}"));
        }
        for (name, param) in &definition.params {
            let from = serde_json::to_value(param.from)?;
            terminal.out(format!(
                "  {name} = {}  ({})",
                param.value,
                from.as_str().unwrap_or("?").replace('_', " ")
            ));
        }
        if let Some(chosen) = run.chosen() {
            terminal.out(format!("  retried: {}", run.choice_in_words(chosen)));
        }
        if let Some(warning) = &definition.bounds.over_budget {
            terminal.out(format!("  {warning}"));
        }
        for breach in run.breaches() {
            terminal.out(format!("  {}", breach.limit.sentence(breach.due)));
        }
        if let (Some(_), Some(after)) = (run.timed_out_at(), definition.bounds.timeout) {
            terminal.out(format!("  {}", out_of_time(after, false)));
        }
        let mut rows = Vec::new();
        for (ix, instance) in definition.instances.iter().enumerate() {
            let ix = InstanceIx::try_from(ix)?;
            let state = run.step(ix);
            groups::headings(&run, ix, &mut rows, terminal);
            let (tone, word) = state_word(state);
            let (time, note) = match state {
                StepState::Items { .. } => (String::new(), items::progress(&run, ix)),
                StepState::Succeeded {
                    headline,
                    resources,
                    from,
                    ..
                } => (
                    human_time(resources.wall.0),
                    match from {
                        Some(from) => {
                            format!("from run {}  {}", from.short(), headline.as_deref().unwrap_or(""))
                        }
                        None => headline.clone().unwrap_or_default(),
                    },
                ),
                StepState::Failed { failure, .. } => (String::new(), failure.message.clone()),
                StepState::Skipped { because } => (String::new(), why_skipped(&definition, ix, because)),
                _ => (String::new(), String::new()),
            };
            rows.push(vec![
                groups::name(instance),
                terminal.paint(tone, word),
                time,
                note.trim_end().to_owned(),
            ]);
        }
        terminal.out("");
        terminal.table(&["STEP", "STATE", "TOOK", ""], &[2], &rows);
        let mut artifacts = Vec::new();
        for (ix, instance) in definition.instances.iter().enumerate() {
            let (outputs, note) = match run.step(InstanceIx::try_from(ix)?) {
                StepState::Succeeded { outputs, .. } => (outputs, ""),
                // Made before the step failed: to look at, and nothing's input.
                StepState::Failed { kept, .. } => (kept, " (kept)"),
                _ => continue,
            };
            for (name, output) in outputs {
                artifacts.push(match output {
                    OutputValue::Artifact(artifact) => vec![
                        format!("{}.{name}{note}", instance.name),
                        artifact.kind.to_string(),
                        artifact
                            .rows
                            .map_or_else(String::new, |rows| format!("{rows} rows")),
                        human_bytes(artifact.size),
                        artifact.hash.short(),
                    ],
                    OutputValue::Value(value) => {
                        vec![
                            format!("{}.{name}{note}", instance.name),
                            "value".into(),
                            String::new(),
                            String::new(),
                            short(value),
                        ]
                    }
                });
            }
        }
        if !artifacts.is_empty() {
            terminal.out("");
            terminal.table(
                &["OUTPUT", "KIND", "ROWS", "SIZE", "CONTENT"],
                &[2, 3],
                &artifacts,
            );
        }
        Ok(Exit::Done)
    }
}

/// A value in a table: a long one by its beginning, a long list by its length.
fn short(value: &Value) -> String {
    const MOST: usize = 80;
    let text = value.to_string();
    match (value, text.char_indices().nth(MOST)) {
        (_, None) => text,
        (Value::Array(list), _) => format!("list of {}", list.len()),
        (_, Some((end, _))) => format!("{}…", &text[..end]),
    }
}
