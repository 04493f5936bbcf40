//! The feature store online: lookups and pushes, in Feast's shape and in ours.

mod answer;
mod columns;
pub(crate) mod desk;
pub(crate) mod feast;
mod files;
mod gather;
mod local;
pub(crate) mod lookup;
mod on_demand;
mod plan;
pub(crate) mod push;
mod pusher;

use crate::app::Shared;
use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use files::read as read_definitions;
pub use local::{FeatureError, FeatureQuestion, FeatureStore, PushTo};

/// Rows that are pushed at once are no larger, and neither are questions.
const LARGEST_PUSH: usize = 32 << 20;

/// Addresses that are asked by `POST` and change nothing.
pub(crate) fn only_looks(path: &str) -> bool {
    matches!(path, "/get-online-features" | "/api/v1/features/lookup")
}

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(feast::get_online_features))
        .routes(routes!(feast::health))
        .routes(routes!(lookup::lookup))
        .routes(routes!(push::push))
        .routes(routes!(push::write_to_online_store))
        .layer(DefaultBodyLimit::max(LARGEST_PUSH))
}

#[cfg(test)]
mod tests;
