//! A worker: a process that carries out built-in steps, one at a time, until its standard input
//! ends.

use crate::inspect::{self, OutputInspector};
use crate::log::{AttemptLog, clean};
use crate::mask::Masker;
use crate::proc;
use crate::protocol::{Answer, Answers, EndedAnswer, Lines, Order, PROTOCOL_VERSION, RunOrder};
use crate::report::{failed, failed_with, now_unix_micros};
use crate::steps::NOOP;
use rustix::time::{ClockId, clock_gettime};
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use trainyard_contract::io::News;
use trainyard_contract::task::{StepError, TASK_VERSION};
use trainyard_contract::{Catalogue, Failure, FailureClass, Millis, StepIo, TaskReport, TaskSpec};

/// Progress is for eyes; more often than this they cannot tell.
const BETWEEN_PROGRESS: Duration = Duration::from_millis(50);

/// The report of an attempt that took less than this may wait for the next one's: telling costs more.
const NEXT_TO_NOTHING: Duration = Duration::from_micros(50);

/// Thrown through a step whose log has failed, because logging has no way to return an error.
struct LogFailed(Failure);

/// Where the last panic happened, noted by the panic hook for whoever catches it.
static PANIC_PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Carries out attempts from standard input until it ends; with it, the orchestrator is gone, and
/// so is the process, in the middle of a step if need be.
pub fn worker_main(catalogue: &Catalogue, inspector: Option<&dyn OutputInspector>) -> ExitCode {
    let (Ok(answers), Ok(stdin)) = (Answers::take_stdout(), crate::protocol::take_stdin()) else {
        return ExitCode::from(2);
    };
    proc::volunteer_for_oom_kill();
    note_panics();
    let answers = Arc::new(answers);
    let queue = Arc::new(Queue::default());
    let reader = {
        let (queue, answers) = (Arc::clone(&queue), Arc::clone(&answers));
        move || {
            read_orders(Lines::new(stdin), &queue, &answers);
            std::process::exit(0);
        }
    };
    if std::thread::Builder::new()
        .name("orders".to_owned())
        .spawn(reader)
        .is_err()
    {
        return ExitCode::from(2);
    }
    answers.send(&Answer::Hello {
        version: PROTOCOL_VERSION,
    });
    loop {
        let (order, is_last) = queue.take(&answers);
        let is_spent = match order {
            Order::Run(order) => run_order(catalogue, *order, is_last, &answers),
            Order::Inspect { id, spec, report } => {
                inspect_order(inspector, id, &spec, *report, &answers);
                false
            }
            Order::Cancel { .. } | Order::Recall { .. } | Order::Release => false,
        };
        if is_spent {
            // A panic may have left anything behind in this process; the next attempt gets a new one.
            return ExitCode::from(3);
        }
    }
}

/// Orders that have arrived and not begun.
#[derive(Default)]
struct Queue {
    orders: Mutex<VecDeque<Order>>,
    arrived: Condvar,
}

impl Queue {
    /// The next order, and whether it is the last one for now.
    fn take(&self, answers: &Answers) -> (Order, bool) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(order) = orders.pop_front() {
                return (order, orders.is_empty());
            }
            answers.flush();
            orders = self.arrived.wait(orders).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn read_orders(mut lines: Lines<std::fs::File>, queue: &Queue, answers: &Answers) {
    while let Ok(batch) = lines.next_batch::<Order>() {
        if batch.is_empty() {
            return;
        }
        let mut orders = queue.orders.lock().unwrap_or_else(PoisonError::into_inner);
        for order in batch {
            if let Order::Recall { ids } = order {
                let mut returned = Vec::new();
                orders.retain(|waiting| match waiting {
                    Order::Run(run) if ids.contains(&run.id) => {
                        returned.push(run.id);
                        false
                    }
                    _ => true,
                });
                answers.send(&Answer::Returned { ids: returned });
            } else {
                orders.push_back(order);
            }
        }
        queue.arrived.notify_one();
    }
}

/// True if the process should not be used again.
fn run_order(catalogue: &Catalogue, order: RunOrder, is_last: bool, answers: &Arc<Answers>) -> bool {
    if !order.quick {
        // Whatever happens to this one must not take finished reports with it.
        answers.flush();
    }
    let id = order.id;
    let began = now_unix_micros();
    let clock = Instant::now();
    let say = {
        let answers = Arc::clone(answers);
        let follow = order.follow;
        let mut last_progress: Option<Instant> = None;
        move |news: &News| match news {
            News::Progress { done, total, unit } => {
                let is_due = last_progress.is_none_or(|last| last.elapsed() >= BETWEEN_PROGRESS);
                if is_due || done == total {
                    last_progress = Some(Instant::now());
                    answers.send(&Answer::Progress {
                        id,
                        done: *done,
                        total: *total,
                        unit: unit.clone(),
                    });
                }
            }
            News::Log(line) if follow => answers.send(&Answer::Log {
                id,
                line: line.clone(),
            }),
            News::Log(_) => {}
        }
    };
    let done = carry_out(catalogue, order.spec, order.secrets, order.quick, say);
    let micros = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
    let ended = EndedAnswer {
        id,
        began,
        micros,
        is_last: done.has_panicked,
        report: done.report,
    };
    let answer = Answer::Ended(Box::new(ended));
    let is_nothing = clock.elapsed() < NEXT_TO_NOTHING;
    if order.quick && is_nothing && !is_last && !done.has_panicked {
        answers.send_soon(&answer);
    } else {
        answers.send(&answer);
    }
    done.has_panicked
}

fn inspect_order(
    inspector: Option<&dyn OutputInspector>,
    id: u64,
    spec: &TaskSpec,
    report: TaskReport,
    answers: &Answers,
) {
    let began = now_unix_micros();
    let clock = Instant::now();
    let report = match inspector {
        None => report,
        Some(inspector) => {
            let caught = catch_unwind(AssertUnwindSafe(|| inspect::inspected(inspector, spec, report)));
            caught.unwrap_or_else(|payload| failed(spec, panic_failure(payload.as_ref())))
        }
    };
    let micros = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
    answers.send(&Answer::Ended(Box::new(EndedAnswer {
        id,
        began,
        micros,
        is_last: false,
        report,
    })));
}

pub(crate) struct Done {
    pub(crate) report: TaskReport,
    pub(crate) has_panicked: bool,
}

/// One attempt from task to report. A `quick` one is not measured.
pub(crate) fn carry_out(
    catalogue: &Catalogue,
    spec: TaskSpec,
    secrets: BTreeMap<String, String>,
    quick: bool,
    mut say: impl FnMut(&News) + Send + 'static,
) -> Done {
    let refuse = |spec: &TaskSpec, failure| Done {
        report: failed(spec, failure),
        has_panicked: false,
    };
    if spec.version != TASK_VERSION {
        let message = format!(
            "this worker reads tasks of version {TASK_VERSION}, not {}",
            spec.version
        );
        return refuse(&spec, Failure::new(FailureClass::Internal, message));
    }
    let Some(step) = catalogue.get(&spec.uses).cloned() else {
        let message = format!("this worker does not know `{}`", spec.uses);
        return refuse(&spec, Failure::new(FailureClass::Rejected, message));
    };
    // The folder costs more than the whole rest of a step that does nothing.
    let scratch = (spec.uses != NOOP).then(|| spec.scratch.clone());
    if let Some(Err(error)) = scratch.as_ref().map(std::fs::create_dir_all) {
        let failure = StepError::io("could not make the scratch folder", &error).failure;
        return refuse(&spec, failure);
    }
    if !quick {
        proc::reset_own_peak();
    }
    let (clock, cpu) = (Instant::now(), cpu_time());
    let log = Arc::new(Mutex::new(AttemptLog::new(&spec)));
    let masker = Arc::new(Masker::new(secrets.values().map(String::as_str)));
    let news = {
        let (log, masker) = (Arc::clone(&log), Arc::clone(&masker));
        Box::new(move |mut news: News| {
            if let News::Log(text) = &mut news {
                hide(&masker, text);
            }
            if let News::Log(text) = &news {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                let is_kept = text.split('\n').all(|line| log.line(&clean(line.as_bytes())));
                if !is_kept && let Some(failure) = log.failure.clone() {
                    drop(log);
                    throw(LogFailed(failure));
                }
            }
            say(&news);
        })
    };
    let mut io = StepIo::new(spec, news).with_secrets(secrets);
    let outcome = catch_unwind(AssertUnwindSafe(|| step.run(&mut io)));
    let mut has_panicked = false;
    let ended_itself = outcome.is_ok();
    let failure = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.failure),
        Err(payload) => match payload.downcast::<LogFailed>() {
            Ok(log_failed) => Some(log_failed.0),
            Err(payload) => {
                has_panicked = true;
                Some(panic_failure(payload.as_ref()))
            }
        },
    };
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    log.flush();
    let failure = failure.or_else(|| log.failure.clone());
    let mut report = match failure {
        None => io.into_report(),
        Some(mut failure) => {
            let texts = failure.causes.iter_mut().chain(&mut failure.help);
            for text in texts.chain([&mut failure.message]) {
                hide(&masker, text);
            }
            failure.log_tail = log.tail();
            // A panic or a cut breaks off anywhere; a step that says itself that it fails has made what it made.
            if ended_itself {
                failed_with(io.into_report(), failure)
            } else {
                failed(io.spec(), failure)
            }
        }
    };
    if let Some(scratch) = scratch {
        // What cannot be removed now is no fault of the step.
        let _ = std::fs::remove_dir_all(scratch);
    }
    report.resources.wall = Millis(u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX));
    if !quick {
        report.resources.cpu = Millis(cpu_time().0.saturating_sub(cpu.0));
        report.resources.peak_memory = proc::own_peak();
    }
    Done { report, has_panicked }
}

#[expect(
    clippy::panic,
    reason = "the only way out of a step that logs; caught where the step was called"
)]
fn throw(thrown: LogFailed) -> ! {
    panic_any(thrown)
}

/// Takes secrets out of a text.
fn hide(masker: &Masker, text: &mut String) {
    if let Some(masked) = masker.masked(text.as_bytes()) {
        *text = String::from_utf8_lossy(&masked).into_owned();
    }
}

fn cpu_time() -> Millis {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Millis(u64::try_from(time.tv_sec * 1000 + time.tv_nsec / 1_000_000).unwrap_or(0))
}

/// Notes where a panic happened instead of printing it: the report says it.
fn note_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|place| format!("{}:{}", place.file(), place.line()));
        *PANIC_PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
}

fn panic_failure(payload: &(dyn Any + Send)) -> Failure {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    let place = PANIC_PLACE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let message = match place {
        Some(place) => format!("the step panicked at {place}: {text}"),
        None => format!("the step panicked: {text}"),
    };
    let failure = Failure::new(FailureClass::Internal, message);
    Failure {
        help: Some("this is a fault of the step, please report it".to_owned()),
        ..failure
    }
}
