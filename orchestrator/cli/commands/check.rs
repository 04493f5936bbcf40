//! `trainyard check`, and what other commands share with it: reading a project's pipelines.

use super::catalogue;
use crate::args::{BindArgs, CheckArgs, Format, Level};
use crate::output::{Exit, Fault, Terminal, Tone};
use crate::project::Project;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use trainyard_contract::{PipelineName, Severity};
use trainyard_domain::diagnostic::render;
use trainyard_domain::pipeline::{
    self, BindRequest, CheckLevel, CheckRequest, Checked, History, Pipeline, RecordedFeatures,
};
use trainyard_domain::run::RunDefinition;

pub(crate) fn check(args: &CheckArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let project = match args.pipelines.first() {
        Some(first) => Project::of(first, home)?,
        None => Project::here(home)?,
    };
    let project = project.at(args.revision.as_deref())?;
    let entries = if args.pipelines.is_empty() {
        project.pipeline_files()?
    } else {
        args.pipelines
            .iter()
            .map(|path| project.relative(path))
            .collect::<Result<_, _>>()?
    };
    if entries.is_empty() {
        return Err(Fault::new(format!("no pipeline in {}", project.root.display()))
            .help("`trainyard init` writes a project that runs at once"));
    }
    if let Some(fault) = entries.iter().find_map(|entry| project.lacks(entry)) {
        return Err(fault);
    }
    let catalogue = catalogue();
    let files = project.files();
    let request = CheckRequest {
        project: project.file.as_deref(),
        entries: &entries,
        files: files.as_ref(),
        catalogue: &catalogue,
        environment: args.environment.as_deref(),
        params: &BTreeMap::new(),
        level: args.level.map(|level| match level {
            Level::Off => CheckLevel::Off,
            Level::Baseline => CheckLevel::Baseline,
            Level::Strict => CheckLevel::Strict,
        }),
    };
    let checked = check_by_past(&request, &project, args.against.as_deref(), terminal);
    let errors = print(&checked, terminal);
    if errors > 0 {
        return Ok(Exit::Refused);
    }
    if terminal.format() == Format::Human {
        let mut line = [
            counted(entries.len(), "pipeline"),
            counted(checked.steps, "step"),
            counted(checked.files_read, "file"),
        ]
        .join(", ");
        if !checked.diagnostics.is_empty() {
            line.push_str(", ");
            line.push_str(&counted(checked.diagnostics.len(), "warning"));
        }
        terminal.status(Tone::Good, "Checked", line);
    }
    Ok(Exit::Done)
}

/// Checks, and holds what is asked of runs against how long earlier ones took, and feature views against what they were,
/// if there were any.
fn check_by_past(
    request: &CheckRequest<'_>,
    project: &Project,
    against: Option<&str>,
    terminal: &mut Terminal,
) -> Checked {
    let checked = pipeline::check(request);
    let judged = checked
        .pipelines
        .iter()
        .filter(|pipeline| pipeline.is_judged_by_past());
    let judged: Vec<PipelineName> = judged.map(|pipeline| pipeline.name().clone()).collect();
    let has_features = !checked.features.is_empty();
    if (judged.is_empty() && !has_features || !project.has_state()) && against.is_none() {
        return checked;
    }
    let past = || -> Result<History, Fault> {
        let mut history = History::default();
        if project.has_state() {
            let store = project.open_home()?.store()?;
            history = trainyard_engine::history(&store, judged, super::now())?;
            let views = store.feature_views()?.into_iter().map(|version| version.view);
            history.features = RecordedFeatures {
                views: views.map(|view| (view.name.clone(), view)).collect(),
                by: "is in the store".to_owned(),
            };
        }
        if let Some(revision) = against {
            let then =
                Project::of(&project.root.join("trainyard.yaml"), Some(&project.home))?.at(Some(revision))?;
            let views = &super::features::read(&then)?.features.views;
            history.features = RecordedFeatures {
                views: views
                    .iter()
                    .map(|(name, view)| (name.clone(), view.clone()))
                    .collect(),
                by: format!("is that of `{revision}`"),
            };
        }
        Ok(history)
    };
    match past() {
        Ok(history) => pipeline::check_with(request, &history),
        Err(fault) => {
            // Files can be checked without their past.
            terminal.note(format!(
                "warning: earlier runs are not looked at: {}",
                fault.message
            ));
            checked
        }
    }
}

/// Prints all diagnostics in the asked format and returns the number of errors.
pub(crate) fn print(checked: &Checked, terminal: &mut Terminal) -> usize {
    let errors = checked
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .count();
    let (diagnostics, sources) = (&checked.diagnostics, &checked.sources);
    match terminal.format() {
        Format::Json => {
            let list = render::json(diagnostics, sources);
            terminal.out_json(&serde_json::Value::Array(list));
        }
        Format::Sarif => {
            let document = render::sarif_with_ignored(diagnostics, &checked.ignored, sources);
            terminal.out_json(&document);
        }
        Format::Github => terminal.out(render::github(diagnostics, sources).trim_end()),
        Format::Human | Format::Markdown => print_human(checked, terminal),
    }
    errors
}

/// Prints all diagnostics for people, on standard error.
pub(crate) fn print_human(checked: &Checked, terminal: &mut Terminal) {
    if checked.diagnostics.is_empty() {
        return;
    }
    let style = render::Style {
        color: terminal.colors_err(),
        ..render::Style::default()
    };
    terminal.note(render::human(&checked.diagnostics, &checked.sources, style).trim_end());
    let errors = checked
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .count();
    let others = checked.diagnostics.len() - errors;
    if errors > 0 {
        let head = terminal.paint_err(Tone::Bad, "error");
        let rest = if others > 0 {
            format!(" and {}", counted(others, "warning"))
        } else {
            String::new()
        };
        let faults = counted(errors, "fault");
        terminal.note(format!(
            "\n{head}: {faults}{rest}; `trainyard explain CODE` says more"
        ));
    }
}

/// `1 file`, `2 files`.
pub(crate) fn counted(count: impl Display + PartialEq + From<u8>, noun: &str) -> String {
    let plural = if count == 1.into() { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A pipeline that passed its checks, bound and ready to plan or run.
pub(crate) struct Bound {
    pub(crate) project: Project,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) definition: RunDefinition,
    pub(crate) checked: Checked,
    /// Gates that were put in front of the run.
    pub(crate) gates: Vec<u32>,
}

/// What came of binding.
pub(crate) enum Binding {
    Ready(Box<Bound>),
    /// Faults were printed.
    Refused,
}

/// Reads, checks and binds the pipeline a command names, as of a revision if it names one.
pub(crate) fn bind(
    args: &BindArgs,
    revision: Option<&str>,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Binding, Fault> {
    let project = match &args.pipeline {
        Some(path) if revision.is_none() && !path.exists() => {
            return Err(Fault::new(format!("there is no file {}", path.display())));
        }
        Some(path) => Project::of(path, home)?,
        None => Project::here(home)?,
    };
    let project = project.at(revision)?;
    let entry = match &args.pipeline {
        Some(path) => project.relative(path)?,
        None => only_pipeline(&project)?,
    };
    let params: BTreeMap<String, String> = args.params.iter().cloned().collect();
    let now = super::now();
    let trigger = trainyard_domain::trigger::by_hand(now, &super::user());
    // The run's own time: jitter needs to differ between runs, not to be secret.
    let seed = u64::try_from(now.0).unwrap_or(0);
    let environment = args.environment.as_deref();
    bind_entry(project, entry, environment, &params, trigger, seed, terminal)
}

/// Reads, checks and binds one pipeline file of a project.
pub(crate) fn bind_entry(
    project: Project,
    entry: String,
    environment: Option<&str>,
    params: &BTreeMap<String, String>,
    trigger: serde_json::Value,
    seed: u64,
    terminal: &mut Terminal,
) -> Result<Binding, Fault> {
    if let Some(fault) = project.lacks(&entry) {
        return Err(fault);
    }
    let catalogue = catalogue();
    let files = project.files();
    let request = CheckRequest {
        project: project.file.as_deref(),
        entries: &[entry],
        files: files.as_ref(),
        catalogue: &catalogue,
        environment,
        params,
        level: None,
    };
    let checked = check_by_past(&request, &project, None, terminal);
    let errors = checked
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .count();
    if errors > 0 {
        print(&checked, terminal);
        return Ok(Binding::Refused);
    }
    let Some(pipeline) = checked.pipelines.first().cloned() else {
        return Err(Fault::new("the file holds no pipeline"));
    };
    let request = BindRequest {
        environment,
        params,
        trigger,
        seed,
    };
    match pipeline.bind(&request) {
        Ok(mut definition) => {
            let checkout = project.checkout.as_ref();
            definition.code = checkout.map(|checkout| checkout.version().clone());
            Ok(Binding::Ready(Box::new(Bound {
                project,
                pipeline,
                definition,
                checked,
                gates: Vec::new(),
            })))
        }
        Err(faults) => {
            let mut fault = Fault::new(format!("could not bind pipeline `{}`", pipeline.name()));
            fault.causes = faults.iter().map(ToString::to_string).collect();
            Err(fault)
        }
    }
}

fn only_pipeline(project: &Project) -> Result<String, Fault> {
    let mut files = project.pipeline_files()?;
    match (files.len(), files.pop()) {
        (1, Some(file)) => Ok(file),
        (0, _) | (_, None) => Err(Fault::new(format!("no pipeline in {}", project.root.display()))
            .help("`trainyard init` writes a project that runs at once")),
        (count, Some(last)) => Err(Fault::new(format!("the project has {count} pipelines; name one"))
            .help(format!("e.g. `trainyard run {last}`"))),
    }
}
