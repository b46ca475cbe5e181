//! A reload with files that cannot be read.

use std::fs;
use std::process::Command;

use tempfile::tempdir;

use crate::harness::{Exporter, simulator};

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_in_place_of_a_file_fails_the_reload_and_nothing_else() {
    const SUCCESSFUL: &str = "cpa_exporter_config_last_reload_successful";
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let file = dir.path().join("limits.toml");
    fs::write(&file, "").unwrap();
    let flags = ["--limits.file", file.to_str().unwrap()];
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    exporter.ready().await;
    let make_fifo = || {
        fs::remove_file(&file).unwrap();
        let made = Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
    };

    make_fifo();
    exporter.signal("HUP");
    // While the reload waits, records are counted and pages served.
    simulator.generate(10);
    let counted = |page: &crate::harness::Samples| page.values().any(|value| *value >= 10.0);
    exporter.when("records", counted).await;
    let line = exporter.logged("configuration not reloaded").await;
    assert!(
        line.contains("limits.toml cannot be read: it was not read"),
        "{line}"
    );
    exporter
        .when("failed", |page| page[SUCCESSFUL] == 0.0)
        .await;

    fs::remove_file(&file).unwrap();
    fs::write(&file, "").unwrap();
    exporter.signal("HUP");
    exporter.logged("configuration reloaded").await;
    exporter
        .when("reloaded", |page| page[SUCCESSFUL] == 1.0)
        .await;

    // A stop does not wait for a file either.
    make_fifo();
    exporter.signal("HUP");
    let (status, log) = exporter.terminate().await;
    assert!(status.success(), "{log}");
}
