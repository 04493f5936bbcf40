//! `trainyard runs`.

mod bulk;
pub(super) mod code;
mod groups;
mod items;
mod reproduce;

use super::run::{Options, Start, drive, interrupts};
use super::{now, user};
use crate::args::RunsCommand;
use crate::output::{Exit, Fault, Terminal, Tone, human_bytes, human_instant, human_time};
use crate::progress::why_skipped;
use crate::project::Project;
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use trainyard_api::RunAction;
use trainyard_contract::{OutputValue, RunId};
use trainyard_domain::run::{InstanceIx, Run, RunOutcome, RunStatus, StepState, out_of_time};
use trainyard_store::{Home, Request, RunFilter, Store, StoreError};

pub(crate) fn runs(
    command: &RunsCommand,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let project = Project::here(home)?;
    let shelf = Shelf::open(&project)?;
    match command {
        RunsCommand::List { pipeline, limit } => shelf.list(pipeline.as_deref(), *limit, terminal),
        RunsCommand::Show {
            run,
            items: Some(step),
            state,
            page,
            per_page,
        } => {
            let run = shelf.load(&shelf.find(&run.run)?)?;
            let which = items::Page {
                state: state.as_deref(),
                number: (*page).max(1),
                length: (*per_page).max(1),
            };
            items::list(&run, step, &which, terminal)
        }
        RunsCommand::Show { run, .. } => shelf.show(&run.run, terminal),
        RunsCommand::Watch(run) => shelf.watch(&run.run, terminal),
        RunsCommand::Logs { run, step, attempt } => shelf.logs(&run.run, step.as_deref(), *attempt, terminal),
        RunsCommand::Cancel(args) if args.bulk.is_meant() => {
            shelf.bulk(RunAction::Cancel, &args.bulk, terminal)
        }
        RunsCommand::Retry(args) if args.bulk.is_meant() => {
            shelf.bulk(RunAction::Retry, &args.bulk, terminal)
        }
        RunsCommand::Resume(args) if args.bulk.is_meant() => {
            shelf.bulk(RunAction::Resume, &args.bulk, terminal)
        }
        RunsCommand::Cancel(args) => shelf.cancel(args.run(), terminal),
        RunsCommand::Retry(args) => shelf.retry(&project, args.run(), terminal),
        RunsCommand::Resume(args) => shelf.resume(&project, args.run(), terminal),
        RunsCommand::Reproduce(args) => reproduce::reproduce(args, home, terminal),
        RunsCommand::Diff { left, right } => shelf.diff(left, right, terminal),
    }
}

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

/// The runs of a home.
pub(crate) struct Shelf {
    pub(crate) home: Home,
    pub(crate) store: Store,
}

impl Shelf {
    pub(crate) fn open(project: &Project) -> Result<Self, Fault> {
        if !project.has_state() {
            return Err(Fault::new(format!(
                "nothing has run yet: there is no state in {}",
                project.home.display()
            ))
            .help("`trainyard run` starts a run; `--home` names another folder"));
        }
        let home = project.open_home()?;
        let store = home.store()?;
        Ok(Self { home, store })
    }

    /// The run a person means.
    pub(crate) fn find(&self, text: &str) -> Result<RunId, Fault> {
        self.store.find_run(text).map_err(|error| match error {
            StoreError::Removed { run, at } => Fault::new(format!(
                "run `{run}` was removed by retention on {}",
                human_instant(at)
            ))
            .help("`retention:` in trainyard.yaml says how long runs are kept"),
            error => error.into(),
        })
    }

    /// A run as its events have made it.
    pub(crate) fn load(&self, id: &RunId) -> Result<Run, Fault> {
        let stored = self.store.load_run(id)?;
        Ok(Run::replay(
            id.clone(),
            Arc::new(stored.definition),
            &stored.events,
        )?)
    }

    fn list(&self, pipeline: Option<&str>, limit: usize, terminal: &mut Terminal) -> Result<Exit, Fault> {
        let pipeline = pipeline.map(str::parse).transpose()?;
        let filter = RunFilter {
            pipeline,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            ..RunFilter::default()
        };
        let runs = self.store.list_runs(&filter)?;
        if terminal.is_json() {
            let list: Vec<Value> = runs
                .iter()
                .map(|run| {
                    json!({
                        "run": run.id.as_str(), "pipeline": run.pipeline.as_str(), "environment": run.environment,
                        "status": run.status.as_str(), "created_at": run.created_at.0,
                        "ended_at": run.ended_at.map(|at| at.0), "by": run.by,
                    })
                })
                .collect();
            terminal.out_json(&Value::Array(list));
            return Ok(Exit::Done);
        }
        let rows: Vec<Vec<String>> = runs
            .iter()
            .map(|run| {
                let tone = match run.status.as_str() {
                    "succeeded" => Tone::Good,
                    "failed" => Tone::Bad,
                    "cancelled" => Tone::Warn,
                    _ => Tone::Busy,
                };
                let took = run
                    .ended_at
                    .map_or_else(String::new, |end| human_time(end.since(run.created_at).0));
                vec![
                    run.id.short().to_owned(),
                    run.pipeline.to_string(),
                    run.environment.clone().unwrap_or_default(),
                    terminal.paint(tone, run.status.as_str()),
                    human_instant(run.created_at),
                    took,
                    run.by.clone(),
                ]
            })
            .collect();
        terminal.table(
            &["RUN", "PIPELINE", "ENV", "STATUS", "STARTED", "TOOK", "BY"],
            &[5],
            &rows,
        );
        Ok(Exit::Done)
    }

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

    fn show(&self, text: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
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

    fn watch(&self, text: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
        let id = self.find(text)?;
        let stored = self.store.load_run(&id)?;
        let definition = Arc::new(stored.definition);
        let mut run = Run::replay(id.clone(), definition.clone(), &stored.events)?;
        let mut progress = crate::progress::Progress::new((*definition).clone(), terminal);
        let mut seen = 0u64;
        for event in &stored.events {
            seen += 1;
            progress.observe(
                &trainyard_engine::Observation::Event {
                    run: &id,
                    number: seen,
                    event,
                    of: &run,
                },
                terminal,
            );
        }
        let interrupts = interrupts()?;
        loop {
            if let RunStatus::Ended(outcome) = run.status() {
                if !terminal.is_json() {
                    terminal.status(Tone::Good, "Ended", status_text(&run));
                }
                return Ok(if outcome == RunOutcome::Succeeded {
                    Exit::Done
                } else {
                    Exit::Refused
                });
            }
            if interrupts.load(Ordering::Relaxed) > 0 {
                return Ok(Exit::Interrupted);
            }
            let events = self.store.events_after(&id, seen, 1000)?;
            if events.is_empty() {
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
            for (number, event) in &events {
                run.apply(event);
                progress.observe(
                    &trainyard_engine::Observation::Event {
                        run: &id,
                        number: *number,
                        event,
                        of: &run,
                    },
                    terminal,
                );
                seen = *number;
            }
        }
    }

    fn logs(
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

    fn cancel(mut self, text: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
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

    fn retry(self, project: &Project, text: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
        let id = self.find(text)?;
        let run = self.load(&id)?;
        match run.status() {
            RunStatus::Ended(RunOutcome::Succeeded) => {
                return Err(Fault::new(format!(
                    "run {} has succeeded; there is nothing to retry",
                    id.short()
                )));
            }
            RunStatus::Ended(_) => {}
            _ => {
                return Err(Fault::new(format!("run {} is not over", id.short()))
                    .help(format!("`trainyard runs resume {}` goes on with it", id.short())));
            }
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
            Start::Retry(id.clone()),
            &definition,
            &id,
            &options,
            terminal,
        )
    }

    fn resume(self, project: &Project, text: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
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

    fn diff(&self, left: &str, right: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
        let (left, right) = (self.load(&self.find(left)?)?, self.load(&self.find(right)?)?);
        let (a, b) = (flat(&document(&left)), flat(&document(&right)));
        let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let changed: Vec<(&String, Option<&Value>, Option<&Value>)> = keys
            .into_iter()
            .filter(|key| is_comparable(key))
            .map(|key| (key, a.get(key), b.get(key)))
            .filter(|(_, a, b)| a != b)
            .collect();
        if terminal.is_json() {
            let list: Vec<Value> = changed
                .iter()
                .map(|(key, a, b)| json!({ "path": key, "left": a, "right": b }))
                .collect();
            terminal.out_json(
                &json!({ "left": left.id().as_str(), "right": right.id().as_str(), "changes": list }),
            );
            return Ok(Exit::Done);
        }
        if changed.is_empty() {
            terminal.out("no difference in parameters, steps, outputs or metrics");
        }
        let show = |value: Option<&Value>| value.map_or_else(|| "-".to_owned(), Value::to_string);
        let rows: Vec<Vec<String>> = changed
            .iter()
            .map(|(key, a, b)| vec![(*key).clone(), show(*a), show(*b)])
            .collect();
        if !rows.is_empty() {
            terminal.table(&["WHAT", left.id().short(), right.id().short()], &[], &rows);
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

/// Leaves out what differs between any two runs: ids, times, resources.
fn is_comparable(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    !matches!(
        last,
        "run"
            | "by"
            | "from"
            | "wall"
            | "cpu"
            | "peak_memory"
            | "attempts"
            | "state"
            | "headline"
            | "trigger"
    ) && !path.contains(".resources.")
}

fn flat(document: &Value) -> BTreeMap<String, Value> {
    fn walk(path: String, value: &Value, into: &mut BTreeMap<String, Value>) {
        let child = |key: &str| {
            if path.is_empty() {
                key.to_owned()
            } else {
                format!("{path}.{key}")
            }
        };
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| walk(child(key), value, into)),
            other => {
                into.insert(path, other.clone());
            }
        }
    }
    let mut into = BTreeMap::new();
    walk(String::new(), document, &mut into);
    into
}

/// A run in words.
pub(crate) fn status_text(run: &Run) -> &'static str {
    match run.status() {
        RunStatus::NotStarted => "not started",
        RunStatus::Running => "running",
        RunStatus::Waiting => "waiting",
        RunStatus::Ended(RunOutcome::Succeeded) => "succeeded",
        RunStatus::Ended(RunOutcome::Failed) => "failed",
        RunStatus::Ended(RunOutcome::Cancelled) => "cancelled",
    }
}

pub(super) fn state_word(state: &StepState) -> (Tone, &'static str) {
    match state {
        StepState::Waiting => (Tone::Quiet, "waiting"),
        StepState::Ready => (Tone::Quiet, "ready"),
        StepState::AwaitingApproval { .. } => (Tone::Warn, "awaiting approval"),
        StepState::Running { .. } | StepState::Items { .. } => (Tone::Busy, "running"),
        StepState::Retrying { .. } => (Tone::Warn, "retrying"),
        StepState::Succeeded { from: Some(_), .. } => (Tone::Good, "reused"),
        StepState::Succeeded { .. } => (Tone::Good, "succeeded"),
        StepState::Failed { .. } => (Tone::Bad, "failed"),
        StepState::Skipped { .. } => (Tone::Quiet, "skipped"),
        StepState::Cancelled => (Tone::Warn, "cancelled"),
    }
}

/// A run as a document: what `runs show --format json` prints.
pub(crate) fn document(run: &Run) -> Value {
    let definition = run.definition();
    let mut steps = serde_json::Map::new();
    for (ix, instance) in definition.instances.iter().enumerate() {
        let Ok(ix) = InstanceIx::try_from(ix) else {
            continue;
        };
        let state = run.step(ix);
        let mut step = json!({ "state": state_word(state).1, "uses": instance.uses });
        let extra = match state {
            StepState::Succeeded {
                outputs,
                metrics,
                headline,
                resources,
                attempts,
                from,
            } => json!({
                "outputs": output_documents(outputs),
                "metrics": metrics, "headline": headline, "resources": resources, "attempts": attempts,
                "from": from.as_ref().map(RunId::as_str),
            }),
            StepState::Failed {
                failure,
                attempts,
                kept,
            } => {
                json!({ "failure": failure, "attempts": attempts, "kept": output_documents(kept) })
            }
            StepState::Skipped { because } => json!({ "because": why_skipped(definition, ix, because) }),
            _ => json!({}),
        };
        if let (Some(step), Value::Object(extra)) = (step.as_object_mut(), extra) {
            step.extend(extra);
        }
        if let Some(items) = run.items_of(ix) {
            step["items"] = items::counts_document(run, ix, items);
        }
        steps.insert(instance.name.clone(), step);
    }
    json!({
        "run": run.id().as_str(),
        "pipeline": definition.pipeline.as_str(),
        "environment": definition.environment,
        "code": definition.code.as_ref().map(code::document),
        "status": status_text(run),
        "params": definition.params.iter().map(|(name, param)| (name.clone(), param.value.clone())).collect::<serde_json::Map<_, _>>(),
        "by": run.started_by(),
        "late": run.breaches(),
        "timed_out_at": run.timed_out_at(),
        "not_started_because": run.turned_away(),
        "steps": steps,
    })
}

pub(super) fn output_documents(outputs: &IndexMap<String, OutputValue>) -> serde_json::Map<String, Value> {
    let documents = outputs
        .iter()
        .map(|(name, output)| (name.clone(), output_document(output)));
    documents.collect()
}

fn output_document(output: &OutputValue) -> Value {
    match output {
        OutputValue::Artifact(artifact) => json!({
            "kind": artifact.kind.to_string(), "hash": artifact.hash.to_string(), "size": artifact.size,
            "media_type": artifact.media_type, "rows": artifact.rows,
        }),
        OutputValue::Value(value) => value.clone(),
    }
}
