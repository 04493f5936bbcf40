//! What a command finds when it starts: its program, its environment, its inputs as files.

use super::folder::make;
use super::plain::plain_command;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;
use trainyard_contract::task::{DatasetRef, ProcessSpec, TaskInput};
use trainyard_contract::{ArtifactRef, Objects, OutputValue, StepError, TaskSpec};

/// A command ready to start.
pub(super) struct Prepared {
    pub(super) command: Program,
    /// What to start if the first cannot be: a shell knows more kinds of programs, and says best
    /// what is wrong.
    pub(super) otherwise: Option<Program>,
    pub(super) environment: BTreeMap<OsString, OsString>,
    /// Output → where the command is to write it.
    pub(super) outputs: BTreeMap<String, PathBuf>,
    /// Where it may write numbers.
    pub(super) metrics: PathBuf,
    /// Input, its object, and what the file looked like.
    pub(super) inputs: Vec<(String, PathBuf, Stamp)>,
}

/// A program with its arguments.
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// What it is told to be called.
    pub(super) name: OsString,
    pub(super) arguments: Vec<OsString>,
}

/// What changes when somebody writes to a file.
#[derive(PartialEq)]
pub(super) struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl Stamp {
    /// The file's stamp now, if it is there.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            inode: metadata.ino(),
        })
    }
}

/// Puts everything into the folder that the command is to find there.
///
/// # Errors
/// `ArtifactDamaged` for inputs, `Rejected` for names and programs, `IoError`.
pub(super) fn prepare(
    spec: &TaskSpec,
    process: &ProcessSpec,
    mark: &str,
    secrets: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<Prepared, StepError> {
    let mut environment: BTreeMap<OsString, OsString> = BTreeMap::new();
    for name in ["PATH", "HOME", "LANG", "TZ"] {
        if let Some(value) = std::env::var_os(name) {
            environment.insert(name.into(), value);
        }
    }
    let path = environment
        .entry("PATH".into())
        .or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".into())
        .clone();
    environment.insert("TMPDIR".into(), folder.into());
    // As a shell would say.
    environment.insert("PWD".into(), spec.project.clone().into());
    environment.extend(
        process
            .env
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    let mut inputs = Vec::new();
    for (name, input) in &spec.inputs {
        let value = place_input(spec, folder, name, input, &mut inputs)?;
        environment.insert(format!("IN_{}", variable(name)).into(), value);
    }
    let mut outputs = BTreeMap::new();
    for (name, declared) in &spec.outputs {
        let folder = folder.join("out");
        let file = match &declared.path {
            Some(path) => folder.join(relative(path)?),
            None => folder.join(variable(name)),
        };
        make(file.parent().unwrap_or(&folder))?;
        environment.insert(format!("OUT_{}", variable(name)).into(), file.clone().into());
        outputs.insert(name.clone(), file);
    }
    if let Some(values) = spec.with.get("params").filter(|values| values.is_object()) {
        let params = folder.join("params.json");
        write(&params, &values.to_string())?;
        environment.insert("PARAMS_JSON".into(), params.clone().into());
        environment.insert("TRAINYARD_PARAMS".into(), params.into());
    }
    let metrics = folder.join("metrics.json");
    let ours: [(&str, OsString); 6] = [
        ("TRAINYARD_METRICS", metrics.clone().into()),
        ("TRAINYARD_RUN", spec.run.clone().into()),
        ("TRAINYARD_STEP", spec.instance.clone().into()),
        ("TRAINYARD_PROJECT", spec.project.clone().into()),
        ("TRAINYARD_CACHE", cache(spec).into()),
        (crate::proc::MARK, mark.into()),
    ];
    if let Some(span) = &spec.traceparent {
        // What the pipeline itself says of its environment is meant so.
        environment
            .entry("TRACEPARENT".into())
            .or_insert_with(|| span.into());
    }
    environment.extend(ours.into_iter().map(|(name, value)| (name.into(), value)));
    environment.extend(secrets.iter().map(|(name, value)| (name.into(), value.into())));
    let find = |mut words: std::vec::IntoIter<OsString>| match words.next() {
        // What is in an image is not for us to find, and it may be left to the image what to run.
        name if process.image.is_some() => Ok(Program {
            path: PathBuf::new(),
            name: name.unwrap_or_default(),
            arguments: words.collect(),
        }),
        Some(name) => Ok(Program {
            path: find_program(&name, &path, &spec.project)?,
            name,
            arguments: words.collect(),
        }),
        None => Err(StepError::rejected("the command is empty")),
    };
    let words: Vec<OsString> = process.argv.iter().map(OsString::from).collect();
    let as_given = find(words.into_iter())?;
    let plain = plain_command(process).filter(|_| process.image.is_none());
    let (command, otherwise) = match plain.and_then(|words| find(words.into_iter()).ok()) {
        Some(mut plain) => {
            if plain.name.as_encoded_bytes().contains(&b'/') {
                // A script is told the path it was called by.
                plain.path = PathBuf::from(&plain.name);
            }
            (plain, Some(as_given))
        }
        None => (as_given, None),
    };
    Ok(Prepared {
        command,
        otherwise,
        environment,
        outputs,
        metrics,
        inputs,
    })
}

/// What steps may keep from run to run, such as Python environments.
fn cache(spec: &TaskSpec) -> PathBuf {
    spec.objects.parent().unwrap_or(&spec.objects).join("cache")
}

/// The name as part of an environment variable.
fn variable(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

fn write(path: &Path, text: &str) -> Result<(), StepError> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|error| StepError::io(format!("could not write {}", path.display()), &error))
}

/// A path below a folder, and nowhere else.
fn relative(path: &str) -> Result<PathBuf, StepError> {
    let inside = Path::new(path);
    let is_plain = inside
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if is_plain && !path.is_empty() {
        return Ok(inside.to_owned());
    }
    Err(StepError::rejected(format!(
        "the path `{path}` of an output leads out of the scratch folder"
    ))
    .help("give a path without `..` that does not start with `/`"))
}

fn find_program(program: &OsStr, path: &OsStr, project: &Path) -> Result<PathBuf, StepError> {
    if program.as_encoded_bytes().contains(&b'/') {
        return Ok(project.join(program));
    }
    let found = std::env::split_paths(path)
        .map(|folder| project.join(folder).join(program))
        .find(|candidate| {
            fs::metadata(candidate).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        });
    found.ok_or_else(|| {
        StepError::rejected(format!("the program `{}` is not installed", program.display()))
            .help("install it, or give its path; `PATH` was searched")
    })
}

/// Puts an input where the command finds it; what its variable is to say.
fn place_input(
    spec: &TaskSpec,
    work: &Path,
    name: &str,
    input: &TaskInput,
    inputs: &mut Vec<(String, PathBuf, Stamp)>,
) -> Result<OsString, StepError> {
    let folder = work.join("in");
    make(&folder)?;
    match input {
        TaskInput::Output(value) => place_value(spec, name, value, &folder, &variable(name), inputs),
        TaskInput::Registered { model, .. } => {
            place_object(spec, name, model, &folder, &variable(name), inputs)
        }
        TaskInput::Dataset(dataset) => Ok(dataset_location(spec, dataset)),
        TaskInput::Features(view) => Err(StepError::rejected(format!(
            "input `{name}` is the feature view `{}`, whose rows a command cannot read",
            view.view.name
        ))
        .help("give it a table that a step `transform.sql@v1` has made of the view")),
        TaskInput::Absent => Ok(OsString::new()),
        TaskInput::Collected(cells) => {
            let folder = folder.join(variable(name));
            make(&folder)?;
            let mut index = Vec::new();
            // As many digits as the last one has, so that names sort in the order of the cells.
            let digits = cells.len().saturating_sub(1).to_string().len().max(4);
            for (at, (matrix, value)) in cells.iter().enumerate() {
                let file = place_value(spec, name, value, &folder, &format!("{at:0digits$}"), inputs)?;
                index.push(serde_json::json!({ "matrix": matrix, "file": file.to_string_lossy() }));
            }
            write(
                &folder.join("index.json"),
                &serde_json::Value::Array(index).to_string(),
            )?;
            Ok(folder.into())
        }
    }
}

fn place_value(
    spec: &TaskSpec,
    name: &str,
    value: &OutputValue,
    folder: &Path,
    file: &str,
    inputs: &mut Vec<(String, PathBuf, Stamp)>,
) -> Result<OsString, StepError> {
    match value {
        OutputValue::Artifact(artifact) => place_object(spec, name, artifact, folder, file, inputs),
        OutputValue::Value(value) => {
            let path = folder.join(format!("{file}.json"));
            write(&path, &value.to_string())?;
            Ok(path.into())
        }
    }
}

fn place_object(
    spec: &TaskSpec,
    name: &str,
    artifact: &ArtifactRef,
    folder: &Path,
    file: &str,
    inputs: &mut Vec<(String, PathBuf, Stamp)>,
) -> Result<OsString, StepError> {
    let object = Objects::new(spec.objects.clone()).verified_path(&artifact.hash)?;
    let object = fs::canonicalize(&object).unwrap_or(object);
    // Objects are for ever; whoever is not root cannot write to them by mistake.
    let _ = fs::set_permissions(&object, fs::Permissions::from_mode(0o444));
    let link = folder.join(format!("{file}{}", extension(&artifact.media_type)));
    symlink(&object, &link).map_err(|error| StepError::io("could not link an input", &error))?;
    if let Some(stamp) = Stamp::of(&object) {
        inputs.push((name.to_owned(), object, stamp));
    }
    Ok(link.into())
}

/// Many programs go by the ending of a file's name.
fn extension(media_type: &str) -> &'static str {
    match media_type.split(';').next().unwrap_or_default() {
        "application/vnd.apache.parquet" => ".parquet",
        "application/vnd.apache.arrow.file" => ".arrow",
        "application/json" => ".json",
        "application/x-ndjson" => ".ndjson",
        "text/csv" => ".csv",
        "text/html" => ".html",
        _ => "",
    }
}

fn dataset_location(spec: &TaskSpec, dataset: &DatasetRef) -> OsString {
    let location = dataset
        .location
        .strip_prefix("file://")
        .unwrap_or(&dataset.location);
    if location.contains("://") {
        location.into()
    } else {
        spec.folder_of(dataset).join(location).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_path_stays_inside() {
        for bad in ["../x", "/etc/passwd", "a/../../x", "", "."] {
            assert!(relative(bad).is_err(), "{bad}");
        }
        assert_eq!(relative("a/b.csv").unwrap(), Path::new("a/b.csv"));
    }

    #[test]
    fn a_program_is_found_by_path_or_refused_by_name() {
        let path = OsString::from("/nonexistent:/bin");
        assert_eq!(
            find_program(OsStr::new("sh"), &path, Path::new("/p")).unwrap(),
            Path::new("/bin/sh")
        );
        assert_eq!(
            find_program(OsStr::new("./x.sh"), &path, Path::new("/p")).unwrap(),
            Path::new("/p/./x.sh")
        );
        let error = find_program(OsStr::new("no-such-program"), &path, Path::new("/p")).unwrap_err();
        assert!(error.to_string().contains("`no-such-program` is not installed"));
    }
}
