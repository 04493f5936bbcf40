//! `cleanup.temp@v1`: removes what crashed processes left half written.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::Path;
use trainyard_contract::{
    Effect, InferRequest, Inference, Ports, Runner, Signature, Step, StepError, StepIo,
};

pub(super) struct Cleanup;

/// `cleanup.temp@v1` has no parameters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {}

impl Step for Cleanup {
    fn uses(&self) -> &'static str {
        "cleanup.temp@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Removes unfinished objects of processes that are gone.",
            inputs: Ports::Named(Vec::new()),
            outputs: Ports::Named(Vec::new()),
            params: super::schema_of::<Params>(),
            revision: 1,
            effect: Effect::External("temporary files"),
            runner: Runner::Worker,
        }
    }

    fn infer(&self, _request: &InferRequest<'_>) -> Inference {
        Inference::default()
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let Params {} = io.params()?;
        let staging = io.spec().objects.join("staging");
        let entries = match std::fs::read_dir(&staging) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StepError::io("could not list unfinished objects", &error)),
        };
        let (mut files, mut bytes) = (0u64, 0u64);
        for entry in entries.flatten() {
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            if is_abandoned(&entry.path()) && std::fs::remove_file(entry.path()).is_ok() {
                files += 1;
                bytes += size;
            }
        }
        io.headline(format!("{files} unfinished files removed, {bytes} bytes"));
        Ok(())
    }
}

/// Staged files are named `<process id>-<number>`; one whose process lives may still be written.
fn is_abandoned(staged: &Path) -> bool {
    let name = staged
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let process = name.split('-').next().and_then(|pid| pid.parse::<u32>().ok());
    process.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_dead_processes_are_abandoned() {
        assert!(!is_abandoned(Path::new(&format!("/x/{}-7", std::process::id()))));
        assert!(is_abandoned(Path::new("/x/4294967294-7")));
        assert!(!is_abandoned(Path::new("/x/readme")));
    }
}
