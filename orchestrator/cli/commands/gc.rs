//! `trainyard gc`: what `retention:` lets go, removed now.

use super::{catalogue, check, now};
use crate::args::GcArgs;
use crate::output::{Exit, Fault, Terminal, Tone, human_instant};
use crate::project::Project;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use trainyard_contract::{Millis, Timestamp};
use trainyard_domain::pipeline::{self, CheckRequest, spec};
use trainyard_engine::{DiskFiles, Sweeper, removable};
use trainyard_store::{Store, StoreError, Walked};

/// Runs that a look takes at once.
const PAGE: u32 = 500;
/// At the least so long others get between two transactions.
const REST: Duration = Duration::from_millis(2);

pub(crate) fn gc(args: &GcArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let project = Project::here(home)?;
    let Ok(rule) = rule(args, &project, terminal)? else {
        return Ok(Exit::Refused);
    };
    let Some(rule) = rule else {
        if terminal.is_json() {
            terminal.out_json(&Value::Null);
        }
        terminal.note("trainyard.yaml has no `retention`, so everything is kept");
        terminal.note("`trainyard gc --older-than 90d` removes what is older, once");
        return Ok(Exit::Done);
    };
    if !project.has_state() {
        return Err(Fault::new(format!(
            "nothing has run yet: there is no state in {}",
            project.home.display()
        )));
    }
    let home = project.open_home()?;
    if args.dry_run {
        return foretell(&home.store()?, rule, terminal);
    }
    let mut sweeper = Sweeper::open(home.clone())?;
    let swept = sweeper.sweep(rule, now(), &mut |_, took| {
        // A server that has work to do gets as much time as this.
        std::thread::sleep(took.max(REST));
        true
    })?;
    let before = home.store()?.condition()?.size;
    if args.compact {
        home.store()?.compact()?;
    }
    let after = home.store()?.condition()?.size;
    if terminal.is_json() {
        terminal.out_json(&json!({
            "dry_run": false, "runs": swept.runs, "events": swept.events, "firings": swept.firings,
            "folders": swept.folders, "folders_stuck": swept.stuck, "database_bytes": after,
        }));
        return Ok(Exit::Done);
    }
    terminal.status(
        Tone::Good,
        "Removed",
        format!(
            "{} with {}; {}; {} of files",
            check::counted(swept.runs, "run"),
            check::counted(swept.events, "event"),
            check::counted(swept.firings, "firing"),
            check::counted(swept.folders, "folder"),
        ),
    );
    if swept.stuck > 0 {
        terminal.status(
            Tone::Warn,
            "Left",
            format!(
                "{} of files that cannot be removed",
                check::counted(swept.stuck, "folder")
            ),
        );
    }
    if args.compact {
        let (before, after) = (
            crate::output::human_bytes(before),
            crate::output::human_bytes(after),
        );
        terminal.status(
            Tone::Good,
            "Compacted",
            format!("the database, {before} to {after}"),
        );
    }
    Ok(Exit::Done)
}

/// What is to be kept, by the command line and `trainyard.yaml`; the inner error means that the latter has
/// faults, which were printed.
fn rule(
    args: &GcArgs,
    project: &Project,
    terminal: &mut Terminal,
) -> Result<Result<Option<spec::Retention>, usize>, Fault> {
    let files = DiskFiles::new(project.root.clone());
    let checked = pipeline::check(&CheckRequest {
        project: project.file.as_deref(),
        entries: &[],
        files: &files,
        catalogue: &catalogue(),
        environment: None,
        params: &BTreeMap::new(),
        level: None,
    });
    if checked.has_errors() {
        return Ok(Err(check::print(&checked, terminal)));
    }
    let written = checked.retention;
    let runs = args
        .older_than
        .map(spec::Duration)
        .or(written.map(|written| written.runs));
    let Some(runs) = runs else {
        return match args.keep_last {
            None => Ok(Ok(None)),
            Some(_) => Err(
                Fault::new("`--keep-last` alone does not say how old a run has to be")
                    .help("add `--older-than 0d` to remove all others that nothing needs"),
            ),
        };
    };
    let keep_last = args
        .keep_last
        .or(written.map(|written| written.keep_last))
        .unwrap_or(spec::Retention::KEEP_LAST);
    Ok(Ok(Some(spec::Retention { runs, keep_last })))
}

/// Runs of a pipeline in an environment that would go.
#[derive(Default)]
struct Going {
    runs: u64,
    events: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

fn foretell(store: &Store, rule: spec::Retention, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let now = now();
    let mut going: BTreeMap<(String, Option<String>), Going> = BTreeMap::new();
    let mut from = Some(Walked::default());
    while let Some(place) = from {
        let found = store.removable_runs(removable(rule, now), place, PAGE, now)?;
        for run in found.runs {
            let summary = match store.run_summary(&run) {
                Err(StoreError::NoRun(_)) => continue,
                summary => summary?,
            };
            let place = (summary.pipeline.as_str().to_owned(), summary.environment);
            let group = going.entry(place).or_default();
            group.runs += 1;
            group.events += summary.events;
            // They come by their end.
            group.first = group.first.or(summary.ended_at);
            group.last = summary.ended_at;
        }
        from = found.next;
    }
    let (runs, events) = going.values().fold((0, 0), |(runs, events), group| {
        (runs + group.runs, events + group.events)
    });
    if terminal.is_json() {
        let pipelines = going.iter().map(|((pipeline, environment), group)| {
            json!({
                "pipeline": pipeline, "environment": environment, "runs": group.runs, "events": group.events,
                "first_ended_at": group.first.map(|at| at.0), "last_ended_at": group.last.map(|at| at.0),
            })
        });
        terminal.out_json(&json!({
            "dry_run": true, "runs": runs, "events": events, "pipelines": pipelines.collect::<Vec<_>>(),
        }));
        return Ok(Exit::Done);
    }
    let Millis(age) = rule.runs.0;
    let kept = format!(
        "what ended in the last {}, the last {} of each pipeline and environment, and what is needed, stay",
        Millis(age),
        check::counted(u64::from(rule.keep_last), "run"),
    );
    if runs == 0 {
        terminal.note(format!("nothing would go: {kept}"));
        return Ok(Exit::Done);
    }
    let at = |at: Option<Timestamp>| at.map(human_instant).unwrap_or_default();
    let rows: Vec<Vec<String>> = going
        .iter()
        .map(|((pipeline, environment), group)| {
            vec![
                pipeline.clone(),
                environment.clone().unwrap_or_default(),
                group.runs.to_string(),
                group.events.to_string(),
                at(group.first),
                at(group.last),
            ]
        })
        .collect();
    terminal.table(
        &["PIPELINE", "ENVIRONMENT", "RUNS", "EVENTS", "ENDED FROM", "TO"],
        &[2, 3],
        &rows,
    );
    terminal.note(format!(
        "{} with {} would go; {kept}",
        check::counted(runs, "run"),
        check::counted(events, "event"),
    ));
    Ok(Exit::Done)
}
