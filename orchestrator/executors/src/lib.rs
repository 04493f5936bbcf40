//! Where attempts run.
//!
//! An executor takes a [`trainyard_contract::TaskSpec`] under a key and answers with a
//! [`trainyard_contract::TaskReport`]; it knows nothing of runs, states or retries, and never
//! writes any of them. [`LocalExecutor`](local::LocalExecutor) keeps two kinds of processes of the
//! same binary warm: workers, which carry out built-in steps, and a supervisor, which starts
//! commands and watches them. Whatever a step does to its process costs that attempt only.
//!
//! Linux only: processes are found and measured through `/proc`.

pub mod executor;
pub mod fake;
pub mod inspect;
pub mod local;
mod log;
mod mask;
mod orphans;
mod proc;
mod protocol;
mod report;
pub mod secrets;
pub mod steps;
pub mod supervisor;
mod task_file;
pub mod worker;

pub use executor::{AttemptKey, Executor, ExecutorError, ExecutorNews, Submission};
pub use fake::{FakeAnswer, FakeExecutor, FakeHandle};
pub use inspect::OutputInspector;
pub use local::{LocalConfig, LocalExecutor};
pub use orphans::kill_orphans;
pub use secrets::{LocalSecrets, Secrets, SecretsError};
pub use steps::process_steps;
pub use supervisor::supervisor_main;
pub use task_file::{report_path, run_task_file};
pub use worker::worker_main;
