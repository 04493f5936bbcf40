//! Steps that ask for more than the machine has, and steps that may take longer than the whole run.
//!
//! Why: the first never gets what it asks for, the second is ended for being late only when the run is
//! late already.
//!
//! ```yaml
//! sla: {max_duration: 1h}
//! steps:
//!   train: {uses: train.classifier@v1, timeout: 2h, resources: {cpu: 64}}   # S07, twice
//! ```

use super::{Scene, found};
use crate::pipeline::spec::policy::Resources;
use trainyard_contract::Path;

pub(super) fn run(scene: &mut Scene<'_>) {
    resources(scene);
    timeouts(scene);
}

fn resources(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    let Some(machine) = scene.project.and_then(|project| project.machine) else {
        return;
    };
    let of_steps = draft.spec.steps.iter().filter_map(|(name, step)| {
        let at = Path::root().key("steps").key(name).key("resources");
        Some((at, step.resources.as_ref()?))
    });
    let of_defaults = draft.spec.defaults.resources.as_ref();
    let at = Path::root().key("defaults").key("resources");
    let all: Vec<(Path, &Resources)> = of_steps.chain(of_defaults.map(|of| (at, of))).collect();
    for (at, resources) in all {
        let cpu = resources
            .cpu
            .filter(|cpu| *cpu > machine.cpu)
            .map(|cpu| ("cpu", format!("{cpu} cores are"), machine.cpu.to_string()));
        let memory = resources
            .memory
            .filter(|memory| memory.0 > machine.memory.0)
            .map(|memory| {
                (
                    "memory",
                    format!("{} of memory is", memory.0),
                    machine.memory.0.to_string(),
                )
            });
        for (key, asked, has) in cpu.into_iter().chain(memory) {
            let span = draft.span(scene.sources, &at.key(key));
            let message = format!("{asked} more than the machine has");
            let finding = found("S07/too-large", span, message)
                .label(format!("the machine has {has}"))
                .help(format!(
                    "ask for at most {has}, or correct `machine:` in `trainyard.yaml`"
                ));
            scene.add(finding);
        }
    }
}

fn timeouts(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    let Some(longest) = draft.spec.sla.as_ref().and_then(|sla| sla.max_duration) else {
        return;
    };
    let sla = draft.span(scene.sources, &Path::root().key("sla").key("max_duration"));
    let of_steps = draft.spec.steps.iter().filter_map(|(name, step)| {
        let at = Path::root().key("steps").key(name).key("timeout");
        // How long people are waited for is no time of work.
        let is_gate = step.uses.as_deref().is_some_and(|uses| uses.starts_with("gate."));
        Some((at, step.timeout.filter(|_| !is_gate)?))
    });
    let at = Path::root().key("defaults").key("timeout");
    let of_defaults = draft.spec.defaults.timeout.map(|timeout| (at, timeout));
    for (at, timeout) in of_steps.chain(of_defaults) {
        if timeout.0 <= longest.0 {
            continue;
        }
        let span = draft.span(scene.sources, &at);
        let message = format!(
            "an attempt may take {}, and the whole run should be over after {}",
            timeout.0, longest.0
        );
        let finding = found("S07/timeout-over-sla", span, message)
            .label("longer than the run may take")
            .also(sla, "of the run")
            .help(format!(
                "a `timeout` below {} ends the step while there is time left",
                longest.0
            ));
        scene.add(finding);
    }
}
