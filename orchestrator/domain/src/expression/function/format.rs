//! The places of `format`'s text.

/// A part of the text.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Literal(String),
    /// Number of the value, and decimals if given.
    Place(usize, Option<usize>),
}

/// Most decimals: more than any float has.
const MAX_DECIMALS: usize = 17;

/// Splits the text at `{}`, `{0}`, `{:.2}`, `{1:.2}`; `{{` and `}}` stand for braces.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut next = 0;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '{' | '}' if after.starts_with(c) => {
                literal.push(c);
                &after[1..]
            }
            '{' => {
                let Some((place, after)) = after.split_once('}') else {
                    return Err("`{` in the text of `format` is not closed by `}`".to_owned());
                };
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(read_place(place, &mut next)?);
                after
            }
            '}' => {
                return Err("`}` in the text of `format` closes nothing; write `}}` for a brace".to_owned());
            }
            c => {
                literal.push(c);
                after
            }
        };
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn read_place(place: &str, next: &mut usize) -> Result<Piece, String> {
    let (number, decimals) = match place.split_once(':') {
        Some((number, decimals)) => (number, Some(decimals)),
        None => (place, None),
    };
    let wrong = || format!("`{{{place}}}` is no place; write `{{}}`, `{{0}}` or `{{:.2}}`");
    let decimals = match decimals {
        None => None,
        Some(text) => {
            let count = text.strip_prefix('.').and_then(|count| count.parse().ok());
            Some(count.filter(|count| *count <= MAX_DECIMALS).ok_or_else(wrong)?)
        }
    };
    if !number.is_empty() {
        return Ok(Piece::Place(number.parse().map_err(|_| wrong())?, decimals));
    }
    *next += 1;
    Ok(Piece::Place(*next - 1, decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_by_themselves_or_are_numbered() {
        assert_eq!(
            pieces("a{}{{{1:.2}}}{}").unwrap(),
            [
                Piece::Literal("a".into()),
                Piece::Place(0, None),
                Piece::Literal("{".into()),
                Piece::Place(1, Some(2)),
                Piece::Literal("}".into()),
                Piece::Place(1, None),
            ]
        );
        for bad in ["{", "}", "{x}", "{:2}", "{:.99}", "{0"] {
            assert!(pieces(bad).is_err(), "{bad}");
        }
    }
}
