//! A gate in front of a whole run.

use super::definition::{
    ApprovalRule, CachePolicy, Condition, Instance, InstanceIx, RetryPolicy, RunDefinition, RunnerKind,
    Upstream,
};
use trainyard_contract::StepName;
use trainyard_contract::task::Limits;

impl RunDefinition {
    /// Lets everything wait until people have agreed, by the rules of `gate.approval@v1`. The gate is
    /// called `name`, or with a number behind it where a step has that name. Returns where it stands;
    /// `None` if `name` is no name of a step.
    pub fn put_gate_in_front(&mut self, name: &str, rule: ApprovalRule) -> Option<InstanceIx> {
        let is_taken = |name: &str| self.instances.iter().any(|known| known.step.as_str() == name);
        let free = std::iter::once(name.to_owned())
            .chain((2..).map(|number| format!("{name}_{number}")))
            .find(|name| !is_taken(name))?;
        let step: StepName = free.parse().ok()?;
        let gate = InstanceIx::try_from(self.instances.len()).ok()?;
        for instance in &mut self.instances {
            if instance.hook.is_none() && instance.upstream.is_empty() {
                instance.upstream.push(Upstream {
                    instance: gate,
                    data: false,
                });
            }
        }
        self.instances.push(Instance {
            name: free,
            step,
            uses: "gate.approval@v1".to_owned(),
            runner: RunnerKind::Orchestrator,
            effect: Some("approval".to_owned()),
            revision: 1,
            matrix: Default::default(),
            upstream: Vec::new(),
            inputs: Default::default(),
            outputs: Default::default(),
            with: serde_json::json!({}),
            condition: Condition::Always,
            process: None,
            secrets: Default::default(),
            memory: None,
            feature_use: Default::default(),
            features: Default::default(),
            retry: RetryPolicy::default(),
            limits: Limits::default(),
            pool: None,
            cache: CachePolicy::Off,
            continue_on_error: false,
            tolerated_by: None,
            matrix_limits: None,
            for_each: None,
            repeat: None,
            approval: Some(rule),
            hook: None,
            tags: Vec::new(),
        });
        Some(gate)
    }
}

#[cfg(test)]
mod tests {
    use crate::run::fixture::{definition, rule, step};

    #[test]
    fn whatever_waits_for_nothing_waits_for_the_gate() {
        let mut run = definition([step("a"), step("b").needs(&["a"]), step("promotion")]);
        let gate = run.put_gate_in_front("promotion", rule(1)).unwrap();
        assert_eq!(run.instances[gate as usize].name, "promotion_2");
        let waits = |at: usize| -> Vec<u32> {
            run.instances[at]
                .upstream
                .iter()
                .map(|edge| edge.instance)
                .collect()
        };
        assert_eq!((waits(0), waits(1), waits(2)), (vec![gate], vec![0], vec![gate]));
    }
}
