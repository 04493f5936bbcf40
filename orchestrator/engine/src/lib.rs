//! The shell around the pure domain: news in, decisions committed, actions out.

mod admission;
mod disk_files;
mod engine;
mod facts;
pub mod fingerprint;
mod foresee;
mod lineage;
mod memory;
mod observe;
mod prepare;

pub use admission::{Admitted, admit};
pub use disk_files::{DiskFiles, PROJECT_FILE, pipeline_files};
pub use engine::{Driven, Engine, EngineError, Interrupts, Setup};
pub use facts::{Facts, surroundings_of};
pub use foresee::{Outlook, asks_to_foresee, with_gates};
pub use observe::Observation;
