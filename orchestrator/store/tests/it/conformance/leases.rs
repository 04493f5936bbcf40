use super::Open;
use crate::material::{append, create, owner, started, started_run};
use trainyard_contract::{Millis, Timestamp};
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
    assert_eq!(
        first.acquire_lease(&id, &owner("a"), Timestamp(0), TTL).unwrap(),
        1
    );
    let Err(StoreError::LeaseHeld { by: Some(by), .. }) =
        open().acquire_lease(&id, &owner("b"), Timestamp(1), TTL)
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
        first.acquire_lease(&id, &owner("a"), Timestamp(2), TTL).unwrap(),
        2,
        "by the owner again"
    );
}

pub(crate) fn an_expired_lease_of_a_living_process_is_not_taken_while_it_holds_the_lock(open: Open<'_>) {
    let mut first = open();
    let id = create(&mut first, 1, "flights");
    first.acquire_lease(&id, &owner("a"), Timestamp(0), TTL).unwrap();
    let jumped = Timestamp(i64::MAX);
    assert!(matches!(
        open().acquire_lease(&id, &owner("b"), jumped, TTL),
        Err(StoreError::LeaseHeld { .. })
    ));
    drop(first);
    assert_eq!(open().acquire_lease(&id, &owner("b"), jumped, TTL).unwrap(), 2);
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
    first.acquire_lease(&id, &dead, Timestamp(0), TTL).unwrap();
    drop(first);
    let mut second = open();
    assert_eq!(
        second.acquire_lease(&id, &owner("b"), Timestamp(1), TTL).unwrap(),
        2
    );
    drop(second);
    let held = open().acquire_lease(&id, &owner("c"), Timestamp(2), TTL);
    assert!(
        matches!(held, Err(StoreError::LeaseHeld { .. })),
        "its process lives: {held:?}"
    );
}

pub(crate) fn a_lease_of_another_machine_is_taken_when_it_has_expired(open: Open<'_>) {
    let mut first = open();
    let id = create(&mut first, 1, "flights");
    first
        .acquire_lease(&id, &elsewhere("a"), Timestamp(0), TTL)
        .unwrap();
    drop(first);
    let mut second = open();
    let before = second.acquire_lease(&id, &owner("b"), Timestamp(29_999_999), TTL);
    assert!(matches!(before, Err(StoreError::LeaseHeld { .. })), "{before:?}");
    assert_eq!(
        second
            .acquire_lease(&id, &owner("b"), Timestamp(30_000_000), TTL)
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
    let epoch = first.acquire_lease(&id, &owner("a"), Timestamp(0), TTL).unwrap();
    append(&mut first, &id, 0, &[started_run(1)]);
    first.release_lease(&id, epoch).unwrap();
    assert_eq!(open().load_run(&id).unwrap().lease, None);
    let mut second = open();
    assert_eq!(
        second.acquire_lease(&id, &owner("b"), Timestamp(1), TTL).unwrap(),
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
        .acquire_lease(&id, &elsewhere("a"), Timestamp(0), TTL)
        .unwrap();
    first
        .renew_leases(&[(id.clone(), 1)], Timestamp(10_000_000), TTL)
        .unwrap();
    assert_eq!(
        open().load_run(&id).unwrap().lease.unwrap().expires_at,
        Timestamp(40_000_000)
    );
    drop(first);
    let mut second = open();
    second
        .acquire_lease(&id, &owner("b"), Timestamp(40_000_000), TTL)
        .unwrap();
    let refused = open().renew_leases(&[(id.clone(), 1)], Timestamp(40_000_001), TTL);
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
