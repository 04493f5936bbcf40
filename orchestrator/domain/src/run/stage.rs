//! The stages of a run: the graph, then hooks of a failed run, then hooks that end any run.

use super::definition::{Hook, Instance, RunDefinition};

/// Nothing of a stage begins before everything of the stages ahead of it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Steps, and the hooks of single steps.
    Graph,
    /// Hooks of a run that has failed.
    AfterFailure,
    /// Hooks that end a run.
    Finally,
}

impl Instance {
    /// When in a run its turn comes.
    pub(crate) fn stage(&self) -> Stage {
        match self.hook {
            None | Some(Hook::OnFailure(_)) => Stage::Graph,
            Some(Hook::RunFailed) => Stage::AfterFailure,
            Some(Hook::Finally) => Stage::Finally,
        }
    }
}

/// How many instances of each stage are not final.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open([usize; 3]);

impl Open {
    pub(super) fn all_of(definition: &RunDefinition) -> Self {
        let mut open = Self::default();
        definition
            .instances
            .iter()
            .for_each(|instance| open.add(instance.stage()));
        open
    }

    pub(super) fn add(&mut self, stage: Stage) {
        self.0[stage as usize] += 1;
    }

    pub(super) fn take(&mut self, stage: Stage) {
        let count = &mut self.0[stage as usize];
        *count = count.saturating_sub(1);
    }

    pub(super) fn total(self) -> usize {
        self.0.iter().sum()
    }

    /// Whether everything of a stage is over.
    pub(super) fn is_over(self, stage: Stage) -> bool {
        self.0[stage as usize] == 0
    }

    /// Whether everything of the stages ahead of this one is over.
    pub(super) fn may_begin(self, stage: Stage) -> bool {
        self.0[..stage as usize].iter().all(|count| *count == 0)
    }
}
