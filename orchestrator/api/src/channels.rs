//! `/api/v1/notices/channels`: where notices go. Who may say so can make this server speak to
//! others, which is for administrators.

use crate::app::Shared;
use crate::auth::Principal;
use crate::documents::{Accepted, instant};
use crate::extract::{Body, Named};
use crate::problem::{Problem, cut};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainyard_domain::notice::{self, Address, ChannelName};
use trainyard_domain::pipeline::spec::Channel;
use trainyard_store::{Changed, StoredChannel};
use utoipa::ToSchema;

/// All channels.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelList {
    channels: Vec<ChannelDocument>,
}

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelDocument {
    name: String,
    /// The pipeline that has it for itself; none: the project.
    pipeline: Option<String>,
    /// `slack`, `email`, `webhook` or `file`.
    #[serde(rename = "type")]
    kind: String,
    /// As declared; what is secret of it is named and does not stand here.
    #[schema(value_type = Object)]
    channel: Value,
    /// `file` or `api`.
    declared_by: String,
    changed_at: String,
    changed_by: String,
}

impl From<StoredChannel> for ChannelDocument {
    fn from(known: StoredChannel) -> Self {
        Self {
            name: known.address.channel,
            pipeline: known.address.pipeline,
            kind: known.channel.kind().to_owned(),
            channel: serde_json::to_value(&known.channel).unwrap_or_default(),
            declared_by: known.declared_by.as_str().to_owned(),
            changed_at: instant(known.changed_at),
            changed_by: known.changed_by,
        }
    }
}

/// Where notices go.
#[utoipa::path(
    get, path = "/api/v1/notices/channels", tag = "notices", operation_id = "list_channels",
    responses((status = 200, body = ChannelList), Problem)
)]
pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<ChannelList>, Problem> {
    let channels = app.read(|store| Ok(store.channels()?)).await?;
    Ok(Json(ChannelList {
        channels: channels.into_iter().map(ChannelDocument::from).collect(),
    }))
}

/// A channel to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelRequest {
    /// As it would stand under `notify:`, such as `{"type": "webhook", "url": "https://…", "secret": "hook_key"}`.
    #[schema(value_type = Object)]
    channel: Value,
}

/// The name of a channel or subscription in a path.
pub(crate) fn named(name: &str) -> Result<(), Problem> {
    format!("notify.{name}")
        .parse::<ChannelName>()
        .map(|_| ())
        .map_err(|_| {
            Problem::refused(
                "name-invalid",
                format!(
                    "`{}` is no name: a lower-case letter, then up to 62 of a-z, 0-9, `_`, `-`",
                    cut(name)
                ),
            )
        })
}

/// What came of a change.
pub(crate) fn changed(changed: Changed, what: &str, name: &str) -> Result<(), Problem> {
    let name = cut(name);
    match changed {
        Changed::Done => Ok(()),
        Changed::Unknown => Err(Problem::not_found(
            "notice-rule-not-found",
            format!("there is no {what} `{name}`"),
        )),
        Changed::OfFile => Err(Problem::conflict(
            "declared-by-file",
            format!("a file of the project declares the {what} `{name}`"),
        )
        .help("change it there")),
    }
}

/// Makes or changes a channel of the project.
#[utoipa::path(
    put, path = "/api/v1/notices/channels/{channel}", tag = "notices", operation_id = "put_channel",
    params(("channel" = String, Path, description = "Its name, without `notify.`")),
    request_body = ChannelRequest,
    responses((status = 200, body = Accepted), Problem)
)]
pub(crate) async fn put(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Named(name): Named<String>,
    Body(request): Body<ChannelRequest>,
) -> Result<Json<Accepted>, Problem> {
    principal.may_administer()?;
    named(&name)?;
    let channel: Channel = serde_json::from_value(request.channel).map_err(|error| {
        Problem::refused(
            "channel-invalid",
            format!("`channel` is not what is wanted: {error}"),
        )
    })?;
    if let Some(fault) = channel.fault() {
        return Err(Problem::refused("channel-invalid", fault.message).help(fault.help));
    }
    if matches!(channel, Channel::Email { smtp: None, .. }) {
        let problem = Problem::refused("channel-invalid", "no server takes its mails");
        return Err(problem.help("say which: `smtp: {host: …, from: …}`"));
    }
    let message = format!("notices to `{name}` go there from now on");
    app.write(move |app, store| {
        let now = (app.clock)();
        changed(
            store.put_channel(&name, &channel, &principal.name, now)?,
            "channel",
            &name,
        )
    })
    .await?;
    Ok(Json(Accepted { message }))
}

/// Removes a channel that was made here.
#[utoipa::path(
    delete, path = "/api/v1/notices/channels/{channel}", tag = "notices", operation_id = "remove_channel",
    params(("channel" = String, Path, description = "Its name, without `notify.`")),
    responses((status = 200, body = Accepted), Problem)
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Named(name): Named<String>,
) -> Result<Json<Accepted>, Problem> {
    principal.may_administer()?;
    let message = format!("the channel `{}` is gone", cut(&name));
    app.write(move |_, store| changed(store.remove_channel(&name)?, "channel", &name))
        .await?;
    Ok(Json(Accepted { message }))
}

/// Sends a notice that says nothing but that the channel works.
#[utoipa::path(
    post, path = "/api/v1/notices/channels/{channel}/test", tag = "notices", operation_id = "test_channel",
    params(("channel" = String, Path, description = "Its name, without `notify.`")),
    responses((status = 202, body = Accepted), Problem)
)]
pub(crate) async fn test(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Named(name): Named<String>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let message = format!("a test of `{}` is on its way", cut(&name));
    app.write(move |app, store| {
        let address = Address::of_project(&name);
        if store.channel(&address)?.is_none() {
            return changed(Changed::Unknown, "channel", &name);
        }
        let mut happening = notice::test(&name, &principal.name, (app.clock)());
        happening.to.push(address);
        Ok(store.tell(&[happening])?)
    })
    .await?;
    app.notices.wake();
    Ok((StatusCode::ACCEPTED, Json(Accepted { message })))
}
