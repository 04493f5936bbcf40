//! Steps of pipelines that a run's pipeline uses, under the step that uses them.

use crate::output::{Terminal, Tone};
use trainyard_domain::run::{Instance, InstanceIx, Run, StepState};

/// Lines for the uses that begin with an instance: how far each is.
pub(super) fn headings(run: &Run, ix: InstanceIx, rows: &mut Vec<Vec<String>>, terminal: &Terminal) {
    let instances = &run.definition().instances;
    let Some(step) = instances.get(ix as usize).map(|instance| instance.step.as_str()) else {
        return;
    };
    let before = ix.checked_sub(1).and_then(|ix| instances.get(ix as usize));
    for (depth, (end, _)) in step.match_indices('.').enumerate() {
        let using = &step[..end];
        // Hooks stand apart from the steps they belong to.
        let is_hook = instances
            .get(ix as usize)
            .is_some_and(|instance| instance.hook.is_some());
        if is_hook || before.is_some_and(|before| before.is_within(using)) {
            continue;
        }
        let inside = || {
            (0..)
                .zip(instances)
                .filter(|(_, instance)| instance.hook.is_none() && instance.is_within(using))
                .map(|(ix, _)| run.step(ix))
        };
        let all = inside().count();
        let over = inside().filter(|state| state.is_final()).count();
        let failed = inside().any(|state| matches!(state, StepState::Failed { .. }));
        let (tone, word) = match (failed, over == all) {
            (true, _) => (Tone::Bad, "failed"),
            (false, true) => (Tone::Good, "over"),
            (false, false) if over > 0 => (Tone::Busy, "running"),
            (false, false) => (Tone::Quiet, "waiting"),
        };
        let last = using.rsplit('.').next().unwrap_or(using);
        rows.push(vec![
            format!("{}{last}", "  ".repeat(depth)),
            terminal.paint(tone, word),
            String::new(),
            format!("{over} of {all} steps over; one is called {using}.NAME"),
        ]);
    }
}

/// The name of an instance below its headings; of a hook, all of it.
pub(super) fn name(instance: &Instance) -> String {
    let step = instance.step.as_str();
    match step.rfind('.') {
        Some(end) if instance.hook.is_none() => {
            let depth = step.matches('.').count();
            let own = instance.name.get(end + 1..).unwrap_or(&instance.name);
            format!("{}{own}", "  ".repeat(depth))
        }
        _ => instance.name.clone(),
    }
}
