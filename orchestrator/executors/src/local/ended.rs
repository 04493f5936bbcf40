//! What the end of one of our processes means for the attempt that was running in it.

use super::child::End;
use crate::proc;
use std::os::unix::process::ExitStatusExt;
use trainyard_contract::{Failure, FailureClass};

/// The failure of the attempt that a worker was at when it ended.
pub(super) fn worker_failure(end: &End, was_ready: bool) -> Failure {
    let how = how(end);
    let tail = &end.tail;
    let with_tail = |class, message: String, help: Option<&str>| Failure {
        help: help.map(str::to_owned),
        log_tail: tail.clone(),
        ..Failure::new(class, message)
    };
    if !was_ready && !was_killed(end) {
        let help = Some("a worker is this program itself: is it still there, and the same?");
        return with_tail(
            FailureClass::Internal,
            format!("could not start a worker: it {how}"),
            help,
        );
    }
    // The allocator's last words when the system gives no more memory.
    if tail.iter().any(|line| line.starts_with("memory allocation of ")) {
        let message = format!("its worker got no more memory and {how}");
        return with_tail(
            FailureClass::OutOfMemory,
            message,
            Some("use less, or run fewer at once"),
        );
    }
    let status = end.status;
    let signal = status.and_then(|status| status.signal());
    match (signal, status.and_then(|status| status.code())) {
        // Signals that a process brings upon itself.
        (Some(4 | 6 | 7 | 8 | 11 | 31), _) => {
            let help = Some("this is a fault of the step, please report it");
            with_tail(
                FailureClass::Signal,
                format!("its worker crashed: it {how}"),
                help,
            )
        }
        (Some(9), _) => {
            let help = Some("if nobody did that, the kernel was out of memory");
            with_tail(FailureClass::WorkerLost, format!("its worker {how}"), help)
        }
        (Some(_), _) => with_tail(FailureClass::WorkerLost, format!("its worker {how}"), None),
        (None, Some(code)) if code != 0 => {
            with_tail(FailureClass::ExitCode, format!("its worker {how}"), None)
        }
        _ => with_tail(FailureClass::WorkerLost, format!("its worker {how}"), None),
    }
}

/// The failure of attempts whose supervisor ended.
pub(super) fn supervisor_failure(end: &End, was_ready: bool) -> Failure {
    let how = how(end);
    let (class, message) = if was_ready || was_killed(end) {
        (
            FailureClass::WorkerLost,
            format!("the supervisor of its processes {how}; they were killed"),
        )
    } else {
        (
            FailureClass::Internal,
            format!("could not start the supervisor: it {how}"),
        )
    };
    Failure {
        log_tail: end.tail.clone(),
        ..Failure::new(class, message)
    }
}

/// Whether somebody else ended it: that says nothing of the program, and the next one may start.
fn was_killed(end: &End) -> bool {
    let signal = end.status.and_then(|status| status.signal());
    matches!(signal, Some(1 | 2 | 3 | 9 | 15))
}

/// As the end of a sentence about it.
fn how(end: &End) -> String {
    if let Some(broken) = &end.broken {
        return format!("said something that is no answer and was killed ({broken})");
    }
    let Some(status) = end.status else {
        return "ended in an unknown way".to_owned();
    };
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by {}", proc::signal_name(signal)),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}
