//! What a search asks for: the grammar of MLflow's filters as a typed tree.
//!
//! ```text
//! filter     = and { OR and }            OR and parentheses are ours; AND alone is MLflow's
//! and        = term { AND term }
//! term       = "(" filter ")" | comparison
//! comparison = subject ( > | >= | = | != | < | <= ) value
//!            | subject ( LIKE | ILIKE ) text
//!            | subject [NOT] IN "(" text { "," text } ")"
//!            | subject IS [NOT] NULL
//! subject    = [ entity "." ] key        keys may stand in "…" or `…`
//! ```
//!
//! A tree says nothing of SQL; every value and every key in it is data.

mod lexer;
mod parser;

use super::Refusal;

/// What is searched; each has its own attributes and entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Runs,
    Experiments,
    Models,
    Versions,
    LoggedModels,
}

/// A filter. An empty `And` lets everything through.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    Is(Comparison),
    And(Vec<Filter>),
    Or(Vec<Filter>),
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub subject: Subject,
    pub condition: Condition,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Metric(String),
    Param(String),
    Tag(String),
    Attribute(Attribute),
    Dataset(DatasetField),
}

/// A field of a dataset that a run has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetField {
    Name,
    Digest,
    /// The value of the input's tag `mlflow.data.context`.
    Context,
}

/// A field of what is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    RunId,
    RunName,
    Status,
    UserId,
    ArtifactUri,
    ExperimentId,
    StartTime,
    EndTime,
    Name,
    CreatedAt,
    UpdatedAt,
    ModelId,
    ModelType,
    SourceRunId,
    SourcePath,
    VersionNumber,
}

impl Attribute {
    /// Whether it is compared with numbers.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Self::StartTime | Self::EndTime | Self::CreatedAt | Self::UpdatedAt | Self::VersionNumber
        )
    }
}

/// What must hold of the subject.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Of a number.
    Number(Comparator, f64),
    /// Of a text.
    Text(TextTest, String),
    /// It is one of these.
    Among(Vec<String>),
    /// It is there and none of these.
    NotAmong(Vec<String>),
    /// There is no such tag or parameter.
    Absent,
    Present,
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Comparator {
    const ALL: [(&'static str, Self); 6] = [
        ("<", Self::Less),
        ("<=", Self::LessOrEqual),
        ("=", Self::Equal),
        ("!=", Self::NotEqual),
        (">=", Self::GreaterOrEqual),
        (">", Self::Greater),
    ];

    /// The sign.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, comparator)| *comparator == self)
            .map_or("=", |(sign, _)| sign)
    }
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTest {
    Equal,
    NotEqual,
    /// `%` stands for any text, `_` for one character; the case of letters counts.
    Like,
    /// The same, and it does not.
    Ilike,
}

impl Filter {
    /// Reads a filter; an empty text lets everything through.
    ///
    /// # Errors
    /// With the sentence that clients know.
    pub fn parse(dialect: Dialect, text: &str) -> Result<Self, Refusal> {
        parser::parse(dialect, text)
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut all) => {
                all.push(other);
                Self::And(all)
            }
            one => Self::And(vec![one, other]),
        }
    }
}

impl Dialect {
    /// The subject that an identifier names, such as `metrics.acc` or ``tags.`a b` ``.
    ///
    /// # Errors
    /// If there is no such entity, or it has no such field.
    pub fn subject(self, text: &str) -> Result<Subject, Refusal> {
        let text = text.trim();
        let begins_quoted = text.starts_with(['"', '`']);
        let (entity, key) = match text.split_once('.') {
            Some((entity, key)) if !begins_quoted => (Some(entity), unquoted(key)),
            _ => (None, unquoted(text)),
        };
        let entity = match entity {
            None => "attribute",
            Some(entity) => self.entity(entity)?,
        };
        Ok(match entity {
            "metric" => Subject::Metric(key.to_owned()),
            "parameter" => Subject::Param(key.to_owned()),
            "tag" => Subject::Tag(key.to_owned()),
            "dataset" => Subject::Dataset(match key {
                "name" => DatasetField::Name,
                "digest" => DatasetField::Digest,
                "context" => DatasetField::Context,
                _ => {
                    return Err(Refusal::invalid(format!(
                        "Invalid dataset key '{key}' specified. Valid keys are '{{'context', 'digest', 'name'}}'"
                    )));
                }
            }),
            _ => Subject::Attribute(self.attribute(key)?),
        })
    }

    fn entity(self, text: &str) -> Result<&'static str, Refusal> {
        const ENTITIES: [(&str, &[&str]); 5] = [
            ("metric", &["metric", "metrics"]),
            ("parameter", &["parameter", "parameters", "param", "params"]),
            ("tag", &["tag", "tags"]),
            ("attribute", &["attribute", "attributes", "attr", "run"]),
            ("dataset", &["dataset", "datasets"]),
        ];
        let known = ENTITIES
            .iter()
            .find(|(_, names)| names.contains(&unquoted(text)))
            .map(|(entity, _)| *entity);
        let of_this = match self {
            Self::Runs => ENTITIES.map(|(entity, _)| entity).to_vec(),
            Self::LoggedModels => vec!["metric", "parameter", "tag", "attribute"],
            Self::Experiments | Self::Models | Self::Versions => vec!["tag", "attribute"],
        };
        known.filter(|entity| of_this.contains(entity)).ok_or_else(|| {
            let valid = match self {
                Self::Runs => "Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
                Self::LoggedModels => "Valid values are ['metric', 'parameter', 'tag', 'attribute']",
                _ => "Valid entity types are ('attribute', 'tag', 'tags')",
            };
            Refusal::invalid(format!("Invalid entity type '{text}'. {valid}"))
        })
    }

    fn attribute(self, key: &str) -> Result<Attribute, Refusal> {
        use Attribute::{
            ArtifactUri, CreatedAt, EndTime, ExperimentId, ModelId, ModelType, Name, RunId, RunName,
            SourcePath, SourceRunId, StartTime, Status, UpdatedAt, UserId, VersionNumber,
        };
        let known: &[(&str, Attribute)] = match self {
            Self::Runs => &[
                ("run_id", RunId),
                ("run_name", RunName),
                ("run name", RunName),
                ("Run name", RunName),
                ("Run Name", RunName),
                ("status", Status),
                ("user_id", UserId),
                ("artifact_uri", ArtifactUri),
                ("experiment_id", ExperimentId),
                ("start_time", StartTime),
                ("created", StartTime),
                ("Created", StartTime),
                ("end_time", EndTime),
            ],
            Self::Experiments => &[
                ("name", Name),
                ("experiment_id", ExperimentId),
                ("creation_time", CreatedAt),
                ("last_update_time", UpdatedAt),
            ],
            Self::Models => &[
                ("name", Name),
                ("timestamp", UpdatedAt),
                ("last_updated_timestamp", UpdatedAt),
                ("creation_timestamp", CreatedAt),
            ],
            Self::Versions => &[
                ("name", Name),
                ("version_number", VersionNumber),
                ("run_id", RunId),
                ("source_path", SourcePath),
                ("creation_timestamp", CreatedAt),
                ("last_updated_timestamp", UpdatedAt),
            ],
            Self::LoggedModels => &[
                ("name", Name),
                ("model_name", Name),
                ("model_id", ModelId),
                ("model_type", ModelType),
                ("status", Status),
                ("source_run_id", SourceRunId),
                ("experiment_id", ExperimentId),
                ("creation_timestamp", CreatedAt),
                ("creation_time", CreatedAt),
                ("creation_timestamp_ms", CreatedAt),
                ("last_updated_timestamp", UpdatedAt),
                ("last_updated_timestamp_ms", UpdatedAt),
            ],
        };
        known
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, attribute)| *attribute)
            .ok_or_else(|| {
                let names: Vec<String> = known.iter().map(|(name, _)| format!("'{name}'")).collect();
                Refusal::invalid(format!(
                    "Invalid attribute key '{key}' specified. Valid keys are '{{{}}}'",
                    names.join(", ")
                ))
            })
    }
}

/// A text without the quotes around it.
fn unquoted(text: &str) -> &str {
    ['"', '`', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests;
