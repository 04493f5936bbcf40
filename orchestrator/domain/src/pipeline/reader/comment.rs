//! Comments that speak to the checks: `# check: ignore=CODE reason`.

use crate::diagnostic::Span;

/// A finding that someone has accepted, with a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ignore {
    /// The comment.
    pub(crate) span: Span,
    /// Codes or families.
    pub(crate) codes: Vec<String>,
    pub(crate) reason: String,
    /// The line, from 0, whose findings it accepts: its own, or the next one with content where it
    /// stands alone.
    pub(crate) line: usize,
}

/// Reads the text of a comment after its `#`. `alone`: nothing else is on its line.
pub(super) fn parse(comment: &str, span: Span, line: usize, alone: bool) -> Option<Ignore> {
    let rest = comment
        .trim()
        .strip_prefix("check:")?
        .trim_start()
        .strip_prefix("ignore")?;
    let rest = rest.trim_start().strip_prefix('=').unwrap_or(rest).trim_start();
    let (codes, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let codes = codes
        .split(',')
        .filter(|code| !code.is_empty())
        .map(str::to_owned)
        .collect();
    let reason = reason
        .trim_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '-' | '—'))
        .to_owned();
    Some(Ignore {
        span,
        codes,
        reason,
        line: if alone { line + 1 } else { line },
    })
}

/// Moves comments that stand alone down to the next line that is neither blank nor a comment, so
/// that several may stand above one line.
pub(super) fn settle(text: &str, ignores: &mut [Ignore]) {
    if ignores.is_empty() {
        return;
    }
    let mut next = 0;
    let mut content_lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with('#')
        })
        .map(|(at, _)| at)
        .peekable();
    for ignore in ignores {
        // Comments come in ascending order, so one walk over the lines serves all.
        while let Some(line) = content_lines.peek() {
            next = *line;
            if *line >= ignore.line {
                break;
            }
            content_lines.next();
        }
        ignore.line = ignore.line.max(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::FileId;

    fn parsed(comment: &str) -> Option<(Vec<String>, String)> {
        parse(
            comment,
            Span {
                file: FileId(0),
                start: 0,
                end: 1,
            },
            0,
            false,
        )
        .map(|ignore| (ignore.codes, ignore.reason))
    }

    #[test]
    fn codes_come_first_and_the_rest_is_the_reason() {
        assert_eq!(
            parsed(" check: ignore=D06,M05 read by hand"),
            Some((vec!["D06".into(), "M05".into()], "read by hand".into()))
        );
        assert_eq!(
            parsed("check: ignore=D06"),
            Some((vec!["D06".into()], String::new()))
        );
        assert_eq!(parsed(" check the weather"), None);
    }
}
