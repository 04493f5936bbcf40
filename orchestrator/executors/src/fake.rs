//! An executor that runs nothing and answers as scripted: for tests of whoever drives one.

use crate::executor::{AttemptKey, Executor, ExecutorError, ExecutorNews, Submission};
use crate::report;
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use trainyard_contract::{Failure, FailureClass, Millis, TaskReport, TaskSpec};

/// Makes the report of a scripted attempt.
pub type MakeReport = dyn FnMut(&AttemptKey, &TaskSpec) -> TaskReport + Send;

/// What a scripted attempt does.
pub enum FakeAnswer {
    /// Ends at once with the report that the function makes.
    Report(Box<MakeReport>),
    /// Begins and stays until [`FakeHandle::finish`] or a cancel.
    Hold,
}

impl FakeAnswer {
    /// Success without outputs.
    pub fn success() -> Self {
        Self::Report(Box::new(|_, spec| report::blank(spec)))
    }

    /// That failure.
    pub fn failure(class: FailureClass, message: &str) -> Self {
        let failure = Failure::new(class, message);
        Self::Report(Box::new(move |_, spec| report::failed(spec, failure.clone())))
    }
}

#[derive(Default)]
struct State {
    script: BTreeMap<String, VecDeque<FakeAnswer>>,
    submitted: Vec<AttemptKey>,
    specs: BTreeMap<AttemptKey, TaskSpec>,
    held: Vec<AttemptKey>,
    cancelled: Vec<AttemptKey>,
    depths: BTreeMap<AttemptKey, u32>,
    heard: usize,
}

/// The executor's end; succeeds at everything that is not scripted.
pub struct FakeExecutor {
    state: Arc<Mutex<State>>,
    news: Sender<ExecutorNews>,
}

/// The test's end.
#[derive(Clone)]
pub struct FakeHandle {
    state: Arc<Mutex<State>>,
    news: Sender<ExecutorNews>,
}

fn locked(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeExecutor {
    /// An executor and the handle that scripts it.
    pub fn new(news: Sender<ExecutorNews>) -> (Self, FakeHandle) {
        let state = Arc::new(Mutex::new(State::default()));
        (
            Self {
                state: Arc::clone(&state),
                news: news.clone(),
            },
            FakeHandle { state, news },
        )
    }
}

impl FakeHandle {
    /// The next attempt at that step instance (its name as shown) does this.
    pub fn script(&self, instance: &str, answer: FakeAnswer) {
        locked(&self.state)
            .script
            .entry(instance.to_owned())
            .or_default()
            .push_back(answer);
    }

    /// Keys as submitted, without repetitions.
    pub fn submitted(&self) -> Vec<AttemptKey> {
        locked(&self.state).submitted.clone()
    }

    /// Keys that somebody wanted cancelled.
    pub fn cancelled(&self) -> Vec<AttemptKey> {
        locked(&self.state).cancelled.clone()
    }

    /// The task of a key that was submitted.
    pub fn spec(&self, key: &AttemptKey) -> Option<TaskSpec> {
        locked(&self.state).specs.get(key).cloned()
    }

    /// How deep an attempt was said to be.
    pub fn depth(&self, key: &AttemptKey) -> Option<u32> {
        locked(&self.state).depths.get(key).copied()
    }

    /// How many ends it was told that are heard.
    pub fn heard(&self) -> usize {
        locked(&self.state).heard
    }

    /// Ends a held attempt: with that failure, or well. False if it is not held.
    pub fn finish(&self, key: &AttemptKey, failure: Option<Failure>) -> bool {
        let mut state = locked(&self.state);
        let Some(at) = state.held.iter().position(|held| held == key) else {
            return false;
        };
        state.held.remove(at);
        let Some(spec) = state.specs.get(key) else {
            return false;
        };
        let report = Box::new(TaskReport {
            failure,
            ..report::blank(spec)
        });
        self.news
            .send(ExecutorNews::Ended {
                key: key.clone(),
                report,
            })
            .is_ok()
    }
}

impl Executor for FakeExecutor {
    fn follow_up(&mut self, ends: usize, attempts: Vec<Submission>) -> Result<(), ExecutorError> {
        let mut state = locked(&self.state);
        state.heard += ends;
        for Submission { key, spec, depth } in attempts {
            if state.specs.contains_key(&key) {
                continue;
            }
            let answer = state
                .script
                .get_mut(&spec.instance)
                .and_then(VecDeque::pop_front)
                .unwrap_or_else(FakeAnswer::success);
            state.submitted.push(key.clone());
            let began = ExecutorNews::Began {
                key: key.clone(),
                at_unix_micros: 0,
            };
            self.news.send(began).map_err(|_| ExecutorError::Ended)?;
            match answer {
                FakeAnswer::Hold => state.held.push(key.clone()),
                FakeAnswer::Report(mut make) => {
                    let report = Box::new(make(&key, &spec));
                    let ended = ExecutorNews::Ended {
                        key: key.clone(),
                        report,
                    };
                    self.news.send(ended).map_err(|_| ExecutorError::Ended)?;
                }
            }
            state.depths.insert(key.clone(), depth);
            state.specs.insert(key, spec);
        }
        Ok(())
    }

    fn cancel(&mut self, key: &AttemptKey, _grace: Millis) {
        let mut state = locked(&self.state);
        state.cancelled.push(key.clone());
        let Some(at) = state.held.iter().position(|held| held == key) else {
            return;
        };
        state.held.remove(at);
        if let Some(spec) = state.specs.get(key) {
            let report = Box::new(report::failed(
                spec,
                Failure::new(FailureClass::Signal, "cancelled"),
            ));
            // A receiver that is gone wants no news.
            let _ = self.news.send(ExecutorNews::Ended {
                key: key.clone(),
                report,
            });
        }
    }

    fn capacity(&self) -> usize {
        1024
    }

    fn shutdown(self: Box<Self>, grace: Millis) {
        let mut this = *self;
        let held = locked(&this.state).held.clone();
        for key in held {
            this.cancel(&key, grace);
        }
    }
}
