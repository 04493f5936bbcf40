//! Steps that need slots of a pool.

use super::{chain, engine, id, instance, quiet};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use trainyard_contract::{FailureClass, Millis};
use trainyard_domain::run::{
    CachePolicy, ForEach, OnRepeatLimit, Repeat, RunDefinition, RunOutcome, RunStatus, What,
};
use trainyard_engine::{Driven, Observation};
use trainyard_executors::FakeAnswer;
use trainyard_store::Home;

/// The definition with every step in a pool.
fn pooled(mut definition: RunDefinition, slots: Option<u32>, rate: Option<&str>) -> RunDefinition {
    let limits = trainyard_domain::pool::PoolLimits {
        slots,
        rate: rate.map(|rate| rate.parse().unwrap()),
    };
    definition.pools = BTreeMap::from([("db".to_owned(), limits)]);
    for instance in &mut definition.instances {
        instance.pool = Some("db".to_owned());
    }
    definition
}

/// Steps of a run that wait for a slot, as another process sees them.
fn awaited(folder: &Path, run: u8) -> Vec<(u32, String)> {
    let store = Home::open(folder).unwrap().store().unwrap();
    let awaited = store.slots_awaited(&id(run), super::clock()).unwrap();
    awaited.into_iter().collect()
}

/// Counts attempts that go on.
#[derive(Default)]
struct Count {
    now: usize,
    most: usize,
    started: usize,
    awaited: usize,
}

impl Count {
    fn observe(&mut self, observation: &Observation<'_>) {
        match observation {
            Observation::Event { event, .. } => match event.what {
                What::AttemptStarted { .. } => {
                    self.now += 1;
                    self.started += 1;
                    self.most = self.most.max(self.now);
                }
                What::AttemptSucceeded { .. } | What::AttemptFailed { .. } | What::AttemptLost { .. } => {
                    self.now -= 1;
                }
                _ => {}
            },
            Observation::AwaitsSlot { .. } => self.awaited += 1,
            _ => {}
        }
    }
}

#[test]
fn items_loops_and_retries_of_a_pool_never_have_more_slots_than_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path());
    let mut definition = chain(&["load"]);
    let mut fan = instance("fan", &[0]);
    fan.for_each = Some(ForEach {
        items: json!((0..100).collect::<Vec<u32>>()),
        max_parallel: None,
        fail_fast: false,
        max_items: 1_000,
    });
    let mut again = instance("again", &[0]);
    again.repeat = Some(Repeat {
        until: "${{ 1 > 2 }}".to_owned(),
        max_iterations: 5,
        delay: Millis(1),
        on_limit: OnRepeatLimit::GoOn,
    });
    let mut shaky = instance("shaky", &[0]);
    shaky.retry.max_attempts = 3;
    shaky.retry.delay = Millis(1);
    definition.instances.extend([fan, again, shaky]);
    for _ in 0..2 {
        handle.script("shaky", FakeAnswer::failure(FailureClass::IoError, "no"));
    }
    let mut count = Count::default();
    let mut observer = |observation: Observation<'_>| count.observe(&observation);
    let definition = pooled(definition, Some(3), None);
    engine
        .start(id(1), definition, "ada", None, &mut observer)
        .unwrap();
    let driven = engine.drive(&mut observer, &quiet(), false).unwrap();
    assert_eq!(driven, Driven::AllEnded);
    let ended = engine.run(&id(1)).unwrap().status();
    assert_eq!(ended, RunStatus::Ended(RunOutcome::Succeeded));
    assert_eq!((count.now, count.most), (0, 3));
    assert_eq!(count.started, 1 + 100 + 5 + 3);
    assert!(count.awaited > 0);
    assert_eq!(awaited(folder.path(), 1), []);
}

#[test]
fn engines_share_a_pool_and_who_waits_says_for_what() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, handle) = engine(folder.path());
    handle.script("a", FakeAnswer::Hold);
    let (begun, has_begun) = channel();
    let mut observer = |observation: Observation<'_>| {
        if matches!(observation, Observation::Began { .. }) {
            begun.send(()).unwrap();
        }
    };
    let definition = pooled(chain(&["a"]), Some(1), None);
    first
        .start(id(1), definition.clone(), "ada", None, &mut observer)
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| first.drive(&mut observer, &quiet(), false).unwrap());
        has_begun.recv().unwrap();
        let (mut second, other) = engine(folder.path());
        let mut waited = Vec::new();
        let mut observer = |observation: Observation<'_>| {
            if let Observation::AwaitsSlot { reason, .. } = observation {
                waited.push(reason.to_owned());
                assert!(other.submitted().is_empty());
                assert_eq!(awaited(folder.path(), 2), [(0, reason.to_owned())]);
                let held = handle.submitted();
                assert!(handle.finish(&held[0], None));
            }
        };
        let mut definition = definition.clone();
        definition.instances[0].with = json!("another");
        second
            .start(id(2), definition, "ada", None, &mut observer)
            .unwrap();
        second.drive(&mut observer, &quiet(), false).unwrap();
        assert_eq!(waited, ["pool `db` has 1 of 1 slots taken"]);
        assert_eq!(other.submitted().len(), 1);
    });
}

#[test]
fn a_run_that_is_resumed_takes_its_slots_anew() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (mut engine, handle) = engine(folder.path());
        handle.script("a", FakeAnswer::Hold);
        let interrupts = quiet();
        let raise = interrupts.clone();
        let mut observer = move |observation: Observation<'_>| {
            if matches!(observation, Observation::Began { .. }) {
                raise.store(1, Ordering::Relaxed);
            }
        };
        let definition = pooled(chain(&["a", "b"]), Some(1), None);
        engine
            .start(id(1), definition, "ada", None, &mut observer)
            .unwrap();
        engine.drive(&mut observer, &interrupts, false).unwrap();
    }
    let (mut engine, handle) = engine(folder.path());
    engine.resume(&id(1), &mut |_| {}).unwrap();
    assert_eq!(
        engine.drive(&mut |_| {}, &quiet(), false).unwrap(),
        Driven::AllEnded
    );
    assert_eq!(handle.submitted().len(), 2);
}

#[test]
fn a_result_that_is_taken_over_needs_no_slot_and_a_step_that_is_cancelled_leaves_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path());
    let mut plain = |number: u8, definition: RunDefinition| {
        engine
            .start(id(number), definition, "ada", None, &mut |_| {})
            .unwrap();
    };
    let mut reusable = pooled(chain(&["a", "b"]), Some(1), None);
    reusable.instances[0].cache = CachePolicy::On {
        code: true,
        inputs: true,
        with: true,
        ttl: None,
    };
    plain(1, reusable.clone());
    engine.drive(&mut |_| {}, &quiet(), false).unwrap();
    handle.script("hold", FakeAnswer::Hold);
    let definition = pooled(chain(&["hold"]), Some(1), None);
    engine.start(id(2), definition, "ada", None, &mut |_| {}).unwrap();
    // Its first step has a result, its second has to wait, and is not wanted any more then.
    let mut store = Home::open(folder.path()).unwrap().store().unwrap();
    let mut reused = false;
    let mut observer = |observation: Observation<'_>| match observation {
        Observation::Event { event, .. } => {
            reused |= matches!(event.what, What::StepReused { step: 0, .. });
            if matches!(event.what, What::RunEnded { .. }) {
                for key in handle.submitted() {
                    handle.finish(&key, None);
                }
            }
        }
        Observation::AwaitsSlot { run, step, .. } => {
            assert_eq!((run, step), (&id(3), 1));
            let request = trainyard_store::Request::Cancel { by: "ada".to_owned() };
            store.post_request(run, &request, super::clock()).unwrap();
        }
        _ => {}
    };
    engine.start(id(3), reusable, "ada", None, &mut observer).unwrap();
    engine.drive(&mut observer, &quiet(), false).unwrap();
    assert!(reused);
    let status = |run| engine.run(&id(run)).unwrap().status();
    assert_eq!(status(2), RunStatus::Ended(RunOutcome::Succeeded));
    assert_eq!(status(3), RunStatus::Ended(RunOutcome::Cancelled));
}

#[test]
fn a_rate_holds_for_all_attempts_together() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, _handle) = engine(folder.path());
    let mut definition = chain(&["a"]);
    definition
        .instances
        .extend(["b", "c", "d", "e"].map(|name| instance(name, &[])));
    let mut starts = Vec::new();
    let mut observer = |observation: Observation<'_>| {
        if let Observation::Event { event, .. } = observation
            && matches!(event.what, What::AttemptStarted { .. })
        {
            starts.push(event.at);
        }
    };
    let definition = pooled(definition, None, Some("2/20ms"));
    engine
        .start(id(1), definition, "ada", None, &mut observer)
        .unwrap();
    engine.drive(&mut observer, &quiet(), false).unwrap();
    assert_eq!(starts.len(), 5);
    for window in starts.windows(3) {
        assert!(window[2].since(window[0]) >= Millis(20), "{starts:?}");
    }
}
