use super::Open;
use trainyard_contract::{ContentHash, Timestamp};
use trainyard_store::FileStamp;

fn stamp() -> FileStamp {
    FileStamp {
        path: "/data/a.csv".to_owned(),
        size: 3,
        mtime_ns: 1_000_000_000,
        inode: u64::MAX,
    }
}

const LATER: Timestamp = Timestamp(1_000_000 + 2_000_000);

pub(crate) fn a_file_is_known_until_anything_about_it_changes(open: Open<'_>) {
    let (first, second) = (ContentHash::of(b"1"), ContentHash::of(b"2"));
    open().remember_file_hashes(&[(stamp(), first)], LATER).unwrap();
    assert_eq!(open().file_hash(&stamp()).unwrap(), Some(first));
    for changed in [
        FileStamp {
            path: "/data/b.csv".to_owned(),
            ..stamp()
        },
        FileStamp { size: 4, ..stamp() },
        FileStamp {
            mtime_ns: 1_000_000_001,
            ..stamp()
        },
        FileStamp { inode: 8, ..stamp() },
    ] {
        assert_eq!(open().file_hash(&changed).unwrap(), None, "{changed:?}");
    }
    let changed = FileStamp { size: 4, ..stamp() };
    open()
        .remember_file_hashes(&[(changed.clone(), second)], LATER)
        .unwrap();
    assert_eq!(open().file_hash(&changed).unwrap(), Some(second));
    assert_eq!(open().file_hash(&stamp()).unwrap(), None);
}

pub(crate) fn a_file_written_just_now_is_not_trusted(open: Open<'_>) {
    let now = Timestamp(LATER.0 - 1);
    open()
        .remember_file_hashes(&[(stamp(), ContentHash::of(b"1"))], now)
        .unwrap();
    assert_eq!(open().file_hash(&stamp()).unwrap(), None);
}
