//! `model-versions/…`.

use super::failure::Failure;
use super::fields::Fields;
use super::models::{check_tag, model_name};
use super::reading::{next_page, search};
use super::shapes::{One, Page, VersionShape, body, nothing};
use super::source::check_source;
use crate::app::Shared;
use crate::auth::Principal;
use axum::body::Bytes;
use trainyard_domain::tracking::limits::PageLimit;
use trainyard_domain::tracking::{Dialect, Refusal, name};
use trainyard_store::tracking::{NewVersion, Stage, Tracking, TrackingError, VersionRecord};

/// A version with what its logged model says of itself.
pub(super) fn with_model(tracking: &Tracking<'_>, record: &VersionRecord) -> Result<Bytes, TrackingError> {
    let model = match &record.logged_model {
        None => None,
        Some(id) => match tracking.logged_model(id) {
            Ok(model) => Some(model),
            // It may have been deleted since.
            Err(TrackingError::Refused(_)) => None,
            Err(error) => return Err(error),
        },
    };
    body(&One("model_version", VersionShape::of(record, model.as_ref())))
}

/// Name and number of the version, checked.
fn version_of(fields: &Fields) -> Result<(String, String), Failure> {
    let called = model_name(fields)?;
    let version = match fields.value("version") {
        Some(serde_json::Value::Number(number)) => number.to_string(),
        _ => fields.required("version")?.to_owned(),
    };
    name::version_number(&version)?;
    Ok((called, version))
}

/// A tag of versions that says they are prompts, whose source is a text and not an address.
const IS_PROMPT: &str = "mlflow.prompt.is_prompt";

pub(super) async fn create(app: &Shared, who: &Principal, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let source = fields.required("source")?.to_owned();
    let word = |name| -> Result<Option<String>, Failure> { Ok(fields.word(name)?.map(str::to_owned)) };
    let (run_id, run_link) = (word("run_id")?, word("run_link")?);
    let (description, model_id) = (word("description")?, word("model_id")?);
    let tags = fields.pairs("tags")?;
    for (key, value) in &tags {
        check_tag(key, value)?;
    }
    let is_prompt = tags
        .iter()
        .any(|(key, value)| key == IS_PROMPT && value == "true");
    let user = who.name.clone();
    let at = (app.clock)();
    app.track(move |tracking| {
        if !is_prompt {
            check_source(tracking, &source, run_id.as_deref(), model_id.as_deref())?;
        }
        // What the source is a name for now, it names for good: aliases and versions move.
        let named = source
            .strip_prefix("models:/")
            .filter(|rest| !rest.starts_with("m-"));
        let resolved = match named.and_then(|rest| rest.rsplit_once('/')) {
            Some((model, version)) if !is_prompt => Some(tracking.version(model, version)?),
            _ => None,
        };
        let model_id = model_id
            .clone()
            .or_else(|| resolved.as_ref().and_then(|record| record.logged_model.clone()));
        let run_id = run_id
            .clone()
            .or_else(|| resolved.as_ref().and_then(|record| record.run_id.clone()));
        let new = NewVersion {
            name: &called,
            source: &source,
            run_id: run_id.as_deref(),
            run_link: run_link.as_deref(),
            logged_model: model_id.as_deref(),
            description: description.as_deref(),
            user: &user,
            tags: &tags,
        };
        let known = match &model_id {
            Some(id) => Some(tracking.logged_model(id)?),
            None => None,
        };
        let record = tracking.create_version(&new, at)?;
        if let Some(model) = known {
            let before = model.tags.iter().find(|(key, _)| key == VERSIONS_TAG);
            let listed = listed(before.map(|(_, value)| value.as_str()), &record);
            tracking.tag_logged_model(&model.id, &[(VERSIONS_TAG.to_owned(), listed)])?;
        }
        with_model(tracking, &record)
    })
    .await
}

/// The tag of a logged model that lists the versions made from it.
const VERSIONS_TAG: &str = "mlflow.modelVersions";

/// The list with one more, spaced as clients write it.
fn listed(before: Option<&str>, record: &VersionRecord) -> String {
    let mut all: Vec<serde_json::Value> = before
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    all.push(serde_json::json!({ "name": record.name, "version": record.version }));
    let texts: Vec<String> = all
        .iter()
        .map(|one| format!("{{\"name\": {}, \"version\": {}}}", one["name"], one["version"]))
        .collect();
    format!("[{}]", texts.join(", "))
}

pub(super) async fn get(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let (called, version) = version_of(fields)?;
    app.tracked(move |tracking| {
        let record = tracking.version(&called, &version)?;
        with_model(tracking, &record)
    })
    .await
}

pub(super) async fn update(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let (called, version) = version_of(fields)?;
    let description = fields.text("description")?.map(str::to_owned);
    let at = (app.clock)();
    app.track(move |tracking| {
        let record = tracking.describe_version(&called, &version, description.as_deref(), at)?;
        with_model(tracking, &record)
    })
    .await
}

pub(super) async fn move_to_stage(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let (called, version) = version_of(fields)?;
    let stage = Stage::parse(fields.required("stage")?)?;
    let archive = fields.bool("archive_existing_versions")?.unwrap_or(false);
    let at = (app.clock)();
    app.track(move |tracking| {
        let record = tracking.move_version(&called, &version, stage, archive, at)?;
        with_model(tracking, &record)
    })
    .await
}

pub(super) async fn delete(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let (called, version) = version_of(fields)?;
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.delete_version(&called, &version, at)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn find(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let search = search(fields, Dialect::Versions, PageLimit::VERSIONS)?;
    app.tracked(move |tracking| {
        let mut found = tracking.search_versions(&search)?;
        let next = next_page(&search, &mut found);
        let items: Vec<_> = found
            .iter()
            .map(|record| VersionShape::of(record, None))
            .collect();
        body(&Page {
            name: "model_versions",
            items: &items,
            next,
        })
    })
    .await
}

pub(super) async fn download_uri(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let (called, version) = version_of(fields)?;
    app.tracked(move |tracking| {
        let record = tracking.version(&called, &version)?;
        let address = match record.source.strip_prefix("models:/") {
            Some(id) if id.starts_with("m-") => tracking.logged_model(id)?.location,
            Some(rest) => match rest.rsplit_once('/') {
                Some((model, version)) => tracking.version(model, version)?.source,
                None => return Err(Refusal::missing(format!("Nothing is at '{}'", record.source)).into()),
            },
            None => record.source,
        };
        body(&One("artifact_uri", address))
    })
    .await
}

pub(super) async fn set_tag(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let (called, version) = version_of(fields)?;
    let key = fields.required("key")?.to_owned();
    let value = fields.text("value")?.unwrap_or_default().to_owned();
    check_tag(&key, &value)?;
    app.track(move |tracking| {
        tracking.tag_version(&called, &version, &key, &value)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn delete_tag(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let (called, version) = version_of(fields)?;
    let key = fields.required("key")?.to_owned();
    check_tag(&key, "")?;
    app.track(move |tracking| {
        tracking.untag_version(&called, &version, &key)?;
        Ok(nothing())
    })
    .await
}
