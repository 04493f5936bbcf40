//! What of a run's events is told.

use super::happening::{About, Happening};
use super::kind::Kind;
use super::subscription::Address;
use crate::run::{
    Event, InstanceIx, RepeatEnd, Run, RunDefinition, RunOutcome, StepState, What, out_of_time,
};
use trainyard_contract::task::Failure;
use trainyard_contract::{FailureClass, RunId, Timestamp};

/// The happenings among events of a run. `first` is the place of the first event among all of the run's,
/// from 1; `run` is how it stands after them. The same events give the same happenings, with the same ids.
pub fn of_run(run: &Run, first: u64, events: &[Event]) -> Vec<Happening> {
    let mut told = Vec::new();
    for (number, event) in (first..).zip(events) {
        let telling = Telling { run, number, event };
        telling.tell(&mut told);
    }
    told
}

/// That a run waits for an engine.
pub fn queued(run: &RunId, definition: &RunDefinition, by: &str, at: Timestamp) -> Happening {
    let about = About {
        by: Some(by.to_owned()),
        ..about(run, definition)
    };
    Happening::new(format!("{run}.0"), Kind::RunQueued, at, subject(run), about).titled(format!(
        "run {} of {} is queued, asked for by {by}",
        run.short(),
        definition.pipeline
    ))
}

fn about(run: &RunId, definition: &RunDefinition) -> About {
    About {
        pipeline: Some(definition.pipeline.to_string()),
        environment: definition.environment.clone(),
        run: Some(run.to_string()),
        owner: definition.owner.clone(),
        ..About::default()
    }
}

fn subject(run: &RunId) -> String {
    format!("runs/{run}")
}

struct Telling<'a> {
    run: &'a Run,
    number: u64,
    event: &'a Event,
}

impl Telling<'_> {
    fn tell(&self, told: &mut Vec<Happening>) {
        let definition = self.run.definition();
        let notices = &definition.notices;
        let what = self.what();
        match &self.event.what {
            What::RunStarted { by, .. } => {
                told.push(
                    self.by(Kind::RunStarted, by)
                        .titled(format!("{what} has started")),
                );
                if let Some(warning) = &definition.bounds.over_budget {
                    let mut over = self.happening(Kind::BudgetExceeded);
                    over.id.push_str(".budget");
                    told.push(
                        over.titled(format!("{what} is beyond its budget"))
                            .saying(warning.clone())
                            .advising(self.advice("plan shows the sums: `trainyard plan`")),
                    );
                }
            }
            What::RetryAsked { by, .. } => told.push(
                self.by(Kind::RunStarted, by)
                    .titled(format!("{what} begins again, retried by {by}")),
            ),
            What::AttemptFailed {
                step,
                retry_at: None,
                failure,
                attempt,
                ..
            } if !self.is_item(*step) => told.push(self.failed(*step, failure, Some(*attempt))),
            What::StepRejected { step, failure } if !self.is_item(*step) => {
                told.push(self.failed(*step, failure, None));
            }
            What::RepeatEnded {
                step,
                end: RepeatEnd::Failed { failure },
            } => told.push(self.failed(*step, failure, None)),
            What::ItemsEnded { step, counts } if counts.failed > 0 => {
                let text = format!("{} of its {} items failed.", counts.failed, counts.total);
                let failed = self.step(Kind::StepFailed, *step).saying(text);
                told.push(self.of_failure(failed, *step));
            }
            What::ApprovalAsked { step } => {
                let instance = self.run.instance_at(*step);
                let rule = instance.as_ref().and_then(|instance| instance.approval.as_ref());
                let text = rule.map_or_else(String::new, |rule| {
                    let people = match rule.min_approvals {
                        0 | 1 => "one person".to_owned(),
                        count => format!("{count} people"),
                    };
                    match rule.roles.as_slice() {
                        [] => format!("It wants the yes of {people}."),
                        roles => format!(
                            "It wants the yes of {people} with the role {}.",
                            roles.join(" or ")
                        ),
                    }
                });
                let name = self.run.name(*step).into_owned();
                told.push(
                    self.step(Kind::ApprovalAsked, *step)
                        .titled(format!("`{name}` of {what} waits for approval"))
                        .saying(text)
                        .advising(format!(
                            "answer with `trainyard approvals approve {} {name}` or `reject`",
                            self.run.id().short()
                        )),
                );
            }
            What::ApprovalGiven {
                step, by, approve, ..
            } => {
                let (kind, verb) = match approve {
                    true => (Kind::ApprovalGiven, "approved"),
                    false => (Kind::ApprovalRejected, "rejected"),
                };
                let name = self.run.name(*step);
                let mut answer = self.step(kind, *step);
                answer.about.by = Some(by.clone());
                told.push(answer.titled(format!("`{name}` of {what} was {verb} by {by}")));
            }
            What::ApprovalExpired { step, approve } => {
                let name = self.run.name(*step);
                let meaning = if *approve { "a yes" } else { "a no" };
                told.push(
                    self.step(Kind::ApprovalExpired, *step)
                        .titled(format!("nobody has answered `{name}` of {what} in time"))
                        .saying(format!("By its rule that counts as {meaning}.")),
                );
            }
            What::SlaBreached { limit, due } => told.push(
                self.happening(Kind::SlaBreached)
                    .titled(format!("{what} is late"))
                    .saying(format!("It is {}.", limit.sentence(*due)))
                    .advising(self.advice("it goes on; see what takes so long"))
                    .to(self.addresses(&definition.bounds.on_breach)),
            ),
            What::RunTimedOut { after, hooks } => told.push(
                self.happening(Kind::RunTimedOut)
                    .titled(format!("{what} has timed out"))
                    .saying(format!("{}.", out_of_time(*after, *hooks)))
                    .advising(self.advice("see what took so long")),
            ),
            What::RunEnded { outcome } => told.push(self.ended(*outcome, &notices.on_failure)),
            _ => {}
        }
    }

    fn addresses(&self, names: &[String]) -> Vec<Address> {
        let definition = self.run.definition();
        definition.notices.addresses(definition.pipeline.as_str(), names)
    }

    fn what(&self) -> String {
        format!(
            "run {} of {}",
            self.run.id().short(),
            self.run.definition().pipeline
        )
    }

    fn advice(&self, what: &str) -> String {
        format!("{what}; `trainyard runs show {}`", self.run.id().short())
    }

    fn happening(&self, kind: Kind) -> Happening {
        let id = self.run.id();
        let mut about = about(id, self.run.definition());
        about.by = self.run.started_by().map(str::to_owned);
        Happening::new(
            format!("{id}.{}", self.number),
            kind,
            self.event.at,
            subject(id),
            about,
        )
    }

    fn by(&self, kind: Kind, by: &str) -> Happening {
        let mut happening = self.happening(kind);
        happening.about.by = Some(by.to_owned());
        happening
    }

    fn step(&self, kind: Kind, ix: InstanceIx) -> Happening {
        let mut happening = self.happening(kind);
        happening.about.step = Some(self.run.name(ix).into_owned());
        happening
    }

    /// An item of a list: its step tells of all of them.
    fn is_item(&self, ix: InstanceIx) -> bool {
        ix as usize >= self.run.definition().instances.len()
    }

    fn failed(&self, ix: InstanceIx, failure: &Failure, attempt: Option<u32>) -> Happening {
        // The message of a failure may quote what a process wrote; its class says what kind it was.
        let mut text = format!("Cause: {}", class(failure.class));
        match attempt {
            Some(attempt) if attempt > 1 => text.push_str(&format!(", after {attempt} attempts.")),
            _ => text.push('.'),
        }
        self.of_failure(self.step(Kind::StepFailed, ix).saying(text), ix)
    }

    fn of_failure(&self, happening: Happening, ix: InstanceIx) -> Happening {
        let definition = self.run.definition();
        let short = self.run.id().short().to_owned();
        let name = self.run.name(ix).into_owned();
        let step = definition
            .instances
            .get(ix as usize)
            .map(|instance| &instance.step);
        let to = step.and_then(|step| definition.notices.on_step_failure.get(step.as_str()));
        happening
            .titled(format!("step `{name}` of {} failed", self.what()))
            .advising(format!("its log: `trainyard runs logs {short} {name}`"))
            .to(self.addresses(to.map_or(&[], Vec::as_slice)))
    }

    fn ended(&self, outcome: RunOutcome, on_failure: &[String]) -> Happening {
        let what = self.what();
        let turned_away = self
            .run
            .turned_away()
            .map(|reason| format!("It never started: {reason}."));
        match outcome {
            RunOutcome::Succeeded => self
                .happening(Kind::RunSucceeded)
                .titled(format!("{what} succeeded")),
            RunOutcome::Cancelled => self
                .happening(Kind::RunCancelled)
                .titled(format!("{what} was cancelled"))
                .saying(turned_away.unwrap_or_default()),
            RunOutcome::Failed => {
                let text = turned_away.unwrap_or_else(|| self.failed_steps());
                self.happening(Kind::RunFailed)
                    .titled(format!("{what} failed"))
                    .saying(text)
                    .advising(format!(
                        "see `trainyard runs show {0}`, and go on with `trainyard runs retry {0}`",
                        self.run.id().short()
                    ))
                    .to(self.addresses(on_failure))
            }
        }
    }

    fn failed_steps(&self) -> String {
        const NAMED: usize = 3;
        let failed: Vec<InstanceIx> = self
            .run
            .steps()
            .filter(|(ix, state)| matches!(state, StepState::Failed { .. }) && !self.is_item(*ix))
            .map(|(ix, _)| ix)
            .collect();
        let names: Vec<String> = failed
            .iter()
            .take(NAMED)
            .map(|ix| format!("`{}`", self.run.name(*ix)))
            .collect();
        match failed.len() {
            0 => String::new(),
            count if count > NAMED => {
                format!("{} and {} more steps failed.", names.join(", "), count - NAMED)
            }
            _ => format!("Failed: {}.", names.join(", ")),
        }
    }
}

/// A class of failure for people.
fn class(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Rejected => "its input or parameters are wrong",
        FailureClass::GateFailed => "a contract, check or gate said no",
        FailureClass::IoError => "a file, the network or a server",
        FailureClass::Timeout => "it ran longer than its timeout",
        FailureClass::OutOfMemory => "it used more memory than its limit",
        FailureClass::LogLimit => "it wrote more log than its limit",
        FailureClass::ExitCode => "its process ended with an error",
        FailureClass::Signal => "its process was ended by a signal",
        FailureClass::WorkerLost => "its worker was lost",
        FailureClass::ArtifactDamaged => "an input is missing or damaged",
        FailureClass::Internal => "a fault of Trainyard",
    }
}
