//! Bounds of a run, most of them in time: a timeout, which ends it, and the service level, by which it is late. Late
//! is not failed: it is told, once for each limit, and the run goes on.

use super::event::What;
use super::planted::Fault;
use super::stage::Stage;
use super::state::StepState;
use super::{Cancel, Run};
use crate::pipeline::spec::trigger as spec;
use crate::trigger::Schedule;
use serde::{Deserialize, Serialize};
use trainyard_contract::{Millis, RunId, Timestamp};

/// What a run may take, as kept with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunBounds {
    /// From the start, or from the last retry: steps that are not over then are cancelled, and the run
    /// has failed. Its hooks have as long again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Millis>,
    /// From the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_by: Option<FinishBy>,
    /// Channels that are to hear that it is late: `notify.NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_breach: Vec<String>,
    /// How long it was foretold to take, where every step has a past to go by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Millis>,
    /// That it is beyond its budget and goes on all the same, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_budget: Option<String>,
}

impl RunBounds {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// That a run made and started now would miss its `finish_by` by what was foretold of it, in a sentence
    /// without its end.
    pub fn foreseen_miss(&self, now: Timestamp) -> Option<String> {
        let due = self.finish_by.as_ref()?.after(now)?;
        let misses = now.plus(self.expected?) > due;
        misses.then(|| format!("a run of now {}", SlaLimit::FinishByForeseen.sentence(due)))
    }
}

/// A time of day: of the first that comes after the run was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishBy {
    /// `HH:MM`.
    pub time: String,
    /// IANA name.
    pub timezone: String,
}

impl FinishBy {
    /// The first such time after an instant, by the rules of schedules: a time that clocks leave out is
    /// the moment after the gap, one that comes twice is the first of the two.
    fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let (hour, minute) = self.time.split_once(':')?;
        let daily = spec::Schedule {
            cron: Some(format!("{minute} {hour} * * *")),
            every: None,
            anchor: None,
            calendar: None,
            timezone: Some(self.timezone.clone()),
            dst: None,
            catchup: None,
            jitter: None,
            params: Default::default(),
        };
        let schedule = Schedule::new(&daily).ok()?;
        schedule.ticks(at).next().map(|tick| tick.at)
    }
}

/// A limit of the service level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlaLimit {
    MaxDuration,
    FinishBy,
    /// By its forecast the run will not make `finish_by`.
    FinishByForeseen,
}

impl SlaLimit {
    /// The key of the pipeline file that it stands under.
    pub fn key(self) -> &'static str {
        match self {
            Self::MaxDuration => "sla.max_duration",
            Self::FinishBy | Self::FinishByForeseen => "sla.finish_by",
        }
    }

    /// What is late, in a sentence without its end.
    pub fn sentence(self, due: Timestamp) -> String {
        let due =
            jiff::Timestamp::from_microsecond(due.0).map_or_else(|_| due.0.to_string(), |at| at.to_string());
        match self {
            Self::MaxDuration | Self::FinishBy => {
                format!("late by `{}`: it should have been over at {due}", self.key())
            }
            Self::FinishByForeseen => {
                format!(
                    "will be late by its forecast and `{}`: it should be over at {due}",
                    self.key()
                )
            }
        }
    }
}

/// What follows from a run's timeout, in a sentence without its end.
pub fn out_of_time(after: Millis, hooks: bool) -> String {
    if hooks {
        format!("its hooks have not ended within its timeout of {after} either, and are ended")
    } else {
        format!("it has reached its timeout of {after}: what is not over is ended, and it fails")
    }
}

/// A run is late, or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    pub limit: SlaLimit,
    /// When the run should have been over.
    pub due: Timestamp,
    /// When that was noticed.
    pub at: Timestamp,
}

/// Where a run stands within its bounds.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// When it should be over, of a run with `finish_by`.
    finish_by: Option<Timestamp>,
    /// The earliest time of an event since the run, or its last retry, began: what its timeout counts from.
    /// Earlier than the beginning only where a clock was set back.
    began: Option<Timestamp>,
    timed_out: Option<Timestamp>,
    /// It was the time of its steps that was up.
    ended_steps: bool,
    breaches: Vec<Breach>,
}

impl Standing {
    pub(super) fn of(id: &RunId, bounds: &RunBounds) -> Self {
        let by = bounds.finish_by.as_ref();
        Self {
            finish_by: by.and_then(|by| by.after(id.made_at())),
            ..Self::default()
        }
    }

    pub(super) fn begin(&mut self, at: Timestamp) {
        self.began = Some(at);
        self.timed_out = None;
        self.ended_steps = false;
    }

    /// A clock that was set back sets the timeout back with it.
    pub(super) fn hear(&mut self, at: Timestamp) {
        for known in [&mut self.began, &mut self.timed_out].into_iter().flatten() {
            *known = at.min(*known);
        }
    }
}

impl Run {
    /// When its time was up, if it has run into its timeout since it last began.
    pub fn timed_out_at(&self) -> Option<Timestamp> {
        self.standing.timed_out
    }

    /// In what it has been late, in the order in which that was noticed.
    pub fn breaches(&self) -> &[Breach] {
        &self.standing.breaches
    }

    /// When it should be over, if it has a `finish_by`.
    pub fn finish_by(&self) -> Option<Timestamp> {
        self.standing.finish_by
    }

    /// When a bound is next to be looked at.
    pub(super) fn next_bound(&self) -> Option<Timestamp> {
        let timeout = self.timeout_at().map(|(at, _)| at);
        self.limits().map(|(_, due, _)| due).chain(timeout).min()
    }

    /// When time is up, and whether that ends hooks as well.
    fn timeout_at(&self) -> Option<(Timestamp, bool)> {
        let timeout = self.definition.bounds.timeout?;
        let began = self.standing.began?;
        let twice = Millis(timeout.0.saturating_mul(2));
        match (self.cancel, self.standing.timed_out) {
            _ if self.ended.is_some() => None,
            (Cancel::Everything, _) => None,
            (_, Some(at)) => Some((at.plus(timeout), true)),
            (Cancel::No, None) if !self.open.is_over(Stage::Graph) => Some((began.plus(timeout), false)),
            (_, None) => Some((began.plus(twice), true)),
        }
    }

    /// Limits that have not been told of: when each is broken, and when the run should be over.
    fn limits(&self) -> impl Iterator<Item = (SlaLimit, Timestamp, Timestamp)> {
        let bounds = &self.definition.bounds;
        let started = self.started_at().filter(|_| self.ended.is_none());
        let limit = |limit, at: Option<Timestamp>, due: Option<Timestamp>| Some((limit, at?, due?));
        let end = started.and_then(|at| Some(at.plus(bounds.max_duration?)));
        let by = self.standing.finish_by.filter(|_| started.is_some());
        // Foreseen when it starts, or not at all.
        let expected = started.and_then(|at| Some(at.plus(bounds.expected?)));
        let foreseen = by.filter(|by| expected.is_some_and(|end| end > *by) && started < Some(*by));
        let all = [
            limit(
                SlaLimit::FinishByForeseen,
                started.filter(|_| foreseen.is_some()),
                by,
            ),
            limit(SlaLimit::MaxDuration, end, end),
            limit(SlaLimit::FinishBy, by, by),
        ];
        let told = |wanted| self.standing.breaches.iter().any(|known| known.limit == wanted);
        let forgetful = self.has(Fault::TellLateTwice);
        all.into_iter()
            .flatten()
            .filter(move |(limit, ..)| forgetful || !told(*limit))
    }

    /// What of it is broken by now, as events to come.
    pub(super) fn bounds_broken(&self, now: Timestamp) -> Vec<What> {
        let late = self.limits().filter(|(_, broken, _)| *broken <= now);
        let mut broken: Vec<What> = late
            .map(|(limit, _, due)| What::SlaBreached { limit, due })
            .collect();
        if let Some((at, hooks)) = self.timeout_at()
            && at <= now
            && !self.has(Fault::ForgetTimeout)
        {
            let after = self.definition.bounds.timeout.unwrap_or_default();
            broken.push(What::RunTimedOut { after, hooks });
        }
        broken
    }

    pub(super) fn late(&mut self, limit: SlaLimit, due: Timestamp, at: Timestamp) {
        self.standing.breaches.push(Breach { limit, due, at });
    }

    pub(super) fn time_out(&mut self, hooks: bool, at: Timestamp) {
        self.standing.timed_out = Some(at);
        self.standing.ended_steps |= !hooks;
        let wanted = if hooks { Cancel::Everything } else { Cancel::Steps };
        self.give_up(wanted.max(self.cancel));
    }

    /// Whether its timeout has kept anything of it from its end: a run all of which was over even so has
    /// succeeded.
    pub(super) fn is_cut_short(&self) -> bool {
        let timed_out = self.standing.timed_out.is_some() && !self.has(Fault::TimeOutForgiven);
        timed_out && self.declared().any(|ix| *self.step(ix) == StepState::Cancelled)
    }

    /// The same of its graph, on account of which hooks of a failed run run.
    pub(super) fn has_timed_out(&self) -> bool {
        let of_graph = |ix| {
            self.instance(ix)
                .is_some_and(|instance| instance.stage() == Stage::Graph)
        };
        let cancelled = |ix| of_graph(ix) && *self.step(ix) == StepState::Cancelled;
        self.standing.ended_steps && !self.has(Fault::TimeOutForgiven) && self.declared().any(cancelled)
    }
}
