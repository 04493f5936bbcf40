//! How much of a view's offline rows an online store has.

use crate::offline::Progress;
use serde::{Deserialize, Serialize};
use trainyard_contract::Timestamp;

/// How far the offline store is in, and up to which event time. Kept in the online store itself and changed together with
/// its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watermark {
    /// The snapshot that was read last, by the hash of its manifest; none where rows were only pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Snapshots and pushed rows that were read.
    #[serde(default)]
    pub progress: Progress,
    /// Rows of these with a later event time are not in.
    pub until: Timestamp,
    /// How many of them had one.
    #[serde(default)]
    pub later: u64,
    /// When it was written.
    pub at: Timestamp,
}
