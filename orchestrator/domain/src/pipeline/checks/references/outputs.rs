//! Outputs and contracts: what steps and datasets declare.

use super::{near, value_of};
use crate::diagnostic::Span;
use crate::pipeline::checks::{Finding, Scene, found};
use crate::pipeline::reader::Entry;
use crate::pipeline::wiring::{port, uses_of};
use trainyard_contract::finding::nearest;
use trainyard_contract::{ArtifactKind, Path, Ports};

pub(super) fn output_ports(scene: &mut Scene<'_>, index: usize) {
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
            if !draft.declares_contract(contract) {
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

pub(super) fn datasets(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    for (name, dataset) in &draft.spec.datasets {
        let at = Path::root().key("datasets").key(name);
        if let Some(contract) = &dataset.contract
            && !draft.declares_contract(contract)
        {
            let span = draft.span(scene.sources, &at.key("contract"));
            let finding = unknown_contract(scene, contract, span);
            scene.add(finding);
        }
    }
}
