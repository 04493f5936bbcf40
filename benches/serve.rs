//! The server through the real binary: how soon a trigger has its first step started, what a chain of
//! steps costs, what idling costs, a storm of calls, and lists of many runs.
//!
//! `cargo bench --no-default-features --bench serve -- [PART…]`, the parts being `triggers`, `chain`,
//! `idle`, `storm`, `list`; asserts no time, but stops if a call was not answered or a limit not kept.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    reason = "a bench fails by panicking and tells by printing, and uses a part of the tests' client"
)]

#[path = "../tests/http.rs"]
mod http;
#[path = "../tests/yard.rs"]
mod yard;

use http::Served;
use serde_json::json;
use std::io::Write;
use std::time::{Duration, Instant};
use yard::Yard;

/// Firings of each kind of trigger.
const FIRINGS: usize = 200;
const CHAIN: usize = 40;
const IDLE: Duration = Duration::from_secs(10);
const CALLS: usize = 1_000;
const CLIENTS: usize = 8;
const LIMIT: usize = 100;
const RUNS: usize = 10_000;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!(
        "serve (SQLite, synchronous=FULL; load {})\n",
        load.split(' ').next().unwrap()
    );
    for (name, part) in [
        ("triggers", triggers as fn()),
        ("chain", chain),
        ("idle", idle),
        ("storm", storm),
        ("list", list),
    ] {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            part();
        }
    }
}

/// From the call, the closed file or the request to the event that the run's first step has started,
/// which is sent once it is durable.
fn triggers() {
    let flush = Spread::of(flushes(FIRINGS));
    println!("one append + fdatasync                  {flush}");
    let yard = Yard::with(
        "version: 1\nname: bench\ndatasets:\n  sales: {path: data/sales.csv}\n\
         triggers:\n  fresh: {type: data, datasets: [sales]}\n  call: {type: webhook, path: /hooks/bench}\n\
         defaults: {cache: false}\nsteps:\n  only: {uses: debug.noop@v1}\n",
    );
    yard.write("data/sales.csv", "day\n");
    let served = Served::start(&yard);
    let mut events = served.events(None);
    while !served
        .get("/metrics")
        .text()
        .contains("trainyard_data_changes_total 1")
    {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut measure = |name: &str, fire: &dyn Fn(usize)| {
        let mut spans: Vec<Duration> = Vec::new();
        for number in 0..FIRINGS {
            let clock = Instant::now();
            fire(number);
            events.until(|told| told.event == "attempt_started");
            spans.push(clock.elapsed());
            events.until(|told| told.event == "run_ended");
            // People and files do not come in step with the server.
            std::thread::sleep(Duration::from_millis(20 + (number as u64 * 7) % 30));
        }
        let spread = Spread::of(spans);
        println!(
            "{name:<9} to first step, {FIRINGS} firings   {spread}   ratio {:.1}",
            ratio(&spread, &flush)
        );
    };
    measure("manual", &|_| {
        served.run("bench");
    });
    measure("webhook", &|number| {
        served
            .post("/hooks/bench", &json!({ "number": number }))
            .expect(202);
    });
    measure("data", &|number| {
        yard.write("data/sales.csv", &format!("day\n{number}\n"))
    });
}

/// Steps of 10 ms, each after the one before.
fn chain() {
    let mut text = "version: 1\nname: bench\ndefaults: {cache: false}\nsteps:\n".to_owned();
    for step in 0..CHAIN {
        let needs = if step == 0 {
            String::new()
        } else {
            format!("needs: [s{}], ", step - 1)
        };
        text.push_str(&format!(
            "  s{step}: {{{needs}uses: debug.noop@v1, with: {{sleep: 10ms}}}}\n"
        ));
    }
    let yard = Yard::with(&text);
    let served = Served::start(&yard);
    let mut events = served.events(None);
    let mut run = || {
        let clock = Instant::now();
        served.run("bench");
        let ended = events.until(|told| told.event == "run_ended");
        assert_eq!(ended.data["outcome"], "succeeded");
        clock.elapsed()
    };
    run();
    let best = (0..5).map(|_| run()).min().unwrap();
    println!(
        "chain of {CHAIN} steps of 10 ms            {:>8.1} ms   beside {} ms of work: {:.2} ms a step more",
        millis(best),
        CHAIN * 10,
        (millis(best) - CHAIN as f64 * 10.0) / CHAIN as f64
    );
}

fn idle() {
    for schedules in [0, 200] {
        let yard = Yard::with("version: 1\nname: bench\nsteps:\n  only: {uses: debug.noop@v1}\n");
        for number in 0..schedules {
            yard.write(
                &format!("pipelines/p{number}.yaml"),
                &format!(
                    "version: 1\nname: p{number}\ntriggers:\n  yearly: {{type: schedule, cron: \"0 0 1 1 *\"}}\n\
                     steps:\n  only: {{uses: debug.noop@v1}}\n"
                ),
            );
        }
        let served = Served::start(&yard);
        let loaded = served.get("/api/v1/triggers").expect(200)["triggers"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(loaded, schedules);
        std::thread::sleep(Duration::from_secs(2));
        let before = process(served.pid());
        std::thread::sleep(IDLE);
        let after = process(served.pid());
        println!(
            "idle with {schedules:>3} schedules               {:>8} ms of processor time in {} s   {:.1} MB resident",
            after.cpu_ms - before.cpu_ms,
            IDLE.as_secs(),
            after.resident_mb
        );
    }
}

fn storm() {
    let yard = Yard::with(&format!(
        "version: 1\nname: bench\ntriggers:\n  call: {{type: webhook, path: /hooks/bench, max_runs: {{limit: {LIMIT}, per: 1h}}}}\n\
         defaults: {{cache: false}}\nsteps:\n  only: {{uses: debug.noop@v1}}\n"
    ));
    let served = Served::start(&yard);
    let clock = Instant::now();
    let answers: Vec<(u16, Duration)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let served = &served;
                scope.spawn(move || {
                    let call = |number: usize| {
                        let began = Instant::now();
                        let body = json!({ "client": client, "number": number });
                        (served.post("/hooks/bench", &body).status, began.elapsed())
                    };
                    (0..CALLS / CLIENTS).map(call).collect::<Vec<_>>()
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    let took = clock.elapsed();
    assert!(
        answers.iter().all(|(status, _)| *status == 202),
        "a call was refused"
    );
    let made = served.get("/api/v1/runs?limit=500").expect(200)["runs"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(made, LIMIT, "runs made");
    println!(
        "storm of {CALLS} calls, {CLIENTS} clients       {:>8.0} calls/s   each {}   {made} runs as max_runs allows",
        CALLS as f64 / took.as_secs_f64(),
        Spread::of(answers.into_iter().map(|(_, span)| span).collect())
    );
}

fn list() {
    let yard = Yard::with(
        "version: 1\nname: bench\ndefaults: {cache: false}\nsteps:\n  only: {uses: debug.noop@v1}\n",
    );
    let served = Served::start(&yard);
    let clock = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| (0..RUNS / CLIENTS).for_each(|_| drop(served.run("bench"))));
        }
    });
    let asked = clock.elapsed();
    while served.get("/api/v1/runs?status=succeeded&limit=1").expect(200)["runs"][0].is_null()
        || !served.get("/metrics").text().contains("trainyard_queue_runs 0")
    {
        std::thread::sleep(Duration::from_millis(100));
    }
    println!(
        "{RUNS} runs asked for over HTTP          {:>8.0} runs/s asked, {:.0} runs/s over   {:.1} MB resident",
        RUNS as f64 / asked.as_secs_f64(),
        RUNS as f64 / clock.elapsed().as_secs_f64(),
        process(served.pid()).resident_mb
    );
    for (name, path) in [
        ("first page", "/api/v1/runs"),
        (
            "page of a pipeline's succeeded",
            "/api/v1/runs?pipeline=bench&status=succeeded",
        ),
        (
            "page of failed, of which there is none",
            "/api/v1/runs?status=failed",
        ),
    ] {
        let spans = (0..FIRINGS).map(|_| {
            let clock = Instant::now();
            served.get(path).expect(200);
            clock.elapsed()
        });
        println!("   {name:<40} {}", Spread::of(spans.collect()));
    }
}

/// Times to append a line to a file and have it on the disk.
fn flushes(count: usize) -> Vec<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(folder.path().join("log")).unwrap();
    (0..count)
        .map(|_| {
            let clock = Instant::now();
            file.write_all(&[b'x'; 200]).unwrap();
            file.sync_data().unwrap();
            clock.elapsed()
        })
        .collect()
}

struct Process {
    cpu_ms: u64,
    resident_mb: f64,
}

fn process(pid: u32) -> Process {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_ascii_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    Process {
        // Hundredths of a second, user and system; pages of 4 KiB.
        cpu_ms: (fields[11] + fields[12]) * 10,
        resident_mb: fields[21] as f64 * 4096.0 / 1e6,
    }
}

struct Spread {
    half: Duration,
    most: Duration,
}

impl Spread {
    fn of(mut spans: Vec<Duration>) -> Self {
        spans.sort_unstable();
        Self {
            half: spans[spans.len() / 2],
            most: spans[spans.len() * 99 / 100],
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "p50 {:>7.2} ms   p99 {:>7.2} ms",
            millis(self.half),
            millis(self.most)
        )
    }
}

fn ratio(spread: &Spread, flush: &Spread) -> f64 {
    spread.half.as_secs_f64() / flush.half.as_secs_f64()
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
