//! `trainyard features materialise`: the step `features.materialise@v1` over the project's views, without a run.

use crate::args::MaterialiseArgs;
use crate::commands::catalogue;
use crate::output::{Exit, Fault, Terminal};
use crate::project::Project;
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::sync::Arc;
use trainyard_api::{FeatureStore, Materialise, MaterialiseOrder};
use trainyard_contract::feature::{FeatureSource, FeatureView, StoredView};
use trainyard_contract::io::News;
use trainyard_contract::task::{DatasetRef, TaskInput};
use trainyard_contract::{OutputValue, StepIo, TaskSpec, Timestamp};
use trainyard_features::offline::PushLog;
use trainyard_store::{Home, Store};

const STEP: &str = "features.materialise@v1";

/// For a server: the command below in a process of its own, so that nothing it does can end the server.
pub(crate) fn in_a_process(project: &Project) -> Materialise {
    let (root, home) = (project.root.clone(), project.home.clone());
    Arc::new(move |order: &MaterialiseOrder| {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let time = |at: Timestamp| {
            jiff::Timestamp::from_microsecond(at.0)
                .map_or_else(|error| error.to_string(), |at| at.to_string())
        };
        let mut command = Command::new(program);
        command
            .args(["features", "materialise", "--format", "json", "--home"])
            .arg(&home)
            .current_dir(&root)
            .stdin(Stdio::null());
        if order.is_full {
            command.arg("--full");
        }
        if let Some(since) = order.since {
            command.args(["--since", &time(since)]);
        }
        if let Some(until) = order.until {
            command.args(["--until", &time(until)]);
        }
        let ended = command
            .arg("--")
            .args(&order.views)
            .output()
            .map_err(|error| error.to_string())?;
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stderr);
            return Err(said.trim().trim_start_matches("error: ").to_owned());
        }
        serde_json::from_slice(&ended.stdout).map_err(|error| error.to_string())
    })
}

pub(super) fn materialise(
    project: &Project,
    args: &MaterialiseArgs,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let catalogue = catalogue();
    let step = catalogue.get(STEP).ok_or_else(|| {
        Fault::new("this program was built without the steps that read tables")
            .help("build it with its default features")
    })?;
    let home = project.open_home()?;
    let features = FeatureStore::open(&project.root, home.clone(), project.online_store()?)
        .map_err(super::online::fault)?;
    let definitions = features.definitions();
    let wanted: Vec<&FeatureView> = if args.views.is_empty() {
        definitions.views.values().filter(|view| view.online).collect()
    } else {
        let view = |name: &String| {
            let found = definitions.views.get(name);
            found.ok_or_else(|| Fault::new(format!("there is no feature view `{name}`")))
        };
        args.views.iter().map(view).collect::<Result<_, _>>()?
    };
    let store = home.store()?;
    let mut inputs: IndexMap<String, TaskInput> = IndexMap::new();
    for view in wanted {
        match rows_of(view, &home, &store, None)? {
            Some(rows) => {
                inputs.insert(view.name.clone(), rows);
            }
            None if args.views.is_empty() => {}
            None => {
                return Err(
                    Fault::new(format!("the feature view `{}` has no rows yet", view.name))
                        .help("run the pipeline that writes it, or push rows"),
                );
            }
        }
    }
    if inputs.is_empty() {
        terminal.note("no feature view that is kept online has rows");
        if terminal.is_json() {
            terminal.out_json(&json!({}));
        }
        return Ok(Exit::Done);
    }
    let with = json!({
        "mode": if args.full { "full" } else { "incremental" }, "since": args.since, "until": args.until,
    });
    let scratch = home
        .folder()
        .join("scratch")
        .join(format!("materialise-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)
        .map_err(|error| Fault::while_doing(format!("could not make {}", scratch.display()), &error))?;
    let spec = task(project, &home, &inputs, &definitions, with, &scratch)?;
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = lines.clone();
    let mut io = StepIo::new(
        spec,
        Box::new(move |news| {
            if let (News::Log(line), Ok(mut lines)) = (news, told.lock()) {
                lines.push(line);
            }
        }),
    );
    let ended = step.run(&mut io);
    // What is left is removed with the home's other scratch folders.
    let _ = std::fs::remove_dir_all(&scratch);
    ended.map_err(|error| {
        let fault = Fault::while_doing(error.failure.message.clone(), &error);
        match error.failure.help {
            Some(help) => fault.help(help),
            None => fault,
        }
    })?;
    let report = io.into_report();
    if terminal.is_json() {
        let views: serde_json::Map<String, Value> = inputs
            .keys()
            .map(|view| {
                let number = |what: &str| report.metrics.get(&format!("{view}.{what}")).copied();
                let counts = json!({ "read": number("read"), "changed": number("changed") });
                (view.clone(), counts)
            })
            .collect();
        terminal.out_json(&Value::Object(views));
    } else {
        for line in lines.lock().map(|lines| lines.clone()).unwrap_or_default() {
            terminal.note(line);
        }
    }
    Ok(Exit::Done)
}

/// What there is of a view: its rows in the offline store, or else its source.
pub(super) fn rows_of(
    view: &FeatureView,
    home: &Home,
    store: &Store,
    as_of: Option<Timestamp>,
) -> Result<Option<TaskInput>, Fault> {
    let snapshot = store.feature_snapshot(&view.name, view.version, as_of)?;
    let pushes = home.pushed_features(&view.name, view.version);
    let pushed = PushLog::new(&pushes)
        .end()
        .map_err(|error| Fault::while_doing("could not read the pushed rows", &error))?;
    if snapshot.is_some() || pushed.segment > 0 {
        return Ok(Some(TaskInput::Features(Box::new(StoredView {
            view: view.clone(),
            snapshot: snapshot.map(|snapshot| snapshot.snapshot),
            pushes,
            pushed,
            as_of,
        }))));
    }
    Ok(match &view.source {
        FeatureSource::Dataset { path, format, .. } | FeatureSource::File { path, format } => {
            Some(TaskInput::Dataset(DatasetRef {
                name: view.name.clone(),
                location: path.clone(),
                folder: None,
                format: format.clone(),
                options: Value::Null,
                contract: None,
                content: None,
            }))
        }
        FeatureSource::Step { .. } | FeatureSource::Push => None,
    })
}

fn task(
    project: &Project,
    home: &Home,
    inputs: &IndexMap<String, TaskInput>,
    definitions: &trainyard_contract::feature::FeatureDefinitions,
    with: Value,
    scratch: &std::path::Path,
) -> Result<TaskSpec, Fault> {
    let no_outputs: IndexMap<String, OutputValue> = IndexMap::new();
    serde_json::from_value(json!({
        "version": trainyard_contract::task::TASK_VERSION, "run": "run_by_hand", "pipeline": "features",
        "instance": "materialise", "step": "materialise", "attempt": 1, "epoch": 0, "uses": STEP, "with": with,
        "inputs": inputs, "outputs": no_outputs, "limits": {}, "features": definitions,
        "project": project.root, "objects": home.folder().join("objects"), "scratch": scratch,
        "log": scratch.join("log"),
    }))
    .map_err(|error| Fault::while_doing("could not make the task", &error))
}
