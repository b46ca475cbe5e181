//! Faults that can be injected while the simulator runs.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

/// Switches that take effect with the next reply, record or connection, and actions to run at once.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "keys of a JSON body, independent of each other"
)]
pub struct FaultState {
    /// Number of replies with records to truncate; their connections are closed.
    pub cut_replies: u32,
    /// Number of pops over RESP at which their connections are closed before anything is popped.
    pub close_at_pops: u32,
    /// Close the port; open connections stay open.
    pub refuse_connections: bool,
    /// Refuse logins with a text that CPA never sends.
    pub unknown_refusals: bool,
    /// Return 503 to every HTTP request.
    pub http_503: bool,
    /// Delay of each reply.
    pub stall_ms: u64,
    /// Number of records whose JSON is truncated.
    pub truncate_records: u32,
    /// Number of records before which an invalid one is inserted.
    pub garbage_records: u32,
    /// Simulate another subscriber, which receives everything.
    pub competing_subscriber: bool,
    /// Percentage of the queue that another, simulated popper pops.
    pub competing_popper: u32,
    /// Faults of quota responses, by provider, host, account (its `auth_index`), or `*`.
    pub quota: BTreeMap<String, QuotaFault>,
    /// Restart: lose queue, bans and counters and close all connections.
    pub restart: bool,
    /// Drop the queue as if its records had expired.
    pub expire_queue: bool,
    /// Notify subscribers of a change of accounts or configuration.
    pub refresh: bool,
    /// Produce this many records now.
    pub generate: usize,
}

#[derive(Debug, Default)]
pub struct Faults {
    state: Mutex<FaultState>,
    pub(crate) changed: Notify,
}

impl Faults {
    pub(crate) fn new(quota: BTreeMap<String, QuotaFault>) -> Self {
        let faults = Self::default();
        faults.lock().quota = quota;
        faults
    }

    /// Changes switches; actions need a request to `POST /simulator/faults`.
    pub fn set(&self, change: impl FnOnce(&mut FaultState)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    pub(crate) fn get<T>(&self, read: impl FnOnce(&FaultState) -> T) -> T {
        read(&self.lock())
    }

    /// Whether one more reply or record is affected.
    pub(crate) fn take(&self, left: impl FnOnce(&mut FaultState) -> &mut u32) -> bool {
        let mut state = self.lock();
        let left = left(&mut state);
        let affected = *left > 0;
        *left -= u32::from(affected);
        affected
    }

    /// The fault of a quota response with these names, most specific first.
    pub(crate) fn take_quota(&self, names: [&str; 3]) -> Option<QuotaFault> {
        let faults = &mut self.lock().quota;
        let mut names = names.into_iter().chain(["*"]);
        let name = names.find(|name| faults.contains_key(*name))?;
        let fault = faults.get_mut(name)?;
        let hit = fault.clone();
        if let Some(times) = &mut fault.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                faults.remove(name);
            }
        }
        Some(hit).filter(|fault| fault.times != Some(0))
    }

    /// Waits while replies are delayed.
    pub(crate) async fn stalled(&self) {
        let ms = self.get(|state| state.stall_ms);
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// Applies the body of `POST /simulator/faults` as a JSON merge patch: absent keys change
    /// nothing, and null resets. Returns the new state with its actions; `None` for an invalid
    /// body.
    pub(crate) fn patch(&self, change: &Value) -> Option<FaultState> {
        let mut state = self.lock();
        let mut patched = serde_json::to_value(&*state).ok()?;
        merge(&mut patched, change);
        let patched: FaultState = serde_json::from_value(patched).ok()?;
        *state = FaultState {
            restart: false,
            expire_queue: false,
            refresh: false,
            generate: 0,
            ..patched.clone()
        };
        self.changed.notify_one();
        Some(patched)
    }

    fn lock(&self) -> MutexGuard<'_, FaultState> {
        self.state.lock()
    }
}

fn merge(target: &mut Value, change: &Value) {
    let (Value::Object(target), Value::Object(change)) = (&mut *target, change) else {
        *target = change.clone();
        return;
    };
    for (key, value) in change {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(
                target.entry(key.as_str()).or_insert_with(Value::default),
                value,
            );
        }
    }
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
