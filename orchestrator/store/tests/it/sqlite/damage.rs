//! Files that are not what they should be.

use crate::material::{append, create_owned, run_id, started, started_run};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use trainyard_store::{Home, Store, StoreError};

/// Runs SQL of our own making against a database, as somebody with a shell could.
fn sql(path: &Path, script: &str) {
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(script)
        .unwrap();
}

#[test]
fn a_newer_database_is_refused_by_both_numbers_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    drop(Store::open(&path).unwrap());
    sql(&path, "PRAGMA user_version = 99; CREATE TABLE of_the_future (x);");
    for refused in [Store::open(&path), Store::open_read_only(&path)] {
        let error = refused.unwrap_err();
        let StoreError::Newer { found: 99, known, .. } = &error else {
            panic!("{error}");
        };
        let text = error.to_string();
        let numbers = format!("schema 99, this version knows up to {known}");
        assert!(text.contains(&numbers) && text.contains("state.db"), "{text}");
    }
    sql(&path, "SELECT x FROM of_the_future");
}

#[test]
fn a_run_of_a_newer_definition_is_refused_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut store = Store::open(&path).unwrap();
    let newer = create_owned(&mut store, 1, "flights");
    let good = create_owned(&mut store, 2, "flights");
    sql(
        &path,
        "UPDATE run_definitions SET body = '{\"version\": 2, \"all\": \"new\"}' WHERE run = 1",
    );
    let refused = store.load_run(&newer);
    assert!(
        matches!(
            &refused,
            Err(StoreError::NewerDefinition {
                found: 2,
                known: 1,
                ..
            })
        ),
        "{refused:?}"
    );
    assert!(store.load_run(&good).is_ok());
    assert_eq!(store.list_runs(&Default::default()).unwrap().len(), 2);
}

#[test]
fn a_file_of_something_else_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.db");
    fs::write(
        &text,
        "not a database at all, but long enough to be one\n".repeat(100),
    )
    .unwrap();
    let before = fs::read(&text).unwrap();
    let other = dir.path().join("other.db");
    sql(&other, "PRAGMA application_id = 7; CREATE TABLE theirs (x);");
    let plain = dir.path().join("plain.db");
    sql(&plain, "CREATE TABLE theirs (x);");
    for path in [&text, &other, &plain] {
        for refused in [Store::open(path), Store::open_read_only(path)] {
            let error = refused.unwrap_err();
            assert!(
                matches!(&error, StoreError::NotADatabase { .. }),
                "{}: {error}",
                path.display()
            );
        }
    }
    assert_eq!(fs::read(&text).unwrap(), before);
    assert!(matches!(
        Store::open_read_only(&dir.path().join("none.db")),
        Err(StoreError::NotADatabase { .. })
    ));
}

#[test]
fn a_damaged_file_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut store = Store::open(&path).unwrap();
    let id = create_owned(&mut store, 1, "flights");
    for seq in 0..2000 {
        append(
            &mut store,
            &id,
            seq,
            &[started(1, 3, Some(&format!("key {seq}")))],
        );
    }
    assert_eq!(store.damage().unwrap(), Vec::<String>::new());
    drop(store);
    fs::remove_file(dir.path().join("state.db-wal")).unwrap();
    // The first pages of all tables come first; what was written with them is spread over the rest.
    let length = fs::metadata(&path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(length / 4)).unwrap();
    file.write_all(&vec![0xA5; usize::try_from(length / 2).unwrap()])
        .unwrap();
    drop(file);
    // What is found first depends on which pages were hit.
    let store = match Store::open(&path) {
        Ok(store) => store,
        Err(error) => return assert!(matches!(error, StoreError::Corrupt { .. }), "{error}"),
    };
    let read = store.load_run(&id).map(|run| run.events.len());
    assert!(matches!(&read, Err(StoreError::Corrupt { .. })), "{read:?}");
    assert_ne!(store.damage().unwrap(), Vec::<String>::new());
}

#[test]
fn a_truncated_file_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    drop(Store::open(&path).unwrap());
    fs::remove_file(dir.path().join("state.db-wal")).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(6_000)
        .unwrap();
    let failed = Store::open(&path).and_then(|mut store| {
        let id = run_id(1);
        let definition = crate::material::definition("flights", 1);
        store.create_run(&trainyard_store::NewRun {
            id: &id,
            definition: &definition,
            created_at: trainyard_contract::Timestamp(0),
            by: "ada",
            reason: None,
        })
    });
    assert!(
        matches!(
            &failed,
            Err(StoreError::Corrupt { .. } | StoreError::NotADatabase { .. })
        ),
        "{failed:?}"
    );
}

#[test]
fn an_event_that_is_missing_or_unreadable_spoils_its_run_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut store = Store::open(&path).unwrap();
    let runs: Vec<_> = (1..=3)
        .map(|number| create_owned(&mut store, number, "flights"))
        .collect();
    for run in &runs {
        append(
            &mut store,
            run,
            0,
            &[started_run(1), started(2, 1, None), started(3, 2, None)],
        );
    }
    sql(
        &path,
        "DELETE FROM events WHERE id = (1 << 32) + 2; UPDATE events SET body = '{' WHERE id = (2 << 32) + 2;",
    );
    for (run, told) in [(&runs[0], "event 2 is missing"), (&runs[1], "EOF")] {
        let error = store.load_run(run).unwrap_err();
        assert!(
            matches!(&error, StoreError::Corrupt { .. }) && error.to_string().contains(told),
            "{error}"
        );
    }
    assert_eq!(store.load_run(&runs[2]).unwrap().events.len(), 3);
}

#[test]
fn a_home_is_made_whole_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/er/.trainyard");
    for _ in 0..2 {
        let home = Home::open(&path).unwrap();
        home.store().unwrap();
        home.store_read_only().unwrap();
    }
    for name in ["objects", "logs", "scratch", "locks", "state.db", ".gitignore"] {
        assert!(path.join(name).exists(), "{name}");
    }
}

#[test]
fn many_processes_may_make_the_same_home_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let dir = &dir;
            scope.spawn(move || {
                let mut store = Home::open(dir.path()).unwrap().store().unwrap();
                create_owned(&mut store, number, "flights");
            });
        }
    });
    let store = Home::open(dir.path()).unwrap().store_read_only().unwrap();
    assert_eq!(store.list_runs(&Default::default()).unwrap().len(), 8);
    assert_eq!(store.damage().unwrap(), Vec::<String>::new());
}
