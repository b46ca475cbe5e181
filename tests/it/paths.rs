//! A base URL with a wrong path, directly and behind a reverse proxy.

use std::net::SocketAddr;

use axum::http::StatusCode;
use axum::response::Html;
use axum::{Router, routing::any};
use tempfile::tempdir;
use tokio::task::JoinSet;

use crate::harness::{Exporter, simulator};

/// A web server without a CPA.
async fn stranger(status: StatusCode, body: &'static str) -> (SocketAddr, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = Router::new().fallback(any(async move || (status, Html(body))));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (addr, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_is_not_mistaken_for_cpa() {
    let answers = [
        (StatusCode::NOT_FOUND, "<html>404 Not Found</html>"),
        (StatusCode::NOT_FOUND, ""),
        (StatusCode::OK, "<!doctype html><html>an app</html>"),
        (StatusCode::NOT_FOUND, r#"{"detail":"Not Found"}"#),
    ];
    for (status, body) in answers {
        let (addr, _tasks) = stranger(status, body).await;
        for mode in ["auto", "http"] {
            let dir = tempdir().unwrap();
            let url = format!("http://{addr}/wrong");
            let env = [("CPA_MANAGEMENT_KEY", "key")];
            let exporter = Exporter::start_at(&url, &env, dir.path(), &["--cpa.mode", mode]).await;
            let line = exporter.logged("CPA is unreachable").await;
            assert!(
                line.contains("path of cpa.url"),
                "{status} {body:?} {mode} {line}"
            );
            let page = exporter.samples().await;
            assert_eq!(page["cpa_up"], 0.0);
            assert_eq!(
                page.get(r#"cpa_access_refused{reason="management_off"}"#)
                    .copied(),
                page.get(r#"cpa_access_refused{reason="wrong_key"}"#)
                    .copied(),
            );
            let log = exporter.terminate().await.1;
            for wrong in ["connected to CPA", "CPA is reachable again", "switched off"] {
                assert!(
                    !log.contains(wrong),
                    "{status} {body:?} {mode} {wrong}\n{log}"
                );
            }
        }
    }
}

/// CPA answers, but not at this path: RESP, which has no path, continues.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_path_on_cpa_itself_does_not_stop_resp() {
    let simulator = simulator(|config| config.traffic.backlog = 20).await;
    let dir = tempdir().unwrap();
    let url = format!("http://{}/wrong", simulator.addr());
    let env = [("CPA_MANAGEMENT_KEY", simulator.management_key())];
    let exporter = Exporter::start_at(&url, &env, dir.path(), &["--cpa.mode", "pop"]).await;
    exporter
        .when("popped", |s| s.get("cpa_store_events") == Some(&20.0))
        .await;
    let line = exporter.logged("management API is unreachable").await;
    assert!(line.contains("path of cpa.url"), "{line}");
    // Records arrive, over new connections too.
    simulator.restart().await.unwrap();
    simulator.generate(5);
    let page = exporter
        .when("popped again", |s| s.get("cpa_store_events") == Some(&25.0))
        .await;
    assert_eq!(page["cpa_up"], 1.0);
    let refused: Vec<_> = page
        .iter()
        .filter(|(name, value)| name.starts_with("cpa_access_refused") && **value == 1.0)
        .collect();
    assert_eq!(refused.len(), 0, "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_mode_is_not_logged_at_every_attempt() {
    let (addr, _tasks) = stranger(StatusCode::BAD_GATEWAY, "").await;
    let dir = tempdir().unwrap();
    let url = format!("http://{addr}");
    let env = [("CPA_MANAGEMENT_KEY", "key")];
    let exporter = Exporter::start_at(&url, &env, dir.path(), &["--cpa.mode", "pop"]).await;
    // Attempts follow after 0.25, 0.5, 1 and 2 seconds.
    let attempts = r#"cpa_ingest_reconnects_total{reason="unavailable"}"#;
    exporter
        .when("five attempts", |s| {
            s.get(attempts).is_some_and(|n| *n >= 5.0)
        })
        .await;
    let log = exporter.terminate().await.1;
    let lines = log
        .lines()
        .filter(|line| line.contains("does not support this ingest mode"));
    assert_eq!(lines.count(), 1, "{log}");
    let lines = log
        .lines()
        .filter(|line| line.contains("CPA is unreachable"));
    assert_eq!(lines.count(), 1, "{log}");
}
