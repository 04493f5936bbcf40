//! Decisions of schedules: which ticks are due, which were missed, which are made up for.

use super::decide::{Decision, Draft, Trigger};
use super::firing::{Because, MOST_COUNTED, text};
use super::jitter::start_of;
use super::schedule::{Occurrence, Schedule};
use super::state::ClockState;
use crate::pipeline::spec::trigger::{self as spec, CatchupPolicy};
use trainyard_contract::{Millis, Timestamp};

/// A tick that is seen so much later was missed: a busy machine is late by seconds.
const LATE: Millis = Millis(60_000);

/// A clock set back further was wrong before; nearer, ticks that were decided stay decided.
const WRONG_CLOCK: Millis = Millis(86_400_000);

/// Runs that one decision starts; more are started by the next.
const AT_ONCE: usize = 100;

pub(super) fn decide(
    trigger: &Trigger,
    spec: &spec::Schedule,
    schedule: &Schedule,
    now: Timestamp,
    decision: &mut Decision,
) {
    let kept = decision
        .state
        .clock
        .take()
        // Another schedule begins anew: it had no ticks before it was there.
        .filter(|kept| kept.identity == schedule.identity());
    let mut until = kept.map_or(now, |kept| kept.until);
    if until.since(now) > WRONG_CLOCK {
        let reason = format!(
            "the clock was set back from {} or later to {}; ticks count from now on",
            text(until),
            text(now)
        );
        decision.hold(now, Because::ClockSetBack, 0, reason);
        until = now;
    }
    let clock = Clock {
        trigger,
        schedule,
        jitter: spec.jitter.map(|jitter| jitter.0),
        params: &spec.params,
        now,
    };
    let catchup = spec.catchup.as_ref();
    let policy = catchup.map_or(CatchupPolicy::default(), |catchup| catchup.policy);
    if decision.state.paused.is_some() {
        until = clock.pass_paused(until, decision);
    } else {
        if let Some(max_age) = catchup.and_then(|catchup| catchup.max_age) {
            until = clock.forget(until, max_age.0.max(LATE), decision);
        }
        until = match policy {
            CatchupPolicy::All => clock.all(until, decision),
            CatchupPolicy::Latest => clock.latest(until, true, decision),
            CatchupPolicy::None => clock.latest(until, false, decision),
        };
    }
    decision.wake_at = schedule
        .ticks(until)
        .next()
        .map(|tick| clock.start(&tick).max(now));
    decision.state.clock = Some(ClockState {
        identity: schedule.identity().to_owned(),
        until,
    });
}

struct Clock<'a> {
    trigger: &'a Trigger,
    schedule: &'a Schedule,
    jitter: Option<Millis>,
    params: &'a indexmap::IndexMap<String, serde_json::Value>,
    now: Timestamp,
}

impl Clock<'_> {
    fn start(&self, tick: &Occurrence) -> Timestamp {
        let next = self
            .jitter
            .and_then(|_| self.schedule.ticks(tick.at).next())
            .map(|next| next.at);
        start_of(
            &self.trigger.pipeline,
            &self.trigger.name,
            tick.at,
            self.jitter,
            next,
        )
    }

    fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let most = usize::try_from(MOST_COUNTED).unwrap_or(usize::MAX);
        let ticks = self
            .schedule
            .ticks(after)
            .take_while(|tick| tick.at <= until)
            .take(most);
        ticks.count() as u64
    }

    fn hold(&self, decision: &mut Decision, because: Because, after: Timestamp, until: Timestamp, why: &str) {
        let count = self.count(after, until);
        if count == 0 {
            return;
        }
        let first = self.schedule.ticks(after).next().map_or(until, |tick| tick.at);
        let what = match count {
            1 => format!("the run of {} was missed{why}", text(first)),
            MOST_COUNTED.. => format!("{count} runs or more from {} on were missed{why}", text(first)),
            _ => format!("{count} runs from {} on were missed{why}", text(first)),
        };
        decision.hold(self.now, because, count, what);
    }

    /// Ticks of a pause are no missed ones: nobody wanted them.
    fn pass_paused(&self, until: Timestamp, decision: &mut Decision) -> Timestamp {
        let count = self.count(until, self.now);
        let Some(last) = self.schedule.latest(until, self.now) else {
            return until;
        };
        let what = match count {
            1 => format!("a run was due at {}", text(last.at)),
            _ => format!("{count} runs were due up to {}", text(last.at)),
        };
        self.trigger.is_paused(self.now, count, &what, decision);
        last.at
    }

    /// Leaves ticks of more than `max_age` ago behind.
    fn forget(&self, until: Timestamp, max_age: Millis, decision: &mut Decision) -> Timestamp {
        let micros = i64::try_from(max_age.0).unwrap_or(i64::MAX).saturating_mul(1_000);
        // A start that jitter put off is not late before its time.
        let jitter = self
            .jitter
            .map_or(0, |jitter| i64::try_from(jitter.0).unwrap_or(0) * 1_000);
        let oldest = Timestamp(self.now.0.saturating_sub(micros).saturating_sub(jitter));
        if oldest <= until {
            return until;
        }
        let why = format!(" longer ago than `max_age: {max_age}`");
        self.hold(decision, Because::TooOld, until, oldest, &why);
        oldest
    }

    fn all(&self, until: Timestamp, decision: &mut Decision) -> Timestamp {
        let mut until = until;
        for tick in self.schedule.ticks(until).take(AT_ONCE) {
            if tick.at > self.now || self.start(&tick) > self.now {
                break;
            }
            until = tick.at;
            self.fire(&tick, decision);
        }
        until
    }

    fn latest(&self, until: Timestamp, makes_up: bool, decision: &mut Decision) -> Timestamp {
        let Some(last) = self.schedule.latest(until, self.now) else {
            return until;
        };
        // Starts keep the order of ticks: if the last is not due yet, the one before it is.
        let due = if self.start(&last) <= self.now {
            Some(last)
        } else {
            self.schedule.latest(until, Timestamp(last.at.0 - 1))
        };
        let Some(due) = due else { return until };
        let before = Timestamp(due.at.0 - 1);
        if makes_up || self.now.since(self.start(&due)) <= LATE {
            let why = if makes_up {
                "; the latest one is made up for (catchup: latest)"
            } else {
                " (catchup: none)"
            };
            self.hold(decision, Because::Missed, until, before, why);
            self.fire(&due, decision);
        } else {
            self.hold(decision, Because::Missed, until, due.at, " (catchup: none)");
        }
        due.at
    }

    fn fire(&self, tick: &Occurrence, decision: &mut Decision) {
        let mut draft = draft(self.schedule, tick, self.params, "due at");
        let late = self.now.since(self.start(tick));
        if late > LATE {
            let minutes = Millis(late.0 / 60_000 * 60_000);
            draft.reason.push_str(&format!("; made up for, {minutes} late"));
        }
        self.trigger.fire(draft, self.now, decision);
    }
}

/// The run of a tick. The reason begins with `what`, which the tick's local time follows.
pub(super) fn draft<'a>(
    schedule: &Schedule,
    tick: &Occurrence,
    params: &'a indexmap::IndexMap<String, serde_json::Value>,
    what: &str,
) -> Draft<'a> {
    let shown = schedule.local(tick.at).strftime("%Y-%m-%d %H:%M");
    let mut reason = format!("{what} {shown} {}", schedule.abbreviation(tick.at));
    if let Some(change) = schedule.reason(tick) {
        reason.push_str(&format!("; {change}"));
    }
    Draft {
        key: text(tick.at),
        at: tick.at,
        logical_date: Some(tick.local.date().to_string()),
        interval: schedule.before(tick.at).map(|before| (before.at, tick.at)),
        event: serde_json::Value::Null,
        params: Some(params),
        reason,
    }
}
