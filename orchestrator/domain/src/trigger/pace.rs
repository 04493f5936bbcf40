//! How often a trigger may start runs: `cooldown` and `max_runs`.

use super::firing::{Because, text};
use crate::pipeline::spec::Trigger as Spec;
use trainyard_contract::{Millis, Timestamp};

/// Limits of a trigger.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    cooldown: Option<Millis>,
    /// So many in a span.
    max_runs: Option<(usize, Millis)>,
}

/// What keeps a run from starting now.
pub(super) struct TooSoon {
    pub(super) because: Because,
    pub(super) reason: String,
    /// When one may start again.
    pub(super) again: Timestamp,
}

impl Pace {
    pub(super) fn of(spec: &Spec) -> Self {
        let (cooldown, max_runs) = match spec {
            Spec::Data(data) => (None, &data.max_runs),
            Spec::Alert(alert) => (alert.cooldown, &alert.max_runs),
            Spec::Webhook(webhook) => (webhook.cooldown, &webhook.max_runs),
            Spec::Pipeline(pipeline) => (pipeline.cooldown, &pipeline.max_runs),
            Spec::Schedule(_) | Spec::Manual(_) => (None, &None),
        };
        Self {
            cooldown: cooldown.map(|span| span.0),
            max_runs: max_runs
                .as_ref()
                .map(|runs| (usize::try_from(runs.limit).unwrap_or(usize::MAX), runs.per.0)),
        }
    }

    pub(super) fn has_limits(self) -> bool {
        self.cooldown.is_some() || self.max_runs.is_some()
    }

    /// Whether a run may start; forgets those of `recent` that no longer count.
    pub(super) fn check(self, now: Timestamp, recent: &mut Vec<Timestamp>) -> Result<(), TooSoon> {
        let span = self.max_runs.map_or(Millis(0), |(_, per)| per);
        let span = span.max(self.cooldown.unwrap_or_default());
        // After the clock was set back a run lies in the future: it was just now, not in a year.
        for at in recent.iter_mut() {
            *at = (*at).min(now);
        }
        recent.retain(|at| at.plus(span) > now);
        if let (Some(cooldown), Some(last)) = (self.cooldown, recent.iter().max())
            && last.plus(cooldown) > now
        {
            let again = last.plus(cooldown);
            return Err(TooSoon {
                because: Because::Cooldown,
                reason: format!(
                    "the last run started at {} and `cooldown` is {cooldown}: not before {}",
                    text(*last),
                    text(again)
                ),
                again,
            });
        }
        let Some((limit, per)) = self.max_runs else {
            return Ok(());
        };
        let mut within: Vec<Timestamp> = recent.iter().copied().filter(|at| at.plus(per) > now).collect();
        if within.len() < limit {
            return Ok(());
        }
        within.sort_unstable();
        let again = within
            .get(within.len() - limit)
            .map_or(now, |oldest| oldest.plus(per));
        Err(TooSoon {
            because: Because::MaxRuns,
            reason: format!(
                "{} runs started within {per}, and `max_runs` allows {limit}: not before {}",
                within.len(),
                text(again)
            ),
            again,
        })
    }
}
