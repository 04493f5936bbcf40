use super::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn row(number: u64) -> PushedRow {
    let mut values = serde_json::Map::new();
    values.insert("id".into(), number.into());
    PushedRow {
        received: Timestamp(number as i64),
        values,
    }
}

fn read_from(log: &PushLog, folded: u64, from: PushPosition) -> (Vec<u64>, PushPosition) {
    let mut found = Vec::new();
    let end = log.read::<PushLogError>(folded, from, None, |row| {
        found.push(row.values["id"].as_u64().unwrap());
        Ok(())
    });
    (found, end.unwrap())
}

fn all(log: &PushLog) -> Vec<u64> {
    read_from(log, 0, PushPosition::default()).0
}

fn open_file(folder: &Path) -> PathBuf {
    folder.join("000000000001.open")
}

#[test]
fn rows_are_read_in_the_order_they_came_and_from_where_one_was() {
    let dir = tempfile::tempdir().unwrap();
    let log = PushLog::new(dir.path().join("weather/v1"));
    assert_eq!((all(&log), log.end().unwrap()), (vec![], PushPosition::default()));
    log.append(&[row(1), row(2)]).unwrap();
    let (found, at) = read_from(&log, 0, PushPosition::default());
    assert_eq!(found, [1, 2]);
    assert_eq!(log.end().unwrap(), at);
    log.append(&[row(3)]).unwrap();
    assert_eq!(log.seal().unwrap(), 1);
    log.append(&[row(4)]).unwrap();
    assert_eq!(read_from(&log, 0, at).0, [3, 4]);
    assert_eq!(read_from(&log, 1, at).0, [4]);
    assert_eq!(all(&PushLog::new(log.folder())), [1, 2, 3, 4]);
}

#[test]
fn sealing_nothing_makes_no_segment_and_numbers_are_never_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = PushLog::new(dir.path());
    assert_eq!(log.seal().unwrap(), 0);
    for number in 1..=3 {
        log.append(&[row(number)]).unwrap();
        assert_eq!(log.seal().unwrap(), number);
        assert_eq!(log.seal().unwrap(), number);
    }
    assert_eq!(log.remove(3).unwrap(), 2);
    log.append(&[row(9)]).unwrap();
    assert_eq!(log.seal().unwrap(), 4);
    assert_eq!(read_from(&log, 3, PushPosition::default()).0, [9]);
}

#[test]
fn a_row_that_is_too_long_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = PushLog::new(dir.path());
    let mut long = row(1);
    long.values.insert("text".into(), "x".repeat(LONGEST).into());
    assert!(matches!(
        log.append(&[row(0), long]),
        Err(PushLogError::TooLong { .. })
    ));
    assert_eq!(all(&log), [0u64; 0]);
}

#[test]
fn a_sealed_segment_with_a_flipped_bit_is_damaged_and_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let log = PushLog::new(dir.path());
    log.append(&[row(1)]).unwrap();
    let first = log.end().unwrap().offset;
    log.append(&[row(2)]).unwrap();
    log.seal().unwrap();
    let path = dir.path().join("000000000001.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[first as usize + 30] ^= 1;
    fs::write(&path, bytes).unwrap();
    let read = log.read::<PushLogError>(0, PushPosition::default(), None, |_| Ok(()));
    assert!(
        matches!(read, Err(PushLogError::Damaged { offset, .. }) if offset == first),
        "{read:?}"
    );
}

#[test]
fn threads_and_a_compaction_at_once_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(PushLog::new(dir.path()));
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8u64)
        .map(|writer| {
            // Every other one has a log of its own, as another process would.
            let log = if writer % 2 == 0 {
                log.clone()
            } else {
                Arc::new(PushLog::new(dir.path()))
            };
            std::thread::spawn(move || {
                (0..50).for_each(|nth| log.append(&[row(writer * 1000 + nth)]).unwrap())
            })
        })
        .collect();
    let sealer = {
        let (log, done) = (PushLog::new(dir.path()), done.clone());
        std::thread::spawn(move || {
            let (mut folded, mut found) = (0, Vec::new());
            loop {
                let is_last = done.load(Ordering::SeqCst);
                let sealed = log.seal().unwrap();
                let until = PushPosition {
                    segment: sealed,
                    offset: u64::MAX,
                };
                log.read::<PushLogError>(folded, PushPosition::default(), Some(until), |row| {
                    found.push(row.values["id"].as_u64().unwrap());
                    Ok(())
                })
                .unwrap();
                folded = sealed;
                log.remove(folded).unwrap();
                if is_last {
                    return found;
                }
            }
        })
    };
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    done.store(true, Ordering::SeqCst);
    let mut found = sealer.join().unwrap();
    found.sort_unstable();
    let expected: Vec<u64> = (0..8)
        .flat_map(|writer| (0..50).map(move |nth| writer * 1000 + nth))
        .collect();
    assert_eq!(found, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// A crash leaves any part of the last write, blocks of it perhaps as zeros: what was acknowledged is there, and what
    /// follows is appended to it.
    #[test]
    fn what_a_crash_has_torn_is_cut_and_nothing_else(
        kept in 0u64..5,
        torn in 1u64..5,
        cut in 0.0f64..1.0,
        hole in prop::option::of((0.0f64..1.0, 1usize..64)),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let log = PushLog::new(dir.path());
        let before: Vec<u64> = (0..kept).collect();
        log.append(&before.iter().map(|number| row(*number)).collect::<Vec<_>>()).unwrap();
        let whole = if kept > 0 { fs::metadata(open_file(dir.path())).unwrap().len() as usize } else { 0 };
        log.append(&(100..100 + torn).map(row).collect::<Vec<_>>()).unwrap();
        let mut bytes = fs::read(open_file(dir.path())).unwrap();
        let length = whole + ((bytes.len() - whole) as f64 * cut) as usize;
        bytes.truncate(length);
        if let Some((at, size)) = hole {
            let from = whole + ((length - whole) as f64 * at) as usize;
            let to = (from + size).min(length);
            bytes[from..to].fill(0);
        }
        fs::write(open_file(dir.path()), &bytes).unwrap();
        let found = all(&PushLog::new(dir.path()));
        prop_assert!(found.starts_with(&before));
        prop_assert!(found[before.len()..].iter().copied().eq((100..).take(found.len() - before.len())));
        let after = PushLog::new(dir.path());
        after.append(&[row(7)]).unwrap();
        let mut expected = found;
        expected.push(7);
        prop_assert_eq!(all(&after), expected);
        after.seal().unwrap();
        prop_assert_eq!(*all(&after).last().unwrap(), 7);
    }
}
