//! `kill -9` of the orchestrator at random moments, thousands of times: `cargo bench
//! --no-default-features --bench kills -- 10000 [SEED]`. Stops at the first run that lost or
//! repeated something; what is given on the last line makes the same choice of moments again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test or bench fails by panicking and tells by printing"
)]

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Built-in steps, commands with outputs, and a diamond; every command writes down that it ran.
fn pipeline() -> String {
    let mut text = String::from("version: 1\nname: kills\ndefaults: {cache: false}\nsteps:\n");
    for lane in 0..3 {
        for place in 0..4 {
            let needs = match place {
                0 => String::new(),
                _ => format!("l{lane}_{}", place - 1),
            };
            let what = if (lane + place) % 2 == 0 {
                "uses: debug.noop@v1".to_owned()
            } else {
                format!("run: 'echo l{lane}_{place} >> ledger; sleep 0.00{place}'")
            };
            text.push_str(&format!("  l{lane}_{place}: {{{what}, needs: [{needs}]}}\n"));
        }
    }
    text.push_str("  end: {uses: debug.noop@v1, needs: [l0_3, l1_3, l2_3]}\n");
    text
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse::<u64>().ok());
    let kills = arguments.next().unwrap_or(200);
    let seed = arguments.next().unwrap_or(1);
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trainyard.yaml"), "version: 1\nname: kills\n").unwrap();
    std::fs::write(folder.path().join("pipeline.yaml"), pipeline()).unwrap();
    let clock = Instant::now();
    assert!(
        kill_after(folder.path(), &["run", "pipeline.yaml"], None),
        "an undisturbed run ends"
    );
    let usual = u64::try_from(clock.elapsed().as_micros()).unwrap();
    let (mut done, mut runs, mut before_the_run) = (0, 0, 0);
    while done < kills {
        std::fs::write(folder.path().join("ledger"), "").unwrap();
        let known = latest(folder.path());
        let mut arguments: Vec<&str> = vec!["run", "pipeline.yaml"];
        let mut finished: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            let moment = Duration::from_micros(random.below(usual * 5 / 4));
            if kill_after(folder.path(), &arguments, Some(moment)) {
                break;
            }
            done += 1;
            if latest(folder.path()) == known {
                before_the_run += 1;
                continue;
            }
            let run = show(folder.path());
            if run["status"] == "succeeded" {
                break;
            }
            for (name, step) in run["steps"].as_object().unwrap() {
                let attempts = step["attempts"].as_u64().unwrap_or(0);
                match finished.get(name) {
                    Some(before) => assert_eq!(*before, attempts, "{name} ran again; {kills} {seed}"),
                    None if step["state"] == "succeeded" => {
                        finished.insert(name.clone(), attempts);
                    }
                    None => {}
                }
            }
            arguments = vec!["runs", "resume", "latest"];
        }
        let run = show(folder.path());
        assert_eq!(run["status"], "succeeded", "{run:#}; {kills} {seed}");
        let ledger = std::fs::read_to_string(folder.path().join("ledger")).unwrap();
        for (name, step) in run["steps"].as_object().unwrap() {
            let attempts = step["attempts"].as_u64().unwrap();
            let times = ledger.lines().filter(|line| line == name).count() as u64;
            assert!(
                times <= attempts,
                "{name} ran {times} times in {attempts} attempts; {kills} {seed}"
            );
            if let Some(before) = finished.get(name) {
                assert_eq!(*before, attempts, "{name} ran again; {kills} {seed}");
            }
        }
        runs += 1;
    }
    println!(
        "{done} kills (seed {seed}, {before_the_run} before there was a run), {runs} runs: each ended as it would have, \
         and no finished step ran again"
    );
}

/// Whether the command ended by itself, and well, before it was killed.
fn kill_after(folder: &Path, arguments: &[&str], moment: Option<Duration>) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if let Some(moment) = moment {
        std::thread::sleep(moment);
        let _ = child.kill();
    }
    child.wait().unwrap().success()
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

fn latest(folder: &Path) -> Value {
    ask(folder, &["runs", "list"])[0]["run"].clone()
}

fn show(folder: &Path) -> Value {
    ask(folder, &["runs", "show", "latest"])
}
