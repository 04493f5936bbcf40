//! What Prometheus reads.

use crate::app::lock;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::run::{Run, RunStatus, SlaLimit, What};
use trainyard_engine::Observation;

/// Bounds of buckets of short times, in seconds.
const SHORT: &[f64] = &[0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
/// Bounds of buckets of work, in seconds.
const LONG: &[f64] = &[0.01, 0.1, 1.0, 10.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0];

/// The process's metrics.
pub(crate) struct Meter {
    handle: PrometheusHandle,
    /// Attempts of each run that the engine carries out.
    active: Mutex<BTreeMap<RunId, u64>>,
}

impl Meter {
    /// Installs the recorder. A second one in a process would count nothing.
    pub(crate) fn install() -> Self {
        let builder = [("trainyard_run_seconds", LONG), ("trainyard_step_seconds", LONG)]
            .into_iter()
            .try_fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
                builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
            })
            .and_then(|builder| builder.set_buckets(SHORT))
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("metrics_recorder_taken");
        }
        describe();
        Self {
            handle,
            active: Mutex::default(),
        }
    }

    /// The text for Prometheus.
    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }

    /// Takes in what has been measured; to be called now and then, also when nobody reads.
    pub(crate) fn tidy(&self) {
        self.handle.run_upkeep();
    }

    /// Counts what the engine has to say.
    pub(crate) fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::Committed { events, took } => {
                counter!("trainyard_events_total").increment(*events as u64);
                histogram!("trainyard_commit_seconds").record(took.as_secs_f64());
            }
            Observation::Adopted { run } => self.adopted(run),
            Observation::Lost { run } => self.note(|active| {
                active.remove(*run);
            }),
            Observation::Event { run, event, of, .. } => {
                self.count(run, &event.what);
                match &event.what {
                    What::AttemptSucceeded { resources, .. } => {
                        step("succeeded");
                        histogram!("trainyard_step_seconds").record(seconds(resources.wall.0));
                    }
                    What::AttemptFailed {
                        resources, retry_at, ..
                    } => {
                        histogram!("trainyard_step_seconds").record(seconds(resources.wall.0));
                        step(if retry_at.is_some() { "retried" } else { "failed" });
                    }
                    What::AttemptLost { .. } => step("lost"),
                    What::StepReused { .. } => step("reused"),
                    What::StepSkipped { .. } => step("skipped"),
                    What::StepRejected { .. } => step("rejected"),
                    What::StepCancelled { .. } => step("cancelled"),
                    What::RunEnded { outcome } => {
                        counter!("trainyard_runs_total", "outcome" => crate::hub::outcome_word(*outcome))
                            .increment(1);
                        if let Some(started) = of.started_at() {
                            histogram!("trainyard_run_seconds").record(seconds(event.at.since(started).0));
                        }
                    }
                    What::SlaBreached { limit, .. } => {
                        let foreseen = matches!(limit, SlaLimit::FinishByForeseen);
                        counter!(
                            "trainyard_sla_breaches_total",
                            "limit" => limit.key(), "foreseen" => if foreseen { "true" } else { "false" }
                        )
                        .increment(1);
                    }
                    What::RunTimedOut { hooks: false, .. } => {
                        counter!("trainyard_run_timeouts_total").increment(1);
                    }
                    _ => {}
                }
            }
            Observation::Trouble { .. } => counter!("trainyard_troubles_total").increment(1),
            _ => {}
        }
    }

    /// A run that began under another engine comes with the attempts that it had there, until they are
    /// found to be lost.
    fn adopted(&self, run: &Run) {
        if matches!(run.status(), RunStatus::NotStarted | RunStatus::Ended(_)) {
            return;
        }
        let attempts = run.running().count() as u64;
        self.note(|active| {
            active.insert(run.id().clone(), attempts);
        });
    }

    /// Keeps count of what goes on.
    fn count(&self, run: &RunId, what: &What) {
        match what {
            What::RunStarted { .. } | What::RetryAsked { .. } => self.note(|active| {
                active.entry(run.clone()).or_default();
            }),
            What::AttemptStarted { .. } => self.note(|active| {
                *active.entry(run.clone()).or_default() += 1;
            }),
            What::AttemptSucceeded { .. } | What::AttemptFailed { .. } | What::AttemptLost { .. } => {
                self.note(|active| {
                    if let Some(attempts) = active.get_mut(run) {
                        *attempts = attempts.saturating_sub(1);
                    }
                });
            }
            What::RunEnded { .. } => self.note(|active| {
                active.remove(run);
            }),
            _ => {}
        }
    }

    fn note(&self, change: impl FnOnce(&mut BTreeMap<RunId, u64>)) {
        let mut active = lock(&self.active);
        change(&mut active);
        gauge!("trainyard_runs_active").set(active.len() as f64);
        gauge!("trainyard_attempts_running").set(active.values().sum::<u64>() as f64);
    }

    /// An engine that is gone runs nothing.
    pub(crate) fn engine_stopped(&self) {
        self.note(BTreeMap::clear);
    }

    /// One answered request.
    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.to_string()),
        ];
        counter!("trainyard_http_requests_total", &labels).increment(1);
        histogram!("trainyard_http_request_seconds", "method" => method, "route" => route.to_owned())
            .record(took.as_secs_f64());
    }

    /// What is known only at the moment of asking.
    pub(crate) fn set_state(&self, queued: u64, pipelines: usize, broken: usize, started_at: Timestamp) {
        gauge!("trainyard_queue_runs").set(queued as f64);
        gauge!("trainyard_pipelines", "state" => "good").set(pipelines as f64);
        gauge!("trainyard_pipelines", "state" => "faulty").set(broken as f64);
        gauge!("process_start_time_seconds").set(started_at.0 as f64 / 1e6);
        if let Some(process) = Process::read() {
            gauge!("process_resident_memory_bytes").set(process.resident_bytes);
            gauge!("process_open_fds").set(process.open_files);
            counter!("process_cpu_milliseconds_total").absolute(process.cpu_millis);
        }
    }
}

/// A trigger that fired, or was held back.
pub(crate) fn fired(kind: &str, verdict: &str) {
    counter!("trainyard_firings_total", "kind" => kind.to_owned(), "verdict" => verdict.to_owned())
        .increment(1);
}

/// A run that goes on although it is beyond its budget.
pub(crate) fn over_budget() {
    counter!("trainyard_over_budget_total").increment(1);
}

/// A dataset that was looked at and was not as before.
pub(crate) fn looked() {
    counter!("trainyard_data_changes_total").increment(1);
}

fn step(result: &'static str) {
    counter!("trainyard_steps_total", "result" => result).increment(1);
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

struct Process {
    resident_bytes: f64,
    open_files: f64,
    cpu_millis: u64,
}

impl Process {
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let pages: f64 = fields.get(21)?.parse().ok()?;
        Some(Self {
            // Linux gives times to programs in hundredths of a second, memory in pages of 4 KiB on
            // every machine this runs on.
            resident_bytes: pages * 4096.0,
            open_files: std::fs::read_dir("/proc/self/fd").ok()?.count() as f64,
            cpu_millis: ticks * 10,
        })
    }
}

fn describe() {
    crate::retention::describe();
    trainyard_notices::describe();
    describe_counter!(
        "trainyard_data_changes_total",
        "Contents of datasets that data triggers saw, the first included."
    );
    describe_counter!(
        "trainyard_telemetry_items_total",
        "Spans and log records by what became of them: sent, dropped (no room to wait), failed (not delivered), refused."
    );
    describe_counter!("trainyard_runs_total", "Runs that ended, by outcome.");
    describe_counter!(
        "trainyard_sla_breaches_total",
        "Runs that were late, or foreseen to be, by limit."
    );
    describe_counter!(
        "trainyard_over_budget_total",
        "Runs that were made although they are beyond their budget."
    );
    describe_counter!("trainyard_run_timeouts_total", "Runs that reached their timeout.");
    describe_gauge!("trainyard_runs_active", "Runs that this engine carries out.");
    describe_histogram!("trainyard_run_seconds", "Time from start to end of runs.");
    describe_counter!(
        "trainyard_steps_total",
        "Step instances and attempts by what came of them."
    );
    describe_gauge!(
        "trainyard_attempts_running",
        "Attempts that are committed to and not over."
    );
    describe_histogram!("trainyard_step_seconds", "Time that attempts worked.");
    describe_gauge!("trainyard_queue_runs", "Runs that wait to be started.");
    describe_counter!("trainyard_events_total", "Events of runs made durable.");
    describe_histogram!(
        "trainyard_commit_seconds",
        "Time to make one turn of the engine durable."
    );
    describe_counter!(
        "trainyard_troubles_total",
        "Faults outside any run that were survived."
    );
    describe_gauge!(
        "trainyard_pipelines",
        "Pipelines of the project folder, by state of their file."
    );
    describe_counter!("trainyard_http_requests_total", "Answered requests.");
    describe_histogram!(
        "trainyard_http_request_seconds",
        "Time to the first byte of an answer."
    );
    describe_gauge!(
        "process_start_time_seconds",
        "Start of the server, in seconds since 1970."
    );
    describe_gauge!(
        "process_resident_memory_bytes",
        "Resident memory of the server process."
    );
    describe_gauge!("process_open_fds", "Open files of the server process.");
    describe_counter!(
        "process_cpu_milliseconds_total",
        "User and system time of the server process."
    );
}
