//! A project folder, an executor over it, and the news it gives.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use trainyard_contract::task::{Limits, OutputDeclaration, TASK_VERSION, TaskInput};
use trainyard_contract::{
    ArtifactKind, ArtifactRef, ByteSize, Catalogue, Failure, FailureClass, Millis, Objects, OutputValue,
    RunId, StepError, TaskReport, TaskSpec,
};
use trainyard_executors::{
    AttemptKey, Executor, ExecutorNews, LocalConfig, LocalExecutor, OutputInspector, Secrets, process_steps,
};

/// What the test binary's workers know.
pub(crate) fn catalogue() -> Catalogue {
    process_steps()
        .with(crate::workers::Loud)
        .with(crate::workers::Paths)
}

/// Counts lines in place of reading tables.
pub(crate) struct Lines;

impl OutputInspector for Lines {
    fn table(
        &self,
        _spec: &TaskSpec,
        output: &str,
        file: &ArtifactRef,
        objects: &Objects,
    ) -> Result<ArtifactRef, StepError> {
        let bytes = objects.get(&file.hash)?;
        let text =
            String::from_utf8(bytes).map_err(|_| StepError::rejected(format!("`{output}` is no CSV")))?;
        let rows = text.lines().count() as u64 - 1;
        Ok(ArtifactRef {
            rows: Some(rows),
            schema: Some(Default::default()),
            ..file.clone()
        })
    }
}

pub(crate) struct Canary;

pub(crate) const SECRET: &str = "c4n4ry-s3cr3t/value+42";

impl Secrets for Canary {
    fn get(&self, name: &str) -> Option<String> {
        (name == "canary").then(|| SECRET.to_owned())
    }
}

pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) executor: Option<Box<LocalExecutor>>,
    news: Receiver<ExecutorNews>,
    pub(crate) run: RunId,
    last: u32,
    seen: Vec<ExecutorNews>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut LocalConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (sender, news) = channel();
        let mut config = config();
        change(&mut config);
        let executor = Some(Box::new(LocalExecutor::new(config, sender).unwrap()));
        Self {
            dir,
            executor,
            news,
            run: run_id(),
            last: 0,
            seen: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn spec(&self, uses: &str, with: serde_json::Value) -> TaskSpec {
        spec_in(self.path(), &self.run, self.last + 1, uses, with)
    }

    pub(crate) fn shell(&self, script: &str) -> TaskSpec {
        let with = serde_json::json!({ "script": script });
        self.spec("run.shell@v1", with)
    }

    pub(crate) fn next_key(&mut self) -> AttemptKey {
        self.last += 1;
        AttemptKey {
            run: self.run.clone(),
            step: self.last,
            attempt: 1,
        }
    }

    pub(crate) fn submit(&mut self, spec: TaskSpec) -> AttemptKey {
        let key = self.next_key();
        self.executor.as_mut().unwrap().submit(key.clone(), spec).unwrap();
        key
    }

    /// The next news that pass, within a time that only a hang can exceed.
    pub(crate) fn until(&mut self, mut wanted: impl FnMut(&ExecutorNews) -> bool) -> ExecutorNews {
        if let Some(at) = self.seen.iter().position(&mut wanted) {
            return self.seen.remove(at);
        }
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let news = self
                .news
                .recv_timeout(left)
                .expect("the news the test waits for should come");
            if let (ExecutorNews::Ended { .. }, Some(executor)) = (&news, self.executor.as_mut()) {
                executor.follow_up(1, Vec::new()).unwrap();
            }
            if wanted(&news) {
                return news;
            }
            self.seen.push(news);
        }
    }

    pub(crate) fn until_began(&mut self, key: &AttemptKey) {
        self.until(|news| matches!(news, ExecutorNews::Began { key: began, .. } if began == key));
    }

    pub(crate) fn report(&mut self, key: &AttemptKey) -> TaskReport {
        match self.until(|news| matches!(news, ExecutorNews::Ended { key: ended, .. } if ended == key)) {
            ExecutorNews::Ended { report, .. } => *report,
            _ => unreachable!(),
        }
    }

    /// All news that have come and were not asked for.
    pub(crate) fn rest(&mut self) -> Vec<ExecutorNews> {
        self.seen.extend(self.news.try_iter());
        std::mem::take(&mut self.seen)
    }

    pub(crate) fn run(&mut self, spec: TaskSpec) -> TaskReport {
        let key = self.submit(spec);
        self.report(&key)
    }

    pub(crate) fn run_shell(&mut self, script: &str) -> TaskReport {
        let spec = self.shell(script);
        self.run(spec)
    }

    pub(crate) fn log(&self, step: u32) -> String {
        std::fs::read_to_string(self.path().join(format!("logs/{step}.log"))).unwrap_or_default()
    }

    pub(crate) fn objects(&self) -> Objects {
        Objects::new(self.path().join("home/objects"))
    }
}

pub(crate) fn config() -> LocalConfig {
    LocalConfig {
        worker_args: vec!["--worker".to_owned()],
        supervisor_args: vec!["--supervise".to_owned()],
        workers: 2,
        cores: 2,
        secrets: Arc::new(Canary),
        ..LocalConfig::new(std::env::current_exe().unwrap())
    }
}

pub(crate) fn run_id() -> RunId {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = std::process::id().to_be_bytes();
    RunId::from_parts(
        1,
        [
            number[6], number[7], process[0], process[1], process[2], process[3], 0, 0, 0, 0,
        ],
    )
}

pub(crate) fn spec_in(dir: &Path, run: &RunId, step: u32, uses: &str, with: serde_json::Value) -> TaskSpec {
    let process = catalogue().get(uses).and_then(|kind| kind.process(&with));
    TaskSpec {
        version: TASK_VERSION,
        run: run.to_string(),
        pipeline: "p".to_owned(),
        instance: format!("step{step}"),
        step: format!("step{step}"),
        attempt: 1,
        epoch: 1,
        uses: uses.to_owned(),
        with,
        inputs: Default::default(),
        outputs: Default::default(),
        contracts: Default::default(),
        matrix: Default::default(),
        process,
        secrets: Default::default(),
        previous: Default::default(),
        limits: Limits::default(),
        project: dir.to_owned(),
        data: None,
        objects: dir.join("home/objects"),
        scratch: dir.join(format!("scratch/{step}")),
        log: dir.join(format!("logs/{step}.log")),
        traceparent: None,
    }
}

pub(crate) trait Shorthand: Sized {
    fn output(self, name: &str, kind: ArtifactKind) -> Self;
    fn input(self, name: &str, value: OutputValue) -> Self;
    fn limits(self, change: impl FnOnce(&mut Limits)) -> Self;
    fn timeout(self, millis: u64) -> Self {
        self.limits(|limits| limits.timeout = Some(Millis(millis)))
    }
    fn memory(self, mebibytes: u64) -> Self {
        self.limits(|limits| limits.memory = Some(ByteSize(mebibytes << 20)))
    }
}

impl Shorthand for TaskSpec {
    fn output(mut self, name: &str, kind: ArtifactKind) -> Self {
        let declared = OutputDeclaration {
            kind,
            contract: None,
            input_schema: None,
            output_schema: None,
            path: None,
        };
        self.outputs.insert(name.to_owned(), declared);
        self
    }

    fn input(mut self, name: &str, value: OutputValue) -> Self {
        self.inputs.insert(name.to_owned(), TaskInput::Output(value));
        self
    }

    fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }
}

/// The failure of a report that must have one.
pub(crate) fn failure(report: &TaskReport) -> &Failure {
    report.failure.as_ref().expect("the attempt should have failed")
}

pub(crate) fn class(report: &TaskReport) -> FailureClass {
    failure(report).class
}

pub(crate) fn succeeded(report: &TaskReport) {
    assert_eq!(report.failure, None);
}

/// Waits for something that must become true, without guessing how long it takes.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < end, "never became true: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for a file and gives its first line.
pub(crate) fn line_of(path: PathBuf) -> String {
    let mut line = String::new();
    eventually(&format!("{} has a line", path.display()), || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.split_once('\n').is_some_and(|(first, _)| {
            first.clone_into(&mut line);
            true
        })
    });
    line
}

/// Whether a process with that number lives; a dead one that nobody waited for does not.
pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub(crate) fn kill_9(pid: &str) {
    let status = std::process::Command::new("kill")
        .args(["-9", pid])
        .status()
        .unwrap();
    assert!(status.success());
}

/// The children of this test binary that run with that argument and work for that executor: found by
/// the process numbers that a command or step wrote down.
pub(crate) fn parent_of(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ")
        .unwrap()
        .1
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned()
}

/// Runs one shell command through an executor and waits for its end, which the test prevents by
/// killing this process.
pub(crate) fn parent_that_waits(arguments: &[String]) -> ExitCode {
    let dir = PathBuf::from(&arguments[0]);
    let run: RunId = arguments[1].parse().unwrap();
    let (sender, news) = channel();
    let mut executor = LocalExecutor::new(config(), sender).unwrap();
    for (at, (uses, with)) in [
        ("run.shell@v1", serde_json::json!({ "script": arguments[2] })),
        (
            "test.paths@v1",
            serde_json::json!({ "pid_file": dir.join("worker.pid") }),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let step = u32::try_from(at).unwrap() + 1;
        let key = AttemptKey {
            run: run.clone(),
            step,
            attempt: 1,
        };
        executor
            .submit(key, spec_in(&dir, &run, step, uses, with))
            .unwrap();
    }
    while news.recv().is_ok() {}
    ExitCode::SUCCESS
}

/// As the product carries out a task file.
pub(crate) fn task_file(path: &str) -> ExitCode {
    trainyard_executors::run_task_file(&catalogue(), Some(&Lines), &Canary, Path::new(path))
}
