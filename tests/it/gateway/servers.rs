//! The same gateways in PostgreSQL and MariaDB.

use std::fs;
use std::path::Path;

use super::capture::{Capture, TABLES};
use super::captured::{CAPTURES, check, is_read};
use super::server::{Engine, Server};
use super::{stop, sum, value};
use crate::harness::Exporter;

/// What the documentation says to grant. `other` has what errors and caches tell.
const GRANTS: [(&str, &[&str]); 4] = [
    (
        "logs",
        &[
            "id",
            "user_id",
            "created_at",
            "type",
            "username",
            "token_name",
            "model_name",
            "quota",
            "prompt_tokens",
            "completion_tokens",
            "use_time",
            "elapsed_time",
            "is_stream",
            "channel_id",
            "token_id",
            "group",
            "request_id",
            "other",
        ],
    ),
    ("abilities", &["group", "model", "channel_id", "enabled"]),
    (
        "channels",
        &[
            "id",
            "type",
            "name",
            "status",
            "group",
            "tag",
            "balance",
            "balance_updated_time",
            "used_quota",
            "response_time",
            "test_time",
            "channel_info",
        ],
    ),
    (
        "tokens",
        &[
            "id",
            "user_id",
            "name",
            "status",
            "remain_quota",
            "used_quota",
            "unlimited_quota",
            "expired_time",
            "deleted_at",
        ],
    ),
];

/// The DSN contains a password, so it comes from a file.
async fn start(directory: &Path, dsn: &str, flags: &[&str]) -> Exporter {
    let file = directory.join("dsn");
    fs::write(&file, dsn).unwrap();
    let mut all = vec![
        "--cpa.enabled=false",
        "--gateway.poll-interval",
        "100ms",
        "--gateway.start",
        "first",
        "--gateway.dsn-file",
        file.to_str().unwrap(),
    ];
    all.extend(flags);
    Exporter::start_at("http://127.0.0.1:1", &[], &directory.join("data"), &all).await
}

async fn captured_databases(engine: Engine) {
    let Some(server) = Server::start(engine).await else {
        return;
    };
    for (number, name) in CAPTURES.into_iter().enumerate() {
        let capture = Capture::read(name);
        let database = format!("capture{number}");
        server.create_database(&database);
        server.execute(&database, &capture.sql(engine));
        server.grant(&database, |table| {
            let existing = capture.columns(table);
            let wanted = GRANTS.iter().find(|(name, _)| *name == table).unwrap().1;
            let both = wanted.iter().filter(|name| existing.contains(name));
            both.map(|name| (*name).to_owned()).collect()
        });
        let dir = tempfile::tempdir().unwrap();
        let exporter = start(dir.path(), &server.dsn(&database), &[]).await;
        let what = format!("{engine:?} {name} is read");
        let samples = exporter.when(&what, |page| is_read(&capture, page)).await;
        check(name, &capture, &samples);
        let failures = "newapi_read_failures_total{table=\"objects\"}";
        assert_eq!(value(&samples, failures), 0, "{}", exporter.log());
        assert!(!exporter.log().contains("p@ss") && !exporter.log().contains("p%40ss"));
        stop(exporter).await;
    }
    assert_eq!(TABLES.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn captured_databases_in_postgresql_give_the_totals_of_their_ledger() {
    captured_databases(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn captured_databases_in_mariadb_give_the_totals_of_their_ledger() {
    captured_databases(Engine::Mariadb).await;
}

const COLUMNS: &str = "(user_id, created_at, type, username, token_name, model_name, quota, \
    prompt_tokens, completion_tokens, use_time, channel_id, token_id, other)";
const ROW: &str = "(1, 1795323451, 2, 'u', 't', 'm', 7, 10, 2, 1, 3, 1, '{}')";

fn rows(count: usize) -> String {
    format!(
        "INSERT INTO logs {COLUMNS} VALUES {}",
        vec![ROW; count].join(", ")
    )
}

/// Requests that are counted, once the log was read to its end.
async fn counted(exporter: &Exporter, requests: u64) {
    let success = "outcome=\"success\"";
    let count = |page: &crate::harness::Samples| sum(page, "newapi_attempts_total", success);
    let what = format!("{requests} requests");
    exporter.when(&what, |page| count(page) >= requests).await;
    let caught_up = |page: &crate::harness::Samples| {
        page.get("newapi_log_lag_seconds") == Some(&0.0) && value(page, "newapi_up") == 1
    };
    let page = exporter.when("the log is read to its end", caught_up).await;
    assert_eq!(count(&page), requests);
}

/// Late commits, a rollback, a TRUNCATE, a killed exporter and a restarted server.
async fn events_of_a_log(engine: Engine) {
    let Some(mut server) = Server::start(engine).await else {
        return;
    };
    let capture = Capture::read("newapi-2026-08");
    server.create_database("newapi");
    server.execute("newapi", &capture.schema(engine));
    server.grant("newapi", |table| {
        let grants = GRANTS.iter().find(|(name, _)| *name == table).unwrap().1;
        let existing = capture.columns(table);
        let both = grants.iter().filter(|name| existing.contains(name));
        both.map(|name| (*name).to_owned()).collect()
    });
    let dir = tempfile::tempdir().unwrap();
    let exporter = start(dir.path(), &server.dsn("newapi"), &[]).await;
    let mut late = server.session("newapi");
    let mut undone = server.session("newapi");
    server.execute("newapi", &rows(10));
    counted(&exporter, 10).await;
    // Both take ids, and others commit before them.
    late.execute(&format!("BEGIN; {}", rows(5)));
    undone.execute(&format!("BEGIN; {}", rows(3)));
    server.execute("newapi", &rows(20));
    counted(&exporter, 30).await;
    let page = exporter.samples().await;
    assert_eq!(
        value(&page, "newapi_log_cursor"),
        38,
        "a cursor alone loses ids 11 to 15"
    );
    assert_eq!(value(&page, "newapi_log_gaps"), 1);
    undone.execute("ROLLBACK");
    exporter.kill();
    late.execute("COMMIT");
    let exporter = start(dir.path(), &server.dsn("newapi"), &[]).await;
    counted(&exporter, 35).await;
    // The server goes and comes again.
    drop((late, undone));
    server.kill();
    exporter
        .when("the server is gone", |page| value(page, "newapi_up") == 0)
        .await;
    server.run().await;
    server.execute("newapi", &rows(4));
    counted(&exporter, 39).await;
    let truncate = match engine {
        Engine::Postgres => "TRUNCATE logs RESTART IDENTITY;",
        Engine::Mariadb => "TRUNCATE TABLE logs;",
    };
    server.execute("newapi", &format!("{truncate} {};", rows(8)));
    counted(&exporter, 47).await;
    stop(exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_of_postgresql_is_lost_or_doubled() {
    events_of_a_log(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_of_mariadb_is_lost_or_doubled() {
    events_of_a_log(Engine::Mariadb).await;
}
