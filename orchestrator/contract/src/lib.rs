//! What steps and orchestrator promise each other.
//!
//! Everything that crosses the wall between a built-in step and the rest of the product is here and
//! nowhere else: names, schemas and data contracts, artifacts and the object folder, the task and
//! report documents of an attempt, findings, and the [`Step`] trait. This crate needs nothing of
//! ours and changes slowly, because every other crate is rebuilt when it does.

pub mod artifact;
pub mod data_contract;
pub mod feature;
pub mod finding;
pub mod io;
pub mod location;
pub mod name;
pub mod objects;
pub mod odcs;
pub mod reading;
pub mod reference;
pub mod schema;
pub mod step;
pub mod task;
pub mod time;
pub mod trace;
pub mod yaml;

pub use artifact::{ArtifactKind, ArtifactRef, ContentHash, OutputValue};
pub use data_contract::DataContract;
pub use finding::{Finding, Path, Segment, Severity};
pub use io::StepIo;
pub use name::{InvalidName, PipelineName, RunId, StepName};
pub use objects::{ObjectError, Objects};
pub use reading::ReaderOptions;
pub use schema::{Column, ColumnOrigin, DataType, FitNote, KnownAt, Schema, TimeUnit};
pub use step::{
    Catalogue, Effect, InferRequest, Inference, InputPort, Memory, Ports, Runner, Shape, Signature, Step,
};
pub use task::{CurvePoint, Failure, FailureClass, StepError, TaskReport, TaskSpec};
pub use time::{ByteSize, Millis, Timestamp};
pub use trace::TraceContext;
