//! What processes of one machine see of each other: lock files, so that there is no second engine whatever
//! the clock says, and whether there is news.

use crate::material::{create, owner};
use trainyard_contract::{Millis, Timestamp};
use trainyard_store::{Home, StoreError};

const TTL: Millis = Millis(30_000);

#[test]
fn an_expired_lease_of_a_living_process_is_not_taken_while_it_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    let open = || home.store().unwrap();
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

#[test]
fn there_is_no_news_while_nobody_else_writes() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    let (mut writer, reader) = (home.store().unwrap(), home.store().unwrap());
    let before = reader.data_version().unwrap();
    assert_eq!(reader.data_version().unwrap(), before);
    create(&mut writer, 1, "flights");
    assert_ne!(reader.data_version().unwrap(), before);
}
