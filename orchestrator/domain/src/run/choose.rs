//! Which instances of a run that is over a retry is to run again.

use super::Run;
use super::definition::{InstanceIx, RunDefinition};
use super::event::SkipReason;
use super::select::{SelectError, named};
use super::state::StepState;
use std::collections::BTreeSet;
use trainyard_contract::finding::nearest;

/// States of instances that are over, as `state:…` names them.
const STATES: [&str; 6] = ["failed", "cancelled", "blocked", "skipped", "succeeded", "reused"];

impl Run {
    /// The instances that an expression names for a retry: all that [`super::select()`] knows, and of this
    /// run besides `step[3]` (an item of a `for_each` step, or the last iteration of a `repeat` step that
    /// failed) and `state:failed` (also `cancelled`, `blocked`, `skipped`, `succeeded`, `reused`). Of a list
    /// a state is that of its items; those that were cancelled because others failed are `failed` with them.
    ///
    /// # Errors
    /// If a part names nothing, or a chosen instance could not run because of one that was not chosen.
    pub fn choose(&self, text: &str) -> Result<BTreeSet<InstanceIx>, SelectError> {
        let definition = self.definition().clone();
        let chosen = named(text, &definition, |part| match part.strip_prefix("state:") {
            Some(state) => Some(self.in_state(state)),
            None => self.one_item(part, &definition).transpose(),
        })?;
        self.can_run(&chosen)?;
        Ok(chosen)
    }

    fn in_state(&self, wanted: &str) -> Result<BTreeSet<InstanceIx>, SelectError> {
        if !STATES.contains(&wanted) {
            let fault = SelectError::new(format!("`{wanted}` is no state that a step ends in"));
            return Err(fault.help(match nearest(wanted, STATES) {
                Some(near) => format!("did you mean `state:{near}`?"),
                None => format!("one of {}", STATES.join(", ")),
            }));
        }
        let mut found = BTreeSet::new();
        for ix in self.declared() {
            let is_repeated = self.instance(ix).is_some_and(|step| step.repeat.is_some());
            match self.items_of(ix) {
                Some(_) if is_repeated => {
                    let last = self.iteration(ix).filter(|last| !self.is_done_with(*last));
                    found.extend((word(self.step(ix)) == wanted).then_some(last.unwrap_or(ix)));
                }
                Some(items) => {
                    let with_failed = wanted == "failed" && items.counts().failed > 0;
                    let wanted = |item: &InstanceIx| {
                        let word = word(self.step(*item));
                        word == wanted || with_failed && word == "cancelled"
                    };
                    found.extend(items.instances().filter(wanted));
                }
                None => found.extend((word(self.step(ix)) == wanted).then_some(ix)),
            }
        }
        match found.is_empty() {
            true => Err(SelectError::new(format!("nothing of this run is {wanted}"))),
            false => Ok(found),
        }
    }

    fn is_done_with(&self, ix: InstanceIx) -> bool {
        matches!(self.step(ix), StepState::Succeeded { .. })
    }

    /// `step[3]`, where that is no cell of a matrix.
    fn one_item(
        &self,
        part: &str,
        definition: &RunDefinition,
    ) -> Result<Option<BTreeSet<InstanceIx>>, SelectError> {
        let is_declared = definition.instances.iter().any(|instance| instance.name == part);
        if is_declared || !part.ends_with(']') {
            return Ok(None);
        }
        let Some(ix) = self.find(part) else {
            return Ok(None);
        };
        let Some((of, _)) = self.item(ix) else {
            return Ok(None);
        };
        let is_next = self.number_of_iteration(ix).is_none()
            || self.iteration(of) == Some(ix) && !self.is_done_with(ix);
        if is_next {
            return Ok(Some([ix].into()));
        }
        let step = self.name(of);
        let fault = SelectError::new(format!(
            "`{part}` is an iteration, and each builds upon the one before it"
        ));
        Err(fault.help(format!(
            "`{step}` runs all of them again, `state:failed` goes on with the one that failed"
        )))
    }

    /// Whether what was chosen has what it needs, from what else runs or from before.
    fn can_run(&self, chosen: &BTreeSet<InstanceIx>) -> Result<(), SelectError> {
        let again = self.to_run_again(Some(chosen));
        let steps = chosen.iter().map(|ix| self.item(*ix).map_or(*ix, |(of, _)| of));
        for ix in steps {
            let Some(instance) = self.instance(ix).filter(|instance| instance.hook.is_none()) else {
                continue;
            };
            let above = instance.upstream.iter().map(|edge| edge.instance);
            let left = above.filter(|above| again.get(*above as usize).is_some_and(Option::is_none));
            let Some(missing) = { left }.find(|above| self.closes(*above, ix)) else {
                continue;
            };
            let (name, root) = (self.name(missing), self.name(self.root_of(missing)));
            let fault = SelectError::new(format!(
                "`{}` cannot run: it needs `{name}`, which {} and is not chosen",
                self.name(ix),
                match word(self.step(missing)) {
                    "blocked" => "is blocked",
                    "skipped" => "was left out",
                    "cancelled" => "was cancelled",
                    _ => "has failed",
                }
            ));
            return Err(fault.help(format!(
                "choose `{root}` as well: what depends on it runs again with it"
            )));
        }
        Ok(())
    }

    /// Where what keeps an instance from running began.
    fn root_of(&self, ix: InstanceIx) -> InstanceIx {
        match self.step(ix) {
            StepState::Skipped {
                because: SkipReason::UpstreamFailed { step },
            } => *step,
            _ => ix,
        }
    }
}

fn word(state: &StepState) -> &'static str {
    match state {
        StepState::Skipped {
            because: SkipReason::UpstreamFailed { .. },
        } => "blocked",
        StepState::Succeeded { from: Some(_), .. } => "reused",
        other => other.word(),
    }
}
