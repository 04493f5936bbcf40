//! A hundred thousand items in one run, killed half-way and resumed: `cargo bench
//! --no-default-features --bench items -- [ITEMS]`. Fails if a finished item ran again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test or bench fails by panicking and tells by printing"
)]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PIPELINE: &str = r#"
version: 1
name: items
defaults: {cache: false}
steps:
  list:
    run: cat items.json > "$OUT_items"
    outputs: {items: {type: list}}
  work:
    for_each: {items: "${{ steps.list.outputs.items }}", max_items: 200000}
    uses: debug.noop@v1
    outputs: {done: {type: boolean}}
  end: {uses: debug.noop@v1, needs: [work]}
"#;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let items: usize = arguments.find_map(|word| word.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let list: Vec<String> = (0..items)
        .map(|number| format!("s3://bucket/in/part-{number:06}.parquet"))
        .collect();
    std::fs::write(folder.join("items.json"), serde_json::to_string(&list).unwrap()).unwrap();
    std::fs::write(folder.join("trainyard.yaml"), "version: 1\nname: items\n").unwrap();
    std::fs::write(folder.join("pipeline.yaml"), PIPELINE).unwrap();

    let clock = Instant::now();
    let mut child = start(folder, &["run", "pipeline.yaml"]);
    let half = follow(&mut child, |over| over >= items / 2);
    child.kill().unwrap();
    child.wait().unwrap();
    println!(
        "first half: {} items in {:.1} s, {} MB at most, then kill -9",
        half.over,
        clock.elapsed().as_secs_f64(),
        half.peak_mb
    );
    let all = [
        "runs",
        "show",
        "latest",
        "--items",
        "work",
        "--per-page",
        "200000",
    ];
    let finished: Vec<Value> = ask(folder, &all)["items"].as_array().unwrap().clone();
    let (before, shown) = timed(|| ask(folder, &["runs", "show", "latest"]));
    let done = before["steps"]["work"]["items"]["succeeded"].as_u64().unwrap();
    println!("runs show: {:.2} s with {done} items done", shown.as_secs_f64());

    let clock = Instant::now();
    let mut child = start(folder, &["runs", "resume", "latest"]);
    let rest = follow(&mut child, |_| false);
    assert!(child.wait().unwrap().success());
    println!(
        "resumed: the other {} in {:.1} s, {} MB at most",
        items as u64 - done,
        clock.elapsed().as_secs_f64(),
        rest.peak_mb
    );
    let (run, shown) = timed(|| ask(folder, &["runs", "show", "latest"]));
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(run["steps"]["work"]["items"]["succeeded"], items);
    let (page, paged) = timed(|| ask(folder, &all));
    let now = page["items"].as_array().unwrap();
    let mut lost = 0;
    for (before, now) in finished.iter().zip(now) {
        let again = now["attempts"] != 1;
        assert!(
            before["state"] != "succeeded" || !again,
            "a finished item ran again: {now:#}"
        );
        lost += usize::from(again);
    }
    let size = std::fs::metadata(folder.join(".trainyard/state.db"))
        .unwrap()
        .len();
    println!(
        "runs show: {:.2} s; all items listed: {:.2} s; {lost} attempts under way were made again; {} bytes an item",
        shown.as_secs_f64(),
        paged.as_secs_f64(),
        size / items as u64
    );
}

struct Followed {
    over: usize,
    peak_mb: u64,
}

/// Reads a run's progress until enough items are over, or to its end.
fn follow(child: &mut Child, enough: impl Fn(usize) -> bool) -> Followed {
    let mut followed = Followed { over: 0, peak_mb: 0 };
    let id = child.id();
    for line in BufReader::new(child.stderr.as_mut().unwrap()).lines() {
        let line = line.unwrap();
        followed.peak_mb = followed.peak_mb.max(peak_mb(id));
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["Finished", "work", over, "of", ..] = words.as_slice() {
            followed.over = over.replace(',', "").parse().unwrap();
            if enough(followed.over) {
                break;
            }
        }
    }
    followed
}

/// The most memory that a process ever had.
fn peak_mb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let clock = Instant::now();
    let done = work();
    (done, clock.elapsed())
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ask(folder: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(arguments)
        .args(["--format", "json"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}
