//! What runs when, and in what.

use crate::Claim;
use crate::harness::{Place, Shorthand, line_of, succeeded};
use serde_json::{Value, json};
use trainyard_contract::{ByteSize, Millis};
use trainyard_executors::{AttemptKey, Executor, ExecutorNews, Submission};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_key_submitted_twice_runs_once", a_key_submitted_twice_runs_once),
    (
        "thousands_of_quick_steps_each_end_once",
        thousands_of_quick_steps_each_end_once,
    ),
    (
        "a_quick_step_does_not_wait_behind_a_slow_one",
        a_quick_step_does_not_wait_behind_a_slow_one,
    ),
    (
        "commands_that_declare_all_cores_run_one_by_one",
        commands_that_declare_all_cores_run_one_by_one,
    ),
    (
        "declared_memory_is_never_given_away_twice",
        declared_memory_is_never_given_away_twice,
    ),
    (
        "more_cores_than_there_are_means_all_of_them",
        more_cores_than_there_are_means_all_of_them,
    ),
    (
        "what_follows_goes_ahead_of_what_has_only_been_waiting",
        what_follows_goes_ahead_of_what_has_only_been_waiting,
    ),
    (
        "a_waiting_command_can_be_cancelled",
        a_waiting_command_can_be_cancelled,
    ),
    (
        "threads_of_a_worker_follow_the_declared_cores",
        threads_of_a_worker_follow_the_declared_cores,
    ),
    (
        "shutdown_ends_everything_and_says_so",
        shutdown_ends_everything_and_says_so,
    ),
];

fn a_key_submitted_twice_runs_once() {
    let mut place = Place::new();
    let spec = place.shell("echo x >> count");
    let key = place.submit(spec.clone());
    let executor = place.executor.as_mut().unwrap();
    executor.submit(key.clone(), spec.clone()).unwrap();
    succeeded(&place.report(&key));
    place.executor.as_mut().unwrap().submit(key, spec).unwrap();
    succeeded(&place.run_shell("true"));
    assert_eq!(
        std::fs::read_to_string(place.path().join("count")).unwrap(),
        "x\n"
    );
}

fn thousands_of_quick_steps_each_end_once() {
    let mut place = Place::new();
    let keys: Vec<AttemptKey> = (0..5000)
        .map(|_| {
            let spec = place.spec("debug.noop@v1", Value::Null);
            place.submit(spec)
        })
        .collect();
    let mut ended = Vec::new();
    while ended.len() < keys.len() {
        match place.until(|news| matches!(news, ExecutorNews::Ended { .. })) {
            ExecutorNews::Ended { key, report } => {
                succeeded(&report);
                ended.push(key);
            }
            _ => unreachable!(),
        }
    }
    ended.sort();
    assert_eq!(ended, keys);
    assert!(
        place
            .rest()
            .iter()
            .all(|news| matches!(news, ExecutorNews::Began { .. }))
    );
}

/// A kind of step that was quick so often that it is believed to be, and then is not.
fn a_quick_step_does_not_wait_behind_a_slow_one() {
    let mut place = Place::with(|config| config.workers = 1);
    for _ in 0..20 {
        let spec = place.spec("test.paths@v1", Value::Null);
        succeeded(&place.run(spec));
    }
    let file = place.path().join("pid");
    let hangs = place.spec("test.paths@v1", json!({ "pid_file": file }));
    let hanging = place.submit(hangs);
    let quick = place.spec("test.paths@v1", Value::Null);
    let waiting = place.submit(quick);
    line_of(file);
    place.executor.as_mut().unwrap().cancel(&hanging, Millis(0));
    assert!(place.report(&hanging).failure.is_some());
    succeeded(&place.report(&waiting));
}

/// Commands that note when they start and end; never more of them at once than may be.
fn most_at_once(place: &mut Place, specs: Vec<trainyard_contract::TaskSpec>) -> i32 {
    let keys: Vec<AttemptKey> = specs.into_iter().map(|spec| place.submit(spec)).collect();
    for key in &keys {
        succeeded(&place.report(key));
    }
    let notes = std::fs::read_to_string(place.path().join("notes")).unwrap();
    let mut running = 0;
    notes
        .bytes()
        .map(|note| {
            running += match note {
                b'+' => 1,
                b'-' => -1,
                _ => 0,
            };
            running
        })
        .max()
        .unwrap()
}

const NOTE: &str = "printf + >> notes; sleep 0.02; printf - >> notes";

fn commands_that_declare_all_cores_run_one_by_one() {
    let mut place = Place::new();
    let specs = (0..6).map(|_| place.shell(NOTE).limits(|limits| limits.cpu = Some(2)));
    let specs: Vec<_> = specs.collect();
    let specs = apart(specs);
    assert_eq!(most_at_once(&mut place, specs), 1);
}

fn declared_memory_is_never_given_away_twice() {
    let mut place = Place::with(|config| {
        config.cores = 8;
        config.memory = ByteSize(4 << 30);
    });
    let specs: Vec<_> = (0..8).map(|_| place.shell(NOTE).memory(2000)).collect();
    let specs = apart(specs);
    assert!(most_at_once(&mut place, specs) <= 2);
}

/// Tasks made beside each other need folders of their own.
fn apart(mut specs: Vec<trainyard_contract::TaskSpec>) -> Vec<trainyard_contract::TaskSpec> {
    for (at, spec) in specs.iter_mut().enumerate() {
        spec.scratch = spec.scratch.with_file_name(format!("apart{at}"));
        spec.log = spec.log.with_file_name(format!("apart{at}.log"));
    }
    specs
}

fn more_cores_than_there_are_means_all_of_them() {
    let mut place = Place::new();
    let spec = place
        .shell("true")
        .limits(|limits| limits.cpu = Some(64))
        .memory(1 << 30);
    succeeded(&place.run(spec));
}

fn what_follows_goes_ahead_of_what_has_only_been_waiting() {
    let mut place = Place::with(|config| config.cores = 1);
    let holding = place.shell("while ! [ -e stop ]; do sleep 0.01; done");
    let holding = place.submit(holding);
    place.until_began(&holding);
    let depths = [0, 0, 5, 0, 7, 5];
    let specs = apart(
        depths
            .map(|depth| place.shell(&format!("echo {depth} >> order")))
            .into(),
    );
    let attempts: Vec<Submission> = specs
        .into_iter()
        .zip(depths)
        .map(|(spec, depth)| Submission {
            key: place.next_key(),
            spec,
            depth,
        })
        .collect();
    let keys: Vec<AttemptKey> = attempts.iter().map(|attempt| attempt.key.clone()).collect();
    place.executor.as_mut().unwrap().submit_many(attempts).unwrap();
    std::fs::write(place.path().join("stop"), "").unwrap();
    for key in &keys {
        succeeded(&place.report(key));
    }
    let order = std::fs::read_to_string(place.path().join("order")).unwrap();
    assert_eq!(
        order.split_whitespace().collect::<Vec<_>>(),
        ["7", "5", "5", "0", "0", "0"]
    );
}

fn a_waiting_command_can_be_cancelled() {
    let mut place = Place::with(|config| config.cores = 1);
    let holds = place.shell("while ! [ -e stop ]; do sleep 0.01; done");
    let holding = place.submit(holds);
    place.until_began(&holding);
    let waiting: Vec<AttemptKey> = (0..8)
        .map(|_| {
            let spec = place.shell("touch ran");
            place.submit(spec)
        })
        .collect();
    for key in &waiting {
        place.executor.as_mut().unwrap().cancel(key, Millis(0));
    }
    for key in &waiting {
        let report = place.report(key);
        assert_eq!(report.failure.unwrap().message, "cancelled before it began");
    }
    std::fs::write(place.path().join("stop"), "").unwrap();
    succeeded(&place.report(&holding));
    succeeded(&place.run_shell("true"));
    assert!(!place.path().join("ran").exists());
}

fn threads_of_a_worker_follow_the_declared_cores() {
    let mut place = Place::with(|config| config.workers = 1);
    let mut workers = Vec::new();
    for cpu in [1, 2, 2] {
        let spec = place
            .spec("test.paths@v1", Value::Null)
            .limits(|limits| limits.cpu = Some(cpu));
        workers.push(place.run(spec).headline.unwrap());
    }
    assert_ne!(workers[0], workers[1]);
    assert_eq!(workers[1], workers[2]);
}

fn shutdown_ends_everything_and_says_so() {
    let mut place = Place::new();
    let specs = [
        place.shell("sleep 1000"),
        place.spec("debug.noop@v1", json!({"sleep": "1d"})),
    ];
    let keys = apart(specs.into())
        .into_iter()
        .map(|spec| place.submit(spec))
        .collect::<Vec<_>>();
    for key in &keys {
        place.until_began(key);
    }
    place.executor.take().unwrap().shutdown(Millis(10_000));
    for key in &keys {
        assert!(place.report(key).failure.is_some());
    }
}
