//! End to end: the real binary on real files. One program, because each further one that links the
//! whole product costs half a gigabyte and a quarter of a minute.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test or bench fails by panicking and tells by printing"
)]

mod alerts;
mod backfills;
mod bulk;
mod choosing;
mod cli;
mod collector;
mod concurrency;
mod contracts;
mod differences;
mod faults;
mod feature_store;
mod feature_views;
mod firing;
mod fleet;
mod fuzz;
mod hooks;
mod http;
mod ingest;
mod invalid;
mod items;
mod iterations;
mod manual;
mod mlflow;
mod notices;
mod online;
#[cfg(feature = "steps")]
mod parameters;
mod pipelines;
mod pools;
mod receiver;
mod reproduction;
mod retention;
mod revision;
mod schema;
mod serve;
mod telemetry;
mod triggers;
mod uses;
#[cfg(feature = "steps")]
mod validation;
mod yard;
