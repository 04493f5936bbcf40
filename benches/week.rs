//! A week of runs by a clock of its own, with retention: `cargo bench --no-default-features --bench week --
//! [RUNS] [POSTGRES_URL]`. 504000 runs are 50 a minute; fewer are spread over the same week. Each has five steps,
//! content and lineage of its own, a firing, an idempotency key and a log. What ended more than a day before is
//! swept once an hour, as the server does it. Fails if something is left that should have gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test or bench fails by panicking and tells by printing"
)]

use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use trainyard_contract::task::ResourcesUsed;
use trainyard_contract::{ArtifactKind, ArtifactRef, ContentHash, Millis, OutputValue, RunId, Timestamp};
use trainyard_domain::pipeline::{self, BindRequest, CheckRequest, spec};
use trainyard_domain::run::{Event, RunDefinition, RunOutcome, What};
use trainyard_engine::{DiskFiles, PROJECT_FILE, Sweeper};
use trainyard_store::{
    Append, Home, IdempotencyKey, LineageEdge, LineageNode, NewFiring, NewRun, Owner, QueueOptions,
    QueuedRun, Store,
};

const PIPELINE: &str = r#"
version: 1
name: etl
steps:
  extract: {uses: debug.noop@v1}
  clean: {uses: debug.noop@v1, needs: [extract]}
  join: {uses: debug.noop@v1, needs: [clean]}
  test: {uses: debug.noop@v1, needs: [join]}
  load: {uses: debug.noop@v1, needs: [test]}
"#;
const START: i64 = 1_800_000_000_000_000;
const HOUR: i64 = 3_600_000_000;
const WEEK: i64 = 168 * HOUR;
/// Runs that a turn of the engine has news of.
const AT_ONCE: u64 = 25;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runs: u64 = arguments
        .iter()
        .find_map(|word| word.parse().ok())
        .unwrap_or(20_000);
    let url = arguments.iter().find(|word| word.starts_with("postgres"));
    let folder = tempfile::tempdir().unwrap();
    let definition = definition(folder.path());
    let mut home = Home::open(folder.path().join("home")).unwrap();
    if let Some(url) = url {
        home = home.with_database(url).unwrap();
    }
    let mut store = home.store().unwrap();
    let mut sweeper = Sweeper::open(home.clone()).unwrap();
    let rule = spec::Retention {
        runs: spec::Duration(Millis(24 * 3_600_000)),
        keep_last: 50,
    };
    println!(
        "{runs} runs in a simulated week, kept for a day; {}",
        store.condition().unwrap().product
    );
    println!("  day     runs     kept  database MB  logs  memory MB  longest transaction of the sweep ms");
    let (mut writing, mut sweeping, mut longest, mut gone) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0);
    let mut made = 0;
    for hour in 1..=WEEK / HOUR {
        let began = Instant::now();
        let until = runs * hour.unsigned_abs() / (WEEK / HOUR).unsigned_abs();
        while made < until {
            let next = (made + AT_ONCE).min(until);
            let at = START + (made as i128 * i128::from(WEEK) / i128::from(runs)) as i64;
            write(&home, &mut store, &definition, made..next, Timestamp(at));
            made = next;
        }
        writing += began.elapsed();
        let began = Instant::now();
        let swept = sweeper
            .sweep(rule, Timestamp(START + hour * HOUR), &mut |_, took| {
                longest = longest.max(took);
                true
            })
            .unwrap();
        gone += swept.runs;
        sweeping += began.elapsed();
        if hour % 12 == 0 {
            store.checkpoint().unwrap();
            let logs = fs::read_dir(home.folder().join("logs")).unwrap().count() as u64;
            println!(
                "{:5.1} {made:8} {:8} {:12.1} {logs:5} {:10.1} {:8.1}",
                hour as f64 / 24.0,
                made - gone,
                store.condition().unwrap().size as f64 / 1e6,
                resident() / 1e6,
                longest.as_secs_f64() * 1e3,
            );
            assert_eq!(
                logs,
                made - gone,
                "logs of runs that are gone, or none of some that are kept"
            );
            longest = Duration::ZERO;
        }
    }
    let kept = made - gone;
    // A day of them, and one turn's worth that shares a time.
    assert!(
        kept <= runs / 7 + AT_ONCE + u64::from(rule.keep_last),
        "{kept} runs are kept"
    );
    assert_eq!(store.damage().unwrap(), Vec::<String>::new());
    println!(
        "writing {:.1} s, sweeping {:.1} s: {:.2} ms a run removed",
        writing.as_secs_f64(),
        sweeping.as_secs_f64(),
        sweeping.as_secs_f64() * 1e3 / gone as f64
    );
}

fn definition(root: &Path) -> RunDefinition {
    fs::write(root.join(PROJECT_FILE), "version: 1\nname: week\n").unwrap();
    fs::write(root.join("pipeline.yaml"), PIPELINE).unwrap();
    let files = DiskFiles::new(root.to_owned());
    let checked = pipeline::check(&CheckRequest {
        project: Some(PROJECT_FILE),
        entries: &["pipeline.yaml".to_owned()],
        files: &files,
        catalogue: &trainyard_executors::process_steps(),
        environment: None,
        params: &BTreeMap::new(),
        level: None,
    });
    let bound = checked.pipelines[0].bind(&BindRequest {
        environment: None,
        params: &BTreeMap::new(),
        trigger: json!({ "type": "schedule" }),
        seed: 1,
    });
    bound.unwrap()
}

/// Makes runs as a trigger does, and carries them out as an engine does.
fn write(
    home: &Home,
    store: &mut Store,
    definition: &RunDefinition,
    numbers: std::ops::Range<u64>,
    at: Timestamp,
) {
    let owner = Owner::this_process("week");
    let options = QueueOptions::default();
    let mut ids = Vec::new();
    for number in numbers {
        let id = RunId::from_parts(at.0.unsigned_abs() / 1_000, scattered(number));
        let key = number.to_string();
        let start = QueuedRun {
            new: NewRun {
                id: &id,
                definition,
                created_at: at,
                by: "schedule",
                reason: None,
            },
            priority: 50,
            options: &options,
            key: Some(IdempotencyKey {
                scope: "week",
                key: &key,
                request: ContentHash::of(key.as_bytes()),
            }),
        };
        let firing = NewFiring {
            pipeline: &definition.pipeline,
            trigger: "often",
            kind: "schedule",
            at,
            due: Some(at),
            verdict: "started",
            reason: None,
            start: Some(start),
            about: None,
        };
        store.keep_firings(&[firing], None).unwrap();
        store.acquire_lease(&id, &owner, at, Millis(30_000)).unwrap();
        let log = home.log_path(&id, "extract", 1);
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        fs::write(log, "it went well\n").unwrap();
        ids.push(id);
    }
    let events: Vec<Vec<Event>> = ids.iter().map(|id| events(definition, id, at)).collect();
    let appends: Vec<Append<'_>> = ids
        .iter()
        .zip(&events)
        .map(|(run, events)| Append {
            run,
            epoch: 1,
            expected: 0,
            events,
        })
        .collect();
    let mut turn = store.begin().unwrap();
    turn.append_many(&appends).unwrap();
    for id in &ids {
        turn.write_lineage(&[(id.clone(), edges(definition, id))])
            .unwrap();
    }
    turn.commit().unwrap();
    store.leave_queue(&ids).unwrap();
    for id in &ids {
        store.release_lease(id, 1).unwrap();
    }
}

/// Ends of ids as random ones would be.
fn scattered(number: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&ContentHash::of(&number.to_le_bytes()).as_bytes()[..10]);
    bytes
}

fn content(id: &RunId, step: usize) -> ContentHash {
    ContentHash::of(format!("{id}/{step}").as_bytes())
}

fn events(definition: &RunDefinition, id: &RunId, at: Timestamp) -> Vec<Event> {
    let mut events = vec![What::RunStarted {
        by: "week".to_owned(),
        reuse_only: Vec::new(),
    }];
    for (step, _) in definition.instances.iter().enumerate() {
        let hash = content(id, step);
        let artifact = ArtifactRef {
            kind: ArtifactKind::Table,
            hash,
            size: 1_000_000,
            media_type: "application/vnd.apache.parquet".to_owned(),
            rows: Some(10_000),
            schema: None,
            summary: serde_json::Value::Null,
        };
        events.push(What::AttemptStarted {
            step: step as u32,
            attempt: 1,
            key: Some(hash),
        });
        events.push(What::AttemptSucceeded {
            step: step as u32,
            attempt: 1,
            outputs: [("table".to_owned(), OutputValue::Artifact(Box::new(artifact)))]
                .into_iter()
                .collect(),
            metrics: [("rows".to_owned(), 10_000.0)].into_iter().collect(),
            headline: Some("10,000 rows".to_owned()),
            resources: ResourcesUsed::default(),
        });
    }
    events.push(What::RunEnded {
        outcome: RunOutcome::Succeeded,
    });
    events.into_iter().map(|what| Event { at, what }).collect()
}

/// A version of a dataset, step by step, each with a column.
fn edges(definition: &RunDefinition, id: &RunId) -> Vec<LineageEdge> {
    let dataset = "orders".to_owned();
    let mut source = LineageNode::DatasetVersion {
        name: dataset.clone(),
        content: content(id, 99),
    };
    let mut pairs = vec![(
        LineageNode::Dataset {
            name: dataset.clone(),
        },
        source.clone(),
    )];
    let mut from = LineageNode::DatasetColumn {
        dataset,
        column: "amount".to_owned(),
    };
    for (at, instance) in definition.instances.iter().enumerate() {
        let step = LineageNode::Step {
            run: id.clone(),
            instance: instance.name.clone(),
        };
        let hash = content(id, at);
        let column = LineageNode::ArtifactColumn {
            hash,
            column: "amount".to_owned(),
        };
        let made = LineageNode::Artifact { hash };
        pairs.push((LineageNode::Run { run: id.clone() }, step.clone()));
        pairs.push((source, step.clone()));
        pairs.push((step, made.clone()));
        pairs.push((column.clone(), made.clone()));
        pairs.push((from, column.clone()));
        (source, from) = (made, column);
    }
    let edge = |(source, target)| LineageEdge {
        source,
        target,
        derived: true,
        ways: trainyard_contract::task::Ways::default(),
    };
    pairs.into_iter().map(edge).collect()
}

/// Memory of this process, in bytes.
fn resident() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0
}
