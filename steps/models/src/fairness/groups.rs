//! Rows that share the values of sensitive columns.

use crate::error::ModelError;
use crate::frame::MISSING_CODE;
use std::collections::BTreeMap;

/// A column by which people may be treated differently.
#[derive(Clone, Copy, Debug)]
pub struct Sensitive<'a> {
    pub name: &'a str,
    /// Place in `values` of each row's value; [`MISSING_CODE`] where it is not known.
    pub codes: &'a [u32],
    pub values: &'a [String],
}

/// Rows that share a value of each sensitive column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// In the order of the columns; none where the value is missing.
    pub values: Vec<Option<String>>,
    /// Ascending.
    pub rows: Vec<usize>,
}

impl Group {
    /// As shown, e.g. `f, (missing)`.
    pub fn name(&self) -> String {
        let shown: Vec<&str> = self
            .values
            .iter()
            .map(|value| value.as_deref().unwrap_or("(missing)"))
            .collect();
        shown.join(", ")
    }
}

/// All groups that have rows, in the order of their values; those without a value first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    columns: Vec<String>,
    rows: usize,
    groups: Vec<Group>,
}

impl Groups {
    /// The groups of one column, or of several columns crossed. A missing value is a value.
    ///
    /// # Errors
    /// `NoFeatures` for no columns, `NoRows`, `ColumnLength`, `CategoryCode`.
    pub fn new(columns: &[Sensitive<'_>]) -> Result<Self, ModelError> {
        let first = columns.first().ok_or(ModelError::NoFeatures)?;
        let rows = first.codes.len();
        if rows == 0 {
            return Err(ModelError::NoRows { doing: "group" });
        }
        for column in columns {
            if column.codes.len() != rows {
                return Err(ModelError::ColumnLength {
                    column: column.name.to_owned(),
                    found: column.codes.len(),
                    expected: rows,
                });
            }
            let known = |code: &u32| *code == MISSING_CODE || (*code as usize) < column.values.len();
            if !column.codes.iter().all(known) {
                return Err(ModelError::CategoryCode {
                    column: column.name.to_owned(),
                });
            }
        }
        let mut by_values: BTreeMap<Vec<Option<&str>>, Vec<usize>> = BTreeMap::new();
        for row in 0..rows {
            let values = columns
                .iter()
                .map(|column| column.values.get(column.codes[row] as usize).map(String::as_str))
                .collect();
            by_values.entry(values).or_default().push(row);
        }
        Ok(Self {
            columns: columns.iter().map(|column| column.name.to_owned()).collect(),
            rows,
            groups: by_values
                .into_iter()
                .map(|(values, rows)| Group {
                    values: values.into_iter().map(|value| value.map(str::to_owned)).collect(),
                    rows,
                })
                .collect(),
        })
    }

    /// Names of the sensitive columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossed_columns_give_the_combinations_that_occur_and_missing_is_a_value() {
        let (sex, age) = (
            ["f".to_owned(), "m".to_owned()],
            ["old".to_owned(), "young".to_owned()],
        );
        let column = |name, codes, values| Sensitive { name, codes, values };
        let groups = Groups::new(&[
            column("sex", &[1, 0, 0, MISSING_CODE], &sex),
            column("age", &[0, 1, 1, 0], &age),
        ])
        .unwrap();
        let found: Vec<(String, &[usize])> = groups
            .groups()
            .iter()
            .map(|group| (group.name(), &group.rows[..]))
            .collect();
        let expected: [(&str, &[usize]); 3] =
            [("(missing), old", &[3]), ("f, young", &[1, 2]), ("m, old", &[0])];
        assert_eq!(found.len(), 3);
        for ((name, rows), expected) in found.iter().zip(expected) {
            assert_eq!((name.as_str(), *rows), expected);
        }
        assert!(Groups::new(&[column("sex", &[2], &sex)]).is_err());
        assert!(Groups::new(&[]).is_err());
    }
}
