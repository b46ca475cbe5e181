//! Damaged and missing files of the storage directory: what is lost is counted and reported.

use std::fs;

use rusqlite::Connection;
use tempfile::tempdir;

use crate::harness::{
    Exporter, command, counted, database, eventually, run_once, simulator, spool_files, stored, sum,
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
async fn files_deleted_while_open_are_restored_and_reported() {
    let simulator = simulator(|config| config.traffic.backlog = 200).await;
    let dir = tempdir().unwrap();
    let storage = dir.path().join("storage");
    let exporter = Exporter::start(&simulator, &storage, &[]).await;
    exporter
        .when("stored", |s| s.get("cpa_store_events") == Some(&200.0))
        .await;
    let key = fs::read(storage.join("hash.key")).unwrap();
    let losses = "cpa_ingest_losses_total{reason=\"files_deleted\"}";
    for file in [
        "cpa-exporter.db",
        "cpa-exporter.db-wal",
        "cpa-exporter.db-shm",
    ] {
        fs::remove_file(storage.join(file)).ok();
    }
    let page = exporter.when("noticed", |s| s[losses] == 1.0).await;
    assert_eq!(page["cpa_ingest_complete"], 0.0);
    simulator.generate(100);
    exporter
        .when("stored", |s| s.get("cpa_store_events") == Some(&300.0))
        .await;
    assert_eq!(stored(&storage)[0], 300.0);
    // The whole directory is moved away.
    fs::rename(&storage, dir.path().join("moved")).unwrap();
    exporter.when("noticed", |s| s[losses] >= 2.0).await;
    simulator.generate(100);
    exporter
        .when("stored", |s| s.get("cpa_store_events") == Some(&400.0))
        .await;
    exporter.logged("the open ones are restored").await;
    let (status, log) = exporter.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    fs::write(storage.join("hash.key"), key).unwrap();
    let exporter = Exporter::start(&simulator, &storage, &[]).await;
    exporter.ready().await;
    assert_eq!(stored(&storage)[0], 400.0);
    let want = stored(&storage);
    exporter.when("counted", |s| counted(s) == want).await;
    // Another database in the place of the open one ends the program.
    let other = dir.path().join("moved").join("cpa-exporter.db");
    fs::remove_file(storage.join("cpa-exporter.db")).unwrap();
    fs::rename(other, storage.join("cpa-exporter.db")).unwrap();
    exporter
        .logged("another program has replaced the database")
        .await;
    let mut exporter = exporter;
    assert_eq!(exporter.ended().await.code(), Some(1));
    assert!(storage.join("cpa-exporter.db.rescued").exists());
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
