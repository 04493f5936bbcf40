//! What a pipeline gives to those that use it.

use super::{near, near_step};
use crate::pipeline::checks::{Scene, found};
use crate::pipeline::wiring::{Reference, Wired};
use trainyard_contract::Path;
use trainyard_contract::finding::Names;

pub(super) fn run(scene: &mut Scene<'_>, wired: &[Wired]) {
    let draft = scene.draft;
    let names = Names::new(draft.spec.steps.keys().map(String::as_str));
    for (name, text) in &draft.spec.outputs {
        let span = draft.span(scene.sources, &Path::root().key("outputs").key(name));
        let Some(Reference::Output { step, output, .. }) = Reference::parse(text) else {
            scene.add(
                found(
                    "S02/unknown-output",
                    span,
                    format!("`{text}` is no output of a step"),
                )
                .label("cannot be read")
                .help("write `step.output`"),
            );
            continue;
        };
        let Some(index) = draft.spec.steps.get_index_of(step) else {
            let finding =
                found("S02/unknown-step", span, format!("there is no step `{step}`")).label("no such step");
            scene.add(near_step(finding, step, &names, ""));
            continue;
        };
        let known = &wired[index].outputs;
        if known.contains_key(output) || wired[index].kind.is_none() {
            continue;
        }
        let finding = found(
            "S02/unknown-output",
            span,
            format!("step `{step}` has no output `{output}`"),
        )
        .label("no such output");
        let full: Vec<String> = known.keys().map(|name| format!("{step}.{name}")).collect();
        let otherwise = format!("declare it under `outputs:` of `{step}`");
        let written = format!("{step}.{output}");
        scene.add(near(
            finding,
            &written,
            full.iter().map(String::as_str),
            &otherwise,
        ));
    }
}
