//! `trainyard features get-historical`: features as they were at the times of some rows.

#[cfg(feature = "steps")]
use super::materialise::rows_of;
use crate::args::GetHistoricalArgs;
#[cfg(feature = "steps")]
use crate::args::KnownAt;
use crate::output::{Exit, Fault, Terminal};
use crate::project::Project;

#[cfg(feature = "steps")]
pub(super) fn get(
    project: &Project,
    args: &GetHistoricalArgs,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    use super::online::fault;
    use serde_json::{Map, Value, json};
    use std::collections::BTreeMap;
    use trainyard_api::FeatureStore;
    use trainyard_contract::Memory;
    use trainyard_contract::task::TaskInput;
    use trainyard_steps::{HistoricalRequest, RowsOfView, get_historical, views_of};

    let home = project.open_home()?;
    let features = FeatureStore::open(&project.root, home.clone(), project.online_store()?).map_err(fault)?;
    let definitions = features.definitions();
    let mut keys = Map::new();
    for pair in &args.keys {
        let (key, column) = pair
            .split_once('=')
            .ok_or_else(|| Fault::new(format!("`{pair}` is no key")).help("write `origin=airport`"))?;
        keys.insert(key.to_owned(), json!(column));
    }
    let known_at = match args.known_at {
        KnownAt::Event => "event",
        KnownAt::Created => "created",
    };
    let with = json!({
        "features": args.features, "service": args.service, "event_time": args.event_time, "keys": keys, "lag": args.lag,
        "known_at": known_at, "full_feature_names": args.full_feature_names, "event_times": args.event_times,
    });
    let as_of = match &args.as_of {
        None => None,
        Some(text) => {
            let instant = Memory::instant(text).map_err(Fault::new)?;
            let instant = instant
                .ok_or_else(|| Fault::new(format!("`{text}` is a run")).help("write a date or an instant"))?;
            Some(instant)
        }
    };
    let store = home.store()?;
    let mut views = BTreeMap::new();
    for name in views_of(&with, &definitions) {
        let Some(view) = definitions.views.get(&name) else {
            continue;
        };
        let rows = match rows_of(view, &home, &store, as_of)? {
            Some(TaskInput::Features(stored)) => RowsOfView::Stored(stored),
            Some(TaskInput::Dataset(source)) if as_of.is_none() => RowsOfView::Source {
                location: source.location,
                format: source.format,
            },
            _ => {
                let when = args.as_of.as_ref().map(|at| format!(" as of {at}"));
                let message = format!(
                    "the feature view `{name}` has no rows{}",
                    when.unwrap_or_default()
                );
                return Err(Fault::new(message).help("run the pipeline that writes it, or push rows"));
            }
        };
        views.insert(name, rows);
    }
    let scratch = home
        .folder()
        .join("scratch")
        .join(format!("historical-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)
        .map_err(|error| Fault::while_doing(format!("could not make {}", scratch.display()), &error))?;
    let here = std::env::current_dir()
        .map_err(|error| Fault::while_doing("could not tell where this is", &error))?;
    let answer = get_historical(&HistoricalRequest {
        with: &with,
        definitions: &definitions,
        views: &views,
        entities: &here.join(&args.entities),
        output: &here.join(&args.output),
        project: &project.root,
        objects: &trainyard_contract::Objects::new(home.folder().join("objects")),
        scratch: &scratch,
    });
    let _ = std::fs::remove_dir_all(&scratch);
    let answer = answer.map_err(|error| {
        let fault = Fault::while_doing(error.failure.message.clone(), &error);
        match error.failure.help {
            Some(help) => fault.help(help),
            None => fault,
        }
    })?;
    if terminal.is_json() {
        let document: Value = json!({
            "rows": answer.rows, "features": answer.features, "views": answer.views, "output": args.output,
        });
        terminal.out_json(&document);
    } else {
        for line in &answer.lines {
            terminal.note(line);
        }
        terminal.note(format!("{} rows in {}", answer.rows, args.output.display()));
    }
    Ok(Exit::Done)
}

#[cfg(not(feature = "steps"))]
pub(super) fn get(_: &Project, _: &GetHistoricalArgs, _: &mut Terminal) -> Result<Exit, Fault> {
    Err(
        Fault::new("this program was built without the steps that read tables")
            .help("build it with its default features"),
    )
}
