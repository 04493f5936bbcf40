//! The decision: a trigger, its state, the time, and what happened.

use super::clock;
use super::firing::{Because, Facts, Firing, Held, date, text};
use super::pace::Pace;
use super::schedule::{Schedule, ScheduleFault};
use super::state::{Pause, TriggerState};
use super::{data, signal};
use crate::expression::{Context, render};
use crate::pipeline::Pipeline;
use crate::pipeline::spec::{self, Param};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use trainyard_contract::Timestamp;

/// A trigger of a pipeline in an environment.
#[derive(Clone, Debug)]
pub struct Trigger {
    pub(super) pipeline: String,
    pub(super) name: String,
    pub(super) spec: spec::Trigger,
    pub(super) schedule: Option<Schedule>,
    environment: Option<String>,
    vars: Map<String, Value>,
    pub(super) form: IndexMap<String, Param>,
}

/// What the world tells a trigger.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Time has passed. Also what is said first after a start.
    Woken,
    Paused {
        by: String,
        why: Option<String>,
    },
    Resumed,
    /// Somebody looked at a dataset: the hash of its content, `None` if it is not there. The first
    /// look is what is new compared with.
    Looked {
        dataset: String,
        content: Option<String>,
    },
    /// A run made an output, `PIPELINE.STEP.OUTPUT`.
    Produced {
        dataset: String,
        content: String,
    },
    /// An alert, by its name or as `PIPELINE.ALERT`; `breach` is unique to the breach.
    Alerted {
        alert: String,
        breach: String,
        detail: Value,
    },
    /// An authentic request at the trigger's path.
    Requested {
        /// Idempotency key of the sender, else something unique to this request.
        key: String,
        /// As signed by the sender.
        sent_at: Option<Timestamp>,
        body: Value,
    },
    /// A run of another pipeline is over. Told again it changes nothing, so whoever tells it may do so
    /// from a record of all runs.
    RunEnded(RunEnded),
    /// A person asks for a run.
    Asked {
        /// Unique to this wish.
        key: String,
        by: String,
        roles: Vec<String>,
        params: Map<String, Value>,
    },
}

/// A run of another pipeline that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnded {
    pub run: String,
    pub pipeline: String,
    pub environment: Option<String>,
    pub outcome: Outcome,
    /// Outcomes of its steps; those that were skipped are left out.
    pub steps: BTreeMap<String, Outcome>,
    pub ended_at: Timestamp,
    /// Its `trigger.logical_date`, which its followers have too.
    pub logical_date: Option<String>,
}

/// How a run or a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    Failed,
    Cancelled,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What came of it. State and firings are to be kept in one transaction; if that fails, nothing was
/// decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    pub state: TriggerState,
    /// In the order of time.
    pub firings: Vec<Firing>,
    pub held: Vec<Held>,
    /// When to say [`News::Woken`] next; `None`: not by time alone.
    pub wake_at: Option<Timestamp>,
}

impl Decision {
    pub(super) fn hold(&mut self, at: Timestamp, because: Because, count: u64, reason: impl Into<String>) {
        self.held.push(Held {
            at,
            because,
            count,
            reason: reason.into(),
        });
    }
}

/// Decides what a trigger does. The same arguments give the same decision.
pub fn decide(trigger: &Trigger, state: &TriggerState, now: Timestamp, news: &News) -> Decision {
    let mut decision = Decision {
        state: state.clone(),
        ..Decision::default()
    };
    match news {
        News::Paused { by, why } if state.paused.is_none() => {
            // What is due by now is still decided under the old state.
            decision = decide(trigger, state, now, &News::Woken);
            decision.state.paused = Some(Pause {
                by: by.clone(),
                at: now,
                why: why.clone(),
            });
        }
        News::Resumed => {
            decision = decide(trigger, state, now, &News::Woken);
            decision.state.paused = None;
        }
        _ => {}
    }
    match &trigger.spec {
        spec::Trigger::Schedule(spec) => {
            if let Some(schedule) = &trigger.schedule {
                clock::decide(trigger, spec, schedule, now, &mut decision);
            }
        }
        spec::Trigger::Data(spec) => data::decide(trigger, spec, now, news, &mut decision),
        spec::Trigger::Alert(spec) => signal::of_alert(trigger, spec, now, news, &mut decision),
        spec::Trigger::Webhook(spec) => signal::of_webhook(trigger, spec, now, news, &mut decision),
        spec::Trigger::Pipeline(spec) => signal::of_pipeline(trigger, spec, now, news, &mut decision),
        spec::Trigger::Manual(spec) => signal::by_hand(trigger, spec, now, news, &mut decision),
    }
    decision
}

/// A firing in the making.
pub(super) struct Draft<'a> {
    /// What tells it from other firings of the trigger.
    pub(super) key: String,
    pub(super) at: Timestamp,
    /// Default: the day of `at` in UTC.
    pub(super) logical_date: Option<String>,
    pub(super) interval: Option<(Timestamp, Timestamp)>,
    pub(super) event: Value,
    pub(super) params: Option<&'a IndexMap<String, Value>>,
    pub(super) reason: String,
}

impl Trigger {
    /// A trigger of a checked pipeline. `environment` is the one its runs are for.
    ///
    /// # Errors
    /// None of a pipeline that passed its checks.
    pub fn new(
        pipeline: &Pipeline,
        environment: Option<&str>,
        name: &str,
        spec: &spec::Trigger,
    ) -> Result<Self, ScheduleFault> {
        let mut trigger = Self::of_spec(pipeline.name().as_str(), name, spec)?;
        trigger.environment = environment.map(str::to_owned);
        trigger.vars = pipeline.vars(environment);
        trigger.form.clone_from(pipeline.params());
        Ok(trigger)
    }

    /// A trigger without its pipeline: no environment, no vars, no params.
    ///
    /// # Errors
    /// A schedule that makes no sense.
    pub fn of_spec(pipeline: &str, name: &str, spec: &spec::Trigger) -> Result<Self, ScheduleFault> {
        let schedule = match spec {
            spec::Trigger::Schedule(spec) => Some(Schedule::new(spec)?),
            _ => None,
        };
        Ok(Self {
            pipeline: pipeline.to_owned(),
            name: name.to_owned(),
            spec: spec.clone(),
            schedule,
            environment: None,
            vars: Map::new(),
            form: IndexMap::new(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn spec(&self) -> &spec::Trigger {
        &self.spec
    }

    /// Params of the pipeline, for what a person fills in.
    pub fn form(&self) -> &IndexMap<String, Param> {
        &self.form
    }

    /// Starts a run, or says why its params have no value.
    pub(super) fn fire(&self, draft: Draft<'_>, now: Timestamp, decision: &mut Decision) -> bool {
        let facts = Facts {
            kind: self.spec.kind(),
            name: &self.name,
            logical_date: draft.logical_date.unwrap_or_else(|| date(draft.at)),
            at: draft.at,
            interval: draft.interval,
            event: &draft.event,
        };
        let mut document = facts.document();
        let written: Map<String, Value> = draft
            .params
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let context = Known {
            trigger: &document,
            event: &draft.event,
            environment: self.environment.as_deref(),
            vars: &self.vars,
        };
        match render(&Value::Object(written), &context) {
            Ok(params) => {
                document.insert("params".to_owned(), params);
            }
            Err(fault) => {
                let reason = format!("param `{}` has no value: {}", fault.path, fault.error.message);
                decision.hold(now, Because::Refused, 1, reason);
                return false;
            }
        }
        let of = match &self.environment {
            Some(environment) => format!("{}@{environment}", self.pipeline),
            None => self.pipeline.clone(),
        };
        decision.firings.push(Firing {
            key: format!("{of}/{}/{}", self.name, draft.key),
            at: draft.at,
            trigger: Value::Object(document),
            reason: draft.reason,
        });
        decision.state.fired += 1;
        let pace = Pace::of(&self.spec);
        if pace.has_limits() {
            decision.state.recent.push(now);
        }
        true
    }

    /// Whether the pipeline is paused; then it is said.
    pub(super) fn is_paused(&self, now: Timestamp, count: u64, what: &str, decision: &mut Decision) -> bool {
        let Some(pause) = decision.state.paused.clone() else {
            return false;
        };
        let why = pause.why.map_or_else(String::new, |why| format!(": {why}"));
        decision.hold(
            now,
            Because::Paused,
            count,
            format!(
                "{what}, but {} paused the pipeline at {}{why}",
                pause.by,
                text(pause.at)
            ),
        );
        true
    }
}

/// Names as params of a trigger see them.
struct Known<'a> {
    trigger: &'a Map<String, Value>,
    event: &'a Value,
    environment: Option<&'a str>,
    vars: &'a Map<String, Value>,
}

impl Context for Known<'_> {
    fn root(&self, name: &str) -> Option<Value> {
        match name {
            "trigger" => Some(Value::Object(self.trigger.clone())),
            "event" => Some(self.event.clone()),
            "environment" => self.environment.map(|name| json!({ "name": name })),
            "vars" => Some(Value::Object(self.vars.clone())),
            _ => None,
        }
    }

    fn step(&self, _: &str) -> Option<Value> {
        None
    }
}
