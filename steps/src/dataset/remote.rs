//! Files in object stores and on web servers, copied beside the attempt before they are read.
//!
//! A copy makes one way of reading for all places, lets an interrupted transfer go on where it stopped,
//! and keeps memory bounded; it costs the disk space of the files while the step runs.

use super::Access;
use super::location::DataFile;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as StorePath;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use trainyard_contract::{Failure, FailureClass, StepError};
use url::Url;

/// Transfers begun for one file before it is given up.
const ATTEMPTS: u32 = 5;
/// Wait before the second one; doubled each time.
const WAIT: Duration = Duration::from_millis(200);
/// Environment variables that say how to reach a store, by the beginning of their names.
const VARIABLES: [&str; 4] = ["AWS_", "GOOGLE_", "AZURE_", "TRAINYARD_STORE_"];

/// The URL without what may be secret: user, password, query.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// Settings of the store: from the step's secrets, else from the environment.
fn settings(access: Access<'_>) -> Vec<(String, String)> {
    let is_setting = |name: &str| VARIABLES.iter().any(|start| name.starts_with(start));
    let mut all: Vec<(String, String)> = std::env::vars().filter(|(name, _)| is_setting(name)).collect();
    for (name, value) in access.secrets.into_iter().flatten() {
        all.retain(|(known, _)| known != name);
        all.push((name.clone(), value.clone()));
    }
    let mut settings: Vec<(String, String)> = all
        .iter()
        .map(|(name, value)| {
            let name = name.strip_prefix("TRAINYARD_STORE_").unwrap_or(name);
            (name.to_lowercase(), value.clone())
        })
        .collect();
    // Who writes `http://` into an endpoint means it.
    let is_plain =
        |(name, value): &(String, String)| name.contains("endpoint") && value.starts_with("http://");
    if settings.iter().any(is_plain) && !settings.iter().any(|(name, _)| name.ends_with("allow_http")) {
        settings.push(("allow_http".to_owned(), "true".to_owned()));
    }
    settings
}

/// The class says whether to try again.
fn failed(what: &str, error: &Error) -> StepError {
    let rejected = |message: String| StepError::rejected(message);
    match error {
        Error::NotFound { .. } => rejected(format!("there is no {what}")),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            rejected(format!("access to {what} is denied")).help(
                "give the step `secrets` such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or set them where it runs",
            )
        }
        Error::Precondition { .. } => StepError {
            failure: Failure::new(FailureClass::IoError, format!("{what} was changed while it was read")),
        },
        Error::NotSupported { .. } | Error::NotImplemented { .. } | Error::UnknownConfigurationKey { .. } => {
            rejected(format!("{what} cannot be read: {error}"))
        }
        other => StepError::io(format!("could not read {what}"), other),
    }
}

/// The files of a remote location in the order of their names, copied into the attempt's folder.
///
/// # Errors
/// `Rejected` if there is none or access is denied, `IoError` if the way there is broken.
pub(super) fn files(location: &str, access: Access<'_>) -> Result<Vec<DataFile>, StepError> {
    let url = Url::parse(location)
        .map_err(|error| StepError::rejected(format!("the location is no URL: {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StepError::io("could not start the network", &error))?;
    std::fs::create_dir_all(access.scratch)
        .map_err(|error| StepError::io("could not make the scratch folder", &error))?;
    runtime.block_on(async {
        let is_web = matches!(url.scheme(), "http" | "https");
        let has_pattern = !is_web && location.contains(['*', '?', '[']);
        // A pattern's characters are no part of the store's address.
        let (fixed, pattern) = if has_pattern {
            split(location)
        } else {
            (location, None)
        };
        let address = Url::parse(fixed).map_err(|error| StepError::rejected(error.to_string()))?;
        let mut settings = settings(access);
        if is_web {
            settings = vec![("allow_http".to_owned(), "true".to_owned())];
        }
        let (store, path) = object_store::parse_url_opts(&address, settings)
            .map_err(|error| failed(&shown(&address), &error))?;
        let found: Vec<ObjectMeta> = match pattern {
            None => vec![
                store
                    .head(&path)
                    .await
                    .map_err(|error| failed(&shown(&url), &error))?,
            ],
            Some(pattern) => listed(store.as_ref(), &path, &pattern, &shown(&url)).await?,
        };
        if found.is_empty() {
            return Err(StepError::rejected(format!("no object matches {}", shown(&url))));
        }
        let mut files = Vec::with_capacity(found.len());
        for (at, object) in found.iter().enumerate() {
            let name = object.location.filename().unwrap_or("object");
            let target = access.scratch.join(format!("remote-{at}-{name}"));
            let what = match url.host_str() {
                Some(host) => format!("{}://{host}/{}", url.scheme(), object.location),
                None => object.location.to_string(),
            };
            fetch(store.as_ref(), object, &target, &what).await?;
            files.push(DataFile {
                path: target,
                shown: what,
            });
        }
        Ok(files)
    })
}

/// The part before the first character of a pattern, up to its last slash, and the whole pattern's path.
fn split(location: &str) -> (&str, Option<String>) {
    let at = location.find(['*', '?', '[']).unwrap_or(location.len());
    let folder = location[..at].rfind('/').map_or(at, |slash| slash + 1);
    let rest = location.split_once("://").map_or(location, |(_, rest)| rest);
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    (&location[..folder], Some(path.to_owned()))
}

async fn listed(
    store: &dyn ObjectStore,
    folder: &StorePath,
    pattern: &str,
    what: &str,
) -> Result<Vec<ObjectMeta>, StepError> {
    let pattern = glob::Pattern::new(pattern)
        .map_err(|error| StepError::rejected(format!("{what} is not a pattern: {error}")))?;
    let options = glob::MatchOptions {
        require_literal_separator: true,
        ..glob::MatchOptions::new()
    };
    let all: Vec<ObjectMeta> = store
        .list(Some(folder))
        .try_collect()
        .await
        .map_err(|error| failed(what, &error))?;
    // Some addresses carry the bucket as the first part of the path.
    let fits = |path: &str| {
        pattern.matches_with(path, options)
            || pattern
                .as_str()
                .split_once('/')
                .and_then(|(_, rest)| glob::Pattern::new(rest).ok())
                .is_some_and(|rest| rest.matches_with(path, options))
    };
    let mut found: Vec<ObjectMeta> = all
        .into_iter()
        .filter(|object| fits(object.location.as_ref()))
        .collect();
    found.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(found)
}

/// Copies an object to a file; a transfer that breaks off is gone on with where it stopped, as long as
/// the object is still the same.
async fn fetch(
    store: &dyn ObjectStore,
    object: &ObjectMeta,
    target: &Path,
    what: &str,
) -> Result<(), StepError> {
    let writing = |error: std::io::Error| StepError::io(format!("could not copy {what}"), &error);
    let mut file = File::create(target).map_err(writing)?;
    let mut done = 0u64;
    let mut wait = WAIT;
    let mut attempt = 1;
    while done < object.size {
        let options = GetOptions {
            range: (done > 0).then_some(GetRange::Offset(done)),
            if_match: object.e_tag.clone().filter(|tag| !tag.starts_with("W/")),
            ..GetOptions::default()
        };
        let broken = match store.get_opts(&object.location, options).await {
            Err(error) => error,
            Ok(got) => {
                let mut stream = got.into_stream();
                let mut broken = None;
                while let Some(part) = stream.next().await {
                    match part {
                        Ok(bytes) => {
                            file.write_all(&bytes).map_err(writing)?;
                            done += bytes.len() as u64;
                        }
                        Err(error) => {
                            broken = Some(error);
                            break;
                        }
                    }
                }
                match broken {
                    Some(error) => error,
                    None if done >= object.size => break,
                    None => Error::Generic {
                        store: "remote",
                        source: "the transfer ended before the file did".into(),
                    },
                }
            }
        };
        let is_final = !matches!(broken, Error::Generic { .. }) || attempt == ATTEMPTS;
        if is_final {
            return Err(failed(what, &broken));
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
        attempt += 1;
    }
    file.flush().map_err(writing)
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
