//! `logged-models/…`.

use super::failure::Failure;
use super::fields::Fields;
use super::reading::next_page;
use super::shapes::{LoggedModelShape, One, Page, body, nothing};
use crate::app::Shared;
use crate::random;
use axum::body::Bytes;
use serde_json::Value;
use trainyard_domain::tracking::filter::Subject;
use trainyard_domain::tracking::limits::PageLimit;
use trainyard_domain::tracking::{Attribute, Dialect, Filter, Order, page};
use trainyard_store::tracking::{ModelState, NewLoggedModel, Search, View};

pub(super) async fn create(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let experiment = fields.required("experiment_id")?.to_owned();
    let word = |name| -> Result<Option<String>, Failure> { Ok(fields.word(name)?.map(str::to_owned)) };
    let (called, kind, source_run) = (word("name")?, word("model_type")?, word("source_run_id")?);
    let (params, tags) = (fields.pairs("params")?, fields.pairs("tags")?);
    let bytes = random::bytes::<16>().map_err(|error| Failure::internal("name a model", &error))?;
    let id = format!("m-{}", random::hex(&bytes));
    let at = (app.clock)();
    app.track(move |tracking| {
        let new = NewLoggedModel {
            id: &id,
            experiment: &experiment,
            name: called.as_deref().unwrap_or(&id),
            kind: kind.as_deref(),
            source_run: source_run.as_deref(),
            params: &params,
            tags: &tags,
        };
        let model = tracking.create_logged_model(&new, at)?;
        body(&One("model", LoggedModelShape::from(&model)))
    })
    .await
}

pub(super) async fn get(app: &Shared, id: &str) -> Result<Bytes, Failure> {
    let id = id.to_owned();
    app.tracked(move |tracking| {
        let model = tracking.logged_model(&id)?;
        body(&One("model", LoggedModelShape::from(&model)))
    })
    .await
}

pub(super) async fn finish(app: &Shared, id: &str, fields: &Fields) -> Result<Bytes, Failure> {
    let id = id.to_owned();
    let status = match fields.value("status") {
        Some(Value::Number(number)) => match number.as_i64() {
            Some(1) => Some(ModelState::Pending),
            Some(2) => Some(ModelState::Ready),
            Some(3) => Some(ModelState::UploadFailed),
            _ => None,
        },
        _ => ModelState::parse(fields.required("status")?),
    };
    let Some(status) = status else {
        return Err(super::fields::wrong(
            "status",
            fields.value("status").unwrap_or_default(),
        ));
    };
    let at = (app.clock)();
    app.track(move |tracking| {
        let model = tracking.finish_logged_model(&id, status, at)?;
        body(&One("model", LoggedModelShape::from(&model)))
    })
    .await
}

pub(super) async fn delete(app: &Shared, id: &str) -> Result<Bytes, Failure> {
    let id = id.to_owned();
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.delete_logged_model(&id, at)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn log_params(app: &Shared, id: &str, fields: &Fields) -> Result<Bytes, Failure> {
    let id = id.to_owned();
    let params = fields.pairs("params")?;
    app.track(move |tracking| {
        tracking.log_model_params(&id, &params)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn set_tags(app: &Shared, id: &str, fields: &Fields) -> Result<Bytes, Failure> {
    let id = id.to_owned();
    let tags = fields.pairs("tags")?;
    app.track(move |tracking| {
        let model = tracking.tag_logged_model(&id, &tags)?;
        body(&One("model", LoggedModelShape::from(&model)))
    })
    .await
}

pub(super) async fn delete_tag(app: &Shared, id: &str, key: &str) -> Result<Bytes, Failure> {
    let (id, key) = (id.to_owned(), key.to_owned());
    app.track(move |tracking| {
        tracking.untag_logged_model(&id, &key)?;
        Ok(nothing())
    })
    .await
}

fn order(value: &Value) -> Result<Order, Failure> {
    let Some(field) = value["field_name"].as_str() else {
        return Err(Failure::invalid(
            "`field_name` in the `order_by` clause must be specified.",
        ));
    };
    let by = match Dialect::LoggedModels.subject(field) {
        Ok(by @ (Subject::Metric(_) | Subject::Attribute(_))) => by,
        Ok(_) => {
            return Err(Failure::invalid(format!(
                "Invalid order by field name: {field}. Only metrics are supported."
            )));
        }
        Err(_) => {
            return Err(Failure::invalid(format!("Invalid order by field name: {field}")));
        }
    };
    let text = |name: &str| {
        value[name]
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    Ok(Order {
        by,
        descending: value["ascending"] == false,
        dataset: (text("dataset_name"), text("dataset_digest")),
    })
}

pub(super) async fn find(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let ids = fields.texts("experiment_ids")?;
    let size = PageLimit::LOGGED_MODELS.size(fields.int("max_results")?)?;
    let mut order: Vec<Order> = fields
        .list("order_by")?
        .iter()
        .map(order)
        .collect::<Result<_, _>>()?;
    if order.is_empty() {
        order.push(Order::by(Attribute::CreatedAt, true));
    }
    let datasets: Vec<(String, Option<String>)> = fields
        .list("datasets")?
        .iter()
        .map(|dataset| {
            let text = |name: &str| {
                dataset[name]
                    .as_str()
                    .filter(|text| !text.is_empty())
                    .map(str::to_owned)
            };
            let called = text("dataset_name").ok_or_else(|| {
                Failure::invalid("`dataset_name` in the `datasets` clause must be specified.")
            })?;
            Ok((called, text("dataset_digest")))
        })
        .collect::<Result<_, Failure>>()?;
    let filter = Filter::parse(Dialect::LoggedModels, fields.text("filter")?.unwrap_or_default())?;
    let search = Search {
        experiments: ids.iter().filter_map(|id| id.parse().ok()).collect(),
        filter,
        datasets,
        order,
        view: View::Active,
        limit: size + 1,
        offset: page::offset(fields.text("page_token")?)?,
    };
    app.tracked(move |tracking| {
        let mut found = tracking.search_logged_models(&search)?;
        let next = next_page(&search, &mut found);
        let items: Vec<_> = found.iter().map(LoggedModelShape::from).collect();
        body(&Page {
            name: "models",
            items: &items,
            next,
        })
    })
    .await
}
