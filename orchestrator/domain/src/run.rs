//! A run as state, events and decisions.

pub mod definition;
pub mod event;

pub use definition::*;
pub use event::{Event, RunOutcome, SkipReason, What};
