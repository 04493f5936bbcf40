//! `trainyard serve`: engine, scheduler and HTTP API in one process.
//!
//! The API never changes a run. It keeps runs and requests in the store, where they are durable before
//! they are answered, and nudges the engine, which works on a thread of its own. What the engine has
//! committed comes back as observations: for metrics, the log and server-sent events.

#![allow(unused_qualifications, reason = "the macros that describe routes write them")]

mod alerts;
mod app;
mod approvals;
mod auth;
mod backfill_document;
mod backfilling;
mod backfills;
mod bulk;
mod caller;
mod channels;
mod clockwork;
mod delivering;
mod documents;
mod download;
mod events;
mod extract;
mod features;
mod firing;
mod guard;
mod health;
mod here;
mod hooks;
mod hub;
mod lineage;
mod logs;
mod manual;
mod meter;
mod mlflow;
mod models;
mod notices;
mod params;
mod pipelines;
mod problem;
mod project;
mod random;
mod retention;
mod revision;
mod routes;
mod run_document;
mod runs;
mod server;
mod service;
mod steering;
mod subscriptions;
mod tokens;
mod triggers;
mod watching;

pub use backfill_document::{BackfillDocument, BackfillPlan, BackfillProgress, TickDocument};
pub use backfilling::BackfillRequest;
pub use bulk::{
    ActionAnswer, ActionResult, ActionVerdict, Deed, FilterError, MOST_RUNS, RunAction, RunsFilter, act,
    runs_of_filter,
};
pub use features::{FeatureError, FeatureQuestion, FeatureStore, Materialise, MaterialiseOrder, PushTo};
pub use here::{BackfillDesk, BackfillError, CarriedOut};
pub use project::{ProjectFolder, RunOrder};
pub use random::{RandomError, new_run_id};
pub use routes::openapi;
pub use server::{Config, Listening, ServeError, Server, Stop};
pub use service::MakeExecutor;
pub use tokens::{NewToken, new_token};
