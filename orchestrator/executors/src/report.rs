//! Reports that executors make themselves, and the clock they carry.

use indexmap::IndexMap;
use std::time::{SystemTime, UNIX_EPOCH};
use trainyard_contract::task::{ResourcesUsed, TASK_VERSION};
use trainyard_contract::{Failure, TaskReport, TaskSpec};

/// A report with nothing in it yet: success, if it stays so.
pub(crate) fn blank(spec: &TaskSpec) -> TaskReport {
    TaskReport {
        version: TASK_VERSION,
        run: spec.run.clone(),
        instance: spec.instance.clone(),
        attempt: spec.attempt,
        epoch: spec.epoch,
        failure: None,
        outputs: IndexMap::new(),
        metrics: IndexMap::new(),
        curves: IndexMap::new(),
        lineage: Vec::new(),
        effects: Vec::new(),
        headline: None,
        resources: ResourcesUsed::default(),
    }
}

/// The report of an attempt that failed outside its step.
pub(crate) fn failed(spec: &TaskSpec, failure: Failure) -> TaskReport {
    TaskReport {
        failure: Some(failure),
        ..blank(spec)
    }
}

/// The report of an attempt that failed after it had made outputs: they are kept for people to look at, what was
/// asked for besides is not.
pub(crate) fn failed_with(report: TaskReport, failure: Failure) -> TaskReport {
    TaskReport {
        failure: Some(failure),
        effects: Vec::new(),
        lineage: Vec::new(),
        ..report
    }
}

/// Microseconds since 1970.
pub(crate) fn now_unix_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
