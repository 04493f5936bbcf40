//! A contract drafted from data: what all rows show, with remarks on what only a person can know.

use crate::data_type;
use crate::dataset::{self, Access, Block, Intake};
use polars::prelude::{Column, DataType as PolarsType, Series};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use trainyard_contract::task::DatasetRef;
use trainyard_contract::{ContentHash, DataType, ReaderOptions, StepError, yaml};

/// Distinct values kept of a column; more are no set.
const MOST_VALUES: usize = 50;
/// A set is proposed if each value occurs this often on average.
const TIMES_EACH: u64 = 20;
/// Keys looked at; beyond that uniqueness is not claimed.
const MOST_KEYS: usize = 4_000_000;
/// Columns out of which keys of two are tried.
const KEY_CANDIDATES: usize = 8;

/// A drafted contract.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The file, with remarks.
    pub yaml: String,
    pub rows: u64,
    pub columns: usize,
}

/// What is seen of a column.
struct Seen {
    data_type: DataType,
    missing: u64,
    values: BTreeSet<String>,
    has_too_many_values: bool,
    keys: HashSet<u64>,
    is_unique: bool,
    least: Option<f64>,
    greatest: Option<f64>,
    earliest: Option<String>,
    latest: Option<String>,
    /// How all texts are built, as classes of characters with their number.
    shape: Option<String>,
    has_one_shape: bool,
    emails: u64,
    phones: u64,
    texts: u64,
}

struct Profile {
    rows: u64,
    columns: Vec<(String, Seen)>,
    /// Pairs of columns that may be a key: places, and the pairs of values met.
    pairs: Vec<((usize, usize), HashSet<u64>)>,
    bad_rows: u64,
}

/// Drafts a contract from files, which must agree on their columns.
///
/// # Errors
/// If the files cannot be read, or have no rows.
pub fn draft_contract(
    name: &str,
    location: &str,
    options: &ReaderOptions,
    project: &Path,
) -> Result<Draft, StepError> {
    let dataset = DatasetRef {
        name: name.to_owned(),
        location: location.to_owned(),
        folder: None,
        format: None,
        options: if *options == ReaderOptions::default() {
            Value::Null
        } else {
            json!(options)
        },
        contract: None,
        content: None,
    };
    let scratch = std::env::temp_dir();
    let access = Access {
        project,
        scratch: &scratch,
        secrets: None,
    };
    let mut profile = Profile {
        rows: 0,
        columns: Vec::new(),
        pairs: Vec::new(),
        bad_rows: 0,
    };
    dataset::stream(&dataset, None, access, &mut profile)?;
    Ok(profile.draft(name, location))
}

fn short_hash(bytes: &[u8]) -> u64 {
    let hash = ContentHash::of(bytes);
    let mut short = [0u8; 8];
    short.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(short)
}

/// The text's build: `A` a capital, `a` a small letter, `9` a digit, others as they are.
fn shape_of(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_ascii_uppercase() => 'A',
            c if c.is_ascii_lowercase() => 'a',
            c if c.is_ascii_digit() => '9',
            c => c,
        })
        .collect()
}

/// A shape as a regular expression.
fn pattern_of(shape: &str) -> String {
    let mut pattern = String::from("^");
    let characters: Vec<char> = shape.chars().collect();
    for run in characters.chunk_by(|a, b| a == b) {
        let class = match run[0] {
            'A' => "[A-Z]".to_owned(),
            'a' => "[a-z]".to_owned(),
            '9' => "[0-9]".to_owned(),
            c if c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-' | '/' | ':' | ',') => c.to_string(),
            c => format!("\\{c}"),
        };
        pattern.push_str(&class);
        if run.len() > 1 {
            pattern.push_str(&format!("{{{}}}", run.len()));
        }
    }
    pattern.push('$');
    pattern
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty()
            && !name.contains(' ')
            && host.contains('.')
            && !host.contains(['@', ' '])
            && !host.ends_with('.')
    })
}

fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (8..=15).contains(&digits)
        && (text.starts_with('+') || text.contains(['(', ' ', '-']))
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '+' | '(' | ')' | ' ' | '-' | '.'))
        && text.as_bytes().get(4) != Some(&b'-')
}

impl Seen {
    fn new(dtype: &PolarsType) -> Self {
        Self {
            data_type: data_type::from_polars(dtype),
            missing: 0,
            values: BTreeSet::new(),
            has_too_many_values: false,
            keys: HashSet::new(),
            is_unique: true,
            least: None,
            greatest: None,
            earliest: None,
            latest: None,
            shape: None,
            has_one_shape: true,
            emails: 0,
            phones: 0,
            texts: 0,
        }
    }

    fn text(&mut self, text: &str) {
        self.texts += 1;
        self.emails += u64::from(is_email(text));
        self.phones += u64::from(is_phone(text));
        if self.has_one_shape {
            let shape = shape_of(text);
            match &self.shape {
                None => self.shape = Some(shape),
                Some(known) if *known == shape => {}
                Some(_) => self.has_one_shape = false,
            }
        }
    }

    fn take(&mut self, column: &Column) -> Vec<u64> {
        let series: &Series = column.as_materialized_series();
        self.missing += series.null_count() as u64;
        let is_number = self.data_type.is_numeric();
        if (is_number || self.data_type.is_temporal())
            && let (Ok(Some(least)), Ok(Some(greatest))) = (
                series.to_physical_repr().min::<f64>(),
                series.to_physical_repr().max::<f64>(),
            )
        {
            let is_new_least = self.least.is_none_or(|known| least < known);
            let is_new_greatest = self.greatest.is_none_or(|known| greatest > known);
            if is_new_least {
                self.least = Some(least);
            }
            if is_new_greatest {
                self.greatest = Some(greatest);
            }
            let shown = |place: Option<usize>| place.and_then(|at| crate::rule::shown(series, at));
            if !is_number && is_new_least {
                self.earliest = shown(polars::prelude::ArgAgg::arg_min(series));
            }
            if !is_number && is_new_greatest {
                self.latest = shown(polars::prelude::ArgAgg::arg_max(series));
            }
        }
        let texts = series
            .cast(&PolarsType::String)
            .unwrap_or_else(|_| series.clone());
        let Ok(texts) = texts.str() else {
            self.is_unique = false;
            return vec![0; series.len()];
        };
        let is_text = self.data_type == DataType::String;
        let mut hashes = Vec::with_capacity(series.len());
        for text in texts.iter() {
            let Some(text) = text else {
                hashes.push(0);
                continue;
            };
            if is_text {
                self.text(text);
            }
            if !self.has_too_many_values && !self.values.contains(text) {
                self.values.insert(text.to_owned());
                self.has_too_many_values = self.values.len() > MOST_VALUES;
            }
            let hash = short_hash(text.as_bytes());
            if self.is_unique {
                self.is_unique = self.keys.insert(hash) && self.keys.len() < MOST_KEYS;
                if !self.is_unique {
                    self.keys = HashSet::new();
                }
            }
            hashes.push(hash);
        }
        hashes
    }

    /// The narrowest type with room for values ten times as far out.
    fn proposed_type(&self, is_text_file: bool) -> DataType {
        let (Some(least), Some(greatest)) = (self.least, self.greatest) else {
            return self.data_type.clone();
        };
        if self.data_type != DataType::Int64 || !is_text_file {
            return self.data_type.clone();
        }
        let far = least.abs().max(greatest.abs()) * 10.0;
        if far < f64::from(i16::MAX) {
            DataType::Int16
        } else if far < f64::from(i32::MAX) {
            DataType::Int32
        } else {
            DataType::Int64
        }
    }

    /// What the column may say of people, and why one thinks so.
    fn personal(&self, name: &str) -> Option<(&'static str, String)> {
        let lower = name.to_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
        let mostly = |count: u64| self.texts > 0 && count * 10 >= self.texts * 9;
        if mostly(self.emails) {
            return Some(("personal", "its values look like e-mail addresses".to_owned()));
        }
        if mostly(self.phones) {
            return Some(("personal", "its values look like telephone numbers".to_owned()));
        }
        let by_name = |class, what: &str| Some((class, format!("its name suggests {what}")));
        if has(&[
            "race",
            "ethnicity",
            "religion",
            "gender",
            "sex",
            "disability",
            "nationality",
        ]) {
            return by_name("protected", "a protected attribute");
        }
        if has(&[
            "ssn",
            "passport",
            "iban",
            "password",
            "salary",
            "diagnosis",
            "card",
        ]) {
            return by_name("personal", "an identity or money");
        }
        let is_person = has(&[
            "email",
            "phone",
            "mobile",
            "surname",
            "firstname",
            "lastname",
            "birthday",
            "dob",
            "street",
            "address",
            "ip",
        ]);
        if is_person || lower.contains("birth") || lower.contains("first_name") || lower.contains("last_name")
        {
            return by_name("personal", "a person");
        }
        None
    }
}

impl Intake for Profile {
    fn take(&mut self, block: Block) -> Result<(), StepError> {
        if self.columns.is_empty() {
            for column in block.frame.columns() {
                self.columns
                    .push((column.name().to_string(), Seen::new(column.dtype())));
            }
            let candidates: Vec<usize> = (0..self.columns.len())
                .filter(|at| {
                    !matches!(
                        self.columns[*at].1.data_type,
                        DataType::Float32 | DataType::Float64 | DataType::Boolean
                    )
                })
                .take(KEY_CANDIDATES)
                .collect();
            for (place, first) in candidates.iter().enumerate() {
                for second in &candidates[place + 1..] {
                    self.pairs.push(((*first, *second), HashSet::new()));
                }
            }
        }
        self.rows += block.frame.height() as u64;
        self.bad_rows += block.unreadable as u64;
        let mut hashes = Vec::with_capacity(self.columns.len());
        for ((_, seen), column) in self.columns.iter_mut().zip(block.frame.columns()) {
            hashes.push(seen.take(column));
        }
        self.pairs.retain_mut(|((first, second), met)| {
            if met.len() > MOST_KEYS {
                return false;
            }
            hashes[*first].iter().zip(&hashes[*second]).all(|(a, b)| {
                let is_whole = *a != 0 && *b != 0;
                is_whole && met.insert(a.rotate_left(32).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b)
            })
        });
        Ok(())
    }

    fn restart(&mut self) -> Result<(), StepError> {
        *self = Self {
            rows: 0,
            columns: Vec::new(),
            pairs: Vec::new(),
            bad_rows: 0,
        };
        Ok(())
    }
}

impl Profile {
    /// One column, or two, that tell all rows apart: identifiers by name before others.
    fn key(&self) -> Vec<String> {
        let rank = |name: &str| {
            let lower = name.to_lowercase();
            usize::from(!(lower == "id" || lower.ends_with("_id") || lower.ends_with("key")))
        };
        let is_key = |seen: &Seen| {
            seen.is_unique
                && seen.missing == 0
                && !matches!(seen.data_type, DataType::Float32 | DataType::Float64)
        };
        let mut singles: Vec<&str> = self
            .columns
            .iter()
            .filter(|(_, seen)| is_key(seen))
            .map(|(name, _)| name.as_str())
            .collect();
        singles.sort_by_key(|name| rank(name));
        if let Some(name) = singles.first() {
            return vec![(*name).to_owned()];
        }
        let name = |at: usize| self.columns[at].0.clone();
        let mut pairs: Vec<Vec<String>> = self
            .pairs
            .iter()
            .map(|((first, second), _)| vec![name(*first), name(*second)])
            .collect();
        pairs.sort_by_key(|pair| pair.iter().map(|name| rank(name)).sum::<usize>());
        pairs.into_iter().next().unwrap_or_default()
    }

    fn draft(&self, name: &str, location: &str) -> Draft {
        let is_text_file = ["parquet", "arrow", "ipc", "feather"]
            .iter()
            .all(|end| !location.ends_with(end));
        let mut remarks: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut say = |path: String, remark: String| remarks.entry(path).or_default().push(remark);
        let mut document = Map::new();
        document.insert("version".into(), json!(1));
        document.insert("name".into(), json!(name));
        say(
            "version".into(),
            format!(
                "Drafted from {location} ({} rows) by `trainyard contracts infer`. Read it before you rely on it.",
                crate::table::grouped(self.rows)
            ),
        );
        say(
            "version".into(),
            "To add: `owner`, `moments` with each column's `known_at` (without them leakage cannot be found), units.".into(),
        );
        if self.bad_rows > 0 {
            say(
                "version".into(),
                format!(
                    "{} rows could not be taken apart and were left out.",
                    self.bad_rows
                ),
            );
        }
        let times: Vec<(&str, &Seen)> = self
            .columns
            .iter()
            .filter(|(_, seen)| {
                matches!(seen.data_type, DataType::Timestamp(..) | DataType::Date) && seen.missing == 0
            })
            .map(|(name, seen)| (name.as_str(), seen))
            .collect();
        if let Some((column, seen)) = times.first() {
            document.insert("event_time".into(), json!(column));
            let span = format!(
                "{} to {}",
                seen.earliest.as_deref().unwrap_or("?"),
                seen.latest.as_deref().unwrap_or("?")
            );
            say("event_time".into(), span);
            if times.len() > 1 {
                let others: Vec<&str> = times[1..].iter().map(|(name, _)| *name).collect();
                say("event_time".into(), format!("or {}", others.join(", ")));
            }
        }
        let key = self.key();
        if !key.is_empty() {
            document.insert("primary_key".into(), json!(key));
            say(
                "primary_key".into(),
                "no two rows agree here; whether that is so for ever, you know".into(),
            );
        }
        let mut columns = Map::new();
        for (column, seen) in &self.columns {
            let path = format!("columns.{column}");
            let contract = self.column(column, seen, is_text_file, &key, &mut |remark| {
                say(path.clone(), remark)
            });
            columns.insert(column.clone(), contract);
        }
        document.insert("columns".into(), Value::Object(columns));
        Draft {
            yaml: yaml::write(&Value::Object(document), &remarks),
            rows: self.rows,
            columns: self.columns.len(),
        }
    }

    fn column(
        &self,
        name: &str,
        seen: &Seen,
        is_text_file: bool,
        key: &[String],
        say: &mut dyn FnMut(String),
    ) -> Value {
        let mut contract = Map::new();
        let data_type = seen.proposed_type(is_text_file);
        contract.insert("type".into(), json!(data_type));
        contract.insert("nullable".into(), json!(seen.missing > 0));
        let present = self.rows - seen.missing;
        if seen.missing > 0 && present > 0 {
            let share = 100.0 * seen.missing as f64 / self.rows as f64;
            say(format!("{share:.1} % missing"));
        }
        if present == 0 {
            say("no value at all".to_owned());
        }
        if let (true, Some(least), Some(greatest)) = (data_type.is_numeric(), seen.least, seen.greatest) {
            if least >= 0.0 {
                contract.insert("min".into(), json!(0));
                if greatest <= 1.0 && data_type == DataType::Float64 {
                    contract.insert("max".into(), json!(1));
                }
            }
            say(format!("seen {least} to {greatest}"));
        }
        let is_set = !seen.has_too_many_values
            && data_type == DataType::String
            && present >= TIMES_EACH * seen.values.len() as u64
            && seen.values.len() > 1;
        if is_set {
            contract.insert("accepted_values".into(), json!(seen.values));
        } else if let (true, Some(shape), true) =
            (seen.has_one_shape, &seen.shape, data_type == DataType::String)
        {
            let has_form = shape.chars().count() <= 40 && shape.contains('9') && seen.texts >= TIMES_EACH;
            if has_form {
                contract.insert("pattern".into(), json!(pattern_of(shape)));
            }
        }
        if seen.is_unique
            && seen.missing == 0
            && key != [name]
            && !matches!(data_type, DataType::Float32 | DataType::Float64)
            && self.rows > 1
        {
            say("every value occurs once".to_owned());
        }
        if let Some((class, why)) = seen.personal(name) {
            say(format!("classification: {class}? {why}"));
        }
        Value::Object(contract)
    }
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
