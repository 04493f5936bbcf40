//! Batches of rows become what stores write: the latest row of each key, encoded and in the order of keys.

use super::key::Keys;
use super::row;
use super::{Layout, OnlineError, RowBatch, WrongBatch};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Rows of a piece.
const PIECE: usize = 8_192;
/// Pieces that wait for the writer.
const WAITING: usize = 4;

/// Encoded rows of different keys, in the order of keys.
#[derive(Clone, Debug, Default)]
pub struct SortedRows {
    /// All rows of a batch, in the order in which they were given: to bring them into the order of keys there would be
    /// to copy them.
    bytes: Arc<Vec<u8>>,
    spans: Vec<Span>,
}

/// Where a key begins, where its row begins, and where that ends.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    key: usize,
    row: usize,
    end: usize,
}

impl SortedRows {
    /// Each key with its row.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| {
            (
                self.bytes.get(span.key..span.row).unwrap_or_default(),
                self.bytes.get(span.row..span.end).unwrap_or_default(),
            )
        })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

/// Gives pieces of rows until there are no more. After an error nothing more is asked.
pub type Source<'a> = dyn Iterator<Item = Result<SortedRows, OnlineError>> + 'a;

/// Encodes batches on a thread of its own while the store writes what is ready.
pub struct Feed;

impl Feed {
    /// Calls `write` with the pieces of all batches. Batches are asked for and encoded on the thread beside; rows whose key
    /// has a null are left out and counted.
    ///
    /// # Errors
    /// What `write` says: an error of the batches comes to it as the last piece.
    pub fn through<T>(
        layout: &Layout,
        batches: impl Iterator<Item = Result<RowBatch, OnlineError>> + Send,
        write: impl FnOnce(&mut Source<'_>) -> Result<T, OnlineError>,
    ) -> Result<(T, Counted), OnlineError> {
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(WAITING);
            let encoding = scope.spawn(move || encode_all(layout, batches, &sender));
            let mut pieces = Pieces {
                receiver,
                has_ended: false,
            };
            let written = write(&mut pieces);
            // Whoever encodes is not to wait for a writer that has given up.
            drop(pieces);
            let counted = encoding.join().unwrap_or_default();
            Ok((written?, counted))
        })
    }

    /// The pieces of one batch.
    ///
    /// # Errors
    /// If it does not fit the layout.
    pub fn of(layout: &Layout, batch: &RowBatch) -> Result<Vec<SortedRows>, WrongBatch> {
        let mut pieces = Vec::new();
        encode(layout, batch, &mut |piece| {
            pieces.push(piece);
            true
        })?;
        Ok(pieces)
    }
}

/// What became of the rows of batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub rows: u64,
    /// Rows whose key has a null: nobody can ask for them.
    pub without_key: u64,
}

/// What the encoding thread says.
enum Said {
    Piece(SortedRows),
    Failed(OnlineError),
    /// There are no more. Without it the thread has broken off.
    End,
}

struct Pieces {
    receiver: Receiver<Said>,
    has_ended: bool,
}

impl Iterator for Pieces {
    type Item = Result<SortedRows, OnlineError>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        match self.receiver.recv() {
            Ok(Said::Piece(piece)) => return Some(Ok(piece)),
            Ok(Said::End) => self.has_ended = true,
            Ok(Said::Failed(error)) => {
                self.has_ended = true;
                return Some(Err(error));
            }
            Err(error) => {
                self.has_ended = true;
                return Some(Err(OnlineError::Source(Box::new(error))));
            }
        }
        None
    }
}

fn encode_all(
    layout: &Layout,
    batches: impl Iterator<Item = Result<RowBatch, OnlineError>>,
    sender: &SyncSender<Said>,
) -> Counted {
    let mut counted = Counted::default();
    for batch in batches {
        let encoded = batch.and_then(|batch| {
            counted.rows += batch.len() as u64;
            Ok(encode(layout, &batch, &mut |piece| {
                sender.send(Said::Piece(piece)).is_ok()
            })?)
        });
        match encoded {
            Ok(without_key) => counted.without_key += without_key,
            Err(error) => {
                // A writer that is gone has an error of its own.
                let _ = sender.send(Said::Failed(error));
                return counted;
            }
        }
    }
    let _ = sender.send(Said::End);
    counted
}

/// Sorts, takes the latest of each key and encodes; says how many rows have no key. Ends early if `take` says so.
///
/// Rows are encoded in the order in which they were given, in which the columns are read from front to back; in the order of
/// keys each value would be a miss of the processor's cache.
fn encode(
    layout: &Layout,
    batch: &RowBatch,
    take: &mut dyn FnMut(SortedRows) -> bool,
) -> Result<u64, WrongBatch> {
    batch.fits(layout)?;
    let keys = Keys::of(&batch.keys, batch.len());
    let without_key = keys.has_key.iter().filter(|has_key| !**has_key).count() as u64;
    let order = latest(&keys, batch);
    let mut spans: Vec<Span> = vec![Span::default(); batch.len()];
    let mut is_latest = vec![false; batch.len()];
    for row in &order {
        if let Some(is_latest) = is_latest.get_mut(*row as usize) {
            *is_latest = true;
        }
    }
    let mut bytes = Vec::new();
    for (row, span) in spans.iter_mut().enumerate() {
        if is_latest.get(row) != Some(&true) {
            continue;
        }
        span.key = bytes.len();
        bytes.extend_from_slice(keys.get(row));
        span.row = bytes.len();
        row::encode(layout, batch, row, &mut bytes);
        span.end = bytes.len();
        if row == 0 {
            bytes.reserve(order.len() * (span.end + span.end / 16));
        }
    }
    let bytes = Arc::new(bytes);
    for piece in order.chunks(PIECE) {
        let spans = piece.iter().filter_map(|row| spans.get(*row as usize).copied());
        let piece = SortedRows {
            bytes: bytes.clone(),
            spans: spans.collect(),
        };
        if !take(piece) {
            break;
        }
    }
    Ok(without_key)
}

/// The latest row of each key, in the order of keys; of equals the one that was given last.
fn latest(keys: &Keys, batch: &RowBatch) -> Vec<u32> {
    let with_key = keys.has_key.iter().enumerate().filter(|(_, has_key)| **has_key);
    let mut order: Vec<(u64, u32)> = with_key
        .map(|(row, _)| (beginning(keys.get(row)), row as u32))
        .collect();
    // Nearly always the first bytes decide.
    order.sort_unstable();
    let created = |row: usize| batch.created_times.as_ref().and_then(|times| times.get(row));
    let mut rows = Vec::with_capacity(order.len());
    for same in order.chunk_by_mut(|(a, _), (b, _)| a == b) {
        if same.len() > 1 {
            same.sort_unstable_by(|(_, a), (_, b)| {
                let (a, b) = (*a as usize, *b as usize);
                keys.get(a)
                    .cmp(keys.get(b))
                    .then_with(|| batch.event_times.get(b).cmp(&batch.event_times.get(a)))
                    .then_with(|| created(b).cmp(&created(a)))
                    .then_with(|| b.cmp(&a))
            });
        }
        let mut last: Option<u32> = None;
        for (_, row) in same {
            if last.is_none_or(|last| keys.get(last as usize) != keys.get(*row as usize)) {
                rows.push(*row);
                last = Some(*row);
            }
        }
    }
    rows
}

/// The first eight bytes as a number: decides most comparisons.
fn beginning(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(8);
    if let (Some(bytes), Some(key)) = (bytes.get_mut(..length), key.get(..length)) {
        bytes.copy_from_slice(key);
    }
    u64::from_be_bytes(bytes)
}
