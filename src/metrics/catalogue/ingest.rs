//! Counters of the ingest of payloads.

use crate::metrics::counted::{CommitAmount, Outcome, OutcomeAmount, PayloadAmount, RecordAmount};
use crate::metrics::counter::{Amount, Counter, counter};
use crate::metrics::family::Buckets;
use crate::model::{Control, LabelValue as _, RejectReason};

/// Milliseconds.
const LAG: Buckets = Buckets {
    bounds: &[
        50, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 3_600_000,
    ],
    scale: 1000,
};

pub(in crate::metrics) static OF_PAYLOADS: &[Counter<PayloadAmount>] = &[
    counter(
        15,
        "cpa_ingest_records_total",
        &[],
        "Payloads received from CPA, including duplicates and rejects.",
    )
    .adds(|_| Amount::Of(1)),
    counter(
        16,
        "cpa_ingest_bytes_total",
        &[],
        "Bytes of payloads received from CPA.",
    )
    .adds(|payload| Amount::Of(payload.bytes)),
];

pub(in crate::metrics) static OF_OUTCOMES: &[Counter<OutcomeAmount>] = &[
    counter(
        17,
        "cpa_ingest_duplicates_total",
        &[],
        "Records received again, with the same key and content; they do not count as requests.",
    )
    .adds(|outcome| Amount::one_if(matches!(outcome, Outcome::Duplicate))),
    counter(
        18,
        "cpa_ingest_prewarm_total",
        &[],
        "Records of prewarm requests, which generate no output; they do not count as requests.",
    )
    .adds(|outcome| {
        if let Outcome::Event(record) = outcome {
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
    .adds(|outcome| {
        if let Outcome::Reject(reason) = outcome {
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
    .adds(|outcome| {
        if let Outcome::Control(message) = outcome {
            Amount::OneAt(message.index())
        } else {
            Amount::Nothing
        }
    }),
];

pub(in crate::metrics) static OF_COMMITS: &[Counter<CommitAmount>] = &[counter(
    21,
    "cpa_ingest_lag_seconds",
    &[],
    "Time from the end of a request to the commit of its record.",
)
.histogram(LAG)
.adds(|commit| Amount::Of(u64::try_from(commit.lag.as_millis()).unwrap_or(u64::MAX)))];

pub(in crate::metrics) static OF_RECORDS: &[Counter<RecordAmount>] = &[counter(
    22,
    "cpa_ingest_last_event_timestamp_seconds",
    &[],
    "Start of the latest request, in Unix time.",
)
.latest_time()
.adds(|record| record.time.into())];
