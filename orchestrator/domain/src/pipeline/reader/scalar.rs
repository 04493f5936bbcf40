//! What a plain scalar means: YAML 1.2's core schema, in which `no`, `012` and `12:30` are texts.

use super::node::Scalar;
use serde_json::Number;

/// The meaning of a scalar written without quotes. Numbers that JSON cannot carry without loss
/// (`.inf`, `.nan`, integers beyond 64 bits) stay texts, so that a place that wants a number
/// refuses them.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| Scalar::Text(text.into()), Scalar::Number)
}

fn number(text: &str) -> Option<Number> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let signed = text.strip_prefix('+').unwrap_or(text);
        return signed
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| signed.parse::<u64>().map(Number::from))
            .ok();
    }
    if !is_float(unsigned) {
        return None;
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

fn based(digits: &str, radix: u32) -> Option<Number> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok().map(Number::from)
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.into())
    }

    #[test]
    fn words_of_yaml_1_1_are_texts() {
        for word in [
            "no",
            "yes",
            "on",
            "off",
            "y",
            "12:30:45",
            "2026-11-22",
            "1_000",
            "0b1",
            "+",
            "-",
            ".",
        ] {
            assert_eq!(resolve(word), text(word));
        }
        assert_eq!(resolve("012"), Scalar::Number(12.into()));
    }

    #[test]
    fn numbers_are_those_of_the_core_schema() {
        assert_eq!(resolve("42"), Scalar::Number(42.into()));
        assert_eq!(resolve("-7"), Scalar::Number((-7).into()));
        assert_eq!(resolve("0x1F"), Scalar::Number(31.into()));
        assert_eq!(resolve("0o17"), Scalar::Number(15.into()));
        assert_eq!(resolve("18446744073709551615"), Scalar::Number(u64::MAX.into()));
        for float in [".5", "1.", "1e3", "-1.5E-3", "+0.1"] {
            assert!(
                matches!(resolve(float), Scalar::Number(n) if n.is_f64()),
                "{float}"
            );
        }
        for not in [
            "1e",
            "1.2.3",
            "0x",
            "0xg",
            "1e5x",
            "99999999999999999999",
            ".inf",
            ".nan",
            "1e999",
        ] {
            assert_eq!(resolve(not), text(not));
        }
    }

    #[test]
    fn null_is_written_in_five_ways() {
        for null in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(resolve(null), Scalar::Null);
        }
    }
}
