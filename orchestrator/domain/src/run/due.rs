//! What a run asks of the world, from state alone: also what a recovery does.

use super::Run;
use super::definition::InstanceIx;
use trainyard_contract::Timestamp;

/// Carried out after the events that led to it are committed, perhaps twice: the second time must
/// do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Prepare the instance, then tell the run: launched, reused or rejected.
    Launch(InstanceIx),
    /// End this attempt; its report is told to the run as usual.
    Kill { step: InstanceIx, attempt: u32 },
    /// Tell the run the time then.
    WakeAt(Timestamp),
    /// Ask those whose answer counts.
    AskApproval { step: InstanceIx },
}

impl Run {
    /// Everything that is to be done now. Live attempts are not in it: whether an executor still
    /// has them only the engine can know.
    pub fn due(&self) -> Vec<Action> {
        if self.ended.is_some() {
            return Vec::new();
        }
        let kills = self
            .to_kill()
            .map(|(step, attempt)| Action::Kill { step, attempt });
        let launches = self.ready().map(Action::Launch);
        let questions = self.awaiting_approval().map(|step| Action::AskApproval { step });
        kills
            .chain(launches)
            .chain(questions)
            .chain(self.next_wake().map(Action::WakeAt))
            .collect()
    }
}
