//! Kinds of steps that are not numerics: commands, approvals, diagnostics. One file each.

mod approval;
mod cleanup;
mod container;
mod noop;
mod notify;
mod python;
mod shell;

use indexmap::IndexMap;
use serde_json::Value;
use trainyard_contract::{ArtifactKind, Catalogue, InferRequest, Inference, Ports, Shape};

pub(crate) use noop::USES as NOOP;

/// Steps that run commands, wait for people, clean up, or do nothing.
pub fn process_steps() -> Catalogue {
    Catalogue::new()
        .with(shell::Shell)
        .with(python::Python)
        .with(container::Container)
        .with(approval::Approval)
        .with(cleanup::Cleanup)
        .with(noop::Noop)
        .with(notify::Notify)
}

const ANYTHING: [ArtifactKind; 12] = [
    ArtifactKind::Table,
    ArtifactKind::Model,
    ArtifactKind::Metrics,
    ArtifactKind::Report,
    ArtifactKind::File,
    ArtifactKind::ModelVersion,
    ArtifactKind::Boolean,
    ArtifactKind::Number,
    ArtifactKind::String,
    ArtifactKind::List,
    ArtifactKind::Endpoint,
    ArtifactKind::Monitor,
];

/// Any inputs.
fn any_inputs() -> Ports {
    Ports::Any {
        kinds: ANYTHING.to_vec(),
        min: 0,
    }
}

/// What a command can leave behind as files.
fn command_outputs() -> Ports {
    let kinds = [
        ArtifactKind::Table,
        ArtifactKind::Metrics,
        ArtifactKind::Report,
        ArtifactKind::File,
        ArtifactKind::Boolean,
        ArtifactKind::Number,
        ArtifactKind::String,
        ArtifactKind::List,
    ];
    Ports::Any {
        kinds: kinds.to_vec(),
        min: 0,
    }
}

/// A command's outputs are what the pipeline declares them to be; nothing is derived.
fn infer_as_declared(request: &InferRequest<'_>) -> Inference {
    let outputs: IndexMap<String, Shape> = request
        .outputs
        .iter()
        .map(|(name, declared)| {
            let contract = declared
                .contract
                .as_ref()
                .and_then(|name| request.contracts.get(name));
            let shape = match (declared.kind, contract) {
                (ArtifactKind::Table, Some(contract)) => Shape::Table(contract.schema(None)),
                (ArtifactKind::Table, None) => Shape::UnknownTable,
                (kind, _) => Shape::Other(kind),
            };
            (name.clone(), shape)
        })
        .collect();
    Inference {
        outputs,
        ..Inference::default()
    }
}

fn schema_of<P: schemars::JsonSchema>() -> Value {
    schemars::schema_for!(P).to_value()
}

/// Texts of a list; numbers and booleans as they are written.
fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    items
        .iter()
        .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn argv(uses: &str, with: Value) -> Vec<String> {
        process_steps().get(uses).unwrap().process(&with).unwrap().argv
    }

    #[test]
    fn a_shell_script_stops_at_its_first_error() {
        assert_eq!(
            argv("run.shell@v1", json!({"script": "a\nb"})),
            ["/bin/sh", "-euc", "a\nb", "sh"]
        );
        assert_eq!(
            argv("run.shell@v1", json!({"script": "a", "shell": "bash"})),
            ["bash", "-euo", "pipefail", "-c", "a", "bash"]
        );
    }

    #[test]
    fn arguments_of_a_python_script_stay_arguments() {
        let argv = argv(
            "run.python@v1",
            json!({"script": "train.py", "args": ["$(touch canary)", 3, true]}),
        );
        assert_eq!(argv, ["python3", "train.py", "$(touch canary)", "3", "true"]);
    }

    #[test]
    fn script_and_requirements_are_code() {
        let steps = process_steps();
        let python = steps.get("run.python@v1").unwrap();
        let with = json!({"script": "a.py", "requirements": "r.txt"});
        assert_eq!(python.code(&with), ["a.py", "r.txt"]);
        assert_eq!(
            python.process(&with).unwrap().argv.last().map(String::as_str),
            Some("a.py")
        );
    }

    #[test]
    fn a_container_step_carries_its_image() {
        let steps = process_steps();
        let with = json!({"image": "alpine:3", "command": ["echo", "hi"]});
        let process = steps.get("run.container@v1").unwrap().process(&with).unwrap();
        assert_eq!(
            (process.image.as_deref(), process.argv),
            (Some("alpine:3"), vec!["echo".into(), "hi".into()])
        );
    }

    #[test]
    fn parameters_are_closed() {
        for (uses, step) in process_steps().iter() {
            assert_eq!(
                step.signature().params["additionalProperties"],
                json!(false),
                "{uses}"
            );
        }
    }
}
