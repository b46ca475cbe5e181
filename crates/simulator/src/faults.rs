//! What can be made to go wrong on demand, while the simulator runs.

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
    /// The next `n` replies that carry records break off in the middle and the connection ends.
    pub fn cut_replies(&self, n: u32) {
        self.cut_replies.store(n, Ordering::Relaxed);
    }

    /// Close the port; connections that are open stay.
    pub fn refuse_connections(&self, on: bool) {
        self.refuse.store(on, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Answer every HTTP request with 503.
    pub fn http_503(&self, on: bool) {
        self.http_503.store(on, Ordering::Relaxed);
    }

    /// Wait so long before each reply.
    pub fn stall(&self, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.stall_ms.store(ms, Ordering::Relaxed);
    }

    /// Break off the JSON of the next `n` records.
    pub fn truncate_records(&self, n: u32) {
        self.truncate.store(n, Ordering::Relaxed);
    }

    /// Put bytes that are no record in front of the next `n` records.
    pub fn garbage_records(&self, n: u32) {
        self.garbage.store(n, Ordering::Relaxed);
    }

    /// Let a subscriber of somebody else take everything from now on.
    pub fn competing_subscriber(&self, on: bool) {
        self.competing_subscriber.store(on, Ordering::Relaxed);
    }

    /// Let a popper of somebody else take so many percent of what is queued.
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

    /// Waits as long as replies are to be held back.
    pub(crate) async fn stalled(&self) {
        let ms = self.stall_ms.load(Ordering::Relaxed);
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// Applies what `POST /simulator/faults` says; absent keys change nothing.
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
    // The usual case is that nothing is left, and it must cost no write.
    left.load(Ordering::Relaxed) > 0
        && left
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok()
}

/// Body of `POST /simulator/faults`: switches, and things to do at once.
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
    /// What goes wrong with quota answers, by provider, host, account, or `*`; null ends it.
    pub quota: BTreeMap<String, Option<QuotaFault>>,
    /// Lose queue, bans and counters and drop all connections.
    pub restart: bool,
    /// Drop everything queued as if its time were over.
    pub expire_queue: bool,
    /// Tell subscribers that accounts or configuration changed.
    pub refresh: bool,
    /// Produce so many records now.
    pub generate: usize,
}

/// How a quota answer goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaFaultMode {
    Unauthorized,
    PaymentRequired,
    Forbidden,
    NotFound,
    RateLimited,
    ServerError,
    /// 200 with a page for people.
    Html,
    /// 200 with 10 MiB of JSON.
    Huge,
    /// Every number is the text `NaN`.
    Nan,
    /// Every number is the bare word `NaN`, which is no JSON.
    BareNan,
    /// Every number is below zero.
    Negative,
    /// Every time is at the end of the year 9999.
    FarFuture,
    /// 200 with an error in the body, in the provider's own way.
    ErrorInside,
    /// No answer, ever. CPA itself gives up after a minute.
    Hang,
}

/// A fault of a provider's quota answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaFault {
    pub mode: QuotaFaultMode,
    /// Ends after so many answers; without it only when it is taken away.
    #[serde(default)]
    pub times: Option<u32>,
    /// Seconds that [`QuotaFaultMode::RateLimited`] asks to wait.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

impl From<QuotaFaultMode> for QuotaFault {
    fn from(mode: QuotaFaultMode) -> Self {
        Self {
            mode,
            times: None,
            retry_after: None,
        }
    }
}

impl FromStr for QuotaFaultMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_value(Value::from(text)).map_err(|error| error.to_string())
    }
}
