//! `debug.noop@v1`: does nothing, or misbehaves as told. For measuring the orchestrator and for
//! trying out how a pipeline stands faults.

use crate::report::now_unix_micros;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write;
use trainyard_contract::{
    ArtifactKind, ByteSize, Effect, Failure, FailureClass, InferRequest, Inference, InputPort, Millis, Ports,
    Runner, Signature, Step, StepError, StepIo,
};

/// As written in YAML.
pub(crate) const USES: &str = "debug.noop@v1";

pub(super) struct Noop;

/// Parameters of `debug.noop@v1`, carried out in this order.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Bytes of log to write, e.g. `1Gi`, in lines of 100 bytes.
    #[schemars(extend("x-kind" = "size"))]
    log_bytes: Option<String>,
    /// Memory to take and touch, e.g. `8Gi`.
    #[schemars(extend("x-kind" = "size"))]
    allocate: Option<String>,
    /// How long to wait, e.g. `500ms`.
    #[schemars(extend("x-kind" = "duration"))]
    sleep: Option<String>,
    /// Number of the signal to end the own process with, e.g. 9.
    kill: Option<i32>,
    /// Code to end the own process with.
    exit_code: Option<i32>,
    /// Panic with this message.
    panic: Option<String>,
    /// Fail with this message, …
    fail: Option<String>,
    /// … and this class. Default: `rejected`.
    class: Option<FailureClass>,
    /// File of the project to which to add a line: the instance, and when it began and ended, in
    /// seconds since 1970.
    stamps: Option<String>,
}

fn parsed<T: std::str::FromStr<Err = String>>(text: Option<String>) -> Result<Option<T>, StepError> {
    text.map(|text| text.parse().map_err(StepError::rejected))
        .transpose()
}

impl Step for Noop {
    fn uses(&self) -> &'static str {
        USES
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Does nothing, or misbehaves as told: a diagnostic step.",
            inputs: super::any_inputs(),
            outputs: Ports::Named(vec![InputPort::optional(
                "done",
                ArtifactKind::Boolean,
                "Always true.",
            )]),
            params: super::schema_of::<Params>(),
            revision: 1,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        super::infer_as_declared(request)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let began = now_unix_micros();
        if io.wants("done") {
            io.output_value("done", Value::Bool(true));
        }
        let with = &io.spec().with;
        if with.is_null() || with.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(());
        }
        let params: Params = io.params()?;
        let stamps = params.stamps.clone();
        misbehave(params, io)?;
        stamps.map_or(Ok(()), |path| stamp(io, &path, began))
    }
}

fn stamp(io: &StepIo, path: &str, began: i64) -> Result<(), StepError> {
    let broken = |error| StepError::io(format!("could not write to `{path}`"), &error);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(io.spec().project.join(path))
        .map_err(broken)?;
    let seconds = |micros: i64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let (instance, ended) = (&io.spec().instance, now_unix_micros());
    // One write, so that lines of steps side by side do not mix.
    let line = format!("{instance} {} {}\n", seconds(began), seconds(ended));
    file.write_all(line.as_bytes()).map_err(broken)
}

fn misbehave(params: Params, io: &mut StepIo) -> Result<(), StepError> {
    if let Some(ByteSize(bytes)) = parsed(params.log_bytes)? {
        for _ in 0..bytes / 100 {
            io.log("x".repeat(99));
        }
    }
    if let Some(ByteSize(bytes)) = parsed(params.allocate)? {
        let mut held: Vec<Vec<u8>> = Vec::new();
        for _ in 0..bytes.div_ceil(1 << 20) {
            held.push(vec![1; 1 << 20]);
            io.progress(held.len() as u64, bytes >> 20, "MiB");
        }
    }
    if let Some(Millis(span)) = parsed(params.sleep)? {
        std::thread::sleep(std::time::Duration::from_millis(span));
    }
    if let Some(number) = params.kill {
        let signal = rustix::process::Signal::from_named_raw(number)
            .ok_or_else(|| StepError::rejected(format!("`{number}` is not a signal")))?;
        // More than once: Rust's own handler of some signals lets the first one pass.
        for _ in 0..3 {
            rustix::process::kill_process(rustix::process::getpid(), signal)
                .map_err(|error| StepError::io("could not send the signal", &error))?;
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    if let Some(code) = params.exit_code {
        std::process::exit(code);
    }
    if let Some(message) = params.panic {
        misfire(message);
    }
    match params.fail {
        Some(message) => Err(StepError {
            failure: Failure::new(params.class.unwrap_or(FailureClass::Rejected), message),
        }),
        None => Ok(()),
    }
}

#[expect(clippy::panic, reason = "panicking is what was asked for")]
fn misfire(message: String) {
    std::panic::panic_any(message);
}
