//! A parameter as the schema, the reference and a search know it.

use serde_json::{Map, Value, json};

/// One parameter of an algorithm or of preprocessing. Its default is the algorithm's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// What it does, in sentences.
    pub(crate) doc: &'static str,
    pub(crate) kind: Kind,
    /// What no value means, if there may be none.
    pub(crate) none: Option<&'static str>,
    pub(crate) unit: Option<&'static str>,
    /// The paper, or the parameter of another library that it equals.
    pub(crate) source: &'static str,
    /// What other libraries call it.
    pub(crate) aliases: &'static [&'static str],
    /// What a search tries where nobody says what to try.
    pub(crate) tuned: Option<Tuned>,
}

/// Values a parameter may have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Integer {
        least: i64,
        most: i64,
    },
    Number {
        low: Bound,
        high: Bound,
    },
    Flag,
    /// One of these words, each with its meaning.
    Words(&'static [(&'static str, &'static str)]),
    /// What this schema allows.
    Form(fn() -> Value),
}

/// An end of a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    Open,
    /// The end itself is allowed.
    At(f64),
    /// The end itself is not allowed.
    Beyond(f64),
}

/// What a search tries by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tuned {
    Int(i64, i64),
    LogInt(i64, i64),
    Float(f64, f64),
    Log(f64, f64),
    Words(&'static [&'static str]),
}

impl Parameter {
    const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            doc,
            kind,
            none: None,
            unit: None,
            source: "",
            aliases: &[],
            tuned: None,
        }
    }

    /// A whole number, ends included.
    pub(super) const fn integer(name: &'static str, least: i64, most: i64, doc: &'static str) -> Self {
        Self::new(name, Kind::Integer { least, most }, doc)
    }

    pub(super) const fn number(name: &'static str, low: Bound, high: Bound, doc: &'static str) -> Self {
        Self::new(name, Kind::Number { low, high }, doc)
    }

    /// A number of at least 0.
    pub(super) const fn at_least_0(name: &'static str, doc: &'static str) -> Self {
        Self::number(name, Bound::At(0.0), Bound::Open, doc)
    }

    /// A number above 0.
    pub(super) const fn above_0(name: &'static str, doc: &'static str) -> Self {
        Self::number(name, Bound::Beyond(0.0), Bound::Open, doc)
    }

    /// A number above 0 and at most 1.
    pub(super) const fn share(name: &'static str, doc: &'static str) -> Self {
        Self::number(name, Bound::Beyond(0.0), Bound::At(1.0), doc)
    }

    pub(super) const fn flag(name: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Flag, doc)
    }

    pub(super) const fn words(
        name: &'static str,
        words: &'static [(&'static str, &'static str)],
        doc: &'static str,
    ) -> Self {
        Self::new(name, Kind::Words(words), doc)
    }

    pub(super) const fn form(name: &'static str, schema: fn() -> Value, doc: &'static str) -> Self {
        Self::new(name, Kind::Form(schema), doc)
    }

    /// It may be absent, which means this.
    pub(super) const fn or_none(mut self, meaning: &'static str) -> Self {
        self.none = Some(meaning);
        self
    }

    pub(super) const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    pub(super) const fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    pub(super) const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(super) const fn tuned(mut self, tuned: Tuned) -> Self {
        self.tuned = Some(tuned);
        self
    }

    /// Its JSON Schema with our keywords `x-unit`, `x-source`, `x-none` and `x-aliases`.
    pub(crate) fn schema(&self, default: Option<&Value>) -> Map<String, Value> {
        let mut schema = Map::new();
        schema.insert("description".to_owned(), json!(self.doc));
        let typed = |name: &str| match self.none {
            Some(_) => json!([name, "null"]),
            None => json!(name),
        };
        match self.kind {
            Kind::Integer { least, most } => {
                schema.insert("type".to_owned(), typed("integer"));
                schema.insert("minimum".to_owned(), json!(least));
                if most < i64::MAX {
                    schema.insert("maximum".to_owned(), json!(most));
                }
            }
            Kind::Number { low, high } => {
                schema.insert("type".to_owned(), typed("number"));
                for (bound, at, beyond) in [
                    (low, "minimum", "exclusiveMinimum"),
                    (high, "maximum", "exclusiveMaximum"),
                ] {
                    match bound {
                        Bound::Open => {}
                        Bound::At(value) => {
                            schema.insert(at.to_owned(), json!(value));
                        }
                        Bound::Beyond(value) => {
                            schema.insert(beyond.to_owned(), json!(value));
                        }
                    }
                }
            }
            Kind::Flag => {
                schema.insert("type".to_owned(), typed("boolean"));
            }
            Kind::Words(words) => {
                schema.insert("oneOf".to_owned(), constants(words));
            }
            Kind::Form(form) => {
                if let Value::Object(form) = form() {
                    schema.extend(form);
                }
            }
        }
        if let Some(default) = default {
            schema.insert("default".to_owned(), default.clone());
        }
        if let Some(none) = self.none {
            schema.insert("x-none".to_owned(), json!(none));
        }
        if let Some(unit) = self.unit {
            schema.insert("x-unit".to_owned(), json!(unit));
        }
        if !self.source.is_empty() {
            schema.insert("x-source".to_owned(), json!(self.source));
        }
        if !self.aliases.is_empty() {
            schema.insert("x-aliases".to_owned(), json!(self.aliases));
        }
        schema
    }

    /// Why a value cannot be taken, as far as type and range say it.
    pub(crate) fn fault(&self, value: &Value) -> Option<String> {
        if value.is_null() {
            return None;
        }
        let number = value.as_f64();
        match self.kind {
            Kind::Integer { least, most } => match value.as_i64() {
                Some(value) if (least..=most).contains(&value) => None,
                _ if most == i64::MAX => Some(format!("it has to be a whole number of at least {least}")),
                _ => Some(format!("it has to be a whole number from {least} to {most}")),
            },
            Kind::Number { low, high } => {
                let fits = number.is_some_and(|number| {
                    let above = match low {
                        Bound::Open => true,
                        Bound::At(low) => number >= low,
                        Bound::Beyond(low) => number > low,
                    };
                    let below = match high {
                        Bound::Open => true,
                        Bound::At(high) => number <= high,
                        Bound::Beyond(high) => number < high,
                    };
                    above && below
                });
                (!fits).then(|| format!("it has to be a number{}", limits(low, high)))
            }
            Kind::Flag => (!value.is_boolean()).then(|| "it has to be `true` or `false`".to_owned()),
            Kind::Words(words) => {
                let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let known = value.as_str().is_some_and(|word| names.contains(&word));
                (!known).then(|| format!("it has to be one of {}", crate::fault::list(&names)))
            }
            Kind::Form(_) => None,
        }
    }
}

fn limits(low: Bound, high: Bound) -> String {
    let low = match low {
        Bound::Open => None,
        Bound::At(low) => Some(format!("of at least {low}")),
        Bound::Beyond(low) => Some(format!("above {low}")),
    };
    let high = match high {
        Bound::Open => None,
        Bound::At(high) => Some(format!("of at most {high}")),
        Bound::Beyond(high) => Some(format!("below {high}")),
    };
    let both: Vec<String> = low.into_iter().chain(high).collect();
    match both.is_empty() {
        true => String::new(),
        false => format!(" {}", both.join(" and ")),
    }
}

/// Alternatives of one word each.
pub(super) fn constants(words: &[(&str, &str)]) -> Value {
    words
        .iter()
        .map(|(word, doc)| json!({"const": word, "description": doc}))
        .collect()
}

/// A closed map of these parameters; defaults are looked up in `defaults`.
pub(crate) fn closed<'p>(
    parameters: impl IntoIterator<Item = &'p Parameter>,
    defaults: &Map<String, Value>,
) -> Value {
    let properties: Map<String, Value> = parameters
        .into_iter()
        .map(|parameter| {
            let schema = parameter.schema(defaults.get(parameter.name));
            (parameter.name.to_owned(), Value::Object(schema))
        })
        .collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}
