//! From words to a tree.

use super::lexer::{Kind, Token, shown, tokens};
use super::{Attribute, Comparator, Comparison, Condition, Dialect, Filter, Subject, TextTest};
use crate::tracking::Refusal;

/// Parentheses within parentheses.
const DEEPEST: usize = 64;
/// Values of one list.
const LONGEST_LIST: usize = 10_000;

pub(super) fn parse(dialect: Dialect, text: &str) -> Result<Filter, Refusal> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Filter::And(Vec::new()));
    }
    let mut parser = Parser {
        dialect,
        text,
        tokens: &tokens,
        at: 0,
    };
    let filter = parser.either(0)?;
    match parser.peek() {
        None => Ok(filter),
        Some(token) => Err(parser.clause(token.text)),
    }
}

struct Parser<'a> {
    dialect: Dialect,
    text: &'a str,
    tokens: &'a [Token<'a>],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'a Token<'a>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn takes(&mut self, kind: &Kind) -> bool {
        let is_it = self.peek().is_some_and(|token| token.kind == *kind);
        self.at += usize::from(is_it);
        is_it
    }

    fn clause(&self, text: &str) -> Refusal {
        Refusal::invalid(format!("Invalid clause(s) in filter string: '{}'", shown(text)))
    }

    fn either(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let mut all = vec![self.both(depth)?];
        while self.takes(&Kind::Word("OR")) {
            all.push(self.both(depth)?);
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Filter::Or(all),
        })
    }

    fn both(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let mut all = vec![self.term(depth)?];
        while self.takes(&Kind::Word("AND")) {
            all.push(self.term(depth)?);
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Filter::And(all),
        })
    }

    fn term(&mut self, depth: usize) -> Result<Filter, Refusal> {
        if self.takes(&Kind::Open) {
            if depth >= DEEPEST {
                return Err(Refusal::invalid(format!(
                    "Invalid filter: more than {DEEPEST} parentheses within each other."
                )));
            }
            let inner = self.either(depth + 1)?;
            if !self.takes(&Kind::Close) {
                return Err(self.clause(self.text));
            }
            return Ok(inner);
        }
        self.comparison().map(Filter::Is)
    }

    fn comparison(&mut self) -> Result<Comparison, Refusal> {
        let Some(first) = self.next() else {
            return Err(self.clause(self.text));
        };
        if !matches!(first.kind, Kind::Identifier | Kind::Text(_)) || first.text.starts_with('\'') {
            return Err(self.clause(first.text));
        }
        let Some(second) = self.next() else {
            return Err(self.clause(first.text));
        };
        let subject = |parser: &Self| parser.dialect.subject(first.text);
        match &second.kind {
            Kind::Word("IS") => {
                let is_not = self.takes(&Kind::Word("NOT"));
                if !self.takes(&Kind::Word("NULL")) {
                    return Err(self.clause(self.text));
                }
                let subject = subject(self)?;
                if !matches!(subject, Subject::Tag(_) | Subject::Param(_)) {
                    return Err(Refusal::invalid(format!(
                        "IS NULL / IS NOT NULL is only supported for tags and params, not for '{}'",
                        first.text
                    )));
                }
                let condition = if is_not {
                    Condition::Present
                } else {
                    Condition::Absent
                };
                Ok(Comparison { subject, condition })
            }
            Kind::Word("NOT") if self.takes(&Kind::Word("IN")) => {
                let subject = subject(self)?;
                let list = self.list(&subject)?;
                Ok(Comparison {
                    subject,
                    condition: Condition::NotAmong(list),
                })
            }
            Kind::Word("IN") => {
                let subject = subject(self)?;
                let list = self.list(&subject)?;
                Ok(Comparison {
                    subject,
                    condition: Condition::Among(list),
                })
            }
            Kind::Word("LIKE" | "ILIKE" | "RLIKE") | Kind::Sign => {
                let Some(value) = self.next() else {
                    return Err(self.clause(self.text));
                };
                let subject = subject(self)?;
                let condition = self.condition(&subject, second.text, value)?;
                Ok(Comparison { subject, condition })
            }
            _ => Err(self.clause(&format!("{} {}", first.text, second.text))),
        }
    }

    fn condition(&self, subject: &Subject, sign: &str, value: &Token<'_>) -> Result<Condition, Refusal> {
        let is_number = match subject {
            Subject::Metric(_) => true,
            Subject::Attribute(attribute) => attribute.is_number(),
            _ => false,
        };
        if is_number {
            let Kind::Number(number) = value.kind else {
                return Err(Refusal::invalid(match subject {
                    Subject::Metric(_) => {
                        format!(
                            "Expected numeric value type for metric. Found {}",
                            shown(value.text)
                        )
                    }
                    _ => format!(
                        "Expected numeric value type for numeric attribute. Found {}",
                        shown(value.text)
                    ),
                }));
            };
            let comparator = Comparator::ALL.iter().find(|(known, _)| *known == sign);
            return match comparator {
                Some((_, comparator)) => Ok(Condition::Number(*comparator, number)),
                None => Err(Refusal::invalid(format!(
                    "Invalid comparator '{sign}' not one of '{{'!=', '<', '<=', '=', '>', '>='}}"
                ))),
            };
        }
        let Kind::Text(text) = &value.kind else {
            return Err(match (subject, &value.kind) {
                (_, Kind::Identifier) => Refusal::invalid(format!(
                    "Parameter value is either not quoted or unidentified quote types used for string value {}. \
                     Use either single or double quotes.",
                    shown(value.text)
                )),
                (Subject::Attribute(_), _) => Refusal::invalid(format!(
                    "Expected a quoted string value for attributes. Got value {}",
                    shown(value.text)
                )),
                (Subject::Dataset(_), _) => Refusal::invalid(format!(
                    "Expected a quoted string value for dataset attributes. Got value {}",
                    shown(value.text)
                )),
                (subject, _) => Refusal::invalid(format!(
                    "Expected a quoted string value for {} (e.g. 'my-value'). Got value {}",
                    if matches!(subject, Subject::Param(_)) {
                        "parameter"
                    } else {
                        "tag"
                    },
                    shown(value.text)
                )),
            });
        };
        let test = match sign.to_ascii_uppercase().as_str() {
            "=" => TextTest::Equal,
            "!=" => TextTest::NotEqual,
            "LIKE" => TextTest::Like,
            "ILIKE" => TextTest::Ilike,
            _ => {
                return Err(Refusal::invalid(format!(
                    "Invalid comparator '{sign}' not one of '{{'!=', '=', 'ILIKE', 'LIKE'}}'"
                )));
            }
        };
        Ok(Condition::Text(test, text.clone()))
    }

    fn list(&mut self, subject: &Subject) -> Result<Vec<String>, Refusal> {
        let takes_lists = match subject {
            Subject::Attribute(attribute) => {
                matches!(attribute, Attribute::RunId)
                    || (self.dialect == Dialect::LoggedModels && !attribute.is_number())
            }
            Subject::Dataset(_) => true,
            _ => false,
        };
        if !takes_lists {
            return Err(Refusal::invalid(
                "Only ['run_id'] attributes support comparison with a list of quoted string values.",
            ));
        }
        let ill_formed = || {
            Refusal::invalid(
                "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.",
            )
        };
        if !self.takes(&Kind::Open) {
            return Err(ill_formed());
        }
        let mut values = Vec::new();
        loop {
            match self.next().map(|token| &token.kind) {
                Some(Kind::Text(text)) if values.len() < LONGEST_LIST => values.push(text.clone()),
                Some(Kind::Close) if values.is_empty() => {
                    return Err(Refusal::invalid(
                        "While parsing a list in the query, expected a non-empty list of string values, but got empty list",
                    ));
                }
                _ => return Err(ill_formed()),
            }
            if self.takes(&Kind::Close) {
                return Ok(values);
            }
            if !self.takes(&Kind::Comma) {
                return Err(ill_formed());
            }
        }
    }
}
