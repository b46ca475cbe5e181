//! What no transcript shows: time, versions, modes and the end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cpa_exporter_simulator::{CpaVersion, Management, Simulator, SimulatorConfig, TrafficConfig};

use super::support::{Client, KEY, command, get, http, movable, start};

async fn of_version(major: u16, minor: u16, patch: u16) -> Simulator {
    start(SimulatorConfig {
        version: CpaVersion::new(major, minor, patch),
        ..SimulatorConfig::default()
    })
    .await
}

async fn reply(client: &mut Client, words: &[&str]) -> String {
    client.send(&command(words)).await;
    String::from_utf8(client.frame().await).unwrap()
}

#[tokio::test]
async fn records_wait_as_long_as_retention_says() {
    let (millis, clock) = movable();
    let simulator = start(SimulatorConfig {
        clock,
        ..SimulatorConfig::default()
    })
    .await;
    simulator.push("old");
    millis.fetch_add(30_000, Ordering::Relaxed);
    simulator.push("new");
    millis.fetch_add(29_999, Ordering::Relaxed);
    let mut client = Client::authenticated(simulator.addr()).await;
    assert_eq!(client.pop(1).await, [b"old"]);
    simulator.push("newest");
    millis.fetch_add(30_001, Ordering::Relaxed);
    assert_eq!(client.pop(10).await, [b"newest"]);
    assert_eq!(simulator.totals().expired, 1);
}

#[tokio::test]
async fn strikes_over_http_ban_resp_until_the_time_is_over() {
    let (millis, clock) = movable();
    let simulator = start(SimulatorConfig {
        clock,
        ..SimulatorConfig::default()
    })
    .await;
    for _ in 0..5 {
        let forged = [
            ("X-Forwarded-For", "127.0.0.1"),
            ("X-Management-Key", "wrong"),
        ];
        http(simulator.addr(), "GET", "/v0/management/debug", &forged, "").await;
    }
    millis.fetch_add(2_000, Ordering::Relaxed);
    let mut client = Client::connect(simulator.addr()).await;
    assert_eq!(
        reply(&mut client, &["AUTH", KEY]).await,
        "-ERR IP banned due to too many failed attempts. Try again in 29m58s\r\n"
    );
    millis.fetch_add(30 * 60 * 1000, Ordering::Relaxed);
    assert_eq!(reply(&mut client, &["AUTH", KEY]).await, "+OK\r\n");
}

#[tokio::test]
async fn each_version_has_its_resp() {
    let simulator = of_version(7, 1, 17).await;
    let mut client = Client::connect(simulator.addr()).await;
    client.send(&command(&["AUTH", KEY])).await;
    assert_eq!(
        client.rest().await,
        b"-ERR RESP AUTH disabled; use mTLS\r\n"
    );

    let simulator = of_version(6, 9, 38).await;
    let mut client = Client::authenticated(simulator.addr()).await;
    assert_eq!(
        reply(&mut client, &["SUBSCRIBE", "usage"]).await,
        "-ERR unknown command 'subscribe'\r\n"
    );
}

#[tokio::test]
async fn each_version_has_its_routes() {
    let status = async |simulator: &Simulator, path| get(simulator, path).await.status;
    let old = of_version(7, 2, 74).await;
    assert_eq!(status(&old, "/v8/management/credentials").await, 404);
    assert_eq!(status(&old, "/v0/management/quota/providers").await, 404);
    let answer = get(&old, "/v0/management/auth-files").await;
    assert_eq!(answer.header("X-Cpa-Version"), Some("7.2.74"));

    let v8 = of_version(8, 0, 10).await;
    assert_eq!(status(&v8, "/v0/management/usage-queue").await, 200);
    assert_eq!(status(&v8, "/v8/management/auth-files").await, 404);
    let unknown = get(&v8, "/v8/management/credentials/quota/providers").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.header("X-Cpa-Version"), Some("8.0.10"));
    let keyless = http(v8.addr(), "GET", "/v8/management/credentials", &[], "").await;
    assert_eq!(keyless.status, 401);
}

#[tokio::test]
async fn v8_pages_credentials_and_shows_their_quota() {
    let simulator = of_version(8, 0, 10).await;
    let page = get(&simulator, "/v8/management/credentials?page=2&page_size=4")
        .await
        .json();
    assert_eq!(page["files"].as_array().unwrap().len(), 4);
    assert_eq!(page["page"], 2);
    assert_eq!(page["has_more"], true);
    assert!(page["observed_at"].is_string());
    let all = get(&simulator, "/v8/management/credentials").await.json();
    assert!(all.get("page").is_none());
    let codex = all["files"].as_array().unwrap().iter();
    let codex = codex
        .filter(|file| file["provider"] == "codex")
        .collect::<Vec<_>>();
    let used = &codex[0]["quota"]["signals"]["X-Codex-Primary-Used-Percent"];
    assert!(used.as_str().unwrap().parse::<u8>().unwrap() <= 100);
    assert!(codex[0]["quota"]["signals"].get("Set-Cookie").is_none());
    let bad = get(&simulator, "/v8/management/credentials?page=0").await;
    assert_eq!(bad.body, br#"{"error":"page must be a positive integer"}"#);
}

#[tokio::test]
async fn v8_takes_bare_values() {
    let simulator = of_version(8, 0, 10).await;
    let path = "/v8/management/config/observability/usage/usage-statistics-enabled";
    assert_eq!(get(&simulator, path).await.body, b"true");
    let key = [("X-Management-Key", KEY)];
    let answer = http(simulator.addr(), "PUT", path, &key, "false").await;
    assert_eq!(answer.body, br#"{"status":"ok","config-version":8}"#);
    assert_eq!(get(&simulator, path).await.body, b"false");
    let envelope = http(simulator.addr(), "PUT", path, &key, r#"{"value":true}"#).await;
    assert_eq!(envelope.status, 400);
    simulator.set_usage_statistics(true);
    simulator.push("{}");
    let queue = "/v8/management/observability/usage/queue?count=5";
    assert_eq!(get(&simulator, queue).await.body, b"[{}]");
}

#[tokio::test]
async fn modes_say_what_cpa_says() {
    let simulator = start(SimulatorConfig::default()).await;
    simulator.set_management(Management::Home);
    let mut client = Client::connect(simulator.addr()).await;
    client.send(b"*").await;
    assert_eq!(
        client.rest().await,
        b"-ERR redis usage output disabled in home mode\r\n"
    );
    assert_eq!(get(&simulator, "/v0/management/debug").await.status, 404);

    let keyless = start(SimulatorConfig {
        management: Management::KeyNotSet,
        ..SimulatorConfig::default()
    })
    .await;
    let mut client = Client::connect(keyless.addr()).await;
    let text = "-ERR remote management key not set\r\n";
    assert_eq!(reply(&mut client, &["AUTH", KEY]).await, text);

    let simulator = start(SimulatorConfig::default()).await;
    simulator.push("{}");
    simulator.set_management(Management::Disabled);
    assert_eq!(simulator.totals().lost_in_restart, 1);
}

#[tokio::test]
async fn an_end_inside_a_bulk_string_has_a_name() {
    let simulator = start(SimulatorConfig::default()).await;
    let mut client = Client::connect(simulator.addr()).await;
    client.send(b"*2\r\n$4\r\nAU").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream)
        .await
        .unwrap();
    assert_eq!(client.rest().await, b"-ERR unexpected EOF\r\n");
}

#[tokio::test]
async fn two_poppers_split_the_queue() {
    let simulator = start(SimulatorConfig {
        traffic: TrafficConfig {
            backlog: 100,
            ..TrafficConfig::default()
        },
        ..SimulatorConfig::default()
    })
    .await;
    let mut one = Client::authenticated(simulator.addr()).await;
    let mut two = Client::authenticated(simulator.addr()).await;
    let (a, b) = (one.pop(60).await, two.pop(60).await);
    assert_eq!((a.len(), b.len()), (60, 40));
    assert!(a.iter().all(|record| !b.contains(record)));
}

/// As measured: the port closes, a connected popper still gets what ends last, then the end.
#[tokio::test]
async fn a_graceful_stop_serves_connected_poppers() {
    let simulator = start(SimulatorConfig {
        shutdown_grace: Duration::from_millis(500),
        ..SimulatorConfig::default()
    })
    .await;
    simulator.generate(3);
    let mut client = Client::authenticated(simulator.addr()).await;
    let addr = simulator.addr();
    let popped = async {
        let mut got = client.pop(100).await.len();
        while got < 4 {
            got += client.pop(100).await.len();
        }
        assert!(tokio::net::TcpStream::connect(addr).await.is_err());
        assert!(client.rest().await.is_empty());
        got
    };
    let stop = simulator.shutdown_with_in_flight(1, Duration::from_millis(50));
    let (got, ()) = tokio::join!(popped, stop);
    assert_eq!(got, 4);
}

#[tokio::test]
async fn management_can_cost_time() {
    let simulator = start(SimulatorConfig {
        management_delay: Duration::from_millis(62),
        ..SimulatorConfig::default()
    })
    .await;
    let before = tokio::time::Instant::now();
    assert_eq!(get(&simulator, "/v0/management/debug").await.status, 200);
    assert!(before.elapsed() >= Duration::from_millis(62));
}
