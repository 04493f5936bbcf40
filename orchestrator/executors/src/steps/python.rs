//! `run.python@v1`: a Python script, with its requirements in an environment of its own.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use trainyard_contract::task::ProcessSpec;
use trainyard_contract::{Effect, InferRequest, Inference, Runner, Signature, Step, StepError, StepIo};

pub(super) struct Python;

/// Parameters of `run.python@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read as JSON; the type is its documentation")]
struct Params {
    /// The script, relative to the project. Inputs are at the paths in the environment variables
    /// `IN_<name>`, outputs are written to `OUT_<name>`, numbers to `TRAINYARD_METRICS`.
    #[schemars(extend("x-kind" = "file"))]
    script: String,
    /// Arguments after the script.
    #[serde(default)]
    args: Vec<Argument>,
    /// A pip requirements file, relative to the project. The environment made from it is kept and
    /// used again until the file or the interpreter changes.
    #[schemars(extend("x-kind" = "file"))]
    requirements: Option<String>,
    /// The interpreter. Default: `python3`.
    python: Option<String>,
    /// Values the script finds as JSON in the file at `TRAINYARD_PARAMS`, which is set
    /// if there are any.
    #[serde(default)]
    params: Map<String, Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read as JSON; the type is its documentation")]
enum Argument {
    Text(String),
    Number(f64),
    Boolean(bool),
}

/// Makes the environment for a requirements file unless it is there, then becomes its interpreter.
const BOOTSTRAP: &str = include_str!("python_environment.py");

impl Step for Python {
    fn uses(&self) -> &'static str {
        "run.python@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Runs a Python script in the project folder.",
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
            "a Python step has a command and nothing to call",
        ))
    }

    fn process(&self, with: &Value) -> Option<ProcessSpec> {
        let text = |name: &str| with.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut argv = vec![text("python").unwrap_or_else(|| "python3".to_owned())];
        if let Some(requirements) = text("requirements") {
            argv.extend(["-c".to_owned(), BOOTSTRAP.to_owned(), requirements]);
        }
        argv.push(text("script")?);
        argv.extend(super::texts(with.get("args")));
        // Without it, Python keeps its output back until the buffer is full or the script ends.
        let env = BTreeMap::from([("PYTHONUNBUFFERED".to_owned(), "1".to_owned())]);
        Some(ProcessSpec {
            argv,
            env,
            secrets: BTreeMap::new(),
            image: None,
        })
    }

    fn code(&self, with: &Value) -> Vec<String> {
        ["script", "requirements"]
            .iter()
            .filter_map(|name| with.get(name).and_then(Value::as_str).map(str::to_owned))
            .collect()
    }
}
