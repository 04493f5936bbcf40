//! The join beside one that tries every row of the view for every entity row.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Row {
    keys: (Option<i64>, Option<String>),
    time: i64,
    created: i64,
}

/// What the definition says, row by row.
fn tried(entities: &[Row], view: &[Row], rules: Rules, with_created: bool) -> Vec<u64> {
    entities
        .iter()
        .map(|entity| {
            let there = |row: &Row| {
                let known = match rules.known_by {
                    KnownBy::Event => row.time <= entity.time,
                    KnownBy::Created => {
                        with_created
                            && row.created != NO_TIME
                            && row.time <= entity.time
                            && row.created <= entity.time
                    }
                };
                let whole = entity.keys.0.is_some() && entity.keys.1.is_some();
                whole && row.keys == entity.keys && row.time != NO_TIME && entity.time != NO_TIME && known
            };
            let newest = view
                .iter()
                .enumerate()
                .filter(|(_, row)| there(row))
                .max_by_key(|(at, row)| (row.time, if with_created { row.created } else { 0 }, *at));
            match newest {
                None => Found::NOTHING,
                Some((at, row)) => match rules.ttl {
                    Some(ttl) if ttl > 0 && entity.time - row.time > ttl => Found::TOO_OLD,
                    _ => at as u64,
                },
            }
        })
        .collect()
}

struct Columns {
    integers: Vec<i64>,
    valid: Vec<bool>,
    texts: Vec<Option<Vec<u8>>>,
    times: Vec<i64>,
    created: Vec<i64>,
}

impl Columns {
    fn of(rows: &[Row]) -> Self {
        Self {
            integers: rows.iter().map(|row| row.keys.0.unwrap_or(7)).collect(),
            valid: rows.iter().map(|row| row.keys.0.is_some()).collect(),
            texts: rows
                .iter()
                .map(|row| row.keys.1.clone().map(String::into_bytes))
                .collect(),
            times: rows.iter().map(|row| row.time).collect(),
            created: rows.iter().map(|row| row.created).collect(),
        }
    }

    fn keys<T>(&self, from: usize, to: usize, then: impl FnOnce(&[KeyColumn<'_>]) -> T) -> T {
        let texts: Vec<Option<&[u8]>> = self.texts[from..to].iter().map(Option::as_deref).collect();
        then(&[
            KeyColumn::Integers {
                values: &self.integers[from..to],
                valid: Some(&self.valid[from..to]),
            },
            KeyColumn::Texts(&texts),
        ])
    }
}

/// The join, with the view in pieces that come last first.
fn joined(entities: &[Row], view: &[Row], rules: Rules, with_created: bool, piece: usize) -> Found {
    let ours = Columns::of(entities);
    let theirs = Columns::of(view);
    let (keys, numbers) = ours
        .keys(0, entities.len(), |columns| Keys::number(columns, entities.len()))
        .unwrap();
    let moments = Moments::new(&numbers, &ours.times, keys.count());
    let mut search = Search::new(&moments, rules);
    let starts: Vec<usize> = (0..view.len()).step_by(piece).collect();
    for from in starts.into_iter().rev() {
        let to = (from + piece).min(view.len());
        let numbers = theirs
            .keys(from, to, |columns| keys.find(columns, to - from))
            .unwrap();
        search.take(ViewRows {
            first: from as u64,
            keys: &numbers,
            times: &theirs.times[from..to],
            created: with_created.then_some(&theirs.created[from..to]),
        });
    }
    search.finish()
}

fn moment() -> impl Strategy<Value = i64> {
    prop_oneof![12 => 0_i64..20, 1 => Just(NO_TIME), 1 => Just(i64::MAX), 1 => Just(NO_TIME + 1)]
}

fn row() -> impl Strategy<Value = Row> {
    let keys = (
        proptest::option::weighted(0.95, prop_oneof![0_i64..3, Just(i64::MAX), Just(i64::MIN)]),
        proptest::option::weighted(0.95, prop_oneof![Just(String::new()), "[ab]", "[ab]{16,17}"]),
    );
    (keys, moment(), moment()).prop_map(|(keys, time, created)| Row { keys, time, created })
}

/// Times so far apart that their difference is no number of 64 bits are left to a test of their own.
fn near(rows: Vec<Row>) -> Vec<Row> {
    let near = |time: i64| {
        if time == NO_TIME {
            time
        } else {
            time.clamp(-1000, 1000)
        }
    };
    rows.into_iter()
        .map(|row| Row {
            time: near(row.time),
            created: near(row.created),
            ..row
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn every_entity_row_finds_what_trying_all_rows_finds(
        entities in proptest::collection::vec(row(), 0..60).prop_map(near),
        view in proptest::collection::vec(row(), 0..120).prop_map(near),
        ttl in proptest::option::of(0_i64..8),
        by_created in any::<bool>(),
        with_created in any::<bool>(),
        piece in 1_usize..130,
    ) {
        let known_by = if by_created { KnownBy::Created } else { KnownBy::Event };
        let rules = Rules { ttl, known_by };
        let found = joined(&entities, &view, rules, with_created, piece);
        prop_assert_eq!(&found.rows, &tried(&entities, &view, rules, with_created));
        let tally = &found.tally;
        prop_assert_eq!(tally.matched + tally.missing + tally.too_old + tally.without_key, entities.len() as u64);
        for (row, time) in found.rows.iter().zip(&found.times) {
            let expected = usize::try_from(*row).ok().and_then(|row| view.get(row)).map_or(NO_TIME, |row| row.time);
            prop_assert_eq!(*time, expected);
        }
    }
}

fn simple(key: i64, time: i64, created: i64) -> Row {
    Row {
        keys: (Some(key), Some("k".to_owned())),
        time,
        created,
    }
}

#[test]
fn the_row_found_among_many_keys_and_rows_is_that_of_trying_all() {
    // Enough rows for every way in which work is split between threads.
    let mut state = 1_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % below) as i64
    };
    let entities: Vec<Row> = (0..40_000)
        .map(|_| simple(next(9) * 1_000_003, next(500), 0))
        .collect();
    let view: Vec<Row> = (0..600)
        .map(|_| simple(next(10) * 1_000_003, next(500), next(600)))
        .collect();
    for known_by in [KnownBy::Event, KnownBy::Created] {
        let rules = Rules {
            ttl: Some(20),
            known_by,
        };
        let found = joined(&entities, &view, rules, true, 1 << 20);
        assert_eq!(found.rows, tried(&entities, &view, rules, true));
    }
    let many: Vec<Row> = (0..700_000).map(|_| simple(next(50_000), next(500), 0)).collect();
    let asked: Vec<Row> = (0..60_000).map(|_| simple(next(50_000), next(500), 0)).collect();
    let whole = joined(&asked, &many, Rules::default(), false, 1 << 20);
    let in_pieces = joined(&asked, &many, Rules::default(), false, 10_007);
    assert_eq!(whole.rows, in_pieces.rows);
    for (asked, found) in asked.iter().zip(&whole.rows).step_by(997) {
        assert_eq!(
            [*found].as_slice(),
            tried(std::slice::from_ref(asked), &many, Rules::default(), false)
        );
    }
}

#[test]
fn a_row_exactly_as_old_as_the_ttl_is_found_and_one_a_moment_older_is_not() {
    let view = [simple(1, 100, 0)];
    let rules = Rules {
        ttl: Some(20),
        ..Rules::default()
    };
    let entities = [
        simple(1, 120, 0),
        simple(1, 121, 0),
        simple(1, 100, 0),
        simple(1, 99, 0),
    ];
    let found = joined(&entities, &view, rules, true, 10);
    assert_eq!(found.rows, [0, Found::TOO_OLD, 0, Found::NOTHING]);
    assert_eq!((found.tally.oldest, found.tally.mean_age()), (20, Some(10.0)));
}

#[test]
fn of_rows_of_one_time_the_one_created_last_is_found_and_of_those_the_last() {
    let view = [
        simple(1, 5, 9),
        simple(1, 5, 11),
        simple(1, 5, 10),
        simple(2, 5, 1),
        simple(2, 5, 1),
    ];
    let found = joined(
        &[simple(1, 6, 0), simple(2, 6, 0)],
        &view,
        Rules::default(),
        true,
        2,
    );
    assert_eq!(found.rows, [1, 4]);
}

#[test]
fn what_was_written_after_the_entity_rows_time_is_seen_only_where_the_created_time_does_not_count() {
    let view = [simple(1, 10, 10), simple(1, 12, 15)];
    let at_noon = [simple(1, 12, 0), simple(1, 15, 0)];
    assert_eq!(joined(&at_noon, &view, Rules::default(), true, 9).rows, [1, 1]);
    let by_created = Rules {
        known_by: KnownBy::Created,
        ..Rules::default()
    };
    assert_eq!(joined(&at_noon, &view, by_created, true, 9).rows, [0, 1]);
}

#[test]
fn times_at_the_ends_of_the_calendar_do_not_wrap_round() {
    let view = [simple(1, NO_TIME + 1, 0)];
    let rules = Rules {
        ttl: Some(i64::MAX),
        ..Rules::default()
    };
    let found = joined(
        &[simple(1, i64::MAX, 0), simple(1, -5, 0)],
        &view,
        rules,
        false,
        9,
    );
    assert_eq!(found.rows, [Found::TOO_OLD, 0]);
}
