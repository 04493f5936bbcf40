//! Built-in steps in worker processes.

use crate::Claim;
use crate::harness::{self, Place, Shorthand, class, eventually, failure, kill_9, succeeded};
use serde_json::{Value, json};
use trainyard_contract::{
    ArtifactKind, ByteSize, Effect, FailureClass, InferRequest, Inference, Millis, Ports, Runner, Signature,
    Step, StepError, StepIo,
};
use trainyard_executors::{AttemptKey, Executor, ExecutorNews};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_noop_does_nothing_well", a_noop_does_nothing_well),
    (
        "a_step_that_prints_cannot_damage_the_protocol",
        a_step_that_prints_cannot_damage_the_protocol,
    ),
    (
        "log_and_progress_of_a_step_arrive",
        log_and_progress_of_a_step_arrive,
    ),
    (
        "a_panic_is_internal_and_says_where",
        a_panic_is_internal_and_says_where,
    ),
    (
        "an_exit_or_a_signal_costs_one_attempt",
        an_exit_or_a_signal_costs_one_attempt,
    ),
    (
        "kill_9_of_a_worker_in_the_middle_is_worker_lost",
        kill_9_of_a_worker_in_the_middle_is_worker_lost,
    ),
    (
        "a_step_that_allocates_without_end_is_out_of_memory",
        a_step_that_allocates_without_end_is_out_of_memory,
    ),
    (
        "a_step_that_hangs_runs_into_its_timeout",
        a_step_that_hangs_runs_into_its_timeout,
    ),
    (
        "a_step_that_floods_its_log_ends_with_log_limit",
        a_step_that_floods_its_log_ends_with_log_limit,
    ),
    (
        "a_cancelled_step_ends_and_the_next_runs",
        a_cancelled_step_ends_and_the_next_runs,
    ),
    ("an_unknown_step_is_rejected", an_unknown_step_is_rejected),
    (
        "scratch_is_there_during_and_gone_after",
        scratch_is_there_during_and_gone_after,
    ),
    (
        "a_worker_that_cannot_start_is_said_so_once",
        a_worker_that_cannot_start_is_said_so_once,
    ),
];

fn signature() -> Signature {
    let any = Ports::Any {
        kinds: vec![ArtifactKind::File],
        min: 0,
    };
    Signature {
        doc: "For tests.",
        inputs: any.clone(),
        outputs: any,
        params: json!({}),
        revision: 1,
        effect: Effect::None,
        runner: Runner::Worker,
    }
}

/// Prints to standard output and error, past the log.
pub(crate) struct Loud;

impl Step for Loud {
    fn uses(&self) -> &'static str {
        "test.loud@v1"
    }
    fn signature(&self) -> Signature {
        signature()
    }
    fn infer(&self, _request: &InferRequest<'_>) -> Inference {
        Inference::default()
    }
    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        println!("{{\"ended\":{{}}}}\nrubbish");
        eprintln!("last words");
        io.log("a line\nand another");
        for done in 1..=1000 {
            io.progress(done, 1000, "rows");
        }
        if io.spec().with["abort"] == true {
            std::process::abort();
        }
        Ok(())
    }
}

/// Tells its process and scratch folder; hangs if asked.
pub(crate) struct Paths;

impl Step for Paths {
    fn uses(&self) -> &'static str {
        "test.paths@v1"
    }
    fn signature(&self) -> Signature {
        signature()
    }
    fn infer(&self, _request: &InferRequest<'_>) -> Inference {
        Inference::default()
    }
    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        io.headline(format!("{} {}", std::process::id(), io.scratch().is_dir()));
        if let Some(file) = io.spec().with["pid_file"].as_str() {
            std::fs::write(file, format!("{}\n", std::process::id())).unwrap();
            loop {
                std::thread::park();
            }
        }
        Ok(())
    }
}

fn noop(place: &Place, with: Value) -> trainyard_contract::TaskSpec {
    place.spec("debug.noop@v1", with)
}

fn a_noop_does_nothing_well() {
    let mut place = Place::new();
    let spec = noop(&place, Value::Null).output("done", ArtifactKind::Boolean);
    let key = place.submit(spec);
    place.until_began(&key);
    let report = place.report(&key);
    succeeded(&report);
    assert_eq!(
        serde_json::to_value(&report.outputs["done"]).unwrap(),
        json!({"value": true})
    );
    assert_eq!(place.log(1), "");
}

fn a_step_that_prints_cannot_damage_the_protocol() {
    let mut place = Place::new();
    let spec = place.spec("test.loud@v1", Value::Null);
    succeeded(&place.run(spec));
    let spec = place.spec("test.loud@v1", json!({"abort": true}));
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::Signal);
    assert!(failure(&report).message.contains("SIGABRT"), "{report:?}");
    assert!(
        failure(&report).log_tail.contains(&"last words".to_owned()),
        "{report:?}"
    );
}

fn log_and_progress_of_a_step_arrive() {
    let mut place = Place::with(|config| config.follow_logs = true);
    let spec = place.spec("test.loud@v1", Value::Null);
    let key = place.submit(spec);
    place.until(|news| matches!(news, ExecutorNews::Log { line, .. } if line.contains("a line")));
    place.until(|news| {
        matches!(
            news,
            ExecutorNews::Progress {
                done: 1000,
                total: 1000,
                ..
            }
        )
    });
    succeeded(&place.report(&key));
    assert_eq!(place.log(1), "a line\nand another\n");
}

fn a_panic_is_internal_and_says_where() {
    let mut place = Place::with(|config| config.workers = 1);
    let (panics, fine) = (
        noop(&place, json!({"panic": "ouch"})),
        noop(&place, json!({"sleep": "1ms"})),
    );
    let panicked = place.submit(panics);
    let next = place.submit(fine);
    let report = place.report(&panicked);
    assert_eq!(class(&report), FailureClass::Internal);
    assert!(failure(&report).message.contains("noop.rs:") && failure(&report).message.ends_with("ouch"));
    succeeded(&place.report(&next));
}

fn an_exit_or_a_signal_costs_one_attempt() {
    for (with, expected) in [
        (json!({"exit_code": 3}), FailureClass::ExitCode),
        (json!({"kill": 11}), FailureClass::Signal),
        (json!({"kill": 9}), FailureClass::WorkerLost),
        (json!({"fail": "no", "class": "io_error"}), FailureClass::IoError),
    ] {
        let mut place = Place::with(|config| config.workers = 1);
        let specs = [
            noop(&place, with.clone()),
            noop(&place, Value::Null),
            noop(&place, Value::Null),
        ];
        let keys: Vec<AttemptKey> = specs.into_iter().map(|spec| place.submit(spec)).collect();
        assert_eq!(class(&place.report(&keys[0])), expected, "{with}");
        succeeded(&place.report(&keys[1]));
        succeeded(&place.report(&keys[2]));
    }
}

fn kill_9_of_a_worker_in_the_middle_is_worker_lost() {
    let mut place = Place::with(|config| config.workers = 1);
    let file = place.path().join("pid");
    let spec = place.spec("test.paths@v1", json!({"pid_file": file}));
    let key = place.submit(spec);
    kill_9(&harness::line_of(file));
    let report = place.report(&key);
    assert_eq!(class(&report), FailureClass::WorkerLost);
    assert!(failure(&report).message.contains("SIGKILL"), "{report:?}");
    let spec = noop(&place, Value::Null);
    succeeded(&place.run(spec));
}

fn a_step_that_allocates_without_end_is_out_of_memory() {
    let mut place = Place::new();
    let spec = noop(&place, json!({"allocate": "1Ti"})).memory(200);
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::OutOfMemory);
    assert!(failure(&report).message.contains("limit of 200Mi"), "{report:?}");
}

fn a_step_that_hangs_runs_into_its_timeout() {
    let mut place = Place::new();
    let spec = noop(&place, json!({"sleep": "1d"})).timeout(100);
    assert_eq!(class(&place.run(spec)), FailureClass::Timeout);
}

fn a_step_that_floods_its_log_ends_with_log_limit() {
    let mut place = Place::new();
    let spec =
        noop(&place, json!({"log_bytes": "1Gi"})).limits(|limits| limits.log = Some(ByteSize(1 << 20)));
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::LogLimit);
    assert_eq!(failure(&report).log_tail.len(), 20);
    let size = place.log(1).len();
    assert!((1_000_000..(1 << 20) + 200).contains(&size), "{size}");
}

fn a_cancelled_step_ends_and_the_next_runs() {
    let mut place = Place::with(|config| config.workers = 1);
    let (hangs, waits) = (
        noop(&place, json!({"sleep": "1d"})),
        noop(&place, json!({"sleep": "2d"})),
    );
    let (hanging, waiting) = (place.submit(hangs), place.submit(waits));
    place.until_began(&hanging);
    let executor = place.executor.as_mut().unwrap();
    executor.cancel(&waiting, Millis(0));
    executor.cancel(&hanging, Millis(0));
    for key in [waiting, hanging] {
        assert!(failure(&place.report(&key)).message.starts_with("cancelled"));
    }
    let spec = noop(&place, Value::Null);
    succeeded(&place.run(spec));
}

fn an_unknown_step_is_rejected() {
    let mut place = Place::new();
    let spec = place.spec("no.such@v1", Value::Null);
    assert_eq!(class(&place.run(spec)), FailureClass::Rejected);
}

fn scratch_is_there_during_and_gone_after() {
    let mut place = Place::new();
    let spec = place.spec("test.paths@v1", Value::Null);
    let scratch = spec.scratch.clone();
    let report = place.run(spec);
    assert!(report.headline.unwrap().ends_with("true"));
    eventually("scratch is gone", || !scratch.exists());
}

fn a_worker_that_cannot_start_is_said_so_once() {
    let mut place = Place::with(|config| config.worker_args = vec!["--no-such-argument".to_owned()]);
    let spec = noop(&place, Value::Null);
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::Internal);
    assert!(
        failure(&report).message.starts_with("could not start a worker"),
        "{report:?}"
    );
    let mut place = Place::with(|config| config.program = "/no/such/program".into());
    let spec = noop(&place, Value::Null);
    assert_eq!(class(&place.run(spec)), FailureClass::Internal);
}
