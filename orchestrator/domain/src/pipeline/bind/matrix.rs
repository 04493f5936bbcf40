//! Cells of a matrix: every combination of its axes' values, in the order written.

use super::{BindError, Binding};
use crate::pipeline::spec::{Matrix, MatrixValues};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use trainyard_contract::Path;

/// Most instances of one run.
pub(super) const MAX_INSTANCES: usize = 200_000;

impl Binding<'_> {
    /// Name and values of each cell.
    pub(super) fn cells(&mut self, step: &str, matrix: &Matrix) -> Vec<(String, Map<String, Value>)> {
        let at = Path::root().key("steps").key(step).key("matrix");
        let mut cells: Vec<Map<String, Value>> = vec![Map::new()];
        for (axis, values) in &matrix.axes {
            let written = match values {
                MatrixValues::List(items) => Value::Array(items.clone()),
                MatrixValues::Expression(text) => Value::String(text.clone()),
            };
            let Some(values) = self.render(&at.key(axis), &written, &[]) else {
                return Vec::new();
            };
            let Value::Array(values) = values else {
                self.errors.push(BindError::new(
                    at.key(axis),
                    format!("the axis `{axis}` needs a list"),
                ));
                return Vec::new();
            };
            if cells.len().saturating_mul(values.len()) > MAX_INSTANCES {
                let message = format!("the matrix of `{step}` has more than {MAX_INSTANCES} cells");
                self.errors.push(BindError::new(at, message));
                return Vec::new();
            }
            cells = cells
                .iter()
                .flat_map(|cell| {
                    values.iter().map(move |value| {
                        let mut cell = cell.clone();
                        cell.insert(axis.clone(), value.clone());
                        cell
                    })
                })
                .collect();
        }
        if cells.is_empty() {
            let error = BindError::new(
                at,
                format!("the matrix of `{step}` has no cell: one of its lists is empty"),
            );
            self.errors
                .push(error.help("give the list a value, or skip the step by `if`"));
        }
        let mut names = BTreeSet::new();
        let mut named = Vec::with_capacity(cells.len());
        for cell in cells {
            let name = cell_name(step, &cell);
            if !names.insert(name.clone()) {
                self.errors.push(BindError::new(
                    Path::root().key("steps").key(step).key("matrix"),
                    format!("two cells of the matrix are `{name}`"),
                ));
            }
            named.push((name, cell));
        }
        named
    }
}

/// `train[algorithm=random_forest,depth=3]`.
fn cell_name(step: &str, cell: &Map<String, Value>) -> String {
    let values: Vec<String> = cell
        .iter()
        .map(|(axis, value)| match value {
            Value::String(text) => format!("{axis}={text}"),
            other => format!("{axis}={other}"),
        })
        .collect();
    format!("{step}[{}]", values.join(","))
}
