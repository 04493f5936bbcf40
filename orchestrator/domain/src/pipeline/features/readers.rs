//! Who takes features: steps that name them, and the models that their pipelines register.

use crate::pipeline::Pipeline;
use crate::pipeline::draft::Draft;
use serde_json::Value;
use std::collections::BTreeSet;
use trainyard_contract::feature::{FeatureDefinitions, FeaturePick, FeatureRef};

/// Whether steps of a pipeline name a view, and which: by a feature of it, by a service or on-demand view that has one, or as
/// `features:VIEW` among their inputs. With `feature`, only those that take this one.
pub(in crate::pipeline) fn steps_reading(
    draft: &Draft,
    definitions: &FeatureDefinitions,
    view: &str,
    feature: Option<&str>,
) -> BTreeSet<String> {
    let mut readers = BTreeSet::new();
    for (step, spec) in &draft.spec.steps {
        let with = Value::Object(spec.with.clone());
        let mut reads = false;
        each_text(&with, &mut |text| {
            reads |= names(definitions, text, view, feature)
        });
        let inputs = draft
            .root
            .get("steps")
            .and_then(|steps| steps.get(step)?.get("inputs"));
        for input in inputs.map(|inputs| inputs.entries()).unwrap_or_default() {
            let named = input.value.text().and_then(|text| text.strip_prefix("features:"));
            reads |= named.is_some_and(|named| named.split('@').next() == Some(view));
        }
        if reads {
            readers.insert(step.clone());
        }
    }
    readers
}

/// Whether a parameter's text asks for a view, or for a feature of it.
fn names(definitions: &FeatureDefinitions, text: &str, view: &str, feature: Option<&str>) -> bool {
    if let Some(service) = definitions.services.get(text) {
        return service
            .features
            .iter()
            .any(|of| takes(definitions, of, view, feature));
    }
    text.parse::<FeatureRef>()
        .is_ok_and(|of| takes(definitions, &of, view, feature))
}

/// Whether a reference leads to a view, or to a feature of it, by itself or through an on-demand view.
pub(in crate::pipeline) fn takes(
    definitions: &FeatureDefinitions,
    reference: &FeatureRef,
    view: &str,
    feature: Option<&str>,
) -> bool {
    let is_it = |of: &FeatureRef| {
        of.view == view
            && of.version.is_none()
            && match (&of.pick, feature) {
                (FeaturePick::One(name), Some(feature)) => name == feature,
                _ => true,
            }
    };
    is_it(reference)
        || definitions
            .on_demand
            .get(&reference.view)
            .is_some_and(|on_demand| on_demand.inputs.iter().any(is_it))
}

/// Models that pipelines register.
pub(super) fn models(pipelines: &[&Pipeline]) -> BTreeSet<String> {
    pipelines
        .iter()
        .flat_map(|pipeline| pipeline.registers())
        .map(|of| of.model.to_owned())
        .collect()
}

fn each_text(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, visit)),
        Value::Object(members) => members.values().for_each(|member| each_text(member, visit)),
        _ => {}
    }
}
