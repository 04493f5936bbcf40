//! A server of the real binary, and a client that can also say what no library would.

use crate::yard::Yard;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longer than this nothing here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// `trainyard serve` in a yard; killed when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Events as the server sends them.
pub(crate) struct Events {
    lines: BufReader<TcpStream>,
}

/// One event.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) id: Option<String>,
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl Served {
    /// Starts a server on a free port.
    pub(crate) fn start(yard: &Yard) -> Self {
        Self::start_with(yard, &[])
    }

    pub(crate) fn start_with(yard: &Yard, args: &[&str]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--format", "json"];
        all.extend(args);
        let mut command = yard.command(&all);
        command.stderr(Stdio::null());
        Self::start_command(command)
    }

    /// Starts a server as the command says, which is to tell in JSON where it listens.
    pub(crate) fn start_command(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        let listening: Value =
            serde_json::from_str(&first).unwrap_or_else(|error| panic!("{error}: {first}"));
        Self {
            child,
            address: listening["address"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the code it ends with.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// One request as it is written.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = self.connect();
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(text.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Reply::read(&bytes)
    }

    /// Asks for something under a key; nothing if no answer comes in that time.
    pub(crate) fn ask(&self, path: &str, key: &str, body: &Value, patience: Duration) -> Option<Reply> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(patience)).ok()?;
        let body = body.to_string();
        let text = format!(
            "POST {path} HTTP/1.1\r\nConnection: close\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Idempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(text.as_bytes()).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        (!bytes.is_empty()).then(|| Reply::read(&bytes))
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(
            "POST",
            path,
            &[("Content-Type", "application/json")],
            &body.to_string(),
        )
    }

    /// Makes a run of the pipeline; gives its id.
    #[track_caller]
    pub(crate) fn run(&self, pipeline: &str) -> String {
        let reply = self.post("/api/v1/runs", &serde_json::json!({ "pipeline": pipeline }));
        reply.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Listens from now on, or from an earlier event on.
    pub(crate) fn events(&self, last: Option<&str>) -> Events {
        let mut stream = self.connect();
        let last = last.map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
        let text = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n{last}\r\n",
            self.address
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        Events { lines }
    }

    /// Waits until a run is over; gives its document.
    #[track_caller]
    pub(crate) fn ended(&self, run: &str) -> Value {
        let mut events = self.events(None);
        loop {
            let document = self.get(&format!("/api/v1/runs/{run}")).expect(200);
            if !document["ended_at"].is_null() {
                return document;
            }
            // Listening since before it was looked at: its end cannot be missed.
            events.until(|told| told.event == "run_ended" && told.data["run"] == run);
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Events {
    /// The next event.
    pub(crate) fn next(&mut self) -> Told {
        let (mut id, mut event) = (None, String::new());
        let mut line = String::new();
        loop {
            line.clear();
            assert!(
                self.lines.read_line(&mut line).unwrap() > 0,
                "the stream has ended"
            );
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.trim_end().to_owned());
            } else if let Some(text) = line.strip_prefix("event: ") {
                event = text.trim_end().to_owned();
            } else if let Some(text) = line.strip_prefix("data: ") {
                let data = serde_json::from_str(text).unwrap();
                return Told { id, event, data };
            }
        }
    }

    /// The next event that is wanted.
    pub(crate) fn until(&mut self, is_wanted: impl Fn(&Told) -> bool) -> Told {
        loop {
            let told = self.next();
            if is_wanted(&told) {
                return told;
            }
        }
    }
}

impl Reply {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut body = bytes[end + 4..].to_vec();
        if headers
            .iter()
            .any(|(name, value)| name == "transfer-encoding" && value == "chunked")
        {
            body = whole(&body);
        }
        Self {
            status,
            headers,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The document, if the status is that.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// The code of the problem, if the status is that.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text()
        );
        self.expect(status)["code"].as_str().unwrap().to_owned()
    }
}

/// A body that came in chunks.
fn whole(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        let from = end + 2;
        body.extend_from_slice(&chunks[from..from + size]);
        chunks = &chunks[from + size + 2..];
    }
    body
}
