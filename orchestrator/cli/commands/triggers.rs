//! `trainyard triggers`: what starts runs, and when the next ones are due.

use super::check::print;
use super::runs::Shelf;
use super::{catalogue, now};
use crate::args::{Format, PreviewArgs, TriggersCommand};
use crate::output::{Exit, Fault, Terminal, Tone, human_instant};
use crate::project::Project;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use trainyard_contract::finding::nearest;
use trainyard_contract::{Millis, Timestamp};
use trainyard_domain::pipeline::spec::Trigger;
use trainyard_domain::pipeline::{self, CheckRequest, Checked, Pipeline};
use trainyard_domain::trigger::{Occurrence, Schedule, describe, start_of};
use trainyard_engine::DiskFiles;
use trainyard_store::FiringFilter;

/// Ticks of a trigger that are shown if nobody says how many.
const SHOWN: usize = 10;
/// Ticks of a trigger that are shown up to `--to`.
const MOST_SHOWN: usize = 10_000;

pub(crate) fn triggers(
    command: &TriggersCommand,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    match command {
        TriggersCommand::List { pipeline } => list(pipeline.as_deref(), home, terminal),
        TriggersCommand::Preview(args) => preview(args, home, terminal),
        TriggersCommand::History {
            pipeline,
            trigger,
            limit,
        } => {
            let filter = FiringFilter {
                pipeline: pipeline.as_deref().map(str::parse).transpose()?,
                trigger: trigger.clone(),
                before: None,
                limit: *limit,
            };
            history(&filter, home, terminal)
        }
    }
}

fn history(filter: &FiringFilter, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let shelf = Shelf::open(&Project::here(home)?)?;
    let firings = shelf.store.firings(filter)?;
    if terminal.is_json() {
        let documents = firings.iter().map(|firing| {
            serde_json::json!({
                "id": firing.id, "pipeline": firing.pipeline.as_str(), "trigger": firing.trigger, "kind": firing.kind,
                "at": firing.at.0, "due": firing.due.map(|due| due.0), "verdict": firing.verdict,
                "reason": firing.reason, "run": firing.run.as_ref().map(|run| run.as_str()),
            })
        });
        terminal.out_json(&documents.collect());
        return Ok(Exit::Done);
    }
    if firings.is_empty() {
        terminal.note("no trigger has fired; they do while `trainyard serve` runs");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = firings
        .into_iter()
        .map(|firing| {
            let tone = if firing.run.is_some() {
                Tone::Good
            } else {
                Tone::Warn
            };
            vec![
                human_instant(firing.at),
                firing.pipeline.to_string(),
                firing.trigger,
                terminal.paint(tone, firing.verdict),
                firing.run.map_or_else(String::new, |run| run.short().to_owned()),
                firing.reason.unwrap_or_default(),
            ]
        })
        .collect();
    terminal.table(
        &["AT", "PIPELINE", "TRIGGER", "VERDICT", "RUN", "WHY"],
        &[],
        &rows,
    );
    Ok(Exit::Done)
}

fn list(pipeline: Option<&str>, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let (checked, chosen) = load(pipeline, home)?;
    let exit = faults(&checked, terminal);
    let now = now();
    let triggers = || {
        chosen.iter().flat_map(|pipeline| {
            pipeline
                .spec()
                .triggers
                .iter()
                .map(move |(name, trigger)| (pipeline, name, trigger))
        })
    };
    let next = |trigger: &Trigger| {
        let schedule = scheduled(trigger)?;
        let tick = schedule.ticks(now).next()?;
        Some((schedule, tick))
    };
    if terminal.format() == Format::Json {
        let documents: Vec<serde_json::Value> = triggers()
            .map(|(pipeline, name, trigger)| {
                serde_json::json!({
                    "pipeline": pipeline.name(),
                    "trigger": name,
                    "type": trigger.kind(),
                    "what": describe(trigger),
                    "next": next(trigger).map(|(_, tick)| utc(tick.at)),
                })
            })
            .collect();
        terminal.out_json(&serde_json::Value::Array(documents));
        return Ok(exit);
    }
    let rows: Vec<Vec<String>> = triggers()
        .map(|(pipeline, name, trigger)| {
            vec![
                pipeline.name().to_string(),
                name.clone(),
                trigger.kind().to_owned(),
                describe(trigger),
                next(trigger).map_or_else(String::new, |(schedule, tick)| local(&schedule, tick.at)),
            ]
        })
        .collect();
    if rows.is_empty() {
        terminal.note("no pipeline has a trigger; `trainyard run` starts one by hand");
        return Ok(exit);
    }
    terminal.table(&["PIPELINE", "TRIGGER", "TYPE", "STARTED BY", "NEXT"], &[], &rows);
    Ok(exit)
}

fn preview(args: &PreviewArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let (checked, chosen) = load(Some(&args.pipeline), home)?;
    let Some(pipeline) = chosen.first() else {
        return Ok(faults(&checked, terminal));
    };
    let triggers = &pipeline.spec().triggers;
    if let Some(wanted) = &args.trigger {
        let Some(trigger) = triggers.get(wanted) else {
            let fault = Fault::new(format!(
                "pipeline `{}` has no trigger `{wanted}`",
                pipeline.name()
            ));
            return Err(match nearest(wanted, triggers.keys().map(String::as_str)) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault,
            });
        };
        if !matches!(trigger, Trigger::Schedule(_)) {
            return Err(Fault::new(format!(
                "`{wanted}` is no schedule: nobody knows when it starts a run ({})",
                describe(trigger)
            )));
        }
    }
    let mut documents = Vec::new();
    let mut is_first = true;
    for (name, trigger) in triggers {
        let Some(schedule) = scheduled(trigger) else {
            continue;
        };
        if args.trigger.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let ticks = ticks(args, pipeline, name, trigger, &schedule)?;
        if terminal.format() == Format::Json {
            documents.push(serde_json::json!({
                "pipeline": pipeline.name(),
                "trigger": name,
                "what": describe(trigger),
                "timezone": schedule.zone(),
                "ticks": ticks.iter().map(|tick| tick.json(&schedule)).collect::<Vec<_>>(),
            }));
            continue;
        }
        if !std::mem::take(&mut is_first) {
            terminal.out("");
        }
        let title = terminal.paint(Tone::Strong, name);
        terminal.out(format!("{title}  {}", describe(trigger)));
        show(&ticks, &schedule, terminal);
    }
    if terminal.format() == Format::Json {
        terminal.out_json(&serde_json::Value::Array(documents));
    } else if is_first {
        terminal.note(format!("pipeline `{}` has no schedule", pipeline.name()));
    }
    Ok(Exit::Done)
}

/// A moment as it is shown.
struct Shown {
    occurrence: Occurrence,
    reason: Option<String>,
    /// When the run starts, if jitter puts it off.
    starts: Option<Timestamp>,
}

impl Shown {
    fn json(&self, schedule: &Schedule) -> serde_json::Value {
        serde_json::json!({
            "at": utc(self.occurrence.at),
            "local": local(schedule, self.occurrence.at),
            "logical_date": self.occurrence.local.date().to_string(),
            "runs": self.occurrence.fires,
            "starts": self.starts.map(utc),
            "reason": self.reason,
        })
    }
}

fn ticks(
    args: &PreviewArgs,
    pipeline: &Pipeline,
    name: &str,
    trigger: &Trigger,
    schedule: &Schedule,
) -> Result<Vec<Shown>, Fault> {
    let from = match &args.from {
        Some(text) => moment(text, schedule)?,
        None => now(),
    };
    let to = args
        .to
        .as_deref()
        .map(|text| moment(text, schedule))
        .transpose()?;
    let most = args
        .number
        .unwrap_or(if to.is_some() { MOST_SHOWN } else { SHOWN });
    let jitter = match trigger {
        Trigger::Schedule(spec) => spec.jitter.map(|jitter| jitter.0),
        _ => None,
    };
    let mut shown = Vec::new();
    let mut runs = 0;
    // `--from` itself may be a tick.
    for occurrence in schedule.occurrences(Timestamp(from.0.saturating_sub(1))) {
        if runs == most || to.is_some_and(|to| occurrence.at > to) {
            break;
        }
        runs += usize::from(occurrence.fires);
        let starts = jitter.filter(|_| occurrence.fires).map(|most| {
            let next = schedule.ticks(occurrence.at).next().map(|next| next.at);
            start_of(pipeline.name().as_str(), name, occurrence.at, Some(most), next)
        });
        shown.push(Shown {
            reason: schedule.reason(&occurrence),
            occurrence,
            starts,
        });
    }
    Ok(shown)
}

fn show(ticks: &[Shown], schedule: &Schedule, terminal: &mut Terminal) {
    if ticks.is_empty() {
        terminal.out("  no run in this time");
        return;
    }
    let has_jitter = ticks.iter().any(|tick| tick.starts.is_some());
    let mut heads = vec!["", "LOCAL", "UTC"];
    if has_jitter {
        heads.push("PUT OFF BY");
    }
    heads.push("");
    let rows: Vec<Vec<String>> = ticks
        .iter()
        .map(|tick| {
            let at = tick.occurrence.at;
            let mark = if tick.occurrence.fires { " run" } else { " -" };
            let mut row = vec![mark.to_owned(), local(schedule, at), utc(at)];
            if has_jitter {
                let put_off = |starts: Timestamp| Millis(starts.since(at).0 / 1_000 * 1_000).to_string();
                row.push(tick.starts.map_or_else(String::new, put_off));
            }
            row.push(tick.reason.clone().unwrap_or_default());
            row
        })
        .collect();
    terminal.table(&heads, &[], &rows);
}

/// Errors of files are printed; what is in order is shown nevertheless.
fn faults(checked: &Checked, terminal: &mut Terminal) -> Exit {
    if !checked.has_errors() {
        return Exit::Done;
    }
    if terminal.format() == Format::Human {
        print(checked, terminal);
    }
    Exit::Refused
}

/// All pipelines of the project, or the one that a file or a name says.
fn load(wanted: Option<&str>, home: Option<&Path>) -> Result<(Checked, Vec<Arc<Pipeline>>), Fault> {
    let file = wanted.map(Path::new).filter(|path| path.is_file());
    let project = match file {
        Some(path) => Project::of(path, home)?,
        None => Project::here(home)?,
    };
    let entries = match file {
        Some(path) => vec![project.relative(path)?],
        None => project.pipeline_files()?,
    };
    let catalogue = catalogue();
    let files = DiskFiles::new(project.root.clone());
    let checked = pipeline::check(&CheckRequest {
        project: project.file.as_deref(),
        entries: &entries,
        files: &files,
        catalogue: &catalogue,
        environment: None,
        params: &BTreeMap::new(),
        level: None,
    });
    let mut chosen = checked.pipelines.clone();
    if let Some(name) = wanted.filter(|_| file.is_none()) {
        chosen.retain(|pipeline| pipeline.name().as_str() == name);
        if chosen.is_empty() {
            let fault = Fault::new(format!("there is no file and no pipeline `{name}`"));
            let names = checked.pipelines.iter().map(|pipeline| pipeline.name().as_str());
            return Err(match nearest(name, names) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help("`trainyard triggers list` shows what there is"),
            });
        }
    }
    Ok((checked, chosen))
}

fn scheduled(trigger: &Trigger) -> Option<Schedule> {
    match trigger {
        Trigger::Schedule(spec) => Schedule::new(spec).ok(),
        _ => None,
    }
}

/// An instant, or a date or local time by the schedule's clock.
fn moment(text: &str, schedule: &Schedule) -> Result<Timestamp, Fault> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(instant.as_microsecond()));
    }
    let local = text
        .parse::<jiff::civil::DateTime>()
        .or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    local.map(|local| schedule.instant(local)).map_err(|_| {
        Fault::new(format!("`{text}` is no date or time"))
            .help("write `2027-03-28`, `2027-03-28T02:00` by the schedule's clock, or `2027-03-28T00:00Z`")
    })
}

fn local(schedule: &Schedule, at: Timestamp) -> String {
    let local = schedule.local(at).strftime("%a %Y-%m-%d %H:%M").to_string();
    let second = schedule.local(at).second();
    let seconds = if second == 0 {
        String::new()
    } else {
        format!(":{second:02}")
    };
    format!("{local}{seconds} {}", schedule.abbreviation(at))
}

fn utc(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(
        |_| "?".to_owned(),
        |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}
