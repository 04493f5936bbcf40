//! Keys as small numbers: those of the entity rows are numbered, those of a view's rows are looked up.

use super::NO_KEY;
use rayon::prelude::*;

/// Rows that are looked up by one thread at a time.
const BLOCK: usize = 1 << 14;

/// One column of keys.
#[derive(Clone, Copy, Debug)]
pub enum KeyColumn<'a> {
    /// Integers and what can be written as such: booleans, dates, times. `valid` says which are there;
    /// `None`: all.
    Integers {
        values: &'a [i64],
        valid: Option<&'a [bool]>,
    },
    /// Texts and bytes.
    Texts(&'a [Option<&'a [u8]>]),
}

impl KeyColumn<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Integers { values, .. } => values.len(),
            Self::Texts(texts) => texts.len(),
        }
    }
}

/// Keys that cannot be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// A view with another number of key columns than the entity rows.
    #[error("{given} key columns are given where there are {wanted}")]
    Columns { given: usize, wanted: usize },
    /// Numbers are compared with texts.
    #[error("key column {} holds numbers on one side and texts on the other", .at + 1)]
    Kind { at: usize },
    /// Columns of one table with different numbers of rows.
    #[error("key column {} has {given} rows, the table {wanted}", .at + 1)]
    Rows { at: usize, given: usize, wanted: usize },
    /// More rows than can be numbered; take them in parts.
    #[error("{0} rows are too many to be joined at once")]
    TooMany(usize),
}

/// The distinct keys of some entity rows, each with a number from zero. A key of several columns is
/// one key; it is missing if one of them is.
#[derive(Debug)]
pub struct Keys {
    columns: Vec<ColumnKeys>,
    /// `pairs[i]` numbers the pairs of a number of the columns before `i + 1` and one of column `i + 1`.
    pairs: Vec<Integers>,
    count: usize,
}

#[derive(Debug)]
enum ColumnKeys {
    Integers(Integers),
    Texts(Texts),
}

impl ColumnKeys {
    fn count(&self) -> usize {
        match self {
            Self::Integers(integers) => integers.count(),
            Self::Texts(texts) => texts.count,
        }
    }
}

impl Keys {
    /// Numbers the keys of a table of `rows` rows. Without columns all rows have the same key. Returns each
    /// row's number as well, [`NO_KEY`] where a key is missing.
    ///
    /// # Errors
    /// Columns of different lengths, or more than `u32::MAX - 1` rows.
    pub fn number(columns: &[KeyColumn<'_>], rows: usize) -> Result<(Self, Vec<u32>), KeyFault> {
        if u32::try_from(rows).is_err() || rows >= NO_KEY as usize {
            return Err(KeyFault::TooMany(rows));
        }
        same_length(columns, rows)?;
        let mut keys = Self {
            columns: Vec::with_capacity(columns.len()),
            pairs: Vec::new(),
            count: 1,
        };
        let mut numbers = vec![0_u32; rows];
        for (at, column) in columns.iter().enumerate() {
            let mut own = vec![0_u32; if at == 0 { 0 } else { rows }];
            let into = if at == 0 { &mut numbers } else { &mut own };
            let column = match *column {
                KeyColumn::Integers { values, valid } => {
                    ColumnKeys::Integers(Integers::number(values, valid, into))
                }
                KeyColumn::Texts(texts) => ColumnKeys::Texts(Texts::number(texts, into)),
            };
            if at > 0 {
                let width = column.count().max(1);
                let pairs: Vec<i64> = numbers
                    .iter()
                    .zip(&own)
                    .map(|(left, right)| pair(*left, *right, width))
                    .collect();
                let valid: Vec<bool> = pairs.iter().map(|pair| *pair >= 0).collect();
                keys.pairs
                    .push(Integers::number(&pairs, Some(&valid), &mut numbers));
            }
            keys.count = keys.pairs.last().map_or(column.count(), Integers::count);
            keys.columns.push(column);
        }
        Ok((keys, numbers))
    }

    /// How many numbers there are; some of them may be no row's.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Looks up the keys of `rows` rows of another table: the number of the equal key, or [`NO_KEY`].
    ///
    /// # Errors
    /// Columns of another number, kind or length.
    pub fn find(&self, columns: &[KeyColumn<'_>], rows: usize) -> Result<Vec<u32>, KeyFault> {
        if columns.len() != self.columns.len() {
            return Err(KeyFault::Columns {
                given: columns.len(),
                wanted: self.columns.len(),
            });
        }
        same_length(columns, rows)?;
        for (at, (ours, theirs)) in self.columns.iter().zip(columns).enumerate() {
            if !matches!(
                (ours, theirs),
                (ColumnKeys::Integers(_), KeyColumn::Integers { .. })
                    | (ColumnKeys::Texts(_), KeyColumn::Texts(_))
            ) {
                return Err(KeyFault::Kind { at });
            }
        }
        let mut numbers = vec![0_u32; rows];
        numbers
            .par_chunks_mut(BLOCK)
            .enumerate()
            .for_each(|(block, numbers)| self.find_block(columns, block * BLOCK, numbers));
        Ok(numbers)
    }

    fn find_block(&self, columns: &[KeyColumn<'_>], from: usize, numbers: &mut [u32]) {
        let to = from + numbers.len();
        let mut own = vec![0_u32; if columns.len() > 1 { numbers.len() } else { 0 }];
        for (at, (ours, theirs)) in self.columns.iter().zip(columns).enumerate() {
            let into = if at == 0 { &mut *numbers } else { &mut own };
            match (ours, theirs) {
                (ColumnKeys::Integers(ours), KeyColumn::Integers { values, valid }) => {
                    ours.find(&values[from..to], valid.map(|valid| &valid[from..to]), into);
                }
                (ColumnKeys::Texts(ours), KeyColumn::Texts(texts)) => ours.find(&texts[from..to], into),
                // Refused before.
                _ => into.fill(NO_KEY),
            }
            if at > 0 {
                let width = ours.count().max(1);
                let pairs = &self.pairs[at - 1];
                for (number, own) in numbers.iter_mut().zip(&own) {
                    *number = pairs.one(pair(*number, *own, width));
                }
            }
        }
    }
}

fn same_length(columns: &[KeyColumn<'_>], rows: usize) -> Result<(), KeyFault> {
    match columns
        .iter()
        .enumerate()
        .find(|(_, column)| column.len() != rows)
    {
        None => Ok(()),
        Some((at, column)) => Err(KeyFault::Rows {
            at,
            given: column.len(),
            wanted: rows,
        }),
    }
}

/// Two numbers as one, the right one below `width`; negative if either is missing.
fn pair(left: u32, right: u32, width: usize) -> i64 {
    if left == NO_KEY || right == NO_KEY {
        return -1;
    }
    // Both below 2^32 - 1, so the product is below 2^64 but may be above 2^63: only with more than 2^31
    // keys on both sides, which no memory holds.
    (u64::from(left) * width as u64 + u64::from(right)) as i64
}

/// Numbers of integers.
#[derive(Debug)]
enum Integers {
    /// They lie close together: the number is the distance to the smallest.
    Close {
        least: i64,
        count: usize,
    },
    Scattered {
        table: Table<i64>,
        count: usize,
    },
}

impl Integers {
    fn number(values: &[i64], valid: Option<&[bool]>, numbers: &mut [u32]) -> Self {
        let is_valid = |row: usize| valid.is_none_or(|valid| valid[row]);
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for (row, value) in values.iter().enumerate() {
            if is_valid(row) {
                least = least.min(*value);
                most = most.max(*value);
            }
        }
        if least > most {
            numbers.fill(NO_KEY);
            return Self::Close { least: 0, count: 0 };
        }
        let span = most.wrapping_sub(least) as u64;
        if span < (2 * values.len() + 1024) as u64 {
            let close = Self::Close {
                least,
                count: span as usize + 1,
            };
            close.find(values, valid, numbers);
            return close;
        }
        let mut table = Table::new();
        let mut count = 0_u32;
        for (row, (value, number)) in values.iter().zip(numbers).enumerate() {
            *number = NO_KEY;
            if is_valid(row) {
                *number = table.entry(mixed(*value as u64), *value, |_| true, count);
                count += u32::from(*number == count);
            }
        }
        Self::Scattered {
            table,
            count: count as usize,
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Close { count, .. } | Self::Scattered { count, .. } => *count,
        }
    }

    fn one(&self, value: i64) -> u32 {
        match self {
            Self::Close { least, count } => {
                let distance = value.wrapping_sub(*least) as u64;
                if value >= *least && distance < *count as u64 {
                    distance as u32
                } else {
                    NO_KEY
                }
            }
            Self::Scattered { table, .. } => table.find(mixed(value as u64), value, |_| true),
        }
    }

    fn find(&self, values: &[i64], valid: Option<&[bool]>, numbers: &mut [u32]) {
        for (value, number) in values.iter().zip(numbers.iter_mut()) {
            *number = self.one(*value);
        }
        if let Some(valid) = valid {
            for (valid, number) in valid.iter().zip(numbers) {
                if !valid {
                    *number = NO_KEY;
                }
            }
        }
    }
}

/// Numbers of texts.
#[derive(Debug)]
struct Texts {
    table: Table<u128>,
    /// Texts that do not fit into a slot, by number; empty for those that do.
    long: Vec<Box<[u8]>>,
    count: usize,
}

/// Bytes of a text that fit into a slot beside its length.
const SHORT: usize = 15;

/// A text as it lies in a slot, and its hash. Short texts are there as a whole, with their length on top; of
/// long ones the hash, under a length that no short one has.
fn word(text: &[u8]) -> (u128, u64) {
    if text.len() <= SHORT {
        let mut bytes = [0; 16];
        bytes[..text.len()].copy_from_slice(text);
        bytes[SHORT] = text.len() as u8;
        let word = u128::from_le_bytes(bytes);
        return (word, mixed(folded(word as u64, (word >> 64) as u64)));
    }
    let mut hash = text.len() as u64;
    let mut chunks = text.chunks_exact(8);
    for chunk in &mut chunks {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(chunk);
        hash = folded(hash, u64::from_le_bytes(bytes));
    }
    let mut bytes = [0; 8];
    bytes[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    hash = mixed(folded(hash, u64::from_le_bytes(bytes)));
    (u128::from(hash) | (0xff << 120), hash)
}

impl Texts {
    fn number(texts: &[Option<&[u8]>], numbers: &mut [u32]) -> Self {
        let mut found = Self {
            table: Table::new(),
            long: Vec::new(),
            count: 0,
        };
        let mut before: Option<(&[u8], u32)> = None;
        for (text, number) in texts.iter().zip(numbers) {
            *number = match text {
                None => NO_KEY,
                Some(text) => match before {
                    Some((other, number)) if other == *text => number,
                    _ => found.enter(text),
                },
            };
            before = text.map(|text| (text, *number));
        }
        found
    }

    fn enter(&mut self, text: &[u8]) -> u32 {
        let (word, hash) = word(text);
        let next = self.count as u32;
        let long = &self.long;
        let number = self.table.entry(
            hash,
            word,
            |number| text.len() <= SHORT || is_text(long, number, text),
            next,
        );
        if number == next {
            self.count += 1;
            if text.len() > SHORT {
                self.long.resize(next as usize, Box::default());
                self.long.push(text.into());
            }
        }
        number
    }

    fn find(&self, texts: &[Option<&[u8]>], numbers: &mut [u32]) {
        let mut before: Option<(&[u8], u32)> = None;
        for (text, number) in texts.iter().zip(numbers) {
            *number = match text {
                None => NO_KEY,
                Some(text) => match before {
                    // A view's rows are often sorted by key.
                    Some((other, number)) if other == *text => number,
                    _ => {
                        let (word, hash) = word(text);
                        self.table.find(hash, word, |number| {
                            text.len() <= SHORT || is_text(&self.long, number, text)
                        })
                    }
                },
            };
            before = text.map(|text| (text, *number));
        }
    }
}

fn is_text(long: &[Box<[u8]>], number: u32, text: &[u8]) -> bool {
    long.get(number as usize).is_some_and(|long| **long == *text)
}

/// Spreads the bits of a number over all of it.
fn mixed(value: u64) -> u64 {
    folded(value, 0x9e37_79b9_7f4a_7c15)
}

/// Two words as one.
fn folded(left: u64, right: u64) -> u64 {
    let product = u128::from(left ^ 0xa076_1d64_78bd_642f) * u128::from(right ^ 0xe703_7ed1_a0b4_28db);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Open addressing: slots of a word and its number, at most half of them taken.
#[derive(Debug)]
struct Table<W> {
    slots: Vec<Slot<W>>,
    taken: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot<W> {
    word: W,
    /// [`NO_KEY`] if the slot is free.
    number: u32,
    /// Upper half of the hash, for growing; its lower bits are not needed beyond 2^32 slots.
    hash: u32,
}

impl<W: Copy + Eq + Default> Table<W> {
    fn new() -> Self {
        Self {
            slots: free(64),
            taken: 0,
        }
    }

    /// The number of the word in question, or [`NO_KEY`]. `is_it` decides where equal words may mean
    /// different keys.
    fn find(&self, hash: u64, word: W, is_it: impl Fn(u32) -> bool) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        loop {
            let slot = &self.slots[at];
            if slot.number == NO_KEY || (slot.word == word && is_it(slot.number)) {
                return slot.number;
            }
            at = (at + 1) & mask;
        }
    }

    /// The same, and `next` becomes its number if it has none.
    fn entry(&mut self, hash: u64, word: W, is_it: impl Fn(u32) -> bool, next: u32) -> u32 {
        let number = self.find(hash, word, is_it);
        if number != NO_KEY {
            return number;
        }
        if 2 * self.taken >= self.slots.len() {
            let grown = free(4 * self.slots.len());
            for slot in std::mem::replace(&mut self.slots, grown) {
                if slot.number != NO_KEY {
                    self.put(slot);
                }
            }
        }
        self.put(Slot {
            word,
            number: next,
            hash: (hash >> 32) as u32,
        });
        self.taken += 1;
        next
    }

    fn put(&mut self, slot: Slot<W>) {
        let mask = self.slots.len() - 1;
        let mut at = slot.hash as usize & mask;
        while self.slots[at].number != NO_KEY {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}

fn free<W: Copy + Default>(slots: usize) -> Vec<Slot<W>> {
    vec![
        Slot {
            word: W::default(),
            number: NO_KEY,
            hash: 0,
        };
        slots
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(texts: &[Option<&'static str>]) -> Vec<Option<&'static [u8]>> {
        texts.iter().map(|text| text.map(str::as_bytes)).collect()
    }

    #[test]
    fn equal_keys_have_the_same_number_and_missing_ones_none() {
        let ours = texts(&[Some("JFK"), None, Some("LGA"), Some("JFK"), Some("")]);
        let (keys, numbers) = Keys::number(&[KeyColumn::Texts(&ours)], 5).unwrap();
        assert_eq!(numbers, [0, NO_KEY, 1, 0, 2]);
        let theirs = texts(&[Some("LGA"), Some("EWR"), None, Some("JFK"), Some("")]);
        let found = keys.find(&[KeyColumn::Texts(&theirs)], 5).unwrap();
        assert_eq!(found, [1, NO_KEY, NO_KEY, 0, 2]);
    }

    #[test]
    fn a_key_of_several_columns_is_missing_if_one_of_them_is() {
        let names = texts(&[Some("a"), Some("a"), Some("b"), None]);
        let numbers = [1, 2, 1, 1];
        let valid = [true, false, true, true];
        let columns = [
            KeyColumn::Texts(&names),
            KeyColumn::Integers {
                values: &numbers,
                valid: Some(&valid),
            },
        ];
        let (keys, given) = Keys::number(&columns, 4).unwrap();
        assert_eq!((given[1], given[3]), (NO_KEY, NO_KEY));
        assert_ne!(given[0], given[2]);
        let found = keys.find(&columns, 4).unwrap();
        assert_eq!(found, given);
    }

    #[test]
    fn without_columns_all_rows_have_one_key() {
        let (keys, numbers) = Keys::number(&[], 3).unwrap();
        assert_eq!((numbers, keys.count()), (vec![0; 3], 1));
        assert_eq!(keys.find(&[], 2).unwrap(), [0, 0]);
    }

    #[test]
    fn numbers_are_not_looked_up_among_texts() {
        let names = texts(&[Some("1")]);
        let (keys, _) = Keys::number(&[KeyColumn::Texts(&names)], 1).unwrap();
        let one = KeyColumn::Integers {
            values: &[1],
            valid: None,
        };
        assert_eq!(keys.find(&[one], 1), Err(KeyFault::Kind { at: 0 }));
        assert_eq!(keys.find(&[], 1), Err(KeyFault::Columns { given: 0, wanted: 1 }));
        assert_eq!(
            Keys::number(&[one], 2).map(|_| ()),
            Err(KeyFault::Rows {
                at: 0,
                given: 1,
                wanted: 2
            })
        );
    }

    proptest! {
        #[test]
        fn texts_of_any_length_are_told_apart(
            ours in proptest::collection::vec(proptest::option::of("[ab]{0,20}"), 0..200),
            theirs in proptest::collection::vec(proptest::option::of("[ab]{0,20}"), 0..50),
        ) {
            let bytes = |texts: &[Option<String>]| -> Vec<Option<Vec<u8>>> {
                texts.iter().map(|text| text.as_ref().map(|text| text.clone().into_bytes())).collect()
            };
            let (ours, mut theirs) = (bytes(&ours), bytes(&theirs));
            theirs.extend(ours.iter().step_by(3).cloned());
            let refs = |texts: &[Option<Vec<u8>>], row: usize| texts[row].clone();
            let left: Vec<Option<&[u8]>> = ours.iter().map(|text| text.as_deref()).collect();
            let right: Vec<Option<&[u8]>> = theirs.iter().map(|text| text.as_deref()).collect();
            let (keys, numbers) = Keys::number(&[KeyColumn::Texts(&left)], left.len()).unwrap();
            let found = keys.find(&[KeyColumn::Texts(&right)], right.len()).unwrap();
            for (row, number) in found.iter().enumerate() {
                let same = ours.iter().position(|text| text.is_some() && *text == refs(&theirs, row));
                prop_assert_eq!(*number, same.map_or(NO_KEY, |same| numbers[same]));
            }
        }

        #[test]
        fn integers_far_apart_are_told_apart(
            ours in proptest::collection::vec(any::<i64>(), 1..200),
            near in proptest::collection::vec(-3_i64..3, 1..200),
            step in prop_oneof![Just(1_i64), Just(1 << 32), Just(1 << 61)],
        ) {
            let ours: Vec<i64> = if step == 1 { ours } else { near.iter().map(|n| n.wrapping_mul(step)).collect() };
            let (keys, numbers) = Keys::number(&[KeyColumn::Integers { values: &ours, valid: None }], ours.len()).unwrap();
            let theirs: Vec<i64> = ours.iter().flat_map(|value| [*value, value.wrapping_add(1)]).collect();
            let found = keys.find(&[KeyColumn::Integers { values: &theirs, valid: None }], theirs.len()).unwrap();
            for (value, number) in theirs.iter().zip(found) {
                match ours.iter().position(|ours| ours == value) {
                    Some(same) => prop_assert_eq!(number, numbers[same]),
                    // A number that no row has: its group of entity rows is empty.
                    None => prop_assert!(!numbers.contains(&number) || number == NO_KEY),
                }
            }
        }
    }
}
