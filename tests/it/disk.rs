//! A full or read-only disk: received records wait, and none is lost.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::harness::{Exporter, count, counted, eventually, run_once, simulator, stored, sum};

/// A small file system of its own. Requires the right to mount.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0700");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .status();
        status.is_ok_and(|s| s.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0).status().ok();
    }
}

/// Skips what a container may forbid; a missing program is an error.
fn skipped(why: &str) {
    let mut err = std::io::stderr();
    writeln!(err, "\n*** SKIPPED: {why} ***\n").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_ingest_recovers() {
    let dir = tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(dir.path(), "48m") else {
        return skipped("a full disk needs the right to mount a tmpfs");
    };
    let simulator = simulator(|config| config.traffic.backlog = 200).await;
    let exporter = Exporter::start(&simulator, dir.path(), &["--cpa.pop-bytes", "64KiB"]).await;
    exporter.when("first", |s| counted(s)[0] == 200.0).await;
    let filler = fill(dir.path());
    simulator.generate(3000);
    // No reply is requested without room for it on the disk.
    exporter
        .logged("the disk has no room for another reply")
        .await;
    let page = exporter.samples().await;
    assert_eq!(
        counted(&page)[0],
        count(dir.path(), "SELECT count(*) FROM event") as f64,
        "the page shows what is committed"
    );
    assert!(
        simulator.totals().queued > 1000,
        "popped without room: {:?}",
        simulator.totals().queued
    );
    fs::remove_file(&filler).unwrap();
    eventually("all taken", async || {
        (simulator.totals().queued == 0).then_some(())
    })
    .await;
    let page = exporter
        .when("all stored", |s| s.get("cpa_store_events") == Some(&3200.0))
        .await;
    assert_eq!(sum(&page, "cpa_ingest_duplicates_total"), 0.0);
    let want = stored(dir.path());
    exporter.when("counted", |s| counted(s) == want).await;
    let (status, log) = exporter.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_on_a_full_disk_loses_nothing() {
    let dir = tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(dir.path(), "48m") else {
        return skipped("a full disk needs the right to mount a tmpfs");
    };
    let simulator = simulator(|config| config.traffic.backlog = 200).await;
    let flags = ["--cpa.pop-bytes", "64KiB"];
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    exporter.when("first", |s| counted(s)[0] == 200.0).await;
    let filler = fill(dir.path());
    simulator.generate(3000);
    exporter
        .logged("the disk has no room for another reply")
        .await;
    let (_, log) = exporter.terminate().await;
    assert!(!log.contains("records lost"), "{log}");
    let popped = simulator.totals().popped.records;
    assert!(popped > 200 && simulator.totals().queued > 0, "{popped}");
    fs::remove_file(&filler).unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    exporter
        .when("all stored", |s| s.get("cpa_store_events") == Some(&3200.0))
        .await;
}

/// Leaves no free byte.
fn fill(disk: &Path) -> std::path::PathBuf {
    let filler = disk.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    filler
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_or_read_only_disk_serves_the_reason_and_waits() {
    let dir = tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(dir.path(), "48m") else {
        return skipped("a full disk needs the right to mount a tmpfs");
    };
    let remount = |how: &str| {
        let mut mount = Command::new("mount");
        mount
            .args(["-o", &format!("remount,{how}")])
            .arg(dir.path());
        mount.status().is_ok_and(|status| status.success())
    };
    let storage = dir.path().join("storage");
    let simulator = simulator(|config| config.traffic.backlog = 100).await;
    let filler = fill(dir.path());
    let exporter = Exporter::start(&simulator, &storage, &[]).await;
    let failures = |reason: &str| format!("cpa_store_commit_failures_total{{reason=\"{reason}\"}}");
    let full = failures("full");
    exporter.when("full", |s| s[&full] >= 2.0).await;
    let (status, text) = exporter.get("/-/ready", "").await;
    assert_eq!(status, 503);
    assert!(text.contains("is full; make room"), "{text}");
    assert_eq!(exporter.get("/-/healthy", "").await.0, 200);
    let (status, text) = exporter.get("/api/v1/quota", "").await;
    assert_eq!(status, 503);
    assert!(text.contains("is full; make room"), "{text}");
    assert_eq!(simulator.totals().queued, 100, "nothing is popped");
    assert!(remount("ro"));
    let read_only = failures("read_only");
    exporter.when("read-only", |s| s[&read_only] >= 1.0).await;
    assert!(remount("rw"));
    fs::remove_file(&filler).unwrap();
    exporter
        .when("stored", |s| s.get("cpa_store_events") == Some(&100.0))
        .await;
    let (status, log) = exporter.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    fill(dir.path());
    let exporter = Exporter::start(&simulator, &dir.path().join("other"), &[]).await;
    let (status, log) = exporter.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_fills_the_spool_and_ingest_recovers() {
    let simulator = simulator(|config| config.traffic.backlog = 300).await;
    let dir = tempdir().unwrap();
    run_once(&simulator, dir.path()).await;
    let before = count(dir.path(), "SELECT count(*) FROM event");
    // File modes do not restrict root, which CI may use.
    let database = dir.path().join("cpa-exporter.db");
    let Some(immutable) = Immutable::set(&database) else {
        return skipped("a read-only file needs a file system with attributes");
    };
    simulator.generate(400);
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter.logged("cannot be written").await;
    eventually("popped", async || {
        (simulator.totals().queued == 0).then_some(())
    })
    .await;
    let page = exporter
        .when("waiting", |s| {
            s.get("cpa_spool_pending_bytes")
                .is_some_and(|n| *n > 300_000.0)
        })
        .await;
    assert!(sum(&page, "cpa_store_commit_failures_total") >= 1.0);
    drop(immutable);
    let total = simulator.totals().popped.records;
    exporter
        .when("stored", |s| {
            s.get("cpa_store_events") == Some(&(total as f64))
        })
        .await;
    exporter.logged("no record was lost").await;
    assert!(count(dir.path(), "SELECT count(*) FROM event") > before);
}

/// A file that not even root can write.
struct Immutable<'a>(&'a Path);

impl<'a> Immutable<'a> {
    fn set(file: &'a Path) -> Option<Self> {
        let status = Command::new("chattr").arg("+i").arg(file).status();
        status.is_ok_and(|s| s.success()).then_some(Self(file))
    }
}

impl Drop for Immutable<'_> {
    fn drop(&mut self) {
        Command::new("chattr").arg("-i").arg(self.0).status().ok();
    }
}
