//! Something that happened and that people or programs may want to hear of.

use super::kind::Kind;
use super::subscription::Address;
use serde::{Deserialize, Serialize};
use trainyard_contract::Timestamp;

/// Texts of a notice are no longer than that, in characters.
const LONGEST: usize = 300;

/// Something that happened. It carries no values of params, no secrets, nothing of a log: only names,
/// and sentences of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// The same happening has the same id, whoever tells of it how often: by it doubles are dropped.
    pub id: String,
    pub kind: Kind,
    pub at: Timestamp,
    /// What it happened to, such as `runs/run_…`: notices of one subject arrive in order.
    pub subject: String,
    /// What happened, a few words.
    pub title: String,
    /// What more there is to say, in sentences; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What to do; empty if nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
    #[serde(default)]
    pub about: About,
    /// Channels that are told whoever has subscribed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Address>,
}

/// Where it happened and who has to do with it; subscriptions choose by these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct About {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Who answers for the pipeline or the alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who asked for it or did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
}

impl Happening {
    pub(super) fn new(id: String, kind: Kind, at: Timestamp, subject: String, about: About) -> Self {
        Self {
            id,
            kind,
            at,
            subject,
            title: String::new(),
            text: String::new(),
            advice: String::new(),
            about,
            to: Vec::new(),
        }
    }

    pub(super) fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = one_line(&title.into());
        self
    }

    pub(super) fn saying(mut self, text: impl Into<String>) -> Self {
        self.text = one_line(&text.into());
        self
    }

    pub(super) fn advising(mut self, advice: impl Into<String>) -> Self {
        self.advice = one_line(&advice.into());
        self
    }

    pub(super) fn to(mut self, channels: Vec<Address>) -> Self {
        self.to = channels;
        self
    }

    /// The whole notice as plain text, a line each for what happened, what more there is, where, and what to do.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.title.clone()];
        lines.extend((!self.text.is_empty()).then(|| self.text.clone()));
        lines.extend(self.place());
        lines.extend((!self.advice.is_empty()).then(|| self.advice.clone()));
        lines
    }

    /// Where it happened and who owns it.
    fn place(&self) -> Option<String> {
        let about = &self.about;
        let parts = [
            ("pipeline", &about.pipeline),
            ("environment", &about.environment),
            ("run", &about.run),
            ("step", &about.step),
            ("trigger", &about.trigger),
            ("model", &about.model),
            ("severity", &about.severity),
            ("owner", &about.owner),
        ];
        let known: Vec<String> = parts
            .iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value.as_deref()?)))
            .collect();
        (!known.is_empty()).then(|| known.join(", "))
    }
}

/// One line without control characters, cut to what a notice holds.
pub(super) fn one_line(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    if text.chars().count() > LONGEST {
        line.push('…');
    }
    line
}
