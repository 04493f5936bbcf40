//! `gate.approval@v1`: waits for people. The orchestrator itself does the waiting; here is only
//! what the pipeline may say.

use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::{
    Effect, InferRequest, Inference, Ports, Runner, Signature, Step, StepError, StepIo,
};

pub(super) struct Approval;

/// Parameters of `gate.approval@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the domain reads the rule; the type is its documentation"
)]
struct Params {
    /// Roles that may answer; empty: everybody.
    #[serde(default)]
    roles: Vec<String>,
    /// How many must agree. Default: 1.
    #[schemars(range(min = 1))]
    #[serde(default = "one")]
    min_approvals: u32,
    /// Whether whoever started the run may not answer. Default: false.
    #[serde(default)]
    not_author: bool,
    /// After how long without an answer `on_expire` is the answer, e.g. `48h`. Default: never.
    #[schemars(extend("x-kind" = "duration"))]
    expires: Option<String>,
    /// What silence means. Default: reject.
    #[serde(default)]
    on_expire: Silence,
    /// After how long to remind those who may answer, e.g. `12h`.
    #[schemars(extend("x-kind" = "duration"))]
    remind: Option<String>,
}

fn one() -> u32 {
    1
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Silence {
    #[default]
    Reject,
    Approve,
}

impl Step for Approval {
    fn uses(&self) -> &'static str {
        "gate.approval@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Waits until people have agreed; a refusal fails it.",
            inputs: super::any_inputs(),
            outputs: Ports::Named(Vec::new()),
            params: super::schema_of::<Params>(),
            revision: 1,
            effect: Effect::External("approval"),
            runner: Runner::Orchestrator,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        super::infer_as_declared(request)
    }

    fn run(&self, _io: &mut StepIo) -> Result<(), StepError> {
        Err(StepError::internal("the orchestrator itself waits for approvals"))
    }
}
