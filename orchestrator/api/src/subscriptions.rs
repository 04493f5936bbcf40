//! `/api/v1/notices/subscriptions`: who hears of what.

use crate::app::Shared;
use crate::auth::Principal;
use crate::channels::{changed, named};
use crate::documents::{Accepted, instant};
use crate::extract::{Body, Named};
use crate::problem::{Problem, cut};
use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use trainyard_domain::notice::{Address, Subscription};
use trainyard_store::StoredSubscription;
use utoipa::ToSchema;

/// All subscriptions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriptionList {
    subscriptions: Vec<SubscriptionDocument>,
}

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriptionDocument {
    name: String,
    #[serde(flatten)]
    rule: SubscriptionRule,
    /// `file` or `api`.
    declared_by: String,
    changed_at: String,
    changed_by: String,
}

/// Who hears of what. Each list that is not empty has to have what happened.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriptionRule {
    /// Kinds of events: `run.failed`, `model.*`, `*`.
    #[schema(min_items = 1)]
    events: Vec<String>,
    /// Channels of the project that hear of them, as `notify.NAME`.
    #[schema(min_items = 1)]
    to: Vec<String>,
    /// Only of these pipelines.
    #[serde(default)]
    pipelines: Vec<String>,
    /// Only in these environments.
    #[serde(default)]
    environments: Vec<String>,
    /// Only of these models.
    #[serde(default)]
    models: Vec<String>,
    /// Only of what these own.
    #[serde(default)]
    owners: Vec<String>,
    /// Only of what these people have asked for or done.
    #[serde(default)]
    people: Vec<String>,
}

impl TryFrom<SubscriptionRule> for Subscription {
    type Error = Problem;
    fn try_from(rule: SubscriptionRule) -> Result<Self, Problem> {
        let wrong = |error: String| Problem::refused("subscription-invalid", error);
        if rule.events.is_empty() || rule.to.is_empty() {
            return Err(wrong("`events` and `to` have at least one each".to_owned()));
        }
        let events = rule.events.iter().map(|kinds| kinds.parse());
        let to = rule.to.iter().map(|channel| channel.parse());
        Ok(Self {
            events: events
                .collect::<Result<_, trainyard_domain::notice::InvalidKinds>>()
                .map_err(|error| wrong(error.to_string()))?,
            to: to
                .collect::<Result<_, trainyard_domain::notice::InvalidChannel>>()
                .map_err(|error| wrong(error.to_string()))?,
            pipelines: rule.pipelines,
            environments: rule.environments,
            models: rule.models,
            owners: rule.owners,
            people: rule.people,
        })
    }
}

impl From<StoredSubscription> for SubscriptionDocument {
    fn from(known: StoredSubscription) -> Self {
        let of = known.subscription;
        Self {
            name: known.name,
            rule: SubscriptionRule {
                events: of.events.into_iter().map(String::from).collect(),
                to: of.to.into_iter().map(String::from).collect(),
                pipelines: of.pipelines,
                environments: of.environments,
                models: of.models,
                owners: of.owners,
                people: of.people,
            },
            declared_by: known.declared_by.as_str().to_owned(),
            changed_at: instant(known.changed_at),
            changed_by: known.changed_by,
        }
    }
}

/// Who hears of what.
#[utoipa::path(
    get, path = "/api/v1/notices/subscriptions", tag = "notices", operation_id = "list_subscriptions",
    responses((status = 200, body = SubscriptionList), Problem)
)]
pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<SubscriptionList>, Problem> {
    let subscriptions = app.read(|store| Ok(store.subscriptions()?)).await?;
    Ok(Json(SubscriptionList {
        subscriptions: subscriptions
            .into_iter()
            .map(SubscriptionDocument::from)
            .collect(),
    }))
}

/// Makes or changes a subscription.
#[utoipa::path(
    put, path = "/api/v1/notices/subscriptions/{subscription}", tag = "notices", operation_id = "put_subscription",
    params(("subscription" = String, Path, description = "Its name")),
    request_body = SubscriptionRule,
    responses((status = 200, body = Accepted), Problem)
)]
pub(crate) async fn put(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Named(name): Named<String>,
    Body(rule): Body<SubscriptionRule>,
) -> Result<Json<Accepted>, Problem> {
    named(&name)?;
    let subscription = Subscription::try_from(rule)?;
    let message = format!("`{name}` hears of what happens from now on");
    app.write(move |app, store| {
        for to in &subscription.to {
            if store.channel(&Address::of_project(to.name()))?.is_none() {
                let what = format!("the project has no channel `{}`", to.name());
                return Err(Problem::refused("subscription-invalid", what));
            }
        }
        let now = (app.clock)();
        let done = store.put_subscription(&name, &subscription, &principal.name, now)?;
        changed(done, "subscription", &name)
    })
    .await?;
    Ok(Json(Accepted { message }))
}

/// Removes a subscription that was made here.
#[utoipa::path(
    delete, path = "/api/v1/notices/subscriptions/{subscription}", tag = "notices", operation_id = "remove_subscription",
    params(("subscription" = String, Path, description = "Its name")),
    responses((status = 200, body = Accepted), Problem)
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    Named(name): Named<String>,
) -> Result<Json<Accepted>, Problem> {
    let message = format!("the subscription `{}` is gone", cut(&name));
    app.write(move |_, store| changed(store.remove_subscription(&name)?, "subscription", &name))
        .await?;
    Ok(Json(Accepted { message }))
}
