//! Figures, not tests: `cargo test --release -p trainyard-executors --test processes -- --measure`.

use crate::harness::{Place, config, run_id, spec_in};
use serde_json::{Value, json};
use std::process::{Command, ExitCode};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use trainyard_executors::{AttemptKey, Executor, ExecutorNews, LocalExecutor, Submission};

/// Prints how many attempts a second an executor carries out, beside ninja on the same commands; or
/// only one of `steps`, `commands` and `ninja`.
pub(crate) fn measure(only: Option<&str>) -> ExitCode {
    let is_wanted = |what: &str| only.is_none_or(|only| only == what);
    for _ in 0..3 {
        if is_wanted("steps") {
            let noops = attempts_per_second(60_000, "debug.noop@v1", &Value::Null);
            println!("debug.noop@v1, 2 workers: {noops:.0} attempts/s");
        }
        if is_wanted("commands") {
            let ours = attempts_per_second(2_000, "run.shell@v1", &json!({"script": "true"}));
            println!("run.shell@v1 `true`, 2 cores: {ours:.0} attempts/s");
        }
        if is_wanted("ninja") {
            match ninja_per_second(2_000) {
                Some(theirs) => println!("ninja -j2 `true`: {theirs:.0} commands/s"),
                None => println!("ninja is not installed"),
            }
        }
    }
    ExitCode::SUCCESS
}

fn attempts_per_second(count: u32, uses: &str, with: &Value) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let run = run_id();
    let (sender, news) = channel();
    let mut executor = LocalExecutor::new(config(), sender).unwrap();
    let attempt = |step: u32| {
        let key = AttemptKey {
            run: run.clone(),
            step,
            attempt: 1,
        };
        let spec = spec_in(dir.path(), &run, step, uses, with.clone());
        Submission { key, spec, depth: 0 }
    };
    let batch: Vec<_> = (1..=count).map(attempt).collect();
    // The processes are warm before the clock starts.
    executor.submit_many(vec![attempt(0)]).unwrap();
    executor.follow_up(wait_for(1, &news), Vec::new()).unwrap();
    let mut batch = batch.into_iter();
    let clock = Instant::now();
    let mut open = 0;
    let mut done = 0;
    while done < count as usize {
        let room = executor.capacity() - open;
        let more: Vec<_> = batch.by_ref().take(room).collect();
        open += more.len();
        if !more.is_empty() {
            executor.submit_many(more).unwrap();
        }
        let ended = wait_for(1, &news);
        executor.follow_up(ended, Vec::new()).unwrap();
        open -= ended;
        done += ended;
    }
    f64::from(count) / clock.elapsed().as_secs_f64()
}

/// Waits for that many ends, and takes what else has come.
fn wait_for(least: usize, news: &std::sync::mpsc::Receiver<ExecutorNews>) -> usize {
    let mut ended = 0;
    while ended < least {
        let first = news.recv_timeout(Duration::from_secs(60)).unwrap();
        for news in std::iter::once(first).chain(news.try_iter()) {
            if let ExecutorNews::Ended { report, .. } = news {
                assert_eq!(report.failure, None);
                ended += 1;
            }
        }
    }
    ended
}

fn ninja_per_second(count: u32) -> Option<f64> {
    let place = Place::new();
    let mut file = "rule r\n  command = true\n".to_owned();
    for step in 0..count {
        file.push_str(&format!("build out{step}: r\n"));
    }
    std::fs::write(place.path().join("build.ninja"), file).unwrap();
    let clock = Instant::now();
    let output = Command::new("ninja")
        .args(["-j2", "--quiet"])
        .current_dir(place.path())
        .output()
        .ok()?;
    assert!(output.status.success());
    Some(f64::from(count) / clock.elapsed().as_secs_f64())
}
