//! Pipelines: from text to a definition in which nothing unresolved can stand.

pub mod files;
mod reader;
pub mod spec;

pub use files::{FileFault, Files};
