//! How long earlier runs took, for checks that go by the past.

use std::collections::BTreeMap;
use trainyard_contract::{Millis, PipelineName, Timestamp};
use trainyard_domain::pipeline::{History, PastRuns};
use trainyard_store::{RunFilter, RunStatus, Store, StoreError};

/// So many of the last runs say how long the next takes.
const RUNS: u32 = 20;

/// The past of some pipelines.
///
/// # Errors
/// If the store cannot be asked.
pub fn history(
    store: &Store,
    pipelines: impl IntoIterator<Item = PipelineName>,
    now: Timestamp,
) -> Result<History, StoreError> {
    let mut runs = BTreeMap::new();
    for pipeline in pipelines {
        let last = store.list_runs(&RunFilter {
            pipeline: Some(pipeline.clone()),
            status: Some(RunStatus::Succeeded),
            limit: RUNS,
            before: None,
        })?;
        let took = last.iter().filter_map(|run| {
            let span = run.ended_at?.0.checked_sub(run.started_at?.0)?;
            Some(Millis(u64::try_from(span).ok()? / 1000))
        });
        runs.insert(pipeline, PastRuns::new(took.collect()));
    }
    Ok(History {
        now,
        runs,
        ..History::default()
    })
}
