//! A row as it lies in the store.
//!
//! ```text
//! layout u32 | checksum u32 | event 8 | created 8 | one bit a feature: is there | 8 bytes a feature | texts
//! ```
//! Times are written so that their sixteen bytes compare as (event, created) does: stores that know nothing of rows
//! can tell which of two is later. A text's eight bytes are its place and length among the texts.

use super::key::{number, ordered};
use super::{Kind, Layout, RowBatch, Value, Values};
use std::borrow::Cow;

const TIMES: usize = 8;
const HEADER: usize = 24;
/// In place of a created time where there is none: earlier than all.
const NO_CREATED: i64 = i64::MIN;

/// A row that was read; everything about it is checked when it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a>(&'a [u8]);

impl<'a> Row<'a> {
    /// A row whose bytes are whole; nothing if they are not.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let stored = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
        let body = bytes.get(TIMES..)?;
        (bytes.len() >= HEADER && checksum(bytes.get(..4)?, body) == stored).then_some(Self(bytes))
    }

    /// Which layout it was written with.
    pub fn layout(&self) -> u32 {
        self.0.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    /// Microseconds since 1970.
    pub fn event_time(&self) -> i64 {
        self.time(TIMES)
    }

    /// Microseconds since 1970, where the view has such a time.
    pub fn created_time(&self) -> Option<i64> {
        Some(self.time(TIMES + 8)).filter(|time| *time != NO_CREATED)
    }

    fn time(&self, at: usize) -> i64 {
        let bytes = self.0.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| number(*bytes))
    }

    /// The value at a place of its layout; nothing for a null, and for a text that is not where it should be.
    pub fn value(&self, layout: &Layout, place: usize) -> Option<Value<'a>> {
        let field = layout.fields().get(place)?;
        let bitmap = layout.fields().len().div_ceil(8);
        let bits = self.0.get(HEADER + place / 8)?;
        if bits >> (place % 8) & 1 == 0 {
            return None;
        }
        let slot = *self.0.get(HEADER + bitmap + place * 8..)?.first_chunk::<8>()?;
        let bits = u64::from_le_bytes(slot);
        Some(match Kind::of(&field.data_type) {
            Kind::Boolean => Value::Boolean(bits != 0),
            Kind::Signed => Value::Signed(bits.cast_signed()),
            Kind::Unsigned => Value::Unsigned(bits),
            Kind::Float => Value::Float(f64::from_bits(bits)),
            Kind::Bytes => {
                let texts = HEADER + bitmap + layout.fields().len() * 8;
                let start = texts + (bits >> 32) as usize;
                let length = (bits & u64::from(u32::MAX)) as usize;
                Value::Bytes(Cow::Borrowed(self.0.get(start..start.checked_add(length)?)?))
            }
        })
    }
}

/// The sixteen bytes of an encoded row that say when it is of.
pub(crate) fn times(bytes: &[u8]) -> &[u8] {
    bytes.get(TIMES..HEADER).unwrap_or_default()
}

/// The event time of an encoded row.
pub(crate) fn event_time(bytes: &[u8]) -> i64 {
    Row(bytes).event_time()
}

fn checksum(layout: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(layout);
    hasher.update(body);
    hasher.finalize()
}

/// Writes a row of a batch that fits the layout.
pub(crate) fn encode(layout: &Layout, batch: &RowBatch, row: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&layout.id().to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&ordered(batch.event_times.get(row).copied().unwrap_or_default()));
    let created = batch
        .created_times
        .as_ref()
        .and_then(|times| times.get(row).copied());
    out.extend_from_slice(&ordered(created.unwrap_or(NO_CREATED)));
    let features = batch.features.len();
    let bitmap = start + HEADER;
    let slots = bitmap + features.div_ceil(8);
    let texts = slots + features * 8;
    out.resize(texts, 0);
    for (place, column) in batch.features.iter().enumerate() {
        if !column.is_present(row) {
            continue;
        }
        let bits = match &column.values {
            Values::Boolean(values) => values.get(row).map(|value| u64::from(*value)),
            Values::Signed(values) => values.get(row).map(|value| value.cast_unsigned()),
            Values::Unsigned(values) => values.get(row).copied(),
            Values::Float(values) => values.get(row).map(|value| value.to_bits()),
            Values::Bytes(values) => {
                let text = values.get(row);
                let at = (out.len() - texts) as u64;
                out.extend_from_slice(text);
                Some(at << 32 | text.len() as u64)
            }
        };
        let Some(bits) = bits else { continue };
        if let Some(byte) = out.get_mut(bitmap + place / 8) {
            *byte |= 1 << (place % 8);
        }
        if let Some(slot) = out.get_mut(slots + place * 8..slots + place * 8 + 8) {
            slot.copy_from_slice(&bits.to_le_bytes());
        }
    }
    let sum = match out.get(start..) {
        Some(bytes) => checksum(
            bytes.get(..4).unwrap_or_default(),
            bytes.get(TIMES..).unwrap_or_default(),
        ),
        None => 0,
    };
    if let Some(place) = out.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
}
