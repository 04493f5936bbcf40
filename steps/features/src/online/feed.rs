//! Batches of rows become what stores write: the latest row of each key, encoded and in the order of keys.

use super::key::Keys;
use super::row;
use super::{Layout, OnlineError, RowBatch, WrongBatch};
use std::cmp::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Rows of a piece.
const PIECE: usize = 8_192;
/// Pieces that wait for the writer.
const WAITING: usize = 4;

/// Encoded rows of different keys, in the order of keys.
#[derive(Clone, Debug, Default)]
pub struct SortedRows {
    bytes: Vec<u8>,
    /// Where each key begins, where its row begins, and where that ends.
    spans: Vec<(usize, usize, usize)>,
}

impl SortedRows {
    /// Each key with its row.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|(key, row, end)| {
            (
                self.bytes.get(*key..*row).unwrap_or_default(),
                self.bytes.get(*row..*end).unwrap_or_default(),
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
fn encode(
    layout: &Layout,
    batch: &RowBatch,
    take: &mut dyn FnMut(SortedRows) -> bool,
) -> Result<u64, WrongBatch> {
    batch.fits(layout)?;
    let keys = Keys::of(&batch.keys, batch.len());
    let mut order: Vec<(u64, u32)> = Vec::with_capacity(batch.len());
    let mut without_key = 0;
    for (row, has_key) in keys.has_key.iter().enumerate() {
        if *has_key {
            order.push((beginning(keys.get(row)), row as u32));
        } else {
            without_key += 1;
        }
    }
    let created = |row: usize| batch.created_times.as_ref().and_then(|times| times.get(row));
    // Of one key the latest first; of equals the one that was given last.
    order.sort_unstable_by(|(a_start, a), (b_start, b)| {
        let (a, b) = (*a as usize, *b as usize);
        a_start
            .cmp(b_start)
            .then_with(|| keys.get(a).cmp(keys.get(b)))
            .then_with(|| batch.event_times.get(b).cmp(&batch.event_times.get(a)))
            .then_with(|| created(b).cmp(&created(a)))
            .then_with(|| b.cmp(&a))
    });
    let mut piece = SortedRows::default();
    let mut last: Option<u32> = None;
    for (_, row) in &order {
        let key = keys.get(*row as usize);
        if last.is_some_and(|last| keys.get(last as usize).cmp(key) == Ordering::Equal) {
            continue;
        }
        last = Some(*row);
        let start = piece.bytes.len();
        piece.bytes.extend_from_slice(key);
        let begin = piece.bytes.len();
        row::encode(layout, batch, *row as usize, &mut piece.bytes);
        piece.spans.push((start, begin, piece.bytes.len()));
        if piece.len() == PIECE {
            let room = piece.bytes.len() + piece.bytes.len() / 16;
            let next = SortedRows {
                bytes: Vec::with_capacity(room),
                spans: Vec::with_capacity(PIECE),
            };
            if !take(std::mem::replace(&mut piece, next)) {
                return Ok(without_key);
            }
        }
    }
    if !piece.is_empty() {
        take(piece);
    }
    Ok(without_key)
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
