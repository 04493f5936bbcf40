//! `check` and `plan` on files of 1,000 and 10,000 steps, as whole processes.
//!
//! `cargo bench --bench check`; prints times, asserts nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test or bench fails by panicking and tells by printing"
)]

mod graph;

use graph::{Graph, Work};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() {
    for (layers, width) in [(10, 100), (100, 100)] {
        let graph = Graph::layers(layers, width);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("trainyard.yaml"), "version: 1\nname: bench\n").unwrap();
        std::fs::write(folder.path().join("pipeline.yaml"), graph.yaml(Work::Noop)).unwrap();
        let time = |command: &str| -> Duration {
            let once = || {
                let start = Instant::now();
                let status = Command::new(env!("CARGO_BIN_EXE_trainyard"))
                    .args([command, "pipeline.yaml"])
                    .current_dir(folder.path())
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
                assert!(status.success(), "{command}: {status}");
                start.elapsed()
            };
            (0..5).map(|_| once()).min().unwrap()
        };
        println!(
            "{:>6} steps   check {:>7.1} ms   plan {:>7.1} ms",
            graph.len(),
            time("check").as_secs_f64() * 1000.0,
            time("plan").as_secs_f64() * 1000.0
        );
    }
}
