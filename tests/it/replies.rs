//! Long, slow and cut replies: records are stored as they arrive, with bounded memory.

use std::io::{BufReader, BufWriter, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tempfile::tempdir;

use crate::harness::Exporter;

const MIB: usize = 1024 * 1024;
const LOST: &str = r#"cpa_ingest_losses_total{reason="reply_cut"}"#;

/// A part of a reply.
#[derive(Clone, Copy)]
enum Part {
    /// So many records, each with a body of this length.
    Records(u64, usize),
    /// Half a record.
    Half,
    /// Waits until the test goes on.
    Wait,
}

/// A CPA whose only reply with records consists of `parts`; afterwards the queue is empty. A reply
/// with [`Part::Half`] ends there with its connection.
struct LongReply {
    parts: Vec<Part>,
    sent: Mutex<bool>,
    go_on: Mutex<Receiver<()>>,
}

impl LongReply {
    fn serve(parts: &[Part]) -> (SocketAddr, Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, go_on) = channel();
        let this = Arc::new(Self {
            parts: parts.to_vec(),
            sent: Mutex::new(false),
            go_on: Mutex::new(go_on),
        });
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let this = Arc::clone(&this);
                std::thread::spawn(move || this.connection(stream.unwrap()));
            }
        });
        (address, sender)
    }

    /// The exporter sends one command or request at a time.
    fn connection(&self, stream: TcpStream) -> Option<()> {
        let mut from = BufReader::new(stream.try_clone().unwrap());
        let mut to = BufWriter::new(stream);
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let read = from.read(&mut bytes).ok().filter(|read| *read > 0)?;
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            if text.starts_with('*') {
                self.command(&text, &mut to)?;
            } else {
                self.request(&text, &mut to)?;
            }
            to.flush().ok()?;
        }
    }

    fn command(&self, command: &str, to: &mut impl Write) -> Option<()> {
        if command.contains("AUTH") {
            write!(to, "+OK\r\n").ok()
        } else if command.contains("LPOP") {
            if self.is_sent() {
                return write!(to, "*0\r\n").ok();
            }
            write!(to, "*{}\r\n", self.records()).ok()?;
            self.send(to, |to, record| {
                write!(to, "${}\r\n{record}\r\n", record.len()).ok()
            })
        } else if command.contains("SUBSCRIBE") {
            write!(to, "*3\r\n$9\r\nsubscribe\r\n$5\r\nusage\r\n:1\r\n").ok()?;
            if command.contains("errors") || self.is_sent() {
                return Some(());
            }
            self.send(to, |to, record| {
                let head = "*3\r\n$7\r\nmessage\r\n$5\r\nusage\r\n";
                write!(to, "{head}${}\r\n{record}\r\n", record.len()).ok()
            })
        } else {
            write!(to, "*2\r\n$4\r\npong\r\n$-1\r\n").ok()
        }
    }

    fn request(&self, request: &str, to: &mut impl Write) -> Option<()> {
        let head = "HTTP/1.1 200 OK\r\nX-Cpa-Version: v7.2.140\r\n";
        if request.contains("/usage-queue?") && !self.is_sent() {
            write!(to, "{head}Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n").ok()?;
            let mut comma = "";
            self.send(to, |to, record| {
                let length = record.len() + comma.len();
                let written = write!(to, "{length:x}\r\n{comma}{record}\r\n").ok();
                comma = ",";
                written
            })?;
            return write!(to, "1\r\n]\r\n0\r\n\r\n").ok();
        }
        let pages = [
            ("/debug", r#"{"debug":false}"#),
            ("/usage-queue?", "[]"),
            (
                "/usage-statistics-enabled",
                r#"{"usage-statistics-enabled":true}"#,
            ),
            ("/config", r#"{"redis-usage-queue-retention-seconds":60}"#),
        ];
        let found = pages.iter().find(|(path, _)| request.contains(path));
        match found {
            Some((_, body)) => {
                write!(to, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).ok()
            }
            None => write!(
                to,
                "HTTP/1.1 404 Not Found\r\nX-Cpa-Version: v7.2.140\r\nContent-Length: 0\r\n\r\n"
            )
            .ok(),
        }
    }

    fn is_sent(&self) -> bool {
        std::mem::replace(&mut *self.sent.lock().unwrap(), true)
    }

    /// Records of the reply; the last three of a cut one are missing.
    fn records(&self) -> u64 {
        let records = self.parts.iter().map(|part| match part {
            Part::Records(number, _) => *number,
            Part::Half => 3,
            Part::Wait => 0,
        });
        records.sum()
    }

    fn send<W: Write>(
        &self,
        to: &mut W,
        mut one: impl FnMut(&mut W, &str) -> Option<()>,
    ) -> Option<()> {
        let mut number = 0;
        for part in &self.parts {
            match *part {
                Part::Records(records, body) => {
                    let body = "x".repeat(body);
                    for _ in 0..records {
                        number += 1;
                        one(to, &record(number, &body))?;
                    }
                }
                Part::Half => {
                    write!(to, "$100\r\n{{\"timestamp\":").ok()?;
                    return None;
                }
                Part::Wait => {
                    to.flush().ok()?;
                    self.go_on.lock().unwrap().recv().ok()?;
                }
            }
        }
        Some(())
    }
}

fn record(number: u64, body: &str) -> String {
    let (minute, second) = (number / 60 % 60, number % 60);
    format!(
        r#"{{"timestamp":"2026-11-22T04:{minute:02}:{second:02}.5Z","latency_ms":5,"provider":"codex","model":"gpt-5","request_id":"{number:08x}","failed":true,"fail":{{"status_code":500,"body":"{body}"}}}}"#
    )
}

async fn exporter(address: SocketAddr, mode: &str, directory: &std::path::Path) -> Exporter {
    let env = [("CPA_MANAGEMENT_KEY", "key")];
    Exporter::start_at(
        &format!("http://{address}"),
        &env,
        directory,
        &["--cpa.mode", mode],
    )
    .await
}

/// The peak is at most 64 MiB above the memory before the reply.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_follow_the_length_of_a_reply() {
    // Bodies longer than any record, then an array of many records.
    const LONG: u64 = 16;
    const MANY: u64 = 1500;
    for mode in ["pop", "subscribe", "http"] {
        let parts = [
            Part::Records(1, 10),
            Part::Wait,
            Part::Records(LONG, 10 * MIB),
            Part::Records(MANY, 64 * 1024),
        ];
        let (address, go_on) = LongReply::serve(&parts);
        let dir = tempdir().unwrap();
        let exporter = exporter(address, mode, dir.path()).await;
        exporter
            .when("the first record", |page| {
                page.get("cpa_store_events") == Some(&1.0)
            })
            .await;
        let idle = exporter.peak_memory();
        go_on.send(()).unwrap();
        let page = exporter
            .when("all records", |page| {
                page.get("cpa_store_events") == Some(&((MANY + 1) as f64))
            })
            .await;
        let rejects = page[r#"cpa_ingest_rejects_total{reason="size"}"#];
        assert_eq!(rejects, LONG as f64, "{mode}");
        let more = (exporter.peak_memory() - idle) / MIB as u64;
        assert!(more <= 64, "{mode}: {more} MiB");
        assert_eq!(page[LOST], 0.0, "{mode}");
    }
}

/// Records are stored while their reply is still being sent, however slowly.
#[tokio::test(flavor = "multi_thread")]
async fn records_are_stored_before_their_reply_ends() {
    for mode in ["pop", "subscribe", "http"] {
        let parts = [Part::Records(2, 10), Part::Wait, Part::Records(1, 10)];
        let (address, go_on) = LongReply::serve(&parts);
        let dir = tempdir().unwrap();
        let exporter = exporter(address, mode, dir.path()).await;
        for events in [2.0, 3.0] {
            exporter
                .when("records", |page| {
                    page.get("cpa_store_events") == Some(&events)
                })
                .await;
            go_on.send(()).ok();
        }
        assert_eq!(exporter.samples().await[LOST], 0.0, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_cut_reply_is_a_counted_loss() {
    for (mode, lost) in [("pop", 3.0), ("subscribe", 1.0), ("http", 1.0)] {
        let parts = [Part::Records(2, 10), Part::Half];
        let (address, _go_on) = LongReply::serve(&parts);
        let dir = tempdir().unwrap();
        let exporter = exporter(address, mode, dir.path()).await;
        let page = exporter
            .when("the loss", |page| {
                page.get("cpa_store_events") == Some(&2.0) && page[LOST] > 0.0
            })
            .await;
        assert_eq!(page[LOST], lost, "{mode}");
        assert_eq!(page["cpa_ingest_complete"], 0.0, "{mode}");
        exporter.logged("a reply of CPA ended early").await;
    }
}
