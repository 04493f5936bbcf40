//! `run.container@v1`: a command inside an image, by docker or podman.

use super::shell::shell_argv;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use trainyard_contract::task::ProcessSpec;
use trainyard_contract::{Effect, InferRequest, Inference, Runner, Signature, Step, StepError, StepIo};

pub(super) struct Container;

/// Parameters of `run.container@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read as JSON; the type is its documentation")]
struct Params {
    /// Name of the image, best with its digest: `python:3.12@sha256:…`.
    image: String,
    /// A shell script to run inside; the image needs `/bin/sh`, or `bash` where `shell` says so.
    script: Option<String>,
    /// `sh` (default) or `bash`.
    shell: Option<String>,
    /// Program and arguments to run inside, if there is no script; none: what the image runs.
    #[serde(default)]
    command: Vec<String>,
    /// Values the command finds as JSON in the file at `TRAINYARD_PARAMS`, which is set
    /// if there are any.
    #[serde(default)]
    params: Map<String, Value>,
}

impl Step for Container {
    fn uses(&self) -> &'static str {
        "run.container@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Runs a command inside a container image; the project is mounted where it is.",
            inputs: super::any_inputs(),
            outputs: super::command_outputs(),
            params: super::schema_of::<Params>(),
            revision: 1,
            effect: Effect::None,
            runner: Runner::Process,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        super::infer_as_declared(request)
    }

    fn run(&self, _io: &mut StepIo) -> Result<(), StepError> {
        Err(StepError::internal(
            "a container step has a command and nothing to call",
        ))
    }

    fn process(&self, with: &Value) -> Option<ProcessSpec> {
        let text = |name: &str| with.get(name).and_then(Value::as_str);
        let argv = match text("script") {
            Some(script) => shell_argv(script, text("shell")),
            None => super::texts(with.get("command")),
        };
        Some(ProcessSpec {
            argv,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            image: Some(text("image")?.to_owned()),
        })
    }
}
