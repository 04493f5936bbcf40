//! Attempts on this machine: built-in steps in warm worker processes, commands under a supervisor.

mod child;
mod desk;
mod dispatch;
mod ended;

use crate::executor::{AttemptKey, Executor, ExecutorError, ExecutorNews, Submission};
use crate::secrets::{LocalSecrets, Secrets};
use desk::Desk;
use dispatch::Message;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use trainyard_contract::{ByteSize, Millis};

/// How many attempts to have waiting in the executor: enough that quick ones never run out.
const CAPACITY: usize = 2048;

/// What a local executor may use.
#[derive(Clone)]
pub struct LocalConfig {
    /// The binary that is worker and supervisor; mostly `std::env::current_exe()`.
    pub program: PathBuf,
    /// Its arguments for [`worker_main`](crate::worker_main).
    pub worker_args: Vec<String>,
    /// Its arguments for [`supervisor_main`](crate::supervisor_main).
    pub supervisor_args: Vec<String>,
    /// How many worker processes at most.
    pub workers: usize,
    /// How many cores attempts may declare at once; an attempt that declares more gets all of them.
    pub cores: u32,
    /// How much memory attempts may declare at once, and the limit of an attempt that declares
    /// none.
    pub memory: ByteSize,
    pub secrets: Arc<dyn Secrets>,
    /// Whether log lines come as [`ExecutorNews::Log`] besides going to the attempt's file.
    pub follow_logs: bool,
    /// Whether workers have an [`OutputInspector`](crate::OutputInspector) for tables of commands.
    pub inspects_tables: bool,
}

impl LocalConfig {
    /// All cores and four fifths of the memory of this machine; `program` is called as
    /// `program step --worker` and `program step --supervise`.
    pub fn new(program: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
        let memory = crate::proc::machine_memory().unwrap_or(ByteSize(u64::MAX));
        Self {
            program,
            worker_args: vec!["step".to_owned(), "--worker".to_owned()],
            supervisor_args: vec!["step".to_owned(), "--supervise".to_owned()],
            workers: cores,
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            memory: ByteSize(memory.0 / 5 * 4),
            secrets: Arc::new(LocalSecrets::from_env()),
            follow_logs: false,
            inspects_tables: false,
        }
    }
}

/// Runs attempts on this machine. Ending it, also by dropping it, kills what it runs.
pub struct LocalExecutor {
    desk: Arc<Desk>,
    /// Looks at the clock for it, and ends with it.
    thread: Option<JoinHandle<()>>,
}

impl LocalExecutor {
    /// An executor that has started nothing yet; processes are started when there is work for them.
    ///
    /// # Errors
    /// `Thread` if there can be no thread.
    pub fn new(config: LocalConfig, news: Sender<ExecutorNews>) -> Result<Self, ExecutorError> {
        let desk = Desk::new(config, news);
        let thread = std::thread::Builder::new()
            .name("executor".to_owned())
            .spawn({
                let desk = Arc::clone(&desk);
                move || desk.keep_time()
            })
            .map_err(ExecutorError::Thread)?;
        Ok(Self {
            desk,
            thread: Some(thread),
        })
    }

    fn end(&mut self, grace: Millis) {
        if let Some(thread) = self.thread.take() {
            self.desk.hear(Message::Shutdown(grace));
            // A thread that is gone has nothing left to end.
            let _ = thread.join();
        }
    }
}

impl Executor for LocalExecutor {
    fn follow_up(&mut self, ends: usize, attempts: Vec<Submission>) -> Result<(), ExecutorError> {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(ExecutorError::Ended);
        }
        self.desk.hear(Message::Submit { ends, attempts });
        Ok(())
    }

    fn cancel(&mut self, key: &AttemptKey, grace: Millis) {
        self.desk.hear(Message::Cancel(key.clone(), grace));
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }

    fn shutdown(mut self: Box<Self>, grace: Millis) {
        self.end(grace);
    }
}

impl Drop for LocalExecutor {
    fn drop(&mut self) {
        self.end(Millis(0));
    }
}
