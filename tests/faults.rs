//! Faults that a run must survive, and limits that cost one attempt only.

use crate::yard::Yard;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Child;

/// Steps that do nothing but take a moment, then a model-free end: quick to run, long enough to be
/// interrupted anywhere.
const CHAIN: &str = r#"
version: 1
name: chain
steps:
  a: {uses: debug.noop@v1, outputs: {done: {type: boolean}}, cache: false}
  b: {uses: debug.noop@v1, inputs: {a: a.done}, with: {sleep: 100ms}, outputs: {done: {type: boolean}}, cache: false}
  c:
    inputs: {b: b.done}
    run: echo ran >> ledger.txt; echo true > "$OUT_done"
    outputs: {done: {type: boolean}}
    cache: false
  d: {uses: debug.noop@v1, inputs: {c: c.done}, with: {sleep: 100ms}, outputs: {done: {type: boolean}}, cache: false}
  e: {uses: debug.noop@v1, needs: [d], cache: false}
"#;

/// Reads a run's JSON events until one satisfies `wanted`.
fn wait_for(child: &mut Child, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut seen = Vec::new();
    let stdout = child.stdout.as_mut().unwrap();
    for line in BufReader::new(stdout).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let found = wanted(&event);
        seen.push(event);
        if found {
            break;
        }
    }
    seen
}

fn ended(event: &Value, kind: &str, instance: &str) -> bool {
    event["event"] == kind && event["instance"] == instance
}

#[test]
fn a_killed_orchestrator_loses_nothing_and_repeats_nothing() {
    for (kind, instance) in [
        ("run_started", ""),
        ("attempt_succeeded", "a"),
        ("attempt_started", "b"),
        ("attempt_succeeded", "c"),
        ("attempt_started", "d"),
    ] {
        let yard = Yard::with(CHAIN);
        let mut child = yard.start(&["run", "pipeline.yaml", "--format", "json"]);
        let seen = wait_for(&mut child, |event| {
            event["event"] == kind && (instance.is_empty() || event["instance"] == instance)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let shown: Vec<String> = seen
            .iter()
            .filter(|event| event["event"] == "attempt_succeeded")
            .map(|event| event["instance"].as_str().unwrap().to_owned())
            .collect();
        yard.trainyard(&["runs", "resume", "latest"]).expect(0);
        let run = yard.json(&["runs", "show"]);
        assert_eq!(run["status"], "succeeded", "killed after {kind} {instance}");
        for name in &shown {
            assert_eq!(
                run["steps"][name]["attempts"], 1,
                "{name} ran again, killed after {kind} {instance}"
            );
        }
        if shown.contains(&"c".to_owned()) {
            assert_eq!(yard.read("ledger.txt"), "ran\n");
        }
    }
}

#[test]
fn a_run_that_another_process_has_is_not_taken() {
    let yard = Yard::with(CHAIN.replace("sleep: 100ms", "sleep: 3s").as_str());
    let mut child = yard.start(&["run", "pipeline.yaml", "--format", "json"]);
    wait_for(&mut child, |event| ended(event, "attempt_started", "b"));
    let answer = yard.trainyard(&["runs", "resume", "latest"]);
    assert_eq!(answer.code, Some(2), "{answer}");
    yard.trainyard(&["runs", "cancel", "latest"]).expect(0);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(yard.json(&["runs", "show"])["status"], "cancelled");
}

/// A misbehaving step beside a well-behaved one.
fn beside(bad: &str) -> (Yard, Value) {
    let yard = Yard::with(&format!(
        "version: 1\nname: beside\nsteps:\n  bad:\n{bad}\n  good: {{uses: debug.noop@v1, cache: false}}\n  after: {{uses: debug.noop@v1, needs: [good], cache: false}}\n"
    ));
    yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["steps"]["good"]["state"], "succeeded", "{run:#}");
    assert_eq!(run["steps"]["after"]["state"], "succeeded", "{run:#}");
    assert_eq!(run["steps"]["bad"]["state"], "failed", "{run:#}");
    (yard, run)
}

#[test]
fn a_step_that_allocates_without_end_costs_that_attempt_only() {
    let (_, run) = beside(
        "    uses: debug.noop@v1\n    with: {allocate: 2Gi, sleep: 20s}\n    resources: {memory: 256Mi}",
    );
    assert_eq!(
        run["steps"]["bad"]["failure"]["class"], "out_of_memory",
        "{run:#}"
    );
    let (_, run) = beside(
        "    run: python3 -c 'x = [bytearray(1 << 24) for _ in iter(int, 1)]'\n    resources: {memory: 256Mi}",
    );
    assert_eq!(
        run["steps"]["bad"]["failure"]["class"], "out_of_memory",
        "{run:#}"
    );
}

#[test]
fn a_step_that_hangs_is_ended_at_its_timeout() {
    for step in [
        "    uses: debug.noop@v1\n    with: {sleep: 600s}\n    timeout: 1s",
        "    run: sleep 600\n    timeout: 1s",
    ] {
        let (_, run) = beside(step);
        assert_eq!(run["steps"]["bad"]["failure"]["class"], "timeout", "{run:#}");
    }
}

#[test]
fn a_flood_of_log_ends_the_attempt_with_a_clear_error() {
    let (yard, run) = beside("    run: yes trainyard | head -c 1000000000\n    resources: {log: 8Mi}");
    assert_eq!(run["steps"]["bad"]["failure"]["class"], "log_limit", "{run:#}");
    assert!(folder_size(&yard.home()) < 64 << 20);
}

fn folder_size(folder: &std::path::Path) -> u64 {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                folder_size(&entry.path())
            } else {
                meta.len()
            }
        })
        .sum()
}

#[test]
fn a_step_that_ends_by_signal_or_code_says_so() {
    let (_, run) = beside("    run: kill -SEGV $$");
    assert_eq!(run["steps"]["bad"]["failure"]["class"], "signal", "{run:#}");
    let (_, run) = beside("    run: echo about to fail >&2; exit 7");
    assert_eq!(run["steps"]["bad"]["failure"]["class"], "exit_code");
    assert!(
        run["steps"]["bad"]["failure"]["log_tail"]
            .to_string()
            .contains("about to fail"),
        "{run:#}"
    );
    let (_, run) = beside("    uses: debug.noop@v1\n    with: {kill: 9}");
    assert!(
        run["steps"]["bad"]["failure"]["message"]
            .as_str()
            .unwrap()
            .contains("SIGKILL"),
        "{run:#}"
    );
}

#[test]
fn children_that_slip_away_are_ended_with_their_step() {
    let (yard, _) = beside(
        "    run: setsid sh -c 'sleep 300; echo alive' & setsid sleep 300 & echo $! > pid.txt; exit 3",
    );
    let pid = yard.read("pid.txt");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    assert!(
        stat.is_err() || stat.unwrap().contains(") Z "),
        "process {pid} is alive"
    );
}

#[test]
fn a_damaged_object_is_named_and_nothing_is_lost() {
    let yard = Yard::with(
        "version: 1\nname: damage\nsteps:\n  make: {run: 'echo content > \"$OUT_file\"', outputs: {file: {type: file}}}\n  use: {run: 'cat \"$IN_file\"', inputs: {file: make.file}, cache: false}\n",
    );
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    let hash = yard.json(&["runs", "show"])["steps"]["make"]["outputs"]["file"]["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let object = yard.home().join("objects").join(&hash[..2]).join(&hash);
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[0] ^= 1;
    std::fs::set_permissions(&object, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(&object, bytes).unwrap();
    let answer = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(answer.err.contains("damaged"), "{answer}");
    assert!(answer.err.contains(&hash[..12]), "{answer}");
}

#[test]
fn a_read_only_home_is_a_clear_error() {
    let yard = Yard::with(CHAIN);
    std::fs::write(yard.home(), "a file where the folder should be").unwrap();
    let answer = yard.trainyard(&["run", "pipeline.yaml"]).expect(2);
    assert!(answer.err.contains(".trainyard"), "{answer}");
}

#[test]
fn a_killed_worker_costs_its_attempt_and_is_replaced() {
    let yard = Yard::with(
        "version: 1\nname: worker\nsteps:\n  a:\n    uses: debug.noop@v1\n    with: {sleep: 2s}\n    retry: {delay: 1s, jitter: 0}\n    cache: false\n  b: {uses: debug.noop@v1, needs: [a], cache: false}\n",
    );
    let mut child = yard.start(&["run", "pipeline.yaml", "--format", "json"]);
    wait_for(&mut child, |event| ended(event, "attempt_began", "a"));
    let worker = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok()?.parse::<u32>().ok())
        .find(|pid| {
            let read =
                |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let parent = read("stat")
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.split(' ').nth(1)?.parse::<u32>().ok());
            parent == Some(child.id()) && read("cmdline").contains("--worker")
        })
        .unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-9", &worker.to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    // Its output is read to the end, so that it never waits for a reader.
    std::io::copy(child.stdout.as_mut().unwrap(), &mut std::io::sink()).unwrap();
    let code = child.wait().unwrap().code();
    let run = yard.json(&["runs", "show"]);
    assert_eq!(code, Some(0), "{run:#}");
    assert_eq!(run["steps"]["a"]["attempts"], 2);
    assert_eq!(run["status"], "succeeded");
}
