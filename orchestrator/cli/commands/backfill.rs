//! `trainyard backfill` and `trainyard backfills`.

use super::run::{Options, interrupts, local_config};
use super::{catalogue, now, user};
use crate::args::{BackfillArgs, BackfillsCommand};
use crate::output::{Exit, Fault, Terminal, Tone, human_time};
use crate::project::Project;
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use trainyard_api::{BackfillDesk, BackfillDocument, BackfillError, BackfillRequest, CarriedOut, Config};
use trainyard_api::{BackfillPlan, TickDocument};
use trainyard_contract::Millis;
use trainyard_domain::backfill::Command;
use trainyard_executors::{Executor, LocalExecutor};

/// Ticks that a dry run lists in words.
const SHOWN: usize = 50;
/// How long other engines wait before they take over what this one had.
const LEASE: Millis = Millis(30_000);
/// Runs that the engine here takes at once, at most.
const MAX_RUNS: usize = 64;

pub(crate) fn backfill(
    args: &BackfillArgs,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let request = BackfillRequest {
        pipeline: args.pipeline.clone(),
        trigger: args.trigger.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        environment: args.environment.clone(),
        params: args.params.iter().map(param).collect::<Map<_, _>>(),
        max_parallel: Some(args.max_parallel),
        stop_after: args.stop_after,
        reverse: args.reverse,
        only_missing: args.only_missing,
        reuse: !args.no_reuse,
        reason: args.reason.clone(),
    };
    let desk = Desk::open(home, args.workers, terminal)?;
    if args.dry_run {
        show_plan(&desk.inner.plan(&request).map_err(fault)?, terminal)?;
        return Ok(Exit::Done);
    }
    let made = desk.inner.create(&request).map_err(fault)?;
    desk.go_on(made, args.detach, terminal)
}

pub(crate) fn backfills(
    command: &BackfillsCommand,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let workers = match command {
        BackfillsCommand::Resume { workers, .. } => *workers,
        _ => None,
    };
    let desk = Desk::open(home, workers, terminal)?;
    match command {
        BackfillsCommand::List { pipeline, limit } => {
            let found = desk.inner.list(pipeline.as_deref(), *limit).map_err(fault)?;
            list(&found, terminal)
        }
        BackfillsCommand::Show {
            backfill,
            state,
            limit,
        } => {
            let document = desk.inner.show(&backfill.backfill).map_err(fault)?;
            let ticks = desk.inner.ticks(&document.id, state.as_deref(), *limit);
            show(&document, &ticks.map_err(fault)?, terminal)
        }
        BackfillsCommand::Pause(backfill) => {
            let document = desk.inner.steer(&backfill.backfill, Command::Pause, false);
            told(&document.map_err(fault)?, "Paused", terminal)
        }
        BackfillsCommand::Cancel { backfill, stop_runs } => {
            let document = desk.inner.steer(&backfill.backfill, Command::Cancel, *stop_runs);
            told(&document.map_err(fault)?, "Cancelled", terminal)
        }
        BackfillsCommand::Resume { backfill, detach, .. } => {
            let document = desk.inner.steer(&backfill.backfill, Command::Resume, false);
            desk.go_on(document.map_err(fault)?, *detach, terminal)
        }
    }
}

/// A value as it is written: JSON if it is some, else a text.
fn param((name, text): &(String, String)) -> (String, Value) {
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
    (name.clone(), value)
}

fn fault(error: BackfillError) -> Fault {
    match error {
        BackfillError::Refused { message, help } => {
            let fault = Fault::new(message);
            match help {
                Some(help) => fault.help(help),
                None => fault,
            }
        }
        other => Fault::from(other),
    }
}

struct Desk {
    inner: BackfillDesk,
    telemetry: std::sync::Arc<trainyard_telemetry::Telemetry>,
}

impl Desk {
    fn open(home: Option<&Path>, workers: Option<usize>, terminal: &mut Terminal) -> Result<Self, Fault> {
        let project = Project::here(home)?;
        let options = Options {
            reuse: true,
            no_wait: false,
            workers,
        };
        let config = local_config(&project, &options)?;
        let telemetry = crate::telemetry::telemetry(&config.secrets, terminal);
        crate::telemetry::begin_log(None, terminal.verbose(), &telemetry, &config.secrets);
        let inner = BackfillDesk::open(Config {
            home: project.open_home()?,
            online_store: project.online_store()?,
            materialise: crate::commands::features::in_a_process(&project),
            root: project.root.clone(),
            catalogue: catalogue(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            hosts: Vec::new(),
            user: user(),
            secrets: config.secrets.clone(),
            make_executor: Box::new(move |news| {
                let executor = LocalExecutor::new(config.clone(), news)?;
                Ok(Box::new(executor) as Box<dyn Executor>)
            }),
            max_runs: MAX_RUNS,
            lease: LEASE,
            telemetry: telemetry.clone(),
            version: env!("CARGO_PKG_VERSION"),
            clock: now,
        })?;
        Ok(Self { inner, telemetry })
    }

    /// Works on a backfill here, or leaves it to servers.
    fn go_on(self, made: BackfillDocument, detach: bool, terminal: &mut Terminal) -> Result<Exit, Fault> {
        if detach {
            if terminal.is_json() {
                terminal.out_json(&serde_json::to_value(&made)?);
            } else {
                let what = format!("{}: {}", made.id, progress(&made));
                terminal.status(Tone::Good, "Kept", what);
                terminal.note("a server (`trainyard serve`) on this state carries it out, also one that is started later");
            }
            return Ok(Exit::Done);
        }
        let id = made.id.clone();
        if !terminal.is_json() {
            let what = format!(
                "{} of {} as {id}",
                plural(made.progress.total, "tick"),
                made.pipeline
            );
            terminal.status(Tone::Good, "Backfilling", what);
        }
        let interrupts = interrupts()?;
        let mut last: Option<BackfillDocument> = None;
        let carried = self.inner.carry_out(&id, &interrupts, &mut |document| {
            if last.as_ref() == Some(document) {
                return;
            }
            if terminal.is_json() {
                let document = serde_json::to_value(document).unwrap_or_default();
                terminal.out_json(&json!({ "event": "progress", "backfill": document }));
            } else if last
                .as_ref()
                .is_none_or(|last| last.progress.over != document.progress.over)
            {
                terminal.status(Tone::Busy, "Progress", progress(document));
            }
            last = Some(document.clone());
        });
        crate::telemetry::close(&self.telemetry, terminal);
        let carried = carried.map_err(|error| {
            fault(error).help(format!(
                "nothing that was shown is lost; go on with `trainyard backfills resume {id}`"
            ))
        })?;
        if carried == CarriedOut::Interrupted {
            if !terminal.is_json() {
                let next = format!("go on with `trainyard backfills resume {id}`, or leave it to a server");
                terminal.status(Tone::Warn, "Interrupted", next);
            }
            return Ok(Exit::Interrupted);
        }
        let Some(document) = last else {
            return Ok(Exit::Done);
        };
        let went_well = document.phase == "done" && document.progress.over == good(&document);
        if terminal.is_json() {
            terminal.out_json(&json!({ "event": "summary", "backfill": serde_json::to_value(&document)? }));
        } else {
            let tone = if went_well { Tone::Good } else { Tone::Bad };
            terminal.status(
                tone,
                "Ended",
                format!("{}: {}", document.phase, progress(&document)),
            );
            if !went_well {
                terminal.note(format!("`trainyard backfills show {id}` lists the ticks"));
            }
        }
        Ok(if went_well { Exit::Done } else { Exit::Refused })
    }
}

/// Ticks that have a good run.
fn good(document: &BackfillDocument) -> u32 {
    document.progress.succeeded + document.progress.there
}

fn plural(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `12 of 30 over, 2 failed; 4 under way, 14 wait; about 3m left`.
fn progress(document: &BackfillDocument) -> String {
    let of = &document.progress;
    let mut text = format!("{} of {} over", of.over, of.total);
    let parts = [
        (of.there, "had a run"),
        (of.failed, "failed"),
        (of.refused, "refused"),
        (of.cancelled, "cancelled"),
    ];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    let under_way = of.queued + of.running;
    if under_way + of.waiting > 0 {
        text.push_str(&format!("; {under_way} under way, {} to start", of.waiting));
    }
    if let Some(left) = of.left_ms.filter(|_| under_way + of.waiting > 0) {
        text.push_str(&format!("; about {} left", human_time(left)));
    }
    text
}

fn tone_of(phase: &str) -> Tone {
    match phase {
        "done" | "succeeded" | "there" => Tone::Good,
        "stopped" | "failed" | "refused" => Tone::Bad,
        "paused" | "cancelled" => Tone::Warn,
        _ => Tone::Busy,
    }
}

fn told(document: &BackfillDocument, verb: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
    if terminal.is_json() {
        terminal.out_json(&serde_json::to_value(document)?);
    } else {
        terminal.status(
            Tone::Good,
            verb,
            format!("{}: {}", document.id, progress(document)),
        );
    }
    Ok(Exit::Done)
}

fn list(found: &[BackfillDocument], terminal: &mut Terminal) -> Result<Exit, Fault> {
    if terminal.is_json() {
        terminal.out_json(&serde_json::to_value(found)?);
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        terminal.note("there is no backfill; `trainyard backfill PIPELINE --from DATE --to DATE` makes one");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|document| {
            vec![
                document.id.clone(),
                document.pipeline.clone(),
                document.trigger.clone(),
                terminal.paint(tone_of(&document.phase), &document.phase),
                progress(document),
                document.by.clone(),
            ]
        })
        .collect();
    terminal.table(
        &["BACKFILL", "PIPELINE", "TRIGGER", "PHASE", "PROGRESS", "BY"],
        &[],
        &rows,
    );
    Ok(Exit::Done)
}

fn show(document: &BackfillDocument, ticks: &[TickDocument], terminal: &mut Terminal) -> Result<Exit, Fault> {
    if terminal.is_json() {
        let mut whole = serde_json::to_value(document)?;
        whole["ticks"] = serde_json::to_value(ticks)?;
        terminal.out_json(&whole);
        return Ok(Exit::Done);
    }
    let phase = terminal.paint(tone_of(&document.phase), &document.phase);
    terminal.out(format!(
        "{}  {} / {}  {phase}",
        document.id, document.pipeline, document.trigger
    ));
    terminal.out(format!(
        "  {} to {}, {} at once",
        document.from, document.to, document.max_parallel
    ));
    terminal.out(format!("  {}", progress(document)));
    terminal.out("");
    list_ticks(ticks, terminal);
    Ok(Exit::Done)
}

fn list_ticks(ticks: &[TickDocument], terminal: &mut Terminal) {
    let rows: Vec<Vec<String>> = ticks
        .iter()
        .map(|tick| {
            vec![
                tick.logical_date.clone(),
                tick.at.clone(),
                terminal.paint(tone_of(&tick.state), &tick.state),
                tick.run.clone().unwrap_or_default(),
                tick.reason.clone(),
            ]
        })
        .collect();
    terminal.table(&["DATE", "TICK", "STATE", "RUN", ""], &[], &rows);
}

fn show_plan(plan: &BackfillPlan, terminal: &mut Terminal) -> Result<(), Fault> {
    if terminal.is_json() {
        terminal.out_json(&serde_json::to_value(plan)?);
        return Ok(());
    }
    list_ticks(&plan.ticks[..plan.ticks.len().min(SHOWN)], terminal);
    if let more @ 1.. = plan.ticks.len().saturating_sub(SHOWN) {
        terminal.out(format!("and {more} more"));
    }
    let there = match plan.there {
        0 => String::new(),
        count => format!(", {} left out", plural(count, "tick")),
    };
    terminal.out(format!("{} would start{there}", plural(plan.runs, "run")));
    Ok(())
}
