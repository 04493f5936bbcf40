//! The store from outside: what every backend must do, and what this one does under faults.

#[macro_use]
mod conformance;
mod material;
mod sqlite;
