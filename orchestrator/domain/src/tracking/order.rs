//! In what order results come.

use super::filter::{Dialect, Subject};
use super::{Attribute, Refusal};

/// One key of an order. In both directions values come first, then NaN, then what has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub by: Subject,
    pub descending: bool,
    /// Metrics of logged models: only those measured on this dataset, by name and digest.
    pub dataset: (Option<String>, Option<String>),
}

impl Order {
    /// By that attribute.
    pub fn by(attribute: Attribute, descending: bool) -> Self {
        Self {
            by: Subject::Attribute(attribute),
            descending,
            dataset: (None, None),
        }
    }

    /// Reads one clause such as `metrics.acc DESC`.
    ///
    /// # Errors
    /// With the sentence that clients know.
    pub fn parse(dialect: Dialect, text: &str) -> Result<Self, Refusal> {
        let clause = text.trim();
        let unread = || Refusal::invalid(format!("Invalid order_by clause '{text}'. Could not be parsed."));
        let (subject, direction) = split(clause).ok_or_else(unread)?;
        let descending = match direction.to_ascii_lowercase().as_str() {
            "" | "asc" => false,
            "desc" => true,
            other if other.contains(' ') || other.contains(',') => return Err(unread()),
            _ => {
                return Err(Refusal::invalid(format!(
                    "Invalid ordering key in order_by clause '{text}'."
                )));
            }
        };
        let by = dialect.subject(subject).map_err(|refused| match dialect {
            Dialect::Models => Refusal::invalid(format!(
                "Invalid order by key '{subject}' specified. Valid keys are '{{'name', 'timestamp'}}'"
            )),
            _ => refused,
        })?;
        let is_orderable = match dialect {
            Dialect::Runs => !matches!(by, Subject::Dataset(_)),
            Dialect::Experiments | Dialect::Models | Dialect::Versions => matches!(by, Subject::Attribute(_)),
            Dialect::LoggedModels => matches!(by, Subject::Attribute(_) | Subject::Metric(_)),
        };
        if !is_orderable {
            return Err(Refusal::invalid(format!("Invalid order_by entity: {subject}")));
        }
        Ok(Self {
            by,
            descending,
            dataset: (None, None),
        })
    }

    /// Reads all clauses.
    ///
    /// # Errors
    /// As [`Order::parse`].
    pub fn parse_all<'a>(
        dialect: Dialect,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Self>, Refusal> {
        texts.into_iter().map(|text| Self::parse(dialect, text)).collect()
    }
}

/// A clause's subject and what is behind it.
fn split(clause: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in clause.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '`') => quote = Some(c),
            (None, c) if c.is_whitespace() => return Some((&clause[..at], clause[at..].trim())),
            (None, '\'' | ';' | '(' | ')' | '=' | '<' | '>') => return None,
            _ => {}
        }
    }
    (quote.is_none() && !clause.is_empty()).then_some((clause, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_read_and_others_refused() {
        let runs = |text| Order::parse(Dialect::Runs, text);
        let order = runs("metrics.`a b` DESC").unwrap();
        assert_eq!(
            (order.by, order.descending),
            (Subject::Metric("a b".to_owned()), true)
        );
        assert_eq!(
            runs("start_time").unwrap(),
            Order::by(Attribute::StartTime, false)
        );
        assert_eq!(
            runs("attributes.end_time aSc").unwrap(),
            Order::by(Attribute::EndTime, false)
        );
        for (text, said) in [
            (
                "metrics.a up",
                "Invalid ordering key in order_by clause 'metrics.a up'.",
            ),
            (
                "metrics.a; DROP",
                "Invalid order_by clause 'metrics.a; DROP'. Could not be parsed.",
            ),
            ("", "Invalid order_by clause ''. Could not be parsed."),
            (
                "metrics.`a",
                "Invalid order_by clause 'metrics.`a'. Could not be parsed.",
            ),
        ] {
            assert_eq!(runs(text).unwrap_err().message, said);
        }
        assert!(runs("bogus").is_err());
        assert!(Order::parse(Dialect::Models, "tags.a").is_err());
        assert_eq!(
            Order::parse(Dialect::Models, "timestamp DESC").unwrap(),
            Order::by(Attribute::UpdatedAt, true)
        );
    }
}
