//! One command from task to report.

use super::files::{self, Prepared, Program};
use super::folder::{KeptFolder, WorkFolder};
use super::lines::LineBuffer;
use super::watch::{MOST_PROCESSES, Seen, Verdict, Watch};
use super::{container, outputs};
use crate::log::AttemptLog;
use crate::mask::Masker;
use crate::proc;
use crate::protocol::RunOrder;
use crate::report::{blank, failed, now_unix_micros};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::Signal;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use trainyard_contract::task::{ProcessSpec, StepError, TASK_VERSION};
use trainyard_contract::{ByteSize, Failure, FailureClass, Millis, TaskReport, TaskSpec};

/// How long a command that ran into its timeout has to end by itself.
const TIMEOUT_GRACE: Millis = Millis(5_000);

/// Log lines sent on after one read; of a flood, the file has the rest.
const MOST_LINES_SENT: usize = 100;

/// After how long whoever waits hears that the attempt is running.
const PATIENCE: Duration = Duration::from_millis(10);

/// A command that ran this long, or has outputs, ends only after a search for what it left running.
const THOROUGH: Duration = Duration::from_millis(20);

/// The kernel counts processor time in ticks; of what ran shorter there is nothing to read.
const TICK: Duration = Duration::from_millis(10);

/// What whoever ordered the attempt hears while it runs.
pub(crate) enum Told {
    Began {
        at: i64,
    },
    Line(String),
    /// It did not end within the first moments.
    StillRunning,
}

/// The way to reach an attempt while it runs.
#[derive(Default)]
pub(crate) struct Control {
    state: Mutex<ControlState>,
}

#[derive(Default)]
struct ControlState {
    cancelled: Option<Millis>,
    wake: Option<OwnedFd>,
}

impl Control {
    /// Asks the attempt to end, and kills it after `grace`.
    pub(crate) fn cancel(&self, grace: Millis) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.cancelled = Some(state.cancelled.map_or(grace, |before| before.min(grace)));
        if let Some(wake) = &state.wake {
            // The counter cannot be full, so this cannot fail.
            let _ = rustix::io::write(wake, &1u64.to_ne_bytes());
        }
    }

    fn cancelled(&self) -> Option<Millis> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cancelled
    }

    /// A descriptor that becomes readable when something was asked.
    fn listen(&self) -> io::Result<OwnedFd> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.wake = Some(wake.try_clone()?);
        if state.cancelled.is_some() {
            rustix::io::write(&wake, &1u64.to_ne_bytes())?;
        }
        Ok(wake)
    }
}

/// Why the attempt was ended from here.
enum Ended {
    Cancelled,
    Timeout(Millis),
    Log(Failure),
}

/// What is known when no process of the attempt is left.
struct Outcome {
    status: ExitStatus,
    ended: Option<Ended>,
    seen: Seen,
    cpu: Millis,
    tail: Vec<String>,
}

/// Carries out one command.
pub(crate) fn carry_out(
    order: RunOrder,
    control: &Control,
    watch: &Watch,
    kept: &mut KeptFolder,
    mut tell: impl FnMut(Told),
) -> TaskReport {
    let clock = Instant::now();
    let spec = &order.spec;
    let mut report = match attempt(&order, control, watch, kept, &mut tell) {
        Ok(report) => report,
        Err(failure) => failed(spec, failure),
    };
    report.resources.wall = Millis(u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX));
    report
}

fn attempt(
    order: &RunOrder,
    control: &Control,
    watch: &Watch,
    kept: &mut KeptFolder,
    tell: &mut impl FnMut(Told),
) -> Result<TaskReport, Failure> {
    let spec = &order.spec;
    if spec.version != TASK_VERSION {
        let message = format!(
            "this supervisor reads tasks of version {TASK_VERSION}, not {}",
            spec.version
        );
        return Err(Failure::new(FailureClass::Internal, message));
    }
    let Some(process) = &spec.process else {
        return Err(Failure::new(FailureClass::Internal, "the task has no command"));
    };
    if control.cancelled().is_some() {
        return Err(Failure::new(FailureClass::Signal, "cancelled before it began"));
    }
    let folder = WorkFolder::make(spec, !order.secrets.is_empty(), kept).map_err(|error| error.failure)?;
    let report = in_folder(order, process, &folder.path, control, watch, tell);
    folder.leave();
    report
}

fn in_folder(
    order: &RunOrder,
    process: &ProcessSpec,
    folder: &Path,
    control: &Control,
    watch: &Watch,
    tell: &mut impl FnMut(Told),
) -> Result<TaskReport, Failure> {
    let spec = &order.spec;
    let mut prepared =
        files::prepare(spec, process, &order.mark, &order.secrets, folder).map_err(|error| error.failure)?;
    let container = match &process.image {
        Some(image) => Some(container::wrap(
            image,
            spec,
            &order.mark,
            &order.secrets,
            &mut prepared,
            watch,
        )?),
        None => None,
    };
    let masker = Masker::new(order.secrets.values().map(String::as_str));
    let mut lines = LineBuffer::new(masker);
    let outcome = run(order, &prepared, control, watch, &mut lines, tell);
    if let Some(container) = container {
        container.remove(watch);
    }
    let outcome = outcome?;
    let mut report = blank(spec);
    report.resources.cpu = outcome.cpu;
    report.resources.peak_memory = outcome.seen.peak;
    report.failure = failure_of(spec, &outcome);
    if report.failure.is_none()
        && let Err(error) = outputs::collect(spec, &prepared, lines.masker(), &mut report)
    {
        report.failure = Some(error.failure);
        report.outputs.clear();
    }
    if let Some(failure) = &mut report.failure {
        failure.log_tail = outcome.tail;
    }
    Ok(report)
}

fn run(
    order: &RunOrder,
    prepared: &Prepared,
    control: &Control,
    watch: &Watch,
    lines: &mut LineBuffer,
    tell: &mut impl FnMut(Told),
) -> Result<Outcome, Failure> {
    let spec = &order.spec;
    let could_not =
        |doing: &str, error: &io::Error| StepError::io(format!("could not {doing}"), error).failure;
    let wake = control
        .listen()
        .map_err(|error| could_not("make an event", &error))?;
    let (reader, writer) = io::pipe().map_err(|error| could_not("make a pipe", &error))?;
    rustix::io::ioctl_fionbio(&reader, true).map_err(|error| could_not("set up a pipe", &error.into()))?;
    let began = Instant::now();
    let started = {
        let starting = watch.starting();
        let child = spawn(prepared, spec, writer)?;
        let main = i32::try_from(child.id()).unwrap_or(0);
        watch.register(order.id, &order.mark, main, spec.limits.memory);
        drop(starting);
        (child, main)
    };
    let (mut child, main) = started;
    tell(Told::Began {
        at: now_unix_micros(),
    });
    let mut log = AttemptLog::new(spec);
    let mut watching = Watching {
        spec,
        id: order.id,
        follow: order.follow,
        main,
        began,
        reader: Some(reader),
        wake,
        ended: None,
        kill_at: None,
        grace: None,
    };
    watching.until_it_ends(&mut child, control, watch, lines, &mut log, tell);
    // Until it is waited for, the main process keeps its number, so the group is still its own.
    let last = (began.elapsed() >= TICK).then(|| proc::read(main)).flatten();
    proc::signal_group(main, Signal::KILL);
    let status = child
        .wait()
        .map_err(|error| could_not("wait for the command", &error))?;
    let had_company = proc::has_group(main);
    let has_holder = watching.drain(lines, &mut log, tell);
    let thorough = has_holder
        || had_company
        || watching.ended.is_some()
        || began.elapsed() > THOROUGH
        || !spec.outputs.is_empty();
    let seen = watch.unregister(order.id, thorough);
    if has_holder {
        // Whoever held the pipe open is gone now; these are its last words.
        watching.drain(lines, &mut log, tell);
    }
    if let Some(line) = lines.finish() {
        watching.take_line(line, &mut log, tell);
    }
    log.flush();
    let ended = watching
        .ended
        .take()
        .or_else(|| log.failure.clone().map(Ended::Log));
    let cpu = last.map(|process| process.cpu).unwrap_or_default();
    Ok(Outcome {
        status,
        ended,
        seen,
        cpu,
        tail: log.tail(),
    })
}

fn spawn(prepared: &Prepared, spec: &TaskSpec, output: io::PipeWriter) -> Result<Child, Failure> {
    let (mut program, mut started) = (
        &prepared.command,
        start(&prepared.command, prepared, spec, &output),
    );
    if let (Err(_), Some(otherwise)) = (&started, &prepared.otherwise) {
        (program, started) = (otherwise, start(otherwise, prepared, spec, &output));
    }
    started.map_err(|error| {
        let program = program.path.display();
        let message = match error.kind() {
            _ if !spec.project.is_dir() => {
                format!("the project folder {} is missing", spec.project.display())
            }
            io::ErrorKind::NotFound => format!("the program `{program}` was not found"),
            io::ErrorKind::PermissionDenied => format!("the program `{program}` may not be executed"),
            _ => return StepError::io(format!("could not start `{program}`"), &error).failure,
        };
        Failure {
            causes: vec![error.to_string()],
            ..Failure::new(FailureClass::Rejected, message)
        }
    })
}

fn start(
    program: &Program,
    prepared: &Prepared,
    spec: &TaskSpec,
    output: &io::PipeWriter,
) -> io::Result<Child> {
    // No `pre_exec`, and the program by its path: both keep the start a `posix_spawn`.
    let mut command = Command::new(&program.path);
    command
        .arg0(&program.name)
        .args(&program.arguments)
        .env_clear()
        .envs(&prepared.environment)
        .current_dir(&spec.project)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?);
    command.spawn()
}

/// The loop around a running command.
struct Watching<'a> {
    spec: &'a TaskSpec,
    id: u64,
    follow: bool,
    main: i32,
    began: Instant,
    reader: Option<PipeReader>,
    wake: OwnedFd,
    ended: Option<Ended>,
    kill_at: Option<Instant>,
    /// The shortest grace asked for so far.
    grace: Option<Millis>,
}

impl Watching<'_> {
    fn until_it_ends(
        &mut self,
        child: &mut Child,
        control: &Control,
        watch: &Watch,
        lines: &mut LineBuffer,
        log: &mut AttemptLog,
        tell: &mut impl FnMut(Told),
    ) {
        let Some(process) = proc::open(child.id()) else {
            return;
        };
        let deadline = self
            .spec
            .limits
            .timeout
            .map(|Millis(limit)| self.began + Duration::from_millis(limit));
        let mut is_announced = false;
        loop {
            let until = [self.kill_at, deadline.filter(|_| self.ended.is_none())]
                .into_iter()
                .flatten()
                .min();
            let now = Instant::now();
            let patience = if is_announced { None } else { Some(PATIENCE) };
            let wait = [until.map(|until| until.saturating_duration_since(now)), patience]
                .into_iter()
                .flatten()
                .min();
            let [output, process_over, woken] = self.ready(&process, wait);
            if output && !self.read_some(lines, log, tell) && self.ended.is_none() {
                let failure = log.failure.clone();
                self.ended = failure.map(Ended::Log);
                watch.kill(self.id);
            }
            if process_over {
                return;
            }
            if woken {
                self.obey(control, watch);
            }
            let now = Instant::now();
            if self.ended.is_none() && deadline.is_some_and(|deadline| now >= deadline) {
                self.ended = Some(Ended::Timeout(self.spec.limits.timeout.unwrap_or_default()));
                self.stop(TIMEOUT_GRACE, watch);
            }
            if self.kill_at.is_some_and(|at| now >= at) {
                self.kill_at = None;
                watch.kill(self.id);
            }
            if !is_announced && self.began.elapsed() >= PATIENCE {
                is_announced = true;
                tell(Told::StillRunning);
            }
        }
    }

    /// Which of output, end of the process and wake-up call are there, after waiting for one.
    fn ready(&self, process: &OwnedFd, wait: Option<Duration>) -> [bool; 3] {
        let mut descriptors = vec![
            PollFd::new(process, PollFlags::IN),
            PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN),
        ];
        if let Some(reader) = &self.reader {
            descriptors.push(PollFd::new(reader, PollFlags::IN));
        }
        let wait = wait.map(|wait| Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            // Rounded up: waking a moment too early would mean waking again.
            tv_nsec: (i64::from(wait.subsec_nanos()) + 999_999).min(999_999_999),
        });
        if poll(&mut descriptors, wait.as_ref()).is_err() {
            // Interrupted: the caller looks at the clock and comes again.
            return [false; 3];
        }
        let is_ready = |at: usize| {
            descriptors
                .get(at)
                .is_some_and(|descriptor| !descriptor.revents().is_empty())
        };
        [is_ready(2), is_ready(0), is_ready(1)]
    }

    fn obey(&mut self, control: &Control, watch: &Watch) {
        let mut counter = [0; 8];
        // Nothing to read is as good as having read it.
        let _ = rustix::io::read(&self.wake, &mut counter);
        let Some(grace) = control.cancelled() else { return };
        if self.grace.is_some_and(|before| before <= grace) {
            return;
        }
        self.grace = Some(grace);
        if self.ended.is_none() {
            self.ended = Some(Ended::Cancelled);
        }
        self.stop(grace, watch);
    }

    fn stop(&mut self, grace: Millis, watch: &Watch) {
        if grace.0 == 0 {
            watch.kill(self.id);
            return;
        }
        proc::signal_group(self.main, Signal::TERM);
        // A stopped process acts on nothing but this.
        proc::signal_group(self.main, Signal::CONT);
        let at = Instant::now() + Duration::from_millis(grace.0);
        self.kill_at = Some(self.kill_at.map_or(at, |before| before.min(at)));
    }

    /// Reads what is there. False if the log has failed.
    fn read_some(
        &mut self,
        lines: &mut LineBuffer,
        log: &mut AttemptLog,
        tell: &mut impl FnMut(Told),
    ) -> bool {
        let mut buffer = [0; 1 << 16];
        let Some(reader) = &mut self.reader else {
            return true;
        };
        match reader.read(&mut buffer) {
            Ok(0) => self.reader = None,
            Ok(length) => {
                let follow = self.follow;
                let mut sent = 0;
                lines.feed(&buffer[..length], |line| {
                    let is_kept = log.line(&line);
                    if follow && is_kept && sent < MOST_LINES_SENT {
                        sent += 1;
                        tell(Told::Line(line));
                    }
                    is_kept
                });
                log.flush();
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => self.reader = None,
        }
        log.failure.is_none()
    }

    /// Reads what is left in the pipe. True if somebody still holds its other end.
    fn drain(&mut self, lines: &mut LineBuffer, log: &mut AttemptLog, tell: &mut impl FnMut(Told)) -> bool {
        let end = Instant::now() + Duration::from_millis(500);
        while self.reader.is_some() && log.failure.is_none() && Instant::now() < end {
            let Some(reader) = &self.reader else { return false };
            let mut descriptors = [PollFd::new(reader, PollFlags::IN)];
            let is_ready = poll(
                &mut descriptors,
                Some(&Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                }),
            )
            .is_ok_and(|n| n > 0);
            if !is_ready {
                return true;
            }
            self.read_some(lines, log, tell);
        }
        self.reader.is_some()
    }

    fn take_line(&self, line: String, log: &mut AttemptLog, tell: &mut impl FnMut(Told)) {
        if log.line(&line) && self.follow {
            tell(Told::Line(line));
        }
    }
}

fn failure_of(spec: &TaskSpec, outcome: &Outcome) -> Option<Failure> {
    let failure = |class, message: String, help: &str| {
        Some(Failure {
            help: Some(help.to_owned()),
            ..Failure::new(class, message)
        })
    };
    match &outcome.seen.verdict {
        Some(Verdict::OutOfMemory { used, limit }) => {
            let message = format!(
                "it used {} of memory, more than its limit of {limit}",
                rounded(*used)
            );
            return failure(
                FailureClass::OutOfMemory,
                message,
                "raise `resources.memory`, or use less",
            );
        }
        Some(Verdict::MachineOutOfMemory { used }) => {
            let message = format!(
                "the machine ran out of memory, of which it used most: {}",
                rounded(*used)
            );
            return failure(
                FailureClass::OutOfMemory,
                message,
                "set `resources.memory`, so that fewer run at once",
            );
        }
        Some(Verdict::TooManyProcesses { count }) => {
            let message =
                format!("it had {count} processes, more than the {MOST_PROCESSES} allowed, and was killed");
            return failure(
                FailureClass::Signal,
                message,
                "look for a process that starts itself",
            );
        }
        None => {}
    }
    match &outcome.ended {
        Some(Ended::Cancelled) => return Some(Failure::new(FailureClass::Signal, "cancelled")),
        Some(Ended::Timeout(limit)) => {
            let message = format!("it ran longer than its timeout of {limit}");
            return failure(
                FailureClass::Timeout,
                message,
                "raise `timeout`, or find out what it waits for",
            );
        }
        Some(Ended::Log(failure)) => return Some(failure.clone()),
        None => {}
    }
    if let Some(signal) = outcome.status.signal() {
        let message = format!("the command was ended by {}", proc::signal_name(signal));
        return match signal {
            9 => failure(
                FailureClass::Signal,
                message,
                "if nobody did that, the kernel was out of memory",
            ),
            _ => Some(Failure::new(FailureClass::Signal, message)),
        };
    }
    match outcome.status.code() {
        Some(0) => None,
        Some(code) => Some(exit_failure(spec, code)),
        None => Some(Failure::new(
            FailureClass::Internal,
            "the command ended in an unknown way",
        )),
    }
}

fn exit_failure(spec: &TaskSpec, code: i32) -> Failure {
    let message = format!("the command ended with exit code {code}");
    let help = match code {
        126 => Some("126 mostly means that a program in it may not be executed".to_owned()),
        127 => Some("127 mostly means that a program in it was not found".to_owned()),
        129..=192
            if spec
                .process
                .as_ref()
                .is_some_and(|process| process.image.is_some() && code == 137) =>
        {
            Some("137 mostly means that the container was killed for lack of memory".to_owned())
        }
        129..=192 => Some(format!(
            "in a shell, {code} means that a program ended by {}",
            proc::signal_name(code - 128)
        )),
        _ => None,
    };
    Failure {
        help,
        ..Failure::new(FailureClass::ExitCode, message)
    }
}

fn rounded(ByteSize(bytes): ByteSize) -> String {
    ByteSize(bytes >> 20 << 20).to_string()
}
