use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::super::encode::Encoder;
use super::super::family::{Buckets, Family};
use super::as_f64;
use super::metric::{BucketsOf, By, Gauge, Histogram, Metric, metrics};
use crate::model::{FailureClass, UnixNanos, label_enum};

label_enum! {
    /// Files of the storage directory.
    pub enum StoreFile {
        Database = "database",
        Wal = "wal",
        Spool = "spool",
    }
}

label_enum! {
    /// Cause of a known loss of received records.
    pub enum Loss {
        /// Bytes in the spool were damaged.
        SpoolDamaged = "spool_damaged",
        /// A stored reject was deleted because of the limits, before it was replayed.
        RejectDropped = "reject_dropped",
        /// Another program deleted or replaced open files of the storage directory.
        FilesDeleted = "files_deleted",
        /// A reply of CPA ended before its last record.
        ReplyCut = "reply_cut",
    }
}

/// Microseconds.
#[derive(Debug)]
struct CommitTime;

impl BucketsOf for CommitTime {
    const BUCKETS: Buckets = Buckets {
        bounds: &[
            1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
            2_500_000, 10_000_000,
        ],
        scale: 1_000_000,
    };
}

metrics! {
    struct Inner;
    losses: By<Loss, Counter>, "cpa_ingest_losses_total", &["reason"],
        "Known losses of received records, by reason, since the start of the exporter; each makes cpa_ingest_complete 0 for an hour.";
    events: Gauge, "cpa_store_events", &[],
        "Events in the database.";
    rejects: Gauge, "cpa_store_rejects", &[],
        "Rejects in the database.";
    free: Gauge, "cpa_store_free_bytes", &[],
        "Free bytes on the file system of the storage directory.";
    oldest: Gauge, "cpa_store_oldest_event_timestamp_seconds", &[],
        "Start of the oldest request in the database, in Unix time.";
    sizes: By<StoreFile, Gauge>, "cpa_store_size_bytes", &["file"],
        "Size of the exporter's files, in bytes.";
    commits: Histogram<CommitTime>, "cpa_store_commit_seconds", &[],
        "Time from the first record of a transaction to its commit, since the start of the exporter.";
    failures: By<FailureClass, Counter>, "cpa_store_commit_failures_total", &["reason"],
        "Failed transactions, by reason; their records stay in the spool. Since the start of the exporter.";
    spool_pending: Gauge, "cpa_spool_pending_bytes", &[],
        "Bytes received and not yet committed to the database.";
    spool_limit: Gauge, "cpa_spool_limit_bytes", &[],
        "Limit of pending bytes; collection pauses above it.";
}

/// Sizes of the database and the spool.
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

/// State of the database and the spool.
#[derive(Clone, Debug, Default)]
pub struct StoreMetrics(Arc<Inner>);

impl StoreMetrics {
    pub(in crate::metrics) const FAMILIES: &'static [Family] = Inner::FAMILIES;

    pub(super) fn count_losses(&self, loss: Loss, number: u64) {
        self.0.losses.of(loss).inc_by(number);
    }

    pub fn set_sizes(&self, sizes: &StoreSizes) {
        let inner = &*self.0;
        inner.events.set(as_f64(sizes.events));
        inner.rejects.set(as_f64(sizes.rejects));
        inner
            .sizes
            .of(StoreFile::Database)
            .set(as_f64(sizes.database_bytes));
        inner.sizes.of(StoreFile::Wal).set(as_f64(sizes.wal_bytes));
        self.set_spool(sizes.spool_pending_bytes, sizes.spool_file_bytes);
        let oldest = sizes.oldest_event.map(UnixNanos::as_seconds);
        inner.oldest.set_or_clear(oldest);
        inner.free.set_or_clear(sizes.free_bytes.map(as_f64));
    }

    /// Known even while the database is unavailable.
    pub fn set_spool(&self, pending_bytes: u64, file_bytes: u64) {
        self.0.spool_pending.set(as_f64(pending_bytes));
        self.0.sizes.of(StoreFile::Spool).set(as_f64(file_bytes));
    }

    pub fn set_spool_limit(&self, bytes: u64) {
        self.0.spool_limit.set(as_f64(bytes));
    }

    pub fn observe_commit(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0.commits.observe(micros);
    }

    pub fn commit_failed(&self, class: FailureClass) {
        self.0.failures.of(class).inc();
    }

    pub(super) fn encode(&self, page: &mut Encoder<'_>) {
        self.0.encode(page);
    }
}
