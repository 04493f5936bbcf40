//! Findings that someone has accepted: `# check: ignore=CODE reason`.
//!
//! Why: a finding that is known and harmless should not hide new ones, and whoever comes next
//! should know why it is harmless. Errors of form and names cannot be accepted: nothing could run.
//!
//! ```yaml
//! keep: [wind_gust]   # check: ignore=D06 the dashboard shows it
//! keep: [wind_gust]   # check: ignore=D06                 (S01/ignore-without-reason)
//! ```

use super::found;
use crate::diagnostic::{Diagnostic, Ignored, Severity};
use crate::pipeline::load::Loader;
use crate::pipeline::rules::{covers, named};

/// Errors of the spec stay whatever the level; what is a warning by its rule may be accepted at `strict`
/// as well.
fn may_be_accepted(code: &str) -> bool {
    !code.starts_with('S') || named(code).iter().all(|rule| rule.severity != Severity::Error)
}

/// Takes the accepted findings out of `diagnostics` and returns them with their reasons.
pub(super) fn apply(loader: &Loader<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Ignored> {
    let mut more = Vec::new();
    let mut idle = Vec::new();
    let mut ignored = Vec::new();
    for file in loader.all() {
        for ignore in &file.ignores {
            if ignore.codes.is_empty() || ignore.reason.is_empty() {
                let finding = found(
                    "S01/ignore-without-reason",
                    ignore.span,
                    "a finding is ignored without a reason",
                );
                more.push(
                    finding
                        .help("write `# check: ignore=CODE why it is harmless`")
                        .done(),
                );
                continue;
            }
            let line = |found: &Diagnostic| {
                loader
                    .sources
                    .file(file.file)
                    .map_or(0, |source| source.line_column(found.primary.span.start).0)
            };
            let accepted: Vec<Diagnostic> = diagnostics
                .extract_if(.., |found| {
                    let here = found.primary.span.file == file.file && line(found) == ignore.line + 1;
                    let named = ignore.codes.iter().any(|code| covers(code, &found.code));
                    here && named && may_be_accepted(&found.code)
                })
                .collect();
            if accepted.is_empty() {
                idle.push(ignore);
            }
            ignored.extend(accepted.into_iter().map(|diagnostic| Ignored {
                diagnostic,
                reason: ignore.reason.clone(),
            }));
        }
    }
    // Some checks run only where nothing is wrong, so while there are errors, or a join whose columns
    // are not known, a comment may be idle because its finding was not looked for.
    let complete = !diagnostics
        .iter()
        .any(|found| found.severity == Severity::Error || covers("D03", &found.code));
    for ignore in idle {
        let message = match ignore.codes.iter().find(|code| named(code).is_empty()) {
            Some(code) => format!("there is no rule `{code}`"),
            None if complete => format!(
                "nothing is found here that `{}` could ignore",
                ignore.codes.join(",")
            ),
            None => continue,
        };
        let finding = found("S01/ignores-nothing", ignore.span, message);
        more.push(finding.help("remove the comment").done());
    }
    diagnostics.extend(more);
    ignored
}
