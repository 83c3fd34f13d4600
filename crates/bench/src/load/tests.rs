//! The load generator against a server of a few lines.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
};

use bytes::Bytes;

use super::*;

/// Answers each request with its body's length as the body's text; `/gone` closes without an answer, `/no` is a 404.
fn serve(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let lower = head.to_lowercase();
        let length =
            lower.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or("0", str::trim);
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        if head.contains("/gone") {
            return;
        }
        let status = if head.contains("/no") { "404 Not Found" } else { "200 OK" };
        let text = body.len().to_string();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        writer.write_all(answer.as_bytes()).unwrap();
    }
}

pub(super) fn target() -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    Target { address, host: "localhost".into(), tls: None, authorization: None, from: None }
}

fn shape(concurrency: usize, threads: usize) -> Shape {
    Shape { concurrency, threads, duration: Duration::from_mins(1) }
}

#[test]
fn every_request_is_sent_once_and_its_bytes_are_counted() {
    let chunks = vec![Bytes::from_static(b"12345"), Bytes::from_static(b"678901234567")];
    let feed = |n| (n < 100).then(|| Request::post("/".into(), "a/b", "*/*", chunks.clone()));
    let outcome = run(&target(), shape(4, 2), &feed).unwrap();
    assert_eq!(outcome.latencies_us.len(), 100);
    assert!(outcome.latencies_us.is_sorted());
    // 17 bytes there, the two digits of "17" back.
    assert_eq!(outcome.body_bytes, 100 * 19);
    assert!(outcome.failures.is_empty());
    assert!(outcome.requests_per_second() > 1.0);
}

#[test]
fn other_statuses_and_lost_answers_are_failures() {
    let path = |n| match n {
        3 => "/no",
        5 => "/gone",
        _ => "/",
    };
    let outcome =
        run(&target(), shape(1, 1), &|n| (n < 10).then(|| Request::get(path(n).into(), "*/*"))).unwrap();
    assert_eq!(outcome.latencies_us.len(), 8);
    assert_eq!(outcome.failures.len(), 2, "{:?}", outcome.failures);
}

#[test]
fn a_server_that_only_fails_is_given_up() {
    let outcome = run(&target(), shape(1, 1), &|_| Some(Request::get("/no".into(), "*/*"))).unwrap();
    assert_eq!(outcome.failures.len(), FAILURES_MAX);
}
