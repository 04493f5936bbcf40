//! Who wants to hear of what, and where.

use super::happening::Happening;
use super::kind::Kinds;
use crate::pipeline::spec::{Channel, Project};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A channel as everything but its declaration names it: `notify.NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelName(String);

/// A text that names no channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no channel: write `notify.NAME`")]
pub struct InvalidChannel(String);

impl ChannelName {
    /// The name without `notify.`.
    pub fn name(&self) -> &str {
        self.0.strip_prefix("notify.").unwrap_or(&self.0)
    }
}

impl FromStr for ChannelName {
    type Err = InvalidChannel;
    fn from_str(text: &str) -> Result<Self, InvalidChannel> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        let name = text.strip_prefix("notify.").filter(|name| {
            name.len() <= 63
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(is_plain)
        });
        match name {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(InvalidChannel(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<String> for ChannelName {
    type Error = InvalidChannel;
    fn try_from(text: String) -> Result<Self, InvalidChannel> {
        text.parse()
    }
}

impl From<ChannelName> for String {
    fn from(name: ChannelName) -> Self {
        name.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for ChannelName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ChannelName".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^notify\\.[a-z][a-z0-9_-]{0,62}$",
            "description": "A channel of `notify:`, as `notify.NAME`.",
        })
    }
}

/// A channel where it is declared: by the project, or by one pipeline for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// None: the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// Without `notify.`.
    pub channel: String,
}

impl Address {
    /// A channel of the project.
    pub fn of_project(channel: impl Into<String>) -> Self {
        Self {
            pipeline: None,
            channel: channel.into(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pipeline {
            Some(pipeline) => write!(f, "{pipeline}/{}", self.channel),
            None => f.write_str(&self.channel),
        }
    }
}

/// Who wants to hear of what. Each list that is there has to have what happened; without any, all of
/// the kinds are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Kinds of events: `run.failed`, `model.*`, `*`.
    #[schemars(length(min = 1))]
    pub events: Vec<Kinds>,
    /// Channels that hear of them.
    #[schemars(length(min = 1))]
    pub to: Vec<ChannelName>,
    /// Only of these pipelines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pipelines: Vec<String>,
    /// Only in these environments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// Only of these models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Only of what these own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// Only of what these people have asked for or done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
}

impl Subscription {
    /// Whether this is of interest.
    pub fn wants(&self, happening: &Happening) -> bool {
        let about = &happening.about;
        let is_among = |list: &[String], value: &Option<String>| {
            list.is_empty() || value.as_ref().is_some_and(|value| list.contains(value))
        };
        self.events.iter().any(|kinds| kinds.cover(happening.kind))
            && is_among(&self.pipelines, &about.pipeline)
            && is_among(&self.environments, &about.environment)
            && is_among(&self.models, &about.model)
            && is_among(&self.owners, &about.owner)
            && is_among(&self.people, &about.by)
    }
}

/// What a pipeline itself says of who is told, as kept with a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunNotices {
    /// Channels that hear when the run has failed, as `notify.NAME`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_failure: Vec<String>,
    /// Step → channels that hear when it has failed for good.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub on_step_failure: BTreeMap<String, Vec<String>>,
    /// The channels that the pipeline declares for itself, without `notify.`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, Channel>,
}

impl RunNotices {
    /// Whether nobody is told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The channels that a pipeline means by `notify.NAME`: its own, or else the project's.
    pub fn addresses(&self, pipeline: &str, names: &[String]) -> Vec<Address> {
        let mut addresses = Vec::with_capacity(names.len());
        for name in names {
            let channel = name.strip_prefix("notify.").unwrap_or(name);
            let own = self.channels.contains_key(channel).then(|| pipeline.to_owned());
            let address = Address {
                pipeline: own,
                channel: channel.to_owned(),
            };
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }
}

/// What a project's files declare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// The project's name.
    pub project: Option<String>,
    /// Those of the project, and those that pipelines have for themselves.
    pub channels: BTreeMap<Address, Channel>,
    pub subscriptions: BTreeMap<String, Subscription>,
}

impl Declared {
    /// What `trainyard.yaml` declares.
    pub fn of(project: &Project) -> Self {
        let notifications = project.notifications.as_ref();
        let smtp = notifications.and_then(|notifications| notifications.smtp.as_ref());
        let channels = project.notify.iter().map(|(name, channel)| {
            let channel = channel.clone().with_smtp(smtp);
            (Address::of_project(name), channel)
        });
        let subscriptions = notifications
            .into_iter()
            .flat_map(|notifications| &notifications.subscriptions);
        Self {
            project: Some(project.name.clone()),
            channels: channels.collect(),
            subscriptions: subscriptions
                .map(|(name, subscription)| (name.clone(), subscription.clone()))
                .collect(),
        }
    }

    /// The same with the channels that a pipeline has for itself.
    pub fn add(&mut self, pipeline: &str, notices: &RunNotices) {
        for (name, channel) in &notices.channels {
            let address = Address {
                pipeline: Some(pipeline.to_owned()),
                channel: name.clone(),
            };
            self.channels.insert(address, channel.clone());
        }
    }
}
