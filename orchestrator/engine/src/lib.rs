//! The shell around the pure domain: news in, decisions committed, actions out.

mod admission;
mod code;
mod deployed;
mod disk_files;
mod engine;
mod environments;
mod facts;
mod features;
pub mod fingerprint;
mod foresee;
mod history;
mod lineage;
mod memory;
mod observe;
mod prepare;
mod registered;
mod retention;

pub use admission::{Admitted, admit};
pub use code::{
    Checkout, GitError, RevisionError, RevisionFiles, Versions, Workplace, remove_old_checkouts, versions_in,
};
pub use deployed::deployed;
pub use disk_files::{DiskFiles, PROJECT_FILE, pipeline_files};
pub use engine::{Driven, Engine, EngineError, Interrupts, Setup};
pub use environments::difference;
pub use facts::{Facts, surroundings_of};
pub use foresee::{Outlook, asks_to_foresee, with_gates};
pub use history::history;
pub use observe::Observation;
pub use registered::registered_by;
pub use retention::{Sweeper, Swept, removable};
