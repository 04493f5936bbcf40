//! Tracking through the real binary, beside MLflow's own server with the same requests over the same kind of
//! connection: `log_metric` and `log_batch` with 1 and 8 clients, searches over 10,000 runs, the time to start
//! and the memory while idle.
//!
//! `cargo bench --no-default-features --bench tracking`; `benches/tracking_peer.py` starts MLflow with 10,000
//! runs like ours and gives its address in `MLFLOW_PEER`. Asserts no time, but stops if a request was refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    reason = "a bench fails by panicking and tells by printing, and uses a part of the tests' yard"
)]

#[path = "../tests/yard.rs"]
mod yard;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use yard::Yard;

const RUNS: usize = 10_000;
const SPAN: Duration = Duration::from_secs(3);
/// Metrics of a batch.
const BATCH: usize = 1_000;

/// A connection that is kept.
struct Client {
    address: String,
    stream: BufReader<TcpStream>,
}

impl Client {
    fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            address: address.to_owned(),
            stream: BufReader::new(stream),
        }
    }

    fn call(&mut self, method: &str, path: &str, body: &str) -> String {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut line, mut length, mut status) = (String::new(), 0, String::new());
        loop {
            line.clear();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "closed");
            let lower = line.trim().to_ascii_lowercase();
            if status.is_empty() {
                status = lower;
            } else if let Some(given) = lower.strip_prefix("content-length:") {
                length = given.trim().parse().unwrap();
            } else if lower.is_empty() {
                break;
            }
        }
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(status.contains(" 200"), "{status}: {text}");
        text
    }

    fn post(&mut self, path: &str, body: &str) -> String {
        self.call("POST", &format!("/api/2.0/mlflow/{path}"), body)
    }

    fn text(body: &str, field: &str) -> String {
        let at = body.find(&format!("\"{field}\"")).unwrap();
        let rest = &body[at + field.len() + 2..];
        rest.split('"').nth(1).unwrap().to_owned()
    }

    fn run(&mut self, experiment: &str) -> String {
        let made = self.post(
            "runs/create",
            &format!("{{\"experiment_id\": \"{experiment}\", \"start_time\": 1700000000000}}"),
        );
        Self::text(&made, "run_id")
    }
}

/// What one server does in a second.
#[derive(Default)]
struct Figures(Vec<(String, f64)>);

fn measure(address: &str, experiment: &str) -> Figures {
    let mut figures = Figures::default();
    for clients in [1, 8] {
        let rate = each(address, clients, |client, run, number| {
            client.post(
                "runs/log-metric",
                &format!(
                    "{{\"run_id\": \"{run}\", \"key\": \"loss\", \"value\": {}, \"timestamp\": 1700000000000, \"step\": {number}}}",
                    number as f64 / 3.0
                ),
            );
            1
        });
        figures
            .0
            .push((format!("log_metric, {clients} client(s), a second"), rate));
    }
    for clients in [1, 8] {
        let rate = each(address, clients, |client, run, number| {
            let mut body = format!("{{\"run_id\": \"{run}\", \"metrics\": [");
            for at in 0..BATCH {
                let comma = if at > 0 { "," } else { "" };
                let step = number * BATCH / 10 + at / 10;
                write!(
                    body,
                    "{comma}{{\"key\":\"m{}\",\"value\":{},\"timestamp\":1700000000000,\"step\":{step}}}",
                    at % 10,
                    at as f64 / 7.0
                )
                .unwrap();
            }
            body.push_str("]}");
            client.post("runs/log-batch", &body);
            BATCH
        });
        figures
            .0
            .push((format!("log_batch, {clients} client(s), metrics a second"), rate));
    }
    for (name, request) in [
        (
            "search: metric and param, ordered, 100 runs",
            r#""filter": "metrics.m0 > 0.5 AND params.p0 = '3'", "order_by": ["metrics.m1 DESC"], "max_results": 100"#,
        ),
        ("search: the newest 1,000 runs", r#""max_results": 1000"#),
    ] {
        let body = format!("{{\"experiment_ids\": [\"{experiment}\"], {request}}}");
        let mut client = Client::new(address);
        let found = client.post("runs/search", &body);
        assert!(found.matches("\"info\"").count() >= 100, "{found}");
        let (clock, mut times) = (Instant::now(), 0);
        while clock.elapsed() < SPAN || times < 2 {
            client.post("runs/search", &body);
            times += 1;
        }
        let rate = f64::from(times) / clock.elapsed().as_secs_f64();
        figures.0.push((format!("{name}, a second"), rate));
    }
    figures
}

/// How much `work` gets done a second by so many clients, each with a run of its own.
fn each(address: &str, clients: usize, work: impl Fn(&mut Client, &str, usize) -> usize + Sync) -> f64 {
    let work = &work;
    let clock = Instant::now();
    let done: usize = std::thread::scope(|scope| {
        let all: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(move || {
                    let mut client = Client::new(address);
                    let run = client.run("0");
                    let (clock, mut done, mut number) = (Instant::now(), 0, 0);
                    while clock.elapsed() < SPAN {
                        done += work(&mut client, &run, number);
                        number += 1;
                    }
                    done
                })
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    done as f64 / clock.elapsed().as_secs_f64()
}

/// 10,000 runs with five metrics, five parameters and three tags each.
fn fill(address: &str) -> String {
    let mut client = Client::new(address);
    let made = client.post("experiments/create", "{\"name\": \"filled\"}");
    let experiment = Client::text(&made, "experiment_id");
    std::thread::scope(|scope| {
        for part in 0..8 {
            let experiment = &experiment;
            scope.spawn(move || {
                let mut client = Client::new(address);
                for number in (part..RUNS).step_by(8) {
                    let run = client.run(experiment);
                    let of = |name: &str, value: &dyn Fn(usize) -> String| {
                        let count = if name == "t" { 3 } else { 5 };
                        let all: Vec<String> = (0..count).map(value).collect();
                        all.join(",")
                    };
                    let metrics = of("m", &|at| {
                        let value = ((number * 7919 + at * 31) % 1000) as f64 / 1000.0;
                        format!("{{\"key\":\"m{at}\",\"value\":{value},\"timestamp\":1,\"step\":0}}")
                    });
                    let params = of("p", &|at| format!("{{\"key\":\"p{at}\",\"value\":\"{}\"}}", (number + at) % 10));
                    let tags = of("t", &|at| format!("{{\"key\":\"t{at}\",\"value\":\"v{}\"}}", number % 100));
                    client.post(
                        "runs/log-batch",
                        &format!("{{\"run_id\":\"{run}\",\"metrics\":[{metrics}],\"params\":[{params}],\"tags\":[{tags}]}}"),
                    );
                }
            });
        }
    });
    experiment
}

/// The server, and how long it took until it answered.
fn start(yard: &Yard) -> (Child, String, Duration) {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let clock = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(["serve", "--listen", &address])
        .current_dir(yard.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while TcpStream::connect(&address).is_err() {
        std::thread::sleep(Duration::from_micros(500));
    }
    Client::new(&address).call("GET", "/health", "");
    (child, address, clock.elapsed())
}

/// Resident memory in MB.
fn memory(child: &Child) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn main() {
    let yard = Yard::with("version: 1\nname: bench\nsteps:\n  only: {uses: debug.noop@v1}\n");
    let (mut child, address, started) = start(&yard);
    println!(
        "started in {:.1} ms; idle {:.1} MB resident",
        started.as_secs_f64() * 1e3,
        memory(&child)
    );
    let experiment = fill(&address);
    let own = measure(&address, &experiment);
    println!("after all of it {:.1} MB resident", memory(&child));
    let _ = child.kill();
    let _ = child.wait();
    // `127.0.0.1:5000/1`: address and experiment.
    let peer = std::env::var("MLFLOW_PEER").ok();
    let peer = peer.as_deref().map(|peer| {
        let (address, experiment) = peer.split_once('/').unwrap();
        measure(address, experiment)
    });
    for (at, (name, rate)) in own.0.iter().enumerate() {
        match &peer {
            Some(peer) => println!(
                "{name:<60} {rate:>10.1}   MLflow {:>9.1}   ratio {:>6.1}",
                peer.0[at].1,
                rate / peer.0[at].1
            ),
            None => println!("{name:<60} {rate:>10.1}"),
        }
    }
}
