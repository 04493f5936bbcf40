//! What the engine sees of every place where attempts run.

use trainyard_contract::{Millis, RunId, TaskReport, TaskSpec};

/// Names one attempt for ever: whatever is submitted twice under one key runs once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    pub run: RunId,
    /// Index of the step instance in the run's definition.
    pub step: u32,
    /// Starts at 1.
    pub attempt: u32,
}

impl std::fmt::Display for AttemptKey {
    /// `run_…/step/attempt`, as the environment of its processes carries it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.run, self.step, self.attempt)
    }
}

/// What an executor tells the engine, in the order in which it happened to an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum ExecutorNews {
    /// The attempt is running. At most once a key, always before its `Ended`; left out when an
    /// attempt ends before it could start.
    Began { key: AttemptKey, at_unix_micros: i64 },
    /// How far it is: `done` of `total` (0: unknown) `unit`s.
    Progress {
        key: AttemptKey,
        done: u64,
        total: u64,
        unit: String,
    },
    /// One line of its log, masked; only from executors that were told to follow logs, and not
    /// every line of a flood.
    Log { key: AttemptKey, line: String },
    /// It is over; exactly once a key. A cancelled attempt ends with a failure, too.
    Ended {
        key: AttemptKey,
        report: Box<TaskReport>,
    },
    /// Something is wrong with the executor itself, not with one attempt.
    Fault { message: String },
    /// From whoever else has the channel: there is something in the queue or the inbox.
    Nudge,
}

/// Why an executor did not take an order.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    #[error("could not start the executor's thread")]
    Thread(#[source] std::io::Error),
    #[error("the executor has ended")]
    Ended,
}

/// An attempt that is to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    pub key: AttemptKey,
    pub spec: TaskSpec,
    /// How far its step is from the start of its run's graph; see [`Executor::submit_many`].
    pub depth: u32,
}

/// A place where attempts run. It talks back through the channel it was made with.
pub trait Executor: Send {
    /// Takes an attempt. Never waits for the work; a key that is known under the same epoch is ignored.
    ///
    /// # Errors
    /// `Ended` if nothing can be submitted any more.
    fn submit(&mut self, key: AttemptKey, spec: TaskSpec) -> Result<(), ExecutorError> {
        self.submit_many(vec![Submission { key, spec, depth: 0 }])
    }

    /// Takes attempts. Where there is not room for all at once, runs take turns, and of one run the
    /// deepest goes first, so that what was begun is finished before more is begun; among equals those
    /// that came first. None waits for ever.
    ///
    /// # Errors
    /// As [`Executor::submit`].
    fn submit_many(&mut self, attempts: Vec<Submission>) -> Result<(), ExecutorError> {
        self.follow_up(0, attempts)
    }

    /// As [`Executor::submit_many`], with what follows on so many more ends that were taken from the
    /// channel. Until it hears of that, an executor may keep a little room for it.
    ///
    /// # Errors
    /// As [`Executor::submit`].
    fn follow_up(&mut self, ends: usize, attempts: Vec<Submission>) -> Result<(), ExecutorError>;

    /// Ends an attempt: asks its processes to stop, and kills what is left of them after `grace`.
    /// The attempt ends with a report as always; an unknown key is ignored.
    fn cancel(&mut self, key: &AttemptKey, grace: Millis);

    /// How many unfinished attempts it likes to have, so that it never waits for the engine.
    fn capacity(&self) -> usize;

    /// Ends every attempt as [`Executor::cancel`] does, and then itself.
    fn shutdown(self: Box<Self>, grace: Millis);
}
