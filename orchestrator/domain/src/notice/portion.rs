//! How much of what waits for a channel is sent now. People get at most so many messages in a time: the
//! rest is told in one that says how many there were.

use super::happening::Happening;
use super::kind::Kind;
use crate::pool::Rate;
use std::collections::BTreeMap;

/// What is done now about the notices that wait for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Portion {
    /// The first so many are sent; none if the channel has had its share for now.
    Send(u32),
    /// The first so many are sent, and all others are told in one more.
    SendAndFold(u32),
}

/// What to do about `waiting` notices, of a channel that had `sent` within the span of its limit.
pub fn portion(limit: Option<Rate>, sent: u32, waiting: u32) -> Portion {
    let Some(limit) = limit else {
        return Portion::Send(waiting);
    };
    let room = limit.starts.saturating_sub(sent);
    match room {
        room if waiting <= room => Portion::Send(waiting),
        0 => Portion::Send(0),
        room => Portion::SendAndFold(room - 1),
    }
}

/// What many notices were, for the one that stands for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    pub count: u64,
    /// How many of each kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// How many of each pipeline.
    pub pipelines: BTreeMap<String, u64>,
}

impl Folded {
    /// Adds one of them; of one that stands for many, those.
    pub fn add(&mut self, happening: &Happening) {
        self.count += 1;
        *self.kinds.entry(happening.kind).or_default() += 1;
        if let Some(pipeline) = &happening.about.pipeline {
            *self.pipelines.entry(pipeline.clone()).or_default() += 1;
        }
    }

    /// `9,000 run.failed, 981 step.failed`: the most first, and no more than a few.
    pub fn sentence(&self) -> String {
        let kinds = most(self.kinds.iter().map(|(kind, count)| (kind.as_str(), *count)));
        let pipelines = most(self.pipelines.iter().map(|(name, count)| (name.as_str(), *count)));
        match pipelines.as_str() {
            "" => format!("{kinds}."),
            _ => format!("{kinds}; by pipeline: {pipelines}."),
        }
    }
}

fn most<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    const NAMED: usize = 5;
    let mut counts: Vec<(&str, u64)> = counts.collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more = counts.len().saturating_sub(NAMED);
    let mut parts: Vec<String> = counts
        .iter()
        .take(NAMED)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    if more > 0 {
        parts.push(format!("{more} others"));
    }
    parts.join(", ")
}
