//! Experiment tracking and the registry's face for MLflow's clients.
//!
//! [`Tracking`] has the verbs. Several writes of several clients share one transaction: see
//! [`Store::write_tracking`]. A verb looks at all it needs before it writes anything, so one that refuses has
//! changed nothing and the transaction goes on without it.

mod dataset;
mod experiment;
mod file;
mod logged_model;
mod metric;
mod record;
mod registry;
mod run;
mod search;
mod version;

pub use dataset::{DatasetInput, DatasetSummary};
pub use experiment::Experiment;
pub use file::TrackedFile;
pub use logged_model::{LoggedModel, LoggedModelMetric, ModelState, NewLoggedModel, RunModel};
pub use metric::{MetricPoint, NewMetric};
pub use record::{TrackedStep, tracked_step_id};
pub use registry::RegisteredModel;
pub use run::{NewTrackedRun, RunData, TrackedRun};
pub use search::{Search, View};
pub use version::{NewVersion, Stage, VersionRecord};

use crate::error::StoreError;
use crate::store::Store;
use trainyard_domain::tracking::Refusal;

/// Key and value of a parameter or tag.
pub type Pair = (String, String);

/// Why a verb did not do it.
#[derive(Debug, thiserror::Error)]
pub enum TrackingError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The verbs, over an open transaction or a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Tracking<'a> {
    store: &'a Store,
}

/// One client's write. It may be carried out again if the connection to the database is lost just then.
pub type TrackingJob<'a, T> = &'a dyn Fn(&Tracking<'_>) -> Result<T, TrackingError>;

impl Store {
    /// Carries out writes of several clients in one transaction, in their order; durable when this returns.
    /// A job that is refused changes nothing.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`, `Unreachable`: none of them is kept.
    pub fn write_tracking<T>(
        &mut self,
        jobs: &[TrackingJob<'_, T>],
    ) -> Result<Vec<Result<T, Refusal>>, StoreError> {
        self.transact("write what is tracked", |store| {
            let tracking = Tracking { store };
            jobs.iter()
                .map(|job| match job(&tracking) {
                    Ok(done) => Ok(Ok(done)),
                    Err(TrackingError::Refused(refused)) => Ok(Err(refused)),
                    Err(TrackingError::Store(error)) => Err(error),
                })
                .collect()
        })
    }

    /// Reads, all from one state of the database.
    ///
    /// # Errors
    /// Those of `work`, and of the database.
    pub fn read_tracking<T>(
        &self,
        work: impl Fn(&Tracking<'_>) -> Result<T, TrackingError>,
    ) -> Result<T, TrackingError> {
        let done = self.in_snapshot("read what is tracked", || match work(&Tracking { store: self }) {
            Ok(done) => Ok(Ok(done)),
            Err(TrackingError::Refused(refused)) => Ok(Err(refused)),
            Err(TrackingError::Store(error)) => Err(error),
        })?;
        Ok(done?)
    }
}

/// Runs or models that are read at once; the statements have as many places.
const CHUNK: usize = 64;

/// Numbers in groups that fill a statement's places; the last number fills up the last group, which changes
/// nothing in what `IN` finds.
fn chunks(numbers: &[i64]) -> impl Iterator<Item = [i64; CHUNK]> + '_ {
    numbers.chunks(CHUNK).map(|some| {
        let mut places = [some.last().copied().unwrap_or_default(); CHUNK];
        places[..some.len()].copy_from_slice(some);
        places
    })
}

/// Milliseconds of a time in microseconds.
fn millis(micros: i64) -> i64 {
    micros.div_euclid(1000)
}
