//! From one snapshot to the next.

use super::period::Period;
use super::snapshot::{DataFile, Partition, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::feature::ChangeKind;
use trainyard_contract::{ContentHash, Schema};

/// Files that come, and those that go.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub kind: ChangeKind,
    pub schema: Schema,
    pub added: Vec<(Period, DataFile)>,
    /// For [`ChangeKind::Compact`]: files whose rows are in the added ones.
    pub removed: BTreeSet<ContentHash>,
    /// Segments of the push log up to this are in the added files.
    pub folded: u64,
}

/// What a change has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The next snapshot; none if there is nothing new.
    pub snapshot: Option<Snapshot>,
    pub rows_before: u64,
    pub rows: u64,
}

impl Snapshot {
    /// The snapshot after a change. Files that are there already stay as they are, so that the same rows give the
    /// same snapshot.
    pub fn after(&self, change: Change) -> Changed {
        let sequence = self.sequence + 1;
        let known: BTreeMap<ContentHash, u64> = self.files().map(|file| (file.hash, file.sequence)).collect();
        let added_hashes: BTreeSet<ContentHash> = change.added.iter().map(|(_, file)| file.hash).collect();
        let stays = |file: &DataFile| match change.kind {
            ChangeKind::Append => true,
            ChangeKind::Replace => added_hashes.contains(&file.hash),
            ChangeKind::Compact => !change.removed.contains(&file.hash) || added_hashes.contains(&file.hash),
        };
        let mut by_period: BTreeMap<Period, Vec<DataFile>> = BTreeMap::new();
        for partition in &self.partitions {
            let kept: Vec<DataFile> = partition
                .files
                .iter()
                .filter(|file| stays(file))
                .cloned()
                .collect();
            if !kept.is_empty() {
                by_period.insert(partition.period, kept);
            }
        }
        for (period, mut file) in change.added {
            if known.contains_key(&file.hash) {
                continue;
            }
            // Rows that compaction has moved came with the snapshot that their file says; all others come now.
            if change.kind != ChangeKind::Compact || file.sequence > self.sequence {
                file.sequence = sequence;
            }
            by_period.entry(period).or_default().push(file);
        }
        let partitions: Vec<Partition> = by_period
            .into_iter()
            .map(|(period, mut files)| {
                files.sort_by_key(|file| (file.sequence, file.hash));
                Partition { period, files }
            })
            .collect();
        let next = Self {
            sequence,
            schema: change.schema,
            folded: self.folded.max(change.folded),
            rows: partitions.iter().map(Partition::rows).sum(),
            partitions,
            ..self.clone()
        };
        let is_same = self.sequence > 0
            && (&next.schema, next.folded, &next.partitions) == (&self.schema, self.folded, &self.partitions);
        Changed {
            rows_before: self.rows,
            rows: next.rows,
            snapshot: (!is_same).then_some(next),
        }
    }

    /// The change that made this snapshot of `base`.
    pub fn change_from(&self, base: &Self, kind: ChangeKind) -> Change {
        let before: BTreeSet<ContentHash> = base.files().map(|file| file.hash).collect();
        let now: BTreeSet<ContentHash> = self.files().map(|file| file.hash).collect();
        let all = self.partitions.iter().flat_map(|partition| {
            partition
                .files
                .iter()
                .map(|file| (partition.period, file.clone()))
        });
        Change {
            kind,
            schema: self.schema.clone(),
            added: all
                .filter(|(_, file)| kind == ChangeKind::Replace || !before.contains(&file.hash))
                .collect(),
            removed: before.difference(&now).copied().collect(),
            folded: self.folded,
        }
    }

    /// The same change, made to `base`, on top of a snapshot that another writer has made meanwhile. Compaction of files
    /// that the other has taken out, and of segments that the other has folded in, is left undone.
    pub fn rebased(&self, base: &Self, current: &Self, kind: ChangeKind) -> Changed {
        let mut change = self.change_from(base, kind);
        let there: BTreeSet<ContentHash> = current.files().map(|file| file.hash).collect();
        let is_void = kind == ChangeKind::Compact
            && (!change.removed.is_subset(&there)
                || (self.folded > base.folded && current.folded > base.folded));
        if is_void {
            change = Change {
                added: Vec::new(),
                removed: BTreeSet::new(),
                folded: 0,
                schema: current.schema.clone(),
                kind: ChangeKind::Append,
            };
        }
        for (_, file) in &mut change.added {
            // What came with the change comes with its new place.
            if file.sequence > base.sequence {
                file.sequence = current.sequence + 1;
            }
        }
        for column in &current.schema.columns {
            if change.schema.column(&column.name).is_none() {
                change.schema.columns.push(column.clone());
            }
        }
        current.after(change)
    }
}

#[cfg(test)]
mod tests {
    use super::super::snapshot::Range;
    use super::*;
    use proptest::prelude::*;
    use trainyard_contract::{Column, DataType, Timestamp};

    const DAY: i64 = 86_400_000_000;

    fn schema() -> Schema {
        Schema {
            columns: vec![Column::new("id", DataType::Int64, false)],
            ..Schema::default()
        }
    }

    fn nothing() -> Snapshot {
        Snapshot::empty("weather", 1, vec!["id".into()], "at", None, schema())
    }

    fn file(name: &str, day: i64, rows: u64) -> (Period, DataFile) {
        let at = Timestamp(day * DAY);
        let file = DataFile {
            hash: ContentHash::of(name.as_bytes()),
            size: rows * 10,
            rows,
            sequence: u64::MAX,
            event_time: Range { from: at, to: at },
            created_time: None,
            statistics: Default::default(),
        };
        (Period::month_of(at), file)
    }

    fn change(kind: ChangeKind, added: Vec<(Period, DataFile)>) -> Change {
        Change {
            kind,
            schema: schema(),
            added,
            removed: BTreeSet::new(),
            folded: 0,
        }
    }

    fn append(to: &Snapshot, files: &[(&str, i64)]) -> Snapshot {
        let added = files.iter().map(|(name, day)| file(name, *day, 10)).collect();
        to.after(change(ChangeKind::Append, added)).snapshot.unwrap()
    }

    fn shown(snapshot: &Snapshot) -> Vec<String> {
        let names = ["a", "b", "c", "d", "ab"];
        let name = |hash: &ContentHash| {
            names
                .iter()
                .find(|name| ContentHash::of(name.as_bytes()) == *hash)
                .unwrap()
        };
        let line = |partition: &Partition| {
            let files = partition
                .files
                .iter()
                .map(|file| format!(" {}@{}", name(&file.hash), file.sequence));
            format!("{}:{}", partition.period, files.collect::<String>())
        };
        snapshot.partitions.iter().map(line).collect()
    }

    #[test]
    fn appended_rows_go_where_their_time_says_and_all_else_is_shared() {
        let first = append(&nothing(), &[("a", 0), ("b", 40)]);
        let second = append(&first, &[("c", 3)]);
        assert_eq!(shown(&second), ["1970-01: a@1 c@2", "1970-02: b@1"]);
        assert_eq!((second.sequence, second.rows), (2, 30));
        assert_eq!(second.files_for(Default::default(), None).count(), 3);
        let after_first = Some(super::super::Progress {
            sequence: 1,
            ..Default::default()
        });
        assert_eq!(second.files_for(Default::default(), after_first).count(), 1);
    }

    #[test]
    fn the_same_rows_again_are_nothing_new() {
        let first = append(&nothing(), &[("a", 0)]);
        assert_eq!(
            first
                .after(change(ChangeKind::Append, vec![file("a", 0, 10)]))
                .snapshot,
            None
        );
        assert_eq!(
            first
                .after(change(ChangeKind::Replace, vec![file("a", 0, 10)]))
                .snapshot,
            None
        );
        assert_eq!(first.after(change(ChangeKind::Append, vec![])).snapshot, None);
    }

    #[test]
    fn a_first_snapshot_may_be_without_rows() {
        let first = nothing()
            .after(change(ChangeKind::Replace, vec![]))
            .snapshot
            .unwrap();
        assert_eq!((first.sequence, first.rows), (1, 0));
    }

    #[test]
    fn replacing_keeps_the_files_that_are_as_they_were() {
        let first = append(&nothing(), &[("a", 0), ("b", 40)]);
        let added = vec![file("a", 0, 10), file("c", 40, 12)];
        let second = first.after(change(ChangeKind::Replace, added)).snapshot.unwrap();
        assert_eq!(shown(&second), ["1970-01: a@1", "1970-02: c@2"]);
        assert_eq!(second.rows, 22);
    }

    fn compacted(of: &Snapshot) -> Snapshot {
        let (period, mut merged) = file("ab", 0, 20);
        merged.sequence = 2;
        let mut change = change(ChangeKind::Compact, vec![(period, merged)]);
        change.removed = ["a", "b"].map(|name| ContentHash::of(name.as_bytes())).into();
        of.after(change).snapshot.unwrap()
    }

    #[test]
    fn who_has_read_the_rows_does_not_read_them_again_after_compaction() {
        let second = append(&append(&nothing(), &[("a", 0)]), &[("b", 1)]);
        let third = compacted(&second);
        assert_eq!(shown(&third), ["1970-01: ab@2"]);
        let read = |sequence| {
            Some(super::super::Progress {
                sequence,
                ..Default::default()
            })
        };
        assert_eq!(third.files_for(Default::default(), read(2)).count(), 0);
        assert_eq!(third.files_for(Default::default(), read(1)).count(), 1);
    }

    #[test]
    fn what_two_writers_do_at_once_is_both_done() {
        let base = append(&append(&nothing(), &[("a", 0)]), &[("b", 1)]);
        let (mine, theirs) = (append(&base, &[("c", 2)]), append(&base, &[("d", 3)]));
        let both = mine.rebased(&base, &theirs, ChangeKind::Append).snapshot.unwrap();
        assert_eq!(shown(&both), ["1970-01: a@1 b@2 d@3 c@4"]);
        let compacted = compacted(&base);
        let over = compacted
            .rebased(&base, &theirs, ChangeKind::Compact)
            .snapshot
            .unwrap();
        assert_eq!(shown(&over), ["1970-01: ab@2 d@3"]);
        let over = mine
            .rebased(&base, &compacted, ChangeKind::Append)
            .snapshot
            .unwrap();
        assert_eq!(shown(&over), ["1970-01: ab@2 c@4"]);
    }

    #[test]
    fn compaction_of_files_that_are_gone_is_left_undone() {
        let base = append(&append(&nothing(), &[("a", 0)]), &[("b", 1)]);
        let replaced = base
            .after(change(ChangeKind::Replace, vec![file("c", 0, 5)]))
            .snapshot
            .unwrap();
        assert_eq!(
            compacted(&base)
                .rebased(&base, &replaced, ChangeKind::Compact)
                .snapshot,
            None
        );
    }

    #[test]
    fn a_snapshot_reads_back_byte_for_byte_and_a_newer_one_is_refused() {
        let first = append(&nothing(), &[("a", 0), ("b", 40)]);
        let bytes = first.to_bytes().unwrap();
        assert_eq!(Snapshot::read(&bytes).unwrap().to_bytes().unwrap(), bytes);
        let newer = String::from_utf8(bytes)
            .unwrap()
            .replace("\"format\":1", "\"format\":2");
        assert!(matches!(
            Snapshot::read(newer.as_bytes()),
            Err(super::super::SnapshotError::Newer { found: 2 })
        ));
        assert!(Snapshot::read(b"{}").is_err());
    }

    proptest! {
        /// Whatever writers do in whatever order, each appended row is there once.
        #[test]
        fn no_append_is_lost_or_doubled(steps in prop::collection::vec((0usize..3, prop::bool::ANY), 1..24)) {
            // Each writer has the snapshot that it began from.
            let mut current = nothing();
            let mut bases = [nothing(), nothing(), nothing()];
            let (mut number, mut rows) = (0, 0);
            for (writer, compacts) in steps {
                let base = &bases[writer];
                let (mine, kind) = if compacts && base.rows > 0 {
                    let mut merged = file(&format!("merged {number}"), 0, base.rows).1;
                    merged.sequence = base.files().map(|file| file.sequence).max().unwrap();
                    let mut change = change(ChangeKind::Compact, vec![(Period::month_of(Timestamp(0)), merged)]);
                    change.removed = base.files().map(|file| file.hash).collect();
                    (base.after(change).snapshot, ChangeKind::Compact)
                } else {
                    rows += 7;
                    let added = vec![file(&format!("rows {number}"), 0, 7)];
                    (base.after(change(ChangeKind::Append, added)).snapshot, ChangeKind::Append)
                };
                number += 1;
                if let Some(next) = mine.unwrap().rebased(base, &current, kind).snapshot {
                    prop_assert_eq!(next.sequence, current.sequence + 1);
                    current = next;
                }
                prop_assert_eq!(current.rows, rows);
                bases[writer] = current.clone();
            }
        }
    }
}
