//! What the store in one file survives: killed writers, readers beside them, damage, no room.

use crate::rows::{airports, key, layout, read, write};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use trainyard_contract::Timestamp;
use trainyard_features::online::{
    Embedded, KeyBytes, OnlineError, OnlineStore, Place, Row, Value, ViewId, Watermark,
};

const ROWS: usize = 3_000;
const WRITER: &str = "TRAINYARD_TEST_ONLINE_WRITER";

fn weather() -> ViewId {
    ViewId::new("weather", 1)
}

fn names() -> Vec<String> {
    (0..ROWS).map(|n| format!("airport-{n}")).collect()
}

fn generation(store: &Embedded, names: &[String], generation: i64) -> Result<(), OnlineError> {
    let sky = "x".repeat((generation % 50) as usize);
    let rows: Vec<_> = names
        .iter()
        .map(|name| {
            (
                name.as_str(),
                generation,
                0,
                Some(generation as f64),
                sky.as_str(),
            )
        })
        .collect();
    let mark = Watermark {
        until: Timestamp(generation),
        ..Watermark::default()
    };
    write(store, &weather(), &airports(&rows), Some(&mark), generation).map(|_| ())
}

/// The generations that a single question finds, which must be one, whole.
fn seen(store: &Embedded, keys: &[KeyBytes]) -> Option<i64> {
    let mut seen = Vec::new();
    store
        .get(&weather(), layout().fields(), keys, &mut |_, row| {
            seen.push(row.map(|(row, projection)| {
                let values: Vec<_> = (0..2)
                    .map(|place| row.value(projection.layout(), place))
                    .collect();
                let event = row.event_time();
                assert_eq!(values[0], Some(Value::Float(event as f64)), "a torn row");
                let sky = "x".repeat((event % 50) as usize);
                assert_eq!(values[1], Some(Value::Bytes(sky.as_bytes().into())), "a torn row");
                event
            }));
        })
        .unwrap();
    seen.dedup();
    assert_eq!(seen.len(), 1, "half a write is visible: {seen:?}");
    seen[0]
}

/// Not a test of its own: the process that writes for the one below, generation after generation.
#[test]
fn writer() {
    let Some(path) = std::env::var_os(WRITER) else {
        return;
    };
    let store = Embedded::open(Path::new(&path)).unwrap();
    let names = names();
    let last = store
        .watermark(&weather())
        .unwrap()
        .map_or(0, |mark| mark.until.0);
    let mut out = std::io::stdout();
    for next in last + 1.. {
        generation(&store, &names, next).unwrap();
        writeln!(out, "written {next}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_writer_that_is_killed_leaves_all_or_nothing_and_readers_beside_it_see_whole_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.online");
    let keys: Vec<KeyBytes> = names().iter().map(|name| key(name)).collect();
    let store = Embedded::open(&path).unwrap();
    let mut random = 88_172_645_463_325_252_u64;
    let mut acknowledged = 0;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "embedded::writer", "--nocapture"])
            .env(WRITER, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = |line: &str| {
            if let Some((_, number)) = line.rsplit_once("written ") {
                acknowledged = number.trim().parse().unwrap();
            }
            line.contains("written ")
        };
        let mut heard = 0;
        while heard < 3 {
            heard += u32::from(said(&lines.next().unwrap().unwrap()));
            seen(&store, &keys);
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_micros(random % 20_000));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            said(&line);
        }
        let found = seen(&store, &keys).unwrap();
        assert!(found >= acknowledged, "round {round}: {found} of {acknowledged}");
        assert_eq!(
            store.watermark(&weather()).unwrap().unwrap().until,
            Timestamp(found)
        );
        assert_eq!(store.statistics(&weather()).unwrap().rows, ROWS as u64);
    }
    // The next run completes what was broken off.
    generation(&store, &names(), 1_000_000).unwrap();
    assert_eq!(seen(&store, &keys), Some(1_000_000));
}

#[test]
fn opened_twice_it_is_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.online");
    let one = Embedded::open(&path).unwrap();
    let other = Embedded::open(&folder.path().join(".").join("features.online")).unwrap();
    write(&one, &weather(), &airports(&[("JFK", 1, 1, None, "")]), None, 1).unwrap();
    assert_eq!(read(&other, &weather(), &["JFK"]), ["1 null "]);
}

#[test]
fn what_is_no_store_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("text", b"hello".repeat(3_000)),
        ("zeros", vec![0; 20_000]),
        ("short", vec![7; 10]),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let error = Embedded::open(&path).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(name), "{name}: {error}");
    }
}

/// A store of some hundred pages, closed.
fn filled(path: &Path) -> Vec<String> {
    let names = names();
    generation(&Embedded::open(path).unwrap(), &names, 49).unwrap();
    names
}

/// Looks every row up: how many are whole, how many are said to be damaged.
fn checked(path: &Path, names: &[String]) -> (usize, usize) {
    let store = match Embedded::open(path) {
        Ok(store) => store,
        Err(OnlineError::Damaged { .. }) => return (0, names.len()),
        Err(other) => panic!("{other}"),
    };
    let (mut whole, mut damaged) = (0, 0);
    for name in names {
        let mut found = None;
        let got = store.get(&weather(), layout().fields(), &[key(name)], &mut |_, row| {
            found = row.map(|(row, _): (Row<'_>, _)| row.event_time());
        });
        match got {
            Ok(()) => {
                assert_eq!(found, Some(49), "a wrong answer for {name}");
                whole += 1;
            }
            Err(OnlineError::Damaged { place, .. }) => {
                assert!(place.ends_with("features.online"), "{place}");
                damaged += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    (whole, damaged)
}

#[test]
fn a_file_that_has_lost_its_end_is_said_to_be_damaged() {
    for keep in [1, 2, 3, 5, 9] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.online");
        let names = filled(&path);
        let size = fs::metadata(&path).unwrap().len();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(size * keep / 10 / 4096 * 4096).unwrap();
        let (_, damaged) = checked(&path, &names);
        assert!(damaged > 0, "{keep} tenths are left");
    }
}

#[test]
fn a_changed_byte_in_a_row_is_said_to_be_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.online");
    let names = filled(&path);
    let content = fs::read(&path).unwrap();
    let text = "x".repeat(49);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for (place, _) in content
        .windows(49)
        .enumerate()
        .filter(|(_, bytes)| *bytes == text.as_bytes())
    {
        file.write_all_at(b"y", place as u64 + 20).unwrap();
    }
    assert_eq!(checked(&path, &names), (0, names.len()));
}

#[test]
fn a_file_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.online");
    filled(&path);
    let content = fs::read(&path).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    // Every page that ever held the mark of the format.
    let word = b"\0\0\0\0\0\0\0\0format1";
    for (place, bytes) in content.windows(word.len()).enumerate() {
        if bytes == word {
            file.write_all_at(b"2", (place + word.len() - 1) as u64).unwrap();
        }
    }
    let error = Embedded::open(&path).map(|_| ()).unwrap_err();
    assert!(matches!(error, OnlineError::Newer { .. }), "{error}");
}

#[test]
fn without_room_a_write_is_refused_and_what_was_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.online");
    let store = Embedded::with_room(&path, &[1 << 20]).unwrap();
    let few: Vec<String> = (0..300).map(|n| format!("a-{n:03}")).collect();
    let keys: Vec<KeyBytes> = few.iter().map(|name| key(name)).collect();
    generation(&store, &few, 1).unwrap();
    let mut full = None;
    for next in 2..20 {
        let more = (0..next * 1_500).map(|n| format!("b-{n}"));
        let many: Vec<String> = few.iter().cloned().chain(more).collect();
        match generation(&store, &many, next) {
            Ok(()) => assert_eq!(seen(&store, &keys), Some(next)),
            Err(error) => {
                full = Some((next, error));
                break;
            }
        }
    }
    let (next, error) = full.unwrap();
    assert!(matches!(error, OnlineError::Full { .. }), "{error}");
    assert_eq!(seen(&store, &keys), Some(next - 1), "what was there stays");
    generation(&store, &few, 30).unwrap();
    assert_eq!(
        seen(&store, &keys),
        Some(30),
        "what needs little room still goes in"
    );
}

#[test]
fn an_address_names_a_store_and_its_password_is_not_shown() {
    let home = Path::new("/home/project/.trainyard");
    let at = |url: Option<&str>| Place::read(url, home).map(|place| place.to_string());
    assert_eq!(at(None).unwrap(), "/home/project/.trainyard/features.online");
    assert_eq!(at(Some("")).unwrap(), "/home/project/.trainyard/features.online");
    assert_eq!(at(Some("/data/f.online")).unwrap(), "/data/f.online");
    assert_eq!(
        at(Some("rediss://u:secret@h:1/2?x=secret")).unwrap(),
        "rediss://h:1/2"
    );
    assert_eq!(at(Some("postgres://u:secret@h/db")).unwrap(), "postgres://h/db");
    assert!(
        at(Some("mysql://u:secret@h/db"))
            .unwrap_err()
            .to_string()
            .starts_with("`mysql://…`")
    );
}
