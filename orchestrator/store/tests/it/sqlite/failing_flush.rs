//! A disk that fails a flush. A child process of this same test program works on it, since the
//! library that makes flushes fail must be loaded before anything else.

use crate::leave_out;
use crate::material::{at, create, owner};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use trainyard_contract::{Millis, Timestamp};
use trainyard_domain::run::{Event, What};
use trainyard_store::{Home, StoreError};

const TURNS: u64 = 20;
const CHILD: &str = "TRAINYARD_TEST_FLUSH_HOME";

fn event(number: u64) -> Event {
    at(
        number as i64,
        What::CancelAsked {
            by: number.to_string(),
        },
    )
}

fn library(folder: &Path) -> Result<PathBuf, String> {
    let library = folder.join("failing_flush.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sqlite/failing_flush.c");
    let compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .arg("-ldl")
        .status();
    match compiler {
        Ok(status) if status.success() => Ok(library),
        Ok(status) => Err(format!("the C compiler failed: {status}")),
        Err(error) => Err(format!("there is no C compiler: {error}")),
    }
}

#[test]
fn every_flush_may_fail_once_and_nothing_acknowledged_is_lost() {
    if let Some(home) = std::env::var_os(CHILD) {
        return child(Path::new(&home));
    }
    let dir = tempfile::tempdir().unwrap();
    let library = match library(dir.path()) {
        Ok(library) => library,
        Err(why) => return leave_out(&why),
    };
    let mut failures = 0;
    // Opening takes a few flushes besides, and one of a folder whose failure SQLite passes over.
    for fail_from in 1..=TURNS + 6 {
        let home = dir.path().join(format!("home {fail_from}"));
        // What is to survive is there before, so that the failing flush may be any of the later ones.
        let mut store = Home::open(&home).unwrap().store().unwrap();
        let id = create(&mut store, 1, "flights");
        drop(store);
        let name = std::thread::current().name().unwrap().to_owned();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture"])
            .env(CHILD, &home)
            .env("LD_PRELOAD", &library)
            .env("FAIL_FROM", fail_from.to_string())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = fs::read_to_string(home.join("said")).unwrap_or_default();
        assert!(
            output.status.success(),
            "flush {fail_from}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let acknowledged = said.lines().filter(|line| line.starts_with("kept")).count() as u64;
        let store = Home::open(&home).unwrap().store().unwrap();
        let events = store.load_run(&id).unwrap().events;
        assert_eq!(
            events,
            (0..TURNS).map(event).collect::<Vec<_>>(),
            "flush {fail_from}"
        );
        assert_eq!(acknowledged, TURNS);
        assert_eq!(store.damage().unwrap(), Vec::<String>::new());
        failures += u64::from(said.contains("disk"));
    }
    assert!(
        failures >= TURNS,
        "a flush for each turn at least, but only {failures} failed"
    );
}

/// Makes turns, and after a failure opens the store again and goes on where that stands.
fn child(home: &Path) {
    let mut said = String::new();
    let home = Home::open(home).unwrap();
    let id = crate::material::run_id(1);
    let mut attempts = 0;
    let (mut next, mut epoch, mut open) = (0, 0, None);
    while next < TURNS {
        attempts += 1;
        assert!(attempts < 100, "{said}");
        let mut store = match open.take() {
            Some(store) => store,
            None => match home.store().and_then(|mut store| {
                epoch = store.acquire_lease(&id, &owner("child"), Timestamp(attempts), Millis(1))?;
                let kept = store.load_run(&id)?.events.len() as u64;
                assert!(
                    kept == next || kept == next + 1,
                    "{kept} events, {next} acknowledged"
                );
                if kept > next {
                    said.push_str("kept, as it turned out\n");
                }
                next = kept;
                Ok(store)
            }) {
                Ok(store) => store,
                Err(error) => {
                    assert!(
                        matches!(error, StoreError::Disk { .. } | StoreError::Io { .. }),
                        "{error:?}"
                    );
                    said.push_str("disk\n");
                    continue;
                }
            },
        };
        if next == TURNS {
            break;
        }
        let mut turn = store.begin().unwrap();
        match turn
            .append(&id, epoch, next, &[event(next)])
            .and_then(|()| turn.commit())
        {
            Ok(()) => {
                next += 1;
                said.push_str("kept\n");
                open = Some(store);
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Disk { .. }), "{error:?}");
                said.push_str("disk\n");
                let again = store.begin().map(|_| ());
                assert!(
                    matches!(again, Err(StoreError::Closed { .. })),
                    "it is not tried again: {again:?}"
                );
            }
        }
    }
    fs::write(home.folder().join("said"), said).unwrap();
}
