//! All routes, and the document that describes them, from the same declarations.

use crate::app::Shared;
use crate::problem::Problem;
use crate::{
    alerts, approvals, backfills, bulk, channels, download, events, features, guard, health, hooks, lineage,
    logs, manual, mlflow, models, notices, pipelines, runs, steering, subscriptions, triggers,
};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Json, Router};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// No body is larger, but for hooks, which have their own limit.
const LARGEST_BODY: usize = 1 << 20;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Trainyard",
        description = "Pipelines, runs, approvals, models and lineage of one project. Errors are problem documents (RFC 9457) with a stable `code`. Times are RFC 3339 in UTC. Requests that change something say `Content-Type: application/json`."
    ),
    components(schemas(crate::problem::ProblemDocument)),
    tags(
        (name = "pipelines", description = "Definitions as the project folder holds them"),
        (name = "runs", description = "What runs, ran and waits to run"),
        (name = "backfills", description = "Runs for ticks of the past"),
        (name = "approvals", description = "Gates that wait for people"),
        (name = "triggers", description = "What starts runs by itself; webhooks are called at `/hooks/…` as their pipelines say"),
        (name = "models", description = "The model registry"),
        (name = "notices", description = "Who hears of what, what was delivered and what was not"),
        (name = "features", description = "The feature store online: lookups and pushes, in Feast's shape and in ours"),
        (name = "lineage", description = "From source column to model and back"),
        (name = "server", description = "Health, metrics, events"),
    )
)]
struct Document;

fn api() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(pipelines::list))
        .routes(routes!(pipelines::show))
        .routes(routes!(pipelines::params))
        .routes(routes!(pipelines::plan))
        .routes(routes!(pipelines::pause))
        .routes(routes!(pipelines::resume))
        .routes(routes!(runs::list, runs::create))
        .routes(routes!(bulk::actions))
        .routes(routes!(runs::show))
        .routes(routes!(runs::events))
        .routes(routes!(steering::cancel))
        .routes(routes!(steering::retry))
        .routes(routes!(steering::resume))
        .routes(routes!(logs::read))
        .routes(routes!(download::output))
        .routes(routes!(backfills::list, backfills::create))
        .routes(routes!(backfills::plan))
        .routes(routes!(backfills::show))
        .routes(routes!(backfills::ticks))
        .routes(routes!(backfills::pause))
        .routes(routes!(backfills::resume))
        .routes(routes!(backfills::cancel))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::answer))
        .routes(routes!(models::list))
        .routes(routes!(models::show))
        .routes(routes!(models::version))
        .merge(features::routes())
        .routes(routes!(lineage::show))
        .routes(routes!(triggers::list))
        .routes(routes!(triggers::history))
        .routes(routes!(manual::show, manual::start))
        .routes(routes!(alerts::breach))
        .routes(routes!(notices::list))
        .routes(routes!(notices::resend_dead))
        .routes(routes!(notices::show))
        .routes(routes!(notices::resend))
        .routes(routes!(channels::list))
        .routes(routes!(channels::put, channels::remove))
        .routes(routes!(channels::test))
        .routes(routes!(subscriptions::list))
        .routes(routes!(subscriptions::put, subscriptions::remove))
        .routes(routes!(events::stream))
        .routes(routes!(health::server))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

/// The OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    finished(api().into_openapi())
}

fn finished(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    document.info.version = "1".to_owned();
    document.info.license = None;
    document.info.contact = None;
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token of `trainyard tokens create`; not needed while there is none.",
        ))
        .build();
    document
        .components
        .get_or_insert_default()
        .security_schemes
        .insert("token".to_owned(), SecurityScheme::Http(bearer).into());
    document
}

/// Everything the server answers.
pub(crate) fn router(app: &Shared) -> Router {
    let (router, document) = api().split_for_parts();
    let document = finished(document);
    router
        .route(
            "/api/openapi.json",
            axum::routing::get(move || async move { Json(document) }),
        )
        .route("/", axum::routing::get(health::page))
        .route("/hooks/{*path}", axum::routing::post(hooks::call))
        .fallback(|| async { Problem::not_found("not-found", "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "this address does not take that method",
            )
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(guard::tag))
        .merge(mlflow::routes())
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .layer(from_fn_with_state(app.clone(), guard::envelope))
        .with_state(app.clone())
}
