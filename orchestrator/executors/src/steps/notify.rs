//! `notify.send@v1`: tells channels something. The step only asks for it; the notice is kept in the
//! transaction that records its success, and delivered from there.

use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::task::{EffectRequest, NoticeDraft};
use trainyard_contract::{
    Effect, InferRequest, Inference, Ports, Runner, Signature, Step, StepError, StepIo,
};

pub(super) struct Notify;

/// Parameters of `notify.send@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Channels that hear it: `notify.NAME` of `notify:`.
    #[schemars(length(min = 1))]
    to: Vec<String>,
    /// What they hear, a sentence or two; longer texts are cut at 300 characters.
    #[schemars(length(min = 1))]
    message: String,
}

impl Step for Notify {
    fn uses(&self) -> &'static str {
        "notify.send@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Tells channels something once it is reached; delivery goes on by itself and does not hold the run up.",
            inputs: Ports::Named(Vec::new()),
            outputs: Ports::Named(Vec::new()),
            params: super::schema_of::<Params>(),
            revision: 1,
            effect: Effect::External("notices"),
            runner: Runner::Worker,
        }
    }

    fn infer(&self, _request: &InferRequest<'_>) -> Inference {
        Inference::default()
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let Params { to, message } = io.params()?;
        io.headline(format!("to {}", to.join(", ")));
        io.effect(EffectRequest::SendNotice(NoticeDraft { to, message }));
        Ok(())
    }
}
