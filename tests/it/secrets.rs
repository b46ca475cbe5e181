//! No secret of what came in is anywhere in what goes out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::tempdir;

use crate::harness::{Exporter, count, simulator};

/// Values of these keys in a captured record are secrets.
fn secrets_of(record: &serde_json::Value, found: &mut BTreeSet<String>) {
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    found.insert(text("api_key"));
    found.insert(text("access_token_sha256"));
    found.insert(text("source"));
    for name in ["Set-Cookie", "Anthropic-Organization-Id"] {
        for value in record["response_headers"][name]
            .as_array()
            .into_iter()
            .flatten()
        {
            // The whole cookie; its value is what matters.
            let value = value.as_str().unwrap();
            found.insert(value.split(['=', ';']).nth(1).unwrap_or(value).to_owned());
        }
    }
}

fn captured() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records");
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|x| x == "jsonl"));
    files.sort();
    let lines = |file| {
        fs::read_to_string(file)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    files
        .into_iter()
        .flat_map(|file| -> Vec<String> { lines(file) })
        .collect()
}

/// Every byte of every file below.
fn bytes_below(dir: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes_below(&path, out);
        } else {
            out.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_leaves() {
    let records = captured();
    assert!(records.len() >= 1130, "{} records", records.len());
    let mut secrets = BTreeSet::new();
    for record in &records {
        secrets_of(&serde_json::from_str(record).unwrap(), &mut secrets);
    }
    let simulator = simulator(|_| {}).await;
    secrets.insert(simulator.management_key().to_owned());
    secrets.retain(|secret| secret.len() >= 4);
    assert!(secrets.len() > 30, "{secrets:?}");

    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &["--log.level", "trace"]).await;
    for (n, record) in records.iter().enumerate() {
        simulator.push(record.clone());
        // Damaged in several ways, each a reject that is kept.
        match n % 5 {
            0 => simulator.push(record.get(..record.len() - 7).unwrap_or("{").to_owned()),
            1 => simulator.push(record.replace("\"latency_ms\":", "\"latency_ms\":\"x\",\"y\":")),
            2 => simulator.push(record.replace("\"timestamp\":", "\"then\":")),
            3 => simulator.push(record.replacen('"', "", 1)),
            _ => simulator.push(format!("[{record}]")),
        }
    }
    let all = 2.0 * records.len() as f64;
    exporter
        .when("all", |s| s.get("cpa_ingest_records_total") == Some(&all))
        .await;
    let mut places = vec![("text".to_owned(), exporter.page().await.into_bytes())];
    let (_, open_metrics) = exporter
        .get("/metrics", "application/openmetrics-text")
        .await;
    places.push(("openmetrics".to_owned(), open_metrics.into_bytes()));
    places.push((
        "landing page".to_owned(),
        exporter.get("/", "").await.1.into_bytes(),
    ));
    bytes_below(dir.path(), &mut places);
    let (_, log) = exporter.terminate().await;
    places.push(("log".to_owned(), log.into_bytes()));
    bytes_below(dir.path(), &mut places);
    nowhere(&places, &secrets);
}

fn nowhere(places: &[(String, Vec<u8>)], secrets: &BTreeSet<String>) {
    for (place, bytes) in places {
        for secret in secrets {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {place}");
        }
    }
}

/// Version 4 stored e-mails and projects as they came, also in rejects.
fn old_database(directory: &Path) {
    let conn = Connection::open(directory.join("cpa-exporter.db")).unwrap();
    for sql in [
        include_str!("../../migrations/0001_events.sql"),
        include_str!("../../migrations/0002_accounts.sql"),
        include_str!("../../migrations/0003_money.sql"),
        include_str!("../../migrations/0004_imported.sql"),
    ] {
        conn.execute_batch(sql).unwrap();
    }
    conn.pragma_update(None, "application_id", 0x4350_4145)
        .unwrap();
    conn.pragma_update(None, "user_version", 4).unwrap();
    conn.execute_batch(
        r#"INSERT INTO dimension VALUES (9, 1, 'old.user@example.com', NULL), (9, 2, 'old-project-7', NULL);
        INSERT INTO reject (received, reason, detail, payload) VALUES (1, 0, '', CAST(
        '{"source":"old-project-7","auth_type":"oauth","provider":"vertex","fail":{"body":"in old-project-7"}}' AS BLOB)), (2, 0, '',
        CAST('{"source":"old.user@example.com","auth_type":"oauth"}' AS BLOB));"#,
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_stored_in_clear_goes_at_the_start() {
    let secrets = ["old.user@example.com", "old-project-7"];
    let secrets: BTreeSet<String> = secrets.map(str::to_owned).into();
    let dir = tempdir().unwrap();
    old_database(dir.path());
    let simulator = simulator(|_| {}).await;
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter.ready().await;
    let mut places = Vec::new();
    bytes_below(dir.path(), &mut places);
    nowhere(&places, &secrets);
    // Masked as the decoder masks the same source in a record.
    simulator.push(
        r#"{"timestamp":"2026-11-01T00:00:00Z","provider":"vertex","auth_type":"oauth","source":"old-project-7"}"#
            .to_owned(),
    );
    exporter
        .when("stored", |s| s.get("cpa_store_events") == Some(&1.0))
        .await;
    assert_eq!(count(dir.path(), "SELECT source FROM event"), 2);
    assert_eq!(count(dir.path(), "SELECT count(*) FROM reject"), 2);
    exporter.terminate().await;
    let mut places = Vec::new();
    bytes_below(dir.path(), &mut places);
    nowhere(&places, &secrets);
}
