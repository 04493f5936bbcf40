//! `registered-models/…`.

use super::failure::Failure;
use super::fields::Fields;
use super::reading::{next_page, search};
use super::shapes::{ModelShape, One, Page, VersionShape, body, nothing};
use crate::app::Shared;
use axum::body::Bytes;
use trainyard_domain::tracking::limits::{self, PageLimit};
use trainyard_domain::tracking::{Dialect, Refusal, name};
use trainyard_store::tracking::Stage;

/// Checks a tag of the registry.
pub(super) fn check_tag(key: &str, value: &str) -> Result<(), Refusal> {
    name::check_key(key, "key", "key")?;
    name::check_length("value", limits::REGISTRY_TAG_VALUE, value)
}

/// The model's name, checked.
pub(super) fn model_name(fields: &Fields) -> Result<String, Failure> {
    let called = fields.required("name")?;
    name::check_model_name(called, "name")?;
    Ok(called.to_owned())
}

pub(super) async fn create(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let description = fields.word("description")?.map(str::to_owned);
    let tags = fields.pairs("tags")?;
    for (key, value) in &tags {
        check_tag(key, value)?;
    }
    let at = (app.clock)();
    app.track(move |tracking| {
        let model = tracking.create_model(&called, description.as_deref(), &tags, at)?;
        body(&One("registered_model", ModelShape::from(&model)))
    })
    .await
}

pub(super) async fn get(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    app.tracked(move |tracking| {
        let model = tracking.registered_model(&called)?;
        body(&One("registered_model", ModelShape::from(&model)))
    })
    .await
}

pub(super) async fn rename(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let new_name = fields.required("new_name")?.to_owned();
    let at = (app.clock)();
    app.track(move |tracking| {
        let model = tracking.rename_model(&called, &new_name, at)?;
        body(&One("registered_model", ModelShape::from(&model)))
    })
    .await
}

pub(super) async fn update(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let description = fields.text("description")?.map(str::to_owned);
    let at = (app.clock)();
    app.track(move |tracking| {
        let model = tracking.describe_model(&called, description.as_deref(), at)?;
        body(&One("registered_model", ModelShape::from(&model)))
    })
    .await
}

pub(super) async fn delete(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.delete_model(&called, at)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn find(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let search = search(fields, Dialect::Models, PageLimit::MODELS)?;
    app.tracked(move |tracking| {
        let mut found = tracking.search_models(&search)?;
        let next = next_page(&search, &mut found);
        let items: Vec<_> = found.iter().map(ModelShape::from).collect();
        body(&Page {
            name: "registered_models",
            items: &items,
            next,
        })
    })
    .await
}

pub(super) async fn newest(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let stages: Vec<Stage> = fields
        .texts("stages")?
        .iter()
        .map(|stage| Stage::parse(stage))
        .collect::<Result<_, _>>()?;
    app.tracked(move |tracking| {
        let mut model = tracking.registered_model(&called)?;
        model
            .newest
            .retain(|record| stages.is_empty() || stages.contains(&record.stage));
        let items: Vec<_> = model
            .newest
            .iter()
            .map(|record| VersionShape::of(record, None))
            .collect();
        body(&Page {
            name: "model_versions",
            items: &items,
            next: None,
        })
    })
    .await
}

pub(super) async fn set_tag(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let key = fields.required("key")?.to_owned();
    let value = fields.text("value")?.unwrap_or_default().to_owned();
    check_tag(&key, &value)?;
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.tag_model(&called, &key, &value, at)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn delete_tag(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let key = fields.required("key")?.to_owned();
    check_tag(&key, "")?;
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.untag_model(&called, &key, at)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn set_alias(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let alias = fields.required("alias")?.to_owned();
    let version = fields.required("version")?.to_owned();
    name::check_alias(&alias)?;
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.point_alias(&called, &alias, &version, at)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn delete_alias(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let alias = fields.required("alias")?.to_owned();
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.drop_alias(&called, &alias, at)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn by_alias(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let called = model_name(fields)?;
    let alias = fields.required("alias")?.to_owned();
    app.tracked(move |tracking| {
        let record = tracking.version_of_alias(&called, &alias)?;
        super::versions::with_model(tracking, &record)
    })
    .await
}
