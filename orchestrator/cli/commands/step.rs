//! `trainyard step`: one attempt, or a worker's loop. Standard output belongs to the protocol.

use super::catalogue;
use crate::args::StepArgs;
use crate::output::{Exit, Fault};
use trainyard_executors::LocalSecrets;

pub(crate) fn step(args: &StepArgs) -> Result<Exit, Fault> {
    let code = if args.worker {
        trainyard_executors::worker_main(&catalogue(), inspector())
    } else if args.supervise {
        trainyard_executors::supervisor_main()
    } else if let Some(task) = &args.task {
        trainyard_executors::run_task_file(&catalogue(), inspector(), &LocalSecrets::from_env(), task)
    } else {
        return Err(Fault::new("name a task document, or say --worker or --supervise"));
    };
    Ok(if code == std::process::ExitCode::SUCCESS {
        Exit::Done
    } else {
        Exit::Refused
    })
}

#[cfg(feature = "steps")]
fn inspector() -> Option<&'static dyn trainyard_executors::OutputInspector> {
    struct Tables;
    impl trainyard_executors::OutputInspector for Tables {
        fn table(
            &self,
            spec: &trainyard_contract::TaskSpec,
            output: &str,
            file: &trainyard_contract::ArtifactRef,
            objects: &trainyard_contract::Objects,
        ) -> Result<trainyard_contract::ArtifactRef, trainyard_contract::StepError> {
            trainyard_steps::inspect_table(spec, output, file, objects)
        }
    }
    Some(&Tables)
}

#[cfg(not(feature = "steps"))]
fn inspector() -> Option<&'static dyn trainyard_executors::OutputInspector> {
    None
}
