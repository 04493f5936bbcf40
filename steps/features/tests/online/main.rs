//! What every online store does, and what the embedded one survives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and whoever reads its log is to know what was left out"
)]

mod conformance;
mod embedded;
mod rows;
mod servers;
