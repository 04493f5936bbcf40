//! Errors of polars in our words.

use polars::prelude::{PolarsError, PolarsResult};
use std::panic::{AssertUnwindSafe, catch_unwind};
use trainyard_contract::Finding;
use trainyard_contract::finding::{Path, nearest};

/// Carries out what may panic on input made to hurt, or that nobody thought of: damaged files, odd
/// queries. A panic becomes an error.
///
/// # Errors
/// Those of `work`, and `ComputeError` for a panic.
pub(crate) fn guarded<T>(work: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(panic.downcast_ref::<&str>().copied());
        let said = said
            .and_then(|said| said.lines().next())
            .unwrap_or("it makes no sense");
        // What polars unwraps is an error with a sentence of its own.
        let said = said
            .split_once("ErrString(\"")
            .map_or(said, |(_, rest)| rest.trim_end_matches("\"))"));
        Err(PolarsError::ComputeError(
            format!("polars cannot take this: {said}").into(),
        ))
    })
}

/// The first sentence of an error, in lower case and without the plan it was found in.
pub(crate) fn sentence(error: &PolarsError) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or(&text);
    let line = first
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    line.trim_end_matches('.').to_owned()
}

/// The column an error says is not there.
pub(crate) fn missing_column(error: &PolarsError) -> Option<String> {
    let text = sentence(error);
    if let PolarsError::ColumnNotFound(name) = root(error)
        && !name.contains(' ')
    {
        return Some(name.to_string());
    }
    let after = [
        "unable to find column ",
        "no column named ",
        "column not found: ",
        "unable to resolve column ",
    ]
    .iter()
    .find_map(|phrase| text.split_once(phrase).map(|(_, after)| after))?;
    let quoted = after.trim_start();
    let quote = quoted.chars().next().filter(|c| "\"'`".contains(*c));
    let name = match quote {
        Some(quote) => quoted[1..].split(quote).next()?,
        None => quoted.split([';', ' ', ',']).next()?,
    };
    Some(name.to_owned())
}

/// The column an error says there would be twice.
fn doubled_column(error: &PolarsError) -> Option<String> {
    let text = sentence(error);
    if !matches!(root(error), PolarsError::Duplicate(_)) && !text.contains("duplicate") {
        return None;
    }
    let quoted = |quote: char| text.split(quote).nth(1).map(str::to_owned);
    quoted('\'')
        .or_else(|| quoted('`'))
        .or_else(|| quoted('"'))
        .or(Some(String::new()))
}

fn root(error: &PolarsError) -> &PolarsError {
    match error {
        PolarsError::Context { error, .. } => root(error),
        other => other,
    }
}

/// What is wrong with a plan, said at the text at `path` that it was made from. `columns` are the
/// names that could have been meant.
pub(crate) fn finding<'a>(
    error: &PolarsError,
    path: Path,
    columns: impl IntoIterator<Item = &'a str>,
) -> Finding {
    if let Some(name) = missing_column(error) {
        // `t.amuont` is looked up as `amuont`.
        let bare = name.rsplit('.').next().unwrap_or(&name).to_owned();
        return no_column(&bare, path, columns).at_word(bare.clone());
    }
    if let Some(name) = doubled_column(error) {
        let message = if name.is_empty() {
            format!(
                "two columns of the result have the same name: {}",
                sentence(error)
            )
        } else {
            format!("two columns of the result are called `{name}`")
        };
        let finding = Finding::error("D03", path, message).help("give one of them another name with `AS`");
        return if name.is_empty() {
            finding
        } else {
            finding.at_word(name)
        };
    }
    let text = sentence(error);
    if text.contains("sql parser error")
        || matches!(
            root(error),
            PolarsError::SQLSyntax(_) | PolarsError::SQLInterface(_)
        )
    {
        return Finding::error("S03", path, text);
    }
    if text.contains("datatypes of join keys") {
        return Finding::error("D03", path, text).help("cast one of the keys to the type of the other");
    }
    Finding::error("D01/wrong-column-type", path, text)
}

/// A column that no input has.
pub(crate) fn no_column<'a>(name: &str, path: Path, columns: impl IntoIterator<Item = &'a str>) -> Finding {
    let columns: Vec<&str> = columns.into_iter().collect();
    let finding = Finding::error("D01", path, format!("there is no column `{name}` here"));
    match nearest(name, columns.iter().copied()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None if columns.len() <= 40 => finding.help(format!("there are {}", list(&columns))),
        None => finding,
    }
}

/// Names in backticks, separated by commas.
pub(crate) fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
