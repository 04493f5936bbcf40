//! `trainyard runs`.

mod bulk;
pub(super) mod code;
mod differences;
mod document;
mod groups;
mod items;
mod logs;
mod reproduce;
mod show;
mod steering;

pub(crate) use document::document;

use super::run::interrupts;
use crate::args::RunsCommand;
use crate::output::{Exit, Fault, Terminal, Tone, human_instant, human_time};
use crate::project::Project;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use trainyard_api::RunAction;
use trainyard_contract::RunId;
use trainyard_domain::run::{Run, RunOutcome, RunStatus, StepState};
use trainyard_store::{Home, RunFilter, Store, StoreError};

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
        RunsCommand::Cancel(args) if args.is_for_many() => {
            shelf.bulk(RunAction::Cancel, args, None, terminal)
        }
        RunsCommand::Retry(args) if args.steer.bulk.is_meant() => {
            shelf.bulk(RunAction::Retry, &args.steer, args.select.as_deref(), terminal)
        }
        RunsCommand::Resume(args) if args.is_for_many() => {
            shelf.bulk(RunAction::Resume, args, None, terminal)
        }
        RunsCommand::Cancel(args) => shelf.cancel(args.run(), terminal),
        RunsCommand::Retry(args) => shelf.retry(&project, args, terminal),
        RunsCommand::Resume(args) => shelf.resume(&project, args.run(), terminal),
        RunsCommand::Reproduce(args) => reproduce::reproduce(args, home, terminal),
        RunsCommand::Diff { left, right } => shelf.diff(left, right, terminal),
    }
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
