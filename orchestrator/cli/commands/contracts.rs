//! `trainyard contracts`: contracts from data, and from and to other tools.

use crate::args::ContractsCommand;
use crate::output::{Exit, Fault, Terminal, Tone};
use std::collections::BTreeMap;
use std::path::Path;
use trainyard_contract::{DataContract, odcs, yaml};
use trainyard_domain::pipeline::read_yaml;

pub(crate) fn contracts(command: &ContractsCommand, terminal: &mut Terminal) -> Result<Exit, Fault> {
    match command {
        ContractsCommand::Infer {
            files,
            name,
            options,
            out,
        } => infer(files, name.as_deref(), options, out.as_deref(), terminal),
        ContractsCommand::Import { file, out } => import(file, out.as_deref(), terminal),
        ContractsCommand::Export { file } => export(file, terminal),
    }
}

#[cfg(not(feature = "steps"))]
fn infer(
    _files: &[String],
    _name: Option<&str>,
    _options: &[(String, String)],
    _out: Option<&Path>,
    _terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    Err(Fault::new(
        "this binary was built without the steps that read data",
    ))
}

#[cfg(feature = "steps")]
fn infer(
    files: &[String],
    name: Option<&str>,
    options: &[(String, String)],
    out: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    if files.len() > 1 && (out.is_none() || name.is_some()) {
        let fault = Fault::new("each file gives a contract of its own, with a name of its own");
        return Err(fault.help("say where to with `--out DIR`, or quote a glob: 'data/part-*.csv'"));
    }
    let options = reader_options(options)?;
    let here = std::env::current_dir()?;
    for file in files {
        let name = name.map_or_else(|| contract_name(file), str::to_owned);
        let draft = trainyard_steps::draft_contract(&name, file, &options, &here).map_err(|error| Fault {
            message: error.failure.message,
            causes: error.failure.causes,
            help: error.failure.help,
        })?;
        give(&name, &draft.yaml, out, terminal)?;
        terminal.status(
            Tone::Good,
            "Drafted",
            format!(
                "`{name}` from {} rows, {} columns of {file}",
                draft.rows, draft.columns
            ),
        );
    }
    Ok(Exit::Done)
}

/// Options as typed: values are YAML, so that `true`, `2` and `[a, b]` are what they look like.
#[cfg(feature = "steps")]
fn reader_options(given: &[(String, String)]) -> Result<trainyard_contract::ReaderOptions, Fault> {
    let mut map = serde_json::Map::new();
    for (key, text) in given {
        let value = read_yaml(text).unwrap_or_else(|_| serde_json::Value::String(text.clone()));
        let is_plain = matches!(value, serde_json::Value::Null) || (text.len() == 1 && !value.is_string());
        let value = if is_plain {
            serde_json::Value::String(text.clone())
        } else {
            value
        };
        map.insert(key.clone(), value);
    }
    serde_json::from_value(map.into()).map_err(|error| Fault::new(format!("`--option`: {error}")))
}

/// A name out of a file's.
#[cfg(feature = "steps")]
fn contract_name(file: &str) -> String {
    let stem = Path::new(file)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("data");
    let stem = stem.split('.').next().unwrap_or("data").to_lowercase();
    let mut name: String = stem
        .chars()
        .filter(|c| !matches!(c, '*' | '?' | '[' | ']'))
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '_'
            }
        })
        .take(60)
        .collect();
    name = name.trim_matches('_').to_owned();
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name
    } else {
        format!("data_{name}").trim_end_matches('_').to_owned()
    }
}

/// Prints a contract, or writes it where nothing is yet.
fn give(name: &str, text: &str, out: Option<&Path>, terminal: &mut Terminal) -> Result<(), Fault> {
    let Some(folder) = out else {
        terminal.out(text.trim_end());
        return Ok(());
    };
    let path = folder.join(format!("{name}.yaml"));
    let writing = |error| Fault::while_doing(format!("could not write {}", path.display()), &error);
    if path.exists() {
        return Err(Fault::new(format!("{} is there already", path.display()))
            .help("choose another name or folder, or remove it"));
    }
    std::fs::create_dir_all(folder).map_err(writing)?;
    std::fs::write(&path, text).map_err(writing)?;
    terminal.status(Tone::Good, "Wrote", path.display().to_string());
    Ok(())
}

fn document(file: &Path) -> Result<serde_json::Value, Fault> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Fault::while_doing(format!("could not read {}", file.display()), &error))?;
    read_yaml(&text).map_err(|(line, problem)| Fault::new(format!("{}:{line}: {problem}", file.display())))
}

fn import(file: &Path, out: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let imported =
        odcs::import(&document(file)?).map_err(|error| Fault::new(format!("{}: {error}", file.display())))?;
    if imported.len() > 1 && out.is_none() {
        return Err(Fault::new(format!(
            "{} has {} objects, each a contract",
            file.display(),
            imported.len()
        ))
        .help("say where to with `--out DIR`"));
    }
    for one in &imported {
        let contract = serde_json::to_value(&one.contract)?;
        let text = yaml::write(&tidy(contract), &BTreeMap::new());
        give(&one.contract.name, &text, out, terminal)?;
        for left_out in &one.left_out {
            terminal.note(format!("not carried over: {left_out}"));
        }
    }
    Ok(Exit::Done)
}

/// Without what is so by default.
fn tidy(mut contract: serde_json::Value) -> serde_json::Value {
    if let Some(map) = contract.as_object_mut() {
        if map.get("additional_columns") == Some(&serde_json::Value::Bool(true)) {
            map.remove("additional_columns");
        }
        let columns = map.get_mut("columns").and_then(serde_json::Value::as_object_mut);
        for column in columns.into_iter().flat_map(|columns| columns.values_mut()) {
            if let Some(column) = column.as_object_mut()
                && column.get("unique") == Some(&serde_json::Value::Bool(false))
            {
                column.remove("unique");
            }
        }
    }
    contract
}

fn export(file: &Path, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let contract: DataContract = serde_json::from_value(document(file)?)
        .map_err(|error| Fault::new(format!("{} is no contract: {error}", file.display())))?;
    terminal.out(yaml::write(&odcs::export(&contract), &BTreeMap::new()).trim_end());
    Ok(Exit::Done)
}
