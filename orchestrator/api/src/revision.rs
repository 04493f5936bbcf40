//! Pipelines as of a git revision. What an environment and its roles demand is still what they demand now:
//! an older file is no way around a rule that was made since.

use crate::problem::Problem;
use crate::project::{ProjectFolder, diagnostics_of};
use serde_json::Value;
use std::sync::Arc;
use trainyard_contract::finding::nearest;
use trainyard_domain::pipeline::Pipeline;
use trainyard_engine::{Checkout, GitError, PROJECT_FILE, RevisionError, RevisionFiles, pipeline_files};
use trainyard_store::Home;

/// The pipeline that a run is made of.
pub(crate) struct Chosen {
    pub(crate) pipeline: Arc<Pipeline>,
    /// As the project folder has it; the same if that does not.
    pub(crate) rules: Arc<Pipeline>,
    pub(crate) diagnostics: Vec<Value>,
    /// Where the files of the revision are, if one was named.
    pub(crate) checkout: Option<Checkout>,
}

impl Chosen {
    /// The pipeline whose rules hold in an environment; one that there is no more has those that it had.
    pub(crate) fn rules_in(&self, environment: Option<&str>) -> &Pipeline {
        match environment {
            Some(name) if !self.rules.environments().contains(&name) => &self.pipeline,
            _ => &self.rules,
        }
    }
}

impl ProjectFolder {
    /// A pipeline as its file is now, or as of a revision.
    pub(crate) fn choose(&self, home: &Home, name: &str, revision: Option<&str>) -> Result<Chosen, Problem> {
        let now = self.entry(name);
        let Some(revision) = revision else {
            let now = now?;
            return Ok(Chosen {
                pipeline: now.current.clone(),
                rules: now.current,
                diagnostics: now.diagnostics,
                checkout: None,
            });
        };
        let checkout = Checkout::of(home, self.root(), revision).map_err(problem)?;
        let (pipeline, diagnostics) = self.of_checkout(&checkout, name)?;
        let rules = now.map_or_else(|_| pipeline.clone(), |now| now.current);
        Ok(Chosen {
            pipeline,
            rules,
            diagnostics,
            checkout: Some(checkout),
        })
    }

    fn of_checkout(&self, checkout: &Checkout, name: &str) -> Result<(Arc<Pipeline>, Vec<Value>), Problem> {
        let entries = pipeline_files(checkout.folder()).unwrap_or_default();
        let files = RevisionFiles::new(checkout, self.root().to_owned());
        let has_file = checkout.folder().join(PROJECT_FILE).is_file();
        let checked = self.check(&entries, &files, has_file);
        let found = checked
            .pipelines
            .iter()
            .find(|pipeline| pipeline.name().as_str() == name);
        if let Some(found) = found {
            return Ok((found.clone(), diagnostics_of(&checked, found.file())));
        }
        let version = checkout.version();
        let of_name = entries.iter().find(|file| {
            let stem = std::path::Path::new(file).file_stem();
            stem.is_some_and(|stem| stem == name)
        });
        if let Some(file) = of_name {
            let problem = Problem::refused(
                "pipeline-faulty",
                format!("{file} has faults at revision {version}"),
            );
            return Err(problem.diagnostics(diagnostics_of(&checked, file)));
        }
        let problem = Problem::refused(
            "pipeline-not-at-revision",
            format!(
                "there is no pipeline `{}` at revision {version}",
                crate::problem::cut(name)
            ),
        );
        let names = checked.pipelines.iter().map(|pipeline| pipeline.name().as_str());
        Err(match nearest(name, names) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem,
        })
    }
}

fn problem(error: RevisionError) -> Problem {
    if !error.is_of_request() {
        return Problem::internal("get the files of a revision", &error);
    }
    let code = match &error {
        RevisionError::Malformed(_) => "revision-invalid",
        RevisionError::Unknown { .. } | RevisionError::NoFolder { .. } => "revision-not-found",
        RevisionError::Git(GitError::Missing) | RevisionError::NoRepository(_) => "no-repository",
        _ => "revision-refused",
    };
    // The server's own folder is nobody's business.
    let detail = match &error {
        RevisionError::NoRepository(_) => "the project is in no git repository".to_owned(),
        error => error.to_string(),
    };
    let problem = Problem::refused(code, detail);
    match error.help() {
        Some(help) => problem.help(help),
        None => problem,
    }
}
