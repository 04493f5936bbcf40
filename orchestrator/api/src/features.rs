//! The feature store online: lookups and pushes, in Feast's shape and in ours.

mod answer;
mod columns;
pub(crate) mod desk;
pub(crate) mod feast;
mod files;
mod gather;
mod local;
pub(crate) mod lookup;
pub(crate) mod materialise;
mod on_demand;
mod plan;
pub(crate) mod push;
mod pusher;

use crate::app::Shared;
use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use files::read as read_definitions;
use files::{stamps, with_versions};
pub use local::{FeatureError, FeatureQuestion, FeatureStore, PushTo};
pub use materialise::{Materialise, MaterialiseOrder};

/// Rows that are pushed at once are no larger, and neither are questions.
const LARGEST_PUSH: usize = 32 << 20;

/// Addresses that are asked by `POST` and change nothing.
pub(crate) fn only_looks(path: &str) -> bool {
    matches!(path, "/get-online-features" | "/api/v1/features/lookup")
}

/// Reads the definitions anew if their files have changed, and asks which versions their views are.
pub(crate) fn scan(app: &Shared) {
    let root = app.project.root();
    app.features.read(stamps(root), || read_definitions(root));
    let versioned = app
        .connections
        .with(|store| Ok(with_versions(app.features.written(), store)?));
    match versioned {
        Ok(definitions) => app.features.define(definitions),
        Err(problem) => tracing::warn!(problem = problem.detail(), "feature_versions_not_read"),
    }
}

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(feast::get_online_features))
        .routes(routes!(feast::health))
        .routes(routes!(lookup::lookup))
        .routes(routes!(push::push))
        .routes(routes!(push::write_to_online_store))
        .routes(routes!(materialise::materialize))
        .routes(routes!(materialise::materialize_incremental))
        .layer(DefaultBodyLimit::max(LARGEST_PUSH))
}

#[cfg(test)]
mod tests;
