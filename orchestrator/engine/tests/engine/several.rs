//! Several engines on one PostgreSQL, and servers and connections that fail under them.

use super::{chain, commands, id, quiet};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc::channel};
use trainyard_contract::{Millis, Timestamp};
use trainyard_domain::run::{Event, RunOutcome, What};
use trainyard_engine::{Driven, Engine, Observation, Setup};
use trainyard_executors::{AttemptKey, FakeAnswer, FakeExecutor, FakeHandle};
use trainyard_store::{Home, Owner, Store};
use trainyard_test_postgres::{Cut, Proxy, Server};

fn engine(folder: &Path, url: &str, name: &str, lease: Millis) -> (Engine, FakeHandle) {
    let (sender, news) = channel();
    let (executor, handle) = FakeExecutor::new(sender);
    let engine = Engine::new(Setup {
        home: Home::open(folder).unwrap().with_database(url).unwrap(),
        executor: Box::new(executor),
        news,
        project: folder.to_owned(),
        owner: Owner::this_process(name),
        reuse: true,
        clock: || Timestamp(1_700_000_000_000_000),
    });
    (engine.unwrap().with_lease(lease), handle)
}

/// Long enough that nobody takes a run over in a test that is not about that.
const LONG: Millis = Millis(600_000);

fn events(url: &str) -> Vec<Event> {
    Store::connect(url).unwrap().load_run(&id(1)).unwrap().events
}

fn attempts(handle: &FakeHandle) -> Vec<(u32, u32)> {
    handle
        .submitted()
        .iter()
        .map(|key| (key.step, key.attempt))
        .collect()
}

#[test]
fn a_run_whose_engine_froze_goes_on_in_another_and_the_first_lets_go_of_it() {
    let Some(server) = Server::start() else { return };
    let (folder, url) = (tempfile::tempdir().unwrap(), server.database());
    let (mut frozen, hers) = engine(folder.path(), &url, "frozen", Millis(50));
    hers.script("a", FakeAnswer::Hold);
    frozen
        .start(id(1), chain(&["a", "b"]), "ada", None, &mut |_| {})
        .unwrap();

    let (mut next, his) = engine(folder.path(), &url, "next", Millis(600));
    let over = quiet();
    let raise = over.clone();
    let mut observer = move |observation: Observation<'_>| {
        if let Observation::Ended { outcome, .. } = observation {
            assert_eq!(outcome, RunOutcome::Succeeded);
            raise.store(1, Ordering::Relaxed);
        }
    };
    next.serve(&mut observer, &over, 10).unwrap();
    assert_eq!(attempts(&his), [(0, 2), (1, 1)]);
    let kept = events(&url);

    // It wakes up with an attempt that ended well, and may not say so any more.
    let late = AttemptKey {
        run: id(1),
        step: 0,
        attempt: 1,
    };
    assert!(hers.finish(&late, None));
    let (mut lost, mut shown) = (0, 0);
    let mut observer = |observation: Observation<'_>| match observation {
        Observation::Lost { run } => {
            assert_eq!(*run, id(1));
            lost += 1;
        }
        Observation::Event { .. } => shown += 1,
        _ => {}
    };
    assert_eq!(
        frozen.drive(&mut observer, &quiet(), false).unwrap(),
        Driven::AllEnded
    );
    assert_eq!((lost, shown), (1, 0));
    assert_eq!(events(&url), kept);
    assert_eq!(
        Store::connect(&url).unwrap().load_run(&id(1)).unwrap().lease,
        None
    );
}

#[test]
fn attempts_of_a_run_that_was_taken_over_are_ended() {
    let Some(server) = Server::start() else { return };
    let (folder, url) = (tempfile::tempdir().unwrap(), server.database());
    let (mut first, hers) = engine(folder.path(), &url, "first", Millis(30));
    hers.script("a", FakeAnswer::Hold);
    first
        .start(id(1), chain(&["a"]), "ada", None, &mut |_| {})
        .unwrap();
    let mut other = Store::connect(&url).unwrap();
    other.yield_lease(&id(1), 1).unwrap();
    other
        .acquire_lease(&id(1), &Owner::this_process("other"), Timestamp(0), LONG)
        .unwrap();
    // It notices when it renews its lease, without news of its own.
    first.drive(&mut |_| {}, &quiet(), false).unwrap();
    assert_eq!(hers.cancelled().len(), 1);
    assert!(first.run(&id(1)).is_none());
}

#[test]
fn an_engine_waits_for_a_server_that_was_killed_and_repeats_nothing() {
    let Some(mut server) = Server::with(&[]) else {
        return;
    };
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path(), &url, "test", LONG);
    let (mut shown, mut troubles) = (Vec::new(), 0);
    let mut observer = |observation: Observation<'_>| match observation {
        Observation::Event { event, .. } => {
            shown.push(event.clone());
            if matches!(event.what, What::AttemptSucceeded { step: 1, .. }) {
                server.kill();
            }
        }
        Observation::Trouble { .. } => {
            troubles += 1;
            if troubles == 1 {
                server.restart();
            }
        }
        _ => {}
    };
    engine
        .start(id(1), commands(&["a", "b", "c", "d"]), "ada", None, &mut observer)
        .unwrap();
    assert_eq!(
        engine.drive(&mut observer, &quiet(), false).unwrap(),
        Driven::AllEnded
    );
    assert_eq!(troubles, 2, "one that it is away, one that it is back");
    assert_eq!(attempts(&handle), [(0, 1), (1, 1), (2, 1), (3, 1)]);
    assert_eq!(events(&url), shown);
}

#[test]
fn a_commit_whose_answer_is_lost_is_neither_repeated_nor_forgotten() {
    let Some(server) = Server::start() else { return };
    for cut in [Cut::Answer, Cut::Request] {
        let (folder, url) = (tempfile::tempdir().unwrap(), server.database());
        let proxy = Proxy::to(server.port());
        let (mut engine, handle) = engine(folder.path(), &proxy.url(&url), "test", LONG);
        let (mut shown, mut troubles) = (Vec::new(), 0);
        let mut observer = |observation: Observation<'_>| match observation {
            Observation::Event { event, .. } => {
                shown.push(event.clone());
                // The commit after each success is cut.
                if matches!(event.what, What::AttemptSucceeded { .. }) {
                    proxy.at_next_commit(cut);
                }
            }
            Observation::Trouble { .. } => troubles += 1,
            _ => {}
        };
        engine
            .start(id(1), commands(&["a", "b", "c", "d"]), "ada", None, &mut observer)
            .unwrap();
        assert_eq!(
            engine.drive(&mut observer, &quiet(), false).unwrap(),
            Driven::AllEnded
        );
        assert!(troubles >= 4, "{cut:?}: {troubles}");
        assert_eq!(attempts(&handle), [(0, 1), (1, 1), (2, 1), (3, 1)], "{cut:?}");
        assert_eq!(events(&url), shown, "{cut:?}");
    }
}

#[test]
fn an_engine_that_waits_for_its_store_can_be_interrupted() {
    let Some(mut server) = Server::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, _handle) = engine(folder.path(), &server.url(), "test", LONG);
    engine
        .start(id(1), chain(&["a", "b"]), "ada", None, &mut |_| {})
        .unwrap();
    server.kill();
    let interrupts = Arc::new(AtomicU32::new(0));
    let raise = interrupts.clone();
    let mut observer = move |observation: Observation<'_>| {
        if matches!(observation, Observation::Trouble { .. }) {
            raise.store(1, Ordering::Relaxed);
        }
    };
    let driven = engine.drive(&mut observer, &interrupts, false);
    assert!(!matches!(driven, Ok(Driven::AllEnded)), "{driven:?}");
}
