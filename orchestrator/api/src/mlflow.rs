//! What MLflow's clients ask: `/api/2.0/mlflow/…`, `/ajax-api/2.0/mlflow/…`, `/api/2.0/mlflow-artifacts/…` and
//! what belongs to them at other addresses.
//!
//! Requests and answers are not our own, so neither are their errors: `{"error_code", "message"}`. Reads have a
//! connection of their own; writes go through [`writer`], where those of many clients share a commit.

mod artifacts;
mod dispatch;
mod experiments;
mod failure;
mod fields;
mod history;
mod logged_models;
mod logging;
mod models;
mod reading;
mod runs;
mod shapes;
mod source;
mod versions;
mod writer;

pub(crate) use dispatch::{is_mlflow, is_reading, routes, takes_other_bodies, takes_time};
pub(crate) use failure::Failure;
pub(crate) use writer::TrackingWriter;
