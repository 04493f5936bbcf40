//! Engine throughput and latency through the real binary, beside the disk's own limit and beside
//! ninja and make on the same graph, all in the same run.
//!
//! `cargo bench --bench engine`; prints ratios, asserts nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test or bench fails by panicking and tells by printing"
)]

mod graph;

use graph::{Graph, Work};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const REPEATS: usize = 3;

fn main() {
    println!("engine (best of {REPEATS}; SQLite, synchronous=FULL)\n");
    let layers = Graph::layers(100, 100);
    let chain = Graph::chain(1000);
    let processes = Graph::layers(20, 50);

    let noop = best(|| run(&layers, Work::Noop));
    println!(
        "no-op steps, {:>6} in layers   {:>9.0} steps/s   peak memory of the orchestrator {} MB",
        layers.len(),
        layers.len() as f64 / noop.engine.as_secs_f64(),
        noop.peak_kib / 1024
    );

    let chained = best(|| run(&chain, Work::Noop));
    let flushes = (0..REPEATS).map(|_| append_and_flush(chain.len())).min().unwrap();
    println!(
        "no-op steps, {:>6} in a chain  {:>9.3} ms/step   append + fdatasync {:.3} ms   ratio {:.2}",
        chain.len(),
        millis(chained.engine) / chain.len() as f64,
        millis(flushes) / chain.len() as f64,
        chained.engine.as_secs_f64() / flushes.as_secs_f64()
    );

    // ninja's shell does `true` itself; a program it has to start, as nearly every step has.
    for command in ["/bin/true", "true"] {
        let ours = best(|| run(&processes, Work::Process(command)));
        println!(
            "`{command}` steps, {:>5} in layers {:>9.3} ms/step",
            processes.len(),
            millis(ours.engine) / processes.len() as f64
        );
        for peer in ["ninja", "make"] {
            match (0..REPEATS)
                .filter_map(|_| graph::peer(&processes, peer, command))
                .min()
            {
                Some(theirs) => println!(
                    "   {peer:<6} -j on the same graph      {:>9.3} ms/step   ours/{peer} {:.2}",
                    millis(theirs) / processes.len() as f64,
                    ours.engine.as_secs_f64() / theirs.as_secs_f64()
                ),
                None => println!("   {peer:<6} is not on this machine"),
            }
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// One run's figures.
struct Measured {
    /// From the run's first event to its last.
    engine: Duration,
    peak_kib: u64,
}

fn best(mut measure: impl FnMut() -> Measured) -> Measured {
    (0..REPEATS)
        .map(|_| measure())
        .min_by_key(|measured| measured.engine)
        .unwrap()
}

fn run(graph: &Graph, work: Work) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trainyard.yaml"), "version: 1\nname: bench\n").unwrap();
    std::fs::write(folder.path().join("pipeline.yaml"), graph.yaml(work)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(["run", "pipeline.yaml"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let status = loop {
        if let Ok(text) = std::fs::read_to_string(&status_file) {
            let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = high
                .and_then(|rest| rest.trim().split(' ').next())
                .and_then(|n| n.parse().ok());
            peak_kib = peak_kib.max(kib.unwrap_or(0));
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "the run failed: {status}");
    let shown = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(["runs", "list", "--format", "json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let runs: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let micros = runs[0]["ended_at"].as_u64().unwrap() - runs[0]["created_at"].as_u64().unwrap();
    Measured {
        engine: Duration::from_micros(micros),
        peak_kib,
    }
}

/// What the disk takes for `count` appends of an event's size, each flushed.
fn append_and_flush(count: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(Path::new(folder.path()).join("log")).unwrap();
    let record = [b'x'; 300];
    let start = Instant::now();
    for _ in 0..count {
        file.write_all(&record).unwrap();
        file.sync_data().unwrap();
    }
    start.elapsed()
}
