//! Who may answer a gate.

use super::definition::InstanceIx;
use super::state::StepState;
use super::{Cancel, Run};

/// Why an answer does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRefused {
    #[error("there is no such step in this run")]
    NoSuchStep,
    #[error("`{instance}` does not wait for an approval: it is {state}")]
    NotAsked { instance: String, state: &'static str },
    #[error("`{instance}` wants an answer from {}", one_of(.roles))]
    WrongRole { instance: String, roles: Vec<String> },
    #[error("`{instance}` wants an answer from somebody else than its author, {by}")]
    Author { instance: String, by: String },
    #[error("{by} has answered `{instance}` already")]
    Twice { instance: String, by: String },
}

fn one_of(roles: &[String]) -> String {
    match roles {
        [role] => format!("the role `{role}`"),
        roles => format!("one of the roles `{}`", roles.join("`, `")),
    }
}

impl Run {
    /// Whether an answer of this person would count; [`super::Input::Answer`] asks the same.
    ///
    /// # Errors
    /// Why it would not.
    pub fn judge_answer(
        &self,
        ix: InstanceIx,
        by: &str,
        role: Option<&str>,
        is_author: bool,
    ) -> Result<(), AnswerRefused> {
        let Some(instance) = self.instance(ix) else {
            return Err(AnswerRefused::NoSuchStep);
        };
        let name = || instance.name.clone();
        let (StepState::AwaitingApproval { approvals, .. }, Some(rule)) = (self.step(ix), &instance.approval)
        else {
            return Err(AnswerRefused::NotAsked {
                instance: name(),
                state: self.step(ix).word(),
            });
        };
        if !rule.roles.is_empty() && !role.is_some_and(|role| rule.roles.iter().any(|wanted| wanted == role))
        {
            return Err(AnswerRefused::WrongRole {
                instance: name(),
                roles: rule.roles.clone(),
            });
        }
        if rule.not_author && is_author {
            return Err(AnswerRefused::Author {
                instance: name(),
                by: by.to_owned(),
            });
        }
        if approvals.iter().any(|approval| approval.by == by) {
            return Err(AnswerRefused::Twice {
                instance: name(),
                by: by.to_owned(),
            });
        }
        Ok(())
    }

    pub(super) fn cancels_everything(&self) -> bool {
        self.cancel == Cancel::Everything
    }
}
