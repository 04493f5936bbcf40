//! How good groups are: by distances alone, or beside known classes.

mod agreement;
mod separation;

pub use agreement::{Agreement, InformationAverage};
pub use separation::Clusters;
