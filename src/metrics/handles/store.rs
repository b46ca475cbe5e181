use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::super::catalogue::{Kind, ingest};
use super::super::encode::{Bounds, Encoder};
use super::{Known, as_f64, counters, gauge, label};
use crate::model::UnixNanos;

pub(in crate::metrics) const FAILURES: [&str; 5] =
    ["locked", "full", "read_only", "corrupt", "other"];
pub(in crate::metrics) const FILES: [&str; 3] = ["database", "wal", "spool"];
/// Buckets of the commit histogram, the one beyond the last bound, and the sum.
const COMMIT_CELLS: usize = 14;

/// What is known of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSizes {
    pub events: u64,
    pub rejects: u64,
    pub oldest_event: Option<UnixNanos>,
    pub database_bytes: u64,
    pub wal_bytes: u64,
    pub spool_pending_bytes: u64,
    pub spool_file_bytes: u64,
    pub free_bytes: Option<u64>,
}

/// How the database and the spool do.
#[derive(Clone, Debug, Default)]
pub struct StoreMetrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    events: Known,
    rejects: Known,
    oldest: Known,
    free: Known,
    database: Known,
    wal: Known,
    spool: Known,
    spool_pending: Known,
    spool_limit: Known,
    failures: [Counter; 5],
    commits: [AtomicU64; COMMIT_CELLS],
}

impl StoreMetrics {
    pub fn set_sizes(&self, sizes: &StoreSizes) {
        let inner = &*self.0;
        inner.events.set(as_f64(sizes.events));
        inner.rejects.set(as_f64(sizes.rejects));
        inner.database.set(as_f64(sizes.database_bytes));
        inner.wal.set(as_f64(sizes.wal_bytes));
        self.set_spool(sizes.spool_pending_bytes, sizes.spool_file_bytes);
        match sizes.oldest_event {
            Some(at) => inner.oldest.set(at.as_seconds()),
            None => inner.oldest.clear(),
        }
        match sizes.free_bytes {
            Some(bytes) => inner.free.set(as_f64(bytes)),
            None => inner.free.clear(),
        }
    }

    /// Known even while the database is out of reach.
    pub fn set_spool(&self, pending_bytes: u64, file_bytes: u64) {
        self.0.spool_pending.set(as_f64(pending_bytes));
        self.0.spool.set(as_f64(file_bytes));
    }

    pub fn set_spool_limit(&self, bytes: u64) {
        self.0.spool_limit.set(as_f64(bytes));
    }

    pub fn observe_commit(&self, took: Duration) {
        let Kind::Histogram(buckets) = ingest::STORE_COMMIT.kind else {
            return;
        };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = buckets.bounds.partition_point(|bound| *bound < micros);
        for (cell, n) in [(bucket, 1), (COMMIT_CELLS - 1, micros)] {
            if let Some(cell) = self.0.commits.get(cell) {
                cell.fetch_add(n, Ordering::Relaxed);
            }
        }
    }

    /// `reason` is a value of the label `reason`.
    pub fn commit_failed(&self, reason: &str) {
        let counters = FAILURES.iter().zip(&self.0.failures);
        if let Some((_, counter)) = counters.into_iter().find(|(name, _)| **name == reason) {
            counter.inc();
        }
    }

    pub(super) fn encode(&self, page: &mut Encoder<'_>) {
        let inner = &*self.0;
        gauge(page, &ingest::STORE_EVENTS, inner.events.get());
        gauge(page, &ingest::STORE_REJECTS, inner.rejects.get());
        gauge(page, &ingest::STORE_FREE, inner.free.get());
        gauge(page, &ingest::STORE_OLDEST, inner.oldest.get());
        page.head(&ingest::STORE_SIZE);
        for (file, size) in FILES
            .iter()
            .zip([&inner.database, &inner.wal, &inner.spool])
        {
            if let Some(size) = size.get() {
                page.sample(&ingest::STORE_SIZE, &label("file", file), size);
            }
        }
        if let Kind::Histogram(buckets) = ingest::STORE_COMMIT.kind {
            let cells: Vec<u64> = inner
                .commits
                .iter()
                .map(|c| c.load(Ordering::Relaxed))
                .collect();
            page.head(&ingest::STORE_COMMIT);
            page.histogram(
                &ingest::STORE_COMMIT,
                "",
                &Bounds::new(buckets),
                &cells,
                &[],
            );
        }
        counters(
            page,
            &ingest::STORE_COMMIT_FAILURES,
            "reason",
            &FAILURES,
            &inner.failures,
        );
        gauge(page, &ingest::SPOOL_PENDING, inner.spool_pending.get());
        gauge(page, &ingest::SPOOL_LIMIT, inner.spool_limit.get());
    }
}
