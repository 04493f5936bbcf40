//! What a command leaves behind: files at the promised paths become artifacts.

use super::files::{Prepared, Stamp};
use crate::mask::Masker;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use trainyard_contract::{
    ArtifactKind, ArtifactRef, FailureClass, Objects, OutputValue, StepError, TaskReport, TaskSpec,
};

/// Metrics and values become part of events; larger ones are files.
const LARGEST_METRICS: u64 = 1 << 20;
const LARGEST_VALUE: u64 = 64 << 10;
/// Room for a hundred thousand paths.
const LARGEST_LIST: u64 = 16 << 20;

/// Adds every declared output, and numbers, to the report of a command that ended well.
///
/// # Errors
/// `Rejected` if an output is missing or not what it should be, `ArtifactDamaged` if the command
/// wrote to its inputs, `IoError`.
pub(super) fn collect(
    spec: &TaskSpec,
    prepared: &Prepared,
    masker: &Masker,
    report: &mut TaskReport,
) -> Result<(), StepError> {
    for (name, object, stamp) in &prepared.inputs {
        if Stamp::of(object).as_ref() != Some(stamp) {
            let mut error = StepError::rejected(format!("the command wrote to its input `{name}`"));
            error.failure.class = FailureClass::ArtifactDamaged;
            return Err(error
                .help("inputs are read-only; write to `$OUT_<name>`, then run what made the input again"));
        }
    }
    let objects = Objects::new(spec.objects.clone());
    for (name, declared) in &spec.outputs {
        let Some(path) = prepared.outputs.get(name) else {
            continue;
        };
        check_file(name, path)?;
        let value = match declared.kind {
            ArtifactKind::Table | ArtifactKind::Report | ArtifactKind::File => {
                OutputValue::Artifact(Box::new(adopt(&objects, declared.kind, path, Value::Null)?))
            }
            ArtifactKind::Metrics => {
                let numbers = read_json(name, path, LARGEST_METRICS, masker)?;
                show(name, &numbers, report)?;
                OutputValue::Artifact(Box::new(adopt(&objects, declared.kind, path, numbers)?))
            }
            ArtifactKind::Boolean | ArtifactKind::Number | ArtifactKind::String => {
                OutputValue::Value(read_value(name, declared.kind, path, masker)?)
            }
            ArtifactKind::List => {
                let list = read_json(name, path, LARGEST_LIST, masker)?;
                if !list.is_array() {
                    return Err(StepError::rejected(format!("output `{name}` is no list"))
                        .help("write a list as JSON, e.g. [\"a.csv\", \"b.csv\"]"));
                }
                OutputValue::Value(list)
            }
            kind => {
                return Err(StepError::rejected(format!(
                    "a command cannot make output `{name}`: {kind}"
                )));
            }
        };
        report.outputs.insert(name.clone(), value);
    }
    if prepared.metrics.exists() {
        check_file("TRAINYARD_METRICS", &prepared.metrics)?;
        let numbers = read_json("TRAINYARD_METRICS", &prepared.metrics, LARGEST_METRICS, masker)?;
        show("TRAINYARD_METRICS", &numbers, report)?;
    }
    Ok(())
}

fn check_file(name: &str, path: &Path) -> Result<(), StepError> {
    let what = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => return Ok(()),
        Ok(metadata) if metadata.is_dir() => "a folder; pack it into one file, e.g. with tar",
        Ok(metadata) if metadata.is_symlink() => "a symbolic link; copy the file there instead",
        Ok(_) => "not a regular file",
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StepError::rejected(format!(
                "the command ended well without writing output `{name}`"
            ))
            .help(format!("write it to the path in `$OUT_{name}`")));
        }
        Err(error) => {
            return Err(StepError::io(
                format!("could not look at output `{name}`"),
                &error,
            ));
        }
    };
    Err(StepError::rejected(format!("output `{name}` is {what}")))
}

fn adopt(
    objects: &Objects,
    kind: ArtifactKind,
    path: &Path,
    summary: Value,
) -> Result<ArtifactRef, StepError> {
    let media_type = match kind {
        ArtifactKind::Metrics => "application/json".to_owned(),
        ArtifactKind::Report => "text/html".to_owned(),
        _ => media_type(path)?.to_owned(),
    };
    let staged = objects.staging_path()?;
    // A file with another name could still change under that name; one on another file system
    // cannot be moved.
    let is_shared = fs::metadata(path).is_ok_and(|metadata| metadata.nlink() > 1);
    if is_shared || fs::rename(path, &staged).is_err() {
        let copied = File::open(path).and_then(|mut from| io::copy(&mut from, &mut File::create(&staged)?));
        if let Err(error) = copied {
            let _ = fs::remove_file(&staged);
            return Err(StepError::io("could not copy an output to the objects", &error));
        }
    }
    let (hash, size) = objects.adopt(&staged)?;
    Ok(ArtifactRef {
        kind,
        hash,
        size,
        media_type,
        rows: None,
        schema: None,
        summary,
    })
}

/// What the file is, by its first bytes, else by its name.
fn media_type(path: &Path) -> Result<&'static str, StepError> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(|error| StepError::io("could not open an output", &error))?;
    file.take(512)
        .read_to_end(&mut start)
        .map_err(|error| StepError::io("could not read an output", &error))?;
    let by_name = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    Ok(match start.as_slice() {
        start if start.starts_with(b"PAR1") => "application/vnd.apache.parquet",
        start if start.starts_with(b"ARROW1") => "application/vnd.apache.arrow.file",
        _ => match by_name {
            "csv" => "text/csv",
            "json" => "application/json",
            "ndjson" | "jsonl" => "application/x-ndjson",
            "html" => "text/html",
            "txt" | "md" | "log" => "text/plain",
            "png" => "image/png",
            "svg" => "image/svg+xml",
            "onnx" => "application/octet-stream",
            // A table without an ending that is text can only be comma-separated.
            _ if std::str::from_utf8(&start).is_ok() && start.contains(&b',') => "text/csv",
            _ if is_text(&start) => "text/plain",
            _ => "application/octet-stream",
        },
    })
}

fn is_text(start: &[u8]) -> bool {
    !start.contains(&0)
        && std::str::from_utf8(start).map_or_else(|error| error.error_len().is_none(), |_| true)
}

fn read_text(name: &str, path: &Path, largest: u64, masker: &Masker) -> Result<String, StepError> {
    let failed = |error: &io::Error| StepError::io(format!("could not read output `{name}`"), error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(largest + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > largest {
        return Err(
            StepError::rejected(format!("output `{name}` is larger than {largest} bytes"))
                .help("declare it as `type: file`"),
        );
    }
    if masker.finds(&bytes) {
        return Err(StepError::rejected(format!("output `{name}` contains a secret"))
            .help("values and metrics are kept with the run and shown; keep secrets out of them"));
    }
    String::from_utf8(bytes).map_err(|_| StepError::rejected(format!("output `{name}` is not text in UTF-8")))
}

fn read_json(name: &str, path: &Path, largest: u64, masker: &Masker) -> Result<Value, StepError> {
    let text = read_text(name, path, largest, masker)?;
    serde_json::from_str(&text).map_err(|error| StepError::rejected(format!("`{name}` is not JSON: {error}")))
}

fn read_value(name: &str, kind: ArtifactKind, path: &Path, masker: &Masker) -> Result<Value, StepError> {
    let text = read_text(name, path, LARGEST_VALUE, masker)?;
    let text = text.trim_end_matches(['\n', '\r']);
    let value = serde_json::from_str::<Value>(text.trim()).ok();
    let is_right = |value: &Value| match kind {
        ArtifactKind::Boolean => value.is_boolean(),
        ArtifactKind::Number => value.is_number(),
        _ => value.is_string(),
    };
    match value.filter(is_right) {
        Some(value) => Ok(value),
        // Text needs no quotes.
        None if kind == ArtifactKind::String => Ok(Value::String(text.to_owned())),
        None => {
            let found: String = text.chars().take(80).collect();
            Err(StepError::rejected(format!(
                "output `{name}` is not a {kind}: `{found}`"
            )))
        }
    }
}

/// Shows the numbers of a JSON object for the run.
fn show(name: &str, numbers: &Value, report: &mut TaskReport) -> Result<(), StepError> {
    let Some(map) = numbers.as_object() else {
        return Err(StepError::rejected(format!(
            "`{name}` is not a JSON object of numbers by name"
        )));
    };
    let numbers = map
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
    report.metrics.extend(numbers);
    Ok(())
}
