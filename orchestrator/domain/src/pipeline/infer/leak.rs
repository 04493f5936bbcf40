//! Leaks into a model that its step did not report itself (M01, M02): a safety net below what the
//! kinds of steps know.
//!
//! Why: a model that sees the future, or its own label, looks excellent and is useless.

use super::{Scene, found};
use crate::pipeline::rules::covers;
use trainyard_contract::{Inference, Shape};

pub(super) fn check(scene: &mut Scene<'_>, index: usize, inference: &Inference) {
    let draft = scene.draft;
    let (Some((step, _)), Some(entry)) = (draft.spec.steps.get_index(index), draft.step_entry(index)) else {
        return;
    };
    let reported = |family: &str| {
        inference
            .findings
            .iter()
            .any(|finding| covers(family, &finding.code))
    };
    let span = entry
        .value
        .get("inputs")
        .and_then(|inputs| {
            inputs
                .get("train")
                .or_else(|| inputs.entries().first().map(|first| &first.value))
        })
        .map_or(entry.key_span, |node| node.span);
    for shape in inference.outputs.values() {
        let Shape::Model { features, label } = shape else {
            continue;
        };
        if let Some(predict_at) = features.predict_at.as_deref().filter(|_| !reported("M01")) {
            for column in &features.columns {
                let Some(known_at) = &column.known_at else {
                    continue;
                };
                if known_at.is_after(predict_at) == Some(true) {
                    let message = format!(
                        "the feature `{}` of `{step}` is known at {}, after the prediction at {predict_at}",
                        column.name, known_at.moment
                    );
                    scene.add(
                        found("M01/known-too-late", span, message)
                            .label(format!("`{}` is known too late", column.name))
                            .help(format!("leave `{}` out of the features", column.name)),
                    );
                }
            }
        }
        if let Some(label) = label.as_deref().filter(|_| !reported("M02"))
            && features.column(label).is_some()
        {
            scene.add(
                found(
                    "M02/label-among-features",
                    span,
                    format!("the label `{label}` of `{step}` is among its features"),
                )
                .label("holds the label")
                .help(format!("leave `{label}` out of the features")),
            );
        }
    }
}
