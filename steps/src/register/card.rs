//! The model card (Mitchell et al. 2019): what a model is, how it was made and how good it is.

use super::Subject;
use serde_json::{Value, json};
use std::fmt::Write;
use trainyard_models::{FeatureKind, Predictor, Task};

/// The card as JSON.
pub(super) fn card(subject: &Subject<'_>) -> Value {
    let model = subject.model;
    json!({
        "format": "trainyard.model_card/1",
        "name": subject.params.name,
        "description": subject.params.description,
        "tags": subject.params.tags,
        "model": {
            "hash": subject.artifact.hash.to_string(),
            "bytes": subject.artifact.size,
            "algorithm": model.algorithm(),
            "trees": model.trees(),
            "label": model.label(),
            "features": model.features(),
            "training": model.summary(),
            "importance_in_training": model.training_importance().into_iter()
                .map(|(feature, share)| json!({"feature": feature, "share": share})).collect::<Vec<_>>(),
        },
        "made_by": {"pipeline": subject.pipeline, "step": subject.step, "run": subject.run},
        "metrics": subject.metrics,
        "evaluation": subject.evaluation.map(|twin| json!({
            "rows": twin["rows"], "passed": twin["passed"], "gates": twin["gates"], "slices": twin["slices"],
        })),
    })
}

/// The card as a text to read.
pub(super) fn markdown(subject: &Subject<'_>) -> String {
    let model = subject.model;
    let label = model.label();
    let mut text = format!("# {}\n\n", plain(&subject.params.name));
    if let Some(description) = &subject.params.description {
        let _ = writeln!(text, "{}\n", plain(description));
    }
    let predicts = match &label.task {
        Task::Binary { negative, positive } => {
            format!(
                "the probability that `{}` is `{}` and not `{}`",
                plain(&label.name),
                plain(positive),
                plain(negative)
            )
        }
        Task::Multiclass { classes } => {
            let classes: Vec<String> = classes
                .iter()
                .map(|class| format!("`{}`", plain(class)))
                .collect();
            format!(
                "the probability of each `{}`: {}",
                plain(&label.name),
                classes.join(", ")
            )
        }
        Task::Regression => format!("`{}`, a number", plain(&label.name)),
        Task::Cluster => format!("`{}`, the number of a cluster", plain(&label.name)),
    };
    let summary = model.summary();
    let _ = write!(
        text,
        "Predicts {predicts}.\n\n| | |\n| --- | --- |\n| algorithm | {} |\n| trained on | {} rows, seed {} |\n\
         | made by | step `{}` of pipeline `{}`, {} |\n| content | `{}` |\n\n## Features\n\n| name | values |\n| --- | --- |\n",
        model.algorithm().name(),
        crate::table::grouped(summary.rows),
        summary.seed,
        plain(&subject.step),
        plain(&subject.pipeline),
        plain(&subject.run),
        subject.artifact.hash,
    );
    for feature in model.features() {
        let values = match &feature.kind {
            FeatureKind::Numeric => feature.data_type.clone().unwrap_or_else(|| "number".to_owned()),
            FeatureKind::Categorical { categories } => format!("{} categories", categories.len()),
        };
        let _ = writeln!(text, "| {} | {} |", plain(&feature.name), plain(&values));
    }
    if !subject.metrics.is_empty() {
        text.push_str("\n## Metrics on test rows\n\n| metric | value |\n| --- | --- |\n");
        for (name, value) in subject.metrics {
            let _ = writeln!(text, "| {} | {value:.4} |", plain(name));
        }
    }
    if let Some(gates) = subject
        .evaluation
        .and_then(|twin| twin["gates"].as_array())
        .filter(|gates| !gates.is_empty())
    {
        text.push_str("\n## Gates\n\n| gate | passed | found |\n| --- | --- | --- |\n");
        for gate in gates {
            let _ = writeln!(
                text,
                "| {} | {} | {} |",
                plain(gate["gate"].as_str().unwrap_or_default()),
                if gate["passed"] == true { "yes" } else { "no" },
                plain(gate["found"].as_str().unwrap_or_default())
            );
        }
    }
    text
}

/// Text that neither breaks a table nor becomes markup.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '|' => "\\|".to_owned(),
            '<' => "&lt;".to_owned(),
            '`' => "'".to_owned(),
            c if c.is_control() => " ".to_owned(),
            c => c.to_string(),
        })
        .collect()
}
