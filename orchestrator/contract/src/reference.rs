//! What there is to say of each kind of step, made from its signature: inputs, outputs, and every
//! parameter with type, default, range, unit, meaning and source.

mod markdown;
mod parameters;

pub use markdown::{document, section};
pub use parameters::Parameter;

use crate::step::{Catalogue, Effect, InputPort, Ports, Runner, Signature};
use serde::Serialize;

/// A kind of step, described.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReference {
    /// As written under `uses:`.
    pub uses: String,
    /// One sentence.
    pub doc: String,
    /// Who carries it out.
    pub runs: &'static str,
    /// What it changes outside its outputs; empty if nothing.
    pub changes: String,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// Those within others come after them, with their path.
    pub parameters: Vec<Parameter>,
}

/// An input or output, described.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Port {
    /// `*` for any name.
    pub name: String,
    pub kind: String,
    pub required: bool,
    /// Whether it takes all cells of a matrix.
    pub many: bool,
    pub doc: String,
}

impl StepReference {
    /// The description of one kind of step.
    pub fn of(uses: &str, signature: &Signature) -> Self {
        Self {
            uses: uses.to_owned(),
            doc: signature.doc.to_owned(),
            runs: match signature.runner {
                Runner::Worker => "in a worker process",
                Runner::Process => "as a process of its own",
                Runner::Orchestrator => "in the orchestrator",
            },
            changes: match signature.effect {
                Effect::None => String::new(),
                Effect::External(what) => what.to_owned(),
            },
            inputs: ports(&signature.inputs),
            outputs: ports(&signature.outputs),
            parameters: parameters::of(&signature.params),
        }
    }

    /// The descriptions of all kinds of steps, by name.
    pub fn all(catalogue: &Catalogue) -> Vec<Self> {
        catalogue
            .iter()
            .map(|(uses, step)| Self::of(uses, &step.signature()))
            .collect()
    }
}

fn ports(ports: &Ports) -> Vec<Port> {
    let any = |kind: String, required: bool, doc: &str| Port {
        name: "*".to_owned(),
        kind,
        required,
        many: false,
        doc: doc.to_owned(),
    };
    match ports {
        Ports::Named(named) => named.iter().map(port).collect(),
        Ports::Any { kinds, min } => {
            let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
            if kinds.is_empty() {
                return Vec::new();
            }
            vec![any(kinds.join(", "), *min > 0, "any names")]
        }
        Ports::SameAsInputs(kind) => vec![any(
            kind.to_string(),
            false,
            "one for each input, under the same name",
        )],
    }
}

fn port(port: &InputPort) -> Port {
    Port {
        name: port.name.to_owned(),
        kind: port.kind.to_string(),
        required: port.required,
        many: port.many,
        doc: port.doc.to_owned(),
    }
}
