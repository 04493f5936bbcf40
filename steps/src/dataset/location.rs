//! From a dataset's location to files.

use super::Access;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use trainyard_contract::StepError;
use trainyard_contract::finding::nearest;

/// A file of a dataset.
pub(crate) struct DataFile {
    pub(crate) path: PathBuf,
    /// As messages name it.
    pub(crate) shown: String,
}

impl DataFile {
    /// Whether its name says that tabs are its delimiters.
    pub(super) fn is_tab_separated(&self) -> bool {
        matches!(extension(&self.path).as_str(), "tsv" | "tab")
    }
}

/// The extension without that of a compression, in lower case.
fn extension(path: &Path) -> String {
    let of = |path: &Path| {
        path.extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    match of(path).as_str() {
        "gz" | "zst" => of(Path::new(path.file_stem().unwrap_or_default())),
        other => other.to_owned(),
    }
}

/// How a file holds its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Ndjson,
    Parquet,
    Arrow,
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "csv" | "tsv" | "tab" => Self::Csv,
            "ndjson" | "jsonl" => Self::Ndjson,
            "parquet" => Self::Parquet,
            "arrow" | "ipc" | "feather" => Self::Arrow,
            other => {
                return Err(format!(
                    "`{other}` is not a format; there are csv, ndjson, parquet and arrow"
                ));
            }
        })
    }
}

impl Format {
    /// By the file's extension.
    pub(super) fn of(path: &Path) -> Result<Self, String> {
        extension(path).parse().map_err(|_| {
            format!(
                "the format of {} does not follow from its name; say `format: csv`, ndjson, parquet or arrow",
                path.display()
            )
        })
    }
}

/// The files of a location, in the order of their names.
///
/// # Errors
/// `Rejected` if the location is not local, is no pattern, or no file is there.
pub(super) fn files(location: &str, access: Access<'_>) -> Result<Vec<DataFile>, StepError> {
    let project = access.project;
    let local = match location.split_once("://") {
        None => location,
        Some(("file", rest)) => rest,
        Some((scheme, _)) => return remote_files(scheme, location, access),
    };
    let local = local.strip_prefix("./").unwrap_or(local);
    let path = project.join(local);
    if path.is_file() {
        return Ok(vec![DataFile {
            path,
            shown: local.to_owned(),
        }]);
    }
    if path.is_dir() {
        return Err(StepError::rejected(format!("{local} is a folder")).help(format!(
            "name the files in it, e.g. `{}/*.parquet`",
            local.trim_end_matches('/')
        )));
    }
    if !local.contains(['*', '?', '[']) {
        return Err(missing(local, &path));
    }
    // Only the location is a pattern, whatever characters the project's own path has.
    let pattern = if Path::new(local).is_absolute() {
        local.to_owned()
    } else {
        format!("{}/{local}", glob::Pattern::escape(&project.to_string_lossy()))
    };
    let found = glob::glob(&pattern)
        .map_err(|error| StepError::rejected(format!("{local} is not a pattern of file names: {error}")))?;
    let mut files = Vec::new();
    for entry in found {
        let path = entry.map_err(|error| StepError::io(format!("could not look for {local}"), &error))?;
        if path.is_file() {
            let shown = path.strip_prefix(project).unwrap_or(&path).display().to_string();
            files.push(DataFile { path, shown });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if files.is_empty() {
        return Err(StepError::rejected(format!("no file matches {local}")));
    }
    Ok(files)
}

#[cfg(feature = "cloud")]
fn remote_files(scheme: &str, location: &str, access: Access<'_>) -> Result<Vec<DataFile>, StepError> {
    const KNOWN: [&str; 10] = [
        "s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "http", "https",
    ];
    if KNOWN.contains(&scheme) {
        return super::remote::files(location, access);
    }
    Err(
        StepError::rejected(format!("`{scheme}://` is no place that can be read"))
            .help(format!("there are file, {}", KNOWN.join(", "))),
    )
}

#[cfg(not(feature = "cloud"))]
fn remote_files(scheme: &str, _: &str, _: Access<'_>) -> Result<Vec<DataFile>, StepError> {
    Err(
        StepError::rejected(format!("this build does not read from `{scheme}://`"))
            .help("build it with the feature `cloud`, or copy the file to a local path"),
    )
}

fn missing(local: &str, path: &Path) -> StepError {
    let error = StepError::rejected(format!("there is no file {local}"));
    let siblings: Vec<String> = path
        .parent()
        .and_then(|folder| std::fs::read_dir(folder).ok())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    match nearest(name, siblings.iter().map(String::as_str)) {
        Some(near) => error.help(format!("beside it there is `{near}`")),
        None => error,
    }
}
