//! What waits has bounded size, whatever the collector does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::collector::Collector;
use crate::outbox::Outbox;
use crate::settings::Route;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

fn route(listener: &TcpListener, queue: usize, batch: usize) -> Route {
    Route {
        url: format!("http://{}/v1/logs", listener.local_addr().unwrap()),
        headers: Vec::new(),
        timeout: Duration::from_secs(60),
        gzip: false,
        certificate: None,
        queue,
        batch,
        delay: Duration::ZERO,
    }
}

fn outbox(route: Route) -> Outbox<u8> {
    let collector = Collector::new(route.clone()).unwrap();
    Outbox::open("logs", &route, collector, Box::new(|items| items)).unwrap()
}

/// The items of one request.
fn request(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    body
}

fn answer(stream: &mut TcpStream, head: &str) {
    write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").unwrap();
}

#[test]
fn a_collector_that_does_not_answer_costs_what_has_no_room_and_nothing_waits_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let outbox = outbox(route(&listener, 3, 1));
    outbox.put(0);
    let (mut stream, _) = listener.accept().unwrap();
    assert_eq!(request(&mut stream), [0]);
    // It is at work on the first: three find room, five do not.
    for item in 1..=8 {
        outbox.put(item);
    }
    // The one under way and the three are lost with it.
    assert_eq!(outbox.close(Duration::ZERO), 5 + 1 + 3);
}

#[test]
fn an_overloaded_collector_gets_the_same_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let outbox = outbox(route(&listener, 10, 10));
    outbox.put(7);
    let (mut stream, _) = listener.accept().unwrap();
    assert_eq!(request(&mut stream), [7]);
    answer(&mut stream, "503 Service Unavailable");
    assert_eq!(request(&mut stream), [7]);
    answer(&mut stream, "200 OK");
    assert_eq!(outbox.close(Duration::from_secs(60)), 0);
}

#[test]
fn what_is_left_at_the_end_is_still_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut slow = route(&listener, 10, 10);
    slow.delay = Duration::from_secs(3_600);
    let outbox = outbox(slow);
    for item in 1..=3 {
        outbox.put(item);
    }
    let receiving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let items = request(&mut stream);
        answer(&mut stream, "200 OK");
        items
    });
    assert_eq!(outbox.close(Duration::from_secs(60)), 0);
    assert_eq!(receiving.join().unwrap(), [1, 2, 3]);
    outbox.put(4);
    assert_eq!(outbox.close(Duration::ZERO), 1, "nothing is taken after the end");
}
