//! A state folder that cannot be written to.

use super::mount::Mount;
use crate::leave_out;
use crate::material::{append, create_owned, started_run};
use trainyard_store::{Home, StoreError};

#[test]
fn a_read_only_home_is_refused_for_writing_and_open_for_reading() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path().join("disk/home")).unwrap();
    let mut store = home.store().unwrap();
    let id = create_owned(&mut store, 1, "flights");
    append(&mut store, &id, 0, &[started_run(1)]);
    drop(store);
    let at = dir.path().join("view");
    let _mount = match Mount::read_only(&dir.path().join("disk"), &at) {
        Ok(mount) => mount,
        Err(why) => return leave_out(&why),
    };

    let home = Home::open(at.join("home")).unwrap();
    let refused = home.store().unwrap_err();
    assert!(matches!(&refused, StoreError::ReadOnly { .. }), "{refused}");
    assert!(refused.to_string().contains("read-only"), "{refused}");
    let store = home.store_read_only().unwrap();
    assert_eq!(store.load_run(&id).unwrap().events, [started_run(1)]);
    assert_eq!(store.list_runs(&Default::default()).unwrap().len(), 1);

    let elsewhere = Home::open(at.join("new")).unwrap_err();
    assert!(matches!(&elsewhere, StoreError::ReadOnly { .. }), "{elsewhere}");
}
