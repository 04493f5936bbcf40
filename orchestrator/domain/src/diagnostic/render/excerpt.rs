//! A line of source as it fits on a screen.

use super::neutral::replacement;
use std::ops::Range;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What marks the side where a line was cut.
const CUT: &str = "...";
/// Narrowest excerpt that still shows something.
const MIN_WIDTH: usize = 20;

/// A line or the part of it around a place.
#[derive(Debug)]
pub(super) struct Excerpt {
    /// Ready to print.
    pub(super) text: String,
    /// Byte of each shown character within the line, and its column within `text`.
    cells: Vec<(usize, usize)>,
    /// Byte and column behind the last shown character.
    end: (usize, usize),
    /// Whether the line goes on after that.
    is_cut: bool,
}

/// How a character prints and how many columns it takes.
fn shown(c: char, buffer: &mut [u8; 4]) -> (&str, usize) {
    match replacement(c) {
        Some(instead) => (instead, instead.width()),
        None => (c.encode_utf8(buffer), c.width().unwrap_or(0)),
    }
}

fn columns_of(c: char) -> usize {
    shown(c, &mut [0; 4]).1
}

/// How far `room` columns reach from a byte to the right, and how many of them are used. Characters
/// of no width could go on without end, so their number is limited as well.
fn reach_right(line: &str, from: usize, room: usize) -> (usize, usize) {
    let mut used = 0;
    for (count, (at, c)) in line[from..].char_indices().enumerate() {
        let next = used + columns_of(c);
        if next > room || count >= 2 * room {
            return (from + at, used);
        }
        used = next;
    }
    (line.len(), used)
}

/// The same to the left.
fn reach_left(line: &str, from: usize, room: usize) -> (usize, usize) {
    let (mut start, mut used) = (from, 0);
    for (at, c) in line[..from].char_indices().rev().take(2 * room) {
        let next = used + columns_of(c);
        if next > room {
            break;
        }
        (start, used) = (at, next);
    }
    (start, used)
}

impl Excerpt {
    /// The line if it fits into `width` columns, else the part around the `anchor` (bytes of the
    /// line). Never looks at more of the line than it may show, which may be very long.
    pub(super) fn new(line: &str, anchor: &Range<usize>, width: usize) -> Self {
        let width = width.max(MIN_WIDTH);
        let middle = line.floor_char_boundary(anchor.start.min(line.len()));
        let (start, before) = reach_left(line, middle, width);
        let (end, _) = reach_right(line, middle, width - before);
        if start == 0 && end == line.len() {
            return Self::of(line, start..end);
        }
        // What is pointed at matters most, then what leads to it, then what follows.
        let room = width - 2 * CUT.len();
        let stop = line.floor_char_boundary(anchor.end.clamp(middle, line.len()));
        let (_, needed) = reach_right(&line[..stop], middle, room);
        let (start, lead) = reach_left(line, middle, (room - needed).min(room / 2));
        let (end, _) = reach_right(line, middle, room - lead);
        Self::of(line, start..end)
    }

    fn of(line: &str, part: Range<usize>) -> Self {
        let mut text = String::new();
        if part.start > 0 {
            text.push_str(CUT);
        }
        let mut column = text.len();
        let mut cells = Vec::new();
        let mut buffer = [0; 4];
        for (at, c) in line[part.clone()].char_indices() {
            let (instead, columns) = shown(c, &mut buffer);
            cells.push((part.start + at, column));
            text.push_str(instead);
            column += columns;
        }
        let is_cut = part.end < line.len();
        if is_cut {
            text.push_str(CUT);
        }
        Self {
            text,
            cells,
            end: (part.end, column),
            is_cut,
        }
    }

    /// Columns of a span (bytes of the line), at least one wide; `None` if its start is not shown.
    pub(super) fn columns(&self, span: &Range<usize>) -> Option<Range<usize>> {
        let first = self.cells.first().map_or(self.end.0, |(byte, _)| *byte);
        if span.start < first || span.start > self.end.0 || (span.start == self.end.0 && self.is_cut) {
            return None;
        }
        let column = |byte: usize| {
            let after = self.cells.partition_point(|(at, _)| *at <= byte);
            if byte >= self.end.0 || after == 0 {
                self.end.1
            } else {
                self.cells[after - 1].1
            }
        };
        let start = column(span.start);
        Some(start..column(span.end).max(start + 1))
    }
}
