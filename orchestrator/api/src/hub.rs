//! News of the engine for whoever listens: the last few thousand, so that a listener whose connection
//! broke goes on where it was.

use crate::app::lock;
use crate::random;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;
use trainyard_contract::Timestamp;
use trainyard_domain::run::{RepeatEnd, Run, RunOutcome, What, out_of_time};
use trainyard_engine::Observation;
use utoipa::ToSchema;

/// News that can still be had after a broken connection.
const REMEMBERED: usize = 8_192;
/// News that a slow listener may be behind before it has to begin anew.
const BEHIND: usize = 2_048;

/// One piece of news, as `data:` of a server-sent event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Notice {
    /// Counts up from 1 while the server lives; 0 for what is not kept.
    #[serde(skip)]
    pub(crate) number: u64,
    /// What happened: `run_started`, `attempt_succeeded`, `run_ended`, `progress`, `pipelines_changed` …
    pub(crate) event: String,
    /// RFC 3339.
    pub(crate) at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pipeline: Option<String>,
    /// Number of the event among those of its run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<u64>,
    /// The step instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<u32>,
    /// How a run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<String>,
    /// Why, or what came of it, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// How far a running attempt is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) progress: Option<Progress>,
}

/// How far a running attempt is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    /// 0 if nobody knows.
    pub(crate) total: u64,
    pub(crate) unit: String,
}

/// Where news comes together.
pub(crate) struct Hub {
    /// Differs from start to start: numbers of another server mean nothing here.
    pub(crate) boot: String,
    ring: Mutex<Ring>,
    sender: broadcast::Sender<Arc<Notice>>,
}

#[derive(Default)]
struct Ring {
    last: u64,
    notices: VecDeque<Arc<Notice>>,
}

impl Hub {
    pub(crate) fn new(now: Timestamp) -> Self {
        let boot = random::bytes::<4>().map_or_else(|_| format!("{:x}", now.0), |bytes| random::hex(&bytes));
        Self {
            boot,
            ring: Mutex::default(),
            sender: broadcast::channel(BEHIND).0,
        }
    }

    /// Tells it to all who listen and keeps it for those who come back.
    pub(crate) fn tell(&self, mut notice: Notice) {
        let mut ring = lock(&self.ring);
        ring.last += 1;
        notice.number = ring.last;
        let notice = Arc::new(notice);
        if ring.notices.len() == REMEMBERED {
            ring.notices.pop_front();
        }
        ring.notices.push_back(notice.clone());
        // Nobody listening is no fault.
        let _ = self.sender.send(notice);
    }

    /// Tells what is soon out of date only to those who listen now.
    fn mention(&self, notice: Notice) {
        if self.sender.receiver_count() > 0 {
            let _ = self.sender.send(Arc::new(notice));
        }
    }

    /// What came after `last`, as far as it is known, and what comes next. None for the first if
    /// something between is lost.
    pub(crate) fn listen(
        &self,
        last: Option<&str>,
    ) -> (Option<Vec<Arc<Notice>>>, broadcast::Receiver<Arc<Notice>>) {
        let ring = lock(&self.ring);
        // Under the lock, so that nothing is missed or doubled between both.
        let receiver = self.sender.subscribe();
        let Some(last) = last else {
            return (Some(Vec::new()), receiver);
        };
        let number = last
            .split_once('-')
            .filter(|(boot, _)| *boot == self.boot)
            .and_then(|(_, number)| number.parse::<u64>().ok());
        let oldest = ring.notices.front().map_or(ring.last + 1, |notice| notice.number);
        let missed = number
            .filter(|number| *number <= ring.last && number + 1 >= oldest)
            .map(|number| {
                let later = ring.notices.iter().filter(|notice| notice.number > number);
                later.cloned().collect()
            });
        (missed, receiver)
    }

    /// What the engine has to say.
    pub(crate) fn observe(&self, observation: &Observation<'_>, now: Timestamp) {
        match observation {
            Observation::Event {
                run,
                number,
                event,
                of,
            } => {
                let mut notice = Notice::new(word(&event.what), event.at);
                notice.run = Some(run.as_str().to_owned());
                notice.pipeline = Some(of.definition().pipeline.as_str().to_owned());
                notice.seq = Some(*number);
                describe(&mut notice, &event.what, of);
                self.tell(notice);
            }
            Observation::Progress {
                run,
                done,
                total,
                unit,
                step,
                of,
            } => {
                let mut notice = Notice::new("progress", now);
                notice.run = Some(run.as_str().to_owned());
                notice.pipeline = Some(of.definition().pipeline.as_str().to_owned());
                notice.instance = Some(of.name(*step).into_owned());
                notice.progress = Some(Progress {
                    done: *done,
                    total: *total,
                    unit: (*unit).to_owned(),
                });
                self.mention(notice);
            }
            Observation::AwaitsSlot {
                run,
                step,
                reason,
                of,
            } => {
                let mut notice = Notice::new("awaits_slot", now);
                notice.run = Some(run.as_str().to_owned());
                notice.pipeline = Some(of.definition().pipeline.as_str().to_owned());
                notice.instance = Some(of.name(*step).into_owned());
                notice.message = Some((*reason).to_owned());
                self.mention(notice);
            }
            _ => {}
        }
    }
}

impl Notice {
    pub(crate) fn new(event: &str, at: Timestamp) -> Self {
        Self {
            number: 0,
            event: event.to_owned(),
            at: crate::documents::instant(at),
            run: None,
            pipeline: None,
            seq: None,
            instance: None,
            attempt: None,
            outcome: None,
            message: None,
            progress: None,
        }
    }
}

/// The event's name as documents carry it.
pub(crate) fn word(what: &What) -> &'static str {
    match what {
        What::RunStarted { .. } => "run_started",
        What::AttemptStarted { .. } => "attempt_started",
        What::AttemptSucceeded { .. } => "attempt_succeeded",
        What::AttemptFailed { .. } => "attempt_failed",
        What::AttemptLost { .. } => "attempt_lost",
        What::StepReused { .. } => "step_reused",
        What::StepSkipped { .. } => "step_skipped",
        What::StepRejected { .. } => "step_rejected",
        What::ApprovalAsked { .. } => "approval_asked",
        What::ApprovalGiven { .. } => "approval_given",
        What::ApprovalExpired { .. } => "approval_expired",
        What::ItemsKnown { .. } => "items_known",
        What::ItemsCancelled { .. } => "items_cancelled",
        What::ItemsEnded { .. } => "items_ended",
        What::RepeatBegan { .. } => "repeat_began",
        What::IterationDue { .. } => "iteration_due",
        What::RepeatEnded { .. } => "repeat_ended",
        What::CancelAsked { .. } => "cancel_asked",
        What::SlaBreached { .. } => "sla_breached",
        What::RunTimedOut { .. } => "run_timed_out",
        What::RunTurnedAway { .. } => "run_turned_away",
        What::StepCancelled { .. } => "step_cancelled",
        What::RetryAsked { .. } => "retry_asked",
        What::RunEnded { .. } => "run_ended",
    }
}

fn describe(notice: &mut Notice, what: &What, of: &Run) {
    let name = |step: &u32| Some(of.name(*step).into_owned());
    match what {
        What::RunStarted { by, .. } | What::CancelAsked { by } => {
            notice.message = Some(format!("by {by}"));
        }
        What::RetryAsked { by, .. } => {
            let chosen = of.chosen().map(|chosen| of.choice_in_words(chosen));
            let chosen = chosen.map_or_else(String::new, |chosen| format!(": {chosen}"));
            notice.message = Some(format!("by {by}{chosen}"));
        }
        What::AttemptStarted { step, attempt, .. } | What::AttemptLost { step, attempt } => {
            notice.instance = name(step);
            notice.attempt = Some(*attempt);
        }
        What::AttemptSucceeded {
            step,
            attempt,
            headline,
            ..
        } => {
            notice.instance = name(step);
            notice.attempt = Some(*attempt);
            notice.message.clone_from(headline);
        }
        What::AttemptFailed {
            step,
            attempt,
            failure,
            ..
        } => {
            notice.instance = name(step);
            notice.attempt = Some(*attempt);
            notice.message = Some(failure.message.clone());
        }
        What::StepReused { step, from, .. } => {
            notice.instance = name(step);
            notice.message = Some(format!("from {from}"));
        }
        What::StepRejected { step, failure } => {
            notice.instance = name(step);
            notice.message = Some(failure.message.clone());
        }
        What::ItemsEnded { step, counts } => {
            notice.instance = name(step);
            notice.message = Some(format!(
                "{} of {} items succeeded, {} failed",
                counts.succeeded, counts.total, counts.failed
            ));
        }
        What::RepeatEnded { step, end } => {
            notice.instance = name(step);
            notice.message = match end {
                RepeatEnd::Failed { failure } => Some(failure.message.clone()),
                RepeatEnd::Limit => Some("at its limit of iterations".to_owned()),
                RepeatEnd::Done | RepeatEnd::Cancelled | RepeatEnd::NotSelected => None,
            };
        }
        What::StepSkipped { step, .. }
        | What::RepeatBegan { step, .. }
        | What::IterationDue { step, .. }
        | What::ItemsKnown { step, .. }
        | What::ItemsCancelled { step }
        | What::ApprovalAsked { step }
        | What::ApprovalExpired { step, .. }
        | What::StepCancelled { step } => notice.instance = name(step),
        What::ApprovalGiven {
            step, by, approve, ..
        } => {
            notice.instance = name(step);
            let verb = if *approve { "approved" } else { "rejected" };
            notice.message = Some(format!("{verb} by {by}"));
        }
        What::SlaBreached { limit, due } => notice.message = Some(limit.sentence(*due)),
        What::RunTimedOut { after, hooks } => notice.message = Some(out_of_time(*after, *hooks)),
        What::RunTurnedAway { outcome, reason } => {
            notice.outcome = Some(outcome_word(*outcome).to_owned());
            notice.message = Some(reason.clone());
        }
        What::RunEnded { outcome } => notice.outcome = Some(outcome_word(*outcome).to_owned()),
    }
}

/// How a run ended, in a word.
pub(crate) fn outcome_word(outcome: RunOutcome) -> &'static str {
    trainyard_store::RunStatus::from(outcome).as_str()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn hub(notices: u64) -> Hub {
        let hub = Hub::new(Timestamp(0));
        for _ in 0..notices {
            hub.tell(Notice::new("run_started", Timestamp(0)));
        }
        hub
    }

    fn missed(hub: &Hub, last: &str) -> Option<Vec<u64>> {
        let (missed, _) = hub.listen(Some(last));
        missed.map(|list| list.iter().map(|notice| notice.number).collect())
    }

    #[test]
    fn a_listener_that_comes_back_gets_what_it_missed_once() {
        let hub = hub(5);
        let id = |number: u64| format!("{}-{number}", hub.boot);
        assert_eq!(missed(&hub, &id(3)), Some(vec![4, 5]));
        assert_eq!(missed(&hub, &id(5)), Some(vec![]));
        assert_eq!(missed(&hub, &id(0)), Some(vec![1, 2, 3, 4, 5]));
    }

    #[test]
    fn a_listener_hears_when_something_between_is_lost() {
        let hub = hub(REMEMBERED as u64 + 3);
        let id = |number: u64| format!("{}-{number}", hub.boot);
        assert_eq!(missed(&hub, &id(1)), None);
        assert_eq!(missed(&hub, &id(3)).unwrap().len(), REMEMBERED);
        assert_eq!(missed(&hub, "0-7"), None, "of another server");
        assert_eq!(missed(&hub, &id(REMEMBERED as u64 + 4)), None, "never given");
        assert_eq!(missed(&hub, "nonsense"), None);
    }
}
