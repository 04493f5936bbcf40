//! Addresses that clients name: where an experiment's artifacts are, and where a version's files are.
//!
//! They go to other clients as they are, so one that would lead those out of what it names is refused.

use super::failure::Failure;
use super::fields::decoded;
use trainyard_domain::tracking::Refusal;
use trainyard_store::tracking::{Tracking, TrackingError};

/// An address without any `%` that is left, however often it was coded.
fn plain(address: &str) -> String {
    let mut text = address.to_owned();
    for _ in 0..8 {
        let next = decoded(&text.replace('+', "%2B"));
        if next == text {
            break;
        }
        text = next;
    }
    text
}

fn climbs(address: &str) -> bool {
    let path = plain(address).replace('\\', "/");
    path.chars().any(|c| c.is_control()) || path.split('/').any(|part| part == "..")
}

fn scheme(address: &str) -> Option<&str> {
    let (scheme, _) = address.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c));
    is_scheme.then_some(scheme)
}

/// Checks where artifacts of an experiment are to be.
pub(super) fn check_location(location: &str) -> Result<(), Failure> {
    if location.starts_with("runs:") {
        return Err(Failure::invalid(format!(
            "Artifact location cannot be a runs:/ URI. Given: '{location}'"
        )));
    }
    if location.contains(['#', '?', ';']) || climbs(location) {
        return Err(Failure::invalid(format!(
            "'artifact_location' URL can't include fragments, parameters, queries or relative paths. Given: '{location}'"
        )));
    }
    Ok(())
}

/// Checks where the files of a version are: not on the server's own disk, not elsewhere than it says, and where
/// artifacts are ours, of the run or the logged model that is named.
pub(super) fn check_source(
    tracking: &Tracking<'_>,
    source: &str,
    run_id: Option<&str>,
    model_id: Option<&str>,
) -> Result<(), TrackingError> {
    let (of, whose) = match model_id {
        Some(_) => ("model_id", "model"),
        None => ("run_id", "run"),
    };
    let wrong = |why: &str| {
        TrackingError::from(Refusal::invalid(format!(
            "Invalid model version source: '{source}'. {why}"
        )))
    };
    if matches!(scheme(source), None | Some("file")) {
        return Err(wrong(&format!(
            "To use a local path as a model version source, the {of} request parameter has to be specified and the local \
             path has to be contained within the artifact directory of the {whose} specified by the {of}."
        )));
    }
    if climbs(source) {
        return Err(wrong(
            "If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references present. Please provide an absolute path.",
        ));
    }
    let foreign = || {
        wrong(&format!(
            "It is not within the artifacts of the {whose} specified by the {of}."
        ))
    };
    match scheme(source) {
        Some("models") => {
            let rest = source.trim_start_matches("models:").trim_start_matches('/');
            if rest.starts_with("m-") && !rest.contains('/') && model_id != Some(rest) {
                return Err(foreign());
            }
        }
        Some("mlflow-artifacts") => {
            let root = match (model_id, run_id) {
                (Some(model), _) => tracking.logged_model(model)?.location,
                (None, Some(run)) => tracking.run(run)?.location,
                // The registry's own files are everybody's.
                (None, None) if source.starts_with("mlflow-artifacts:/registry/") => return Ok(()),
                (None, None) => return Err(foreign()),
            };
            let within = source
                .strip_prefix(&root)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if !within {
                return Err(foreign());
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The class of CVE-2023-6831 and CVE-2024-1560: coded twice, a way out is still one.
    #[test]
    fn an_address_that_climbs_is_seen_however_it_is_coded() {
        for bad in [
            "s3://b/../x",
            "s3://b/%2e%2e/x",
            "s3://b/%252e%252e%252fx",
            "s3://b/..\\x",
            "s3://b/a\0b",
        ] {
            assert!(climbs(bad), "{bad}");
        }
        for good in ["s3://b/a..b/c", "models:/m-1", "runs:/abc/model", "dbfs:/x+y"] {
            assert!(!climbs(good), "{good}");
        }
        assert_eq!(scheme("C:/x"), None);
        assert_eq!(scheme("s3://x"), Some("s3"));
        assert!(check_location("mlflow-artifacts:/x/%2e%2e/0").is_err());
    }
}
