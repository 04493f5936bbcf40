//! What can be wrong with data, parameters or a model file.

/// Why something could not be fitted, predicted, measured or read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    #[error("column `{column}` has {found} rows where {expected} were expected")]
    ColumnLength {
        column: String,
        found: usize,
        expected: usize,
    },
    #[error("column `{column}` stands twice")]
    DuplicateColumn { column: String },
    #[error("column `{column}` has a category code outside its dictionary")]
    CategoryCode { column: String },
    #[error("row {row} of {rows} does not exist")]
    RowOutOfRange { row: usize, rows: usize },
    #[error("column `{column}` is missing")]
    MissingColumn { column: String },
    #[error("column `{column}` is {found}, but the model was trained on {expected}")]
    ColumnType {
        column: String,
        expected: &'static str,
        found: &'static str,
    },
    #[error("there are no rows to {doing}")]
    NoRows { doing: &'static str },
    #[error("there are no features to train on")]
    NoFeatures,
    #[error("the label has only one class among the training rows")]
    OneClass,
    #[error("the label of row {row} is {value}, which is not 0 or 1")]
    NotBinary { row: usize, value: f64 },
    #[error("the label of row {row} is {value}, which is not the place of one of {classes} classes")]
    NotAClass { row: usize, value: f64, classes: usize },
    #[error("the label of row {row} is {value}; it must be {rule}")]
    LabelRange {
        row: usize,
        value: f64,
        rule: &'static str,
    },
    #[error("column `{column}` has the category `{category}`, which did not occur in training")]
    UnseenCategory { column: String, category: String },
    #[error("the model predicts {found}, not {expected}")]
    OtherPredictions {
        expected: &'static str,
        found: &'static str,
    },
    #[error("row {row} has the count {value}; counts are at least 0")]
    NegativeCount { row: usize, value: f64 },
    #[error("the exposure `{column}` of row {row} is {value}; it must be above 0")]
    Exposure { column: String, row: usize, value: f64 },
    #[error("the label of row {row} is {value}; it must be {rule}")]
    Target {
        row: usize,
        value: f64,
        rule: &'static str,
    },
    #[error("the {what} of row {row} is not a finite number")]
    NotFinite { what: &'static str, row: usize },
    #[error("the prediction of row {row} is {value}, which is no probability")]
    NotProbability { row: usize, value: f64 },
    #[error("row {row} has class {class}, but there are {classes} classes")]
    ClassOutOfRange { row: usize, class: u32, classes: usize },
    #[error("row {row} is outside what the metric is defined for: {rule}")]
    OutOfDomain { row: usize, rule: &'static str },
    #[error(
        "{groups} groups of {rows} rows cannot be judged: it takes at least 2, and more rows than groups"
    )]
    Clusters { groups: usize, rows: usize },
    #[error("the model cannot be explained so: {why}")]
    NotExplained { why: &'static str },
    #[error("the weights must be at least 0 and not all 0")]
    Weights,
    #[error("{left_name} has {left} rows and {right_name} has {right}")]
    LengthMismatch {
        left_name: &'static str,
        left: usize,
        right_name: &'static str,
        right: usize,
    },
    #[error("parameter `{name}` is {value}; it must be {rule}")]
    Parameter {
        name: &'static str,
        value: String,
        rule: &'static str,
    },
    #[error("`{algorithm}` cannot be trained for {task}")]
    WrongTask {
        algorithm: &'static str,
        task: &'static str,
    },
    #[error("worker threads could not be started")]
    Threads,
    #[error("training was stopped")]
    Stopped,
    #[error("not a model file: {0}")]
    Format(String),
}
