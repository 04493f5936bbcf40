//! Arrays of numbers, one after the other.

use super::wrong;
use crate::error::ModelError;
use serde::{Deserialize, Serialize};

/// What the header says of one array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArrayEntry {
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
    entries: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    F64,
    F32,
    U32,
    I32,
    U8,
}

impl Kind {
    fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 | Self::U32 | Self::I32 => 4,
            Self::U8 => 1,
        }
    }
}

/// Collects the arrays of a file in their order.
#[derive(Default)]
pub(crate) struct ArrayWriter {
    pub(super) entries: Vec<ArrayEntry>,
    pub(super) bytes: Vec<u8>,
}

impl ArrayWriter {
    fn write<const N: usize>(
        &mut self,
        name: &str,
        kind: Kind,
        numbers: impl ExactSizeIterator<Item = [u8; N]>,
    ) {
        self.entries.push(ArrayEntry {
            name: name.to_owned(),
            kind,
            entries: numbers.len() as u64,
        });
        numbers.for_each(|number| self.bytes.extend_from_slice(&number));
    }

    pub(crate) fn f64s(&mut self, name: &str, numbers: &[f64]) {
        self.write(name, Kind::F64, numbers.iter().map(|number| number.to_le_bytes()));
    }

    pub(crate) fn f32s(&mut self, name: &str, numbers: &[f32]) {
        self.write(name, Kind::F32, numbers.iter().map(|number| number.to_le_bytes()));
    }

    pub(crate) fn u32s(&mut self, name: &str, numbers: &[u32]) {
        self.write(name, Kind::U32, numbers.iter().map(|number| number.to_le_bytes()));
    }

    pub(crate) fn i32s(&mut self, name: &str, numbers: &[i32]) {
        self.write(name, Kind::I32, numbers.iter().map(|number| number.to_le_bytes()));
    }

    pub(crate) fn u8s(&mut self, name: &str, numbers: &[u8]) {
        self.write(name, Kind::U8, numbers.iter().map(|number| [*number]));
    }
}

/// Hands out the arrays in their order. Memory is taken only for bytes that are there.
pub(crate) struct ArrayReader<'a> {
    entries: std::slice::Iter<'a, ArrayEntry>,
    bytes: &'a [u8],
}

impl<'a> ArrayReader<'a> {
    pub(super) fn new(entries: &'a [ArrayEntry], bytes: &'a [u8]) -> Result<Self, ModelError> {
        let mut expected = 0usize;
        for entry in entries {
            expected = usize::try_from(entry.entries)
                .ok()
                .and_then(|count| count.checked_mul(entry.kind.bytes()))
                .and_then(|size| expected.checked_add(size))
                .ok_or_else(|| wrong(format!("its array `{}` is too long", entry.name)))?;
        }
        if expected != bytes.len() {
            return Err(wrong(format!(
                "its arrays have {} bytes where its header says {expected}",
                bytes.len()
            )));
        }
        Ok(Self {
            entries: entries.iter(),
            bytes,
        })
    }

    fn take(&mut self, name: &str, kind: Kind) -> Result<&'a [u8], ModelError> {
        let entry = self
            .entries
            .next()
            .ok_or_else(|| wrong(format!("its array `{name}` is missing")))?;
        if entry.name != name || entry.kind != kind {
            return Err(wrong(format!(
                "its array `{}` stands where `{name}` belongs",
                entry.name
            )));
        }
        let size = usize::try_from(entry.entries)
            .unwrap_or(usize::MAX)
            .saturating_mul(kind.bytes());
        let (taken, rest) = self
            .bytes
            .split_at_checked(size)
            .ok_or_else(|| wrong(format!("its array `{name}` is cut short")))?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn f64s(&mut self, name: &str) -> Result<Vec<f64>, ModelError> {
        let bytes = self.take(name, Kind::F64)?;
        Ok(bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| f64::from_le_bytes(*bytes))
            .collect())
    }

    pub(crate) fn finite_f64s(&mut self, name: &str) -> Result<Vec<f64>, ModelError> {
        let numbers = self.f64s(name)?;
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(wrong(format!(
                "its array `{name}` has a number that is not finite"
            )))
        }
    }

    pub(crate) fn f32s(&mut self, name: &str) -> Result<Vec<f32>, ModelError> {
        let bytes = self.take(name, Kind::F32)?;
        Ok(bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect())
    }

    pub(crate) fn u32s(&mut self, name: &str) -> Result<Vec<u32>, ModelError> {
        let bytes = self.take(name, Kind::U32)?;
        Ok(bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .collect())
    }

    pub(crate) fn i32s(&mut self, name: &str) -> Result<Vec<i32>, ModelError> {
        let bytes = self.take(name, Kind::I32)?;
        Ok(bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| i32::from_le_bytes(*bytes))
            .collect())
    }

    pub(crate) fn u8s(&mut self, name: &str) -> Result<Vec<u8>, ModelError> {
        Ok(self.take(name, Kind::U8)?.to_vec())
    }

    pub(super) fn finish(mut self) -> Result<(), ModelError> {
        match self.entries.next() {
            None => Ok(()),
            Some(entry) => Err(wrong(format!("it has an unknown array `{}`", entry.name))),
        }
    }
}
