//! Numbers and pieces of texts.

use super::build::Build;
use crate::inference::with;
use indexmap::IndexMap;
use polars::prelude::{
    Column, DataType as PolarsType, Field, Float64Type, IntoColumn, IntoSeries, ListBuilderTrait,
    ListPrimitiveChunkedBuilder, PolarsResult, col, lit,
};
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::DataType;
use trainyard_contract::finding::{Finding, Path};

/// What is made of a text. Names of the features begin with the column's unless given.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    /// Whole numbers `COLUMN_length` and the like, and the text itself in another form.
    #[serde(default)]
    parts: Vec<TextPart>,
    /// Feature → regular expression: its first group, or all of it if it has none; missing where it does
    /// not match.
    #[serde(default)]
    extract: IndexMap<String, String>,
    /// Feature → regular expression: how often it matches.
    #[serde(default)]
    count: IndexMap<String, String>,
    /// Words or letters in a fixed number of columns.
    #[serde(default)]
    hash: Option<Hash>,
}

/// A number or form of a text.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TextPart {
    /// Characters.
    Length,
    /// Words, as far as white space parts them.
    Words,
    /// Digits 0 to 9.
    Digits,
    /// Letters in upper case.
    Uppers,
    /// The text in lower case, without white space at its ends.
    Lower,
    /// Its first letter.
    First,
}

/// Counts of words or letters, hashed into columns `COLUMN_hash_0` … (Weinberger et al., 2009).
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hash {
    /// How many columns.
    #[schemars(range(min = 1, max = 4096))]
    buckets: u32,
    /// What is counted: words in lower case, or letters. Default: `words`.
    #[serde(default)]
    of: Unit,
    /// Least number of them in a row that are counted together. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 8))]
    from: u32,
    /// Greatest number of them in a row that are counted together. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 8))]
    to: u32,
    /// Whether counts are weighed by how few texts have them: tf-idf, fitted. Default: false.
    #[serde(default)]
    idf: bool,
}

fn one() -> u32 {
    1
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    #[default]
    Words,
    Letters,
}

/// Holds a text's counts until they are columns.
const COUNTS: &str = "__counts";

pub(super) fn text(build: &mut Build<'_>) {
    let params = build.params;
    for (column, text) in &params.text {
        let path = with("text").key(column);
        if !build.has(column, path.clone()) {
            continue;
        }
        let data_type = build
            .flow
            .facts
            .get(column)
            .map(|fact| fact.column.data_type.clone());
        if data_type != Some(DataType::String) {
            let data_type = data_type
                .map(|data_type| data_type.to_string())
                .unwrap_or_default();
            let message = format!("`{column}` is of type {data_type}, this takes text");
            build
                .findings
                .push(Finding::error("D01/wrong-column-type", path, message).at_word(column));
            continue;
        }
        for (at, part) in text.parts.iter().enumerate() {
            let count = |pattern: &str| col(column).str().count_matches(lit(pattern), false);
            let (name, value) = match part {
                TextPart::Length => ("length", col(column).str().len_chars()),
                TextPart::Words => ("words", count(r"\S+")),
                TextPart::Digits => ("digits", count("[0-9]")),
                TextPart::Uppers => ("uppers", count(r"\p{Lu}")),
                TextPart::Lower => (
                    "lower",
                    col(column)
                        .str()
                        .to_lowercase()
                        .str()
                        .strip_chars(lit(polars::prelude::NULL)),
                ),
                TextPart::First => ("first", col(column).str().slice(lit(0), lit(1))),
            };
            build.derive(&format!("{column}_{name}"), value, &path.key("parts").index(at));
        }
        for (name, pattern) in &text.extract {
            let path = path.key("extract").key(name);
            if let Some(groups) = groups(build, pattern, &path) {
                let value = col(column)
                    .str()
                    .extract(lit(pattern.as_str()), usize::from(groups > 0));
                build.derive(name, value, &path);
            }
        }
        for (name, pattern) in &text.count {
            let path = path.key("count").key(name);
            if groups(build, pattern, &path).is_some() {
                let value = col(column).str().count_matches(lit(pattern.as_str()), false);
                build.derive(name, value, &path);
            }
        }
        if let Some(hash) = &text.hash {
            hashed(build, column, hash, &path.key("hash"));
        }
    }
}

/// How many groups a regular expression has; a finding if it is none.
fn groups(build: &mut Build<'_>, pattern: &str, path: &Path) -> Option<usize> {
    match regex::Regex::new(pattern) {
        Ok(regex) => Some(regex.captures_len() - 1),
        Err(error) => {
            let message = error.to_string();
            let last = message
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            let message = format!("this is no regular expression: {last}");
            build.findings.push(Finding::error("S01", path.clone(), message));
            None
        }
    }
}

fn hashed(build: &mut Build<'_>, column: &str, hash: &Hash, path: &Path) {
    if hash.from > hash.to || hash.buckets == 0 || hash.buckets > 4096 || hash.to > 8 {
        let finding = Finding::error(
            "S01",
            path.clone(),
            "`from` is at most `to`, which is at most 8; `buckets` is 1 to 4096",
        );
        build.findings.push(finding);
        return;
    }
    let settings = hash.clone();
    let counts = col(column).map(
        move |texts| count_all(&texts, &settings),
        |_, field| {
            Ok(Field::new(
                field.name().clone(),
                PolarsType::List(Box::new(PolarsType::Float64)),
            ))
        },
    );
    if !build.put(COUNTS, counts, path) {
        return;
    }
    for bucket in 0..hash.buckets {
        let name = format!("{column}_hash_{bucket}");
        build.derive(&name, col(COUNTS).list().get(lit(bucket), true), path);
        if hash.idf {
            build.weighted.insert(name);
        }
    }
    build.drop_column(COUNTS);
}

/// Counts of each text, as lists of `buckets` numbers.
fn count_all(texts: &Column, hash: &Hash) -> PolarsResult<Column> {
    let texts = texts.str()?;
    let buckets = hash.buckets as usize;
    let mut lists: ListPrimitiveChunkedBuilder<Float64Type> = ListPrimitiveChunkedBuilder::new(
        texts.name().clone(),
        texts.len(),
        texts.len() * buckets,
        PolarsType::Float64,
    );
    let mut counts = vec![0.0; buckets];
    for text in texts.iter() {
        match text {
            Some(text) => {
                counts.fill(0.0);
                count(text, hash, &mut counts);
                lists.append_slice(&counts);
            }
            None => lists.append_null(),
        }
    }
    Ok(lists.finish().into_series().into_column())
}

fn count(text: &str, hash: &Hash, counts: &mut [f64]) {
    let lower = text.to_lowercase();
    let units: Vec<String> = match hash.of {
        Unit::Words => lower
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        Unit::Letters => lower.chars().map(String::from).collect(),
    };
    for size in hash.from..=hash.to {
        for gram in units.windows(size as usize) {
            let bucket = fnv(gram) % counts.len() as u64;
            if let Some(count) = usize::try_from(bucket)
                .ok()
                .and_then(|bucket| counts.get_mut(bucket))
            {
                *count += 1.0;
            }
        }
    }
}

/// FNV-1a over the units and a separator: the same on every machine and in every version.
fn fnv(gram: &[String]) -> u64 {
    let bytes = gram.iter().flat_map(|unit| unit.bytes().chain([0x1f]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits of FNV alone are weak for few buckets.
    hash ^ (hash >> 29)
}
