//! `run.shell@v1`: a shell script, also what `run:` stands for.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use trainyard_contract::task::ProcessSpec;
use trainyard_contract::{Effect, InferRequest, Inference, Runner, Signature, Step, StepError, StepIo};

pub(super) struct Shell;

/// Parameters of `run.shell@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read as JSON; the type is its documentation")]
struct Params {
    /// The script. It stops at the first command that fails and at unset variables. Inputs are at
    /// `$IN_<name>`, outputs are written to `$OUT_<name>`, numbers to `$TRAINYARD_METRICS`.
    script: String,
    /// `sh` (default), or `bash`, where a failure inside a pipe counts, too.
    #[serde(default)]
    shell: ShellName,
    /// Values the script finds as JSON in the file at `$TRAINYARD_PARAMS`, which is set
    /// if there are any.
    #[serde(default)]
    params: Map<String, Value>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ShellName {
    #[default]
    Sh,
    Bash,
}

/// The command that runs a script.
pub(super) fn shell_argv(script: &str, shell: Option<&str>) -> Vec<String> {
    let words: &[&str] = match shell {
        Some("bash") => &["bash", "-euo", "pipefail", "-c", script, "bash"],
        _ => &["/bin/sh", "-euc", script, "sh"],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Step for Shell {
    fn uses(&self) -> &'static str {
        "run.shell@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Runs a shell script in the project folder.",
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
            "a shell step has a command and nothing to call",
        ))
    }

    fn process(&self, with: &Value) -> Option<ProcessSpec> {
        let script = with.get("script")?.as_str()?;
        Some(ProcessSpec {
            argv: shell_argv(script, with.get("shell").and_then(Value::as_str)),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            image: None,
        })
    }
}
