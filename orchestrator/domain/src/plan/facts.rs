//! What a plan has to be told about the world.

use crate::pipeline::FeaturesInput;
use crate::run::{Instance, InstanceIx, Run};
use indexmap::IndexMap;
use trainyard_contract::task::Failure;
use trainyard_contract::{ContentHash, Millis, OutputValue, RunId, Timestamp};

/// Facts, looked up by whoever can: the engine.
pub trait PlanFacts {
    /// What an engine would do with this instance if it were ready in `run`: evaluate its
    /// parameters, gather its inputs, look for an earlier result of the same key. Called only when
    /// everything that takes part is known in `run`. Nothing is started.
    fn prepare(&mut self, run: &Run, ix: InstanceIx) -> Preparation;

    /// Hash of a dataset's or file's content now; none if it cannot be known.
    fn content_now(&mut self, source: Source<'_>) -> Option<ContentHash>;

    /// The same as the previous run saw it.
    fn content_before(&mut self, source: Source<'_>) -> Option<ContentHash>;

    /// What came to a feature view since a time, in words, e.g. `+2,914 rows`; none if nothing did.
    fn features_note(&mut self, _input: &FeaturesInput, _since: Timestamp) -> Option<String> {
        None
    }

    /// A dataset's change since the previous run in words, e.g. `+2,914 rows`.
    fn data_note(&mut self, dataset: &str) -> Option<String>;

    /// Durations of earlier attempts of this instance that succeeded, in any order.
    fn durations(&mut self, instance: &Instance) -> Vec<Millis>;
}

/// What stands outside and is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// A dataset by its name in the pipeline.
    Dataset(&'a str),
    /// A file of code or a schema, relative to the project.
    File(&'a str),
}

/// The fate of an instance whose inputs are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Preparation {
    Reuse {
        key: ContentHash,
        from: RunId,
        outputs: IndexMap<String, OutputValue>,
        metrics: IndexMap<String, f64>,
        headline: Option<String>,
    },
    /// It has to run. `missed`: there was a result of its key, and why it cannot be taken.
    Run {
        key: Option<ContentHash>,
        missed: Option<Missed>,
    },
    /// It cannot be started at all.
    Reject(Failure),
}

/// Why an earlier result of the same key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It is older than the cache's `ttl`.
    Expired,
    /// Its objects are not there any more.
    Gone,
    /// Reuse is switched off for this run.
    SwitchedOff,
}
