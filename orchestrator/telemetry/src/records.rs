//! The program's own log as log records.

use crate::message::{AnyValue, KeyValue, LogRecord, Value, attribute, cut};
use crate::outbox::Outbox;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use trainyard_contract::{RunId, TraceContext};

/// Hands every event of the program's log to a collector.
pub struct LogLayer {
    pub(crate) outbox: Arc<Outbox<LogRecord>>,
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let (severity_number, severity_text) = match level {
            Level::ERROR => (17, "ERROR"),
            Level::WARN => (13, "WARN"),
            Level::INFO => (9, "INFO"),
            Level::DEBUG => (5, "DEBUG"),
            Level::TRACE => (1, "TRACE"),
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let (trace_id, span_id, flags) = match &fields.run {
            Some(run) => {
                let run = TraceContext::of_run(run, 0);
                (run.trace.0.to_vec(), run.span.0.to_vec(), 1)
            }
            None => (Vec::new(), Vec::new(), 0),
        };
        self.outbox.put(LogRecord {
            time_unix_nano: now,
            observed_time_unix_nano: now,
            severity_number,
            severity_text: severity_text.to_owned(),
            body: Some(AnyValue::from(Value::text(&fields.message))),
            event_name: fields.message,
            attributes: fields.attributes,
            trace_id,
            span_id,
            flags,
        });
    }
}

/// What an event says, field by field.
#[derive(Default)]
struct Fields {
    message: String,
    run: Option<RunId>,
    attributes: Vec<KeyValue>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let text = match &value {
            Value::Text(text) => text.as_str(),
            _ => "",
        };
        if name == "message" {
            self.message = text.to_owned();
            return;
        }
        if name == "run" {
            self.run = text.parse().ok();
        }
        let key = match name {
            "run" => "cicd.pipeline.run.id".to_owned(),
            "pipeline" => "cicd.pipeline.name".to_owned(),
            "step" => "cicd.pipeline.task.name".to_owned(),
            other => format!("trainyard.{other}"),
        };
        self.attributes.push(attribute(key, value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = Bounded::default();
        // It stops when there is more than fits.
        let _ = fmt::write(&mut text, format_args!("{value:?}"));
        self.add(field, Value::text(text.0));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::Text(cut(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Int(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Bool(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::Double(value));
    }
}

/// Takes texts until it is full.
#[derive(Default)]
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        if self.0.len() > 64 << 10 {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
