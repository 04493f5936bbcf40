//! What keys, ids and names may be.

use super::{Refusal, limits};

const CHARACTERS: &str = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).";

/// Checks the key of a metric, parameter or tag; `path` says where it stands in the request, and `what` it
/// is of.
///
/// # Errors
/// If it has other characters, reads like a path that leads elsewhere, or is too long.
pub fn check_key(key: &str, path: &str, what: &str) -> Result<(), Refusal> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | ':' | '/');
    if !key.chars().all(fits) {
        return Err(Refusal::value(path, key, CHARACTERS));
    }
    check_plain_path(key, path)?;
    check_length(what, limits::KEY, key)
}

/// Refuses a name that would be another if it were a path.
fn check_plain_path(name: &str, path: &str) -> Result<(), Refusal> {
    let plain = normal(name);
    if plain != name || plain == "." || plain.starts_with("..") || plain.starts_with('/') {
        return Err(Refusal::value(
            path,
            name,
            &format!(
                "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. \
                 This name would resolve to '{plain}'"
            ),
        ));
    }
    Ok(())
}

/// A path without `.`, `..` and doubled slashes, as POSIX reads it.
fn normal(path: &str) -> String {
    let slashes = match path {
        p if p.starts_with("///") => "/",
        p if p.starts_with("//") => "//",
        p if p.starts_with('/') => "/",
        _ => "",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if slashes.is_empty() && parts.last().is_none_or(|last| *last == "..") => parts.push(part),
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let plain = format!("{slashes}{}", parts.join("/"));
    if plain.is_empty() { ".".to_owned() } else { plain }
}

/// Refuses a text that is longer than so many characters.
///
/// # Errors
/// With the name of what is too long.
pub fn check_length(what: &str, limit: usize, text: &str) -> Result<(), Refusal> {
    if text.len() <= limit || text.chars().count() <= limit {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "'{what}' exceeds the maximum length of {limit} characters"
    )))
}

/// A text cut to so many characters.
pub fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    text.char_indices().nth(limit).map_or(text, |(at, _)| &text[..at])
}

/// Whether a text can be a run's id: a letter or digit, then up to 255 letters, digits, `_` and `-`.
pub fn is_run_id(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && text.chars().count() <= 256
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

/// Checks a run's id.
///
/// # Errors
/// If it cannot be one.
pub fn check_run_id(text: &str) -> Result<(), Refusal> {
    if is_run_id(text) {
        return Ok(());
    }
    Err(Refusal::value("run_id", text, ""))
}

/// Checks the name of an experiment.
///
/// # Errors
/// If it is empty or too long.
pub fn check_experiment_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::invalid("Invalid experiment name: ''"));
    }
    check_length("name", limits::EXPERIMENT_NAME, name)
}

/// Checks the name of a registered model; `path` is `name` or `new_name`.
///
/// # Errors
/// If it is empty, has `/` or `:`, or reads like a path that leads elsewhere.
pub fn check_model_name(name: &str, path: &str) -> Result<(), Refusal> {
    if name.trim().is_empty() {
        return Err(Refusal::invalid(format!(
            "Missing value for required parameter '{path}'."
        )));
    }
    if name.contains(['/', ':']) {
        return Err(Refusal::invalid(format!(
            "Invalid model name '{name}'. Names cannot contain '/' or ':'."
        )));
    }
    check_plain_path(name, "name")?;
    check_length("name", limits::TAG_VALUE, name)
}

/// The number of a model version.
///
/// # Errors
/// If the text is none.
pub fn version_number(text: &str) -> Result<u32, Refusal> {
    text.trim()
        .parse()
        .map_err(|_| Refusal::invalid(format!("Parameter 'version' must be an integer, got '{text}'.")))
}

/// Checks an alias of a model version.
///
/// # Errors
/// If it is empty, has other characters than letters, digits, `_` and `-`, is too long, or means
/// something of its own.
pub fn check_alias(alias: &str) -> Result<(), Refusal> {
    if alias.is_empty() {
        return Err(Refusal::invalid("Registered model alias name cannot be empty."));
    }
    if !alias
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
    {
        return Err(Refusal::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    check_length("Registered model alias name", limits::ALIAS, alias)?;
    if alias.eq_ignore_ascii_case("latest") {
        return Err(Refusal::invalid(
            "'latest' alias name (case insensitive) is reserved.",
        ));
    }
    let digits = alias.strip_prefix(['v', 'V']).unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::invalid(format!(
            "Version alias name '{alias}' is reserved."
        )));
    }
    Ok(())
}

/// A path below an artifact root, in its plain form: relative, forward slashes, no empty, `.` or `..`
/// component, no control characters, nothing that another system would read as a drive or a scheme.
///
/// # Errors
/// `Invalid path`, whatever is wrong: who tries learns nothing.
pub fn artifact_path(text: &str) -> Result<&str, Refusal> {
    let refused = || Refusal::invalid("Invalid path");
    let is_odd = |c: char| {
        c.is_control()
            || c == '\\'
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    if text.is_empty() || text.len() > 2_048 || text.starts_with('/') || text.chars().any(is_odd) {
        return Err(refused());
    }
    let first = text.split('/').next().unwrap_or_default();
    if first.contains(':') {
        return Err(refused());
    }
    // A path that would be another after one more decoding is not taken at all.
    let lower = text.to_ascii_lowercase();
    if ["%2e", "%2f", "%5c", "%25", "%00"]
        .iter()
        .any(|coded| lower.contains(coded))
    {
        return Err(refused());
    }
    let is_plain = |part: &str| {
        part.len() <= 255
            && !part.trim_matches([' ', '.']).is_empty()
            && !part.starts_with('~')
            && !part.ends_with(':')
    };
    if text.split('/').all(is_plain) {
        Ok(text)
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_as_clients_write_them() {
        for good in ["acc", "val/acc", "a b", "é", "a:b", "a..b", ".a", "a.b-c_d"] {
            assert!(check_key(good, "name", "Metric name").is_ok(), "{good}");
        }
        for bad in [
            "a#b", "../x", "/x", "a/../b", "a//b", ".", "..", "", "a/", "./a", "a\nb",
        ] {
            assert!(check_key(bad, "name", "Metric name").is_err(), "{bad}");
        }
        let said = check_key("a b#", "name", "Metric name").unwrap_err().message;
        assert_eq!(
            said,
            format!("Invalid value \"a b#\" for parameter 'name' supplied: {CHARACTERS}")
        );
        assert!(check_key(&"k".repeat(251), "name", "Metric name").is_err());
    }

    #[test]
    fn aliases_that_mean_something_else_are_refused() {
        for good in ["champion", "a-b_c", "v", "v1a", "latest1"] {
            assert!(check_alias(good).is_ok(), "{good}");
        }
        for bad in ["", "latest", "LATEST", "v1", "V22", "a.b", "a b", "a/b"] {
            assert!(check_alias(bad).is_err(), "{bad}");
        }
    }

    /// The classes of CVE-2023-1177, CVE-2023-2780, CVE-2023-6831, CVE-2024-1560, CVE-2024-1593 and
    /// CVE-2025-11201.
    #[test]
    fn paths_that_lead_elsewhere_are_refused_however_they_are_written() {
        for bad in [
            "../x",
            "a/../../b",
            "..",
            ".",
            "/etc/passwd",
            "//etc",
            "a//b",
            "a/",
            "..\\x",
            "a\\..\\b",
            "C:/x",
            "c:x",
            "file:///etc/passwd",
            "s3://other/x",
            "%2e%2e/x",
            "%2E%2e%2fx",
            "a/%252e%252e/b",
            "....",
            ".../x",
            "x\0y",
            "~root/x",
            "a/~x",
            "a/C:/x",
            "a/. /b",
            "a/.. /b",
            "\u{202e}x",
            "a\nb",
            "",
            " ",
        ] {
            assert_eq!(
                artifact_path(bad).map_err(|refused| refused.message),
                Err("Invalid path".to_owned()),
                "{bad:?}"
            );
        }
        for good in [
            "model/MLmodel",
            "a b/c.txt",
            "....//x".trim_start_matches("....//"),
            "x..y",
            ".hidden",
            "ü/ö",
            "a;b#c?d",
        ] {
            assert_eq!(artifact_path(good), Ok(good));
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_stays_below_its_root(text in "[a./~% \\\\:2eEfF0]{0,24}") {
            if let Ok(path) = artifact_path(&text) {
                prop_assert_eq!(normal(path), path);
                prop_assert!(!path.split('/').any(|part| part == ".." || part == "."));
            }
        }

        #[test]
        fn cutting_keeps_whole_characters(text in "\\PC{0,20}", limit in 0_usize..24) {
            prop_assert_eq!(cut(&text, limit).chars().count(), text.chars().count().min(limit));
        }
    }
}
