//! `trainyard diff`.

use super::catalogue;
use crate::args::{DiffArgs, Format};
use crate::output::{Exit, Fault, Terminal};
use crate::project::Project;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use trainyard_contract::PipelineName;
use trainyard_contract::finding::nearest;
use trainyard_domain::pipeline::{self, CheckLevel, CheckRequest};
use trainyard_domain::plan::environments::{EnvironmentDifference, render};
use trainyard_domain::plan::render::Style;
use trainyard_engine::DiskFiles;

pub(crate) fn diff(args: &DiffArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let project = match args.pipelines.first() {
        Some(first) => Project::of(first, home)?,
        None => Project::here(home)?,
    };
    let difference = difference(args, &project)?;
    match terminal.format() {
        Format::Json => terminal.out_json(&render::json(&difference)),
        Format::Markdown => terminal.out(render::markdown(&difference).trim_end()),
        _ => {
            let style = Style {
                color: terminal.colors_out(),
            };
            terminal.out(render::human(&difference, style).trim_end());
        }
    }
    if args.detailed_exitcode && difference.differs() {
        return Ok(Exit::Fault);
    }
    Ok(Exit::Done)
}

fn difference(args: &DiffArgs, project: &Project) -> Result<EnvironmentDifference, Fault> {
    let entries = match args.pipelines.as_slice() {
        [] => project.pipeline_files()?,
        named => named
            .iter()
            .map(|path| project.relative(path))
            .collect::<Result<_, _>>()?,
    };
    // Names of pipelines and environments are all that is wanted of the files; what they were is kept with
    // their runs.
    let checked = pipeline::check(&CheckRequest {
        project: project.file.as_deref(),
        entries: &entries,
        files: &DiskFiles::new(project.root.clone()),
        catalogue: &catalogue(),
        environment: None,
        params: &BTreeMap::new(),
        level: Some(CheckLevel::Off),
    });
    if checked.pipelines.is_empty() {
        return Err(
            Fault::new(format!("no pipeline in {} can be read", project.root.display()))
                .help("`trainyard check` says what is wrong"),
        );
    }
    let known: BTreeSet<&str> = checked
        .pipelines
        .iter()
        .flat_map(|pipeline| pipeline.environments())
        .collect();
    for environment in [&args.this, &args.other] {
        if !known.contains(environment.as_str()) {
            let fault = Fault::new(format!("there is no environment `{environment}`"));
            return Err(match nearest(environment, known.iter().copied()) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help("environments are declared in pipelines and in trainyard.yaml"),
            });
        }
    }
    let has_both = |pipeline: &&std::sync::Arc<pipeline::Pipeline>| {
        let own = pipeline.environments();
        own.contains(&args.this.as_str()) && own.contains(&args.other.as_str())
    };
    let names: Vec<PipelineName> = checked
        .pipelines
        .iter()
        .filter(has_both)
        .map(|pipeline| pipeline.name().clone())
        .collect();
    if names.is_empty() {
        return Err(Fault::new(format!(
            "no pipeline has both environments, `{}` and `{}`",
            args.this, args.other
        )));
    }
    let store = project.open_home()?.store()?;
    Ok(trainyard_engine::difference(
        &store,
        &args.this,
        &args.other,
        names,
    )?)
}
