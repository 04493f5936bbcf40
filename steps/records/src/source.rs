//! From a file's bytes to text: compression, byte order marks and encodings.

use std::io::{self, BufRead, BufReader, Read};
use trainyard_contract::reading::Encoding;

/// Bytes taken from a file at a time.
const CHUNK: usize = 1 << 18;

/// Why a file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("is empty")]
    Empty,
    #[error("is not {encoding}: {place} has byte 0x{byte:02X}, byte {offset} of the file")]
    Encoding {
        encoding: &'static str,
        /// `row 7`, `row 7 column …`, `its header`.
        place: String,
        byte: u8,
        /// Place of the byte in the file as it is after decompression, from 1.
        offset: u64,
    },
    #[error("has a record of more than {limit} bytes at {place}")]
    TooLong { place: String, limit: usize },
    #[error("has no column names: {0}")]
    Header(String),
    #[error("cannot be decompressed as {method} beyond row {row}")]
    Compression {
        method: &'static str,
        row: u64,
        #[source]
        source: io::Error,
    },
    #[error("could not be read beyond row {row}")]
    Io {
        row: u64,
        #[source]
        source: io::Error,
    },
}

/// A byte that is no character, met on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undecodable {
    pub(crate) encoding: &'static str,
    pub(crate) byte: u8,
    /// From 1.
    pub(crate) offset: u64,
}

/// The text of a file, bit by bit.
pub struct Source {
    inner: Box<dyn Read + Send>,
    /// Name of the compression, if there is one.
    method: Option<&'static str>,
    encoding: Encoding,
    /// Bytes read and not yet text: the beginning of a character.
    pending: Vec<u8>,
    offset: u64,
    ended: bool,
    undecodable: Option<Undecodable>,
}

impl Source {
    /// The text of a file. Gzip and Zstandard are told by their first bytes, a byte order mark goes
    /// before the `encoding` given.
    ///
    /// # Errors
    /// `Empty`, or `Io`.
    pub fn new(file: impl Read + Send + 'static, encoding: Option<Encoding>) -> Result<Self, ReadError> {
        let io_error = |source| ReadError::Io { row: 0, source };
        let mut file = BufReader::with_capacity(CHUNK, file);
        let start = file.fill_buf().map_err(io_error)?;
        let (mut inner, method): (Box<dyn Read + Send>, _) = if start.starts_with(&[0x1F, 0x8B]) {
            (Box::new(flate2::bufread::MultiGzDecoder::new(file)), Some("gzip"))
        } else if start.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
            let decoder = zstd::stream::read::Decoder::with_buffer(file).map_err(io_error)?;
            (Box::new(decoder), Some("Zstandard"))
        } else {
            (Box::new(file), None)
        };
        let mut start = vec![0u8; 4];
        let mut filled = 0;
        while filled < start.len() {
            match inner.read(&mut start[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(failure(method, 0, source)),
            }
        }
        start.truncate(filled);
        if start.is_empty() {
            return Err(ReadError::Empty);
        }
        let (marked, mark) = if start.starts_with(&[0xEF, 0xBB, 0xBF]) {
            (Some(Encoding::Utf8), 3)
        } else if start.starts_with(&[0xFF, 0xFE]) {
            (Some(Encoding::Utf16Le), 2)
        } else if start.starts_with(&[0xFE, 0xFF]) {
            (Some(Encoding::Utf16Be), 2)
        } else {
            (None, 0)
        };
        start.drain(..mark);
        let encoding = match marked.or(encoding).unwrap_or(Encoding::Utf8) {
            Encoding::Utf16 => Encoding::Utf16Le,
            other => other,
        };
        Ok(Self {
            inner,
            method,
            encoding,
            pending: start,
            offset: mark as u64,
            ended: false,
            undecodable: None,
        })
    }

    /// The byte at which the text ended before the file did.
    pub(crate) fn undecodable(&self) -> Option<Undecodable> {
        self.undecodable
    }

    /// Appends at least some text, or says that there is no more. `row` is the record reached, for the
    /// error.
    pub(crate) fn read_into(&mut self, text: &mut String, row: u64) -> Result<bool, ReadError> {
        let before = text.len();
        while !self.ended && text.len() == before {
            let held = self.pending.len();
            self.pending.resize(held + CHUNK, 0);
            let read = loop {
                match self.inner.read(&mut self.pending[held..]) {
                    Ok(read) => break read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(source) => return Err(failure(self.method, row, source)),
                }
            };
            self.pending.truncate(held + read);
            self.decode(text, read == 0);
            if read == 0 {
                self.ended = true;
            }
        }
        Ok(text.len() > before)
    }

    /// Turns pending bytes into text, all but the beginning of a character that is yet to come.
    fn decode(&mut self, text: &mut String, is_last: bool) {
        let (taken, fault) = match self.encoding {
            Encoding::Utf8 => utf8(&self.pending, text, is_last),
            Encoding::Utf16 | Encoding::Utf16Le => utf16(&self.pending, text, is_last, u16::from_le_bytes),
            Encoding::Utf16Be => utf16(&self.pending, text, is_last, u16::from_be_bytes),
            Encoding::Latin1 => {
                text.extend(self.pending.iter().map(|byte| char::from(*byte)));
                (self.pending.len(), None)
            }
            Encoding::Windows1252 => windows_1252(&self.pending, text),
        };
        if let Some(at) = fault {
            self.undecodable = Some(Undecodable {
                encoding: self.encoding.name(),
                byte: self.pending.get(at).copied().unwrap_or_default(),
                offset: self.offset + at as u64 + 1,
            });
            self.ended = true;
        }
        self.offset += taken as u64;
        self.pending.drain(..taken);
    }
}

fn failure(method: Option<&'static str>, row: u64, source: io::Error) -> ReadError {
    match method {
        Some(method) => ReadError::Compression { method, row, source },
        None => ReadError::Io { row, source },
    }
}

/// Bytes taken, and the place of the first that is no character.
type Decoded = (usize, Option<usize>);

fn utf8(bytes: &[u8], text: &mut String, is_last: bool) -> Decoded {
    match std::str::from_utf8(bytes) {
        Ok(all) => {
            text.push_str(all);
            (bytes.len(), None)
        }
        Err(error) => {
            let valid = error.valid_up_to();
            if let Some(Ok(head)) = bytes.get(..valid).map(std::str::from_utf8) {
                text.push_str(head);
            }
            let is_cut = error.error_len().is_none() && !is_last;
            (valid, (!is_cut).then_some(valid))
        }
    }
}

fn utf16(bytes: &[u8], text: &mut String, is_last: bool, unit: fn([u8; 2]) -> u16) -> Decoded {
    let mut taken = 0;
    let units = bytes
        .chunks_exact(2)
        .map(|pair| unit([pair[0], pair.get(1).copied().unwrap_or_default()]));
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => {
                text.push(character);
                taken += 2 * character.len_utf16();
            }
            Err(_) if taken + 2 >= bytes.len().saturating_sub(bytes.len() % 2) && !is_last => {
                return (taken, None);
            }
            Err(_) => return (taken, Some(taken)),
        }
    }
    let is_half = is_last && taken < bytes.len();
    (taken, is_half.then_some(taken))
}

fn windows_1252(bytes: &[u8], text: &mut String) -> Decoded {
    let unassigned = |byte: &u8| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D);
    let fault = bytes.iter().position(unassigned);
    let good = &bytes[..fault.unwrap_or(bytes.len())];
    let (decoded, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(good);
    text.push_str(&decoded);
    (good.len(), fault)
}
