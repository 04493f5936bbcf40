//! The kinds of happenings that one can subscribe to.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// A kind of happening. Its word is stable: it is the end of a CloudEvent's `type`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name,)+
        }

        impl Kind {
            /// All of them, as they are documented.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// `run.failed` and the like.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// What it means, a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

kinds! {
    /// A run waits for an engine.
    RunQueued = "run.queued",
    /// A run has begun, or begins again after a retry.
    RunStarted = "run.started",
    /// Every step that was to succeed has.
    RunSucceeded = "run.succeeded",
    /// A step has failed, or the run was turned away.
    RunFailed = "run.failed",
    /// Somebody has cancelled the run, or there was no room for it.
    RunCancelled = "run.cancelled",
    /// The run has reached its timeout; `run.failed` follows when it is over.
    RunTimedOut = "run.timed_out",
    /// A step has failed for good, after its last attempt.
    StepFailed = "step.failed",
    /// A gate waits for people.
    ApprovalAsked = "approval.asked",
    /// Somebody has said yes.
    ApprovalGiven = "approval.given",
    /// Somebody has said no.
    ApprovalRejected = "approval.rejected",
    /// Nobody has answered in time.
    ApprovalExpired = "approval.expired",
    /// The run is late by its `sla`, or will be by its forecast.
    SlaBreached = "sla.breached",
    /// The run goes on although it is foretold to cost more than its budget.
    BudgetExceeded = "budget.exceeded",
    /// A trigger was held back: paused, cooling down, at its limit of runs.
    TriggerHeld = "trigger.held",
    /// A tick of a schedule was missed and is not made up for.
    TriggerMissed = "trigger.missed",
    /// What called a trigger, or what it was to start, does not fit.
    TriggerRefused = "trigger.refused",
    /// A model has a new version.
    ModelRegistered = "model.registered",
    /// An alias of a model points at another version.
    ModelAliasMoved = "model.alias_moved",
    /// An alert has breached.
    AlertBreached = "alert.breached",
    /// A step of a pipeline has something to say: `notify.send`.
    Message = "message.sent",
    /// Somebody tries a channel.
    Test = "channel.test",
    /// So many that they are told in one.
    Folded = "notices.folded",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind, all kinds of a family (`run.*`), or all kinds (`*`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kinds(String);

/// No kind of happening goes by that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no kind of event; kinds are `run.failed`, `model.*`, `*` and the like (docs/notices.md lists them)"
)]
pub struct InvalidKinds(String);

impl Kinds {
    /// Whether a kind is one of these. What is told to one channel alone, such as a test of it, is of
    /// no subscription.
    pub fn cover(&self, kind: Kind) -> bool {
        if matches!(kind, Kind::Test | Kind::Folded | Kind::Message) {
            return false;
        }
        match self.0.strip_suffix('*') {
            Some(family) => kind.as_str().starts_with(family),
            None => kind.as_str() == self.0,
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Every text that is one.
    pub fn words() -> Vec<String> {
        let of_subscriptions = || {
            Kind::ALL
                .iter()
                .filter(|kind| Self("*".to_owned()).cover(**kind))
                .map(|kind| kind.as_str())
        };
        let mut words = vec!["*".to_owned()];
        for word in of_subscriptions() {
            let family = word.split('.').next().map(|family| format!("{family}.*"));
            words.extend(family.filter(|family| !words.contains(family)));
        }
        words.extend(of_subscriptions().map(str::to_owned));
        words
    }
}

impl FromStr for Kinds {
    type Err = InvalidKinds;
    fn from_str(text: &str) -> Result<Self, InvalidKinds> {
        match Self::words().iter().any(|word| word == text) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidKinds(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<String> for Kinds {
    type Error = InvalidKinds;
    fn try_from(text: String) -> Result<Self, InvalidKinds> {
        text.parse()
    }
}

impl From<Kinds> for String {
    fn from(kinds: Kinds) -> Self {
        kinds.0
    }
}

impl JsonSchema for Kinds {
    fn schema_name() -> Cow<'static, str> {
        "EventKinds".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "enum": Self::words(),
            "description": "A kind of event such as `run.failed`, a family such as `run.*`, or `*`.",
        })
    }
}
