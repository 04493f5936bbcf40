//! The shell around the pure domain: news in, decisions committed, actions out.

mod disk_files;
mod engine;
mod facts;
pub mod fingerprint;
mod lineage;
mod memory;
mod observe;
mod prepare;

pub use disk_files::{DiskFiles, PROJECT_FILE, pipeline_files};
pub use engine::{Driven, Engine, EngineError, Interrupts, Setup};
pub use facts::{Facts, surroundings_of};
pub use observe::Observation;
