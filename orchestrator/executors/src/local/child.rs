//! A worker or supervisor process, seen from the executor: orders go in, answers come out, and its
//! end is told once.

use super::desk::Desk;
use super::dispatch::Message;
use crate::log::clipped;
use crate::proc;
use crate::protocol::{Answer, Lines};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, pidfd_send_signal};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::Builder;
use std::time::Duration;

/// Lines of standard error that are kept for the report of its end.
const TAIL: usize = 20;

/// A process of ours. Dropping it closes its standard input, which ends it.
pub(super) struct OurProcess {
    pub(super) pid: i32,
    handle: Arc<Option<OwnedFd>>,
    stdin: Arc<ChildStdin>,
    /// For what the pipe does not take at once.
    orders: Sender<Vec<u8>>,
    /// Orders that are still with the thread that waits for the pipe.
    behind: Arc<AtomicUsize>,
    /// Orders of this turn.
    pub(super) outbox: Vec<u8>,
    tail: Arc<Mutex<VecDeque<String>>>,
}

/// How a process of ours ended.
pub(super) struct End {
    pub(super) status: Option<ExitStatus>,
    /// What it said that was no answer.
    pub(super) broken: Option<String>,
    /// Last lines of its standard error since its last attempt began.
    pub(super) tail: Vec<String>,
}

impl OurProcess {
    /// Starts `program` with those arguments; its messages come to `desk` under `id`.
    pub(super) fn start(
        program: &Path,
        arguments: &[String],
        threads: Option<u32>,
        id: u64,
        desk: Weak<Desk>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A group of its own: an interrupt at the terminal is for the orchestrator alone.
        command.process_group(0);
        for (name, _) in std::env::vars_os() {
            // Of neither the secrets nor the store's password a step has to know.
            let text = name.to_string_lossy();
            if text.starts_with("TRAINYARD_SECRET_") || text == "TRAINYARD_DATABASE_URL" {
                command.env_remove(name);
            }
        }
        if let Some(threads) = threads {
            command
                .env("RAYON_NUM_THREADS", threads.to_string())
                .env("POLARS_MAX_THREADS", threads.to_string());
        }
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            let _ = child.kill();
            return Err(io::Error::other("the process has no pipes"));
        };
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        rustix::io::ioctl_fionbio(&stdin, true)?;
        let (stdin, behind) = (Arc::new(stdin), Arc::new(AtomicUsize::new(0)));
        let handle = Arc::new(proc::open(child.id()));
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (orders, inbox) = channel();
        let (said_all, all_said) = channel();
        let threads = [
            Builder::new().name("orders".to_owned()).spawn({
                let (stdin, behind) = (Arc::clone(&stdin), Arc::clone(&behind));
                move || write_orders(&stdin, &inbox, &behind)
            }),
            Builder::new().name("stderr".to_owned()).spawn({
                let tail = Arc::clone(&tail);
                move || keep_tail(stderr, &tail, said_all)
            }),
            Builder::new().name("answers".to_owned()).spawn({
                let (handle, tail) = (Arc::clone(&handle), Arc::clone(&tail));
                move || read_answers(child, stdout, id, &desk, &handle, &tail, &all_said)
            }),
        ];
        let process = Self {
            pid,
            handle,
            stdin,
            orders,
            behind,
            outbox: Vec::new(),
            tail,
        };
        for thread in threads {
            if let Err(error) = thread {
                process.kill();
                return Err(error);
            }
        }
        Ok(process)
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        kill(&self.handle);
    }

    /// Hands over the orders of this turn, without waiting for a process that is slow to read them.
    pub(super) fn flush(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        let mut bytes = std::mem::take(&mut self.outbox);
        if self.behind.load(Ordering::Acquire) == 0 {
            match (&*self.stdin).write(&bytes) {
                Ok(written) => {
                    bytes.drain(..written);
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) => {}
                // Its end is told by the thread that reads its answers.
                Err(_) => return,
            }
        }
        if !bytes.is_empty() {
            self.behind.fetch_add(1, Ordering::AcqRel);
            let _ = self.orders.send(bytes);
        }
    }

    /// Forgets what it printed: the next lines belong to another attempt.
    pub(super) fn forget_tail(&self) {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn kill(handle: &Option<OwnedFd>) {
    if let Some(handle) = handle {
        // It may be gone already.
        let _ = pidfd_send_signal(handle, Signal::KILL);
    }
}

fn write_orders(stdin: &ChildStdin, inbox: &Receiver<Vec<u8>>, behind: &AtomicUsize) {
    while let Ok(bytes) = inbox.recv() {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let mut pipe: &ChildStdin = stdin;
            match pipe.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // An interrupted wait is as good as a short one.
                    let _ = poll(&mut [PollFd::new(stdin, PollFlags::OUT)], None);
                }
                Err(_) => return,
            }
        }
        behind.fetch_sub(1, Ordering::AcqRel);
    }
}

fn keep_tail(stderr: ChildStderr, tail: &Mutex<VecDeque<String>>, said_all: Sender<()>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without end must not fill the memory.
        match (&mut reader).take(1 << 16).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let text = crate::log::clean(line.strip_suffix(b"\n").unwrap_or(&line));
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(clipped(&text, 2048).to_owned());
    }
    drop(said_all);
}

fn read_answers(
    mut child: Child,
    stdout: ChildStdout,
    id: u64,
    desk: &Weak<Desk>,
    handle: &Option<OwnedFd>,
    tail: &Mutex<VecDeque<String>>,
    all_said: &Receiver<()>,
) {
    let mut lines = Lines::new(stdout);
    let broken = loop {
        match lines.next_batch::<Answer>() {
            Ok(batch) if batch.is_empty() => break None,
            Ok(batch) => match desk.upgrade() {
                Some(desk) => desk.hear(Message::Answers { child: id, batch }),
                None => break None,
            },
            Err(error) => break Some(error.to_string()),
        }
    };
    // Its end of the pipe closes when it has ended; one that closed it earlier, or says what is no
    // answer, is of no use any more. The status of a process that has ended stays what it is.
    match handle {
        Some(_) => kill(handle),
        None => {
            let _ = child.kill();
        }
    }
    let status = child.wait().ok();
    // A moment for its last words; something it started may hold its standard error open for ever.
    let _: Result<(), RecvTimeoutError> = all_said.recv_timeout(Duration::from_millis(200));
    let tail = tail
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .cloned()
        .collect();
    // Without an executor nobody needs to know.
    if let Some(desk) = desk.upgrade() {
        let end = End { status, broken, tail };
        desk.hear(Message::Gone { child: id, end });
    }
}
