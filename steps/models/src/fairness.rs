//! Whether a model treats groups of people alike, as fairlearn measures it.
//!
//! [`Groups`] are rows that share the values of one or more sensitive columns. A [`MetricFrame`] is a
//! metric for each of them; [`Decisions`] gives the usual notions of parity of yes-or-no decisions,
//! [`calibration_within`] that of probabilities. What is undefined in a group (a true positive rate
//! where nobody is positive) is left out, not taken as 0, unless asked for.

mod calibration;
mod frame;
mod groups;
mod parity;

pub use calibration::{GroupCalibration, calibration_within};
pub use frame::{GroupValue, MetricFrame, Reference};
pub use groups::{Group, Groups, Sensitive};
pub use parity::{Decisions, Disparity, OddsAggregate};
