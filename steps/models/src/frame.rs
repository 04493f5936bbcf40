//! Tables as the algorithms see them: numbers and category codes, column by column.

use crate::error::ModelError;
use std::collections::BTreeSet;

/// The code of a category that is missing.
pub const MISSING_CODE: u32 = u32::MAX;

/// In a model's own codes: the code of a category that is there, but did not occur in training.
pub const UNSEEN_CODE: u32 = u32::MAX - 1;

/// Values of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; NaN is missing. Infinities are values.
    Numeric(Vec<f64>),
    /// Codes into `dictionary`; [`MISSING_CODE`] is missing.
    Categorical {
        codes: Vec<u32>,
        dictionary: Vec<String>,
    },
}

impl Values {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numeric(values) => values.len(),
            Self::Categorical { codes, .. } => codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whole numbers as categories of their decimal digits; NaN is missing. None if a number is not
    /// whole.
    pub fn whole_numbers_as_categories(numbers: &[f64]) -> Option<Self> {
        let texts = numbers
            .iter()
            .map(|number| match number {
                missing if missing.is_nan() => Some(None),
                number => whole_number(*number).map(Some),
            })
            .collect::<Option<Vec<Option<String>>>>()?;
        Some(categorical(texts.iter().map(Option::as_deref)))
    }

    fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Numeric(values) => Self::Numeric(rows.iter().map(|&row| values[row]).collect()),
            Self::Categorical { codes, dictionary } => Self::Categorical {
                codes: rows.iter().map(|&row| codes[row]).collect(),
                dictionary: dictionary.clone(),
            },
        }
    }
}

/// The category that a number stands for: its decimal digits. None unless it is whole.
pub(crate) fn whole_number(number: f64) -> Option<String> {
    // Without a sign for 0, and without digits that a number of this size does not have.
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then(|| format!("{}", number + 0.0))
}

/// One named column.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameColumn {
    pub name: String,
    pub values: Values,
}

/// Columns of equal length under distinct names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    columns: Vec<FrameColumn>,
    rows: usize,
}

impl Frame {
    /// The frame of these columns.
    ///
    /// # Errors
    /// `ColumnLength` if they differ in length, `DuplicateColumn` if a name stands twice,
    /// `CategoryCode` if a code is outside its dictionary.
    pub fn new(columns: Vec<FrameColumn>) -> Result<Self, ModelError> {
        let rows = columns.first().map_or(0, |column| column.values.len());
        let mut names = BTreeSet::new();
        for column in &columns {
            if column.values.len() != rows {
                return Err(ModelError::ColumnLength {
                    column: column.name.clone(),
                    found: column.values.len(),
                    expected: rows,
                });
            }
            if !names.insert(column.name.as_str()) {
                return Err(ModelError::DuplicateColumn {
                    column: column.name.clone(),
                });
            }
            if let Values::Categorical { codes, dictionary } = &column.values {
                let known = dictionary.len();
                if codes
                    .iter()
                    .any(|&code| code != MISSING_CODE && code as usize >= known)
                {
                    return Err(ModelError::CategoryCode {
                        column: column.name.clone(),
                    });
                }
            }
        }
        Ok(Self { columns, rows })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// All columns in order.
    pub fn columns(&self) -> &[FrameColumn] {
        &self.columns
    }

    /// The values of a column.
    pub fn column(&self, name: &str) -> Option<&Values> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .map(|column| &column.values)
    }

    /// The frame of some rows, in the order given; a row may stand more than once.
    ///
    /// # Errors
    /// `RowOutOfRange` if there is no such row.
    pub fn take(&self, rows: &[usize]) -> Result<Self, ModelError> {
        if let Some(&row) = rows.iter().find(|&&row| row >= self.rows) {
            return Err(ModelError::RowOutOfRange { row, rows: self.rows });
        }
        let columns = self
            .columns
            .iter()
            .map(|column| FrameColumn {
                name: column.name.clone(),
                values: column.values.take(rows),
            })
            .collect();
        Ok(Self {
            columns,
            rows: rows.len(),
        })
    }

    /// The same frame with other values in one column.
    ///
    /// # Errors
    /// As [`Frame::new`]; `MissingColumn` if there is none of that name.
    pub fn with_column(&self, name: &str, values: Values) -> Result<Self, ModelError> {
        let mut columns = self.columns.clone();
        let column = columns
            .iter_mut()
            .find(|column| column.name == name)
            .ok_or_else(|| ModelError::MissingColumn {
                column: name.to_owned(),
            })?;
        column.values = values;
        Self::new(columns)
    }
}

/// A category column from its texts; the dictionary is sorted, so that the order of rows leaves
/// no trace in it.
pub fn categorical<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> Values {
    let texts: Vec<Option<&str>> = texts.into_iter().collect();
    let distinct: BTreeSet<&str> = texts.iter().flatten().copied().collect();
    let dictionary: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
    let codes = texts
        .iter()
        .map(|text| {
            text.and_then(|text| dictionary.binary_search_by(|known| known.as_str().cmp(text)).ok())
                .map_or(MISSING_CODE, |code| code as u32)
        })
        .collect();
    Values::Categorical { codes, dictionary }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(name: &str, values: &[f64]) -> FrameColumn {
        FrameColumn {
            name: name.to_owned(),
            values: Values::Numeric(values.to_vec()),
        }
    }

    #[test]
    fn columns_of_unequal_length_equal_name_or_foreign_codes_are_refused() {
        assert!(Frame::new(vec![numeric("a", &[1.0]), numeric("b", &[])]).is_err());
        assert!(Frame::new(vec![numeric("a", &[1.0]), numeric("a", &[2.0])]).is_err());
        let foreign = Values::Categorical {
            codes: vec![1],
            dictionary: vec!["x".into()],
        };
        assert!(
            Frame::new(vec![FrameColumn {
                name: "c".into(),
                values: foreign
            }])
            .is_err()
        );
    }

    #[test]
    fn a_dictionary_does_not_depend_on_the_order_of_rows() {
        let Values::Categorical { codes, dictionary } = categorical([Some("b"), None, Some("a"), Some("b")])
        else {
            panic!("categorical values")
        };
        assert_eq!(dictionary, ["a", "b"]);
        assert_eq!(codes, [1, MISSING_CODE, 0, 1]);
    }

    #[test]
    fn taking_rows_keeps_their_order_and_repeats() {
        let frame = Frame::new(vec![numeric("a", &[1.0, 2.0, 3.0])]).unwrap();
        let taken = frame.take(&[2, 0, 2]).unwrap();
        assert_eq!(taken.column("a"), Some(&Values::Numeric(vec![3.0, 1.0, 3.0])));
        assert!(frame.take(&[3]).is_err());
    }
}
