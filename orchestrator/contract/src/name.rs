//! Names whose constructor is the check.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: {rule}")]
pub struct InvalidName {
    /// The kind of name that was wanted.
    pub what: &'static str,
    /// The text as given, cut to 80 characters.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

const IDENTIFIER_RULE: &str = "a lower-case letter, then up to 62 of a-z, 0-9, `_` and `-`";

fn is_identifier(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

const STEP_RULE: &str = "a lower-case letter, then up to 62 of a-z, 0-9, `_` and `-`; inside a pipeline that is used, such names joined by `.`";

/// Longest name of a step within pipelines that are used by others, in bytes.
const MAX_STEP_NAME: usize = 255;

fn is_step_name(text: &str) -> bool {
    text.len() <= MAX_STEP_NAME && text.split('.').all(is_identifier)
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal, $is_one:ident, $rule:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if $is_one(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidName { what: $what, text: text.chars().take(80).collect(), rule: $rule })
                }
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

identifier!(
    /// Name of a pipeline, unique within its project: `[a-z][a-z0-9_-]*`, at most 63 bytes.
    PipelineName,
    "pipeline name",
    is_identifier,
    IDENTIFIER_RULE
);
identifier!(
    /// Name of a step, unique within its run: `[a-z][a-z0-9_-]*`, at most 63 bytes. A step of a
    /// pipeline that another one uses has the name of the using step before its own: `prepare.clean`.
    StepName,
    "step name",
    is_step_name,
    STEP_RULE
);

/// Id of a run: `run_` and 26 characters of Crockford base 32 (a ULID), so that ids sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    const ALPHABET: &'static [u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    /// The id made from a time (milliseconds since 1970, 48 bits used) and 80 random bits.
    pub fn from_parts(unix_millis: u64, random: [u8; 10]) -> Self {
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&unix_millis.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        let bits = u128::from_be_bytes(bytes);
        let mut text = String::with_capacity(30);
        text.push_str("run_");
        for place in (0..26).rev() {
            text.push(char::from(Self::ALPHABET[((bits >> (place * 5)) & 31) as usize]));
        }
        Self(text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time that is part of it: when it was made, to the millisecond.
    pub fn made_at(&self) -> Timestamp {
        const BITS_BELOW: u32 = 80;
        let millis = i64::try_from(self.bits() >> BITS_BELOW).unwrap_or(i64::MAX);
        Timestamp(millis.saturating_mul(1_000))
    }

    /// The 128 bits that the characters stand for.
    pub fn bits(&self) -> u128 {
        let digits = self.0.bytes().skip("run_".len());
        digits.fold(0, |bits, byte| {
            let digit = Self::ALPHABET.iter().position(|letter| *letter == byte);
            bits << 5 | digit.unwrap_or(0) as u128
        })
    }

    /// The last eight characters: enough to tell runs apart on a screen.
    pub fn short(&self) -> &str {
        &self.0[self.0.len() - 8..]
    }
}

impl FromStr for RunId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let valid = text
            .strip_prefix("run_")
            .is_some_and(|rest| rest.len() == 26 && rest.bytes().all(|b| Self::ALPHABET.contains(&b)));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName {
                what: "run id",
                text: text.chars().take(80).collect(),
                rule: "`run_` and 26 characters of 0-9 and a-z without i, l, o, u",
            })
        }
    }
}
impl TryFrom<String> for RunId {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}
impl From<RunId> for String {
    fn from(id: RunId) -> String {
        id.0
    }
}
impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_name_is_lower_case_and_starts_with_a_letter() {
        for good in ["a", "train", "train_2", "x-y", "prepare.clean", "a.b.c"] {
            assert!(good.parse::<StepName>().is_ok(), "{good}");
        }
        assert!("a.b".parse::<PipelineName>().is_err());
        let long = ["x".repeat(63).as_str(); 5].join(".");
        for bad in [
            "",
            "Train",
            "2nd",
            "_x",
            "a b",
            "é",
            "a.",
            ".a",
            "a..b",
            "a.2",
            &"x".repeat(64),
            &long,
        ] {
            assert!(bad.parse::<StepName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn run_ids_sort_by_time_and_round_trip() {
        let early = RunId::from_parts(1_000, [255; 10]);
        let late = RunId::from_parts(1_001, [0; 10]);
        assert!(early < late);
        assert_eq!(early.made_at(), Timestamp(1_000_000));
        let now = RunId::from_parts(1_782_000_000_123, [31; 10]);
        assert_eq!(now.made_at(), Timestamp(1_782_000_000_123_000));
        assert_eq!(early.as_str().parse::<RunId>().unwrap(), early);
        assert!("run_../../etc".parse::<RunId>().is_err());
    }
}
