//! The narrowest type that all values of a column have.

use crate::calendar;
use crate::kind::Kind;
use crate::value::{Conventions, fits_a_guess};
use indexmap::IndexMap;

/// What a column may be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// No value yet.
    Nothing,
    Boolean,
    Integer,
    Float,
    Date,
    /// With an offset, or a clock reading taken as UTC.
    Timestamp,
    Text,
}

/// What is still possible for a column.
#[derive(Clone, Copy, Debug)]
struct Possible {
    boolean: bool,
    integer: bool,
    float: bool,
    date: bool,
    timestamp: bool,
    any: bool,
}

impl Possible {
    const ALL: Self = Self {
        boolean: true,
        integer: true,
        float: true,
        date: true,
        timestamp: true,
        any: false,
    };

    fn guess(self) -> Guess {
        if !self.any {
            Guess::Nothing
        } else if self.integer {
            Guess::Integer
        } else if self.float {
            Guess::Float
        } else if self.boolean {
            Guess::Boolean
        } else if self.date {
            Guess::Date
        } else if self.timestamp {
            Guess::Timestamp
        } else {
            Guess::Text
        }
    }
}

/// Takes texts and tells types. `007` is a code and no number; `1` and `0` are numbers and no truth
/// values.
pub struct Guesser {
    conventions: Conventions,
    columns: IndexMap<String, Possible>,
}

impl Guesser {
    /// Knows nothing yet but the names of columns.
    pub fn new(conventions: &Conventions, names: &[String]) -> Self {
        let columns = names.iter().map(|name| (name.clone(), Possible::ALL)).collect();
        Self {
            conventions: conventions.clone(),
            columns,
        }
    }

    /// Takes a value of a column by name, which may be a new one.
    pub fn take_by_name(&mut self, name: &str, text: Option<&str>) {
        if !self.columns.contains_key(name) {
            self.columns.insert(name.to_owned(), Possible::ALL);
        }
        if let (Some(text), Some(possible)) = (text, self.columns.get_mut(name)) {
            narrow(&self.conventions, possible, text);
        }
    }

    /// Takes a value of the column at a place.
    pub fn take(&mut self, place: usize, text: &str) {
        if let Some((_, possible)) = self.columns.get_index_mut(place) {
            narrow(&self.conventions, possible, text);
        }
    }

    /// Names and types, in the order in which the columns came.
    pub fn guesses(&self) -> Vec<(String, Guess)> {
        self.columns
            .iter()
            .map(|(name, possible)| (name.clone(), possible.guess()))
            .collect()
    }
}

fn narrow(conventions: &Conventions, possible: &mut Possible, text: &str) {
    if conventions.is_missing(text) {
        return;
    }
    possible.any = true;
    if !(possible.boolean || possible.integer || possible.float || possible.date || possible.timestamp) {
        return;
    }
    let text = text.trim();
    if possible.boolean {
        possible.boolean = fits_a_guess(&Kind::Boolean, text) && conventions.truth(text).is_some();
    }
    if possible.integer || possible.float {
        let numeric = fits_a_guess(&Kind::Float, text)
            .then(|| conventions.number(text))
            .flatten();
        possible.integer &= numeric == Some(true);
        possible.float &= numeric.is_some();
    }
    if possible.date {
        possible.date = fits_a_guess(&Kind::Date, text) && conventions.is_date(text);
    }
    if possible.timestamp {
        possible.timestamp = has_other_than_digits(text) && conventions.is_timestamp(text);
    }
}

/// `20200131` is more often a number than a day; a contract or a format says that it is one.
fn has_other_than_digits(text: &str) -> bool {
    text.bytes().any(|byte| !byte.is_ascii_digit())
}

impl Conventions {
    /// Whether the text is a number, and then whether it is a whole one that fits 64 bits.
    fn number(&self, text: &str) -> Option<bool> {
        let mut buffer = String::new();
        let plain = self.plain(text, &mut buffer)?;
        if plain.parse::<i64>().is_ok() {
            return Some(true);
        }
        fast_float2::parse::<f64, _>(plain).ok().map(|_| false)
    }

    fn is_date(&self, text: &str) -> bool {
        if self.date_formats().is_empty() {
            calendar::date(text, self.day_first()).is_ok()
        } else {
            self.date_formats()
                .iter()
                .any(|format| calendar::date_in(format, text).is_some())
        }
    }

    fn is_timestamp(&self, text: &str) -> bool {
        if self.timestamp_formats().is_empty() {
            calendar::timestamp(text, self.day_first()).is_ok()
        } else {
            self.timestamp_formats()
                .iter()
                .any(|format| calendar::timestamp_in(format, text).is_some())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainyard_contract::ReaderOptions as Options;

    fn guess(texts: &[&str]) -> Guess {
        let conventions = Conventions::new(&Options::default()).unwrap();
        let mut guesser = Guesser::new(&conventions, &["c".to_owned()]);
        for text in texts {
            guesser.take(0, text);
        }
        guesser.guesses()[0].1
    }

    #[test]
    fn a_column_is_what_all_its_values_can_be() {
        for (texts, expected) in [
            (&["1", "-2", ""][..], Guess::Integer),
            (&["1", "2.5"], Guess::Float),
            (&["1e3", "NaN"], Guess::Float),
            (&["00501", "10001"], Guess::Text),
            (&["true", "False"], Guess::Boolean),
            (&["yes", "no"], Guess::Boolean),
            (&["0", "1"], Guess::Integer),
            (&["y", "n"], Guess::Text),
            (&["2020-01-31", "31.01.2020"], Guess::Date),
            (&["2020-01-31", "2020-01-31T10:00:00Z"], Guess::Timestamp),
            (&["20200131"], Guess::Integer),
            (&["01/02/2020"], Guess::Text),
            (&["", ""], Guess::Nothing),
            (&["1", "x"], Guess::Text),
            (&["99999999999999999999"], Guess::Float),
        ] {
            assert_eq!(guess(texts), expected, "{texts:?}");
        }
    }
}
