//! The shell around the pure domain: news in, decisions committed, actions out.

mod engine;
mod facts;
pub mod fingerprint;
mod lineage;
mod memory;
mod observe;
mod prepare;

pub use engine::{Driven, Engine, EngineError, Interrupts, Setup};
pub use facts::Facts;
pub use observe::Observation;
