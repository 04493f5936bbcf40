//! Two environments for people, for programs and for pull requests.

use super::{Deployment, EnvironmentDifference, ModelStanding, PipelineDifference};
use crate::plan::changes::short;
use crate::plan::render::{Style, change_rows, change_table, code, escaped};
use std::fmt::Write;

/// As text, a paragraph each for pipelines that differ, with a summary below.
pub fn human(of: &EnvironmentDifference, style: Style) -> String {
    let mut out = String::new();
    // A write to a text cannot fail.
    let _ = writeln!(
        out,
        "{}what {} has and {} has not",
        style.paint("1", "Diff     "),
        of.this,
        of.other
    );
    for pipeline in of.pipelines.iter().filter(|pipeline| pipeline.differs()) {
        let _ = writeln!(out, "\n{}", style.paint("1", pipeline.pipeline.as_str()));
        for line in standings(of, pipeline) {
            let _ = writeln!(out, "  {line}");
        }
        let width = pipeline
            .values
            .iter()
            .map(|value| value.path.chars().count())
            .max()
            .unwrap_or(0);
        for value in &pipeline.values {
            let shown = |side: &Option<_>| side.as_ref().map_or_else(|| "nothing".to_owned(), short);
            let _ = writeln!(
                out,
                "  ~ {:<width$}  {} -> {}",
                value.path,
                shown(&value.before),
                shown(&value.now)
            );
        }
        change_table(&mut out, &pipeline.changes, style);
    }
    let _ = writeln!(out, "\n{}", summary(of));
    out
}

/// What stands where: runs with their versions, and models.
fn standings(of: &EnvironmentDifference, pipeline: &PipelineDifference) -> Vec<String> {
    let side = |environment: &str, deployment: &Option<Deployment>| match deployment {
        Some(deployment) => format!(
            "{environment} run {} of version {}",
            deployment.run.short(),
            deployment.version.short()
        ),
        None => format!("nothing has succeeded in {environment}"),
    };
    let mut lines = vec![format!(
        "{}; {}",
        side(&of.this, &pipeline.this),
        side(&of.other, &pipeline.other)
    )];
    let steps = pipeline.steps();
    if !steps.is_empty() {
        lines.push(format!("steps that differ: {}", steps.join(", ")));
    }
    let of_model = |environment: &str, standing: &Option<ModelStanding>| match standing {
        Some(standing) => {
            let aliases = standing.aliases.iter().map(|alias| format!(" @{alias}"));
            format!(
                "{environment} version {}{}",
                standing.version,
                aliases.collect::<String>()
            )
        }
        None => format!("{environment} none"),
    };
    for model in &pipeline.models {
        lines.push(format!(
            "model {}: {}; {}",
            model.model,
            of_model(&of.this, &model.this),
            of_model(&of.other, &model.other)
        ));
    }
    lines
}

fn summary(of: &EnvironmentDifference) -> String {
    let all = of.pipelines.len();
    let differ = of.pipelines.iter().filter(|pipeline| pipeline.differs()).count();
    let pipelines = if all == 1 {
        "1 pipeline".to_owned()
    } else {
        format!("{all} pipelines")
    };
    let verb = if differ == 1 { "differs" } else { "differ" };
    format!("{pipelines}: {differ} {verb}, {} alike.", all - differ)
}

/// For comments on pull requests.
pub fn markdown(of: &EnvironmentDifference) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "### What `{}` has and `{}` has not\n\n{}",
        of.this,
        of.other,
        summary(of)
    );
    for pipeline in of.pipelines.iter().filter(|pipeline| pipeline.differs()) {
        let _ = writeln!(out, "\n#### {}\n", code(pipeline.pipeline.as_str()));
        for line in standings(of, pipeline) {
            let _ = writeln!(out, "- {}", escaped(&line));
        }
        if !pipeline.values.is_empty() {
            let _ = writeln!(
                out,
                "\n| value | {} | {} |\n| --- | --- | --- |",
                escaped(&of.other),
                escaped(&of.this)
            );
            for value in &pipeline.values {
                let cell =
                    |side: &Option<_>| side.as_ref().map(|value| code(&short(value))).unwrap_or_default();
                let _ = writeln!(
                    out,
                    "| {} | {} | {} |",
                    code(&value.path),
                    cell(&value.before),
                    cell(&value.now)
                );
            }
        }
        change_rows(&mut out, &pipeline.changes);
    }
    out
}

/// As a document.
pub fn json(of: &EnvironmentDifference) -> serde_json::Value {
    let mut document = serde_json::json!(of);
    document["differs"] = of.differs().into();
    for (at, pipeline) in of.pipelines.iter().enumerate() {
        document["pipelines"][at]["differs"] = pipeline.differs().into();
        document["pipelines"][at]["steps"] = serde_json::json!(pipeline.steps());
    }
    document
}
