//! Page tokens: base64 of `{"offset": N}`.

use super::Refusal;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The token of the page that begins at an offset.
pub fn token(offset: i64) -> String {
    let text = format!("{{\"offset\": {offset}}}");
    let mut out = String::with_capacity(text.len().div_ceil(3) * 4);
    for three in text.as_bytes().chunks(3) {
        let mut group = [0; 3];
        group[..three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for at in 0..4 {
            let digit = (bits >> (18 - 6 * at)) & 63;
            out.push(if at <= three.len() {
                char::from(DIGITS[digit as usize])
            } else {
                '='
            });
        }
    }
    out
}

/// Where the page of a token begins; an empty token, or none, is the first page.
///
/// # Errors
/// If the token is none of ours.
pub fn offset(token: Option<&str>) -> Result<i64, Refusal> {
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Ok(0);
    };
    let undecodable = || Refusal::invalid("Invalid page token, could not base64-decode");
    let bytes = Some(token)
        .filter(|token| token.len() <= 400)
        .and_then(base64)
        .ok_or_else(undecodable)?;
    let text = String::from_utf8(bytes).map_err(|_| undecodable())?;
    let odd = || Refusal::invalid(format!("Invalid page token, decoded value={text}"));
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| odd())?;
    let offset = &value["offset"];
    offset
        .as_i64()
        .or_else(|| offset.as_str().and_then(|text| text.parse().ok()))
        .filter(|offset| *offset >= 0)
        .ok_or_else(odd)
}

/// The bytes that a base64 text stands for; none if it is no such text.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let body = text.trim_end_matches('=');
    if text.len() - body.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(body.len());
    let (mut bits, mut held) = (0_u32, 0);
    for byte in body.bytes() {
        let digit = DIGITS.iter().position(|known| *known == byte)?;
        bits = (bits << 6) | u32::try_from(digit).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from((bits >> held) & 255).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_is_what_other_servers_give() {
        assert_eq!(token(10), "eyJvZmZzZXQiOiAxMH0=");
        assert_eq!(offset(Some("eyJvZmZzZXQiOiAiNyJ9")), Ok(7));
        for (bad, said) in [
            ("evilhax", "Invalid page token, could not base64-decode"),
            ("????", "Invalid page token, could not base64-decode"),
            ("e30=", "Invalid page token, decoded value={}"),
        ] {
            assert_eq!(offset(Some(bad)).unwrap_err().message, said);
        }
        assert_eq!(offset(None), Ok(0));
        assert_eq!(offset(Some("")), Ok(0));
    }

    proptest! {
        #[test]
        fn every_token_leads_back(at in 0..i64::MAX) {
            prop_assert_eq!(offset(Some(&token(at))), Ok(at));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,40}") {
            let _ = offset(Some(&text));
        }
    }
}
