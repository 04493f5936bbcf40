//! All checks, in one go over all files.
//!
//! Each check is a file of its own: what it finds, why it matters, an example, and its tests. A
//! check reads the [`Draft`] of a pipeline and adds findings; whether a finding stops is decided
//! here, by rule and level.

mod contracts;
mod cycle;
mod delay;
mod effects;
mod expressions;
mod fairness;
mod files;
mod guard;
mod handed;
mod ignores;
mod names;
mod others;
mod pace;
mod params;
mod reachable;
mod references;
mod satisfiable;
mod schedules;
mod script;
mod secrets;
mod seed;
mod signature;
mod test_rows;
mod trigger_cycle;
mod trigger_sources;
mod unused;

#[cfg(test)]
mod tests;

use super::draft::{self, Draft};
use super::features::{self, Features};
use super::infer;
use super::load::{Kind as FileKind, Loader, parse};
use super::rules::{self, covers};
use super::spec::{CheckLevel, Project};
use super::wiring::{Kinds, Wired, WiredHook};
use super::{CheckRequest, Checked, History, Pipeline};
use crate::diagnostic::{Diagnostic, Fix, Label, Severity, Sources, Span};
use crate::notice::Declared;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trainyard_contract::Catalogue;
use trainyard_contract::feature::FeatureDefinitions;

pub(crate) use params::{declaration, parse_text, type_of, value_fault};

/// A diagnostic under construction.
pub(crate) struct Finding(Diagnostic);

/// A finding of a rule at a place.
pub(crate) fn found(code: &str, span: Span, message: impl Into<String>) -> Finding {
    let code = rules::full(code);
    let severity = rules::rules()
        .find(|rule| rule.code == code)
        .map_or(Severity::Error, |rule| rule.severity);
    Finding(Diagnostic {
        code: code.to_owned(),
        severity,
        message: message.into(),
        primary: Label {
            span,
            text: String::new(),
        },
        secondary: Vec::new(),
        notes: Vec::new(),
        help: None,
        fix: None,
    })
}

impl Finding {
    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        self.0.primary.text = text.into();
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    pub(crate) fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.0.secondary.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Offers a word in place of what is underlined.
    pub(crate) fn did_you_mean(mut self, near: &str) -> Self {
        self.0.help = Some(format!("did you mean `{near}`?"));
        self.0.fix = Some(Fix {
            span: self.0.primary.span,
            replacement: near.to_owned(),
        });
        self
    }

    pub(crate) fn done(self) -> Diagnostic {
        self.0
    }
}

/// What checks share.
pub(crate) struct Scene<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) draft: &'a Draft,
    pub(crate) project: Option<&'a Project>,
    pub(crate) kinds: &'a Kinds<'a>,
    pub(crate) files: &'a dyn super::Files,
    pub(crate) environment: Option<&'a str>,
    pub(crate) params: &'a BTreeMap<String, String>,
    pub(crate) steps: &'a [Wired],
    pub(crate) features: &'a Features,
    pub(crate) out: Vec<Diagnostic>,
}

impl Scene<'_> {
    pub(crate) fn add(&mut self, finding: Finding) {
        self.out.push(finding.done());
    }

    /// Environments the pipeline can run in; `None` alone if it declares none.
    pub(crate) fn environments(&self) -> Vec<Option<String>> {
        if let Some(one) = self.environment {
            return vec![Some(one.to_owned())];
        }
        let mut names: Vec<Option<String>> = self.draft.spec.environments.keys().cloned().map(Some).collect();
        for name in self
            .project
            .into_iter()
            .flat_map(|project| project.environments.keys())
        {
            if !self.draft.spec.environments.contains_key(name) {
                names.push(Some(name.clone()));
            }
        }
        if names.is_empty() { vec![None] } else { names }
    }
}

/// Reads and checks everything that a request names.
pub(crate) fn run(request: &CheckRequest<'_>, history: &History) -> Checked {
    let mut loader = Loader::new(request.files);
    let project = project(&mut loader, request.project);
    let kinds = Kinds::new(request.catalogue);
    let drafts: Vec<Draft> = request
        .entries
        .iter()
        .filter_map(|entry| draft::read(&mut loader, &kinds, entry, project.as_ref()))
        .collect();
    let feature_files = features::read(&mut loader, request.project, project.as_ref(), &drafts);
    let mut diagnostics = std::mem::take(&mut loader.diagnostics);
    diagnostics
        .iter_mut()
        .for_each(|found| found.settle(&loader.sources));
    let form_errors = blamed(&diagnostics);
    let steps = drafts.iter().map(|draft| draft.spec.steps.len()).sum();
    let mut results = Vec::new();
    diagnostics.extend(contracts::run(&loader));
    diagnostics.extend(trigger_cycle::run(&loader.sources, &drafts));
    diagnostics.extend(trigger_sources::run(request, &loader.sources, &drafts));
    diagnostics.extend(names::run(&drafts));
    let level_of_features = level_of_project(request, project.as_ref());
    let (mut features, mut found) = features::resolve(&loader.sources, &feature_files, &drafts);
    graded(&mut found, level_of_features);
    diagnostics.extend(found);
    for draft in &drafts {
        let level = level_of(request, project.as_ref(), draft);
        let (mut found, pipeline) = check_draft(
            request,
            history,
            &loader,
            &kinds,
            (project.as_ref(), &features),
            draft,
            level,
        );
        found.iter_mut().for_each(|found| found.settle(&loader.sources));
        graded(&mut found, level);
        diagnostics.extend(found);
        results.push((draft, pipeline));
    }
    let parties: Vec<others::Party<'_>> = results
        .iter()
        .enumerate()
        .filter_map(|(index, (draft, pipeline))| {
            Some(others::Party {
                index,
                draft,
                pipeline: pipeline.as_ref()?,
            })
        })
        .collect();
    for (index, found) in others::run(&loader.sources, &parties) {
        let mut found = vec![found];
        graded(&mut found, level_of(request, project.as_ref(), results[index].0));
        diagnostics.extend(found);
    }
    let mut found = Vec::new();
    for (draft, pipeline) in &results {
        if let Some(pipeline) = pipeline {
            found.extend(features::written::run(
                &loader.sources,
                &mut features,
                draft,
                pipeline,
            ));
        }
    }
    let readers: Vec<features::changes::Reader<'_>> = results
        .iter()
        .map(|(draft, pipeline)| (*draft, pipeline.as_ref()))
        .collect();
    found.extend(features::changes::run(
        &loader.sources,
        &features,
        &history.features,
        &readers,
    ));
    graded(&mut found, level_of_features);
    diagnostics.extend(found);
    let ignored = ignores::apply(&loader, &mut diagnostics);
    let broken: BTreeSet<u32> = blamed(&diagnostics).into_iter().chain(form_errors).collect();
    diagnostics.sort_by(|one, other| {
        let place = |found: &Diagnostic| {
            (
                found.primary.span.file,
                found.primary.span.start,
                found.primary.span.end,
            )
        };
        place(one)
            .cmp(&place(other))
            .then_with(|| one.code.cmp(&other.code))
            .then_with(|| one.message.cmp(&other.message))
    });
    diagnostics.dedup_by(|next, kept| {
        let same =
            next.code == kept.code && next.primary.span == kept.primary.span && next.message == kept.message;
        if same {
            kept.also_used(next);
        }
        same
    });
    let pipelines = results
        .into_iter()
        .filter(|(draft, _)| !draft.files().any(|file| broken.contains(&file.file.0)))
        .filter_map(|(_, pipeline)| pipeline)
        .map(Arc::new)
        .collect::<Vec<Arc<Pipeline>>>();
    let files_read = loader.all().count();
    let retention = project.as_ref().and_then(|project| project.retention);
    // What is half understood removes nothing.
    let is_faulty = loader
        .sources
        .iter()
        .any(|(id, file)| Some(file.name.as_str()) == request.project && broken.contains(&id.0));
    let retention = retention.filter(|_| !is_faulty);
    let notices = broken.is_empty().then(|| {
        let mut declared = project.as_ref().map(Declared::of).unwrap_or_default();
        for pipeline in &pipelines {
            declared.add(pipeline.name().as_str(), &pipeline.notices());
        }
        declared
    });
    Checked {
        sources: loader.sources,
        diagnostics,
        ignored,
        pipelines,
        files_read,
        steps,
        retention,
        notices,
        features: Arc::new(features.definitions),
    }
}

/// Files with errors; of an error that was found through a use, the file that it began in.
fn blamed(diagnostics: &[Diagnostic]) -> BTreeSet<u32> {
    diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| found.blamed().0)
        .collect()
}

fn project(loader: &mut Loader<'_>, path: Option<&str>) -> Option<Project> {
    let path = path?;
    match loader.read(path, FileKind::Project) {
        Ok(loaded) => {
            let root = loaded.root.as_ref()?;
            let project = parse::<Project>(root)?;
            let unknown = references::pools_of_project(&project, root);
            loader.diagnostics.extend(unknown);
            loader
                .diagnostics
                .extend(references::channels_of_project(&project, root));
            Some(project)
        }
        Err(fault) => {
            let file = loader.sources.add(path, "");
            let span = Span {
                file,
                start: 0,
                end: 0,
            };
            loader.diagnostics.push(draft::missing(span, path, &fault, None));
            None
        }
    }
}

/// The level of files that belong to no pipeline.
fn level_of_project(request: &CheckRequest<'_>, project: Option<&Project>) -> CheckLevel {
    let of_environment = request.environment.and_then(|name| {
        let shared = project.and_then(|project| project.environments.get(name)?.check);
        guard::is_production(name)
            .then_some(CheckLevel::Strict)
            .or(shared)
    });
    request
        .level
        .or(of_environment)
        .or(project.and_then(|project| project.check))
        .unwrap_or_default()
}

fn level_of(request: &CheckRequest<'_>, project: Option<&Project>, draft: &Draft) -> CheckLevel {
    let of_environment = request.environment.and_then(|name| {
        let own = draft
            .spec
            .environments
            .get(name)
            .and_then(|environment| environment.check);
        let shared = project
            .and_then(|project| project.environments.get(name))
            .and_then(|environment| environment.check);
        // Production takes no chances, whatever it says of itself.
        let strict = guard::is_production(name).then_some(CheckLevel::Strict);
        strict.or(own).or(shared)
    });
    request
        .level
        .or(of_environment)
        .or(draft.spec.check)
        .or(project.and_then(|project| project.check))
        .unwrap_or_default()
}

/// Rules about data and models that stop a run at `baseline` as well: what they find makes the run
/// fail or its model useless.
const ALWAYS_ERRORS: [&str; 4] = ["D01", "M01", "M02", "M08/gate-without-champion"];

/// Decides by level what stops.
fn graded(found: &mut Vec<Diagnostic>, level: CheckLevel) {
    for finding in found.iter_mut() {
        let is_spec = finding.code.starts_with('S');
        let stops = is_spec || ALWAYS_ERRORS.iter().any(|family| covers(family, &finding.code));
        match (level, finding.severity) {
            (CheckLevel::Strict, Severity::Warning) => finding.severity = Severity::Error,
            (CheckLevel::Baseline, Severity::Error) if !stops => finding.severity = Severity::Warning,
            _ => {}
        }
    }
    if level == CheckLevel::Off {
        found.retain(|finding| finding.code.starts_with('S') && finding.severity == Severity::Error);
    }
}

fn check_draft(
    request: &CheckRequest<'_>,
    history: &History,
    loader: &Loader<'_>,
    kinds: &Kinds<'_>,
    (project, features): (Option<&Project>, &Features),
    draft: &Draft,
    level: CheckLevel,
) -> (Vec<Diagnostic>, Option<Pipeline>) {
    let mut scene = Scene {
        sources: &loader.sources,
        draft,
        project,
        kinds,
        files: request.files,
        environment: request.environment,
        params: request.params,
        steps: &[],
        features,
        out: Vec::new(),
    };
    params::run(&mut scene);
    let (mut steps, hooks) = references::run(&mut scene);
    expressions::run(&mut scene, &mut steps);
    files::run(&mut scene);
    schedules::run(&mut scene);
    pace::run(&mut scene, history);
    satisfiable::run(&mut scene);
    let order = cycle::run(&mut scene, &steps);
    let mut flows = infer::Flows::default();
    scene.steps = &steps;
    if let Some(order) = &order {
        reachable::run(&mut scene, order);
        // Column checks need a graph whose names mean something; without one they would only repeat.
        flows = infer::run(&mut scene, order);
        handed::run(&mut scene, &flows.shapes);
        effects::run(&mut scene);
        test_rows::run(&mut scene, order, &flows.shapes);
        delay::run(&mut scene, &flows.shapes);
        signature::run(&mut scene, &flows.shapes);
        guard::run(&mut scene);
        fairness::run(&mut scene, &flows.shapes);
        seed::run(&mut scene);
    }
    secrets::run(&mut scene);
    unused::run(&mut scene, &hooks);
    let out = scene.out;
    if order.is_none()
        || out
            .iter()
            .any(|found| found.severity == Severity::Error && found.code.starts_with('S'))
    {
        return (out, None);
    }
    let defined = Arc::new(features.definitions.clone());
    let pipeline = pipeline(request, draft, (project, defined), level, steps, hooks, flows);
    (out, pipeline)
}

/// Sections that a run keeps as bound, or that say nothing themselves.
const BOUND: [&str; 6] = ["version", "name", "include", "params", "datasets", "steps"];

fn pipeline(
    request: &CheckRequest<'_>,
    draft: &Draft,
    (project, features): (Option<&Project>, Arc<FeatureDefinitions>),
    level: CheckLevel,
    steps: Vec<Wired>,
    hooks: Vec<WiredHook>,
    flows: infer::Flows,
) -> Option<Pipeline> {
    Some(Pipeline {
        name: draft.spec.name.parse().ok()?,
        file: draft.loaded.path.clone(),
        documents: documents(request, draft),
        hash: draft.hash,
        spec: draft.spec.clone(),
        project: project.cloned(),
        level,
        steps,
        hooks,
        contracts: draft
            .contracts
            .iter()
            .map(|(name, known)| (name.clone(), known.contract.clone()))
            .collect(),
        expansion: draft.expansion.for_runs(),
        shapes: flows.shapes,
        reads: flows.reads,
        features,
        sections: draft
            .root
            .entries()
            .iter()
            .filter(|entry| !BOUND.contains(&&*entry.key))
            .map(|entry| (entry.key.to_string(), entry.value.to_value()))
            .collect(),
        as_written: draft
            .root
            .get("steps")
            .map(super::reader::Node::entries)
            .unwrap_or_default()
            .iter()
            .map(|entry| (entry.key.to_string(), entry.value.to_value()))
            .collect(),
    })
}

/// Every file that a pipeline was read from.
fn documents(request: &CheckRequest<'_>, draft: &Draft) -> Vec<String> {
    let read = draft.files().map(|file| file.path.as_str());
    let named = draft.documents.keys().map(String::as_str);
    let all: BTreeSet<&str> = read.chain(named).chain(request.project).collect();
    all.into_iter().map(str::to_owned).collect()
}

/// All kinds of steps by name, for proposals.
pub(crate) fn kind_names(catalogue: &Catalogue) -> Vec<&'static str> {
    catalogue.iter().map(|(name, _)| name).collect()
}
