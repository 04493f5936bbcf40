//! Inputs: where each comes from, and whether it is of the kind that is taken.

use super::{near, near_step, step_key, value_of};
use crate::diagnostic::Span;
use crate::pipeline::checks::{Finding, Scene, found};
use crate::pipeline::reader::Node;
use crate::pipeline::wiring::{Kind, Reference, Source, Wired, port};
use indexmap::IndexMap;
use std::sync::Arc;
use trainyard_contract::finding::Names;
use trainyard_contract::task::OutputDeclaration;
use trainyard_contract::{ArtifactKind, Ports};

pub(super) fn inputs(
    scene: &mut Scene<'_>,
    index: usize,
    outputs: &[IndexMap<String, OutputDeclaration>],
    kinds: &[Option<Arc<Kind>>],
    names: &Names<'_>,
    wired: &mut Wired,
) {
    let draft = scene.draft;
    let Some((name, step)) = draft.spec.steps.get_index(index) else {
        return;
    };
    let ports = wired.kind.as_ref().map(|kind| &kind.signature.inputs);
    for (input, text) in &step.inputs {
        let Some(entry) = value_of(scene, index, &["inputs", input]) else {
            continue;
        };
        let (key_span, span, value) = (entry.key_span, entry.value.span, &entry.value);
        let mut many = false;
        let mut wanted: Option<Vec<ArtifactKind>> = None;
        match ports {
            Some(ports @ Ports::Named(all)) => match port(ports, input) {
                Some(port) => {
                    many = port.many;
                    wanted = Some(vec![port.kind]);
                }
                None => {
                    let names: Vec<&str> = all.iter().map(|port| port.name).collect();
                    let free = names
                        .iter()
                        .copied()
                        .filter(|name| !step.inputs.contains_key(*name));
                    let finding = found(
                        "S02/unknown-input",
                        key_span,
                        format!("`{}` has no input `{input}`", wired.uses),
                    )
                    .label("no such input");
                    let otherwise = if names.is_empty() {
                        "it takes no inputs".to_owned()
                    } else {
                        format!("its inputs are {}", names.join(", "))
                    };
                    scene.add(near(finding, input, free, &otherwise));
                }
            },
            Some(Ports::Any { kinds, .. }) => {
                wanted = Some(kinds.clone());
                many = true;
            }
            Some(Ports::SameAsInputs(_)) | None => many = true,
        }
        let Some(reference) = Reference::parse(text) else {
            scene.add(
                found(
                    "S02/unknown-output",
                    span,
                    format!("`{text}` is neither a dataset nor an output"),
                )
                .label("cannot be read")
                .help("write a dataset's name, `step.output`, `step[*].output`, `registry:MODEL@ALIAS` or `features:VIEW`"),
            );
            continue;
        };
        match reference {
            Reference::Dataset(dataset) => {
                if draft.spec.datasets.contains_key(dataset) {
                    check_kind(
                        scene,
                        span,
                        input,
                        &wired.uses,
                        wanted.as_deref(),
                        ArtifactKind::Table,
                        "a dataset",
                    );
                    wired
                        .inputs
                        .insert(input.clone(), Source::Dataset(dataset.to_owned()));
                } else {
                    let finding = unknown_dataset(scene, dataset, span, outputs);
                    scene.add(finding);
                }
            }
            Reference::Registry {
                model,
                alias,
                optional,
            } => {
                check_kind(
                    scene,
                    span,
                    input,
                    &wired.uses,
                    wanted.as_deref(),
                    ArtifactKind::Model,
                    "a registered model",
                );
                let source = Source::Registry {
                    model: model.to_owned(),
                    alias: alias.to_owned(),
                    optional,
                };
                wired.inputs.insert(input.clone(), source);
            }
            Reference::Features(features) => {
                check_kind(
                    scene,
                    span,
                    input,
                    &wired.uses,
                    wanted.as_deref(),
                    ArtifactKind::Table,
                    "a feature view",
                );
                wired.inputs.insert(input.clone(), Source::Features(features));
            }
            Reference::Output {
                step: from,
                output,
                all,
            } => {
                // Where a part of a step is named, that is reported already.
                if from.contains('.') && draft.is_patchy && !draft.spec.steps.contains_key(from) {
                    continue;
                }
                let Some(from_index) = step_index(scene, from, (value, span), name, names) else {
                    continue;
                };
                let known = &outputs[from_index];
                let Some(declaration) = known.get(output) else {
                    // Nothing is known of the outputs of a step whose kind is not known.
                    if kinds[from_index].is_some() || !known.is_empty() {
                        let finding =
                            unknown_output(scene, value, from, output, known.keys().map(String::as_str));
                        scene.add(finding);
                    }
                    wired.order.insert(from_index);
                    continue;
                };
                let from_step = draft.spec.steps.get_index(from_index).map(|(_, step)| step);
                let from_matrix = from_step.is_some_and(|step| step.matrix.is_some());
                let from_items = from_step.is_some_and(|step| step.for_each.is_some());
                let cells = match (from_matrix, from_items) {
                    (_, true) => Some(("runs for each item of a list", "items")),
                    (true, false) => Some(("has a matrix", "cells")),
                    (false, false) => None,
                };
                matrix(scene, value, (from, output), all, cells, many, input);
                check_kind(
                    scene,
                    span,
                    input,
                    &wired.uses,
                    wanted.as_deref(),
                    declaration.kind,
                    &format!("`{from}.{output}`"),
                );
                let source = Source::Output {
                    step: from_index,
                    output: output.to_owned(),
                    all: from_matrix || from_items,
                };
                wired.inputs.insert(input.clone(), source);
            }
        }
    }
    if draft.damaged.contains(name) {
        return;
    }
    match ports {
        Some(Ports::Named(ports)) => {
            for port in ports
                .iter()
                .filter(|port| port.required && !step.inputs.contains_key(port.name))
            {
                let span = value_of(scene, index, &["inputs"])
                    .map_or_else(|| step_key(scene, index), |entry| entry.key_span);
                scene.add(
                    found(
                        "S02/missing-input",
                        span,
                        format!("`{name}` lacks the input `{}`", port.name),
                    )
                    .label(format!("`{}` is missing", port.name))
                    .help(format!(
                        "add `{}: step.output`: {}",
                        port.name,
                        port.doc.trim_end_matches('.')
                    )),
                );
            }
        }
        Some(Ports::Any { min, .. }) if step.inputs.len() < *min => {
            let span = value_of(scene, index, &["inputs"])
                .map_or_else(|| step_key(scene, index), |entry| entry.key_span);
            let message = format!(
                "`{name}` has {} inputs; `{}` needs at least {min}",
                step.inputs.len(),
                wired.uses
            );
            scene.add(
                found("S02/missing-input", span, message)
                    .label("too few")
                    .help("add `NAME: step.output`"),
            );
        }
        _ => {}
    }
}

fn check_kind(
    scene: &mut Scene<'_>,
    span: Span,
    input: &str,
    uses: &str,
    wanted: Option<&[ArtifactKind]>,
    kind: ArtifactKind,
    what: &str,
) {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        return;
    };
    // A registered version stands for its model, and a dataset for a file of any kind.
    let fits = wanted.contains(&kind)
        || (kind == ArtifactKind::ModelVersion && wanted.contains(&ArtifactKind::Model))
        || (what == "a dataset" && wanted.contains(&ArtifactKind::File));
    if fits {
        return;
    }
    let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let is = if what == "a dataset" {
        "a table".to_owned()
    } else {
        format!("of kind {kind}")
    };
    scene.add(
        found(
            "S02/wrong-kind",
            span,
            format!(
                "{what} is {is}; `{input}` of `{uses}` takes {}",
                names.join(" or ")
            ),
        )
        .label(format!("not {}", names.join(" or ")))
        .help(format!("give it an output of kind {}", names.join(" or "))),
    );
}

fn step_index(
    scene: &mut Scene<'_>,
    from: &str,
    (value, span): (&Node, Span),
    own: &str,
    names: &Names<'_>,
) -> Option<usize> {
    let draft = scene.draft;
    if let Some(index) = draft.spec.steps.get_index_of(from) {
        return Some(index);
    }
    let span = crate::pipeline::locate::of_word(scene.sources, value, from).unwrap_or(span);
    let finding = found("S02/unknown-step", span, format!("there is no step `{from}`")).label("no such step");
    scene.add(near_step(finding, from, names, own));
    None
}

fn unknown_output<'n>(
    scene: &Scene<'_>,
    value: &Node,
    from: &str,
    output: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) -> Finding {
    // The word after the dot, even if the step is called the same.
    let text = scene
        .sources
        .file(value.span.file)
        .and_then(|file| file.text.get(value.span.start..value.span.end));
    let span = text
        .and_then(|text| text.rfind(&format!(".{output}")))
        .map_or(value.span, |at| {
            let start = value.span.start + at + 1;
            Span {
                start,
                end: start + output.len(),
                ..value.span
            }
        });
    let finding = found(
        "S02/unknown-output",
        span,
        format!("step `{from}` has no output `{output}`"),
    )
    .label("no such output");
    let all: Vec<&str> = names.clone().collect();
    let otherwise = if all.is_empty() {
        format!("declare it under `outputs:` of `{from}`")
    } else {
        format!("outputs of `{from}` are {}", all.join(", "))
    };
    near(finding, output, names, &otherwise)
}

fn unknown_dataset(
    scene: &Scene<'_>,
    dataset: &str,
    span: Span,
    outputs: &[IndexMap<String, OutputDeclaration>],
) -> Finding {
    let steps = &scene.draft.spec.steps;
    let finding = found(
        "S02/unknown-dataset",
        span,
        format!("there is no dataset `{dataset}`"),
    )
    .label("no such dataset");
    if let Some(index) = steps.get_index_of(dataset) {
        let names: Vec<String> = outputs[index]
            .keys()
            .map(|output| format!("{dataset}.{output}"))
            .collect();
        return match names.as_slice() {
            [one] => finding.did_you_mean(one),
            [] => finding.help(format!("`{dataset}` is a step; name one of its outputs")),
            _ => finding.help(format!(
                "`{dataset}` is a step; write one of {}",
                names.join(", ")
            )),
        };
    }
    let names = scene.draft.spec.datasets.keys().map(String::as_str);
    near(
        finding,
        dataset,
        names,
        "declare it under `datasets:`, or write `step.output`",
    )
}

fn matrix(
    scene: &mut Scene<'_>,
    value: &Node,
    (from, output): (&str, &str),
    all: bool,
    cells: Option<(&str, &str)>,
    many: bool,
    input: &str,
) {
    let (fine, code, message, help) = match (cells, all) {
        (Some((why, cells)), false) => (
            false,
            "S02/matrix-not-collected",
            format!("`{from}` {why}, so `{from}.{output}` is one output for each of its {cells}"),
            format!("{from}[*].{output}"),
        ),
        (None, true) => (
            false,
            "S02/not-a-matrix",
            format!("`{from}` has no matrix, so there is one `{output}` and nothing to collect"),
            format!("{from}.{output}"),
        ),
        (Some(_), true) if !many => {
            let finding = found(
                "S02/wrong-kind",
                value.span,
                format!("`{input}` takes one output, and `{from}[*].{output}` is all of them"),
            )
            .label("more than one")
            .help("choose one in a step of its own, e.g. one that takes all candidates");
            scene.add(finding);
            return;
        }
        _ => (true, "", String::new(), String::new()),
    };
    if !fine {
        let finding = found(code, value.span, message).label(if all { "no matrix" } else { "not collected" });
        let quoted = if all { help.clone() } else { format!("\"{help}\"") };
        let mut finding = finding.did_you_mean(&help);
        if let Some(fix) = finding.0.fix.as_mut() {
            fix.replacement = quoted;
        }
        scene.add(finding);
    }
}
