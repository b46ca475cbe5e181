//! Damaged and missing files of the storage directory: what is lost is counted and reported.

use std::fs;

use rusqlite::Connection;
use tempfile::tempdir;

use crate::harness::{
    Exporter, command, database, eventually, run_once, simulator, spool_files, stored, sum,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_byte_in_the_spool_loses_its_frame_and_is_reported() {
    let simulator = simulator(|_| ()).await;
    let dir = tempdir().unwrap();
    run_once(&simulator, dir.path()).await;
    // While another program locks the database, records stay in the spool.
    let lock = Connection::open(dir.path().join("cpa-exporter.db")).unwrap();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    simulator.generate(500);
    eventually("popped", async || {
        (simulator.totals().popped.records == 500).then_some(())
    })
    .await;
    exporter
        .when("spooled", |s| {
            s.get("cpa_spool_pending_bytes")
                .is_some_and(|bytes| *bytes > 500_000.0)
        })
        .await;
    exporter.kill();
    drop(lock);
    let is_large = |path: &std::path::PathBuf| fs::metadata(path).unwrap().len() > 100_000;
    let file = spool_files(dir.path()).into_iter().find(is_large).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(&file, bytes).unwrap();

    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter.ready().await;
    let page = exporter
        .when("stored", |s| s.get("cpa_store_events") == Some(&499.0))
        .await;
    assert_eq!(stored(dir.path())[0], 499.0);
    assert_eq!(
        page["cpa_ingest_losses_total{reason=\"spool_damaged\"}"],
        1.0
    );
    assert_eq!(page["cpa_ingest_complete"], 0.0);
    assert_eq!(sum(&page, "cpa_ingest_rejects_total"), 0.0);
    let line = exporter.logged("damaged bytes in the spool skipped").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let copy = fs::read(line["copy"].as_str().unwrap()).unwrap();
    assert_eq!(Some(copy.len() as u64), line["bytes"].as_u64());
    let (status, log) = exporter.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_hash_key_beside_a_full_database_is_refused() {
    let simulator = simulator(|config| config.traffic.backlog = 50).await;
    let dir = tempdir().unwrap();
    run_once(&simulator, dir.path()).await;
    let clients = "SELECT group_concat(label) FROM dimension WHERE label IS NOT NULL";
    let read = || -> String {
        let row = database(dir.path()).query_row(clients, [], |row| row.get(0));
        row.unwrap()
    };
    let before = read();
    let key = dir.path().join("hash.key");
    fs::remove_file(&key).unwrap();
    let output = command(dir.path())
        .args(["--cpa.url", &format!("http://{}", simulator.addr())])
        .env("CPA_MANAGEMENT_KEY", simulator.management_key())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("hash.key is missing beside a database"),
        "{text}"
    );
    assert!(text.contains("put it back from a copy"), "{text}");
    assert!(!key.exists());
    assert_eq!(read(), before);
    // An empty file accepts new names.
    fs::write(&key, "").unwrap();
    run_once(&simulator, dir.path()).await;
    assert_eq!(fs::read(&key).unwrap().len(), 16);
}
