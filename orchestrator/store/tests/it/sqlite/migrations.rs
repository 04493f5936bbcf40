//! Databases of every earlier schema: written by the version that had it, kept as SQL.

use crate::material::{append, run_id, started, started_run, succeeded};
use std::fs;
use std::path::Path;
use trainyard_contract::ContentHash;
use trainyard_store::{RunStatus, Store, StoreError};

const NEWEST: u32 = 12;

fn fixture(version: u32, path: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/schema_{version}.sql"));
    let script = fs::read_to_string(script).unwrap();
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(&script)
        .unwrap();
}

#[test]
fn a_database_of_every_schema_opens_and_goes_on() {
    for version in 1..=NEWEST {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        fixture(version, &path);
        let mut store = Store::open(&path).unwrap();
        let run = store.load_run(&run_id(1)).unwrap();
        assert_eq!(run.status, RunStatus::Running, "schema {version}");
        assert_eq!(
            run.events,
            [
                started_run(10),
                started(11, 1, Some("key")),
                succeeded(12, 1, 7, "a"),
                started(13, 2, None)
            ]
        );
        assert_eq!(run.definition, crate::material::definition("flights", 4));
        assert!(store.reusable(&ContentHash::of(b"key"), None).unwrap().is_some());
        append(&mut store, &run_id(1), 4, &[succeeded(14, 2, 3, "b")]);
        assert_eq!(store.run_summary(&run_id(1)).unwrap().steps.succeeded, 2);
        assert_eq!(store.models().unwrap(), []);
        assert_eq!(store.damage().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn an_older_schema_is_not_migrated_by_a_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    fixture(1, &path);
    let refused = Store::open_read_only(&path).unwrap_err();
    assert!(matches!(&refused, StoreError::NotADatabase { .. }), "{refused}");
    drop(Store::open(&path).unwrap());
    Store::open_read_only(&path).unwrap();
}
