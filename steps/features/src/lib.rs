//! The feature store's own parts, without tables of polars: what training and serving share, so that a value is the
//! same in both.
//!
//! Definitions are in `trainyard_contract::feature`. This crate knows nothing of steps, runs or files of the project.

pub mod offline;
pub mod point_in_time;

/// On-demand expressions.
pub use trainyard_expressions as expression;
