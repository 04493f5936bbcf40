//! Tables as the algorithms see them.

use polars::prelude::{Column, DataFrame, DataType, PolarsError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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
    features_with(table, features, &[])
}

/// The columns `features` of a table, of which those in `categorical` are categories whatever their
/// type.
///
/// # Errors
/// `Rejected` for a column that is not there or of another type.
pub(crate) fn features_with(
    table: &DataFrame,
    features: &[String],
    categorical: &[String],
) -> Result<Frame, StepError> {
    let columns = features
        .iter()
        .map(|name| {
            let column = table
                .column(name)
                .map_err(|_| StepError::rejected(format!("there is no column `{name}` among the rows")))?;
            let values = match values(column)? {
                Values::Numeric(numbers) if categorical.contains(name) => {
                    Values::whole_numbers_as_categories(&numbers).ok_or_else(|| {
                        StepError::rejected(format!(
                            "column `{name}` is categorical, but has a number that is not whole"
                        ))
                    })?
                }
                values => values,
            };
            Ok(FrameColumn {
                name: name.clone(),
                values,
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
    /// As [`Task`] has it; rows without a label are left out.
    pub(crate) target: Vec<f64>,
    /// The rows that have a label.
    pub(crate) rows: Vec<usize>,
    /// Rows that have none.
    pub(crate) missing: usize,
}

/// How the classes of a label are told apart.
pub(crate) enum Classes<'a> {
    /// By their values; the positive one of two may be named.
    Found { positive: Option<&'a Value> },
    /// As a model knows them.
    Known(&'a Task),
}

/// More values than this are no classes.
const MOST_CLASSES: usize = 1_000;

/// The classes of a table's label, rows without one left out.
///
/// # Errors
/// `Rejected` if there are fewer than two or too many, or others than those known.
pub(crate) fn classes(table: &DataFrame, label: &str, classes: &Classes<'_>) -> Result<Labels, StepError> {
    let column = label_column(table, label)?;
    let texts = texts(column)?;
    let rows: Vec<usize> = (0..texts.len()).filter(|&row| texts[row].is_some()).collect();
    let missing = texts.len() - rows.len();
    let distinct: BTreeSet<&str> = texts.iter().flatten().map(String::as_str).collect();
    let task = match classes {
        Classes::Known(task) => (*task).clone(),
        Classes::Found { positive } => found_classes(column, label, &distinct, *positive)?,
    };
    let known = task.classes();
    let places: BTreeMap<&str, f64> = known
        .iter()
        .enumerate()
        .map(|(place, class)| (*class, place as f64))
        .collect();
    if let Some(other) = distinct.iter().find(|value| !places.contains_key(**value)) {
        let (some, more) = known.split_at(known.len().min(5));
        let and_more = if more.is_empty() { "" } else { " and others" };
        return Err(StepError::rejected(format!(
            "label `{label}` has the value `{other}`, but the model knows {}{and_more}",
            crate::fault::list(some)
        ))
        .help("a model can be judged only by classes it was trained on"));
    }
    let target = texts
        .iter()
        .flatten()
        .filter_map(|value| places.get(value.as_str()).copied())
        .collect();
    Ok(Labels {
        target,
        rows,
        missing,
        task,
    })
}

fn found_classes(
    column: &Column,
    label: &str,
    distinct: &BTreeSet<&str>,
    positive: Option<&Value>,
) -> Result<Task, StepError> {
    let refuse = |message: String, help: &str| Err(StepError::rejected(message).help(help));
    match distinct.len() {
        0 => refuse(
            format!("label `{label}` is missing in all rows"),
            "there is nothing to learn from",
        ),
        1 => refuse(
            format!(
                "label `{label}` is {} in all rows that have one",
                crate::fault::list(&distinct.iter().copied().collect::<Vec<_>>())
            ),
            "with one class there is nothing to tell apart: look at the split and at how the label is made",
        ),
        2 => two_classes(label, distinct, positive)
            .map(|(negative, positive)| Task::Binary { negative, positive }),
        many if many > MOST_CLASSES => refuse(
            format!("label `{label}` has {many} values, more than the {MOST_CLASSES} that can be classes"),
            "a quantity is predicted by `train.regressor@v1`",
        ),
        _ if positive.is_some() => refuse(
            format!(
                "`positive` is named, but label `{label}` has {} values",
                distinct.len()
            ),
            "leave it out: a model of several classes predicts the probability of each",
        ),
        _ => {
            let mut classes: Vec<String> = distinct.iter().map(|value| (*value).to_owned()).collect();
            if column.dtype().is_integer() {
                classes.sort_by_key(|value| value.parse::<i128>().unwrap_or(i128::MAX));
            }
            Ok(Task::Multiclass { classes })
        }
    }
}

fn two_classes(
    label: &str,
    distinct: &BTreeSet<&str>,
    positive: Option<&Value>,
) -> Result<(String, String), StepError> {
    let mut values = distinct.iter().map(|value| (*value).to_owned());
    let (low, high) = (
        values.next().unwrap_or_default(),
        values.next().unwrap_or_default(),
    );
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

/// The weights of a table's rows, missing ones as NaN.
///
/// # Errors
/// `Rejected` if the column is not there or no number.
pub(crate) fn weights(table: &DataFrame, name: &str) -> Result<Vec<f64>, StepError> {
    let column = table
        .column(name)
        .map_err(|_| StepError::rejected(format!("there is no column `{name}` to weigh rows by")))?;
    if !column.dtype().is_primitive_numeric() {
        return Err(StepError::rejected(format!(
            "weight `{name}` is {}, not a number",
            column.dtype()
        )));
    }
    numbers(column)
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
    }

    #[test]
    fn more_than_two_values_are_classes_in_order_and_one_is_none() {
        let found = |table: &DataFrame| classes(table, "y", &Classes::Found { positive: None });
        let labels = found(&df! {"y" => [Some(10i32), Some(9), None, Some(2), Some(10)]}.unwrap()).unwrap();
        assert_eq!(labels.task.classes(), ["2", "9", "10"]);
        assert_eq!(
            (labels.target.as_slice(), labels.missing),
            (&[2.0, 1.0, 0.0, 2.0][..], 1)
        );
        let error = found(&df! {"y" => ["a", "a"]}.unwrap())
            .err()
            .unwrap()
            .to_string();
        assert_eq!(error, "label `y` is `a` in all rows that have one");
        let many: Vec<i32> = (0..1_001).collect();
        assert!(found(&df! {"y" => many}.unwrap()).is_err());
        let later = df! {"y" => [9i32, 3]}.unwrap();
        let error = classes(&later, "y", &Classes::Known(&labels.task))
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("value `3`") && error.contains("`2`, `9`, `10`"),
            "{error}"
        );
    }

    #[test]
    fn listed_numbers_become_categories_and_halves_do_not() {
        let table = df! {"code" => [Some(3i32), None, Some(-1)], "part" => [0.5, 1.0, 2.0]}.unwrap();
        let frame = features_with(&table, &["code".into()], &["code".into()]).unwrap();
        let Some(Values::Categorical { dictionary, .. }) = frame.column("code") else {
            panic!("categories")
        };
        assert_eq!(dictionary, &["-1", "3"]);
        assert!(features_with(&table, &["part".into()], &["part".into()]).is_err());
    }
}
