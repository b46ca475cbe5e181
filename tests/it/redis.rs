//! Checks our RESP against a real Redis.

use std::process::{Command, Stdio};

use tempfile::tempdir;

use crate::harness::{Exporter, eventually};
use crate::prometheus::{Process, free_port, program};

const KEY: &str = "a-key-for-redis";

fn redis_cli(port: u16, args: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-p", &port.to_string(), "-a", KEY, "--no-auth-warning"])
        .args(args)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn record(n: usize) -> String {
    format!(
        r#"{{"timestamp":"2026-11-22T04:35:{:02}.5Z","latency_ms":5,"provider":"codex","model":"gpt-5","request_id":"{n:08x}"}}"#,
        n % 60
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_accepts_pops_and_subscriptions() {
    if program("redis-server").is_none() {
        return;
    }
    let dir = tempdir().unwrap();
    let port = free_port();
    let server = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--requirepass",
            KEY,
        ])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Process(server);
    eventually("redis", async || {
        (redis_cli(port, &["PING"]) == "PONG").then_some(())
    })
    .await;
    for n in 0..100 {
        redis_cli(port, &["RPUSH", "usage", &record(n)]);
    }
    let url = format!("http://127.0.0.1:{port}");
    let env = [("CPA_MANAGEMENT_KEY", KEY)];
    let popper = dir.path().join("pop");
    let exporter = Exporter::start_at(&url, &env, &popper, &["--cpa.mode", "pop"]).await;
    exporter
        .when("popped", |s| s.get("cpa_store_events") == Some(&100.0))
        .await;
    // An empty counted pop is nil in Redis and an empty list in CPA.
    redis_cli(port, &["RPUSH", "usage", &record(100)]);
    exporter
        .when("one more", |s| s["cpa_store_events"] == 101.0)
        .await;
    exporter.terminate().await;

    let subscriber = dir.path().join("subscribe");
    let exporter = Exporter::start_at(&url, &env, &subscriber, &["--cpa.mode", "subscribe"]).await;
    eventually("subscribed", async || {
        (redis_cli(port, &["PUBLISH", "usage", &record(0)]) == "1").then_some(())
    })
    .await;
    for n in 1..50 {
        redis_cli(port, &["PUBLISH", "usage", &record(n)]);
    }
    exporter
        .when("received", |s| s.get("cpa_store_events") == Some(&50.0))
        .await;
    let (status, log) = exporter.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
}
