//! Changes of a view that others do not survive (D04), before they land.
//!
//! Why: a view's new definition is another version, and whoever asks for it without naming one gets the new values: a training
//! set joined by other keys, a model fed with another type. What was before is told by the store, or by another revision
//! of the project.
//!
//! ```yaml
//! features: {temp: {type: int64}}      # float64 before, and read by `flight_delay`: D04/breaks-feature-readers
//! ```

use super::Features;
use super::readers::{models, steps_reading, takes};
use crate::diagnostic::{Diagnostic, Sources};
use crate::pipeline::Pipeline;
use crate::pipeline::checks::found;
use crate::pipeline::draft::Draft;
use crate::pipeline::history::RecordedFeatures;
use std::collections::BTreeSet;
use trainyard_contract::feature::{FeatureView, ViewChange, view_changes};

/// A pipeline's document, and the pipeline if it has no error.
pub(in crate::pipeline) type Reader<'a> = (&'a Draft, Option<&'a Pipeline>);

pub(in crate::pipeline) fn run(
    sources: &Sources,
    features: &Features,
    recorded: &RecordedFeatures,
    readers: &[Reader<'_>],
) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (name, before) in &recorded.views {
        let Some(now) = features.definitions.views.get(name) else {
            gone(sources, features, recorded, before, readers, &mut out);
            continue;
        };
        for change in view_changes(before, now) {
            if !change.breaks() {
                continue;
            }
            let feature = match &change {
                ViewChange::FeatureGone { feature } | ViewChange::FeatureType { feature, .. } => {
                    Some(feature.as_str())
                }
                _ => None,
            };
            let who = Who::reads(features, readers, name, feature);
            if who.is_nobody() {
                continue;
            }
            let (section, below): (_, Vec<&str>) = match &change {
                ViewChange::Keys => ("views", vec!["entities"]),
                ViewChange::EventTime { .. } => ("views", vec!["event_time"]),
                ViewChange::CreatedTime { .. } => ("views", vec!["created_time"]),
                ViewChange::Ttl { .. } => ("views", vec!["ttl"]),
                ViewChange::FeatureType { feature, .. } => ("views", vec!["features", feature, "type"]),
                ViewChange::FeatureGone { .. } | ViewChange::FeatureAdded { .. } => ("views", Vec::new()),
            };
            let at = if below.is_empty() {
                features.key_span(sources, section, name, &below)
            } else {
                features.span(sources, section, name, &below)
            };
            // A view that a step alone defines has no place in these files.
            let at = at.or_else(|| who.place(sources));
            let Some(at) = at else { continue };
            let message = format!("the feature view `{name}` changes for those who read it: {change}");
            let mut finding = found("D04/breaks-feature-readers", at, message)
                .label(format!("version {} {}", before.version, recorded.by))
                .note(who.sentence())
                .help(format!(
                    "give what is new a view or a name of its own, or let readers ask for `{name}@v{}:…` until they are trained anew",
                    before.version
                ));
            for (draft, step, _) in &who.steps {
                let path = trainyard_contract::Path::root().key("steps").key(step);
                finding = finding.also(
                    draft.key_span(sources, &path),
                    format!("`{}` reads it", draft.spec.name),
                );
            }
            out.push(finding.done());
        }
    }
    out
}

/// A view that is not defined any more: references to it are told as such; what reads it as an input is told here.
fn gone(
    sources: &Sources,
    features: &Features,
    recorded: &RecordedFeatures,
    before: &FeatureView,
    readers: &[Reader<'_>],
    out: &mut Vec<Diagnostic>,
) {
    let who = Who::reads(features, readers, &before.name, None);
    if let Some(at) = who.place(sources) {
        let message = format!("the feature view `{}` is gone, and it is read here", before.name);
        let finding = found("D04/breaks-feature-readers", at, message)
            .label(format!("version {} {}", before.version, recorded.by))
            .note(who.sentence())
            .help(format!(
                "keep the view until nobody reads it, or ask for `{}@v{}`",
                before.name, before.version
            ));
        out.push(finding.done());
    }
}

/// Who reads a view.
struct Who<'a> {
    steps: Vec<(&'a Draft, String, Option<&'a Pipeline>)>,
    services: BTreeSet<String>,
    on_demand: BTreeSet<String>,
}

impl<'a> Who<'a> {
    fn reads(features: &Features, readers: &[Reader<'a>], view: &str, feature: Option<&str>) -> Self {
        let definitions = &features.definitions;
        let mut steps = Vec::new();
        for (draft, pipeline) in readers {
            for step in steps_reading(&draft.spec, definitions, view, feature) {
                steps.push((*draft, step, *pipeline));
            }
        }
        let services = definitions.services.values();
        let services = services.filter(|service| {
            service
                .features
                .iter()
                .any(|of| takes(definitions, of, view, feature))
        });
        let on_demand = definitions.on_demand.values();
        let on_demand = on_demand.filter(|of| {
            of.inputs
                .iter()
                .any(|input| takes(definitions, input, view, feature))
        });
        Self {
            steps,
            services: services.map(|service| service.name.clone()).collect(),
            on_demand: on_demand.map(|of| of.name.clone()).collect(),
        }
    }

    fn is_nobody(&self) -> bool {
        self.steps.is_empty() && self.services.is_empty() && self.on_demand.is_empty()
    }

    fn place(&self, sources: &Sources) -> Option<crate::diagnostic::Span> {
        let (draft, step, _) = self.steps.first()?;
        let path = trainyard_contract::Path::root().key("steps").key(step);
        Some(draft.key_span(sources, &path))
    }

    /// `it is read by step `a` of pipeline `p`, the service `s`; the model `m` is made with it`.
    fn sentence(&self) -> String {
        let mut who: Vec<String> = Vec::new();
        for (draft, step, _) in &self.steps {
            who.push(format!("step `{step}` of pipeline `{}`", draft.spec.name));
        }
        who.extend(self.services.iter().map(|name| format!("the service `{name}`")));
        who.extend(
            self.on_demand
                .iter()
                .map(|name| format!("the on-demand view `{name}`")),
        );
        let mut sentence = format!("it is read by {}", who.join(", "));
        let pipelines: Vec<&Pipeline> = self.steps.iter().filter_map(|(.., pipeline)| *pipeline).collect();
        for model in models(&pipelines) {
            sentence.push_str(&format!("; the model `{model}` is made with it"));
        }
        sentence
    }
}
