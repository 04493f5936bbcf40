//! From a text to a value.

use crate::batch::{Texts, ValueFault, Values, mark_missing};
use crate::calendar::{self, Unread};
use crate::kind::{Column, Kind, Moment};
use crate::options::OptionsFault;
use jiff::tz::TimeZone;
use trainyard_contract::ReaderOptions as Options;

/// Why a text is no value of its column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not written as one.
    Type,
    /// It is one, but outside the type's range.
    Range,
    /// It may be day before month or the other way round.
    DayOrMonth,
    /// It has an offset from UTC, and the column holds clock readings.
    HasOffset,
}

impl Why {
    /// The end of a sentence that begins with the text.
    pub fn reason(self, data_type: &str) -> String {
        match self {
            Self::Type => format!("is not of type {data_type}"),
            Self::Range => format!("is out of the range of {data_type}"),
            Self::DayOrMonth => "may be day before month or month before day; say `day_first`".to_owned(),
            Self::HasOffset => format!("has an offset from UTC, and {data_type} has none"),
        }
    }
}

/// How values are written in a file.
#[derive(Clone, Debug)]
pub struct Conventions {
    decimal: u8,
    thousands: Option<char>,
    nulls: Vec<String>,
    true_words: Vec<String>,
    false_words: Vec<String>,
    day_first: Option<bool>,
    date_formats: Vec<String>,
    timestamp_formats: Vec<String>,
    zone: Option<TimeZone>,
    /// Types were guessed: `007` is a code and no number, `1` no truth value.
    pub(crate) is_guessing: bool,
}

impl Conventions {
    /// The conventions that options say.
    ///
    /// # Errors
    /// If they contradict themselves.
    pub fn new(options: &Options) -> Result<Self, OptionsFault> {
        let decimal = options.decimal.unwrap_or('.');
        if !matches!(decimal, '.' | ',') {
            return Err(OptionsFault::new("decimal", "must be `.` or `,`"));
        }
        if let Some(thousands) = options.thousands {
            let fits = matches!(
                thousands,
                '.' | ',' | ' ' | '\'' | '_' | '\u{a0}' | '\u{202f}' | '\u{2019}'
            );
            if !fits || thousands == decimal {
                return Err(OptionsFault::new(
                    "thousands",
                    "must be `,`, `.`, `'`, `_` or a blank, and another character than `decimal`",
                ));
            }
        }
        let lowered = |given: &[String], default: &[&str]| -> Vec<String> {
            if given.is_empty() {
                default.iter().map(|word| (*word).to_owned()).collect()
            } else {
                given.iter().map(|word| word.to_lowercase()).collect()
            }
        };
        let zone = match &options.timezone {
            None => None,
            Some(name) => Some(
                TimeZone::get(name)
                    .map_err(|_| OptionsFault::new("timezone", format!("names no time zone: `{name}`")))?,
            ),
        };
        Ok(Self {
            decimal: if decimal == ',' { b',' } else { b'.' },
            thousands: options.thousands,
            nulls: options.null_values.clone(),
            true_words: lowered(&options.true_values, &["true", "t", "yes", "y", "1"]),
            false_words: lowered(&options.false_values, &["false", "f", "no", "n", "0"]),
            day_first: options.day_first,
            date_formats: options.date_formats.clone(),
            timestamp_formats: options.timestamp_formats.clone(),
            zone,
            is_guessing: false,
        })
    }

    /// Whether the text means that there is no value.
    pub fn is_missing(&self, text: &str) -> bool {
        text.is_empty() || (!self.nulls.is_empty() && self.nulls.iter().any(|null| null == text))
    }

    pub(crate) fn day_first(&self) -> Option<bool> {
        self.day_first
    }

    pub(crate) fn date_formats(&self) -> &[String] {
        &self.date_formats
    }

    pub(crate) fn timestamp_formats(&self) -> &[String] {
        &self.timestamp_formats
    }

    /// The same, where `007` is a code and no number, as guessed types have it.
    #[must_use]
    pub fn for_guessed_types(mut self) -> Self {
        self.is_guessing = true;
        self
    }

    pub(crate) fn truth(&self, text: &str) -> Option<bool> {
        let is = |words: &[String]| {
            words.iter().any(|word| {
                word.eq_ignore_ascii_case(text) || (!word.is_ascii() && *word == text.to_lowercase())
            })
        };
        if is(&self.true_words) {
            Some(true)
        } else if is(&self.false_words) {
            Some(false)
        } else {
            None
        }
    }

    /// The number as one with a point and without groups; `None` if its groups are not of three digits.
    pub(crate) fn plain<'t>(&self, text: &'t str, buffer: &'t mut String) -> Option<&'t str> {
        if self.decimal == b'.' && self.thousands.is_none() {
            return Some(text);
        }
        buffer.clear();
        let decimal = char::from(self.decimal);
        let (whole, fraction) = match text.split_once(decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        match self.thousands.filter(|thousands| whole.contains(*thousands)) {
            None => buffer.push_str(whole),
            Some(thousands) => {
                let (sign, digits) = match whole.strip_prefix(['-', '+']) {
                    Some(digits) => (&whole[..1], digits),
                    None => ("", whole),
                };
                buffer.push_str(sign);
                for (at, group) in digits.split(thousands).enumerate() {
                    let fits = if at == 0 {
                        (1..=3).contains(&group.len())
                    } else {
                        group.len() == 3
                    };
                    if !fits || !group.bytes().all(|byte| byte.is_ascii_digit()) {
                        return None;
                    }
                    buffer.push_str(group);
                }
            }
        }
        if let Some(fraction) = fraction {
            if self.decimal == b',' && fraction.contains('.') {
                return None;
            }
            buffer.push('.');
            buffer.push_str(fraction);
        } else if self.decimal == b',' && whole.contains('.') && self.thousands != Some('.') {
            return None;
        }
        Some(buffer)
    }
}

/// A whole number as written, sign and digits only.
fn whole(text: &[u8]) -> Option<i128> {
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 30 {
        return None;
    }
    let mut value = 0i128;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i128::from(digit - b'0');
    }
    Some(if is_negative { -value } else { value })
}

/// The fast way for numbers of up to 18 digits.
fn short_whole(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if is_negative { -value } else { value })
}

/// Whether a guesser would have taken the text for a value of the kind, as far as reading alone does
/// not tell.
pub(crate) fn fits_a_guess(kind: &Kind, text: &str) -> bool {
    let has_other_than_digits = text.bytes().any(|byte| !byte.is_ascii_digit());
    match kind {
        Kind::Integer { .. } | Kind::Unsigned { .. } | Kind::Float => {
            let is_word = |byte: u8| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E');
            !has_leading_zero(text) && (!text.bytes().any(is_word) || text.eq_ignore_ascii_case("nan"))
        }
        Kind::Boolean => has_other_than_digits && text.len() > 1,
        Kind::Date => has_other_than_digits && !text.contains(':'),
        Kind::Timestamp(_) => has_other_than_digits,
        Kind::Text | Kind::Time | Kind::Nothing => true,
    }
}

fn has_leading_zero(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Takes the texts of one column and makes its values.
pub(crate) struct Builder<'a> {
    column: &'a Column,
    conventions: &'a Conventions,
    values: Values,
    buffer: String,
    /// Times repeat: the text before and its value.
    last: Option<(String, i64)>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(column: &'a Column, conventions: &'a Conventions, capacity: usize) -> Self {
        let values = match &column.kind {
            Kind::Text => Values::Text(Texts::default()),
            Kind::Boolean => Values::Boolean {
                values: Vec::with_capacity(capacity),
                missing: Vec::new(),
            },
            Kind::Integer { .. } | Kind::Date | Kind::Time | Kind::Timestamp(_) => Values::Integer {
                values: Vec::with_capacity(capacity),
                missing: Vec::new(),
            },
            Kind::Unsigned { .. } => Values::Unsigned {
                values: Vec::with_capacity(capacity),
                missing: Vec::new(),
            },
            Kind::Float => Values::Float {
                values: Vec::with_capacity(capacity),
                missing: Vec::new(),
            },
            Kind::Nothing => Values::Nothing(0),
        };
        Self {
            column,
            conventions,
            values,
            buffer: String::new(),
            last: None,
        }
    }

    pub(crate) fn finish(self) -> Values {
        self.values
    }

    pub(crate) fn push_missing(&mut self) {
        match &mut self.values {
            Values::Text(texts) => texts.push_missing(),
            Values::Boolean { values, missing } => {
                values.push(false);
                mark_missing(missing, values.len());
            }
            Values::Integer { values, missing } => {
                values.push(0);
                mark_missing(missing, values.len());
            }
            Values::Unsigned { values, missing } => {
                values.push(0);
                mark_missing(missing, values.len());
            }
            Values::Float { values, missing } => {
                values.push(0.0);
                mark_missing(missing, values.len());
            }
            Values::Nothing(count) => *count += 1,
        }
    }

    /// Takes a text; what cannot be read is noted in `faults` as the value at `at` of column `column`,
    /// and missing.
    pub(crate) fn push(&mut self, text: &str, at: usize, column: usize, faults: &mut Vec<ValueFault>) {
        if self.conventions.is_missing(text) {
            self.push_missing();
            return;
        }
        self.push_present(text, at, column, faults);
    }

    /// The same for a text that is there, even if it is empty.
    fn push_present(&mut self, text: &str, at: usize, column: usize, faults: &mut Vec<ValueFault>) {
        if let Err(why) = self.read(text) {
            self.push_missing();
            faults.push(ValueFault {
                at,
                column,
                text: text.to_owned(),
                why,
            });
        }
    }

    fn read(&mut self, text: &str) -> Result<(), Why> {
        if let Values::Text(texts) = &mut self.values {
            texts.push(text);
            return Ok(());
        }
        let is_bare = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
        let text = if is_bare(text.as_bytes().first()) && is_bare(text.as_bytes().last()) {
            text
        } else {
            text.trim()
        };
        let conventions = self.conventions;
        if conventions.is_guessing && !fits_a_guess(&self.column.kind, text) {
            return Err(Why::Type);
        }
        match (&self.column.kind, &mut self.values) {
            (Kind::Boolean, Values::Boolean { values, .. }) => {
                values.push(conventions.truth(text).ok_or(Why::Type)?);
            }
            (Kind::Integer { least, greatest }, Values::Integer { values, .. }) => {
                let value = match short_whole(text.as_bytes()) {
                    Some(value) => i128::from(value),
                    None => any_whole(text, conventions, &mut self.buffer)?,
                };
                if value < i128::from(*least) || value > i128::from(*greatest) {
                    return Err(Why::Range);
                }
                values.push(i64::try_from(value).map_err(|_| Why::Range)?);
            }
            (Kind::Unsigned { greatest }, Values::Unsigned { values, .. }) => {
                let value = match short_whole(text.as_bytes()) {
                    Some(value) => i128::from(value),
                    None => any_whole(text, conventions, &mut self.buffer)?,
                };
                if value < 0 || value > i128::from(*greatest) {
                    return Err(Why::Range);
                }
                values.push(u64::try_from(value).map_err(|_| Why::Range)?);
            }
            (Kind::Float, Values::Float { values, .. }) => {
                let plain = conventions.plain(text, &mut self.buffer).ok_or(Why::Type)?;
                values.push(fast_float2::parse(plain).map_err(|_| Why::Type)?);
            }
            (Kind::Date | Kind::Time | Kind::Timestamp(_), Values::Integer { values, .. }) => {
                if let Some((before, value)) = &self.last
                    && before == text
                {
                    values.push(*value);
                    return Ok(());
                }
                let value = temporal(self.column, conventions, text)?;
                match &mut self.last {
                    Some((before, held)) => {
                        text.clone_into(before);
                        *held = value;
                    }
                    none => *none = Some((text.to_owned(), value)),
                }
                values.push(value);
            }
            _ => return Err(Why::Type),
        }
        Ok(())
    }
}

/// Reads texts that come from elsewhere than a text file as a column of a type.
pub struct TextReader<'a> {
    builder: Builder<'a>,
    faults: Vec<ValueFault>,
    count: usize,
}

impl<'a> TextReader<'a> {
    /// No texts yet.
    pub fn new(column: &'a Column, conventions: &'a Conventions, capacity: usize) -> Self {
        Self {
            builder: Builder::new(column, conventions, capacity),
            faults: Vec::new(),
            count: 0,
        }
    }

    /// Takes the next text; an empty one is a text, and no value of another type.
    pub fn push(&mut self, text: Option<&str>) {
        match text {
            None => self.builder.push_missing(),
            Some(text) => self.builder.push_present(text, self.count, 0, &mut self.faults),
        }
        self.count += 1;
    }

    /// The values, and those that could not be read.
    pub fn finish(self) -> (Values, Vec<ValueFault>) {
        (self.builder.finish(), self.faults)
    }
}

/// A whole number written with groups, a fraction of zero or an exponent.
fn any_whole(text: &str, conventions: &Conventions, buffer: &mut String) -> Result<i128, Why> {
    let plain = conventions.plain(text, buffer).ok_or(Why::Type)?;
    if let Some(value) = whole(plain.as_bytes()) {
        return Ok(value);
    }
    if conventions.is_guessing {
        return Err(Why::Type);
    }
    if let Some((digits, fraction)) = plain.split_once('.')
        && fraction.bytes().all(|byte| byte == b'0')
        && let Some(value) = whole(digits.as_bytes())
    {
        return Ok(value);
    }
    let number: f64 = fast_float2::parse(plain).map_err(|_| Why::Type)?;
    if number.fract() != 0.0 || !number.is_finite() {
        return Err(Why::Type);
    }
    if number.abs() >= 9_007_199_254_740_992.0 {
        return Err(Why::Range);
    }
    // Exact: a whole number below 2^53.
    format!("{number:.0}").parse().map_err(|_| Why::Type)
}

fn temporal(column: &Column, conventions: &Conventions, text: &str) -> Result<i64, Why> {
    let given =
        |general: &'_ [String]| -> Vec<String> { column.formats.iter().chain(general).cloned().collect() };
    let why = |unread: Unread| match unread {
        Unread::No => Why::Type,
        Unread::DayOrMonth => Why::DayOrMonth,
    };
    match &column.kind {
        Kind::Date => {
            if column.formats.is_empty() && conventions.date_formats.is_empty() {
                return calendar::date(text, conventions.day_first).map_err(why);
            }
            let formats = given(&conventions.date_formats);
            formats
                .iter()
                .find_map(|format| calendar::date_in(format, text))
                .ok_or(Why::Type)
        }
        Kind::Time => {
            if column.formats.is_empty() {
                return calendar::time(text).ok_or(Why::Type);
            }
            column
                .formats
                .iter()
                .find_map(|format| calendar::time_in(format, text))
                .ok_or(Why::Type)
        }
        Kind::Timestamp(moment) => {
            let reading = if column.formats.is_empty() && conventions.timestamp_formats.is_empty() {
                calendar::timestamp(text, conventions.day_first).map_err(why)?
            } else {
                given(&conventions.timestamp_formats)
                    .iter()
                    .find_map(|format| calendar::timestamp_in(format, text))
                    .ok_or(Why::Type)?
            };
            instant(reading, moment, conventions)
        }
        _ => Err(Why::Type),
    }
}

fn instant(reading: calendar::Reading, moment: &Moment, conventions: &Conventions) -> Result<i64, Why> {
    let nanoseconds = match (&moment.zone, reading.offset) {
        (None, Some(_)) => return Err(Why::HasOffset),
        (None, None) => reading.clock,
        (Some(_), Some(offset)) => reading.clock - i128::from(offset) * 1_000_000_000,
        (Some(zone), None) => {
            let zone = conventions.zone.as_ref().unwrap_or(zone);
            if *zone == TimeZone::UTC || zone.iana_name() == Some("UTC") {
                reading.clock
            } else {
                let clock = jiff::Timestamp::from_nanosecond(reading.clock).map_err(|_| Why::Range)?;
                let clock = TimeZone::UTC.to_datetime(clock);
                zone.to_timestamp(clock).map_err(|_| Why::Range)?.as_nanosecond()
            }
        }
    };
    let one = moment.per_second.nanoseconds();
    // Dividing numbers of 128 bits is slow, and until the year 2262 there is no need to.
    match (i64::try_from(nanoseconds), i64::try_from(one)) {
        (Ok(nanoseconds), Ok(one)) => Ok(nanoseconds.div_euclid(one)),
        _ => i64::try_from(nanoseconds.div_euclid(one)).map_err(|_| Why::Range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Per;

    fn read(kind: Kind, options: &Options, text: &str) -> Result<String, Why> {
        let conventions = Conventions::new(options).unwrap();
        let column = Column {
            name: "c".into(),
            kind,
            formats: Vec::new(),
        };
        let mut builder = Builder::new(&column, &conventions, 1);
        let mut faults = Vec::new();
        builder.push(text, 0, 0, &mut faults);
        if let Some(fault) = faults.pop() {
            assert_eq!(fault.text, text);
            return Err(fault.why);
        }
        Ok(match builder.finish() {
            Values::Text(texts) => format!("{:?}", texts.iter().next().unwrap()),
            Values::Boolean { values, missing } if missing.is_empty() => values[0].to_string(),
            Values::Integer { values, missing } if missing.is_empty() => values[0].to_string(),
            Values::Unsigned { values, missing } if missing.is_empty() => values[0].to_string(),
            Values::Float { values, missing } if missing.is_empty() => values[0].to_string(),
            _ => "missing".to_owned(),
        })
    }

    const SMALL: Kind = Kind::Integer {
        least: -128,
        greatest: 127,
    };

    #[test]
    fn whole_numbers_lose_nothing_and_stay_in_their_range() {
        let none = Options::default();
        for (text, expected) in [
            ("7", "7"),
            ("-7", "-7"),
            ("+7", "7"),
            (" 7 ", "7"),
            ("7.0", "7"),
            ("1e2", "100"),
        ] {
            assert_eq!(read(SMALL, &none, text), Ok(expected.into()), "{text}");
        }
        for (text, why) in [
            ("7.5", Why::Type),
            ("x", Why::Type),
            ("128", Why::Range),
            ("-", Why::Type),
            ("1e999", Why::Type),
        ] {
            assert_eq!(read(SMALL, &none, text), Err(why), "{text}");
        }
        let all = Kind::Integer {
            least: i64::MIN,
            greatest: i64::MAX,
        };
        assert_eq!(
            read(all.clone(), &none, "-9223372036854775808"),
            Ok(i64::MIN.to_string())
        );
        assert_eq!(read(all.clone(), &none, "9223372036854775808"), Err(Why::Range));
        assert_eq!(
            read(all.clone(), &none, "9007199254740993.0"),
            Ok("9007199254740993".into())
        );
        assert_eq!(read(all, &none, "9007199254740993e0"), Err(Why::Range));
        let unsigned = Kind::Unsigned { greatest: u64::MAX };
        assert_eq!(
            read(unsigned.clone(), &none, "18446744073709551615"),
            Ok(u64::MAX.to_string())
        );
        assert_eq!(read(unsigned, &none, "-1"), Err(Why::Range));
    }

    #[test]
    fn numbers_are_read_as_the_country_writes_them() {
        let german = Options {
            decimal: Some(','),
            thousands: Some('.'),
            ..Options::default()
        };
        let english = Options {
            thousands: Some(','),
            ..Options::default()
        };
        let swiss = Options {
            thousands: Some('\''),
            ..Options::default()
        };
        assert_eq!(
            read(Kind::Float, &german, "-1.234.567,89"),
            Ok("-1234567.89".into())
        );
        assert_eq!(read(Kind::Float, &german, "1234,5"), Ok("1234.5".into()));
        assert_eq!(read(Kind::Float, &english, "1,234.5"), Ok("1234.5".into()));
        assert_eq!(read(Kind::Float, &swiss, "1'234.5"), Ok("1234.5".into()));
        assert_eq!(
            read(
                Kind::Integer {
                    least: 0,
                    greatest: 9999
                },
                &english,
                "1,234"
            ),
            Ok("1234".into())
        );
        for text in ["1,23", "12,34.5", ",234", "1,,234"] {
            assert_eq!(read(Kind::Float, &english, text), Err(Why::Type), "{text}");
        }
        let comma = Options {
            decimal: Some(','),
            ..Options::default()
        };
        assert_eq!(read(Kind::Float, &comma, "1.5"), Err(Why::Type));
    }

    #[test]
    fn words_for_missing_true_and_false_are_those_given() {
        let options = Options {
            null_values: vec!["NA".into(), "-".into()],
            true_values: vec!["Oui".into()],
            false_values: vec!["Non".into()],
            ..Options::default()
        };
        assert_eq!(read(SMALL, &options, "NA"), Ok("missing".into()));
        assert_eq!(read(SMALL, &options, "-"), Ok("missing".into()));
        assert_eq!(read(Kind::Boolean, &options, "oui"), Ok("true".into()));
        assert_eq!(read(Kind::Boolean, &options, "yes"), Err(Why::Type));
        assert_eq!(read(Kind::Boolean, &Options::default(), "YES"), Ok("true".into()));
    }

    #[test]
    fn a_clock_reading_is_one_in_the_zone_named() {
        let berlin = |given: Option<&str>, text: &str| {
            let options = Options {
                timezone: given.map(str::to_owned),
                ..Options::default()
            };
            let zone = Some(TimeZone::UTC);
            read(
                Kind::Timestamp(Moment {
                    per_second: Per::Milli,
                    zone,
                }),
                &options,
                text,
            )
        };
        assert_eq!(berlin(None, "2020-07-01 02:00"), Ok("1593568800000".into()));
        assert_eq!(
            berlin(Some("Europe/Berlin"), "2020-07-01 02:00"),
            Ok("1593561600000".into())
        );
        assert_eq!(
            berlin(Some("Europe/Berlin"), "2020-07-01T02:00:00Z"),
            Ok("1593568800000".into())
        );
        let clock = Kind::Timestamp(Moment {
            per_second: Per::Micro,
            zone: None,
        });
        assert_eq!(
            read(clock, &Options::default(), "2020-07-01T02:00:00Z"),
            Err(Why::HasOffset)
        );
    }

    #[test]
    fn options_that_contradict_themselves_are_refused() {
        let both = Options {
            decimal: Some(','),
            thousands: Some(','),
            ..Options::default()
        };
        assert_eq!(Conventions::new(&both).unwrap_err().option, "thousands");
        let zone = Options {
            timezone: Some("Mars/Base".into()),
            ..Options::default()
        };
        assert_eq!(
            Conventions::new(&zone).unwrap_err().to_string(),
            "`options.timezone` names no time zone: `Mars/Base`"
        );
    }
}
