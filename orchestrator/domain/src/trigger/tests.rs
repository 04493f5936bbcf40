//! Decisions as stories: time goes on, things happen, and what is started or held back is told.

mod ranges;
mod schedules;
mod signals;

use super::*;
use serde_json::{Value, json};
use trainyard_contract::Timestamp;

/// A trigger whose state goes through its document between any two decisions.
struct Story {
    trigger: Trigger,
    state: TriggerState,
    now: Timestamp,
    wake_at: Option<Timestamp>,
}

impl Story {
    fn new(spec: Value, begin: &str) -> Self {
        Self {
            trigger: trigger(spec),
            state: TriggerState::default(),
            now: at(begin),
            wake_at: None,
        }
    }

    fn decide(&mut self, news: &News) -> Decision {
        let decision = decide(&self.trigger, &self.state, self.now, news);
        let kept = serde_json::to_string(&decision.state).unwrap();
        self.state = serde_json::from_str(&kept).unwrap();
        assert_eq!(self.state, decision.state);
        self.wake_at = decision.wake_at;
        decision
    }

    /// Something happens at a time: what is started, then what is held back.
    fn at(&mut self, time: &str, news: &News) -> Vec<String> {
        self.now = at(time);
        told(&self.decide(news))
    }

    /// Time goes on, with a wake-up whenever one was asked for: how many runs start.
    fn until(&mut self, time: &str) -> usize {
        let end = at(time);
        let mut started = 0;
        while let Some(wake_at) = self.wake_at.filter(|wake_at| *wake_at <= end) {
            assert!(wake_at >= self.now, "wakes in the past");
            self.now = wake_at;
            let decision = self.decide(&News::Woken);
            assert!(
                decision.wake_at.is_none_or(|next| next > wake_at) || !decision.firings.is_empty(),
                "wakes for nothing at {wake_at:?}"
            );
            started += decision.firings.len();
        }
        self.now = end;
        started
    }
}

fn trigger(spec: Value) -> Trigger {
    let spec = serde_json::from_value(spec).unwrap();
    Trigger::of_spec("sales", "t", &spec).unwrap()
}

fn at(text: &str) -> Timestamp {
    let text = if text.contains('T') {
        text.to_owned()
    } else {
        format!("{text}T00:00Z")
    };
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn told(decision: &Decision) -> Vec<String> {
    let started = decision
        .firings
        .iter()
        .map(|firing| format!("run {}: {}", firing.key, firing.reason));
    let held = decision
        .held
        .iter()
        .map(|held| format!("{:?} {}: {}", held.because, held.count, held.reason));
    started.chain(held).collect()
}

fn looked(dataset: &str, content: &str) -> News {
    News::Looked {
        dataset: dataset.to_owned(),
        content: (!content.is_empty()).then(|| content.to_owned()),
    }
}
