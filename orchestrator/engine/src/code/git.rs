//! Questions to git: plumbing alone, within a time, without anything a repository could make it do.

use std::io::{BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Most that is read of what git complains of.
const LONGEST_COMPLAINT: u64 = 16 << 10;
/// Variables of ours that git needs: its own program, the person's configuration (which folders are safe).
const KEPT: [&str; 4] = ["PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR"];
/// No hooks, no helper that watches files, no transport, no replaced objects, no locks.
const GUARDS: [&str; 12] = [
    "--no-pager",
    "--no-optional-locks",
    "--no-replace-objects",
    "--literal-pathspecs",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "protocol.allow=never",
    "-c",
    "safe.bareRepository=explicit",
];

/// Why git gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("git is not installed")]
    Missing,
    #[error("git did not answer within {} s", .0.as_secs_f32())]
    Slow(Duration),
    #[error("git answered with more than {0} bytes")]
    TooMuch(u64),
    /// What it complained of.
    #[error("git said: {0}")]
    Refused(String),
    #[error("could not talk to git")]
    Io(#[from] std::io::Error),
}

/// Whether a folder lies in a repository, as far as names tell; costs no process.
pub(super) fn has_repository(folder: &Path) -> bool {
    folder.ancestors().any(|folder| folder.join(".git").exists())
}

/// A question under way. Its process ends with it.
pub(super) struct Question {
    child: Child,
    answer: Option<BufReader<ChildStdout>>,
    complaint: Option<JoinHandle<Vec<u8>>>,
    watch: Option<(Sender<()>, JoinHandle<()>)>,
    is_late: Arc<AtomicBool>,
    until: Instant,
    within: Duration,
}

impl Question {
    /// Asks git in a folder; `input` is what it reads.
    pub(super) fn ask(
        folder: &Path,
        arguments: &[&str],
        input: Vec<u8>,
        within: Duration,
    ) -> Result<Self, GitError> {
        let mut command = Command::new("git");
        command.env_clear();
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_ALLOW_PROTOCOL", "none")
            .env("GIT_TERMINAL_PROMPT", "0")
            .args(GUARDS)
            .args(arguments)
            .current_dir(folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound if folder.is_dir() => GitError::Missing,
            _ => GitError::Io(error),
        })?;
        let until = Instant::now() + within;
        if let Some(mut stdin) = child.stdin.take() {
            std::thread::spawn(move || {
                // It need not read all that it is told.
                let _ = stdin.write_all(&input);
            });
        }
        let complaint = child.stderr.take().map(|stderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                // What cannot be read was not said.
                let _ = stderr.take(LONGEST_COMPLAINT).read_to_end(&mut text);
                text
            })
        });
        let is_late = Arc::new(AtomicBool::new(false));
        let group = rustix::process::Pid::from_child(&child);
        let (answered, hears) = channel::<()>();
        let late = is_late.clone();
        let watch = std::thread::spawn(move || {
            if hears.recv_timeout(within) == Err(RecvTimeoutError::Timeout) {
                late.store(true, Ordering::Relaxed);
                // Not waited for yet, so the id is still its own.
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
        });
        Ok(Self {
            answer: child.stdout.take().map(BufReader::new),
            child,
            complaint,
            watch: Some((answered, watch)),
            is_late,
            until,
            within,
        })
    }

    /// What it answers, as it comes.
    pub(super) fn answer(&mut self) -> Result<&mut BufReader<ChildStdout>, GitError> {
        self.answer
            .as_mut()
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::BrokenPipe).into())
    }

    /// Waits for its end; an error if it ended badly or late.
    pub(super) fn end(mut self) -> Result<(), GitError> {
        if let Some(mut answer) = self.answer.take() {
            // If nobody took its last words, a line end perhaps, they would be the end of it. The watch
            // sees to it that there is an end.
            let _ = std::io::copy(&mut answer, &mut std::io::sink());
        }
        self.end_watch();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if self.until <= Instant::now() {
                self.is_late.store(true, Ordering::Relaxed);
                self.child.kill()?;
                break self.child.wait()?;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        if self.is_late.load(Ordering::Relaxed) {
            return Err(GitError::Slow(self.within));
        }
        let complaint = self.complaint.take().and_then(|thread| thread.join().ok());
        if status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&complaint.unwrap_or_default()).into_owned();
        let line = text.lines().find(|line| line.starts_with("fatal: "));
        let line = line.or_else(|| text.lines().next()).unwrap_or_default();
        Err(GitError::Refused(line.trim_start_matches("fatal: ").to_owned()))
    }

    fn end_watch(&mut self) {
        if let Some((answered, watch)) = self.watch.take() {
            // It is gone already only if it was late.
            let _ = answered.send(());
            let _ = watch.join();
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.end_watch();
        if matches!(self.child.try_wait(), Ok(None)) {
            // Nobody wants the rest.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// One short answer.
pub(super) fn ask(
    folder: &Path,
    arguments: &[&str],
    input: Vec<u8>,
    within: Duration,
    most: u64,
) -> Result<Vec<u8>, GitError> {
    let mut question = Question::ask(folder, arguments, input, within)?;
    let mut bytes = Vec::new();
    let read = question.answer()?.take(most + 1).read_to_end(&mut bytes);
    if bytes.len() as u64 > most {
        return Err(GitError::TooMuch(most));
    }
    question.end()?;
    read?;
    Ok(bytes)
}

/// The answer as a line of text.
pub(super) fn line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

/// Whether a text is the whole id of an object.
pub(super) fn is_object_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    matches!(text.len(), 40 | 64) && text.bytes().all(is_digit)
}

/// The path of a folder within its repository: empty at the top, else ending with `/`.
pub(super) fn prefix(folder: &Path, within: Duration) -> Result<PathBuf, GitError> {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = ask(
        folder,
        &["rev-parse", "--show-prefix"],
        Vec::new(),
        within,
        1 << 16,
    )?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}
