//! `trainyard features get-online` and `push`.

use crate::args::{GetOnlineArgs, PushArgs, PushedTo};
use crate::commands::now;
use crate::output::{Exit, Fault, Terminal};
use crate::project::Project;
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::io::Read;
use trainyard_api::{FeatureError, FeatureQuestion, FeatureStore, PushTo};

/// The fault with its remedy.
pub(super) fn fault(error: FeatureError) -> Fault {
    let fault = Fault::new(error.message);
    match error.help {
        Some(help) => fault.help(help),
        None => fault,
    }
}

fn open(project: &Project) -> Result<FeatureStore, Fault> {
    let (home, place) = (project.open_home()?, project.online_store()?);
    FeatureStore::open(&project.root, home, place).map_err(fault)
}

pub(super) fn get(project: &Project, args: &GetOnlineArgs, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let mut columns: IndexMap<String, Vec<String>> = IndexMap::new();
    for pair in &args.keys {
        let (name, values) = pair
            .split_once('=')
            .ok_or_else(|| Fault::new(format!("`{pair}` is no key")).help("write `origin=JFK`"))?;
        columns.insert(name.to_owned(), values.split(',').map(str::to_owned).collect());
    }
    let keys: Vec<String> = columns.keys().cloned().collect();
    let question = FeatureQuestion {
        features: args.features.clone(),
        service: args.service.clone(),
        columns: columns.clone(),
        full_names: false,
        freshness: args.freshness,
    };
    let answer = open(project)?.look_up(&question, now()).map_err(fault)?;
    if terminal.is_json() {
        terminal.out_json(&answer);
        return Ok(Exit::Done);
    }
    let rows = answer["rows"].as_array().cloned().unwrap_or_default();
    let names: Vec<String> = rows
        .first()
        .and_then(|row| row["values"].as_object())
        .map(|values| values.keys().cloned().collect())
        .unwrap_or_default();
    let table = rows.iter().enumerate().map(|(place, row)| {
        let given = keys.iter().map(|key| {
            let values = columns.get(key);
            values
                .and_then(|values| values.get(place))
                .cloned()
                .unwrap_or_default()
        });
        let found = names.iter().map(|name| match row["statuses"][name].as_str() {
            Some("PRESENT") => match &row["values"][name] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            },
            status => status.unwrap_or_default().to_lowercase().replace('_', " "),
        });
        given.chain(found).collect()
    });
    let table: Vec<Vec<String>> = table.collect();
    let heads: Vec<String> = keys
        .iter()
        .chain(&names)
        .map(|name| name.to_uppercase())
        .collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    terminal.table(&heads, &[], &table);
    for (view, fresh) in answer["freshness"].as_object().into_iter().flatten() {
        let newest = fresh["newest_event_time"].as_str().unwrap_or("none");
        let stale = if fresh["is_stale"] == true { ", stale" } else { "" };
        terminal.note(format!("{view}: newest row of {newest}{stale}"));
    }
    Ok(Exit::Done)
}

pub(super) fn push(project: &Project, args: &PushArgs, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let mut text = String::new();
    let read = if args.file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(&args.file).map(|content| text = content)
    };
    read.map_err(|error| Fault::while_doing(format!("could not read {}", args.file.display()), &error))?;
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    for (number, line) in (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let row = serde_json::from_str(line).map_err(|error| {
            Fault::new(format!(
                "line {number} of {} is no row: {error}",
                args.file.display()
            ))
            .help("write a JSON object a line")
        })?;
        rows.push(row);
    }
    let to = match args.to {
        PushedTo::Online => PushTo::Online,
        PushedTo::Offline => PushTo::Offline,
        PushedTo::Both => PushTo::Both,
    };
    let count = open(project)?.push(&args.view, rows, to, now()).map_err(fault)?;
    if terminal.is_json() {
        terminal.out_json(&serde_json::json!({ "rows": count }));
    } else {
        terminal.note(format!("{count} rows pushed to `{}`", args.view));
    }
    Ok(Exit::Done)
}
