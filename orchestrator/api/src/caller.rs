//! Whoever asks may be part of a trace: their span is the parent of the request's and linked with the run's.

use crate::app::App;
use crate::random;
use axum::http::HeaderMap;
use std::time::Duration;
use trainyard_contract::TraceContext;
use trainyard_contract::trace::SpanId;
use trainyard_telemetry::RequestSpan;

/// The span that led to what a request does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) TraceContext);

/// A request of somebody who traces.
pub(crate) struct TracedRequest {
    parent: TraceContext,
    pub(crate) caller: Caller,
    path: String,
}

impl TracedRequest {
    /// What the header says; one that says nothing of use is passed over, as the standard wants it.
    pub(crate) fn of(app: &App, headers: &HeaderMap, path: &str) -> Option<Self> {
        let parent: TraceContext = headers.get("traceparent")?.to_str().ok()?.parse().ok()?;
        let own = if app.telemetry.is_tracing() {
            random::bytes().ok().filter(|span| *span != [0; 8]).map(SpanId)
        } else {
            None
        };
        let span = own.unwrap_or(parent.span);
        Some(Self {
            parent,
            caller: Caller(TraceContext { span, ..parent }),
            path: path.to_owned(),
        })
    }

    /// Tells of it, unless its caller does not keep the trace.
    pub(crate) fn answered(&self, app: &App, method: &str, route: &str, status: u16, took: Duration) {
        if self.parent.is_sampled {
            app.telemetry.answered(&RequestSpan {
                context: self.caller.0,
                parent: self.parent,
                method,
                route,
                path: &self.path,
                status,
                took,
            });
        }
    }
}
