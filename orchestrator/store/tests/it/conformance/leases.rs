use super::Open;
use crate::material::{append, create, ended_run, owner, started, started_run};
use trainyard_contract::{Millis, RunId, Timestamp};
use trainyard_domain::run::RunOutcome;
use trainyard_store::{Owner, StoreError};

const TTL: Millis = Millis(30_000);

fn elsewhere(engine: &str) -> Owner {
    Owner {
        host: "elsewhere".to_owned(),
        ..owner(engine)
    }
}

pub(crate) fn a_run_has_one_owner(open: Open<'_>) {
    let mut first = open();
    let id = create(&mut first, 1, "flights");
    assert_eq!(first.acquire_lease(&id, &owner("a"), open.at(0), TTL).unwrap(), 1);
    let Err(StoreError::LeaseHeld { by: Some(by), .. }) =
        open().acquire_lease(&id, &owner("b"), open.at(1), TTL)
    else {
        panic!("two owners")
    };
    assert_eq!((by.engine.as_str(), by.pid), ("a", std::process::id()));
    let lease = open().load_run(&id).unwrap().lease.unwrap();
    assert_eq!(
        (lease.owner, lease.epoch, lease.expires_at),
        (owner("a"), 1, Timestamp(30_000_000))
    );
    assert_eq!(
        first.acquire_lease(&id, &owner("a"), open.at(2), TTL).unwrap(),
        2,
        "by the owner again"
    );
}

pub(crate) fn a_lease_of_a_dead_process_is_taken_at_once(open: Open<'_>) {
    let mut first = open();
    let id = create(&mut first, 1, "flights");
    let living = owner("a");
    // The same pid, started at another time: the process that had it is gone.
    let dead = Owner {
        process_start: living.process_start + 1,
        ..living.clone()
    };
    first.acquire_lease(&id, &dead, open.at(0), TTL).unwrap();
    drop(first);
    let mut second = open();
    assert_eq!(
        second.acquire_lease(&id, &owner("b"), open.at(1), TTL).unwrap(),
        2
    );
    drop(second);
    let held = open().acquire_lease(&id, &owner("c"), open.at(2), TTL);
    assert!(
        matches!(held, Err(StoreError::LeaseHeld { .. })),
        "its process lives: {held:?}"
    );
}

pub(crate) fn a_lease_of_another_machine_is_taken_when_it_has_expired(open: Open<'_>) {
    let mut first = open();
    let id = create(&mut first, 1, "flights");
    first
        .acquire_lease(&id, &elsewhere("a"), open.at(0), TTL)
        .unwrap();
    drop(first);
    let mut second = open();
    let before = second.acquire_lease(&id, &owner("b"), open.at(29_999_999), TTL);
    assert!(matches!(before, Err(StoreError::LeaseHeld { .. })), "{before:?}");
    assert_eq!(
        second
            .acquire_lease(&id, &owner("b"), open.at(30_000_000), TTL)
            .unwrap(),
        2
    );
    // What the lost engine still says is refused.
    let mut lost = open();
    let mut turn = lost.begin().unwrap();
    let refused = turn.append(&id, 1, 0, &[started_run(1)]);
    assert!(
        matches!(
            refused,
            Err(StoreError::LeaseLost {
                held: 1,
                current: 2,
                ..
            })
        ),
        "{refused:?}"
    );
}

pub(crate) fn a_released_run_is_free(open: Open<'_>) {
    let mut first = open();
    let id = create(&mut first, 1, "flights");
    let epoch = first.acquire_lease(&id, &owner("a"), open.at(0), TTL).unwrap();
    append(&mut first, &id, 0, &[started_run(1)]);
    first.release_lease(&id, epoch).unwrap();
    assert_eq!(open().load_run(&id).unwrap().lease, None);
    let mut second = open();
    assert_eq!(
        second.acquire_lease(&id, &owner("b"), open.at(1), TTL).unwrap(),
        2
    );
    let mut turn = first.begin().unwrap();
    assert!(matches!(
        turn.append(&id, 1, 1, &[started(2, 0, None)]),
        Err(StoreError::LeaseLost { .. })
    ));
}

pub(crate) fn a_lease_that_was_taken_over_cannot_be_renewed(open: Open<'_>) {
    let mut first = open();
    let id = create(&mut first, 1, "flights");
    first
        .acquire_lease(&id, &elsewhere("a"), open.at(0), TTL)
        .unwrap();
    first
        .renew_leases(&[(id.clone(), 1)], open.at(10_000_000), TTL)
        .unwrap();
    assert_eq!(
        open().load_run(&id).unwrap().lease.unwrap().expires_at,
        Timestamp(40_000_000)
    );
    drop(first);
    let mut second = open();
    second
        .acquire_lease(&id, &owner("b"), open.at(40_000_000), TTL)
        .unwrap();
    let refused = open().renew_leases(&[(id.clone(), 1)], open.at(40_000_001), TTL);
    assert!(
        matches!(
            refused,
            Err(StoreError::LeaseLost {
                held: 1,
                current: 2,
                ..
            })
        ),
        "{refused:?}"
    );
}

pub(crate) fn a_lease_of_a_run_that_is_over_goes_when_it_ends(open: Open<'_>) {
    let mut first = open();
    let over = create(&mut first, 1, "flights");
    let open_run = create(&mut first, 2, "flights");
    first.acquire_lease(&over, &owner("a"), open.at(0), TTL).unwrap();
    let events = [started_run(1), ended_run(2, RunOutcome::Succeeded)];
    append(&mut first, &over, 0, &events);
    first.release_lease(&over, 1).unwrap();
    // Both engines looked into the queue before the end; this one dies right after.
    for run in [&over, &open_run] {
        first
            .acquire_lease(run, &elsewhere("late"), open.at(0), TTL)
            .unwrap();
    }
    drop(first);
    let lease = |run: &RunId| open().load_run(run).unwrap().lease;
    open().renew_leases(&[], open.at(29_999_999), TTL).unwrap();
    assert!(lease(&over).is_some());
    open().renew_leases(&[], open.at(30_000_000), TTL).unwrap();
    assert_eq!(lease(&over), None);
    assert!(
        lease(&open_run).is_some(),
        "it tells that somebody is to take the run"
    );
}

pub(crate) fn a_run_whose_engine_is_gone_is_found(open: Open<'_>) {
    let mut store = open();
    let living = owner("a");
    let dead = Owner {
        process_start: living.process_start + 1,
        ..living.clone()
    };
    let owners = [
        Some(dead),
        Some(living),
        Some(elsewhere("lost")),
        Some(elsewhere("kept")),
        None,
    ];
    let mut runs = Vec::new();
    for (number, owner) in (1..).zip(owners) {
        let id = create(&mut store, number, "flights");
        if let Some(owner) = owner {
            let from = if owner.engine == "lost" { 0 } else { 10_000_000 };
            store.acquire_lease(&id, &owner, open.at(from), TTL).unwrap();
        }
        runs.push(id);
    }
    drop(store);
    let found = takeable(open, 30_000_000);
    assert_eq!(found, [runs[0].clone(), runs[2].clone()]);
    let found = takeable(open, 40_000_000);
    assert_eq!(found, runs[..4]);
}

pub(crate) fn a_run_that_was_left_to_others_is_free_at_once(open: Open<'_>) {
    let mut first = open();
    let id = create(&mut first, 1, "flights");
    let epoch = first.acquire_lease(&id, &owner("a"), open.at(0), TTL).unwrap();
    first.yield_lease(&id, epoch + 1).unwrap();
    assert_eq!(takeable(open, 1), []);
    first.yield_lease(&id, epoch).unwrap();
    assert_eq!(takeable(open, 1), std::slice::from_ref(&id));
    let mut second = open();
    assert_eq!(
        second.acquire_lease(&id, &owner("b"), open.at(1), TTL).unwrap(),
        2
    );
    assert_eq!(takeable(open, 1), []);
    // Given back, it is nobody's on purpose, unless it is in the queue.
    second.release_lease(&id, 2).unwrap();
    assert_eq!(takeable(open, 1), []);
    second.hand_over(&id, None, Timestamp(1)).unwrap();
    assert_eq!(takeable(open, 1), [id]);
}

/// What an engine that looks for work finds.
fn takeable(open: Open<'_>, micros: i64) -> Vec<RunId> {
    let now = open.at(micros);
    let mut store = open();
    store.admit_runs(100, now).unwrap();
    store.takeable_runs(&owner("c"), false, now, 100).unwrap()
}

pub(crate) fn a_run_that_is_over_leaves_no_lease(open: Open<'_>) {
    let mut store = open();
    let id = create(&mut store, 1, "flights");
    store
        .acquire_lease(&id, &elsewhere("a"), open.at(0), TTL)
        .unwrap();
    append(
        &mut store,
        &id,
        0,
        &[started_run(1), ended_run(2, RunOutcome::Succeeded)],
    );
    assert_eq!(open().load_run(&id).unwrap().lease, None);
    assert_eq!(takeable(open, 40_000_000), []);
}

pub(crate) fn of_many_that_want_a_run_one_gets_it(open: Open<'_>) {
    let mut first = open();
    let id = create(&mut first, 1, "flights");
    first
        .acquire_lease(&id, &elsewhere("a"), open.at(0), TTL)
        .unwrap();
    drop(first);
    let now = open.at(30_000_000);
    let epochs: Vec<u64> = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..4)
            .map(|number| {
                let id = &id;
                scope.spawn(move || {
                    let mut store = open();
                    let taken = store.acquire_lease(id, &owner(&format!("b{number}")), now, TTL);
                    // Kept, so that a lock is not given back while others still ask for it.
                    (taken.ok(), store)
                })
            })
            .collect();
        let taken: Vec<_> = takers.into_iter().map(|taker| taker.join().unwrap()).collect();
        taken.iter().filter_map(|(epoch, _)| *epoch).collect()
    });
    assert_eq!(epochs, [2]);
}
