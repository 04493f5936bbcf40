//! `/api/v1/models`.

use crate::app::Shared;
use crate::documents::instant;
use crate::extract::Named;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use trainyard_store::{ModelSummary, ModelVersion};
use utoipa::ToSchema;

/// Models by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    models: Vec<ModelLine>,
}

/// A model as a line of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelLine {
    name: String,
    created_at: String,
    /// The highest version.
    latest: u32,
    /// Alias → version.
    aliases: BTreeMap<String, u32>,
}

impl From<ModelSummary> for ModelLine {
    fn from(model: ModelSummary) -> Self {
        Self {
            name: model.name,
            created_at: instant(model.created_at),
            latest: model.latest,
            aliases: model.aliases.into_iter().collect(),
        }
    }
}

/// A model with its versions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelDocument {
    name: String,
    versions: Vec<VersionDocument>,
}

/// A version of a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionDocument {
    name: String,
    version: u32,
    aliases: Vec<String>,
    created_at: String,
    /// The run that made it.
    run: String,
    /// The step instance that registered it.
    instance: String,
    /// Hash of the model file.
    hash: String,
    /// Bytes of the model file.
    size: u64,
    #[schema(value_type = Object)]
    metrics: IndexMap<String, Value>,
    description: Option<String>,
    #[schema(value_type = Object)]
    tags: Value,
    /// What it takes and gives.
    #[schema(value_type = Object)]
    signature: Value,
    /// Role → hash of what belongs to it.
    attachments: BTreeMap<String, String>,
}

impl VersionDocument {
    fn of(version: ModelVersion) -> Result<Self, Problem> {
        let draft = version.draft;
        let tags =
            serde_json::to_value(&draft.tags).map_err(|error| Problem::internal("write a model", &error))?;
        Ok(Self {
            name: version.name,
            version: version.version,
            aliases: version.aliases,
            created_at: instant(version.created_at),
            run: version.run.to_string(),
            instance: version.instance,
            hash: draft.model.hash.to_string(),
            size: draft.model.size,
            metrics: draft
                .metrics
                .iter()
                .map(|(name, value)| (name.clone(), Value::from(*value)))
                .collect(),
            description: draft.description,
            tags,
            signature: draft.signature,
            attachments: draft
                .attachments
                .iter()
                .map(|(role, artifact)| (role.clone(), artifact.hash.to_string()))
                .collect(),
        })
    }
}

/// All models.
#[utoipa::path(
    get, path = "/api/v1/models", tag = "models", operation_id = "list_models",
    responses((status = 200, body = ModelList), Problem)
)]
pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<ModelList>, Problem> {
    let models = app.read(|store| Ok(store.models()?)).await?;
    Ok(Json(ModelList {
        models: models.into_iter().map(ModelLine::from).collect(),
    }))
}

/// One model with its versions.
#[utoipa::path(
    get, path = "/api/v1/models/{model}", tag = "models", operation_id = "show_model",
    params(("model" = String, Path, description = "Name of the model")),
    responses((status = 200, body = ModelDocument), Problem)
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Named(name): Named<String>,
) -> Result<Json<ModelDocument>, Problem> {
    let wanted = name.clone();
    let versions = app.read(move |store| Ok(store.model_versions(&wanted)?)).await?;
    Ok(Json(ModelDocument {
        name,
        versions: versions
            .into_iter()
            .map(VersionDocument::of)
            .collect::<Result<_, _>>()?,
    }))
}

/// One version of a model.
#[utoipa::path(
    get, path = "/api/v1/models/{model}/versions/{version}", tag = "models", operation_id = "show_model_version",
    params(
        ("model" = String, Path, description = "Name of the model"),
        ("version" = String, Path, description = "Number, alias, or `latest`"),
    ),
    responses((status = 200, body = VersionDocument), Problem)
)]
pub(crate) async fn version(
    State(app): State<Shared>,
    Named((name, version)): Named<(String, String)>,
) -> Result<Json<VersionDocument>, Problem> {
    let found = app
        .read(move |store| Ok(store.model_version(&name, &version)?))
        .await?;
    Ok(Json(VersionDocument::of(found)?))
}
