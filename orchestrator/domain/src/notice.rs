//! Who hears of what: which happenings a run's events are, who has subscribed to them, when a delivery
//! that failed is tried again, and what is told in one notice because it would be too many. Pure.
//!
//! ```text
//! event ─of_run▶ happening ─Subscription::wants▶ channels ──▶ notices, kept with the event
//!                                                              │ sent at the edge
//!                                                 after_failure, portion ◀─┘
//! ```

mod address;
mod happening;
mod kind;
mod of_run;
mod portion;
mod retry;
mod subscription;
mod told;

#[cfg(test)]
mod tests;

pub use address::{Forbidden, allowed};
pub use happening::{About, Happening};
pub use kind::{InvalidKinds, Kind, Kinds};
pub use of_run::{of_run, queued};
pub use portion::{Folded, Portion, portion};
pub use retry::{Answer, MOST_TRIES, Next, after_failure};
pub use subscription::{Address, ChannelName, Declared, InvalidChannel, RunNotices, Subscription};
pub use told::{Held, Registered, Said, alias_moved, breached, folded, held, message, registered, test};
