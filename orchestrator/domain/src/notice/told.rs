//! What happens outside of runs, in words.

use super::happening::{About, Happening};
use super::kind::Kind;
use super::portion::Folded;
use super::subscription::{Address, RunNotices};
use crate::pipeline::spec::Alert;
use crate::pipeline::spec::alert::AlertAction;
use trainyard_contract::{RunId, Timestamp};

/// What became of a trigger that has started nothing.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    pub pipeline: &'a str,
    pub trigger: &'a str,
    pub at: Timestamp,
    /// The tick it stands for, if it is one of a clock.
    pub due: Option<Timestamp>,
    /// One word, as the history of triggers has it.
    pub verdict: &'a str,
    pub reason: Option<&'a str>,
}

/// That a trigger has started nothing; none if it has, or if that is as it should be.
pub fn held(of: &Held<'_>) -> Option<Happening> {
    let (kind, what) = match of.verdict {
        "paused" | "cooldown" | "max_runs" => (Kind::TriggerHeld, "was held back"),
        "missed" | "too_old" => (Kind::TriggerMissed, "has missed its time"),
        "refused" => (Kind::TriggerRefused, "was refused"),
        _ => return None,
    };
    let about = About {
        pipeline: Some(of.pipeline.to_owned()),
        trigger: Some(of.trigger.to_owned()),
        ..About::default()
    };
    let subject = format!("pipelines/{}/triggers/{}", of.pipeline, of.trigger);
    let id = format!(
        "{}.{}.{}.{}",
        of.pipeline,
        of.trigger,
        of.due.unwrap_or(of.at).0,
        of.verdict
    );
    let name = format!("trigger `{}` of {}", of.trigger, of.pipeline);
    Some(
        Happening::new(id, kind, of.at, subject, about)
            .titled(format!("{name} {what}"))
            .saying(of.reason.map(sentence).unwrap_or_default())
            .advising(match kind {
                Kind::TriggerMissed => "make up for it with `trainyard backfill`".to_owned(),
                _ => format!("see `trainyard triggers history {}`", of.pipeline),
            }),
    )
}

/// A version that a model has got.
#[derive(Clone, Copy, Debug)]
pub struct Registered<'a> {
    pub model: &'a str,
    pub version: u32,
    /// The run that made it, if one of ours did.
    pub run: Option<&'a RunId>,
    pub pipeline: Option<&'a str>,
    pub owner: Option<&'a str>,
    pub at: Timestamp,
}

/// That a model has a new version.
pub fn registered(of: &Registered<'_>) -> Happening {
    let Registered {
        model, version, run, ..
    } = of;
    let about = About {
        pipeline: of.pipeline.map(str::to_owned),
        owner: of.owner.map(str::to_owned),
        run: run.map(ToString::to_string),
        model: Some((*model).to_owned()),
        version: Some(*version),
        ..About::default()
    };
    Happening::new(
        format!("{model}.{version}"),
        Kind::ModelRegistered,
        of.at,
        format!("models/{model}"),
        about,
    )
    .titled(format!("model {model} has version {version}"))
    .advising(format!("look at it: `trainyard models show {model} {version}`"))
}

/// That an alias points elsewhere.
pub fn alias_moved(model: &str, alias: &str, from: Option<u32>, version: u32, at: Timestamp) -> Happening {
    let about = About {
        model: Some(model.to_owned()),
        version: Some(version),
        ..About::default()
    };
    let before = from.map_or_else(String::new, |from| format!(", before at version {from}"));
    Happening::new(
        format!("{model}.{alias}.{}", at.0),
        Kind::ModelAliasMoved,
        at,
        format!("models/{model}"),
        about,
    )
    .titled(format!("`{alias}` of model {model} is version {version}{before}"))
}

/// That an alert has breached. `notices` are its pipeline's.
pub fn breached(
    pipeline: &str,
    notices: &RunNotices,
    (name, alert): (&str, &Alert),
    breach: &str,
    at: Timestamp,
) -> Happening {
    let about = About {
        pipeline: Some(pipeline.to_owned()),
        alert: Some(name.to_owned()),
        owner: alert.owner.clone(),
        severity: alert.severity.map(|severity| severity.as_str().to_owned()),
        ..About::default()
    };
    let channels: Vec<String> = alert
        .actions
        .iter()
        .filter_map(|action| match action {
            AlertAction::Named(name) if name.starts_with("notify.") => Some(name.clone()),
            _ => None,
        })
        .collect();
    Happening::new(
        format!("{pipeline}.{name}.{breach}"),
        Kind::AlertBreached,
        at,
        format!("pipelines/{pipeline}/alerts/{name}"),
        about,
    )
    .titled(format!("alert `{name}` of {pipeline} has breached"))
    .saying(alert.description.as_deref().map(sentence).unwrap_or_default())
    .advising(match &alert.runbook {
        Some(runbook) => format!("what to do stands in {runbook}"),
        None => String::new(),
    })
    .to(notices.addresses(pipeline, &channels))
}

/// An attempt that says something.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    pub run: &'a RunId,
    /// The step instance.
    pub instance: &'a str,
    pub attempt: u32,
}

/// What a step of a pipeline says by `notify.send`.
pub fn message(of: &Said<'_>, about: About, text: &str, to: Vec<Address>, at: Timestamp) -> Happening {
    let Said {
        run,
        instance,
        attempt,
    } = of;
    let what = match &about.pipeline {
        Some(pipeline) => format!("run {} of {pipeline}", run.short()),
        None => format!("run {}", run.short()),
    };
    let id = format!("{run}.{instance}.{attempt}");
    Happening::new(id, Kind::Message, at, format!("runs/{run}"), about)
        .titled(text)
        .advising(format!("said by step `{instance}` of {what}"))
        .to(to)
}

/// That somebody tries a channel.
pub fn test(channel: &str, by: &str, at: Timestamp) -> Happening {
    let about = About {
        by: Some(by.to_owned()),
        ..About::default()
    };
    let channel = channel.strip_prefix("notify.").unwrap_or(channel);
    Happening::new(
        format!("test.{channel}.{}", at.0),
        Kind::Test,
        at,
        format!("channels/{channel}"),
        about,
    )
    .titled(format!("a test of the channel `{channel}`, asked for by {by}"))
    .saying("If you can read this, it works.")
}

/// That there were too many to be told one by one. `id` tells this one from others of the channel.
pub fn folded(channel: &str, id: &str, folded: &Folded, at: Timestamp) -> Happening {
    Happening::new(
        format!("folded.{channel}.{id}"),
        Kind::Folded,
        at,
        format!("channels/{channel}"),
        About::default(),
    )
    .titled(format!("{} further notices", folded.count))
    .saying(folded.sentence())
    .advising(format!(
        "all of them: `trainyard notices list --channel {channel}`"
    ))
}

/// A sentence with a capital and an end.
fn sentence(text: &str) -> String {
    let mut chars = text.trim().chars();
    let head: String = chars
        .next()
        .map(|first| first.to_uppercase().collect())
        .unwrap_or_default();
    let end = if text.trim_end().ends_with(['.', '!', '?']) || text.trim().is_empty() {
        ""
    } else {
        "."
    };
    format!("{head}{}{end}", chars.as_str())
}
