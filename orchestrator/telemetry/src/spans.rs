//! Runs and attempts as spans, after the conventions for continuous integration where there are any.
//!
//! A span is made when what it stands for is over. Everything about it is in the run's events then, so a
//! server that has taken a run over tells of it as the one before would have.

use crate::message::{Code, KeyValue, Kind, Link, Span, SpanEvent, Status, Value, attribute};
use crate::outbox::Outbox;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use trainyard_contract::task::{Failure, ResourcesUsed};
use trainyard_contract::{FailureClass, RunId, Timestamp, TraceContext};
use trainyard_domain::run::{Event, InstanceIx, Run, RunOutcome, StepState, What};
use trainyard_engine::Observation;

/// The trace is kept, and its id is random in the last seven bytes.
const FLAGS: u32 = 0b11;

/// Makes spans of what an engine says.
pub(crate) struct Spans {
    outbox: Arc<Outbox<Span>>,
    live: Mutex<BTreeMap<RunId, Live>>,
}

/// What of a run is not over.
#[derive(Default)]
struct Live {
    attempts: BTreeMap<InstanceIx, Begun>,
    /// Since when people are asked.
    asked: BTreeMap<InstanceIx, Timestamp>,
}

#[derive(Clone, Copy)]
struct Begun {
    attempt: u32,
    since: Timestamp,
    /// When it got a slot.
    worked: Option<Timestamp>,
}

/// How an attempt ended.
struct End<'a> {
    result: &'static str,
    failure: Option<&'a Failure>,
    message: Option<&'a str>,
    resources: Option<&'a ResourcesUsed>,
    will_retry: bool,
}

impl End<'_> {
    fn of(result: &'static str) -> Self {
        Self {
            result,
            failure: None,
            message: None,
            resources: None,
            will_retry: false,
        }
    }
}

/// One answered request of somebody who traces.
pub struct RequestSpan<'a> {
    /// The span that it has, as given by [`Telemetry::request_span`](crate::Telemetry::request_span).
    pub context: TraceContext,
    /// The caller's.
    pub parent: TraceContext,
    pub method: &'a str,
    pub route: &'a str,
    pub path: &'a str,
    pub status: u16,
    /// It ends now and began so long ago.
    pub took: Duration,
}

impl Spans {
    pub(crate) fn new(outbox: Arc<Outbox<Span>>) -> Self {
        Self {
            outbox,
            live: Mutex::default(),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<RunId, Live>) -> T) -> T {
        work(&mut self.live.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::Adopted { run } => self.adopted(run),
            Observation::Began { run, step, at, .. } => self.with(|live| {
                let attempts = live.get_mut(*run).map(|live| &mut live.attempts);
                if let Some(begun) = attempts.and_then(|attempts| attempts.get_mut(step)) {
                    begun.worked = Some(*at);
                }
            }),
            Observation::Lost { run } => self.with(|live| {
                live.remove(*run);
            }),
            Observation::Event { event, of, .. } => self.happened(event, of),
            _ => {}
        }
    }

    /// What another engine has begun is ended here.
    fn adopted(&self, run: &Run) {
        let mut live = Live::default();
        for (ix, _) in run.running() {
            if let StepState::Running { attempt, since } = *run.step(ix) {
                let worked = None;
                live.attempts.insert(
                    ix,
                    Begun {
                        attempt,
                        since,
                        worked,
                    },
                );
            }
        }
        for ix in run.awaiting_approval() {
            if let StepState::AwaitingApproval { since, .. } = run.step(ix) {
                live.asked.insert(ix, *since);
            }
        }
        self.with(|all| all.insert(run.id().clone(), live));
    }

    fn happened(&self, event: &Event, of: &Run) {
        match &event.what {
            What::AttemptStarted { step, attempt, .. } => self.with(|live| {
                let begun = Begun {
                    attempt: *attempt,
                    since: event.at,
                    worked: None,
                };
                live.entry(of.id().clone())
                    .or_default()
                    .attempts
                    .insert(*step, begun);
            }),
            What::ApprovalAsked { step } => self.with(|live| {
                live.entry(of.id().clone())
                    .or_default()
                    .asked
                    .insert(*step, event.at);
            }),
            What::AttemptSucceeded {
                step,
                resources,
                headline,
                ..
            } => {
                let mut end = End::of("success");
                end.resources = Some(resources);
                end.message = headline.as_deref();
                self.attempt(of, *step, event.at, &end);
            }
            What::AttemptFailed {
                step,
                failure,
                retry_at,
                resources,
                ..
            } => {
                let mut end = End::of(result_of(failure.class));
                end.failure = Some(failure);
                end.resources = Some(resources);
                end.will_retry = retry_at.is_some();
                self.attempt(of, *step, event.at, &end);
            }
            What::AttemptLost { step, .. } => {
                let lost = Failure::new(FailureClass::WorkerLost, "its engine or worker was lost");
                let mut end = End::of("error");
                end.failure = Some(&lost);
                end.will_retry = true;
                self.attempt(of, *step, event.at, &end);
            }
            What::StepCancelled { step } => {
                self.attempt(of, *step, event.at, &End::of("cancellation"));
                self.asked(of, *step, event.at, "cancellation", None);
            }
            What::StepRejected { step, failure } => self.rejected(of, *step, event.at, failure),
            // One yes may not be enough.
            What::ApprovalGiven {
                step, by, approve, ..
            } if !matches!(of.step(*step), StepState::AwaitingApproval { .. }) => {
                let result = if *approve { "success" } else { "failure" };
                self.asked(of, *step, event.at, result, Some(by));
            }
            What::ApprovalExpired { step, approve } => {
                let result = if *approve { "success" } else { "timeout" };
                self.asked(of, *step, event.at, result, None);
            }
            What::RunEnded { outcome } => self.run(of, *outcome, event.at),
            _ => {}
        }
    }

    fn attempt(&self, of: &Run, step: InstanceIx, at: Timestamp, end: &End<'_>) {
        let begun = self.with(|live| live.get_mut(of.id())?.attempts.remove(&step));
        let Some(begun) = begun else { return };
        let context = TraceContext::of_attempt(of.id(), step, begun.attempt);
        let mut span = task(of, step, context, begun.since, at, end.result);
        let name = of.name(step);
        let attributes = &mut span.attributes;
        let id = format!("{name}#{}", begun.attempt);
        attributes.push(attribute("cicd.pipeline.task.run.id", Value::text(id)));
        attributes.push(attribute("trainyard.attempt", i64::from(begun.attempt)));
        if let Some(headline) = end.message {
            attributes.push(attribute("trainyard.headline", headline));
        }
        if let Some(used) = end.resources {
            for (key, number) in [
                ("trainyard.cpu_milliseconds", used.cpu.0),
                ("trainyard.peak_memory_bytes", used.peak_memory.0),
                ("trainyard.rows_in", used.rows_in),
                ("trainyard.rows_out", used.rows_out),
            ] {
                if number > 0 {
                    attributes.push(attribute(key, i64::try_from(number).unwrap_or(i64::MAX)));
                }
            }
        }
        if let Some(failure) = end.failure {
            attributes.push(attribute("trainyard.will_retry", Value::Bool(end.will_retry)));
            fail(&mut span, failure, at);
        }
        if let Some(worked) = begun.worked {
            span.events.push(SpanEvent {
                time_unix_nano: nanos(worked),
                name: "trainyard.slot_taken".to_owned(),
                attributes: Vec::new(),
            });
        }
        self.outbox.put(span);
    }

    fn rejected(&self, of: &Run, step: InstanceIx, at: Timestamp, failure: &Failure) {
        let context = TraceContext::of_part(of.id(), "rejected", step, at.0);
        let mut span = task(of, step, context, at, at, result_of(failure.class));
        fail(&mut span, failure, at);
        self.outbox.put(span);
    }

    fn asked(&self, of: &Run, step: InstanceIx, at: Timestamp, result: &'static str, by: Option<&str>) {
        let since = self.with(|live| live.get_mut(of.id())?.asked.remove(&step));
        let Some(since) = since else { return };
        let context = TraceContext::of_part(of.id(), "approval", step, since.0);
        let mut span = task(of, step, context, since, at, result);
        if let Some(by) = by {
            span.attributes.push(attribute("trainyard.answered_by", by));
        }
        if result != "success" {
            span.status = Some(error(match result {
                "timeout" => "nobody approved it in time",
                "cancellation" => "the run was cancelled before it was approved",
                _ => "it was rejected",
            }));
        }
        self.outbox.put(span);
    }

    fn run(&self, of: &Run, outcome: RunOutcome, at: Timestamp) {
        self.with(|live| live.remove(of.id()));
        let (round, since) = of.round();
        let context = TraceContext::of_run(of.id(), round);
        let definition = of.definition();
        let result = match outcome {
            RunOutcome::Succeeded => "success",
            RunOutcome::Failed => "failure",
            RunOutcome::Cancelled => "cancellation",
        };
        let mut span = blank(context, since.unwrap_or(at), at);
        span.name = format!("RUN {}", definition.pipeline);
        if round > 0 {
            span.parent_span_id = TraceContext::of_run(of.id(), 0).span.0.to_vec();
        }
        span.kind = if round > 0 { Kind::Internal } else { Kind::Server } as i32;
        span.attributes = of_run(of);
        let attributes = &mut span.attributes;
        attributes.push(attribute("cicd.pipeline.action.name", "RUN"));
        attributes.push(attribute("cicd.pipeline.result", result));
        attributes.push(attribute("trainyard.retries", i64::from(round)));
        if let Some(by) = of.started_by() {
            attributes.push(attribute("trainyard.started_by", by));
        }
        if let Some(kind) = definition.trigger.get("type").and_then(|kind| kind.as_str()) {
            attributes.push(attribute("trainyard.trigger", kind));
        }
        if outcome == RunOutcome::Failed {
            // What may fail, and hooks, did not make the run fail.
            let counts = |ix: InstanceIx| {
                let step = definition.instances.get(ix as usize);
                step.is_none_or(|step| !step.continue_on_error && step.hook.is_none())
            };
            let first = of.steps().find_map(|(ix, state)| match state {
                StepState::Failed { failure, .. } if counts(ix) => Some((ix, failure)),
                _ => None,
            });
            let (class, message) = match first {
                Some((ix, failure)) => (
                    class_word(failure.class),
                    format!("{}: {}", of.name(ix), failure.message),
                ),
                None => ("_OTHER".to_owned(), "the run failed".to_owned()),
            };
            span.attributes.push(attribute("error.type", class.as_str()));
            span.status = Some(error(&message));
        }
        let caller = definition.caller.as_deref().and_then(|text| text.parse().ok());
        let upstream = definition
            .trigger
            .pointer("/event/run")
            .and_then(|run| run.as_str()?.parse().ok());
        let upstream = upstream.map(|run: RunId| TraceContext::of_run(&run, 0));
        for (context, why) in [(caller, "caller"), (upstream, "upstream run")] {
            span.links.extend(context.map(|context| link(context, why)));
        }
        self.outbox.put(span);
    }

    pub(crate) fn request(&self, answered: &RequestSpan<'_>) {
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut span = blank(answered.context, Timestamp(0), Timestamp(0));
        span.end_time_unix_nano = whole(end.as_nanos());
        span.start_time_unix_nano = whole(end.saturating_sub(answered.took).as_nanos());
        span.parent_span_id = answered.parent.span.0.to_vec();
        span.name = format!("{} {}", answered.method, answered.route);
        span.kind = Kind::Server as i32;
        span.attributes = vec![
            attribute("http.request.method", answered.method),
            attribute("http.route", answered.route),
            attribute("http.response.status_code", i64::from(answered.status)),
            attribute("url.path", answered.path),
            attribute("url.scheme", "http"),
        ];
        if answered.status >= 500 {
            let status = answered.status.to_string();
            span.attributes.push(attribute("error.type", status.as_str()));
            span.status = Some(error(""));
        }
        self.outbox.put(span);
    }
}

fn blank(context: TraceContext, since: Timestamp, at: Timestamp) -> Span {
    Span {
        trace_id: context.trace.0.to_vec(),
        span_id: context.span.0.to_vec(),
        start_time_unix_nano: nanos(since),
        // A clock may have been set back meanwhile.
        end_time_unix_nano: nanos(at.max(since)),
        flags: FLAGS,
        ..Span::default()
    }
}

/// A span of a step within the run's.
fn task(
    of: &Run,
    step: InstanceIx,
    context: TraceContext,
    since: Timestamp,
    at: Timestamp,
    result: &'static str,
) -> Span {
    let mut span = blank(context, since, at);
    span.parent_span_id = TraceContext::of_run(of.id(), of.round().0).span.0.to_vec();
    span.kind = Kind::Internal as i32;
    span.attributes = of_run(of);
    let attributes = &mut span.attributes;
    if let Some(instance) = of.instance_at(step) {
        // An item's own name would make as many names as there are items.
        span.name = format!("RUN {}", instance.step);
        attributes.push(attribute("cicd.pipeline.task.name", instance.step.as_str()));
        attributes.push(attribute("trainyard.step.instance", instance.name.as_str()));
        attributes.push(attribute("trainyard.step.uses", instance.uses.as_str()));
    }
    attributes.push(attribute("cicd.pipeline.task.run.result", result));
    span
}

fn of_run(of: &Run) -> Vec<KeyValue> {
    let definition = of.definition();
    let mut attributes = vec![
        attribute("cicd.pipeline.name", definition.pipeline.as_str()),
        attribute("cicd.pipeline.run.id", of.id().as_str()),
    ];
    if let Some(environment) = &definition.environment {
        attributes.push(attribute("deployment.environment.name", environment.as_str()));
    }
    attributes
}

fn fail(span: &mut Span, failure: &Failure, at: Timestamp) {
    let class = class_word(failure.class);
    span.attributes.push(attribute("error.type", class.as_str()));
    span.status = Some(error(&failure.message));
    let sentences: Vec<&str> = std::iter::once(&failure.message)
        .chain(&failure.causes)
        .map(String::as_str)
        .collect();
    let mut attributes = vec![
        attribute("exception.type", class.as_str()),
        attribute("exception.message", sentences.join(": ").as_str()),
    ];
    if !failure.log_tail.is_empty() {
        attributes.push(attribute(
            "exception.stacktrace",
            failure.log_tail.join("\n").as_str(),
        ));
    }
    span.events.push(SpanEvent {
        time_unix_nano: nanos(at),
        name: "exception".to_owned(),
        attributes,
    });
}

fn error(message: &str) -> Status {
    Status {
        message: crate::message::cut(message),
        code: Code::Error as i32,
    }
}

fn link(context: TraceContext, why: &str) -> Link {
    Link {
        trace_id: context.trace.0.to_vec(),
        span_id: context.span.0.to_vec(),
        attributes: vec![attribute("trainyard.link", why)],
        flags: u32::from(context.is_sampled),
    }
}

/// What the conventions call it.
fn result_of(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Timeout => "timeout",
        FailureClass::WorkerLost | FailureClass::Internal => "error",
        _ => "failure",
    }
}

/// As documents and `retry.when` write it.
fn class_word(class: FailureClass) -> String {
    match serde_json::to_value(class) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "_OTHER".to_owned(),
    }
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(1_000)
}

fn whole(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(u64::MAX)
}
