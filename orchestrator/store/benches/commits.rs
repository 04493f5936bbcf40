//! What a durable step costs, beside what the disk itself asks for it in the same run.
//!
//! The floor is a file to which one small record is appended and flushed with `fdatasync`, one step
//! after the other. `chain` commits a turn a step, `group N` a turn for N steps; each step is an
//! attempt that starts and succeeds, with its reuse key. Rounds alternate, and medians are printed,
//! because a disk's flush time wanders. Then what reads cost on a store of that size.
//!
//! `cargo bench -p trainyard-store`; `TRAINYARD_BENCH_DIR` puts the files on another disk.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program that talks"
)]

use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use trainyard_contract::task::{Limits, ResourcesUsed};
use trainyard_contract::{ContentHash, Millis, RunId, Timestamp};
use trainyard_domain::run::{
    CachePolicy, Condition, DEFINITION_VERSION, Event, Instance, RetryPolicy, RunDefinition, RunOutcome,
    RunnerKind, What,
};
use trainyard_store::{Home, LineageEdge, LineageNode, NewRun, Owner, RunFilter, Store};

const CHAIN: u32 = 1_000;
const WIDE: u32 = 10_000;
const ROUNDS: usize = 7;

fn main() {
    let parent = std::env::var_os("TRAINYARD_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(&parent).unwrap();
    println!("on {}", parent.display());
    let begun = Instant::now();
    let home = Home::open(dir.path().join("home")).unwrap();
    let mut store = home.store().unwrap();
    println!("new home opened in {:.1} ms", millis(begun.elapsed()));

    let mut bench = Bench { number: 0 };
    let (mut floors, mut chains) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floors.push(floor(&dir.path().join("floor")));
        chains.push(bench.run(&mut store, CHAIN, 1));
    }
    let (floor, chain) = (median(&mut floors), median(&mut chains));
    let per_step = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(CHAIN);
    println!("append + fdatasync        {:8.1} us a step", per_step(floor));
    println!(
        "chain of {CHAIN}, turn a step {:7.1} us a step   {:.2} x the floor (bar: 1.5)",
        per_step(chain),
        chain.as_secs_f64() / floor.as_secs_f64()
    );
    for group in [16, 128, 1024] {
        let mut times: Vec<Duration> = (0..3).map(|_| bench.run(&mut store, WIDE, group)).collect();
        let rate = f64::from(WIDE) / median(&mut times).as_secs_f64();
        println!(
            "{WIDE} steps in groups of {group:<5} {rate:9.0} steps/s   {:.1} x the bar of 10,000",
            rate / 10_000.0
        );
    }
    bench.reads(&mut store);
    drop(store);
    let begun = Instant::now();
    let store = home.store().unwrap();
    println!("the same home opened again in {:.1} ms", millis(begun.elapsed()));
    lineage(store);
}

fn floor(path: &std::path::Path) -> Duration {
    let mut file = File::create(path).unwrap();
    let record = [b'x'; 300];
    let begun = Instant::now();
    for _ in 0..CHAIN {
        file.write_all(&record).unwrap();
        file.sync_data().unwrap();
    }
    begun.elapsed()
}

struct Bench {
    number: u64,
}

impl Bench {
    /// One run of `steps` no-op steps, `group` of them a turn.
    fn run(&mut self, store: &mut Store, steps: u32, group: u32) -> Duration {
        self.number += 1;
        let id = RunId::from_parts(self.number, [0; 10]);
        let definition = definition(steps);
        let owner = Owner::this_process("bench");
        let made = Instant::now();
        let new = NewRun {
            id: &id,
            definition: &definition,
            created_at: Timestamp(0),
            by: "bench",
            reason: None,
        };
        store.create_run(&new).unwrap();
        if self.number > ROUNDS as u64 && group == 16 {
            println!("run of {steps} steps made in {:.1} ms", millis(made.elapsed()));
        }
        let epoch = store
            .acquire_lease(&id, &owner, Timestamp(0), Millis(60_000))
            .unwrap();
        let begun = Instant::now();
        let mut stored = 0;
        let mut append = |events: &[Event]| {
            let mut turn = store.begin().unwrap();
            turn.append(&id, epoch, stored, events).unwrap();
            turn.commit().unwrap();
            stored += events.len() as u64;
        };
        append(&[at(What::RunStarted {
            by: "bench".to_owned(),
            reuse_only: Vec::new(),
        })]);
        let mut step = 0;
        while step < steps {
            let end = (step + group).min(steps);
            let mut events = Vec::with_capacity(2 * group as usize);
            events.extend((step..end).map(|step| started(self.number, step)));
            events.extend((step..end).map(succeeded));
            append(&events);
            step = end;
        }
        append(&[at(What::RunEnded {
            outcome: RunOutcome::Succeeded,
        })]);
        let time = begun.elapsed();
        store.release_lease(&id, epoch).unwrap();
        store.checkpoint().unwrap();
        time
    }

    fn reads(&self, store: &mut Store) {
        let last = RunId::from_parts(self.number, [0; 10]);
        let begun = Instant::now();
        let events = store.load_run(&last).unwrap().events.len();
        println!(
            "run of {events} events loaded in {:.1} ms",
            millis(begun.elapsed())
        );
        let begun = Instant::now();
        let runs = store.list_runs(&RunFilter::default()).unwrap().len();
        println!("{runs} runs listed in {:.2} ms", millis(begun.elapsed()));
        let begun = Instant::now();
        for step in 0..1000 {
            assert!(store.reusable(&key(self.number, step), None).unwrap().is_some());
        }
        println!("a result found by key in {:.1} us", millis(begun.elapsed()));
        let begun = Instant::now();
        let durations = store.step_durations(&"bench".parse().unwrap(), 5).unwrap().len();
        println!(
            "durations of {durations} steps over 5 runs read in {:.1} ms",
            millis(begun.elapsed())
        );
    }
}

/// A million edges: 100 layers of 1,000 artifacts, each from ten of the layer above it.
fn lineage(mut store: Store) {
    const WIDTH: u64 = 1_000;
    let id = RunId::from_parts(1 << 40, [0; 10]);
    let definition = definition(1);
    let new = NewRun {
        id: &id,
        definition: &definition,
        created_at: Timestamp(0),
        by: "bench",
        reason: None,
    };
    store.create_run(&new).unwrap();
    let epoch = store
        .acquire_lease(&id, &Owner::this_process("bench"), Timestamp(0), Millis(60_000))
        .unwrap();
    let node = |layer: u64, at: u64| LineageNode::Artifact {
        hash: ContentHash::of(format!("{layer} {at}").as_bytes()),
    };
    let begun = Instant::now();
    for layer in 0..100 {
        let edges: Vec<LineageEdge> = (0..WIDTH)
            .flat_map(|at| (0..10).map(move |near| (at, (at + near * near * 7) % WIDTH)))
            .map(|(at, near)| LineageEdge {
                source: node(layer, near),
                target: node(layer + 1, at),
                derived: true,
                ways: trainyard_contract::task::Ways::default(),
            })
            .collect();
        let mut turn = store.begin().unwrap();
        turn.write_lineage(&[(id.clone(), edges)]).unwrap();
        turn.append(
            &id,
            epoch,
            layer,
            &[at(What::CancelAsked {
                by: "bench".to_owned(),
            })],
        )
        .unwrap();
        turn.commit().unwrap();
    }
    println!(
        "1,000,000 lineage edges written in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    for (depth, limit) in [(2, 1_000), (3, 1_000), (100, 1_000)] {
        let mut times = Vec::new();
        let mut found = (0, 0);
        for at in 0..9 {
            let begun = Instant::now();
            let graph = store.lineage_up(&node(60, at * 100), depth, limit).unwrap();
            times.push(begun.elapsed());
            found = (graph.nodes.len(), graph.edges.len());
        }
        let time = millis(median(&mut times));
        println!(
            "lineage up, depth {depth}: {} nodes, {} edges in {time:.1} ms (bar: 20)",
            found.0, found.1
        );
    }
}

fn at(what: What) -> Event {
    Event {
        at: Timestamp(1_795_000_000_000_000),
        what,
    }
}

fn key(run: u64, step: u32) -> ContentHash {
    ContentHash::of(format!("{run} {step}").as_bytes())
}

fn started(run: u64, step: u32) -> Event {
    at(What::AttemptStarted {
        step,
        attempt: 1,
        key: Some(key(run, step)),
    })
}

fn succeeded(step: u32) -> Event {
    let resources = ResourcesUsed {
        wall: Millis(3),
        cpu: Millis(2),
        ..ResourcesUsed::default()
    };
    let (outputs, metrics) = (IndexMap::new(), IndexMap::new());
    at(What::AttemptSucceeded {
        step,
        attempt: 1,
        outputs,
        metrics,
        headline: None,
        resources,
    })
}

fn definition(steps: u32) -> RunDefinition {
    RunDefinition {
        version: DEFINITION_VERSION,
        pipeline: "bench".parse().unwrap(),
        pipeline_hash: ContentHash::of(b"bench"),
        file: "pipelines/bench.yaml".to_owned(),
        documents: Vec::new(),
        code: None,
        owner: None,
        cost_center: None,
        environment: None,
        params: IndexMap::new(),
        vars: Map::new(),
        trigger: Value::Null,
        caller: None,
        seed: 1,
        contracts: BTreeMap::new(),
        datasets: IndexMap::new(),
        files: BTreeMap::new(),
        instances: (0..steps).map(instance).collect(),
        bounds: Default::default(),
        concurrency: None,
        priority: None,
        pools: BTreeMap::new(),
        notices: Default::default(),
        not_obeyed: Vec::new(),
        as_written: IndexMap::new(),
        sections: None,
        reproduces: None,
    }
}

fn instance(at: u32) -> Instance {
    Instance {
        name: format!("step_{at}"),
        step: format!("step_{at}").parse().unwrap(),
        uses: "test.noop@v1".to_owned(),
        runner: RunnerKind::Worker,
        effect: None,
        revision: 1,
        matrix: Map::new(),
        upstream: Vec::new(),
        inputs: IndexMap::new(),
        outputs: IndexMap::new(),
        with: Value::Null,
        condition: Condition::Always,
        process: None,
        secrets: Default::default(),
        memory: None,
        feature_use: Default::default(),
        features: Default::default(),
        retry: RetryPolicy::default(),
        limits: Limits::default(),
        pool: None,
        cache: CachePolicy::On {
            code: true,
            inputs: true,
            with: true,
            ttl: None,
        },
        continue_on_error: false,
        tolerated_by: None,
        matrix_limits: None,
        for_each: None,
        repeat: None,
        approval: None,
        hook: None,
        tags: Vec::new(),
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
