//! Names of steps, outputs, datasets, contracts, kinds and channels, and the kinds of what flows.
//!
//! Why: an edge to something that does not exist would never be filled, or the order of work would
//! not be what the file says.
//!
//! ```yaml
//! train:
//!   uses: train.clasifier@v1          # S02/unknown-uses
//!   needs: [laod]                     # S02/unknown-step
//!   inputs: {train: split.trian}      # S02/unknown-output
//! ```

use super::{Finding, Scene, found, kind_names};
use crate::diagnostic::Span;
use crate::pipeline::reader::{Entry, Node};
use crate::pipeline::spec::{Channel, FailureAction, HookStep, Trigger};
use crate::pipeline::spec::{alert::AlertAction, trigger::WebhookAuth};
use crate::pipeline::wiring::{
    Kind, Occasion, Reference, SHELL, Source, Wired, WiredHook, outputs_of, port, uses_of,
};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use trainyard_contract::finding::nearest;
use trainyard_contract::task::OutputDeclaration;
use trainyard_contract::{ArtifactKind, Path, Ports};

/// A finding with the nearest of some names.
fn near<'n>(
    finding: Finding,
    word: &str,
    names: impl IntoIterator<Item = &'n str>,
    otherwise: &str,
) -> Finding {
    match nearest(word, names) {
        Some(near) => finding.did_you_mean(near),
        None if otherwise.is_empty() => finding,
        None => finding.help(otherwise.to_owned()),
    }
}

pub(super) fn run(scene: &mut Scene<'_>) -> (Vec<Wired>, Vec<WiredHook>) {
    let draft = scene.draft;
    let kinds: Vec<Option<Arc<Kind>>> = (0..draft.spec.steps.len())
        .map(|index| kind(scene, index))
        .collect();
    let outputs: Vec<IndexMap<String, OutputDeclaration>> = draft
        .spec
        .steps
        .values()
        .zip(&kinds)
        .map(|(step, kind)| outputs_of(step, kind.as_deref()))
        .collect();
    let mut wired = Vec::with_capacity(draft.spec.steps.len());
    for (index, (step, kind)) in draft.spec.steps.values().zip(&kinds).enumerate() {
        let mut next = Wired {
            uses: uses_of(step.uses.as_deref(), step.run.as_deref(), step.image.as_deref()),
            kind: kind.clone(),
            inputs: IndexMap::new(),
            outputs: outputs[index].clone(),
            order: BTreeSet::new(),
        };
        inputs(scene, index, &outputs, &kinds, &mut next);
        needs(scene, index, &mut next);
        output_ports(scene, index);
        wired.push(next);
    }
    let mut hooks = Vec::new();
    failure_actions(scene, &mut hooks);
    datasets(scene);
    triggers_and_alerts(scene);
    secrets(scene);
    tests(scene, &wired);
    (wired, hooks)
}

fn value_of<'d>(scene: &Scene<'d>, index: usize, keys: &[&str]) -> Option<&'d Entry> {
    let mut entry = scene.draft.step_entry(index)?;
    for key in keys {
        entry = entry.value.entry(key)?;
    }
    Some(entry)
}

fn step_key(scene: &Scene<'_>, index: usize) -> Span {
    scene
        .draft
        .step_entry(index)
        .map_or(scene.draft.root.span, |entry| entry.key_span)
}

fn kind(scene: &mut Scene<'_>, index: usize) -> Option<Arc<Kind>> {
    let (_, step) = scene.draft.spec.steps.get_index(index)?;
    let uses = uses_of(step.uses.as_deref(), step.run.as_deref(), step.image.as_deref());
    if step.uses.is_none() && step.run.is_none() {
        return None;
    }
    if uses.starts_with("lib:") {
        return None;
    }
    let found_kind = scene.kinds.get(&uses);
    if found_kind.is_none() {
        let span = value_of(scene, index, &["uses"])
            .map_or_else(|| step_key(scene, index), |entry| entry.value.span);
        let finding = unknown_uses(scene, &uses, span);
        scene.add(finding);
    }
    found_kind
}

fn unknown_uses(scene: &Scene<'_>, uses: &str, span: Span) -> Finding {
    let names = kind_names(scene.kinds.catalogue);
    if uses.starts_with("pipeline:") {
        return found(
            "S02/unknown-uses",
            span,
            "pipelines inside pipelines are not run by this version",
        )
        .label("not run yet")
        .help("include its steps from a library: `uses: lib:NAME`");
    }
    let finding = found(
        "S02/unknown-uses",
        span,
        format!("there is no kind of step `{uses}`"),
    )
    .label("no such kind");
    let bare = uses.split('@').next().unwrap_or(uses);
    let versions: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| name.split('@').next() == Some(bare))
        .collect();
    match versions.as_slice() {
        [] => {
            // Versions are short and alike: they would make any two names near.
            let near_bare = nearest(
                bare,
                names.iter().map(|name| name.split('@').next().unwrap_or(name)),
            );
            match near_bare.and_then(|near| names.iter().find(|name| name.split('@').next() == Some(near))) {
                Some(near) => finding.did_you_mean(near),
                None => {
                    let family = bare.split('.').next().unwrap_or(bare);
                    let same: Vec<&str> = names
                        .iter()
                        .copied()
                        .filter(|name| name.split('.').next() == Some(family))
                        .collect();
                    if same.is_empty() {
                        finding.help(format!("kinds are {}", names.join(", ")))
                    } else {
                        finding.help(format!("there are {}", same.join(", ")))
                    }
                }
            }
        }
        [.., newest] => finding.did_you_mean(newest),
    }
}

fn inputs(
    scene: &mut Scene<'_>,
    index: usize,
    outputs: &[IndexMap<String, OutputDeclaration>],
    kinds: &[Option<Arc<Kind>>],
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
                .help("write a dataset's name, `step.output`, `step[*].output` or `registry:MODEL@ALIAS`"),
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
            Reference::Output {
                step: from,
                output,
                all,
            } => {
                let Some(from_index) = step_index(scene, from, value, span, name) else {
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
                let from_matrix = draft
                    .spec
                    .steps
                    .get_index(from_index)
                    .is_some_and(|(_, step)| step.matrix.is_some());
                matrix(scene, value, (from, output), all, from_matrix, many, input);
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
                    all: from_matrix,
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

fn step_index(scene: &mut Scene<'_>, from: &str, value: &Node, span: Span, own: &str) -> Option<usize> {
    let draft = scene.draft;
    if let Some(index) = draft.spec.steps.get_index_of(from) {
        return Some(index);
    }
    let span = crate::pipeline::locate::of_word(scene.sources, value, from).unwrap_or(span);
    let finding = found("S02/unknown-step", span, format!("there is no step `{from}`")).label("no such step");
    let names = draft
        .spec
        .steps
        .keys()
        .map(String::as_str)
        .filter(|name| *name != own);
    scene.add(near(finding, from, names, "declare it under `steps:`"));
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
    from_matrix: bool,
    many: bool,
    input: &str,
) {
    let (fine, code, message, help) = match (from_matrix, all) {
        (true, false) => (
            false,
            "S02/matrix-not-collected",
            format!("`{from}` has a matrix, so `{from}.{output}` is one output for each of its cells"),
            format!("{from}[*].{output}"),
        ),
        (false, true) => (
            false,
            "S02/not-a-matrix",
            format!("`{from}` has no matrix, so there is one `{output}` and nothing to collect"),
            format!("{from}.{output}"),
        ),
        (true, true) if !many => {
            let finding = found(
                "S02/wrong-kind",
                value.span,
                format!("`{input}` takes one output, and `{from}[*].{output}` is all of a matrix"),
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

fn needs(scene: &mut Scene<'_>, index: usize, wired: &mut Wired) {
    let draft = scene.draft;
    let Some((name, step)) = draft.spec.steps.get_index(index) else {
        return;
    };
    if step.needs.is_empty() {
        return;
    }
    let items = value_of(scene, index, &["needs"])
        .map(|entry| entry.value.items())
        .unwrap_or_default();
    for item in items {
        let Some(text) = item.text() else { continue };
        match draft.spec.steps.get_index_of(text) {
            Some(needed) => {
                wired.order.insert(needed);
            }
            None => {
                let finding = found(
                    "S02/unknown-step",
                    item.span,
                    format!("`{name}` needs `{text}`, which is not a step"),
                )
                .label("no such step");
                // `needs: [step.output]` is a common slip.
                let bare = text.split(['.', '[']).next().unwrap_or(text);
                let finding = if bare != text && draft.spec.steps.contains_key(bare) {
                    finding.did_you_mean(bare)
                } else {
                    let names = draft
                        .spec
                        .steps
                        .keys()
                        .map(String::as_str)
                        .filter(|known| known != name);
                    near(finding, text, names, "declare it under `steps:`")
                };
                scene.add(finding);
            }
        }
    }
}

fn output_ports(scene: &mut Scene<'_>, index: usize) {
    let draft = scene.draft;
    let Some((name, step)) = draft.spec.steps.get_index(index) else {
        return;
    };
    let uses = uses_of(step.uses.as_deref(), step.run.as_deref(), step.image.as_deref());
    let kind = scene.kinds.get(&uses);
    for (output, declaration) in &step.outputs {
        let here = |keys: &[&str]| -> Option<&Entry> {
            let mut all = vec!["outputs", output.as_str()];
            all.extend(keys);
            value_of(scene, index, &all)
        };
        let key = here(&[]).map_or(draft.root.span, |entry| entry.key_span);
        let mut findings = Vec::new();
        let wrong_kind = |wanted: &[ArtifactKind]| {
            let span = here(&["type"]).map_or(key, |entry| entry.value.span);
            let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let finding = found(
                "S02/wrong-kind",
                span,
                format!(
                    "`{output}` of `{uses}` is of kind {}, not {}",
                    names.join(" or "),
                    declaration.kind
                ),
            )
            .label(format!("not {}", declaration.kind));
            match names.as_slice() {
                [one] => finding.did_you_mean(one),
                _ => finding,
            }
        };
        match kind.as_ref().map(|kind| &kind.signature.outputs) {
            Some(ports @ Ports::Named(all)) => match port(ports, output) {
                Some(port) if port.kind != declaration.kind => findings.push(wrong_kind(&[port.kind])),
                Some(_) => {}
                None => {
                    let names: Vec<&str> = all.iter().map(|port| port.name).collect();
                    let free = names
                        .iter()
                        .copied()
                        .filter(|name| !step.outputs.contains_key(*name));
                    let otherwise = if names.is_empty() {
                        "it makes no outputs".to_owned()
                    } else {
                        format!("its outputs are {}", names.join(", "))
                    };
                    let finding = found(
                        "S02/unknown-output",
                        key,
                        format!("`{uses}` makes no output `{output}`"),
                    )
                    .label("no such output");
                    findings.push(near(finding, output, free, &otherwise));
                }
            },
            Some(Ports::Any { kinds, .. }) if !kinds.is_empty() && !kinds.contains(&declaration.kind) => {
                findings.push(wrong_kind(kinds));
            }
            Some(Ports::SameAsInputs(kind)) => {
                if !step.inputs.contains_key(output) {
                    let finding = found(
                        "S02/unknown-output",
                        key,
                        format!(
                            "`{uses}` makes one output for each input, and `{name}` has no input `{output}`"
                        ),
                    )
                    .label("no such input");
                    findings.push(near(finding, output, step.inputs.keys().map(String::as_str), ""));
                } else if *kind != declaration.kind {
                    findings.push(wrong_kind(&[*kind]));
                }
            }
            _ => {}
        }
        if let Some(contract) = &declaration.contract {
            if !draft.contracts.contains_key(contract) {
                let span = here(&["contract"]).map_or(key, |entry| entry.value.span);
                findings.push(unknown_contract(scene, contract, span));
            } else if declaration.kind != ArtifactKind::Table {
                let span = here(&["contract"]).map_or(key, |entry| entry.value.span);
                findings.push(
                    found(
                        "S02/wrong-kind",
                        span,
                        format!(
                            "a contract is about tables, and `{output}` is of kind {}",
                            declaration.kind
                        ),
                    )
                    .label("not a table")
                    .help("remove the contract"),
                );
            }
        }
        scene.out.extend(findings.into_iter().map(Finding::done));
    }
}

fn unknown_contract(scene: &Scene<'_>, contract: &str, span: Span) -> Finding {
    let finding = found(
        "S02/unknown-contract",
        span,
        format!("no included file declares a contract `{contract}`"),
    )
    .label("no such contract");
    let names = scene.draft.contracts.keys().map(String::as_str);
    let path = format!("contracts/{contract}.yaml");
    if nearest(contract, names.clone()).is_none() && scene.files.exists(&path) {
        let up = "../".repeat(scene.draft.loaded.path.matches('/').count());
        return finding.help(format!("include it: `include: [{up}{path}]`"));
    }
    near(
        finding,
        contract,
        names,
        "include the file that declares it: `include: [../contracts/*.yaml]`",
    )
}

fn datasets(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    for (name, dataset) in &draft.spec.datasets {
        let at = Path::root().key("datasets").key(name);
        if let Some(contract) = &dataset.contract
            && !draft.contracts.contains_key(contract)
        {
            let span = draft.span(scene.sources, &at.key("contract"));
            let finding = unknown_contract(scene, contract, span);
            scene.add(finding);
        }
    }
}

fn channel(scene: &mut Scene<'_>, text: &str, span: Span) {
    let names = &scene.draft.spec.notify;
    let Some(name) = text.strip_prefix("notify.") else {
        let finding = found(
            "S02/unknown-notify",
            span,
            format!("`{text}` is not `notify.NAME`"),
        )
        .label("no channel");
        let finding = if names.contains_key(text) {
            finding.did_you_mean(&format!("notify.{text}"))
        } else {
            finding.help("write `notify.NAME` with a channel of `notify:`")
        };
        scene.add(finding);
        return;
    };
    if !names.contains_key(name) {
        let finding = found(
            "S02/unknown-notify",
            span,
            format!("there is no channel `{name}`"),
        )
        .label("no such channel");
        let proposal = nearest(name, names.keys().map(String::as_str)).map(|near| format!("notify.{near}"));
        let finding = match proposal {
            Some(proposal) => finding.did_you_mean(&proposal),
            None => finding.help("declare it under `notify:`"),
        };
        scene.add(finding);
    }
}

fn failure_actions(scene: &mut Scene<'_>, hooks: &mut Vec<WiredHook>) {
    let draft = scene.draft;
    let mut places: Vec<(Path, Occasion, Vec<FailureAction>)> = draft
        .spec
        .steps
        .iter()
        .enumerate()
        .filter(|(_, (_, step))| !step.on_failure.is_empty())
        .map(|(index, (name, step))| {
            let at = Path::root().key("steps").key(name).key("on_failure");
            (at, Occasion::StepFailed(index), step.on_failure.clone())
        })
        .collect();
    places.push((
        Path::root().key("on_failure"),
        Occasion::RunFailed,
        draft.spec.on_failure.clone(),
    ));
    let last = draft
        .spec
        .finally
        .iter()
        .map(|hook| FailureAction::Run(Box::new(hook.clone())))
        .collect();
    places.push((Path::root().key("finally"), Occasion::Finally, last));
    let mut names = BTreeSet::new();
    for (at, occasion, actions) in places {
        for (place, action) in actions.into_iter().enumerate() {
            let at = at.index(place);
            match action {
                FailureAction::Notify(text) => {
                    let span = draft.span(scene.sources, &at);
                    channel(scene, &text, span);
                }
                FailureAction::Run(spec) => {
                    if let Some(hook) = hook(scene, &at, occasion, &spec, &mut names) {
                        hooks.push(hook);
                    }
                }
            }
        }
    }
}

fn hook(
    scene: &mut Scene<'_>,
    at: &Path,
    occasion: Occasion,
    spec: &HookStep,
    names: &mut BTreeSet<String>,
) -> Option<WiredHook> {
    if spec.uses.is_none() && spec.run.is_none() {
        return None;
    }
    let uses = uses_of(spec.uses.as_deref(), spec.run.as_deref(), spec.image.as_deref());
    let Some(kind) = scene.kinds.get(&uses) else {
        let span = scene.draft.span(scene.sources, &at.key("uses"));
        let finding = unknown_uses(scene, &uses, span);
        scene.add(finding);
        return None;
    };
    if let Ports::Named(ports) = &kind.signature.inputs
        && let Some(port) = ports.iter().find(|port| port.required)
    {
        let span = scene.draft.span(scene.sources, &at.key("uses"));
        scene.add(
            found(
                "S02/missing-input",
                span,
                format!(
                    "`{uses}` needs the input `{}`, and hooks have no inputs",
                    port.name
                ),
            )
            .label("needs an input")
            .help("make it a step of the graph"),
        );
    }
    let base = spec.name.clone().unwrap_or_else(|| {
        let kind = uses.split('@').next().unwrap_or(SHELL).replace('.', "_");
        match occasion {
            Occasion::StepFailed(index) => {
                let step = scene
                    .draft
                    .spec
                    .steps
                    .get_index(index)
                    .map_or("step", |(name, _)| name);
                format!("{step}-{kind}")
            }
            Occasion::RunFailed => format!("on_failure-{kind}"),
            Occasion::Finally => format!("finally-{kind}"),
        }
    });
    let base: String = base.chars().take(58).collect();
    let mut name = base.clone();
    let mut number = 2;
    while scene.draft.spec.steps.contains_key(&name) || !names.insert(name.clone()) {
        name = format!("{base}-{number}");
        number += 1;
    }
    Some(WiredHook {
        occasion,
        name,
        uses,
        kind,
        spec: spec.clone(),
    })
}

fn triggers_and_alerts(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    for (name, trigger) in &draft.spec.triggers {
        let at = Path::root().key("triggers").key(name);
        match trigger {
            Trigger::Data { datasets, .. } => {
                for (index, dataset) in datasets.iter().enumerate() {
                    // `PIPELINE.STEP.OUTPUT` is another pipeline's.
                    if draft.spec.datasets.contains_key(dataset) || dataset.matches('.').count() == 2 {
                        continue;
                    }
                    let span = draft.span(scene.sources, &at.key("datasets").index(index));
                    let finding = found(
                        "S02/unknown-dataset",
                        span,
                        format!("there is no dataset `{dataset}`"),
                    )
                    .label("no such dataset");
                    let names = draft.spec.datasets.keys().map(String::as_str);
                    let finding = near(finding, dataset, names, "declare it under `datasets:`");
                    scene.add(finding);
                }
            }
            Trigger::Alert { alerts, .. } => {
                for (index, alert) in alerts.iter().enumerate() {
                    if draft.spec.alerts.contains_key(alert) || alert.matches('.').count() == 1 {
                        continue;
                    }
                    let span = draft.span(scene.sources, &at.key("alerts").index(index));
                    let finding = found("S02/unknown-alert", span, format!("there is no alert `{alert}`"))
                        .label("no such alert");
                    let names = draft.spec.alerts.keys().map(String::as_str);
                    let finding = near(finding, alert, names, "declare it under `alerts:`");
                    scene.add(finding);
                }
            }
            _ => {}
        }
        if let Some(given) = trigger_params(trigger) {
            for param in given
                .keys()
                .filter(|param| !draft.spec.params.contains_key(*param))
            {
                let span = draft.key_span(scene.sources, &at.key("params").key(param));
                let finding = found(
                    "S02/unknown-param",
                    span,
                    format!("`{param}` is not a param of this pipeline"),
                )
                .label("not declared");
                let names = draft.spec.params.keys().map(String::as_str);
                let finding = near(finding, param, names, "declare it under `params:`");
                scene.add(finding);
            }
        }
    }
    for (name, alert) in &draft.spec.alerts {
        let at = Path::root().key("alerts").key(name).key("actions");
        for (index, action) in alert.actions.iter().enumerate() {
            let AlertAction::Named(text) = action else {
                continue;
            };
            let span = draft.span(scene.sources, &at.index(index));
            match text.strip_prefix("trigger.") {
                Some(trigger) if draft.spec.triggers.contains_key(trigger) => {}
                Some(trigger) => {
                    let finding = found(
                        "S02/unknown-trigger",
                        span,
                        format!("there is no trigger `{trigger}`"),
                    )
                    .label("no such trigger");
                    let proposal = nearest(trigger, draft.spec.triggers.keys().map(String::as_str))
                        .map(|near| format!("trigger.{near}"));
                    scene.add(match proposal {
                        Some(proposal) => finding.did_you_mean(&proposal),
                        None => finding.help("declare it under `triggers:`"),
                    });
                }
                None => channel(scene, text, span),
            }
        }
        if let Some(monitor) = &alert.target.monitor
            && let Some(Reference::Output { step, .. }) = Reference::parse(monitor)
            && !draft.spec.steps.contains_key(step)
        {
            let span = draft.span(
                scene.sources,
                &Path::root().key("alerts").key(name).key("target").key("monitor"),
            );
            let finding =
                found("S02/unknown-step", span, format!("there is no step `{step}`")).label("no such step");
            let finding = near(finding, step, draft.spec.steps.keys().map(String::as_str), "");
            scene.add(finding);
        }
    }
    for (index, text) in draft.spec.sla.iter().flat_map(|sla| &sla.on_breach).enumerate() {
        let span = draft.span(
            scene.sources,
            &Path::root().key("sla").key("on_breach").index(index),
        );
        channel(scene, text, span);
    }
}

/// Params that a trigger sets.
pub(crate) fn trigger_params(trigger: &Trigger) -> Option<&IndexMap<String, serde_json::Value>> {
    match trigger {
        Trigger::Schedule { params, .. }
        | Trigger::Data { params, .. }
        | Trigger::Alert { params, .. }
        | Trigger::Webhook { params, .. } => Some(params),
        Trigger::Manual { .. } => None,
    }
}

fn secrets(scene: &mut Scene<'_>) {
    let Some(project) = scene.project.filter(|project| !project.secrets.is_empty()) else {
        return;
    };
    let draft = scene.draft;
    let mut named: Vec<(Path, String)> = Vec::new();
    for (name, step) in &draft.spec.steps {
        let at = Path::root().key("steps").key(name).key("secrets");
        named.extend(
            step.secrets
                .iter()
                .map(|(variable, secret)| (at.key(variable), secret.clone())),
        );
    }
    for (name, trigger) in &draft.spec.triggers {
        if let Trigger::Webhook {
            auth: Some(WebhookAuth::HmacSha256 { secret } | WebhookAuth::Bearer { secret }),
            ..
        } = trigger
        {
            named.push((
                Path::root().key("triggers").key(name).key("auth").key("secret"),
                secret.clone(),
            ));
        }
    }
    for (name, channel) in &draft.spec.notify {
        if let Channel::Slack {
            secret: Some(secret), ..
        }
        | Channel::Webhook {
            secret: Some(secret), ..
        } = channel
            && !draft.borrowed.contains(&("notify", name.clone()))
        {
            named.push((Path::root().key("notify").key(name).key("secret"), secret.clone()));
        }
    }
    for (at, secret) in named {
        if project.secrets.contains_key(&secret) {
            continue;
        }
        let span = draft.span(scene.sources, &at);
        let finding = found(
            "S02/unknown-secret",
            span,
            format!("the project declares no secret `{secret}`"),
        )
        .label("no such secret");
        let names = project.secrets.keys().map(String::as_str);
        let finding = near(
            finding,
            &secret,
            names,
            "declare it under `secrets:` of trainyard.yaml",
        );
        scene.add(finding);
    }
}

fn tests(scene: &mut Scene<'_>, wired: &[Wired]) {
    let draft = scene.draft;
    for (index, test) in draft.spec.tests.iter().enumerate() {
        let at = Path::root().key("tests").index(index);
        let Some(step) = draft.spec.steps.get_index_of(&test.step) else {
            let span = draft.span(scene.sources, &at.key("step"));
            let finding = found(
                "S02/unknown-step",
                span,
                format!("there is no step `{}`", test.step),
            )
            .label("no such step");
            let finding = near(
                finding,
                &test.step,
                draft.spec.steps.keys().map(String::as_str),
                "",
            );
            scene.add(finding);
            continue;
        };
        let inputs: Vec<&str> = draft.spec.steps[step].inputs.keys().map(String::as_str).collect();
        for input in test
            .given
            .keys()
            .filter(|input| !inputs.contains(&input.as_str()))
        {
            let span = draft.key_span(scene.sources, &at.key("given").key(input));
            let finding = found(
                "S02/unknown-input",
                span,
                format!("step `{}` has no input `{input}`", test.step),
            )
            .label("no such input");
            let finding = near(finding, input, inputs.iter().copied(), "");
            scene.add(finding);
        }
        for output in test
            .expect
            .keys()
            .filter(|output| !wired[step].outputs.contains_key(*output))
        {
            let span = draft.key_span(scene.sources, &at.key("expect").key(output));
            let finding = found(
                "S02/unknown-output",
                span,
                format!("step `{}` has no output `{output}`", test.step),
            )
            .label("no such output");
            let finding = near(
                finding,
                output,
                wired[step].outputs.keys().map(String::as_str),
                "",
            );
            scene.add(finding);
        }
        for param in test
            .params
            .keys()
            .filter(|param| !draft.spec.params.contains_key(*param))
        {
            let span = draft.key_span(scene.sources, &at.key("params").key(param));
            let finding = found(
                "S02/unknown-param",
                span,
                format!("`{param}` is not a param of this pipeline"),
            )
            .label("not declared");
            let finding = near(finding, param, draft.spec.params.keys().map(String::as_str), "");
            scene.add(finding);
        }
    }
}
