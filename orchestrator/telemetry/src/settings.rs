//! What the standard environment variables of OpenTelemetry say.

use crate::message::{KeyValue, attribute};
use std::path::PathBuf;
use std::time::Duration;

/// Where signals go, and as whose.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) traces: Option<Route>,
    pub(crate) logs: Option<Route>,
    pub(crate) resource: Vec<KeyValue>,
    /// What could not be understood and is not obeyed, in sentences.
    pub(crate) complaints: Vec<String>,
}

/// The way of one signal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    /// For one request.
    pub(crate) timeout: Duration,
    pub(crate) gzip: bool,
    /// PEM file of the authorities that are trusted instead of the system's.
    pub(crate) certificate: Option<PathBuf>,
    /// Items that may wait.
    pub(crate) queue: usize,
    /// Items in a request.
    pub(crate) batch: usize,
    /// How long an item waits for others.
    pub(crate) delay: Duration,
}

/// What differs between the signals.
struct Signal {
    word: &'static str,
    path: &'static str,
    processor: &'static str,
    delay: u64,
}

const TRACES: Signal = Signal {
    word: "TRACES",
    path: "v1/traces",
    processor: "BSP",
    delay: 5_000,
};
const LOGS: Signal = Signal {
    word: "LOGS",
    path: "v1/logs",
    processor: "BLRP",
    delay: 1_000,
};

struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    complaints: Vec<String>,
}

impl Settings {
    /// Reads them; nothing is sent where no endpoint and no exporter is named.
    pub(crate) fn read(get: &dyn Fn(&str) -> Option<String>, version: &str) -> Self {
        let mut reader = Reader {
            get,
            complaints: Vec::new(),
        };
        if reader
            .text("OTEL_SDK_DISABLED")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
        {
            return Self::default();
        }
        let traces = reader.route(&TRACES);
        let logs = reader.route(&LOGS);
        let resource = if traces.is_some() || logs.is_some() {
            reader.resource(version)
        } else {
            Vec::new()
        };
        Self {
            traces,
            logs,
            resource,
            complaints: reader.complaints,
        }
    }
}

impl Reader<'_> {
    /// An empty variable is one that is not set.
    fn text(&self, name: &str) -> Option<String> {
        (self.get)(name)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    }

    /// The signal's own variable, or the one of all.
    fn of(&self, signal: &Signal, what: &str) -> Option<(String, String)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.word);
        let all = format!("OTEL_EXPORTER_OTLP_{what}");
        [own, all]
            .into_iter()
            .find_map(|name| self.text(&name).map(|text| (name, text)))
    }

    fn number(&mut self, name: &str, fallback: u64, least: u64) -> u64 {
        let Some(text) = self.text(name) else {
            return fallback;
        };
        match text.parse() {
            Ok(number) if number >= least => number,
            _ => {
                self.complain(format!(
                    "{name} is not a whole number from {least} on: {fallback} is taken"
                ));
                fallback
            }
        }
    }

    fn complain(&mut self, sentence: String) {
        if !self.complaints.contains(&sentence) {
            self.complaints.push(sentence);
        }
    }

    fn route(&mut self, signal: &Signal) -> Option<Route> {
        let exporter = format!("OTEL_{}_EXPORTER", signal.word);
        let chosen = self.text(&exporter);
        match chosen.as_deref() {
            None | Some("otlp") => {}
            Some("none") => return None,
            Some(_) => {
                self.complain(format!("{exporter} is `otlp` or `none`: nothing is sent"));
                return None;
            }
        }
        let url = match self.text(&format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", signal.word)) {
            Some(url) => url,
            None => {
                let base = match self.text("OTEL_EXPORTER_OTLP_ENDPOINT") {
                    Some(base) => base,
                    None if chosen.is_some() => "http://localhost:4318".to_owned(),
                    None => return None,
                };
                format!("{}/{}", base.trim_end_matches('/'), signal.path)
            }
        };
        if !["http://", "https://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            self.complain(format!(
                "the endpoint of {} does not begin with http:// or https://: nothing is sent there",
                signal.word.to_ascii_lowercase()
            ));
            return None;
        }
        if let Some((name, protocol)) = self.of(signal, "PROTOCOL")
            && protocol != "http/protobuf"
        {
            self.complain(format!("{name} is `http/protobuf` or left out: nothing is sent"));
            return None;
        }
        let gzip = match self.of(signal, "COMPRESSION") {
            Some((_, text)) if text == "gzip" => true,
            Some((name, text)) if text != "none" => {
                self.complain(format!("{name} is `gzip` or `none`: nothing is compressed"));
                false
            }
            _ => false,
        };
        let timeout_name = self
            .of(signal, "TIMEOUT")
            .map_or_else(|| "OTEL_EXPORTER_OTLP_TIMEOUT".to_owned(), |(name, _)| name);
        let timeout = self.number(&timeout_name, 10_000, 1);
        let headers = self.headers(signal);
        let processor = signal.processor;
        let queue = self.number(&format!("OTEL_{processor}_MAX_QUEUE_SIZE"), 2_048, 1);
        let batch = self.number(&format!("OTEL_{processor}_MAX_EXPORT_BATCH_SIZE"), 512, 1);
        let delay = self.number(&format!("OTEL_{processor}_SCHEDULE_DELAY"), signal.delay, 0);
        Some(Route {
            url,
            headers,
            timeout: Duration::from_millis(timeout),
            gzip,
            certificate: self
                .of(signal, "CERTIFICATE")
                .map(|(_, file)| PathBuf::from(file)),
            queue: usize::try_from(queue).unwrap_or(usize::MAX),
            batch: usize::try_from(batch.min(queue)).unwrap_or(usize::MAX),
            delay: Duration::from_millis(delay),
        })
    }

    fn headers(&mut self, signal: &Signal) -> Vec<(String, String)> {
        let Some((name, text)) = self.of(signal, "HEADERS") else {
            return Vec::new();
        };
        let (pairs, is_whole) = pairs(&text);
        if !is_whole {
            // What stands there may be a key: it is not repeated.
            self.complain(format!("{name} is a list of name=value: the rest is left out"));
        }
        pairs
    }

    fn resource(&mut self, version: &str) -> Vec<KeyValue> {
        let (mut named, is_whole) = match self.text("OTEL_RESOURCE_ATTRIBUTES") {
            Some(text) => pairs(&text),
            None => (Vec::new(), true),
        };
        if !is_whole {
            self.complain(
                "OTEL_RESOURCE_ATTRIBUTES is a list of name=value: the rest is left out".to_owned(),
            );
        }
        if let Some(name) = self.text("OTEL_SERVICE_NAME") {
            named.retain(|(key, _)| key != "service.name");
            named.push(("service.name".to_owned(), name));
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim();
        let process = std::process::id();
        let ours = [
            ("service.name", "trainyard".to_owned()),
            ("service.version", version.to_owned()),
            ("service.instance.id", format!("{host}-{process}")),
            ("host.name", host.to_owned()),
            ("telemetry.sdk.language", "rust".to_owned()),
            ("telemetry.sdk.name", "trainyard".to_owned()),
            ("telemetry.sdk.version", version.to_owned()),
        ];
        let absent: Vec<_> = ours
            .into_iter()
            .filter(|(key, _)| named.iter().all(|(name, _)| name != key))
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let texts = named.into_iter().chain(absent);
        let mut attributes: Vec<KeyValue> =
            texts.map(|(key, value)| attribute(key, value.as_str())).collect();
        attributes.push(attribute("process.pid", i64::from(process)));
        attributes
    }
}

/// `a=b,c=d` with percent signs; false if something in it is none of these.
fn pairs(text: &str) -> (Vec<(String, String)>, bool) {
    let mut is_whole = true;
    let mut pairs = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let read = pair
            .split_once('=')
            .map(|(key, value)| (key.trim(), decoded(value.trim())))
            .filter(|(key, _)| !key.is_empty());
        match read {
            Some((key, Some(value))) => pairs.push((key.to_owned(), value)),
            _ => is_whole = false,
        }
    }
    (pairs, is_whole)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Settings {
        let get = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&get, "1.2.3")
    }

    fn of_resource(settings: &Settings, key: &str) -> String {
        let found = settings.resource.iter().find(|pair| pair.key == key);
        format!(
            "{:?}",
            found.unwrap().value.as_ref().unwrap().value.as_ref().unwrap()
        )
    }

    #[test]
    fn nothing_is_sent_unless_somebody_asks_for_it() {
        assert_eq!(read(&[]), Settings::default());
        assert_eq!(read(&[("OTEL_SERVICE_NAME", "yard")]), Settings::default());
        assert_eq!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), Settings::default());
        let disabled = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("OTEL_SDK_DISABLED", "TRUE"),
        ];
        assert_eq!(read(&disabled), Settings::default());
    }

    #[test]
    fn one_endpoint_serves_both_signals_and_a_signals_own_is_taken_as_it_stands() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/base/"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://logs.example/in"),
        ]);
        assert_eq!(
            settings.traces.unwrap().url,
            "http://collector:4318/base/v1/traces"
        );
        assert_eq!(settings.logs.unwrap().url, "https://logs.example/in");
        let settings = read(&[("OTEL_TRACES_EXPORTER", "otlp")]);
        assert_eq!(settings.traces.unwrap().url, "http://localhost:4318/v1/traces");
        assert_eq!(settings.logs, None);
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("OTEL_LOGS_EXPORTER", "none"),
        ]);
        assert!(settings.traces.is_some() && settings.logs.is_none());
    }

    #[test]
    fn headers_and_attributes_are_lists_with_percent_signs() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Bearer%20k%3D, x-team = ml",
            ),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-only=traces"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=r%C3%A9d"),
            ("OTEL_SERVICE_NAME", "yard"),
        ]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            settings.traces.as_ref().unwrap().headers,
            [pair("x-only", "traces")]
        );
        let of_logs = [pair("authorization", "Bearer k="), pair("x-team", "ml")];
        assert_eq!(settings.logs.as_ref().unwrap().headers, of_logs);
        assert_eq!(of_resource(&settings, "service.name"), r#"Text("yard")"#);
        assert_eq!(of_resource(&settings, "service.version"), r#"Text("1.2.3")"#);
        assert_eq!(of_resource(&settings, "team"), "Text(\"réd\")");
        assert_eq!(settings.complaints, Vec::<String>::new());
    }

    #[test]
    fn what_is_not_understood_is_said_without_its_value_and_the_rest_holds() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret-without-equals"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ]);
        let traces = settings.traces.unwrap();
        assert_eq!(
            (traces.timeout, traces.queue, traces.batch),
            (Duration::from_secs(10), 10, 10)
        );
        assert_eq!(settings.logs, None);
        let said = settings.complaints.join("\n");
        assert!(
            said.contains("OTEL_EXPORTER_OTLP_TIMEOUT is not a whole number"),
            "{said}"
        );
        assert!(said.contains("OTEL_EXPORTER_OTLP_HEADERS is a list"), "{said}");
        assert!(
            said.contains("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL is `http/protobuf`"),
            "{said}"
        );
        assert!(!said.contains("secret-without"), "{said}");
    }
}
