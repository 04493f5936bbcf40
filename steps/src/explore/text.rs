//! What texts look like: lengths, shapes, and what they seem to be.

use super::column::Frequency;
use serde::Serialize;
use std::collections::BTreeMap;

/// Share of looked-at texts from which all are taken to be of a kind.
const NEARLY_ALL: f64 = 0.9;
/// Shapes shown.
const SHAPES: usize = 5;

/// The texts of a column.
#[derive(Debug, Default, Serialize)]
pub(super) struct Texts {
    /// Letters of the shortest and longest text, and their mean.
    pub(super) shortest: usize,
    pub(super) longest: usize,
    pub(super) mean_length: f64,
    /// Texts without a letter or with nothing but spaces.
    pub(super) blank: u64,
    /// Texts that begin or end with a space.
    pub(super) padded: u64,
    /// Most frequent shapes among `looked_at` texts: `A` stands for capitals, `a` for small letters, `9`
    /// for digits, each for one or more; what else there is stands for itself.
    pub(super) shapes: Vec<Frequency>,
    pub(super) looked_at: usize,
    /// What nine in ten of them are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<Kind>,
}

/// What a text is, by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Email,
    Phone,
    Iban,
    /// A number with a card's check digit.
    PaymentCard,
    IpAddress,
    /// A United States social security number.
    SocialSecurityNumber,
    Uuid,
    Url,
    Date,
    Number,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Email => "e-mail addresses",
            Self::Phone => "telephone numbers",
            Self::Iban => "bank accounts (IBAN)",
            Self::PaymentCard => "payment card numbers",
            Self::IpAddress => "IP addresses",
            Self::SocialSecurityNumber => "social security numbers",
            Self::Uuid => "UUIDs",
            Self::Url => "URLs",
            Self::Date => "dates",
            Self::Number => "numbers",
        }
    }

    /// Whether such values are about a person.
    pub(super) fn is_personal(self) -> bool {
        !matches!(self, Self::Uuid | Self::Url | Self::Date | Self::Number)
    }

    /// What a text is, if it is one of these.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > 200 {
            return None;
        }
        let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(10)).collect();
        let only = |allowed: &str| text.chars().all(|c| c.is_ascii_digit() || allowed.contains(c));
        if is_email(text) {
            Some(Self::Email)
        } else if is_iban(text) {
            Some(Self::Iban)
        } else if text.starts_with("http://") || text.starts_with("https://") {
            Some(Self::Url)
        } else if text.parse::<std::net::IpAddr>().is_ok() {
            Some(Self::IpAddress)
        } else if shape(text) == "9-9-9"
            && text.len() == 11
            && text.find('-') == Some(3)
            && text.rfind('-') == Some(6)
        {
            Some(Self::SocialSecurityNumber)
        } else if is_uuid(text) {
            Some(Self::Uuid)
        } else if is_date(text) {
            Some(Self::Date)
        } else if only(" -") && (13..=19).contains(&digits.len()) && has_check_digit(&digits) {
            Some(Self::PaymentCard)
        } else if (text.starts_with('+') || text.contains(['(', '-', ' ']))
            && only("+()-. /")
            && (7..=15).contains(&digits.len())
        {
            Some(Self::Phone)
        } else if text.parse::<f64>().is_ok_and(f64::is_finite) {
            Some(Self::Number)
        } else {
            None
        }
    }
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && !text.contains(char::is_whitespace)
            && !host.contains('@')
            && host.split('.').count() > 1
            && host.split('.').all(|part| !part.is_empty())
    })
}

/// ISO 13616: country, check digits by ISO 7064 (modulo 97).
fn is_iban(text: &str) -> bool {
    let compact: Vec<char> = text.chars().filter(|letter| *letter != ' ').collect();
    if !(15..=34).contains(&compact.len())
        || !compact[..2].iter().all(char::is_ascii_uppercase)
        || !compact[2..4].iter().all(char::is_ascii_digit)
    {
        return false;
    }
    let mut rest = 0u32;
    for letter in compact[4..].iter().chain(&compact[..4]) {
        let Some(value) = letter.to_digit(36) else {
            return false;
        };
        rest = (rest * if value < 10 { 10 } else { 100 } + value) % 97;
    }
    rest == 1
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if [8, 13, 18, 23].contains(&at) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        })
}

/// A day as year, month, day or the other way round, with the same mark between; a time may follow.
fn is_date(text: &str) -> bool {
    let day = text.split([' ', 'T']).next().unwrap_or_default();
    let Some(mark) = day.chars().find(|c| "-/.".contains(*c)) else {
        return false;
    };
    let parts: Vec<&str> = day.split(mark).collect();
    let numbers: Option<Vec<u32>> = parts.iter().map(|part| part.parse().ok()).collect();
    let Some([first, second, third]) = numbers.as_deref().and_then(|n| <[u32; 3]>::try_from(n).ok()) else {
        return false;
    };
    let small = |a: u32, b: u32| (1..=31).contains(&a) && (1..=31).contains(&b) && a.min(b) <= 12;
    (parts[0].len() == 4 && (1000..=2999).contains(&first) && small(second, third))
        || (parts[2].len() == 4 && (1000..=2999).contains(&third) && small(first, second))
}

/// Luhn's check digit (ISO/IEC 7812-1).
fn has_check_digit(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// A text with runs of letters and digits as one sign each.
pub(super) fn shape(text: &str) -> String {
    let mut shape = String::new();
    for letter in text.chars() {
        let sign = match letter {
            letter if letter.is_numeric() => '9',
            letter if letter.is_uppercase() => 'A',
            letter if letter.is_alphabetic() => 'a',
            letter => letter,
        };
        if "9Aa".contains(sign) && shape.ends_with(sign) {
            continue;
        }
        if shape.chars().count() == 40 {
            shape.push('…');
            break;
        }
        shape.push(sign);
    }
    shape
}

impl Texts {
    /// Lengths of all texts, shapes and kinds of the sampled ones; `None` if there are none.
    pub(super) fn of<'a, 'b>(
        all: impl Iterator<Item = &'a str>,
        sampled: impl Iterator<Item = &'b str>,
    ) -> Option<Self> {
        let mut texts = Self {
            shortest: usize::MAX,
            ..Self::default()
        };
        let (mut count, mut letters) = (0usize, 0usize);
        for text in all {
            let length = if text.is_ascii() {
                text.len()
            } else {
                text.chars().count()
            };
            count += 1;
            letters += length;
            texts.shortest = texts.shortest.min(length);
            texts.longest = texts.longest.max(length);
            let trimmed = text.trim().len();
            texts.blank += u64::from(trimmed == 0);
            texts.padded += u64::from(trimmed != 0 && trimmed != text.len());
        }
        if count == 0 {
            return None;
        }
        texts.mean_length = letters as f64 / count as f64;
        let mut shapes: BTreeMap<String, u64> = BTreeMap::new();
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        for text in sampled {
            texts.looked_at += 1;
            *shapes.entry(shape(text)).or_default() += 1;
            if let Some(kind) = Kind::of(text) {
                *kinds.entry(kind).or_default() += 1;
            }
        }
        let mut shapes: Vec<Frequency> = shapes
            .into_iter()
            .map(|(value, count)| Frequency { value, count })
            .collect();
        shapes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        shapes.truncate(SHAPES);
        texts.shapes = shapes;
        texts.kind = kinds
            .into_iter()
            .find(|(_, count)| *count as f64 >= NEARLY_ALL * texts.looked_at as f64)
            .map(|(kind, _)| kind);
        Some(texts)
    }
}

/// Whether a column's name says that it is about a person; the word that says so.
pub(super) fn personal_word(name: &str) -> Option<&'static str> {
    const WORDS: [&str; 19] = [
        "email",
        "mail",
        "phone",
        "mobile",
        "firstname",
        "lastname",
        "surname",
        "fullname",
        "address",
        "street",
        "birth",
        "birthday",
        "birthdate",
        "dob",
        "ssn",
        "passport",
        "iban",
        "salary",
        "patient",
    ];
    const PAIRS: [(&str, &str, &str); 4] = [
        ("first", "name", "first name"),
        ("last", "name", "last name"),
        ("full", "name", "full name"),
        ("date", "birth", "date of birth"),
    ];
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    WORDS.into_iter().find(|word| words.contains(word)).or_else(|| {
        let pair = PAIRS
            .iter()
            .find(|(first, second, _)| words.contains(first) && words.contains(second));
        pair.map(|(_, _, said)| *said)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_form_and_check_digits() {
        for (text, kind) in [
            ("ann.lee@example.co.uk", Some(Kind::Email)),
            ("ann@localhost", None),
            ("GB82 WEST 1234 5698 7654 32", Some(Kind::Iban)),
            ("GB82 WEST 1234 5698 7654 33", None),
            ("4539 1488 0343 6467", Some(Kind::PaymentCard)),
            ("4539 1488 0343 6468", None),
            ("192.168.0.1", Some(Kind::IpAddress)),
            ("078-05-1120", Some(Kind::SocialSecurityNumber)),
            ("+44 20 7946 0958", Some(Kind::Phone)),
            ("(555) 123-4567", Some(Kind::Phone)),
            ("2024-02-29", Some(Kind::Date)),
            ("29/02/2024", Some(Kind::Date)),
            ("2024-02-29T10:00:00", Some(Kind::Date)),
            ("99/99/2024", None),
            ("3.25", Some(Kind::Number)),
            ("1.2.3", None),
            ("123e4567-e89b-12d3-a456-426614174000", Some(Kind::Uuid)),
            ("https://example.com", Some(Kind::Url)),
            ("N14228", None),
            ("", None),
        ] {
            assert_eq!(Kind::of(text), kind, "{text}");
        }
    }

    #[test]
    fn a_shape_forgets_how_long_a_run_is() {
        assert_eq!(
            [shape("N14228"), shape("AB-12 cd"), shape("")],
            ["A9", "A-9 a", ""]
        );
    }

    #[test]
    fn lengths_count_letters_not_bytes() {
        let all = ["Zürich", " x", "   ", ""];
        let texts = Texts::of(all.into_iter(), all.into_iter()).unwrap();
        assert_eq!(
            (texts.shortest, texts.longest, texts.blank, texts.padded),
            (0, 6, 2, 1)
        );
        assert_eq!(texts.mean_length, 11.0 / 4.0);
    }

    #[test]
    fn a_name_tells_of_a_person_by_whole_words() {
        assert_eq!(personal_word("First-Name"), Some("first name"));
        assert_eq!(personal_word("customer_email"), Some("email"));
        assert_eq!(personal_word("emailed"), None);
        assert_eq!(personal_word("name"), None);
    }
}
