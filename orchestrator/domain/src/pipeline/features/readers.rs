//! Who takes features: steps that name them, and the models that their pipelines register.

use crate::pipeline::{Checked, Pipeline, PipelineSpec};
use serde_json::Value;
use std::collections::BTreeSet;
use trainyard_contract::feature::{FeatureDefinitions, FeaturePick, FeatureRef};

/// Whether steps of a pipeline name a view, and which: by a feature of it, by a service or on-demand view that has one, or as
/// `features:VIEW` among their inputs. With `feature`, only those that take this one.
pub(in crate::pipeline) fn steps_reading(
    pipeline: &PipelineSpec,
    definitions: &FeatureDefinitions,
    view: &str,
    feature: Option<&str>,
) -> BTreeSet<String> {
    let mut readers = BTreeSet::new();
    for (step, spec) in &pipeline.steps {
        let with = Value::Object(spec.with.clone());
        let mut reads = false;
        each_text(&with, &mut |text| {
            reads |= names(definitions, text, view, feature);
        });
        for input in spec.inputs.values() {
            let named = input.strip_prefix("features:");
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

/// Somebody who reads a view or a feature of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeatureReader {
    /// `step`, `on-demand view`, `service` or `model`.
    pub kind: &'static str,
    pub name: String,
    pub pipeline: Option<String>,
}

impl Checked {
    /// Who reads a view, or a feature of it: on-demand views, services, steps, and the models that their pipelines register.
    pub fn readers_of_feature(&self, view: &str, feature: Option<&str>) -> Vec<FeatureReader> {
        let definitions = &self.features;
        let reads =
            |references: &[FeatureRef]| references.iter().any(|of| takes(definitions, of, view, feature));
        let mut readers = Vec::new();
        let mut add = |kind, name: &str, pipeline: Option<&str>| {
            readers.push(FeatureReader {
                kind,
                name: name.to_owned(),
                pipeline: pipeline.map(str::to_owned),
            });
        };
        for of in definitions.on_demand.values().filter(|of| reads(&of.inputs)) {
            add("on-demand view", &of.name, None);
        }
        for of in definitions.services.values().filter(|of| reads(&of.features)) {
            add("service", &of.name, None);
        }
        for pipeline in &self.pipelines {
            let steps = steps_reading(pipeline.spec(), definitions, view, feature);
            for step in &steps {
                add("step", step, Some(pipeline.name().as_str()));
            }
            if !steps.is_empty() {
                for model in models(&[pipeline.as_ref()]) {
                    add("model", &model, Some(pipeline.name().as_str()));
                }
            }
        }
        readers
    }
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
