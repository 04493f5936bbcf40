//! `/api/v1/events`: what happens, as it happens.

use crate::app::Shared;
use crate::extract::Asked;
use crate::hub::Notice;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use utoipa::IntoParams;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events of what.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Only of this run; its whole id.
    run: Option<String>,
    /// Only of this pipeline.
    pipeline: Option<String>,
    /// The same as the header `Last-Event-ID`, for clients that cannot set it.
    last_event_id: Option<String>,
}

/// Server-sent events of everything that happens. `Last-Event-ID` goes on after a broken connection;
/// if too much has happened since, or the server is another one, the first event is `reset`, and what
/// was known is to be read again. Each `data:` is a Notice.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "server", operation_id = "follow_events",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "`id` of the last event that was received")),
    responses((status = 200, description = "Events until the client leaves.", body = Notice, content_type = "text/event-stream"), Problem)
)]
pub(crate) async fn stream(
    State(app): State<Shared>,
    Asked(query): Asked<EventsQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
        .or_else(|| query.last_event_id.clone());
    let (missed, receiver) = app.hub.listen(last.as_deref());
    let listening = Listening {
        boot: app.hub.boot.clone(),
        is_reset: missed.is_none(),
        missed: missed.unwrap_or_default().into(),
        receiver,
        ending: app.ending.clone(),
        query,
    };
    let events = stream::unfold(listening, Listening::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Listening {
    boot: String,
    is_reset: bool,
    missed: VecDeque<Arc<Notice>>,
    receiver: Receiver<Arc<Notice>>,
    ending: watch::Receiver<bool>,
    query: EventsQuery,
}

impl Listening {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if std::mem::take(&mut self.is_reset) {
                return Some((Ok(Event::default().event("reset").data("{}")), self));
            }
            let notice = match self.missed.pop_front() {
                Some(notice) => notice,
                None => {
                    let received = tokio::select! {
                        received = self.receiver.recv() => received,
                        _ = self.ending.wait_for(|ending| *ending) => return None,
                    };
                    match received {
                        Ok(notice) => notice,
                        Err(RecvError::Lagged(_)) => {
                            self.is_reset = true;
                            continue;
                        }
                        Err(RecvError::Closed) => return None,
                    }
                }
            };
            if !self.wants(&notice) {
                continue;
            }
            let mut event = Event::default().event(&notice.event);
            if notice.number > 0 {
                event = event.id(format!("{}-{}", self.boot, notice.number));
            }
            let data = serde_json::to_string(&*notice).unwrap_or_else(|_| "{}".to_owned());
            return Some((Ok(event.data(data)), self));
        }
    }

    fn wants(&self, notice: &Notice) -> bool {
        let is_of = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        is_of(&self.query.run, &notice.run) && is_of(&self.query.pipeline, &notice.pipeline)
    }
}
