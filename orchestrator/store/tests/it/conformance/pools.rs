use super::Open;
use crate::material::{definition, ended_run, owner, run_id, started, started_run, succeeded};
use std::collections::BTreeMap;
use trainyard_contract::{Millis, RunId};
use trainyard_domain::pool::PoolLimits;
use trainyard_domain::run::{Event, RunOutcome};
use trainyard_store::{NewRun, Owner, SlotAnswer, SlotClaim, Store};

const TTL: Millis = Millis(30_000);

fn limits(slots: Option<u32>, rate: Option<&str>) -> PoolLimits {
    PoolLimits {
        slots,
        rate: rate.map(|rate| rate.parse().unwrap()),
    }
}

fn elsewhere(engine: &str) -> Owner {
    Owner {
        host: "elsewhere".to_owned(),
        ..owner(engine)
    }
}

/// A run of which every step needs a slot of `db`, and whose lease an engine has.
fn run(store: &mut Store, number: u64, limits: PoolLimits, engine: &str, open: Open<'_>, now: i64) -> RunId {
    let id = run_id(number);
    let mut definition = definition("flights", 4);
    definition.pools = BTreeMap::from([("db".to_owned(), limits)]);
    for instance in &mut definition.instances {
        instance.pool = Some("db".to_owned());
    }
    let now = open.at(now);
    store
        .create_run(&NewRun {
            id: &id,
            definition: &definition,
            created_at: now,
            by: "ada",
            reason: None,
        })
        .unwrap();
    assert_eq!(store.acquire_lease(&id, &elsewhere(engine), now, TTL).unwrap(), 1);
    append(store, &id, 1, 0, &[started_run(1)]);
    id
}

fn append(store: &mut Store, run: &RunId, epoch: u64, expected: u64, events: &[Event]) {
    let mut turn = store.begin().unwrap();
    turn.append(run, epoch, expected, events).unwrap();
    turn.commit().unwrap();
}

fn claim(run: &RunId, epoch: u64, step: u32) -> SlotClaim<'_> {
    SlotClaim {
        run,
        epoch,
        step,
        pool: "db",
        priority: 50,
    }
}

/// Steps that have a slot, and reasons of those that have none.
fn told(answer: &SlotAnswer) -> (Vec<u32>, Vec<(u32, &str)>) {
    (
        answer.granted.iter().map(|(_, step)| *step).collect(),
        answer
            .waiting
            .iter()
            .map(|(_, step, why)| (*step, why.as_str()))
            .collect(),
    )
}

pub(crate) fn a_pool_is_shared_by_all_until_an_attempt_is_over(open: Open<'_>) {
    let (mut one, mut other) = (open(), open());
    let first = run(&mut one, 1, limits(Some(1), None), "a", open, 0);
    let second = run(&mut other, 2, limits(Some(1), None), "b", open, 0);
    let now = open.at(10);
    let answer = one
        .claim_slots(&[claim(&first, 1, 1), claim(&first, 1, 2)], &[], now)
        .unwrap();
    assert_eq!(
        told(&answer),
        (vec![1], vec![(2, "pool `db` has 1 of 1 slots taken")])
    );
    let full = "pool `db` has 1 of 1 slots taken; 1 before it";
    let urgent = SlotClaim {
        priority: 60,
        ..claim(&second, 1, 0)
    };
    let ask = |other: &mut Store| other.claim_slots(&[urgent], &[], now).unwrap();
    assert_eq!(
        told(&ask(&mut other)),
        (vec![], vec![(0, "pool `db` has 1 of 1 slots taken")])
    );
    assert_eq!(
        one.slots_awaited(&first, now).unwrap(),
        BTreeMap::from([(2, full.to_owned())])
    );
    append(
        &mut one,
        &first,
        1,
        1,
        &[started(11, 1, None), succeeded(12, 1, 5, "a")],
    );
    assert_eq!(told(&ask(&mut other)), (vec![0], vec![]));
    // Asked again, the answer is the same: an answer may have been lost.
    assert_eq!(told(&ask(&mut other)), (vec![0], vec![]));
    let answer = one.claim_slots(&[claim(&first, 1, 2)], &[], now).unwrap();
    assert_eq!(told(&answer).0, [0; 0]);
    // Its step does not start after all.
    other.claim_slots(&[], &[(second.clone(), 1, 0)], now).unwrap();
    let answer = one.claim_slots(&[claim(&first, 1, 2)], &[], now).unwrap();
    assert_eq!(told(&answer), (vec![2], vec![]));
}

pub(crate) fn a_slot_is_free_when_the_lease_of_its_run_ends(open: Open<'_>) {
    let mut store = open();
    let lost = run(&mut store, 1, limits(Some(1), None), "a", open, 0);
    let next = run(&mut store, 2, limits(Some(1), None), "b", open, 10_000_000);
    let now = open.at(20_000_000);
    assert_eq!(
        told(&store.claim_slots(&[claim(&lost, 1, 0)], &[], now).unwrap()).0,
        [0]
    );
    let now = open.at(29_999_999);
    assert_eq!(
        told(&store.claim_slots(&[claim(&next, 1, 0)], &[], now).unwrap()).0,
        [0; 0]
    );
    let now = open.at(30_000_000);
    assert_eq!(
        told(&store.claim_slots(&[claim(&next, 1, 0)], &[], now).unwrap()).0,
        [0]
    );
}

pub(crate) fn an_old_epoch_neither_gets_a_slot_nor_gives_one_back(open: Open<'_>) {
    let mut store = open();
    let id = run(&mut store, 1, limits(Some(1), None), "a", open, 0);
    let other = run(&mut store, 2, limits(Some(1), None), "c", open, 20_000_000);
    let now = open.at(20_000_000);
    store.claim_slots(&[claim(&id, 1, 0)], &[], now).unwrap();
    drop(store);
    let mut store = open();
    let now = open.at(30_000_000);
    assert_eq!(store.acquire_lease(&id, &owner("b"), now, TTL).unwrap(), 2);
    assert_eq!(
        told(&store.claim_slots(&[claim(&id, 2, 0)], &[], now).unwrap()).0,
        [0]
    );
    let mut late = open();
    assert_eq!(
        told(
            &late
                .claim_slots(&[claim(&id, 1, 1)], &[(id.clone(), 1, 0)], now)
                .unwrap()
        ),
        (vec![], vec![])
    );
    let mut turn = late.begin().unwrap();
    assert!(
        turn.append(&id, 1, 1, &[started(2, 0, None), succeeded(3, 0, 1, "a")])
            .is_err()
    );
    drop(turn);
    assert_eq!(
        told(&store.claim_slots(&[claim(&other, 1, 0)], &[], now).unwrap()).0,
        [0; 0],
        "the slot is still taken"
    );
}

pub(crate) fn a_rate_counts_the_starts_of_all(open: Open<'_>) {
    let (mut one, mut other) = (open(), open());
    let first = run(&mut one, 1, limits(None, Some("2/20s")), "a", open, 0);
    let second = run(&mut other, 2, limits(None, Some("2/20s")), "b", open, 0);
    let now = open.at(1_000_000);
    assert_eq!(
        told(&one.claim_slots(&[claim(&first, 1, 0)], &[], now).unwrap()).0,
        [0]
    );
    // That it is over does not matter to a rate.
    append(
        &mut one,
        &first,
        1,
        1,
        &[started(2, 0, None), succeeded(3, 0, 1, "a")],
    );
    let claims = [claim(&second, 1, 0), claim(&second, 1, 1)];
    let now = open.at(6_000_000);
    let answer = other.claim_slots(&claims, &[], now).unwrap();
    assert_eq!(
        told(&answer),
        (vec![0], vec![(1, "pool `db` has started 2 within 20s")])
    );
    assert_eq!(answer.ask_in, Some(Millis(15_001)));
    let now = open.at(21_000_000);
    assert_eq!(told(&other.claim_slots(&claims, &[], now).unwrap()).0, [0, 1]);
}

pub(crate) fn what_was_declared_last_is_what_a_pool_allows(open: Open<'_>) {
    let mut store = open();
    let id = run(&mut store, 1, limits(Some(1), None), "a", open, 0);
    let now = open.at(10);
    let claims = [claim(&id, 1, 0), claim(&id, 1, 1), claim(&id, 1, 2)];
    assert_eq!(told(&store.claim_slots(&claims, &[], now).unwrap()).0, [0]);
    let more = BTreeMap::from([("db".to_owned(), limits(Some(2), None))]);
    open().declare_pools(&more).unwrap();
    assert_eq!(told(&store.claim_slots(&claims, &[], now).unwrap()).0, [0, 1]);
}

pub(crate) fn a_run_that_is_over_waits_for_nothing(open: Open<'_>) {
    let mut store = open();
    let id = run(&mut store, 1, limits(Some(1), None), "a", open, 0);
    let next = run(&mut store, 2, limits(Some(1), None), "a", open, 0);
    let now = open.at(10);
    let claims = [claim(&id, 1, 0), claim(&id, 1, 1)];
    store.claim_slots(&claims, &[], now).unwrap();
    append(&mut store, &id, 1, 1, &[ended_run(5, RunOutcome::Cancelled)]);
    assert_eq!(store.slots_awaited(&id, now).unwrap(), BTreeMap::new());
    assert_eq!(
        told(&store.claim_slots(&[claim(&next, 1, 3)], &[], now).unwrap()).0,
        [3]
    );
}

pub(crate) fn of_many_that_claim_at_once_no_more_get_a_slot_than_there_are(open: Open<'_>) {
    let runs: Vec<RunId> = (1..=8)
        .map(|number| run(&mut open(), number, limits(Some(3), None), "a", open, 0))
        .collect();
    let now = open.at(10);
    let granted: usize = std::thread::scope(|scope| {
        let claimed = runs.iter().map(|run| {
            scope.spawn(move || {
                let claims = [claim(run, 1, 0), claim(run, 1, 1)];
                loop {
                    match open().claim_slots(&claims, &[], now) {
                        Err(error) if error.is_transient() => {}
                        answer => return answer.unwrap(),
                    }
                }
            })
        });
        let claimed: Vec<_> = claimed.collect();
        claimed
            .into_iter()
            .map(|claimed| claimed.join().unwrap().granted.len())
            .sum()
    });
    // Who was told so early that the others were not there yet has got some for them as well.
    assert!(granted <= 3, "{granted}");
    let mut store = open();
    let held: usize = runs
        .iter()
        .map(|run| {
            let claims = [claim(run, 1, 0), claim(run, 1, 1)];
            store.claim_slots(&claims, &[], now).unwrap().granted.len()
        })
        .sum();
    assert_eq!(held, 3);
}
