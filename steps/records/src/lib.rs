//! Records of text files as typed columns: delimited text in every common dialect and JSON lines.
//!
//! A file is read once, block by block, so memory is bounded by the block and not by the file. Each
//! record is numbered; a value that cannot be read as its column's type is missing from the column
//! and noted with its record, text and reason, and a record that cannot be taken apart is noted as
//! a whole: nothing is dropped in silence. What is wrong with the file as a whole (another encoding,
//! a damaged compression) is an error that names record and byte.

mod batch;
mod calendar;
mod delimited;
mod dialect;
mod guess;
mod json_lines;
mod kind;
mod options;
mod source;
mod split;
mod value;

pub use batch::{Batch, Texts, TornRecord, ValueFault, Values};
pub use delimited::{Delimited, OpenError};
pub use guess::{Guess, Guesser};
pub use json_lines::JsonLines;
pub use kind::{Column, Kind, Moment, Per};
pub use options::OptionsFault;
pub use source::{ReadError, Source};
pub use value::{Conventions, TextReader, Why};
