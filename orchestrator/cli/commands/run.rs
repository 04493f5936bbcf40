//! `trainyard run`, and the driving of runs that resume and retry share with it.

use super::check::{Binding, Bound, bind, print_human};
use super::{now, user};
use crate::args::{Format, RunArgs};
use crate::output::{Exit, Fault, Terminal, Tone};
use crate::progress::{self, Progress};
use crate::project::Project;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use trainyard_contract::{RunId, TraceContext};
use trainyard_domain::pipeline::{NotAdmitted, Origin};
use trainyard_domain::run::{RunDefinition, RunOutcome, RunStatus};
use trainyard_engine::{Driven, Engine, Interrupts, Setup, with_gates};
use trainyard_executors::{LocalConfig, LocalExecutor, LocalSecrets};
use trainyard_store::Owner;
use trainyard_telemetry::narrate;

pub(crate) fn run(args: &RunArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let mut bound = match bind(&args.bind, args.revision.as_deref(), home, terminal)? {
        Binding::Ready(bound) => *bound,
        Binding::Refused => return Ok(Exit::Refused),
    };
    if terminal.format() == Format::Human {
        print_human(&bound.checked, terminal);
    }
    let not_admitted = bound.admit(Origin::Person)?;
    if !not_admitted.is_empty() {
        return Ok(refuse(&not_admitted, &bound.definition.file, terminal));
    }
    let select = args
        .select
        .as_deref()
        .map(|text| super::plan::select(text, &bound.definition))
        .transpose()?;
    let select = if trainyard_engine::asks_to_foresee(&bound.pipeline) {
        let (plan, select) = bound.plan_within_budget(select, !args.no_reuse)?;
        if super::plan::is_stopped_by_budget(&plan, terminal) {
            return Ok(Exit::Refused);
        }
        select
    } else {
        with_gates(select, &bound.gates)
    };
    let options = Options {
        reuse: !args.no_reuse,
        no_wait: args.no_wait,
        workers: args.workers,
    };
    launch(bound, select, &options, terminal)
}

/// Says why nothing was started.
pub(crate) fn refuse(faults: &[NotAdmitted], file: &str, terminal: &mut Terminal) -> Exit {
    if terminal.is_json() {
        let reasons: Vec<String> = faults.iter().map(ToString::to_string).collect();
        terminal.out_json(&serde_json::json!({ "event": "refused", "reasons": reasons }));
        return Exit::Refused;
    }
    for fault in faults {
        let head = terminal.paint_err(Tone::Bad, "error");
        terminal.note(format!("{head}: {fault}\n  = help: {}", fault.help(file)));
    }
    Exit::Refused
}

/// Starts a run of a bound pipeline and works until it is over.
pub(crate) fn launch(
    mut bound: Bound,
    select: Option<BTreeSet<u32>>,
    options: &Options,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let checked = format!(
        "{} ({} step instances{})",
        bound.definition.file,
        bound.definition.instances.len(),
        bound
            .definition
            .environment
            .as_ref()
            .map_or_else(String::new, |name| format!(", environment {name}")),
    );
    let checked = match &bound.definition.code {
        Some(code) => format!("{checked} at {code}"),
        None => checked,
    };
    if !terminal.is_json() {
        terminal.status(Tone::Good, "Checked", checked);
        if !bound.definition.not_obeyed.is_empty() {
            let list = bound.definition.not_obeyed.join(", ");
            terminal.status(Tone::Warn, "Not obeyed", format!("yet by this version: {list}"));
        }
    }
    if let Some(warning) = &bound.definition.bounds.over_budget {
        match terminal.is_json() {
            true => terminal.out_json(&serde_json::json!({ "event": "over_budget", "reason": warning })),
            false => terminal.note(format!("warning[C01/over-budget]: {warning}")),
        }
    }
    if bound
        .definition
        .code
        .as_ref()
        .is_none_or(|code| code.pinned.is_none())
    {
        let mut store = bound.project.open_home()?.store()?;
        super::notices::declare_for_run(&bound.pipeline.declared_notices(), &mut store)?;
    }
    let id = trainyard_api::new_run_id(now())?;
    bound.definition.caller = caller();
    let definition = bound.definition.clone();
    let start = Start::New {
        id: id.clone(),
        definition: Box::new(bound.definition),
        select,
    };
    drive(&bound.project, start, &definition, &id, options, terminal)
}

/// The span of the program that this one was started by, if it has one.
fn caller() -> Option<String> {
    let text = std::env::var("TRACEPARENT").ok()?;
    let context: TraceContext = text.parse().ok()?;
    Some(context.to_string())
}

/// How a run comes to this engine.
pub(crate) enum Start {
    New {
        id: RunId,
        definition: Box<RunDefinition>,
        select: Option<BTreeSet<u32>>,
    },
    Resume(RunId),
    /// What was chosen, or all that did not succeed.
    Retry(RunId, Option<BTreeSet<u32>>),
}

/// How runs are driven.
pub(crate) struct Options {
    pub(crate) reuse: bool,
    pub(crate) no_wait: bool,
    pub(crate) workers: Option<usize>,
}

/// Starts or takes over a run and works until it is over.
pub(crate) fn drive(
    project: &Project,
    start: Start,
    definition: &RunDefinition,
    id: &RunId,
    options: &Options,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let began = now();
    let interrupts = interrupts()?;
    let home = project.open_home()?;
    let config = local_config(project, options)?;
    let telemetry = crate::telemetry::telemetry(&config.secrets, terminal);
    crate::telemetry::begin_log(None, terminal.verbose(), &telemetry, &config.secrets);
    let secrets = config.secrets.clone();
    let (sender, news) = channel();
    let executor = LocalExecutor::new(config, sender)?;
    let mut engine = Engine::new(Setup {
        home,
        executor: Box::new(executor),
        news,
        project: project.root.clone(),
        owner: Owner::this_process("local"),
        reuse: options.reuse,
        clock: now,
    })?
    .with_traces(telemetry.is_tracing());
    let mut progress = Progress::new(definition.clone(), terminal);
    if !terminal.is_json() {
        let verb = if matches!(start, Start::New { .. }) {
            "Started"
        } else {
            "Resumed"
        };
        terminal.status(Tone::Good, verb, format!("{} as {id}", definition.pipeline));
    }
    {
        let mut observer = |observation: trainyard_engine::Observation<'_>| {
            telemetry.observe(&observation);
            narrate(&observation);
            progress.observe(&observation, terminal);
        };
        match start {
            Start::New {
                id,
                definition,
                select,
            } => {
                engine.start(id, *definition, &user(), select, &mut observer)?;
            }
            Start::Resume(id) => engine.resume(&id, &mut observer)?,
            Start::Retry(id, chosen) => engine.retry(&id, &user(), chosen, &mut observer)?,
        }
    }
    let driven = {
        let mut observer = |observation: trainyard_engine::Observation<'_>| {
            telemetry.observe(&observation);
            narrate(&observation);
            progress.observe(&observation, terminal);
        };
        engine.drive(&mut observer, &interrupts, options.no_wait)
    };
    let driven = driven.map_err(|error| {
        Fault::from(error).help(format!(
            "nothing that was shown is lost; go on with `trainyard runs resume {}`",
            id.short()
        ))
    })?;
    let Some(run) = engine.run(id) else {
        return Err(Fault::new(format!("run `{id}` is gone")));
    };
    if terminal.is_json() {
        let document = super::runs::document(run);
        terminal.out_json(&serde_json::json!({ "event": "summary", "summary": document }));
    } else if driven == Driven::AllEnded {
        progress::summary(run, &project.home, now().since(began).0, terminal);
    }
    super::notices::deliver_rest(project, secrets, terminal)?;
    crate::telemetry::close(&telemetry, terminal);
    if definition.code.as_ref().is_some_and(|code| code.pinned.is_some()) {
        // What cannot be removed now is the next run's.
        let home = project.open_home()?;
        let _ = trainyard_engine::remove_old_checkouts(&home, &home.store()?);
    }
    match (driven, run.status()) {
        (Driven::Interrupted, _) => {
            if !terminal.is_json() {
                let next = format!("go on with `trainyard runs resume {}`", id.short());
                terminal.status(Tone::Warn, "Interrupted", next);
            }
            Ok(Exit::Interrupted)
        }
        (_, RunStatus::Ended(RunOutcome::Succeeded)) | (Driven::Waiting, _) => Ok(Exit::Done),
        _ => Ok(Exit::Refused),
    }
}

/// The local executor of this machine: this binary as worker and supervisor.
pub(crate) fn local_config(project: &Project, options: &Options) -> Result<LocalConfig, Fault> {
    let program = std::env::current_exe()
        .map_err(|error| Fault::while_doing("could not find this program's own file", &error))?;
    let mut config = LocalConfig::new(program);
    if let Some(workers) = options.workers {
        config.workers = workers.max(1);
    }
    config.secrets = Arc::new(LocalSecrets::with_file(&project.root.join("secrets.env"))?);
    config.inspects_tables = cfg!(feature = "steps");
    Ok(config)
}

/// Counts Ctrl-C and SIGTERM; the third ends the process at once.
pub(crate) fn interrupts() -> Result<Interrupts, Fault> {
    let count: Interrupts = Arc::new(AtomicU32::new(0));
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])
            .map_err(|error| Fault::while_doing("could not listen for signals", &error))?;
    let seen = count.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for _ in signals.forever() {
                if seen.fetch_add(1, Ordering::Relaxed) >= 2 {
                    std::process::exit(130);
                }
            }
        })
        .map_err(|error| Fault::while_doing("could not start a thread", &error))?;
    Ok(count)
}
