//! Rows to predict, as bodies of models see them.

use crate::features::Aligned;
use crate::preprocessing::Encoding;
use crate::tree::Cell;

/// Some rows in the model's features and codes.
pub(crate) struct Batch<'a> {
    source: Source<'a>,
    encoding: Option<&'a Encoding>,
    count: usize,
}

enum Source<'a> {
    /// Columns, and the row of them that is the batch's first.
    Columns(&'a [Aligned<'a>], usize),
    /// A single row.
    Row(&'a [Cell]),
}

impl<'a> Batch<'a> {
    pub(super) fn of_columns(
        values: &'a [Aligned<'a>],
        start: usize,
        count: usize,
        encoding: Option<&'a Encoding>,
    ) -> Self {
        Self {
            source: Source::Columns(values, start),
            encoding,
            count,
        }
    }

    pub(super) fn of_row(cells: &'a [Cell], encoding: Option<&'a Encoding>) -> Self {
        Self {
            source: Source::Row(cells),
            encoding,
            count: 1,
        }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The value of a feature in row `row` of the batch.
    #[inline]
    pub(crate) fn cell(&self, row: usize, feature: usize) -> Cell {
        match &self.source {
            Source::Columns(values, start) => match &values[feature] {
                Aligned::Numeric(values) => Cell::Number(values[start + row]),
                Aligned::Codes { codes, .. } => Cell::Code(codes[start + row]),
            },
            Source::Row(cells) => cells[feature],
        }
    }

    /// Columns of a preprocessed row; 0 for a model without preprocessing.
    pub(crate) fn width(&self) -> usize {
        self.encoding.map_or(0, Encoding::width)
    }

    /// Calls `visit` with place and entry of every preprocessed column of a row that may differ
    /// from 0, in ascending order.
    #[inline]
    pub(crate) fn visit(&self, row: usize, visit: impl FnMut(usize, f64)) {
        if let Some(encoding) = self.encoding {
            encoding.visit(|feature| self.cell(row, feature), visit);
        }
    }

    /// The preprocessed columns of a row; `into` has [`Batch::width`] entries.
    pub(crate) fn encode(&self, row: usize, into: &mut [f64]) {
        if let Some(encoding) = self.encoding {
            encoding.encode(|feature| self.cell(row, feature), into);
        }
    }
}
