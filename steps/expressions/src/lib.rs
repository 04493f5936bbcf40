//! SQL expressions over the columns of one row.
//!
//! A text is compiled once against the columns it may use: every fault is found then, at its word. What is compiled is
//! evaluated over columns (training sets) or over a single row (a request); both go through one function for each
//! operation, so a value is the same in both. Words and meaning are those of the steps' SQL; where polars has two
//! answers to one question, the one over columns of more than one row counts.
//!
//! Evaluation is total: no input makes it panic. The one thing that can fail is a strict `CAST` of a value that
//! does not fit.

mod apply;
mod call;
mod cast;
mod column;
mod compile;
mod fault;
mod kind;
mod literal;
mod number;
mod place;
mod plan;
mod text;
mod time;
mod value;

pub use column::{Column, Texts, Values};
pub use fault::{Fault, Unevaluable};
pub use place::Places;
pub use value::Value;

use plan::Node;
use trainyard_contract::DataType;

/// Longest text of an expression, in bytes.
pub const MAX_TEXT: usize = 8 * 1024;

/// A column that an expression may use: its name and type.
pub type Known<'a> = (&'a str, &'a DataType);

/// An expression, typed and ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
    data_type: DataType,
    /// Places among the columns it was compiled against, ascending.
    uses: Vec<usize>,
}

impl Expression {
    /// Compiles a text against columns.
    ///
    /// # Errors
    /// Every fault of the text, in its order.
    pub fn compile(text: &str, columns: &[Known<'_>]) -> Result<Self, Vec<Fault>> {
        compile::compile(text, columns)
    }

    /// The same, with its values made into `wanted`; a value that does not fit there is missing.
    ///
    /// # Errors
    /// As [`Expression::compile`]; also if values of its own type never become the wanted one, at the whole text.
    pub fn compile_as(text: &str, columns: &[Known<'_>], wanted: &DataType) -> Result<Self, Vec<Fault>> {
        let expression = Self::compile(text, columns)?;
        compile::converted(expression, text, wanted).map_err(|fault| vec![fault])
    }

    /// Type of its values.
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Which of the columns it was compiled against it reads, by their places.
    pub fn uses(&self) -> &[usize] {
        &self.uses
    }

    /// Values over columns of `rows` rows each, which stand at the places and have the types it was compiled against.
    /// A column it does not use may be empty.
    ///
    /// # Errors
    /// A strict cast that a row's value does not survive.
    pub fn evaluate<'a>(&self, columns: &'a [Column<'a>], rows: usize) -> Result<Column<'a>, Unevaluable> {
        Ok(self
            .root
            .columns(columns, rows)?
            .into_column(&self.root.kind, rows))
    }

    /// The value over one row, whose values stand at the places and have the types it was compiled against.
    ///
    /// # Errors
    /// A strict cast that the value does not survive.
    pub fn evaluate_row<'a>(&'a self, row: &[Value<'a>]) -> Result<Value<'a>, Unevaluable> {
        self.root.row(row)
    }
}

#[cfg(test)]
mod tests;
