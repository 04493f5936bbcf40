//! Decisions of data triggers: what is new, whether it is enough, whether it is quiet.

use super::decide::{Decision, Draft, News, Trigger};
use super::firing::text;
use super::pace::Pace;
use super::state::DataState;
use crate::pipeline::spec::trigger::{DataTrigger, Match};
use serde_json::json;
use trainyard_contract::{Millis, Timestamp};

/// How many times `debounce` a run waits for quiet if `max_wait` does not say.
const PATIENCE: u64 = 10;

pub(super) fn decide(
    trigger: &Trigger,
    spec: &DataTrigger,
    now: Timestamp,
    news: &News,
    decision: &mut Decision,
) {
    let mut state = decision.state.data.take().unwrap_or_default();
    // After the clock was set back nothing came later than now.
    state.changed = state.changed.min(now);
    state.ready = state.ready.map(|ready| ready.min(now));
    take_in(spec, now, news, &mut state);
    let enough = match spec.matching {
        Match::All => spec
            .datasets
            .iter()
            .all(|dataset| state.fresh.contains_key(dataset)),
        Match::Any => !state.fresh.is_empty(),
    };
    if enough {
        let ready = *state.ready.get_or_insert(now);
        let debounce = spec.debounce.map_or(Millis(0), |debounce| debounce.0);
        let patience = spec
            .max_wait
            .map_or(Millis(debounce.0.saturating_mul(PATIENCE)), |wait| wait.0);
        let quiet = state.changed.plus(debounce);
        let due = quiet.min(ready.plus(patience));
        if due <= now {
            start(trigger, spec, now, quiet <= now, &mut state, decision);
        } else {
            decision.wake_at = Some(due);
        }
    } else {
        state.ready = None;
    }
    decision.state.data = Some(state);
}

fn take_in(spec: &DataTrigger, now: Timestamp, news: &News, state: &mut DataState) {
    let (dataset, content) = match news {
        News::Looked { dataset, content } => (dataset, content),
        News::Produced { dataset, content } => (dataset, &Some(content.clone())),
        _ => return,
    };
    if !spec.datasets.contains(dataset) {
        return;
    }
    let known = match state.known.get(dataset) {
        Some(known) => known,
        // What a first look finds was there before the trigger; what a run makes was not.
        None if matches!(news, News::Looked { .. }) => {
            state.known.insert(dataset.clone(), content.clone());
            return;
        }
        None => &None,
    };
    match content {
        Some(content) if known.as_ref() != Some(content) => {
            if state.fresh.insert(dataset.clone(), content.clone()).as_ref() != Some(content) {
                state.changed = now;
                state.told = false;
            }
        }
        // Gone, or as the last run had it.
        _ => {
            state.fresh.remove(dataset);
        }
    }
}

fn start(
    trigger: &Trigger,
    spec: &DataTrigger,
    now: Timestamp,
    is_quiet: bool,
    state: &mut DataState,
    decision: &mut Decision,
) {
    let names: Vec<&str> = state.fresh.keys().map(String::as_str).collect();
    let names = names.join(", ");
    if decision.state.paused.is_some() {
        // What is new stays new until somebody resumes.
        if !state.told {
            trigger.is_paused(now, 1, &format!("new data in {names}"), decision);
            state.told = true;
        }
        return;
    }
    let mut recent = std::mem::take(&mut decision.state.recent);
    let pace = Pace::of(&trigger.spec).check(now, &mut recent);
    decision.state.recent = recent;
    if let Err(too_soon) = pace {
        if !state.told {
            decision.hold(
                now,
                too_soon.because,
                1,
                format!("new data in {names}; {}", too_soon.reason),
            );
            state.told = true;
        }
        decision.wake_at = Some(too_soon.again);
        return;
    }
    let contents: String = state
        .fresh
        .iter()
        .map(|(dataset, content)| format!("{dataset}={content}\n"))
        .collect();
    let hash = blake3::hash(contents.as_bytes()).to_hex();
    let since = state.ready.unwrap_or(now);
    let reason = match (spec.debounce, is_quiet) {
        (None, _) => format!("new data in {names}"),
        (Some(debounce), true) => format!("new data in {names}, quiet for {}", debounce.0),
        (Some(_), false) => format!(
            "new data in {names} since {}, and it never got quiet",
            text(since)
        ),
    };
    let draft = Draft {
        // The same content may come again later; it is new then, too.
        key: format!("{}-{}", decision.state.fired + 1, &hash[..16]),
        at: now,
        logical_date: None,
        interval: None,
        event: json!({ "datasets": state.fresh }),
        params: Some(&spec.params),
        reason,
    };
    trigger.fire(draft, now, decision);
    for (dataset, content) in std::mem::take(&mut state.fresh) {
        state.known.insert(dataset, Some(content));
    }
    state.ready = None;
    state.told = false;
}
