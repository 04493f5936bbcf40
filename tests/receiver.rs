//! A little HTTP server that notices are sent to, and that can be one that nobody wishes for.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longer than this nothing here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How it answers a request.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    Answers(u16),
    /// Sends the caller elsewhere.
    Redirects(String),
    /// Takes the request and never says a word.
    IsSilent,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// The first requests are answered so, one each.
    first: Vec<Manner>,
    held: Vec<TcpStream>,
}

pub(crate) struct Receiver {
    pub(crate) port: u16,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Receiver {
    /// One that answers its first requests so, and all others with 204.
    pub(crate) fn start(first: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State {
            first: first.to_vec(),
            ..State::default()
        };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let all = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, all) = (stream.unwrap(), all.clone());
                std::thread::spawn(move || converse(stream, &all));
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.0.lock().unwrap().requests.clone()
    }

    /// Waits until what has come is enough.
    #[track_caller]
    pub(crate) fn wait(&self, enough: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        let (lock, changed) = &*self.state;
        let (state, timeout) = changed
            .wait_timeout_while(lock.lock().unwrap(), PATIENCE, |state| !enough(&state.requests))
            .unwrap();
        assert!(!timeout.timed_out(), "only {:?} has come", state.requests);
        state.requests.clone()
    }
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

fn converse(stream: TcpStream, state: &(Mutex<State>, Condvar)) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut headers = BTreeMap::new();
        let mut line = String::new();
        loop {
            line.clear();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.trim_end().split_once(": ") {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        if lines.read_exact(&mut body).is_err() {
            return;
        }
        let manner = {
            let mut state = state.0.lock().unwrap();
            state.requests.push(Request { headers, body });
            match state.first.is_empty() {
                true => Manner::Answers(204),
                false => state.first.remove(0),
            }
        };
        state.1.notify_all();
        let answer = match manner {
            Manner::Answers(status) => format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"),
            Manner::Redirects(to) => {
                format!("HTTP/1.1 307 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
            }
            Manner::IsSilent => {
                state.0.lock().unwrap().held.push(stream);
                return;
            }
        };
        if (&stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
