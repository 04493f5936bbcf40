//! Whom a pipeline itself has told: its channels, and where it names them.

use crate::notice::RunNotices;
use crate::pipeline::Pipeline;
use crate::pipeline::spec::channel::Smtp;
use crate::pipeline::spec::{Channel, FailureAction};

impl Pipeline {
    /// Whom it has told of what, whatever its subscribers want.
    pub fn notices(&self) -> RunNotices {
        let spec = &self.spec;
        let project = self.project.as_ref();
        let smtp = self.smtp();
        // A channel that it has from the project is the project's, with one limit for all who use it.
        let is_own = |name: &str, channel: &Channel| {
            project.is_none_or(|project| project.notify.get(name) != Some(channel))
        };
        let on_step_failure = spec.steps.iter().filter_map(|(name, step)| {
            let named = channels(&step.on_failure);
            (!named.is_empty()).then(|| (name.clone(), named))
        });
        RunNotices {
            on_failure: channels(&spec.on_failure),
            on_step_failure: on_step_failure.collect(),
            channels: spec
                .notify
                .iter()
                .filter(|(name, channel)| is_own(name, channel))
                .map(|(name, channel)| (name.clone(), channel.clone().with_smtp(smtp)))
                .collect(),
        }
    }
}

impl Pipeline {
    fn smtp(&self) -> Option<&Smtp> {
        self.project.as_ref()?.notifications.as_ref()?.smtp.as_ref()
    }

    /// Channels whose mails no server takes, as far as anything says.
    pub(super) fn mails_without_server(&self) -> impl Iterator<Item = String> {
        let channels = self.spec.notify.iter();
        channels
            .filter(|(_, channel)| {
                let channel = (*channel).clone().with_smtp(self.smtp());
                matches!(channel, Channel::Email { smtp: None, .. })
            })
            .map(|(name, _)| format!("notify.{name} (no `smtp` is declared that takes mails)"))
    }
}

/// Channels that a failure is told to; its steps are run.
fn channels(actions: &[FailureAction]) -> Vec<String> {
    actions
        .iter()
        .filter_map(|action| match action {
            FailureAction::Notify(channel) => Some(channel.clone()),
            FailureAction::Run(_) => None,
        })
        .collect()
}
