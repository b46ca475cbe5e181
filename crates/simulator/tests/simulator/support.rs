//! Clients that look at bytes, and waiting for a condition with a deadline.

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cpa_exporter_core::model::UnixNanos;
use cpa_exporter_simulator::{Clock, Simulator, SimulatorConfig};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

pub(crate) const KEY: &str = "mgmt-fixture-key";
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(folder)
}

/// A clock that stands still, so that bans and records name equal times.
pub(crate) fn frozen() -> Clock {
    Clock::new(|| UnixNanos::from_millis(1_795_322_231_674))
}

/// A clock that moves when it is told to.
pub(crate) fn movable() -> (Arc<AtomicI64>, Clock) {
    let millis = Arc::new(AtomicI64::new(1_795_322_231_000));
    let read = Arc::clone(&millis);
    let clock = Clock::new(move || UnixNanos::from_millis(read.load(Ordering::Relaxed)));
    (millis, clock)
}

pub(crate) async fn start(config: SimulatorConfig) -> Simulator {
    Simulator::start(config).await.unwrap()
}

/// Gives other tasks the floor until `done`.
pub(crate) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < until, "never came true: {what}");
        tokio::task::yield_now().await;
    }
}

pub(crate) fn command(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len());
    for word in words {
        write!(out, "${}\r\n{word}\r\n", word.len()).unwrap();
    }
    out.into_bytes()
}

/// Length of the RESP value at the start of `bytes`; what is no RESP is one value to its end.
pub(crate) fn frame_len(bytes: &[u8]) -> usize {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    let number = || -> i64 {
        let text = std::str::from_utf8(&bytes[1..line - 2]).unwrap();
        text.parse().unwrap()
    };
    match bytes[0] {
        b'+' | b'-' | b':' => line,
        b'$' => line + usize::try_from(number()).map_or(0, |length| length + 2),
        b'*' => (0..number()).fold(line, |at, _| at + frame_len(&bytes[at..])),
        _ => bytes.len(),
    }
}

pub(crate) fn frames(mut bytes: &[u8]) -> VecDeque<Vec<u8>> {
    let mut all = VecDeque::new();
    while !bytes.is_empty() {
        let (frame, rest) = bytes.split_at(frame_len(bytes));
        all.push_back(frame.to_vec());
        bytes = rest;
    }
    all
}

/// Every bulk string inside a RESP value.
pub(crate) fn bulks(frame: &[u8]) -> Vec<Vec<u8>> {
    let line = frame.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    match frame[0] {
        b'$' if frame.len() > line => vec![frame[line..frame.len() - 2].to_vec()],
        b'*' => frames(&frame[line..])
            .iter()
            .flat_map(|f| bulks(f))
            .collect(),
        _ => Vec::new(),
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(addr).await.unwrap(),
        }
    }

    pub(crate) async fn authenticated(addr: SocketAddr) -> Self {
        let mut client = Self::connect(addr).await;
        client.send(&command(&["AUTH", KEY])).await;
        assert_eq!(client.frame().await, b"+OK\r\n");
        client
    }

    pub(crate) async fn subscribed(addr: SocketAddr) -> Self {
        let mut client = Self::authenticated(addr).await;
        client.send(&command(&["SUBSCRIBE", "usage"])).await;
        client.frame().await;
        client.frame().await;
        client
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn read(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = timeout(DEADLINE, self.stream.read_exact(&mut bytes));
        read.await.expect("bytes in time").expect("bytes");
        bytes
    }

    /// One whole RESP value, read byte by byte where its length is not known yet.
    pub(crate) async fn frame(&mut self) -> Vec<u8> {
        let mut frame = Vec::new();
        Box::pin(self.value(&mut frame)).await;
        frame
    }

    async fn value(&mut self, frame: &mut Vec<u8>) {
        let from = frame.len();
        while !frame[from..].ends_with(b"\r\n") {
            frame.extend(self.read(1).await);
        }
        let text = std::str::from_utf8(&frame[from + 1..frame.len() - 2]).unwrap();
        match frame[from] {
            b'$' => {
                if let Ok(length) = text.parse::<usize>() {
                    frame.extend(self.read(length + 2).await);
                }
            }
            b'*' => {
                for _ in 0..text.parse::<usize>().unwrap() {
                    Box::pin(self.value(frame)).await;
                }
            }
            _ => {}
        }
    }

    pub(crate) async fn pop(&mut self, count: usize) -> Vec<Vec<u8>> {
        let count = count.to_string();
        self.send(&command(&["LPOP", "usage", &count])).await;
        bulks(&self.frame().await)
    }

    /// Whatever still comes until the server ends the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well: the server closed with our bytes unread.
        let read = timeout(DEADLINE, self.stream.read_to_end(&mut rest));
        let _end = read.await.expect("the end in time");
        rest
    }
}

#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl HttpAnswer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

pub(crate) async fn http(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> HttpAnswer {
    let mut client = Client::connect(addr).await;
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    write!(request, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    client.send(request.as_bytes()).await;
    parse_http(&client.rest().await)
}

pub(crate) async fn get(simulator: &Simulator, path: &str) -> HttpAnswer {
    let key = format!("Bearer {KEY}");
    http(
        simulator.addr(),
        "GET",
        path,
        &[("Authorization", &key)],
        "",
    )
    .await
}

fn parse_http(bytes: &[u8]) -> HttpAnswer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.expect("a whole head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, _)| name == "Transfer-Encoding");
    let body = &bytes[end + 4..];
    HttpAnswer {
        status: status.parse().unwrap(),
        body: if chunked {
            dechunk(body)
        } else {
            body.to_vec()
        },
        headers,
    }
}

/// Stops without complaint where a chunk is missing, as a cut body has it.
fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let text = std::str::from_utf8(&bytes[..line]).unwrap();
        let length = usize::from_str_radix(text, 16).unwrap();
        if length == 0 {
            break;
        }
        body.extend_from_slice(&bytes[line + 2..line + 2 + length]);
        bytes = &bytes[line + 4 + length..];
    }
    body
}
