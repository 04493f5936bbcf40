//! Delivers notices: takes them from the outbox in the store, sends them, and says what became of them.
//!
//! At least once: a notice that was sent and not settled, because the process died in between, is sent
//! again, under the same id. Nothing here decides who hears of what, or when something is tried again; the
//! domain does.

mod deliverer;
mod event;
mod file;
mod guard;
mod http;
mod mail;
mod signature;
mod slack;
mod webhook;

pub use deliverer::{Deliverer, DelivererError, Round, Setup, describe};
