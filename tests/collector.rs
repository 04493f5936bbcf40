//! A little OpenTelemetry collector: takes OTLP over HTTP and reads it with the types of the
//! OpenTelemetry project. It can also be one that nobody wishes for.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longer than this nothing here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How it answers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    Takes,
    /// Always the same.
    Answers(u16),
    /// Takes the request and never says a word.
    IsSilent,
    /// Takes all but so many items of each request.
    Rejects(i64),
}

#[derive(Default)]
struct Taken {
    requests: usize,
    headers: Vec<BTreeMap<String, String>>,
    resources: Vec<Resource>,
    spans: Vec<Span>,
    records: Vec<LogRecord>,
    /// Connections that are kept open without an answer.
    held: Vec<TcpStream>,
}

pub(crate) struct Collector {
    pub(crate) endpoint: String,
    taken: Arc<(Mutex<Taken>, Condvar)>,
}

impl Collector {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::new((Mutex::new(Taken::default()), Condvar::new()));
        let all = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, all) = (stream.unwrap(), all.clone());
                std::thread::spawn(move || converse(stream, manner, &all));
            }
        });
        Self { endpoint, taken }
    }

    /// Waits until what has come is enough.
    #[track_caller]
    fn wait<T>(&self, mut look: impl FnMut(&Taken) -> Option<T>) -> T {
        let (lock, changed) = &*self.taken;
        let mut found = None;
        let (taken, timeout) = changed
            .wait_timeout_while(lock.lock().unwrap(), PATIENCE, |taken| {
                found = look(taken);
                found.is_none()
            })
            .unwrap();
        let came: Vec<&str> = taken.spans.iter().map(|span| span.name.as_str()).collect();
        assert!(!timeout.timed_out(), "it never came; what came: {came:?}");
        found.unwrap()
    }

    /// Waits for so many requests.
    pub(crate) fn asked(&self, times: usize) {
        self.wait(|taken| (taken.requests >= times).then_some(()));
    }

    /// Waits for spans of that name, and gives them.
    pub(crate) fn spans(&self, name: &str, count: usize) -> Vec<Span> {
        self.wait(|taken| {
            let found: Vec<Span> = taken
                .spans
                .iter()
                .filter(|span| span.name == name)
                .cloned()
                .collect();
            (found.len() >= count).then_some(found)
        })
    }

    pub(crate) fn all_spans(&self) -> Vec<Span> {
        self.taken.0.lock().unwrap().spans.clone()
    }

    /// Waits for a log record of that text.
    pub(crate) fn record(&self, body: &str) -> LogRecord {
        self.wait(|taken| {
            let wanted = Some(Value::StringValue(body.to_owned()));
            let found = taken
                .records
                .iter()
                .find(|record| record.body.as_ref().and_then(|body| body.value.clone()) == wanted);
            found.cloned()
        })
    }

    pub(crate) fn resource(&self) -> Resource {
        self.wait(|taken| taken.resources.first().cloned())
    }

    pub(crate) fn headers(&self) -> Vec<BTreeMap<String, String>> {
        self.taken.0.lock().unwrap().headers.clone()
    }
}

fn converse(stream: TcpStream, manner: Manner, all: &(Mutex<Taken>, Condvar)) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap().to_owned();
        assert!(line.starts_with("POST "), "{line}");
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        assert_eq!(headers["content-type"], "application/x-protobuf");
        if headers.get("content-encoding").map(String::as_str) == Some("gzip") {
            let packed = std::mem::take(&mut body);
            flate2::read::GzDecoder::new(&packed[..])
                .read_to_end(&mut body)
                .unwrap();
        }
        take(&path, headers, &body, all);
        let answer = match manner {
            Manner::IsSilent => {
                all.0.lock().unwrap().held.push(stream);
                return;
            }
            Manner::Answers(status) => {
                format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n").into_bytes()
            }
            Manner::Takes => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
            Manner::Rejects(count) => {
                let answer = ExportLogsServiceResponse {
                    partial_success: Some(ExportLogsPartialSuccess {
                        rejected_log_records: count,
                        error_message: "no room".to_owned(),
                    }),
                };
                let body = answer.encode_to_vec();
                let mut bytes =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
                bytes.extend(body);
                bytes
            }
        };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn take(path: &str, headers: BTreeMap<String, String>, body: &[u8], all: &(Mutex<Taken>, Condvar)) {
    let (lock, changed) = all;
    let mut taken = lock.lock().unwrap();
    match path {
        "/v1/traces" => {
            for of in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                taken.resources.extend(of.resource);
                taken
                    .spans
                    .extend(of.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        "/v1/logs" => {
            for of in ExportLogsServiceRequest::decode(body).unwrap().resource_logs {
                taken.resources.extend(of.resource);
                taken
                    .records
                    .extend(of.scope_logs.into_iter().flat_map(|scope| scope.log_records));
            }
        }
        other => panic!("nothing of ours goes to {other}"),
    }
    taken.requests += 1;
    taken.headers.push(headers);
    drop(taken);
    changed.notify_all();
}

/// The value of an attribute, as text.
pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|pair| pair.key == key)?;
    Some(match found.value.clone()?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(is) => is.to_string(),
        other => format!("{other:?}"),
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
