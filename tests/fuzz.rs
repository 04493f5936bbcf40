//! Every endpoint against requests that are made from the OpenAPI document: some fit it, most do not quite. The
//! seeds are fixed, so what fails here fails again.

use crate::http::{Reply, Served};
use crate::schema::{faults, resolved, types};
use crate::yard::Yard;
use serde_json::{Map, Value, json};

/// Requests of each operation for each seed.
const ROUNDS: usize = 12;
const SEEDS: [u64; 3] = [1, 20_261_122, 0x5eed];

/// Names that mean something in the yard, for whatever a path names.
const KNOWN: &[(&str, &[&str])] = &[
    ("pipeline", &["test", "gated", "broken"]),
    ("step", &["only", "say", "gate", "list"]),
    ("output", &["words"]),
    ("trigger", &["by_hand", "call"]),
    ("alert", &["drift"]),
    ("model", &["m"]),
    ("version", &["1", "latest"]),
    (
        "features",
        &["weather:temp", "weather:*", "trip:warm", "nothing:x"],
    ),
    ("feature_service", &["delay"]),
    ("push_source_name", &["weather"]),
    ("feature_view_name", &["weather"]),
];

/// What nobody should send.
const ODD: &[&str] = &[
    "",
    " ",
    ".",
    "..",
    "../../etc/passwd",
    "0",
    "-1",
    "1e400",
    "NaN",
    "null",
    "true",
    "latest",
    "run_",
    "'; DROP TABLE runs --",
    "\u{0}",
    "\n",
    "\u{7f}",
    "é",
    "日本",
    "\u{202e}",
    "%",
    "%2e%2e",
    "a/b",
    "a\\b",
    "${{ 1 / 0 }}",
    "[]",
    "{}",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775808",
    "2026-02-30",
    "run_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "_",
    "A",
    "{{",
    "\"",
];

/// A generator of numbers that only its seed decides (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit as u64) as usize
    }

    /// Whether it happens, in so many of a hundred cases.
    fn happens(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    fn text(&mut self) -> String {
        match self.below(10) {
            0 => "x".repeat(1 + self.below(5_000)),
            1 => (0..self.below(12))
                .filter_map(|_| char::from_u32(self.roll() as u32 % 0x2_0000))
                .collect(),
            2..=4 => (0..=self.below(8))
                .map(|_| char::from(b'a' + self.below(26) as u8))
                .collect(),
            _ => self.one(ODD).to_owned(),
        }
    }

    fn anything(&mut self, depth: usize) -> Value {
        match self.below(if depth > 3 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => Value::Bool(self.happens(50)),
            2 => json!(self.roll() as i64),
            3 => json!(self.roll()),
            4 => json!((self.roll() as f64) * 1e-7 - 1e10),
            5 => Value::String(self.text()),
            6 => (0..self.below(4)).map(|_| self.anything(depth + 1)).collect(),
            _ => (0..self.below(4))
                .map(|_| (self.text(), self.anything(depth + 1)))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// A value that fits the schema, but for what is changed on purpose.
    fn fitting(&mut self, document: &Value, schema: &Value, name: &str, wild: usize) -> Value {
        if self.happens(wild) {
            return self.anything(0);
        }
        let schema = resolved(document, schema);
        if let Some(choices) = schema["enum"].as_array() {
            return choices[self.below(choices.len())].clone();
        }
        for word in ["oneOf", "anyOf", "allOf"] {
            if let Some(choices) = schema[word].as_array() {
                let choice = choices[self.below(choices.len())].clone();
                return self.fitting(document, &choice, name, wild);
            }
        }
        let kinds: Vec<&str> = types(&schema["type"]).collect();
        let kind = if kinds.is_empty() {
            "object"
        } else {
            self.one(&kinds)
        };
        match kind {
            "null" => Value::Null,
            "boolean" => Value::Bool(self.happens(50)),
            "integer" => {
                let least = schema["minimum"].as_i64().unwrap_or(0);
                let most = schema["maximum"].as_i64().unwrap_or(least + 50);
                json!(least + self.below((most - least + 1) as usize) as i64)
            }
            "number" => json!(self.below(1_000) as f64 / 7.0),
            "string" => Value::String(self.named(name)),
            "array" => {
                let items = schema["items"].clone();
                (0..self.below(4))
                    .map(|_| self.fitting(document, &items, name, wild))
                    .collect()
            }
            _ => {
                let mut members = Map::new();
                let required: Vec<&str> = types(&schema["required"]).collect();
                for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                    let is_needed = required.contains(&name.as_str());
                    if self.happens(if is_needed { 97 } else { 40 }) {
                        members.insert(name.clone(), self.fitting(document, of, name, wild));
                    }
                }
                if self.happens(3) {
                    members.insert(self.text(), self.anything(1));
                }
                members.into()
            }
        }
    }

    /// A text for something of that name: mostly one that means something.
    fn named(&mut self, name: &str) -> String {
        match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, values)) if self.happens(70) => self.one(values).to_owned(),
            _ => self.text(),
        }
    }
}

/// A text as a part of an address.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn yard() -> Yard {
    let yard = Yard::empty();
    yard.write("trainyard.yaml", "version: 1\nname: test\n");
    yard.write("features/weather.yaml", crate::online::WEATHER);
    yard.write(
        "pipelines/test.yaml",
        "version: 1\nname: test\nparams:\n  word: {type: string, default: hello}\n  minutes: {type: integer, default: 5, min: 1}\n\
         alerts:\n  drift: {target: {dataset: rows, columns: [a]}, statistic: psi, operator: '>', limit: 0.2}\n\
         datasets:\n  rows: {path: rows.csv, format: csv}\n\
         triggers:\n  by_hand: {type: manual}\n  react: {type: alert, alerts: [drift], max_runs: {limit: 3, per: 1d}}\n\
         \x20 call: {type: webhook, path: /hooks/test, max_runs: {limit: 3, per: 1d}}\n  nightly: {type: schedule, cron: '0 3 * * *'}\n\
         steps:\n  only: {uses: debug.noop@v1}\n\
         \x20 say:\n    needs: [only]\n    run: echo \"$WORD\" | tee \"$OUT_words\"\n    env: {WORD: '${{ params.word }}'}\n\
         \x20   outputs: {words: {type: file}}\n",
    );
    yard.write(
        "pipelines/gated.yaml",
        "version: 1\nname: gated\nsteps:\n  gate: {uses: gate.approval@v1, with: {roles: [risk]}}\n",
    );
    yard.write("pipelines/broken.yaml", "version: 1\nname: broken\nsteps: 5\n");
    yard.write("rows.csv", "a\n1\n");
    yard
}

/// One request, as it is sent.
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn request(
    dice: &mut Dice,
    document: &Value,
    path: &str,
    method: &str,
    operation: &Value,
    runs: &[String],
) -> Request {
    let mut address = path.to_owned();
    let mut query = Vec::new();
    let mut headers = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let is_needed = parameter["required"] == true;
        let value = match name {
            "run" if dice.happens(80) => runs[dice.below(runs.len())].clone(),
            // Following a log or a stream has no end of its own.
            "follow" => "false".to_owned(),
            _ => match dice.fitting(document, &parameter["schema"], name, 15) {
                Value::String(text) => text,
                other => other.to_string(),
            },
        };
        match parameter["in"].as_str().unwrap() {
            "path" => address = address.replace(&format!("{{{name}}}"), &encoded(&value)),
            "query" if is_needed || dice.happens(40) => query.push(format!("{name}={}", encoded(&value))),
            "header" if dice.happens(40) => {
                let printable: String = value
                    .chars()
                    .filter(|c| c.is_ascii_graphic() || *c == ' ')
                    .take(300)
                    .collect();
                headers.push((name.to_owned(), printable));
            }
            _ => {}
        }
    }
    if dice.happens(4) {
        query.push(format!("{}={}", encoded(&dice.text()), encoded(&dice.text())));
    }
    if !query.is_empty() {
        address.push('?');
        address.push_str(&query.join("&"));
    }
    if dice.happens(10) {
        headers.push((
            "traceparent".to_owned(),
            dice.one(&[
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "00-0-0-0",
                "-",
            ])
            .to_owned(),
        ));
    }
    let mut body = String::new();
    if method == "post" {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        body = match dice.below(20) {
            0 => String::new(),
            1 => dice.text(),
            2 => "[".repeat(200),
            _ if schema.is_null() => "{}".to_owned(),
            _ => dice.fitting(document, schema, "", 4).to_string(),
        };
        let kind = if dice.happens(95) {
            "application/json"
        } else {
            "text/plain"
        };
        headers.push(("Content-Type".to_owned(), kind.to_owned()));
    }
    Request {
        method: method.to_ascii_uppercase(),
        path: address,
        headers,
        body,
    }
}

/// Why an answer is not one that the document promises.
fn wrong(document: &Value, operation: &Value, reply: &Reply) -> Option<String> {
    if reply.status >= 500 {
        return Some("it is the server's fault".to_owned());
    }
    let responses = operation["responses"].as_object().unwrap();
    let kind = reply.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap();
    let described = match responses.get(&reply.status.to_string()) {
        Some(described) => described,
        None if reply.status < 400 => return Some("the status is not described".to_owned()),
        None => match responses.get("default") {
            Some(described) => described,
            None => return Some("the status is not described".to_owned()),
        },
    };
    let Some(content) = described["content"].as_object() else {
        return (!reply.body.is_empty()).then(|| "it has a body, and none is described".to_owned());
    };
    let Some(of_kind) = content.get(kind).or_else(|| content.get("*/*")) else {
        return Some(format!("`{kind}` is not described"));
    };
    if !kind.ends_with("json") {
        return None;
    }
    let Ok(value) = serde_json::from_slice::<Value>(&reply.body) else {
        return Some("it is not JSON".to_owned());
    };
    let found = faults(document, &of_kind["schema"], &value);
    if !found.is_empty() {
        return Some(found.join("; "));
    }
    if reply.status >= 400 {
        let code = value["code"].as_str().unwrap();
        let is_word = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let is_whole = kind == "application/problem+json"
            && value["status"] == reply.status
            && is_word
            && !value["detail"].as_str().unwrap().is_empty();
        return (!is_whole).then(|| "the problem document is not well formed".to_owned());
    }
    None
}

#[test]
fn every_endpoint_holds_against_requests_made_from_its_own_description() {
    let yard = yard();
    let served = Served::start(&yard);
    let document = served.get("/api/openapi.json").expect(200);
    let mut runs = vec![served.run("test"), served.run("gated")];
    served.ended(&runs[0]);
    runs.push("latest".to_owned());
    runs.push(runs[0][runs[0].len() - 8..].to_owned());
    let mut failures = Vec::new();
    let mut asked = 0;
    for seed in SEEDS {
        let mut dice = Dice(seed);
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                // It has no end.
                if path == "/api/v1/events" {
                    continue;
                }
                for _ in 0..ROUNDS {
                    let request = request(&mut dice, &document, path, method, operation, &runs);
                    let headers: Vec<(&str, &str)> = request
                        .headers
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.as_str()))
                        .collect();
                    let reply = served.send(&request.method, &request.path, &headers, &request.body);
                    asked += 1;
                    if let Some(why) = wrong(&document, operation, &reply) {
                        failures.push(format!(
                            "{} {} {:?}\n    {}\n  {} {}: {why}",
                            request.method,
                            request.path,
                            request.headers,
                            request.body.chars().take(400).collect::<String>(),
                            reply.status,
                            reply.text().chars().take(400).collect::<String>(),
                        ));
                    }
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {asked}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    let ready = served.get("/readyz").expect(200);
    assert_eq!(ready["is_ready"], true, "{ready}");
}

#[test]
fn addresses_and_methods_that_are_not_described_are_refused_with_a_problem() {
    let yard = yard();
    let served = Served::start(&yard);
    for path in [
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v2/runs",
        "//",
        "/api/v1/runs//events",
        "/hooks/none",
    ] {
        let reply = served.send("DELETE", path, &[], "");
        assert!((400..500).contains(&reply.status), "{path}: {}", reply.text());
        reply.refused(reply.status);
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let reply = served.send(method, "/api/v1/runs", &[], "");
        assert_eq!(reply.refused(405), "method-not-allowed");
    }
}
