//! Triggers that name other pipelines: what they name is there.
//!
//! Why: a trigger that waits for a pipeline, a step or an alert that does not exist waits for ever,
//! which looks like one whose time has not come.
//!
//! Whether a pipeline exists is known only when all files of the project are checked together.
//!
//! ```yaml
//! after: {type: pipeline, pipeline: featrues}     # S02/unknown-pipeline
//! new: {type: data, datasets: [features.biuld.table]}   # S02/unknown-step
//! ```

use super::found;
use crate::diagnostic::{Diagnostic, Sources, Span};
use crate::pipeline::draft::Draft;
use crate::pipeline::spec::Trigger;
use crate::pipeline::{CheckRequest, Files};
use trainyard_contract::Path;
use trainyard_contract::finding::nearest;

/// What a trigger names of another pipeline.
enum Part<'a> {
    Whole,
    Step(&'a str),
    Alert(&'a str),
}

pub(super) fn run(request: &CheckRequest<'_>, sources: &Sources, drafts: &[Draft]) -> Vec<Diagnostic> {
    let has_all = has_all(request);
    let mut findings = Vec::new();
    for draft in drafts {
        for (name, trigger) in &draft.spec.triggers {
            let at = Path::root().key("triggers").key(name);
            for (path, pipeline, part) in named(trigger, &at) {
                let place = draft.span(sources, &path);
                // The same place is checked within a pipeline by the names of its own.
                let of = drafts.iter().find(|other| other.spec.name == pipeline);
                match of {
                    None if has_all => findings.push(unknown_pipeline(drafts, pipeline, place)),
                    None => {}
                    Some(of) => findings.extend(unknown_part(of, &part, place)),
                }
            }
        }
    }
    findings
}

fn named<'t>(trigger: &'t Trigger, at: &Path) -> Vec<(Path, &'t str, Part<'t>)> {
    let listed = |key: &str, texts: &'t [String], dots: usize| {
        texts
            .iter()
            .enumerate()
            .filter(|(_, text)| text.matches('.').count() == dots)
            .filter_map(|(index, text)| {
                let (pipeline, rest) = text.split_once('.')?;
                let part = match rest.split_once('.') {
                    Some((step, _)) => Part::Step(step),
                    None => Part::Alert(rest),
                };
                Some((at.key(key).index(index), pipeline, part))
            })
            .collect()
    };
    match trigger {
        Trigger::Data(data) => listed("datasets", &data.datasets, 2),
        Trigger::Alert(alert) => listed("alerts", &alert.alerts, 1),
        Trigger::Pipeline(of) => {
            let mut names = vec![(at.key("pipeline"), of.pipeline.as_str(), Part::Whole)];
            if let Some(step) = &of.step {
                names.push((at.key("step"), of.pipeline.as_str(), Part::Step(step)));
            }
            names
        }
        Trigger::Schedule(_) | Trigger::Webhook(_) | Trigger::Manual(_) => Vec::new(),
    }
}

fn unknown_pipeline(drafts: &[Draft], pipeline: &str, place: Span) -> Diagnostic {
    let finding = found(
        "S02/unknown-pipeline",
        place,
        format!("there is no pipeline `{pipeline}`"),
    )
    .label("no such pipeline");
    // A part of a longer text cannot be put in its place alone.
    let near = nearest(pipeline, drafts.iter().map(|draft| draft.spec.name.as_str()));
    match near {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help("pipelines are named by their `name:`, not by their file"),
    }
    .done()
}

fn unknown_part(of: &Draft, part: &Part<'_>, place: Span) -> Option<Diagnostic> {
    let (code, what, name, names): (_, _, _, Vec<&str>) = match part {
        Part::Whole => return None,
        Part::Step(step) => {
            let names = of.spec.steps.keys().map(String::as_str).collect();
            ("S02/unknown-step", "step", *step, names)
        }
        Part::Alert(alert) => {
            let names = of.spec.alerts.keys().map(String::as_str).collect();
            ("S02/unknown-alert", "alert", *alert, names)
        }
    };
    if names.contains(&name) {
        return None;
    }
    let message = format!("pipeline `{}` has no {what} `{name}`", of.spec.name);
    let finding = found(code, place, message).label(format!("no such {what}"));
    Some(match nearest(name, names) {
        Some(near) => finding.help(format!("did you mean `{near}`?")).done(),
        None => finding.done(),
    })
}

/// Whether all pipelines of the project are checked.
fn has_all(request: &CheckRequest<'_>) -> bool {
    let list = |pattern: &str| list(request.files, pattern);
    let mut files = list("pipelines/*.yaml");
    files.extend(list("pipelines/*.yml"));
    if files.is_empty() {
        files = list("*.yaml");
        files.extend(list("*.yml"));
        files.retain(|file| Some(file.as_str()) != request.project);
    }
    !files.is_empty() && files.iter().all(|file| request.entries.contains(file))
}

fn list(files: &dyn Files, pattern: &str) -> Vec<String> {
    files.glob(pattern).unwrap_or_default()
}
