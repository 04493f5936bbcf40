//! A disk without space: nothing that was committed is lost, and work goes on when there is space.

use super::mount::Mount;
use crate::leave_out;
use crate::material::{append, at, create_owned};
use std::fs;
use std::path::Path;
use trainyard_domain::run::{Event, What};
use trainyard_store::{Home, StoreError};

/// About 4 KiB.
fn large(number: u64) -> Event {
    at(
        number as i64,
        What::CancelAsked {
            by: format!("{number} {}", "x".repeat(4000)),
        },
    )
}

/// Fills what is left.
fn fill(at: &Path) {
    let _ = fs::write(at.join("ballast"), vec![0; 64 << 20]);
}

fn full_disk_test(size: &str) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    let _mount = Mount::in_memory(&disk, size)?;
    let home = Home::open(disk.join("home")).unwrap();
    let mut store = home.store().unwrap();
    let id = create_owned(&mut store, 1, "flights");
    append(&mut store, &id, 0, &[large(0)]);
    fill(&disk);
    let mut kept = 1;
    let full = loop {
        let mut turn = store.begin().unwrap();
        match turn
            .append(&id, 1, kept, &[large(kept)])
            .and_then(|()| turn.commit())
        {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 100_000, "it never was full");
    };
    assert!(matches!(&full, StoreError::Full { .. }), "{full}");
    assert!(full.to_string().contains("full"), "{full}");
    assert_eq!(
        store.load_run(&id).unwrap().events.len() as u64,
        kept,
        "the connection still reads"
    );

    fs::remove_file(disk.join("ballast")).unwrap();
    append(&mut store, &id, kept, &[large(kept)]);
    drop(store);
    let store = home.store().unwrap();
    assert_eq!(
        store.load_run(&id).unwrap().events,
        (0..=kept).map(large).collect::<Vec<_>>()
    );
    assert_eq!(store.damage().unwrap(), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_full_disk_is_reported_and_work_goes_on_when_there_is_space() {
    if let Err(why) = full_disk_test("size=12m") {
        leave_out(&why);
    }
}

#[test]
fn a_disk_of_two_mebibytes_is_enough_to_begin_with() {
    if let Err(why) = full_disk_test("size=2m") {
        leave_out(&why);
    }
}

#[test]
fn a_home_on_a_full_disk_is_refused_as_full() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    for (size, inodes) in [("64k", "40"), ("2m", "4")] {
        let _mount = match Mount::in_memory(&disk, &format!("size={size},nr_inodes={inodes}")) {
            Ok(mount) => mount,
            Err(why) => return leave_out(&why),
        };
        let refused = Home::open(disk.join("home"))
            .and_then(|home| home.store())
            .unwrap_err();
        assert!(matches!(&refused, StoreError::Full { .. }), "{size}: {refused}");
    }
}
