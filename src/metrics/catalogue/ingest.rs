//! Ingest and CPA.

use super::Kind::{Counter as CounterKind, Gauge, Histogram};
use super::{Buckets, Family, family};
use crate::metrics::counted::{IngestAmount, IngestStep};
use crate::metrics::counter::{Amount, Counter, counter};
use crate::model::{Control, LabelValue as _, RejectReason};

/// Milliseconds.
const LAG: Buckets = Buckets {
    bounds: &[
        50, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 3_600_000,
    ],
    scale: 1000,
};
/// Microseconds.
const COMMIT: Buckets = Buckets {
    bounds: &[
        1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
        10_000_000,
    ],
    scale: 1_000_000,
};

/// In the order of the exposition.
pub(in crate::metrics) static COUNTERS: &[Counter<IngestAmount>] = &[
    counter(
        15,
        "cpa_ingest_records_total",
        &[],
        "Payloads received from CPA, including duplicates and rejects.",
    )
    .adds(|step| Amount::one_if(matches!(step, IngestStep::Payload(_)))),
    counter(
        16,
        "cpa_ingest_bytes_total",
        &[],
        "Bytes of payloads received from CPA.",
    )
    .adds(|step| {
        if let IngestStep::Payload(bytes) = step {
            Amount::Of(*bytes as u64)
        } else {
            Amount::Nothing
        }
    }),
    counter(
        17,
        "cpa_ingest_duplicates_total",
        &[],
        "Records received again, with the same key and content; they do not count as requests.",
    )
    .adds(|step| Amount::one_if(matches!(step, IngestStep::Duplicate))),
    counter(
        18,
        "cpa_ingest_prewarm_total",
        &[],
        "Records of prewarm requests, which generate no output; they do not count as requests.",
    )
    .adds(|step| {
        if let IngestStep::Event(record) = step {
            Amount::one_if(!record.event.generate)
        } else {
            Amount::Nothing
        }
    }),
    counter(
        19,
        "cpa_ingest_rejects_total",
        &["reason"],
        "Payloads that could not be decoded, by reason; they are stored and can be replayed.",
    )
    .by::<RejectReason>()
    .adds(|step| {
        if let IngestStep::Reject(reason) = step {
            Amount::OneAt(reason.index())
        } else {
            Amount::Nothing
        }
    }),
    counter(
        20,
        "cpa_ingest_control_messages_total",
        &["message"],
        "Control messages received in a subscription.",
    )
    .by::<Control>()
    .adds(|step| {
        if let IngestStep::Control(message) = step {
            Amount::OneAt(message.index())
        } else {
            Amount::Nothing
        }
    }),
    counter(
        21,
        "cpa_ingest_lag_seconds",
        &[],
        "Time from the end of a request to the commit of its record.",
    )
    .histogram(LAG)
    .adds(|step| {
        if let IngestStep::Commit(lag) = step {
            Amount::Of(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX))
        } else {
            Amount::Nothing
        }
    }),
    counter(
        22,
        "cpa_ingest_last_event_timestamp_seconds",
        &[],
        "Start of the latest request, in Unix time.",
    )
    .latest_time()
    .adds(|step| {
        if let IngestStep::Event(record) = step {
            record.time().into()
        } else {
            Amount::Nothing
        }
    }),
];

/// In the order of the exposition.
pub(super) static METRICS: &[&Family] = &[
    &UP,
    &INFO,
    &ACCESS_REFUSED,
    &USAGE_STATISTICS_ENABLED,
    &CLOCK_SKEW,
    &INGEST_MODE,
    &INGEST_BATCHES,
    &INGEST_FULL_POLLS,
    &INGEST_RECONNECTS,
    &INGEST_CUTS,
    &INGEST_GAP,
    &INGEST_STARVED,
    &INGEST_COMPLETE,
    &STORE_EVENTS,
    &STORE_REJECTS,
    &STORE_FREE,
    &STORE_OLDEST,
    &STORE_SIZE,
    &STORE_COMMIT,
    &STORE_COMMIT_FAILURES,
    &SPOOL_PENDING,
    &SPOOL_LIMIT,
];

pub(in crate::metrics) static UP: Family = family(
    "cpa_up",
    Gauge,
    &[],
    "1 if the last contact with CPA succeeded, else 0.",
);
pub(in crate::metrics) static INFO: Family = family(
    "cpa_info",
    Gauge,
    &["version", "api"],
    "1, with the version of CPA and the generation of its management API.",
);
pub(in crate::metrics) static ACCESS_REFUSED: Family = family(
    "cpa_access_refused",
    Gauge,
    &["reason"],
    "Reason CPA refuses access (1 = active).",
);
pub(in crate::metrics) static USAGE_STATISTICS_ENABLED: Family = family(
    "cpa_usage_statistics_enabled",
    Gauge,
    &[],
    "1 if usage statistics are enabled in CPA, else 0.",
);
pub(in crate::metrics) static CLOCK_SKEW: Family = family(
    "cpa_clock_skew_seconds",
    Gauge,
    &[],
    "CPA's clock minus the exporter's clock, in seconds, accurate to half a second.",
);
pub(in crate::metrics) static INGEST_MODE: Family = family(
    "cpa_ingest_mode",
    Gauge,
    &["mode"],
    "Collection mode (1 = active).",
);
pub(in crate::metrics) static INGEST_BATCHES: Family = family(
    "cpa_ingest_batches_total",
    CounterKind,
    &["mode"],
    "Batches of records received from CPA, by mode, since the start of the exporter.",
);
pub(in crate::metrics) static INGEST_FULL_POLLS: Family = family(
    "cpa_ingest_full_polls_total",
    CounterKind,
    &[],
    "Polls that returned as many records as requested, since the start of the exporter.",
);
pub(in crate::metrics) static INGEST_RECONNECTS: Family = family(
    "cpa_ingest_reconnects_total",
    CounterKind,
    &["reason"],
    "Reconnects to CPA, by reason, since the start of the exporter.",
);
pub(in crate::metrics) static INGEST_CUTS: Family = family(
    "cpa_ingest_subscriber_cuts_total",
    CounterKind,
    &[],
    "Subscriptions that CPA closed because the subscriber was too slow, since the start of the exporter.",
);
pub(in crate::metrics) static INGEST_GAP: Family = family(
    "cpa_ingest_gap_seconds_total",
    CounterKind,
    &[],
    "Seconds during which records may have expired in CPA before collection, since the start of the exporter.",
);
pub(in crate::metrics) static INGEST_STARVED: Family = family(
    "cpa_ingest_starved",
    Gauge,
    &[],
    "1 if CPA counts requests but the exporter receives no records, else 0.",
);
pub(in crate::metrics) static INGEST_COMPLETE: Family = family(
    "cpa_ingest_complete",
    Gauge,
    &[],
    "1 if no loss is known in the last hour: no gap, closed subscription, reject or starvation; else 0.",
);
pub(in crate::metrics) static STORE_EVENTS: Family =
    family("cpa_store_events", Gauge, &[], "Events in the database.");
pub(in crate::metrics) static STORE_REJECTS: Family =
    family("cpa_store_rejects", Gauge, &[], "Rejects in the database.");
pub(in crate::metrics) static STORE_FREE: Family = family(
    "cpa_store_free_bytes",
    Gauge,
    &[],
    "Free bytes on the file system of the storage directory.",
);
pub(in crate::metrics) static STORE_OLDEST: Family = family(
    "cpa_store_oldest_event_timestamp_seconds",
    Gauge,
    &[],
    "Start of the oldest request in the database, in Unix time.",
);
pub(in crate::metrics) static STORE_SIZE: Family = family(
    "cpa_store_size_bytes",
    Gauge,
    &["file"],
    "Size of the exporter's files, in bytes.",
);
pub(in crate::metrics) static STORE_COMMIT: Family = family(
    "cpa_store_commit_seconds",
    Histogram(COMMIT),
    &[],
    "Time from the first record of a transaction to its commit, since the start of the exporter.",
);
pub(in crate::metrics) static STORE_COMMIT_FAILURES: Family = family(
    "cpa_store_commit_failures_total",
    CounterKind,
    &["reason"],
    "Failed transactions, by reason; their records stay in the spool. Since the start of the exporter.",
);
pub(in crate::metrics) static SPOOL_PENDING: Family = family(
    "cpa_spool_pending_bytes",
    Gauge,
    &[],
    "Bytes received and not yet committed to the database.",
);
pub(in crate::metrics) static SPOOL_LIMIT: Family = family(
    "cpa_spool_limit_bytes",
    Gauge,
    &[],
    "Limit of pending bytes; collection pauses above it.",
);
