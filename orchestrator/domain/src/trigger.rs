//! What starts runs: when, why, with which params, and what holds them back. Pure: the engine hands
//! in the time and what happened, keeps the state that comes back and starts the runs.

mod calendar;
mod cron;
mod describe;
mod jitter;
pub mod schedule;
mod wall;

pub use cron::{Cron, CronFault};
pub use describe::describe;
pub use jitter::start_of;
pub use schedule::{Change, Occurrence, Schedule, ScheduleFault};
