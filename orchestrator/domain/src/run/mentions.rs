//! Which steps an instance's expressions speak of.

use super::Run;
use super::definition::{BoundInput, Condition, Instance, InstanceIx};
use super::state::StepState;
use crate::expression::{self, References, Template};
use serde_json::Value;
use std::collections::BTreeSet;

/// Names of steps; `all` where an expression speaks of `steps` as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    pub names: BTreeSet<String>,
    pub all: bool,
}

impl Mentions {
    /// Steps that the instance's condition speaks of.
    pub fn in_condition(instance: &Instance) -> Self {
        let mut mentions = Self::default();
        if let Condition::When(text) = &instance.condition
            && let Ok(expression) = expression::parse(text)
        {
            mentions.add(&expression.references());
        }
        mentions
    }

    /// Steps that its parameters, command and environment speak of.
    pub fn in_parameters(instance: &Instance) -> Self {
        let mut mentions = Self::default();
        mentions.add_value(&instance.with);
        if let Some(process) = &instance.process {
            process
                .argv
                .iter()
                .chain(process.env.values())
                .for_each(|text| mentions.add_text(text));
        }
        mentions
    }

    /// Steps that the list of its `for_each` comes from.
    pub fn in_list(instance: &Instance) -> Self {
        let mut mentions = Self::default();
        if let Some(each) = &instance.for_each {
            mentions.add_value(&each.items);
        }
        mentions
    }

    /// Whether it is one of these.
    pub fn contains(&self, step: &str) -> bool {
        self.all || self.names.contains(step)
    }

    fn add(&mut self, references: &References) {
        self.names
            .extend(references.names("steps").into_iter().map(str::to_owned));
        self.all |= references.mentions_all_of("steps");
    }

    fn add_text(&mut self, text: &str) {
        if Template::is_in(text)
            && let Ok(template) = Template::parse(text)
        {
            self.add(&template.references());
        }
    }

    fn add_value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.add_text(text),
            Value::Array(items) => items.iter().for_each(|item| self.add_value(item)),
            Value::Object(map) => map.values().for_each(|value| self.add_value(value)),
            _ => {}
        }
    }
}

impl Run {
    /// Whether an instance takes, as input or in its parameters, what another one has made in this
    /// very run. A plan made before could not know its key and said that it runs; an engine that
    /// keeps to plans does not look for an earlier result then.
    pub fn takes_new_results(&self, ix: InstanceIx) -> bool {
        let Some(instance) = self.instance(ix) else {
            return false;
        };
        let is_one_new = |ix: InstanceIx| {
            matches!(
                self.step(ix),
                StepState::Succeeded {
                    from: None,
                    attempts: 1..,
                    ..
                }
            )
        };
        let is_new = |ix: InstanceIx| self.cells_of(ix).any(is_one_new);
        let by_input = instance.inputs.values().any(|input| match input {
            BoundInput::Output { instance, .. } => is_new(*instance),
            BoundInput::Collected { instances, .. } => instances.iter().any(|cell| is_new(*cell)),
            BoundInput::Dataset(_) | BoundInput::Registry { .. } | BoundInput::Features(_) => false,
        });
        by_input || {
            let mentions = Mentions::in_parameters(instance);
            let above = instance.upstream.iter().map(|edge| edge.instance);
            above.filter(|above| is_new(*above)).any(|above| {
                self.instance(above)
                    .is_some_and(|above| mentions.contains(above.step.as_str()))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::{Play, step};

    #[test]
    fn steps_in_parameters_commands_and_conditions_are_found() {
        let instance = step("tune")
            .when("steps.evaluate.outputs.passed")
            .with(|i| {
                i.with = serde_json::json!({
                    "algorithm": "${{ argmax(steps.train, 'metrics.roc_auc').matrix.algorithm }}",
                    "list": [{"deep": "at ${{ steps.split.outputs.at }}"}],
                    "plain": "steps.nothing",
                });
            })
            .instance;
        let names = |mentions: Mentions| mentions.names.into_iter().collect::<Vec<_>>();
        assert_eq!(names(Mentions::in_parameters(&instance)), ["split", "train"]);
        assert_eq!(names(Mentions::in_condition(&instance)), ["evaluate"]);
    }

    #[test]
    fn results_are_new_when_they_were_made_in_this_run_and_taken_as_data() {
        let mut play = Play::started([
            step("a"),
            step("fed").takes(&["a"]),
            step("told")
                .needs(&["a"])
                .with(|i| i.with = serde_json::json!("${{ steps.a.outputs.out }}")),
            step("ordered").needs(&["a"]),
        ]);
        play.ok("a");
        let new = |name: &str| play.run.takes_new_results(play.ix(name));
        assert!(new("fed") && new("told"));
        assert!(!new("ordered") && !new("a"));
    }
}
