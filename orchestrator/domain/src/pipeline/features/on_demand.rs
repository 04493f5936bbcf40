//! On-demand views: what they take, and expressions typed at the word.

use super::Source;
use super::resolve::{Desk, reference};
use crate::diagnostic::Span;
use crate::pipeline::checks::found;
use crate::pipeline::locate;
use crate::pipeline::rules;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use trainyard_contract::feature::file::OnDemandSpec;
use trainyard_contract::feature::{DerivedFeature, FeatureRef, Key, OnDemandView};
use trainyard_contract::{DataType, Path};
use trainyard_expressions::Expression;

pub(super) fn view(
    desk: &mut Desk<'_>,
    source: &Source,
    name: &str,
    spec: &OnDemandSpec,
) -> Option<OnDemandView> {
    let at = Path::root().key("on_demand").key(name);
    let inputs = inputs(desk, source, &at, spec);
    let view = OnDemandView {
        name: name.to_owned(),
        request: spec
            .request
            .iter()
            .map(|(name, data_type)| Key {
                name: name.clone(),
                data_type: data_type.clone(),
            })
            .collect(),
        inputs: inputs.iter().map(|(reference, ..)| reference.clone()).collect(),
        features: spec
            .features
            .iter()
            .map(|(name, of)| {
                let derived = DerivedFeature {
                    data_type: of.data_type.clone(),
                    expr: of.expr.clone(),
                    description: of.description.clone(),
                    unit: of.unit.clone(),
                };
                (name.clone(), derived)
            })
            .collect(),
        description: spec.description.clone(),
        owner: spec.owner.clone(),
        tags: spec.tags.clone(),
    };
    expressions(desk, source, &at, spec, &view, &inputs);
    Some(view)
}

type Input = (FeatureRef, DataType, Span);

fn inputs(desk: &mut Desk<'_>, source: &Source, at: &Path, spec: &OnDemandSpec) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for (index, text) in spec.inputs.iter().enumerate() {
        let place = desk.at(source, &at.key("inputs").index(index));
        let Some(reference) = reference(desk, place, text) else {
            continue;
        };
        let definitions = &desk.features.definitions;
        let fault = if definitions.on_demand.contains_key(&reference.view) {
            Some((
                format!("`{}` is computed on demand itself", reference.view),
                "take what it is made of, and compute both in one view",
            ))
        } else if reference.feature().is_none() {
            Some((
                format!("`{reference}` names no single feature"),
                "name each feature: `view:feature`",
            ))
        } else if reference.version.is_some() {
            Some((
                format!("`{reference}` names a version"),
                "an on-demand view goes with the present version: `view:feature`",
            ))
        } else if inputs.iter().any(|(known, ..)| *known == reference) {
            Some((format!("`{reference}` is an input already"), "take it out"))
        } else {
            None
        };
        if let Some((message, help)) = fault {
            desk.add(
                found("S01/wrong-value", place, message)
                    .label("no input")
                    .help(help),
            );
            continue;
        }
        let feature = reference.feature().and_then(|feature| {
            let view = definitions.views.get(&reference.view)?;
            view.features.get(feature)
        });
        if let Some(feature) = feature {
            let data_type = feature.data_type.clone();
            inputs.push((reference, data_type, place));
        }
    }
    inputs
}

fn expressions(
    desk: &mut Desk<'_>,
    source: &Source,
    at: &Path,
    spec: &OnDemandSpec,
    view: &OnDemandView,
    inputs: &[Input],
) {
    // What expressions may name, in the order of `OnDemandView::columns`.
    let mut types: IndexMap<String, DataType> = IndexMap::new();
    let mut places: BTreeMap<String, (Span, &str)> = BTreeMap::new();
    for (field, data_type) in &spec.request {
        let place = desk.key(source, &at.key("request").key(field));
        types.insert(field.clone(), data_type.clone());
        places.insert(field.clone(), (place, "field of the request"));
    }
    for ((name, _), (_, data_type, place)) in view.input_names().into_iter().zip(inputs) {
        if let Some((other, _)) = places.get(&name) {
            let finding = found(
                "S01/duplicate-name",
                *place,
                format!("`{name}` is a field of the request as well"),
            )
            .label("which of them?")
            .also(*other, "the field")
            .help("rename the field");
            desk.add(finding);
            continue;
        }
        types.insert(name.clone(), data_type.clone());
        places.insert(name, (*place, "input"));
    }
    let mut used: Vec<String> = Vec::new();
    let mut is_sound = inputs.len() == spec.inputs.len();
    for (feature, of) in &spec.features {
        let key = desk.key(source, &at.key("features").key(feature));
        if let Some((other, what)) = places.get(feature) {
            let finding = found(
                "S01/duplicate-name",
                key,
                format!("`{feature}` is a {what} as well"),
            )
            .label("a second meaning")
            .also(*other, format!("the {what}"))
            .help("give the feature a name of its own");
            desk.add(finding);
            is_sound = false;
            continue;
        }
        let known: Vec<(&str, &DataType)> = types.iter().map(|(name, kind)| (name.as_str(), kind)).collect();
        match Expression::compile_as(&of.expr, &known, &of.data_type) {
            Ok(expression) => {
                let names = expression.uses().iter().filter_map(|at| known.get(*at));
                used.extend(names.map(|(name, _)| (*name).to_owned()));
            }
            Err(faults) => {
                let path = at.key("features").key(feature).key("expr");
                let node = source.loaded.root.as_ref().map(|root| root.find(&path.0).node);
                for fault in faults {
                    // What could not be resolved among the inputs is not told again where it is used.
                    if !is_sound && fault.message.starts_with("there is no column") {
                        continue;
                    }
                    let span = match node {
                        Some(node) if !fault.range.is_empty() => {
                            locate::of_range(desk.sources, node, fault.range)
                        }
                        _ => desk.at(source, &path),
                    };
                    let code = rules::of_finding(fault.code, &fault.message);
                    let finding = found(code, span, fault.message);
                    desk.add(match fault.help {
                        Some(help) => finding.help(help),
                        None => finding,
                    });
                }
                is_sound = false;
            }
        }
        types.insert(feature.clone(), of.data_type.clone());
    }
    if !is_sound {
        return;
    }
    for (name, (place, what)) in places {
        if !used.contains(&name) {
            let finding = found(
                "S06/unused-input",
                place,
                format!("no expression uses the {what} `{name}`"),
            )
            .label("used by none")
            .help("use it, or take it out");
            desk.add(finding);
        }
    }
}
