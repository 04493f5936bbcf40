//! What an environment has: the last run there that succeeded.

use trainyard_contract::{PipelineName, RunId};
use trainyard_store::{RunFilter, RunStatus, Store, StoreError};

/// Runs read from the store at a time.
const PAGE: u32 = 200;

/// The last run of a pipeline in an environment that succeeded as a whole.
///
/// # Errors
/// If the store cannot be asked.
pub fn deployed(
    store: &Store,
    pipeline: &PipelineName,
    environment: Option<&str>,
) -> Result<Option<RunId>, StoreError> {
    let mut before: Option<RunId> = None;
    loop {
        let page = store.list_runs(&RunFilter {
            pipeline: Some(pipeline.clone()),
            status: Some(RunStatus::Succeeded),
            limit: PAGE,
            before,
        })?;
        let found = page
            .iter()
            .find(|line| line.environment.as_deref() == environment);
        if let Some(line) = found {
            return Ok(Some(line.id.clone()));
        }
        let Some(last) = page.last() else {
            return Ok(None);
        };
        before = Some(last.id.clone());
    }
}
