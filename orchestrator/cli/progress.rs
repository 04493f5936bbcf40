//! Live progress of a run: a line a running step on a terminal, a line an event in a pipe, JSON
//! events on request; and the calm summary at the end.

mod items;

use crate::output::{Terminal, Tone, human_time};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use items::Fan;
use std::collections::BTreeMap;
use std::time::Duration;
use trainyard_contract::task::FailureClass;
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::run::{
    Event, Hook, InstanceIx, Run, RunDefinition, RunOutcome, SkipReason, StepState, What, out_of_time,
};
use trainyard_engine::Observation;

/// Shows a run as it happens.
pub(crate) struct Progress {
    definition: RunDefinition,
    screen: MultiProgress,
    bars: BTreeMap<InstanceIx, ProgressBar>,
    started: BTreeMap<InstanceIx, Timestamp>,
    /// Only so many finished steps are listed one by one in a large run.
    quiet: bool,
    finished: usize,
    /// Items and iterations, by their first instance.
    fans: BTreeMap<InstanceIx, Fan>,
}

/// A run of more instances than this shows a counter instead of each step.
const LISTED_AT_MOST: usize = 300;

impl Progress {
    pub(crate) fn new(definition: RunDefinition, terminal: &Terminal) -> Self {
        let target = if terminal.is_interactive() && !terminal.is_json() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let quiet = definition.instances.len() > LISTED_AT_MOST && terminal.verbose() == 0;
        Self {
            definition,
            screen: MultiProgress::with_draw_target(target),
            bars: BTreeMap::new(),
            started: BTreeMap::new(),
            quiet,
            finished: 0,
            fans: BTreeMap::new(),
        }
    }

    /// Takes one piece of news.
    pub(crate) fn observe(&mut self, observation: &Observation<'_>, terminal: &mut Terminal) {
        match observation {
            Observation::Adopted { run } => self.adopted(run),
            Observation::Event { event, .. } => self.note_items(event),
            _ => {}
        }
        if terminal.is_json() {
            if let Some(document) = self.json(observation) {
                terminal.out_json(&document);
            }
            return;
        }
        match observation {
            Observation::Adopted { .. } => {}
            Observation::Event { event, .. } => self.event(event, terminal),
            Observation::Began {
                step, attempt, at, ..
            } => self.began(*step, *attempt, *at, terminal),
            Observation::Progress {
                step,
                done,
                total,
                unit,
                ..
            } => {
                if let Some(bar) = self.bars.get(step) {
                    bar.set_message(progress_text(*done, *total, unit, bar.elapsed()));
                }
            }
            Observation::AwaitsSlot { step, reason, .. } => {
                if self.is_listed(*step) {
                    let text = format!("{}  {reason}", self.name(*step));
                    self.line(terminal, Tone::Quiet, "Queued", text);
                }
            }
            Observation::Waiting { run } => self.waiting(run, terminal),
            Observation::Ended { .. } => {
                for (_, bar) in std::mem::take(&mut self.bars) {
                    bar.finish_and_clear();
                }
            }
            Observation::Committed { .. } => {}
            Observation::Lost { .. } => {
                let text = "by another engine while this one could not be heard; it goes on there";
                self.line(terminal, Tone::Warn, "Taken over", text.to_owned());
            }
            Observation::Trouble { message } => {
                self.line(terminal, Tone::Warn, "warning", message.to_string())
            }
        }
    }

    fn began(&mut self, step: InstanceIx, attempt: u32, at: Timestamp, terminal: &mut Terminal) {
        if !self.is_listed(step) {
            return;
        }
        self.started.insert(step, at);
        let name = self.name(step);
        let suffix = if attempt > 1 {
            format!(" (attempt {attempt})")
        } else {
            String::new()
        };
        if !terminal.is_interactive() {
            self.line(terminal, Tone::Busy, "Running", format!("{name}{suffix}"));
            return;
        }
        let bar = self.screen.add(ProgressBar::new_spinner());
        let verb = terminal.verb(Tone::Busy, "Running");
        if let Ok(style) = ProgressStyle::with_template("{prefix} {elapsed:>4} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(format!("{verb} {name}{suffix}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        self.bars.insert(step, bar);
    }

    fn event(&mut self, event: &Event, terminal: &mut Terminal) {
        match &event.what {
            What::AttemptSucceeded {
                step,
                headline,
                resources,
                ..
            } => {
                self.close(*step);
                if self.item_over(*step, false, terminal) {
                    return;
                }
                self.finished += 1;
                if self.quiet {
                    if self.finished.is_multiple_of(1000) {
                        let total = self.definition.instances.len();
                        self.line(
                            terminal,
                            Tone::Busy,
                            "Finished",
                            format!("{} of {total} steps", self.finished),
                        );
                    }
                    return;
                }
                let text = line_of(&self.name(*step), Some(resources.wall.0), headline.as_deref());
                self.line(terminal, Tone::Good, "Finished", text);
            }
            What::StepReused {
                step, from, headline, ..
            } => {
                if self.item_over(*step, false, terminal) || self.quiet {
                    return;
                }
                let what = headline
                    .as_deref()
                    .map_or_else(String::new, |line| format!("{line}, "));
                let text = format!("{:<28} {what}from run {}", self.name(*step), from.short());
                self.line(terminal, Tone::Good, "Reused", text);
            }
            What::AttemptFailed {
                step,
                failure,
                retry_at,
                resources,
                ..
            } => {
                self.close(*step);
                if retry_at.is_none() && self.item_over(*step, true, terminal)
                    || retry_at.is_some() && !self.is_listed(*step)
                {
                    return;
                }
                let name = self.name(*step);
                match retry_at {
                    Some(at) => {
                        let wait = human_time(at.since(event.at).0);
                        let text = format!("{name}  {}; trying again in {wait}", failure.message);
                        self.line(terminal, Tone::Warn, "Retrying", text);
                    }
                    None => {
                        let text = line_of(&name, Some(resources.wall.0), Some(&failure.message));
                        self.line(terminal, Tone::Bad, "Failed", text);
                    }
                }
            }
            What::AttemptLost { step, .. } => {
                self.close(*step);
                let text = format!("{}  its worker was lost; starting it again", self.name(*step));
                self.line(terminal, Tone::Warn, "Restarting", text);
            }
            What::StepRejected { step, failure } => {
                if self.item_over(*step, true, terminal) {
                    return;
                }
                let mut text = format!("{}  {}", self.name(*step), failure.message);
                for cause in &failure.causes {
                    text.push_str(": ");
                    text.push_str(cause);
                }
                self.line(terminal, Tone::Bad, "Failed", text);
            }
            What::StepSkipped { step, because }
                if !self.quiet && !matches!(because, SkipReason::NotNeeded | SkipReason::NotSelected) =>
            {
                let text = format!("{:<28} {}", self.name(*step), self.why_skipped(*step, because));
                self.line(terminal, Tone::Quiet, "Skipped", text);
            }
            What::StepCancelled { step } => {
                self.close(*step);
                if !self.item_over(*step, false, terminal) && !self.quiet {
                    let text = self.name(*step);
                    self.line(terminal, Tone::Warn, "Cancelled", text);
                }
            }
            What::ItemsKnown { first, .. } => self.items_known(*first, terminal),
            What::RepeatEnded { step, end } => self.repeat_ended(*step, end, terminal),
            What::ItemsCancelled { step } => {
                let text = format!("{:<28} the items that had not begun", self.name(*step));
                self.line(terminal, Tone::Warn, "Cancelled", text);
            }
            What::ApprovalAsked { step } => {
                let text = format!("{}  asks for approval", self.name(*step));
                self.line(terminal, Tone::Warn, "Waiting", text);
            }
            What::ApprovalGiven {
                step, by, approve, ..
            } => {
                let (tone, verb) = if *approve {
                    (Tone::Good, "Approved")
                } else {
                    (Tone::Bad, "Rejected")
                };
                let text = format!("{}  by {by}", self.name(*step));
                self.line(terminal, tone, verb, text);
            }
            What::RunTurnedAway { reason, .. } => {
                self.line(terminal, Tone::Warn, "Not started", reason.clone());
            }
            What::CancelAsked { by } => {
                self.line(terminal, Tone::Warn, "Cancelling", format!("asked by {by}"));
            }
            What::SlaBreached { limit, due } => {
                self.line(terminal, Tone::Warn, "Late", limit.sentence(*due));
            }
            What::RunTimedOut { after, hooks } => {
                self.line(terminal, Tone::Bad, "Timed out", out_of_time(*after, *hooks));
            }
            _ => {}
        }
    }

    /// Why a step was skipped, in a few words.
    pub(crate) fn why_skipped(&self, step: InstanceIx, because: &SkipReason) -> String {
        why_skipped(&self.definition, step, because)
    }

    fn waiting(&mut self, run: &RunId, terminal: &mut Terminal) {
        let text = format!(
            "for a decision; see `trainyard approvals list` (run {})",
            run.short()
        );
        self.line(terminal, Tone::Warn, "Waiting", text);
    }

    fn close(&mut self, step: InstanceIx) {
        if let Some(bar) = self.bars.remove(&step) {
            bar.finish_and_clear();
            self.screen.remove(&bar);
        }
    }

    fn line(&mut self, terminal: &mut Terminal, tone: Tone, verb: &str, rest: String) {
        let text = format!("{} {rest}", terminal.verb(tone, verb));
        if terminal.is_interactive() {
            // Above the live lines, so that they stay at the bottom.
            let _ = self.screen.println(&text);
        } else {
            terminal.note(text);
        }
    }

    fn json(&self, observation: &Observation<'_>) -> Option<serde_json::Value> {
        Some(match observation {
            Observation::Event { run, event, .. } => {
                let mut document = serde_json::to_value(event).ok()?;
                let map = document.as_object_mut()?;
                map.insert("run".into(), run.as_str().into());
                let step = map.get("step").and_then(serde_json::Value::as_u64);
                if let Some(step) = step.and_then(|step| InstanceIx::try_from(step).ok()) {
                    map.insert("instance".into(), self.name(step).into());
                }
                document
            }
            Observation::Began {
                run,
                step,
                attempt,
                at,
            } => serde_json::json!({
                "at": at.0, "event": "attempt_began", "run": run.as_str(), "step": step,
                "instance": self.name(*step), "attempt": attempt,
            }),
            Observation::Progress {
                run,
                step,
                done,
                total,
                unit,
                ..
            } => serde_json::json!({
                "event": "progress", "run": run.as_str(), "step": step, "instance": self.name(*step),
                "done": done, "total": total, "unit": unit,
            }),
            Observation::AwaitsSlot {
                run, step, reason, ..
            } => serde_json::json!({
                "event": "awaits_slot", "run": run.as_str(), "step": step, "instance": self.name(*step),
                "reason": reason,
            }),
            Observation::Waiting { run } => serde_json::json!({ "event": "waiting", "run": run.as_str() }),
            Observation::Adopted { .. } | Observation::Ended { .. } | Observation::Committed { .. } => {
                return None;
            }
            Observation::Lost { run } => serde_json::json!({ "event": "lost", "run": run.as_str() }),
            Observation::Trouble { message } => serde_json::json!({ "event": "trouble", "message": message }),
        })
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn line_of(name: &str, wall_ms: Option<u64>, rest: Option<&str>) -> String {
    let time = wall_ms.map_or_else(String::new, human_time);
    format!("{name:<28} {time:>9}  {}", rest.unwrap_or(""))
        .trim_end()
        .to_owned()
}

fn progress_text(done: u64, total: u64, unit: &str, elapsed: Duration) -> String {
    if total == 0 {
        return format!("{done} {unit}");
    }
    let share = done as f64 / total as f64;
    let left = if done > 0 && done < total {
        let seconds = elapsed.as_secs_f64() * (1.0 - share) / share;
        format!(", {} left", human_time((seconds * 1000.0) as u64))
    } else {
        String::new()
    };
    format!("{done} of {total} {unit} ({:.0} %){left}", share * 100.0)
}

/// Why a step was skipped, in a few words.
pub(crate) fn why_skipped(definition: &RunDefinition, step: InstanceIx, because: &SkipReason) -> String {
    let name = |ix: &InstanceIx| {
        definition
            .instances
            .get(*ix as usize)
            .map_or("?", |i| i.name.as_str())
    };
    match because {
        SkipReason::Condition => {
            use trainyard_domain::run::Condition;
            match definition
                .instances
                .get(step as usize)
                .map(|instance| &instance.condition)
            {
                Some(Condition::Never(text) | Condition::When(text)) => format!("`if: {text}` is false"),
                _ => "its `if` is false".to_owned(),
            }
        }
        SkipReason::Upstream { step } => format!("takes data from `{}`, which was skipped", name(step)),
        SkipReason::UpstreamFailed { step } => format!("needs `{}`, which did not succeed", name(step)),
        SkipReason::NotNeeded => match definition.instances.get(step as usize).and_then(|i| i.hook) {
            Some(Hook::OnFailure(step)) => format!("`{}` did not fail", name(&step)),
            Some(Hook::RunFailed) => "no step failed the run".to_owned(),
            Some(Hook::Finally) | None => "its occasion did not come".to_owned(),
        },
        SkipReason::NotSelected => "not selected".to_owned(),
    }
}

/// The summary of a run that is over, and where to look.
pub(crate) fn summary(run: &Run, home: &std::path::Path, millis: u64, terminal: &mut Terminal) {
    let definition = run.definition().clone();
    let mut ran = 0;
    let mut reused = 0;
    let mut skipped = 0;
    let mut failed = Vec::new();
    let mut models = Vec::new();
    for (ix, instance) in definition.instances.iter().enumerate() {
        let Ok(ix) = InstanceIx::try_from(ix) else {
            continue;
        };
        match run.step(ix) {
            StepState::Succeeded { outputs, from, .. } => {
                if from.is_some() {
                    reused += 1
                } else {
                    ran += 1
                }
                for output in outputs.values() {
                    match output {
                        trainyard_contract::OutputValue::Value(value) if value.get("version").is_some() => {
                            models.push(format!(
                                "{} version {}",
                                value["name"].as_str().unwrap_or("?"),
                                value["version"]
                            ));
                        }
                        _ => {}
                    }
                }
            }
            StepState::Failed { failure, kept, .. } => failed.push((instance, failure, kept)),
            StepState::Skipped { .. } => skipped += 1,
            _ => {}
        }
    }
    terminal.note("");
    for (instance, failure, kept) in &failed {
        let head = terminal.paint_err(Tone::Bad, "error");
        let what = if instance.hook.is_some() { "hook" } else { "step" };
        terminal.note(format!(
            "{head}: {what} `{}` failed: {}",
            instance.name, failure.message
        ));
        for cause in &failure.causes {
            terminal.note(format!("  caused by: {cause}"));
        }
        for line in &failure.log_tail {
            terminal.note(format!("  | {line}"));
        }
        if !kept.is_empty() {
            let names: Vec<String> = kept.keys().map(|name| format!("`{name}`")).collect();
            let id = run.id().short();
            terminal.note(format!(
                "  kept: {}; `trainyard runs show {id}` lists them",
                names.join(", ")
            ));
        }
        if let Some(help) = &failure.help {
            terminal.note(format!("  help: {help}"));
        } else if failure.class == FailureClass::OutOfMemory {
            terminal.note("  help: raise `resources.memory` of the step, or let it work on less");
        }
    }
    let (tone, verb) = match run.status() {
        trainyard_domain::run::RunStatus::Ended(RunOutcome::Succeeded) => (Tone::Good, "Succeeded"),
        trainyard_domain::run::RunStatus::Ended(RunOutcome::Cancelled) => (Tone::Warn, "Cancelled"),
        trainyard_domain::run::RunStatus::Ended(RunOutcome::Failed) => (Tone::Bad, "Failed"),
        _ => (Tone::Warn, "Unfinished"),
    };
    if let (Some(_), Some(after)) = (run.timed_out_at(), definition.bounds.timeout) {
        let head = terminal.paint_err(Tone::Bad, "error");
        terminal.note(format!("{head}: {}", out_of_time(after, false)));
        terminal.note("  help: raise `timeout` of the pipeline, or see which step took so long");
    }
    let mut parts = vec![format!("{ran} ran"), format!("{reused} reused")];
    if skipped > 0 {
        parts.push(format!("{skipped} skipped"));
    }
    if !failed.is_empty() {
        parts.push(format!("{} failed", failed.len()));
    }
    let line = format!(
        "{} in {}: {} ({})",
        definition.pipeline,
        human_time(millis),
        parts.join(", "),
        run.id()
    );
    terminal.status(tone, verb, line);
    for model in models {
        terminal.status(Tone::Good, "Registered", model);
    }
    let here = std::env::current_dir().unwrap_or_default();
    for (name, path) in crate::reports::publish(run, home) {
        let path = path.strip_prefix(&here).unwrap_or(&path);
        terminal.status(Tone::Quiet, "Report", format!("{name:<24} {}", path.display()));
    }
    let id = run.id().short().to_owned();
    // Where one stands may be another project, or none.
    let elsewhere = crate::project::Project::here(None).map_or(true, |project| project.home != home);
    let at = if elsewhere {
        format!(" --home {}", home.strip_prefix(&here).unwrap_or(home).display())
    } else {
        String::new()
    };
    let next = if failed.is_empty() {
        format!("trainyard runs show {id}{at} · trainyard models list{at} · trainyard lineage show {id}{at}")
    } else {
        format!("trainyard runs logs {id}{at} · mend it, then trainyard runs retry {id}{at}")
    };
    terminal.status(Tone::Quiet, "Look at", next);
}
