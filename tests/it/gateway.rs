//! Gateways: captured databases of New API and One API, and what can happen to their log.

mod capture;
mod captured;
mod server;
mod servers;
mod simulated;
mod sqlite;
mod writer;

use std::path::Path;

use crate::harness::{Exporter, Samples};

/// The exporter without CPA.
async fn start(directory: &Path, dsn: &str, flags: &[&str]) -> Exporter {
    let mut all = vec![
        "--cpa.enabled=false",
        "--gateway.poll-interval",
        "100ms",
        "--gateway.dsn",
        dsn,
    ];
    all.extend(flags);
    Exporter::start_at("http://127.0.0.1:1", &[], &directory.join("data"), &all).await
}

async fn stop(exporter: Exporter) {
    let (status, log) = exporter.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

/// Value of a sample; 0 if it is absent.
fn value(samples: &Samples, name: &str) -> u64 {
    let value = samples.get(name).copied().unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts in tests are small"
    )]
    let whole = value as u64;
    whole
}

/// The sum of a family's samples whose labels contain `labels`.
fn sum(samples: &Samples, family: &str, labels: &str) -> u64 {
    let of_family = samples
        .keys()
        .filter(|name| name.starts_with(&format!("{family}{{")) && name.contains(labels));
    of_family.map(|name| value(samples, name)).sum()
}
