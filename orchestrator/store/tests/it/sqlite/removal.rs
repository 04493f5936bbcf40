//! Retention when a statement fails half-way, and what becomes of the space.

use crate::conformance::retention::{ALL, ended, sweep};
use crate::material::run_id;
use rusqlite::types::Value;
use std::path::Path;
use trainyard_contract::Timestamp;
use trainyard_store::{Home, Walked};

/// Every row of every table.
fn rows(path: &Path) -> Vec<(String, Vec<Vec<Value>>)> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut names = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        .unwrap();
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let rows_of = |name: &String| {
        let mut all = connection
            .prepare(&format!("SELECT * FROM {name} ORDER BY 1, 2"))
            .unwrap();
        let width = all.column_count();
        all.query_map([], |row| (0..width).map(|at| row.get(at)).collect())
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    names.iter().map(|name| (name.clone(), rows_of(name))).collect()
}

/// A change of a table that fails.
fn failing(path: &Path, change: &str, work: impl FnOnce() -> bool) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let trigger = format!("CREATE TRIGGER fails BEFORE {change} BEGIN SELECT RAISE(ABORT, 'it fails'); END");
    connection.execute_batch(&trigger).unwrap();
    let before = rows(path);
    assert!(work(), "{change}: it was not tried");
    assert!(rows(path) == before, "{change}: something was kept");
    connection.execute_batch("DROP TRIGGER fails").unwrap();
}

#[test]
fn whichever_statement_fails_nothing_of_its_transaction_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    let path = home.database();
    let mut store = home.store().unwrap();
    ended(&mut store, 1, "flights", 1, "a", "k1");
    ended(&mut store, 2, "flights", 2, "b", "k2");
    let kept = store.load_run(&run_id(2)).unwrap();
    let now = Timestamp(1_000_000_000);
    let found = store.removable_runs(ALL, Walked::default(), 9, now).unwrap();
    for change in [
        "DELETE ON run_definitions",
        "DELETE ON run_durations",
        "DELETE ON runs",
        "INSERT ON removed_runs",
    ] {
        failing(&path, change, || {
            store.remove_runs(&found.runs, ALL, now).is_err()
        });
    }
    assert_eq!(store.remove_runs(&found.runs, ALL, now).unwrap(), 1);
    for change in [
        "DELETE ON results",
        "DELETE ON artifacts",
        "DELETE ON lineage_edges",
        "DELETE ON lineage_nodes",
        "DELETE ON events",
        "UPDATE ON removed_runs",
    ] {
        failing(&path, change, || store.clear_removed(99).is_err());
    }
    assert_eq!(store.clear_removed(99).unwrap().events, 4);
    assert_eq!(store.load_run(&run_id(2)).unwrap(), kept);
    assert_eq!(store.damage().unwrap(), Vec::<String>::new());
}

#[test]
fn space_of_what_was_removed_is_used_again_and_given_back_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Home::open(dir.path()).unwrap().store().unwrap();
    let empty = store.condition().unwrap().size;
    let long = "x".repeat(20_000);
    let mut number = 0;
    let mut fill = |store: &mut trainyard_store::Store| {
        for _ in 0..50 {
            number += 1;
            let content = format!("{number}{long}");
            ended(store, number, "flights", 1, &content, &content);
        }
        sweep(store, ALL)
    };
    assert_eq!(fill(&mut store), 49);
    let size = |store: &mut trainyard_store::Store| {
        store.checkpoint().unwrap();
        store.condition().unwrap().size
    };
    let first = size(&mut store);
    assert!(first > 50 * 20_000, "{first}: it held all of it once");
    for _ in 0..3 {
        assert_eq!(fill(&mut store), 50);
    }
    let fourth = size(&mut store);
    assert!(
        fourth < first + first / 5,
        "{first} bytes after 50 runs, {fourth} after 200"
    );
    store.compact().unwrap();
    let compacted = size(&mut store);
    assert!(
        compacted - empty < first / 5,
        "{first} bytes, {compacted} compacted, {empty} when it was empty"
    );
    assert_eq!(store.list_runs(&Default::default()).unwrap().len(), 1);
}
