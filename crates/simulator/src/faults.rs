//! Faults that can be injected while the simulator runs.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

/// Switches that take effect with the next reply, record or connection.
#[derive(Debug, Default)]
pub struct Faults {
    cut_replies: AtomicU32,
    refuse: AtomicBool,
    http_503: AtomicBool,
    stall_ms: AtomicU64,
    truncate: AtomicU32,
    garbage: AtomicU32,
    competing_subscriber: AtomicBool,
    competing_popper: AtomicU32,
    pub(crate) changed: Notify,
}

impl Faults {
    /// Truncates the next `n` replies with records and closes their connections.
    pub fn cut_replies(&self, n: u32) {
        self.cut_replies.store(n, Ordering::Relaxed);
    }

    /// Closes the port; open connections stay open.
    pub fn refuse_connections(&self, on: bool) {
        self.refuse.store(on, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Returns 503 to every HTTP request.
    pub fn http_503(&self, on: bool) {
        self.http_503.store(on, Ordering::Relaxed);
    }

    /// Delays each reply by this time.
    pub fn stall(&self, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.stall_ms.store(ms, Ordering::Relaxed);
    }

    /// Truncates the JSON of the next `n` records.
    pub fn truncate_records(&self, n: u32) {
        self.truncate.store(n, Ordering::Relaxed);
    }

    /// Inserts an invalid record before each of the next `n` records.
    pub fn garbage_records(&self, n: u32) {
        self.garbage.store(n, Ordering::Relaxed);
    }

    /// Simulates another subscriber, which receives everything from now on.
    pub fn competing_subscriber(&self, on: bool) {
        self.competing_subscriber.store(on, Ordering::Relaxed);
    }

    /// Simulates another popper, which pops this percentage of the queue.
    pub fn competing_popper(&self, percent: u32) {
        self.competing_popper
            .store(percent.min(100), Ordering::Relaxed);
    }

    pub(crate) fn take_cut(&self) -> bool {
        take(&self.cut_replies)
    }

    pub(crate) fn take_truncate(&self) -> bool {
        take(&self.truncate)
    }

    pub(crate) fn take_garbage(&self) -> bool {
        take(&self.garbage)
    }

    pub(crate) fn refuses(&self) -> bool {
        self.refuse.load(Ordering::Relaxed)
    }

    pub(crate) fn is_http_503(&self) -> bool {
        self.http_503.load(Ordering::Relaxed)
    }

    pub(crate) fn has_competing_subscriber(&self) -> bool {
        self.competing_subscriber.load(Ordering::Relaxed)
    }

    pub(crate) fn competing_percent(&self) -> u32 {
        self.competing_popper.load(Ordering::Relaxed)
    }

    /// Waits while replies are delayed.
    pub(crate) async fn stalled(&self) {
        let ms = self.stall_ms.load(Ordering::Relaxed);
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// Applies the body of `POST /simulator/faults`; absent keys change nothing.
    pub(crate) fn apply(&self, change: &FaultChange) {
        change.cut_replies.inspect(|&n| self.cut_replies(n));
        change
            .refuse_connections
            .inspect(|&on| self.refuse_connections(on));
        change.http_503.inspect(|&on| self.http_503(on));
        change
            .stall_ms
            .inspect(|&ms| self.stall(Duration::from_millis(ms)));
        change
            .truncate_records
            .inspect(|&n| self.truncate_records(n));
        change.garbage_records.inspect(|&n| self.garbage_records(n));
        change
            .competing_subscriber
            .inspect(|&on| self.competing_subscriber(on));
        change
            .competing_popper
            .inspect(|&percent| self.competing_popper(percent));
    }
}

fn take(left: &AtomicU32) -> bool {
    // Usually nothing is left; this case must not write.
    left.load(Ordering::Relaxed) > 0
        && left
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok()
}

/// Body of `POST /simulator/faults`: switches, and actions to run at once.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct FaultChange {
    pub cut_replies: Option<u32>,
    pub refuse_connections: Option<bool>,
    pub http_503: Option<bool>,
    pub stall_ms: Option<u64>,
    pub truncate_records: Option<u32>,
    pub garbage_records: Option<u32>,
    pub competing_subscriber: Option<bool>,
    pub competing_popper: Option<u32>,
    /// Faults of quota responses, by provider, host, account, or `*`; null ends a fault.
    pub quota: BTreeMap<String, Option<QuotaFault>>,
    /// Restart: lose queue, bans and counters and close all connections.
    pub restart: bool,
    /// Drop the queue as if its records had expired.
    pub expire_queue: bool,
    /// Notify subscribers of a change of accounts or configuration.
    pub refresh: bool,
    /// Produce this many records now.
    pub generate: usize,
}

/// Kind of fault of a quota response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaFaultMode {
    Unauthorized,
    PaymentRequired,
    Forbidden,
    NotFound,
    RateLimited,
    ServerError,
    /// 200 with an HTML page.
    Html,
    /// 200 with 10 MiB of JSON.
    Huge,
    /// Every number becomes the text `NaN`.
    Nan,
    /// Every number becomes the bare word `NaN`, which is invalid JSON.
    BareNan,
    /// Every number becomes negative.
    Negative,
    /// Every time becomes the end of the year 9999.
    FarFuture,
    /// 200 with an error in the body, in the provider's format.
    ErrorInside,
    /// No response. CPA gives up after a minute.
    Hang,
    /// 200 with [`QuotaFault::body`] in place of the provider's own page.
    Page,
}

/// A fault of a provider's quota responses.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaFault {
    pub mode: QuotaFaultMode,
    /// Number of affected responses; `None` = until the fault is removed.
    #[serde(default)]
    pub times: Option<u32>,
    /// `Retry-After` of [`QuotaFaultMode::RateLimited`] in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
    /// The answer of [`QuotaFaultMode::Page`]; `null` without one.
    #[serde(default)]
    pub body: Value,
}

impl From<QuotaFaultMode> for QuotaFault {
    fn from(mode: QuotaFaultMode) -> Self {
        Self {
            mode,
            times: None,
            retry_after: None,
            body: Value::Null,
        }
    }
}

impl FromStr for QuotaFaultMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_value(Value::from(text)).map_err(|error| error.to_string())
    }
}
