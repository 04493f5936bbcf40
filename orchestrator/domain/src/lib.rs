//! Every rule of the product, pure: no clock, disk, network, async or randomness.

mod avro;
pub mod backfill;
pub mod comparison;
pub mod diagnostic;
pub mod expression;
pub mod notice;
pub mod pipeline;
pub mod plan;
pub mod pool;
pub mod run;
pub mod tracking;
pub mod trigger;
