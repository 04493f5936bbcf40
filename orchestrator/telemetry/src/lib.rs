//! OpenTelemetry: runs as traces and the program's log as log records, sent to a collector by OTLP.
//!
//! Off unless the standard environment variables ask for it. What is told here is put into a queue of
//! bounded size and sent by threads of its own: a collector that is down, slow or refusing never delays
//! anything, and what was lost is counted. The messages are our own types (the SDK of the OpenTelemetry
//! project gives spans ids of its own and ends them in the process that began them; a run may go on in
//! another, and its spans are named after it).

mod collector;
mod message;
mod narration;
mod outbox;
mod records;
mod settings;
mod spans;

#[cfg(test)]
mod tests;

pub use narration::narrate;
pub use records::LogLayer;
pub use spans::RequestSpan;

use collector::Collector;
use message::{
    LogRecord, LogsRequest, Resource, ResourceLogs, ResourceSpans, SCHEMA, Scope, ScopeLogs, ScopeSpans,
    Span, TraceRequest,
};
use outbox::Outbox;
use prost::Message;
use settings::{Route, Settings};
use spans::Spans;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trainyard_engine::Observation;

/// Takes out of a text what must not be shown; nothing if there is nothing of it.
pub type Mask = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where traces and logs go; nowhere by default.
#[derive(Default)]
pub struct Telemetry {
    spans: Option<Spans>,
    traces: Option<Arc<Outbox<Span>>>,
    logs: Option<Arc<Outbox<LogRecord>>>,
}

impl Telemetry {
    /// As the environment says, and sentences about what of it is not obeyed. Every text goes through the
    /// mask.
    pub fn from_environment(version: &str, mask: &Mask) -> (Self, Vec<String>) {
        let settings = Settings::read(&|name| std::env::var(name).ok(), version);
        let mut complaints = settings.complaints;
        let resource = Resource {
            attributes: settings.resource,
        };
        let scope = Scope {
            name: "trainyard".to_owned(),
            version: version.to_owned(),
        };
        let traces = settings.traces.and_then(|route| {
            let (resource, scope) = (resource.clone(), scope.clone());
            let mask = mask.clone();
            let encode = move |mut spans: Vec<Span>| {
                spans.iter_mut().for_each(|span| span.mask(&*mask));
                encoded_spans(&resource, &scope, spans)
            };
            open("traces", route, Box::new(encode), &mut complaints)
        });
        let logs = settings.logs.and_then(|route| {
            let mask = mask.clone();
            let encode = move |mut records: Vec<LogRecord>| {
                records.iter_mut().for_each(|record| record.mask(&*mask));
                encoded_logs(&resource, &scope, records)
            };
            open("logs", route, Box::new(encode), &mut complaints)
        });
        let telemetry = Self {
            spans: traces.clone().map(Spans::new),
            traces,
            logs,
        };
        (telemetry, complaints)
    }

    /// Whether runs are traced.
    pub fn is_tracing(&self) -> bool {
        self.spans.is_some()
    }

    /// Makes spans of what the engine has to say. Never waits.
    pub fn observe(&self, observation: &Observation<'_>) {
        if let Some(spans) = &self.spans {
            spans.observe(observation);
        }
    }

    /// Tells of a request that somebody else's trace led to.
    pub fn answered(&self, request: &RequestSpan<'_>) {
        if let Some(spans) = &self.spans {
            spans.request(request);
        }
    }

    /// What takes the program's log, if it is sent.
    pub fn log_layer(&self) -> Option<LogLayer> {
        let outbox = self.logs.clone()?;
        Some(LogLayer { outbox })
    }

    /// Sends what is left, for no longer than that, and gives how many spans and log records were lost
    /// since the beginning. Nothing is sent after it.
    pub fn close(&self, within: Duration) -> u64 {
        let until = Instant::now() + within;
        let traces = self.traces.as_ref().map_or(0, |outbox| outbox.close(within));
        let left = until.saturating_duration_since(Instant::now());
        traces + self.logs.as_ref().map_or(0, |outbox| outbox.close(left))
    }
}

fn open<T: Send + 'static>(
    signal: &'static str,
    route: Route,
    encode: Box<dyn Fn(Vec<T>) -> Vec<u8> + Send>,
    complaints: &mut Vec<String>,
) -> Option<Arc<Outbox<T>>> {
    let opened = Collector::new(route.clone()).and_then(|collector| {
        Outbox::open(signal, &route, collector, encode).map_err(|error| error.to_string())
    });
    match opened {
        Ok(outbox) => Some(Arc::new(outbox)),
        Err(why) => {
            complaints.push(format!("{signal} are not sent: {why}"));
            None
        }
    }
}

fn encoded_spans(resource: &Resource, scope: &Scope, spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = ScopeSpans {
        scope: Some(scope.clone()),
        spans,
    };
    let request = TraceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![scope_spans],
            schema_url: SCHEMA.to_owned(),
        }],
    };
    request.encode_to_vec()
}

fn encoded_logs(resource: &Resource, scope: &Scope, log_records: Vec<LogRecord>) -> Vec<u8> {
    let scope_logs = ScopeLogs {
        scope: Some(scope.clone()),
        log_records,
    };
    let request = LogsRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource.clone()),
            scope_logs: vec![scope_logs],
            schema_url: SCHEMA.to_owned(),
        }],
    };
    request.encode_to_vec()
}
