//! The event store, on SQLite or PostgreSQL: the only crate that knows SQL.
//!
//! A run is a list of events beside its definition. The engine appends to it in a [`Turn`]: one
//! transaction, flushed to the disk when [`Turn::commit`] returns, over as many runs as had news.
//! Whatever else is kept (status and counts of runs, results for reuse, waiting approvals, model
//! versions, lineage) is written in the transaction of the event that caused it.
//!
//! An append names the lease's epoch and the number of events its author knew of. If either has
//! moved on, nothing is written: an engine that lost its run cannot speak for it any more.

mod admission;
mod approval;
mod artifact;
mod backfill;
mod condition;
mod database;
mod document;
mod error;
mod feature;
mod file_hash;
mod firing;
mod forecast;
mod home;
mod inbox;
mod lease;
mod ledger;
mod lineage;
mod migration;
mod pipeline;
mod plan;
mod pool;
mod postgres;
mod queries;
mod queue;
mod registry;
mod retention;
mod reuse;
mod run;
mod settled;
mod sqlite;
mod store;
mod token;
mod turn;
mod usage;

pub use admission::{Admitted, TurnedAway};
pub use approval::{GivenApproval, WaitingApproval};
pub use artifact::ArtifactOrigin;
pub use backfill::{
    Backfill, BackfillFilter, BackfillMade, BackfillTick, NewBackfill, NewTick, TickBody, TickMade, TickStart,
};
pub use condition::Condition;
pub use error::StoreError;
pub use feature::{FeatureViewVersion, FeatureWrite, ViewSnapshot};
pub use file_hash::FileStamp;
pub use firing::{Firing, FiringFilter, NewFiring, REPEATED};
pub use home::Home;
pub use inbox::{PostedRequest, Request};
pub use lease::{Lease, Owner};
pub use lineage::{LineageEdge, LineageGraph, LineageNode};
pub use pipeline::{Pause, PipelineVersion};
pub use pool::{SlotAnswer, SlotClaim};
pub use queue::{DEFAULT_PRIORITY, Enqueued, IdempotencyKey, QueueOptions, QueuedRun};
pub use registry::{ModelSummary, ModelVersion, RegisteredVersion, check_alias};
pub use retention::{Cleared, Removable, RemovableRuns, RemovedRun, Walked};
pub use reuse::Reusable;
pub use run::{NewRun, RunFilter, RunStatus, RunSummary, StepCounts, StoredRun};
pub use settled::{Settled, Unsettled};
pub use store::Store;
pub use token::{Token, TokenRole};
pub use turn::{Append, Turn};
