//! A database that is locked, old, damaged or of another program.

use std::fs;

use tempfile::tempdir;

use crate::harness::{Exporter, command, count, counted, eventually, simulator, stored, sum};
use crate::kill::lock_database;

/// By then the pause between two retries has reached its maximum.
const FAILURES: f64 = 8.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_long_database_lock_loses_nothing() {
    let simulator = simulator(|config| config.traffic.backlog = 500).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter
        .when("first", |s| s.get("cpa_store_events") == Some(&500.0))
        .await;
    // Every series has been incremented.
    let want = stored(dir.path());
    let before = exporter.when("counted", |s| counted(s) == want).await;
    let lock = lock_database(dir.path());
    let mut made = 500_u32;
    let failures = "cpa_store_commit_failures_total{reason=\"locked\"}";
    let mut failed = 0.0;
    while failed < FAILURES {
        simulator.generate(100);
        made += 100;
        // Meanwhile the page is served with the committed values.
        let page = exporter
            .when("popped into the spool, and another failure", |s| {
                s[failures] > failed && simulator.totals().queued == 0
            })
            .await;
        assert_eq!(counted(&page)[0], sum(&before, "cpa_requests_total"));
        failed = page[failures];
    }
    exporter.logged("another program holds a lock").await;
    drop(lock);
    exporter
        .when("stored", |s| {
            s.get("cpa_spool_pending_bytes").copied().unwrap_or(-1.0) == 0.0
                && s.get("cpa_store_events").copied() == Some(f64::from(made))
        })
        .await;
    exporter.logged("no record was lost").await;
    let want = stored(dir.path());
    let page = exporter.when("counted", |s| counted(s) == want).await;
    assert_eq!(sum(&page, "cpa_ingest_duplicates_total"), 0.0);
    assert_eq!(simulator.totals().popped.records, u64::from(made));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_pauses_ingest_until_it_has_room() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let flags = ["--storage.spool-limit", "1MiB", "--cpa.pop-bytes", "64KiB"];
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    exporter.ready().await;
    let lock = lock_database(dir.path());
    simulator.generate(3000);
    exporter.logged("the spool is full").await;
    let page = exporter.samples().await;
    assert!(page["cpa_spool_pending_bytes"] <= page["cpa_spool_limit_bytes"] + 300_000.0);
    assert!(simulator.totals().queued > 1000);
    drop(lock);
    exporter.logged("spool has free space again").await;
    exporter
        .when("all", |s| {
            s.get("cpa_store_events").copied().unwrap_or(-1.0) == 3000.0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_stays_unchanged_and_can_be_set_aside() {
    let simulator = simulator(|config| config.traffic.backlog = 300).await;
    let dir = tempdir().unwrap();
    let file = dir.path().join("cpa-exporter.db");
    fs::write(&file, "x".repeat(20_000)).unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    let page = exporter
        .when("spooling", |s| s.get("cpa_spool_limit_bytes").is_some())
        .await;
    assert!(
        !page.contains_key("cpa_ingest_records_total"),
        "nothing rather than a wrong zero"
    );
    let line = exporter.logged("set-aside").await;
    assert!(line.contains("corrupt"), "{line}");
    eventually("popped", async || {
        (simulator.totals().queued == 0).then_some(())
    })
    .await;
    assert_eq!(exporter.get("/-/ready", "").await.0, 503);
    exporter.terminate().await;
    assert_eq!(fs::read(&file).unwrap(), "x".repeat(20_000).as_bytes());

    let aside = std::process::Command::new(env!("CARGO_BIN_EXE_cpa-exporter"))
        .args(["storage", "set-aside", "--storage.path"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(aside.status.success(), "{aside:?}");
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter
        .when("from the spool", |s| {
            s.get("cpa_store_events") == Some(&300.0)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_with_a_wrong_number_of_cells_is_not_restored_as_zero() {
    let simulator = simulator(|config| config.traffic.backlog = 300).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter
        .when("stored", |s| s.get("cpa_store_events") == Some(&300.0))
        .await;
    exporter.terminate().await;
    let conn = rusqlite::Connection::open(dir.path().join("cpa-exporter.db")).unwrap();
    // `cpa_requests_total`, whose totals have one cell of eight bytes.
    let sql = "UPDATE total SET cells = zeroblob(16) WHERE family = 1";
    assert!(conn.execute(sql, []).unwrap() > 0);
    drop(conn);

    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    let line = exporter.logged("cells of a total").await;
    assert!(line.contains("set-aside"), "{line}");
    assert_eq!(exporter.get("/-/ready", "").await.0, 503);
    let page = exporter
        .when("spooling", |s| s.get("cpa_spool_limit_bytes").is_some())
        .await;
    assert!(!page.contains_key("cpa_ingest_records_total"), "{page:?}");
    exporter.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intact_database_is_set_aside_only_by_force_and_can_be_restored() {
    let simulator = simulator(|config| config.traffic.backlog = 30).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter
        .when("stored", |s| s.get("cpa_store_events") == Some(&30.0))
        .await;
    exporter.terminate().await;
    let set_aside = |force: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_cpa-exporter"))
            .args(["storage", "set-aside", "--storage.path"])
            .arg(dir.path())
            .args(force)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    };
    let refused = set_aside(&[]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("not damaged") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(count(dir.path(), "SELECT count(*) FROM event"), 30);

    let done = set_aside(&["--force"]);
    assert!(done.status.success(), "{done:?}");
    assert!(!dir.path().join("cpa-exporter.db").exists());
    let said = String::from_utf8(done.stdout).unwrap();
    let (_, back) = said.split_once("to undo").unwrap();
    for line in back.lines().filter(|line| line.starts_with("  mv ")) {
        let moved = std::process::Command::new("sh").args(["-c", line]).status();
        assert!(moved.unwrap().success(), "{line}");
    }
    assert_eq!(count(dir.path(), "SELECT count(*) FROM event"), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_database_and_a_locked_directory_are_refused() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter.ready().await;
    let url = format!("http://{}", simulator.addr());
    let second = command(dir.path())
        .args(["--cpa.url", &url])
        .env("CPA_MANAGEMENT_KEY", simulator.management_key())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    exporter.terminate().await;

    let conn = rusqlite::Connection::open(dir.path().join("cpa-exporter.db")).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let mut exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    assert_eq!(exporter.ended().await.code(), Some(1));
    exporter.logged("schema version 99").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_begins_an_epoch_without_duplicates() {
    let simulator = simulator(|config| config.traffic.backlog = 400).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter
        .when("400", |s| s.get("cpa_store_events") == Some(&400.0))
        .await;
    exporter.terminate().await;
    let copy = fs::read(dir.path().join("cpa-exporter.db")).unwrap();
    simulator.generate(300);
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter
        .when("700", |s| s.get("cpa_store_events") == Some(&700.0))
        .await;
    exporter.terminate().await;
    for side in ["-wal", "-shm"] {
        fs::remove_file(dir.path().join(format!("cpa-exporter.db{side}"))).ok();
    }
    fs::write(dir.path().join("cpa-exporter.db"), copy).unwrap();

    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter.ready().await;
    exporter.logged("an earlier copy was put back").await;
    let page = exporter.samples().await;
    assert!(
        page.keys()
            .any(|name| name.starts_with("cpa_requests_total{")),
        "series are known"
    );
    assert_eq!(counted(&page), [0.0; 3]);
    simulator.generate(50);
    let page = exporter.when("50 more", |s| counted(s)[0] == 50.0).await;
    assert_eq!(page["cpa_ingest_records_total"], 50.0);
    assert_eq!(count(dir.path(), "SELECT count(*) FROM event"), 450);
}
