//! Lookups of features over HTTP through the real binary: latency of one client, throughput of several, for 1 and for 100
//! keys of 20 features.
//!
//! `cargo bench --no-default-features --bench features -- [URL]`; with a URL, that server is asked the same questions
//! instead, such as Feast's (`benches/peers/feast_server.py`). Asserts no time, but stops if an answer is not whole.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    reason = "a bench fails by panicking and tells by printing, and uses a part of the tests' client"
)]

#[path = "../tests/http.rs"]
mod http;
#[path = "../tests/yard.rs"]
mod yard;

use http::Served;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use trainyard_contract::{DataType, Timestamp};
use trainyard_features::online::{
    Embedded, Feed, Field, Layout, OnlineStore, RowBatch, Values, ViewId, Write as Rows,
};
use yard::Yard;

const FEATURES: usize = 20;
const KEYS: i64 = 100_000;
const SPAN: Duration = Duration::from_secs(4);
const CLIENTS: usize = 4;

fn main() {
    let url = std::env::args().skip(1).find(|word| word.starts_with("http://"));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let load = load.split(' ').next().unwrap().to_owned();
    match url {
        Some(url) => {
            println!("features of {url} (load {load})\n");
            measure(url.trim_start_matches("http://").trim_end_matches('/'));
        }
        None => {
            println!("features (embedded store, load {load})\n");
            let yard = filled();
            let served = Served::start(&yard);
            measure(&served.address);
        }
    }
}

/// A project with a view of 100,000 keys, all of them online.
fn filled() -> Yard {
    let yard = Yard::with("version: 1\nname: bench\nsteps:\n  only: {uses: debug.noop@v1}\n");
    let mut text =
        "version: 1\nentities:\n  thing: {keys: {id: int64}}\nviews:\n  wide:\n    entities: [thing]\n    \
                    event_time: at\n    online: true\n    features:\n"
            .to_owned();
    for place in 0..FEATURES {
        text.push_str(&format!("      f{place}: {{type: float64}}\n"));
    }
    yard.write("features/bench.yaml", &text);
    let field = |place: usize| Field {
        name: format!("f{place}"),
        data_type: DataType::Float64,
    };
    let layout = Layout::new((0..FEATURES).map(field).collect());
    let feature = |place: usize| {
        let values = (0..KEYS).map(|key| (key * 31 + place as i64) as f64 / 7.0);
        Values::Float(values.collect()).into()
    };
    let batch = RowBatch {
        keys: vec![Values::Signed((0..KEYS).collect()).into()],
        event_times: vec![1_767_268_800_000_000; KEYS as usize],
        created_times: None,
        features: (0..FEATURES).map(feature).collect(),
    };
    let store = Embedded::open(&yard.home().join("features.online")).unwrap();
    let pieces = Feed::of(&layout, &batch).unwrap();
    let mut writes = [Rows {
        view: &ViewId::new("wide", 1),
        layout: &layout,
        rows: &mut pieces.into_iter().map(Ok),
        watermark: None,
    }];
    store.write(&mut writes, Timestamp(0)).unwrap();
    yard
}

fn measure(address: &str) {
    for keys in [1, 100] {
        ask(address, keys, 1, Duration::from_millis(500));
        let (spans, _) = ask(address, keys, 1, SPAN);
        tell(&format!("{keys:>3} keys, 1 client"), spans, SPAN);
        let (spans, took) = ask(address, keys, CLIENTS, SPAN);
        tell(&format!("{keys:>3} keys, {CLIENTS} clients"), spans, took);
    }
}

fn tell(name: &str, mut spans: Vec<Duration>, took: Duration) {
    spans.sort_unstable();
    let at = |share: f64| spans[(spans.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{name:<22} {:>8.0} requests/s   p50 {:>7.3} ms   p99 {:>7.3} ms   p99.9 {:>7.3} ms",
        spans.len() as f64 / took.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(0.999)
    );
}

/// Clients that each ask again as soon as they are answered, on a connection of their own.
fn ask(address: &str, keys: i64, clients: usize, span: Duration) -> (Vec<Duration>, Duration) {
    let clock = Instant::now();
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|client| scope.spawn(move || client_of(address, keys, client as i64, span)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    (all, clock.elapsed())
}

fn client_of(address: &str, keys: i64, client: i64, span: Duration) -> Vec<Duration> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    let features: Vec<String> = (0..FEATURES).map(|place| format!("\"wide:f{place}\"")).collect();
    let mut spans = Vec::new();
    let mut key = client * 12_345;
    let mut body = Vec::new();
    let end = Instant::now() + span;
    while Instant::now() < end {
        let ids: Vec<String> = (0..keys)
            .map(|_| {
                key = (key * 7_919 + 13) % KEYS;
                key.to_string()
            })
            .collect();
        let question = format!(
            "{{\"features\":[{}],\"entities\":{{\"id\":[{}]}}}}",
            features.join(","),
            ids.join(",")
        );
        let request = format!(
            "POST /get-online-features HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: \
             {}\r\n\r\n{question}",
            question.len()
        );
        let clock = Instant::now();
        writer.write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.starts_with("HTTP/1.1") {
                assert!(line.contains(" 200 "), "{line}");
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body).unwrap();
        spans.push(clock.elapsed());
        let present = body.windows(9).filter(|word| *word == b"\"PRESENT\"").count();
        assert_eq!(present, keys as usize * (FEATURES + 1), "an answer is not whole");
    }
    spans
}
