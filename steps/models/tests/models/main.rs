//! Models as their users see them: what they learn, that they are the same every time, and that
//! their files survive everything.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not seen as tests"
)]

mod algorithms;
mod calibration;
mod clusters;
mod fairness;
mod file;
mod golden;
mod learning;
mod metrics;
mod preprocessing;
mod same_bytes;
mod sets;
mod trees;
