//! Tables as the algorithms see them.

use polars::prelude::{Column, DataFrame, DataType, PolarsError};
use serde_json::Value;
use trainyard_contract::StepError;
use trainyard_models::frame::categorical;
use trainyard_models::{Frame, FrameColumn, ModelError, Task, Values};

/// An error of the algorithms as the step's.
pub(crate) fn refused(error: &ModelError) -> StepError {
    match error {
        ModelError::Threads => StepError::internal(error.to_string()),
        other => StepError::rejected(other.to_string()),
    }
}

fn reading(error: &PolarsError) -> StepError {
    StepError::rejected(crate::fault::sentence(error))
}

/// The columns `features` of a table: numbers and booleans as numbers, texts as categories.
///
/// # Errors
/// `Rejected` for a column that is not there or of another type.
pub(crate) fn features(table: &DataFrame, features: &[String]) -> Result<Frame, StepError> {
    let columns = features
        .iter()
        .map(|name| {
            let column = table
                .column(name)
                .map_err(|_| StepError::rejected(format!("there is no column `{name}` among the rows")))?;
            Ok(FrameColumn {
                name: name.clone(),
                values: values(column)?,
            })
        })
        .collect::<Result<Vec<FrameColumn>, StepError>>()?;
    Frame::new(columns).map_err(|error| refused(&error))
}

/// Whether a column of that type can be a feature.
pub(crate) fn can_be_learnt_from(data_type: &DataType) -> bool {
    let is_text = matches!(
        data_type,
        DataType::String | DataType::Categorical(..) | DataType::Enum(..)
    );
    is_text || data_type.is_primitive_numeric() || matches!(data_type, DataType::Boolean | DataType::Null)
}

fn values(column: &Column) -> Result<Values, StepError> {
    match column.dtype() {
        DataType::String => Ok(categorical(column.str().map_err(|error| reading(&error))?.iter())),
        DataType::Categorical(..) | DataType::Enum(..) => {
            let texts = column.cast(&DataType::String).map_err(|error| reading(&error))?;
            Ok(categorical(texts.str().map_err(|error| reading(&error))?.iter()))
        }
        kind if can_be_learnt_from(kind) => Ok(Values::Numeric(numbers(column)?)),
        other => Err(StepError::rejected(format!(
            "column `{}` is {other}, and a model takes numbers, booleans and texts",
            column.name()
        ))),
    }
}

/// Values as numbers, missing ones as NaN.
fn numbers(column: &Column) -> Result<Vec<f64>, StepError> {
    let cast = column.cast(&DataType::Float64).map_err(|error| reading(&error))?;
    let values = cast.f64().map_err(|error| reading(&error))?;
    Ok(values.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// The label of a table's rows.
pub(crate) struct Labels {
    pub(crate) task: Task,
    /// For classes 1 for the positive one, else 0; rows without a label are left out.
    pub(crate) target: Vec<f64>,
    /// The rows that have a label.
    pub(crate) rows: Vec<usize>,
    /// Rows that have none.
    pub(crate) missing: usize,
}

/// How the classes of a label are told apart.
pub(crate) enum Classes<'a> {
    /// By their values; the positive one may be named.
    Found { positive: Option<&'a Value> },
    /// As a model knows them.
    Known { negative: &'a str, positive: &'a str },
}

/// The classes of a table's label, rows without one left out.
///
/// # Errors
/// `Rejected` if there are not exactly two, or not those known.
pub(crate) fn classes(table: &DataFrame, label: &str, classes: &Classes<'_>) -> Result<Labels, StepError> {
    let texts = texts(label_column(table, label)?)?;
    let rows: Vec<usize> = (0..texts.len()).filter(|&row| texts[row].is_some()).collect();
    let missing = texts.len() - rows.len();
    let distinct: std::collections::BTreeSet<&str> = texts.iter().flatten().map(String::as_str).collect();
    let (negative, positive) = match classes {
        Classes::Known { negative, positive } => {
            if let Some(other) = distinct
                .iter()
                .find(|value| **value != *negative && **value != *positive)
            {
                return Err(StepError::rejected(format!(
                    "label `{label}` has the value `{other}`, but the model knows `{negative}` and `{positive}`"
                )));
            }
            ((*negative).to_owned(), (*positive).to_owned())
        }
        Classes::Found { positive } => two_classes(label, &distinct, *positive)?,
    };
    let target = texts
        .iter()
        .flatten()
        .map(|value| f64::from(u8::from(*value == positive)))
        .collect();
    Ok(Labels {
        task: Task::Binary { negative, positive },
        target,
        rows,
        missing,
    })
}

fn two_classes(
    label: &str,
    distinct: &std::collections::BTreeSet<&str>,
    positive: Option<&Value>,
) -> Result<(String, String), StepError> {
    let values: Vec<&str> = distinct.iter().copied().collect();
    let [first, second] = values.as_slice() else {
        let shown: Vec<&str> = values.iter().take(5).copied().collect();
        return Err(StepError::rejected(format!(
            "label `{label}` has {} values where a classifier needs two: {}",
            values.len(),
            crate::fault::list(&shown)
        )));
    };
    let (low, high) = ((*first).to_owned(), (*second).to_owned());
    match positive {
        None if high == "true" || (low == "0" && high == "1") => Ok((low, high)),
        None => Err(StepError::rejected(format!(
            "label `{label}` has the values `{low}` and `{high}`, and nothing says which is predicted"
        ))
        .help("name it with `positive:`")),
        Some(value) => {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if text == high {
                Ok((low, high))
            } else if text == low {
                Ok((high, low))
            } else {
                Err(StepError::rejected(format!(
                    "label `{label}` has the values `{low}` and `{high}`, not `{text}` as `positive:` says"
                )))
            }
        }
    }
}

/// The numbers of a table's label, rows without one left out.
///
/// # Errors
/// `Rejected` if it is no number.
pub(crate) fn numeric_label(table: &DataFrame, label: &str) -> Result<Labels, StepError> {
    let column = label_column(table, label)?;
    if !column.dtype().is_primitive_numeric() {
        return Err(StepError::rejected(format!(
            "label `{label}` is {}, not a number",
            column.dtype()
        )));
    }
    let values = numbers(column)?;
    let rows: Vec<usize> = (0..values.len()).filter(|&row| !values[row].is_nan()).collect();
    let target = rows.iter().map(|&row| values[row]).collect();
    Ok(Labels {
        task: Task::Regression,
        target,
        missing: values.len() - rows.len(),
        rows,
    })
}

fn label_column<'a>(table: &'a DataFrame, label: &str) -> Result<&'a Column, StepError> {
    table
        .column(label)
        .map_err(|_| StepError::rejected(format!("there is no column `{label}` to predict among the rows")))
}

/// Values as text; `None` where missing.
pub(crate) fn texts(column: &Column) -> Result<Vec<Option<String>>, StepError> {
    let cast = column.cast(&DataType::String).map_err(|error| reading(&error))?;
    Ok(cast
        .str()
        .map_err(|error| reading(&error))?
        .iter()
        .map(|text| text.map(str::to_owned))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;
    use serde_json::json;

    #[test]
    fn booleans_and_numbers_become_numbers_and_texts_categories() {
        let table = df! {"a" => [Some(true), None], "b" => [1i16, 2], "c" => [Some("x"), None]}.unwrap();
        let frame = features(&table, &["a".into(), "b".into(), "c".into()]).unwrap();
        let Some(Values::Numeric(a)) = frame.column("a") else {
            panic!("numbers")
        };
        assert!(a[0] == 1.0 && a[1].is_nan());
        assert_eq!(frame.column("b"), Some(&Values::Numeric(vec![1.0, 2.0])));
        assert!(matches!(frame.column("c"), Some(Values::Categorical { .. })));
    }

    #[test]
    fn the_positive_class_is_true_or_1_or_what_is_named() {
        let found = |table: &DataFrame, positive: Option<&Value>| {
            classes(table, "y", &Classes::Found { positive }).map(|labels| labels.target)
        };
        assert_eq!(
            found(&df! {"y" => [Some(true), None, Some(false)]}.unwrap(), None).unwrap(),
            [1.0, 0.0]
        );
        assert_eq!(found(&df! {"y" => [0i32, 1]}.unwrap(), None).unwrap(), [0.0, 1.0]);
        let text = df! {"y" => [">50K", "<=50K"]}.unwrap();
        assert!(
            found(&text, None)
                .unwrap_err()
                .to_string()
                .contains("nothing says")
        );
        assert_eq!(found(&text, Some(&json!(">50K"))).unwrap(), [1.0, 0.0]);
        assert!(found(&text, Some(&json!("50"))).is_err());
        assert!(
            found(&df! {"y" => [1i32, 2, 3]}.unwrap(), None)
                .unwrap_err()
                .to_string()
                .contains("3 values")
        );
    }
}
