//! Keys as bytes that compare as their values do.

use super::{Column, Value};

/// Stores take keys up to some 500 bytes; what is longer keeps its beginning and carries its hash.
const LONGEST: usize = 480;
const KEPT: usize = LONGEST - 34;

/// Why a value cannot be part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongKey {
    #[error("a part of the key is null")]
    Null,
    #[error("a part of the key is not a number (NaN)")]
    NotANumber,
}

/// A key that is being written: part after part, in the view's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyBytes(Vec<u8>);

impl KeyBytes {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a part.
    ///
    /// # Errors
    /// For a null and for NaN, which equals nothing.
    pub fn push(&mut self, value: Option<&Value<'_>>) -> Result<(), WrongKey> {
        push(&mut self.0, value)
    }

    /// To be called after the last part: cuts what is too long for stores.
    pub fn finish(&mut self) {
        finish(&mut self.0, 0);
    }
}

fn push(out: &mut Vec<u8>, value: Option<&Value<'_>>) -> Result<(), WrongKey> {
    match value.ok_or(WrongKey::Null)? {
        Value::Boolean(value) => out.push(u8::from(*value)),
        Value::Signed(value) => out.extend_from_slice(&ordered(*value)),
        Value::Unsigned(value) => out.extend_from_slice(&value.to_be_bytes()),
        Value::Float(value) if value.is_nan() => return Err(WrongKey::NotANumber),
        Value::Float(value) => {
            // Zero has two forms that are equal.
            let bits = (value + 0.0).to_bits();
            let flip = if bits >> 63 == 1 { u64::MAX } else { 1 << 63 };
            out.extend_from_slice(&(bits ^ flip).to_be_bytes());
        }
        Value::Bytes(bytes) => {
            for byte in bytes.iter() {
                out.push(*byte);
                if *byte == 0 {
                    out.push(0xFF);
                }
            }
            out.extend_from_slice(&[0, 0]);
        }
    }
    Ok(())
}

fn finish(out: &mut Vec<u8>, start: usize) {
    let Some(key) = out.get(start..).filter(|key| key.len() > LONGEST) else {
        return;
    };
    let hash = *blake3::hash(key).as_bytes();
    out.truncate(start + KEPT);
    // No text goes on with these bytes.
    out.extend_from_slice(&[0, 1]);
    out.extend_from_slice(&hash);
}

/// Bytes that compare as the numbers do.
pub(crate) fn ordered(value: i64) -> [u8; 8] {
    (value.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The number of [`ordered`] bytes.
pub(crate) fn number(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()
}

/// The keys of all rows, one after the other; rows whose key has a null have none.
pub(crate) struct Keys {
    pub(crate) bytes: Vec<u8>,
    /// Start and end in `bytes`; equal where a row has no key.
    pub(crate) spans: Vec<(usize, usize)>,
    pub(crate) has_key: Vec<bool>,
}

impl Keys {
    pub(crate) fn of(columns: &[Column], rows: usize) -> Self {
        let mut keys = Self {
            bytes: Vec::with_capacity(rows * 16),
            spans: Vec::with_capacity(rows),
            has_key: Vec::with_capacity(rows),
        };
        for row in 0..rows {
            let start = keys.bytes.len();
            let written = columns
                .iter()
                .try_for_each(|column| push(&mut keys.bytes, column.get(row).as_ref()));
            match written {
                Ok(()) => finish(&mut keys.bytes, start),
                Err(_) => keys.bytes.truncate(start),
            }
            keys.spans.push((start, keys.bytes.len()));
            keys.has_key.push(written.is_ok());
        }
        keys
    }

    pub(crate) fn get(&self, row: usize) -> &[u8] {
        let (start, end) = self.spans.get(row).copied().unwrap_or_default();
        self.bytes.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(parts: &[Value<'_>]) -> Vec<u8> {
        let mut key = KeyBytes::default();
        for part in parts {
            key.push(Some(part)).unwrap();
        }
        key.finish();
        key.as_bytes().to_vec()
    }

    fn text(text: &[u8]) -> Value<'_> {
        Value::Bytes(text.into())
    }

    proptest! {
        #[test]
        fn keys_compare_as_their_parts_do(
            a in (prop::collection::vec(any::<u8>(), 0..20), any::<i64>(), -1e12..1e12_f64),
            b in (prop::collection::vec(any::<u8>(), 0..20), any::<i64>(), -1e12..1e12_f64),
        ) {
            let of = |(name, number, float): &(Vec<u8>, i64, f64)| {
                key(&[text(name), Value::Signed(*number), Value::Float(*float)])
            };
            let order = a.partial_cmp(&b).unwrap();
            prop_assert_eq!(of(&a).cmp(&of(&b)), order);
        }

        #[test]
        fn different_parts_never_give_one_key(a in ".{0,600}", b in ".{0,600}") {
            let one = key(&[text(a.as_bytes()), text(b"")]);
            let other = key(&[text(b.as_bytes()), text(b"")]);
            prop_assert!(one.len() <= LONGEST);
            prop_assert_eq!(one == other, a == b);
        }
    }

    #[test]
    fn where_one_part_ends_and_the_next_begins_matters() {
        assert_ne!(key(&[text(b"a"), text(b"bc")]), key(&[text(b"ab"), text(b"c")]));
        assert_ne!(key(&[text(b"a\0"), text(b"")]), key(&[text(b"a"), text(b"\0")]));
    }

    #[test]
    fn both_zeros_are_one_key_and_what_equals_nothing_is_none() {
        assert_eq!(key(&[Value::Float(0.0)]), key(&[Value::Float(-0.0)]));
        let mut nan = KeyBytes::default();
        assert_eq!(nan.push(Some(&Value::Float(f64::NAN))), Err(WrongKey::NotANumber));
        assert_eq!(nan.push(None), Err(WrongKey::Null));
    }
}
