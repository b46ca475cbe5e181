//! The true quotas for comparison in tests, and the number of requests for them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Quota;
use super::limit::{Counts, Limit, Unit};
use cpa_exporter_core::model::UnixNanos;

/// The state of all quotas, and the requests for them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Quotas {
    /// The simulated time in milliseconds since the epoch.
    pub now_ms: i64,
    pub accounts: Vec<AccountQuotas>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountQuotas {
    pub provider: String,
    /// `auth_index` of a CPA account, or the name of an account outside CPA.
    pub account: String,
    pub plan: String,
    /// `oauth`, `apikey` or `unknown` as in records; `direct` for accounts outside CPA.
    pub login: &'static str,
    pub limits: Vec<LimitQuota>,
    /// By endpoint: host and path.
    pub calls: BTreeMap<String, Calls>,
}

/// One limit and window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitQuota {
    pub limit: String,
    pub window: String,
    pub window_seconds: u64,
    /// Whether `used` and `capacity` are tokens or requests.
    pub counts: &'static str,
    pub used: u64,
    pub capacity: u64,
    /// May exceed 1 by the last request.
    pub used_ratio: f64,
    /// The provider's amount for 100 %.
    pub nominal: u64,
    pub nominal_unit: Unit,
    /// Absent while a window that starts with its first request has not started.
    pub reset_ms: Option<i64>,
    /// Windows that ended since the start of the simulator.
    pub resets: u64,
}

/// Requests to one endpoint for one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    pub calls: u64,
    /// Requests by status of the response; requests without a response are not included.
    pub statuses: BTreeMap<u16, u64>,
    pub last_ms: i64,
    /// Minimum time between two requests, by the simulated clock.
    pub shortest_gap_ms: Option<i64>,
    /// With times in milliseconds, a gap could be one too short.
    #[serde(skip)]
    last: UnixNanos,
}

impl AccountQuotas {
    pub(crate) fn new(
        provider: &str,
        account: &str,
        plan: &str,
        login: &'static str,
        quota: &Quota,
    ) -> Self {
        Self {
            provider: provider.to_owned(),
            account: account.to_owned(),
            plan: plan.to_owned(),
            login,
            limits: quota.limits().iter().map(LimitQuota::new).collect(),
            calls: BTreeMap::new(),
        }
    }
}

impl LimitQuota {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio for people and tests, not a count"
    )]
    fn new(limit: &Limit) -> Self {
        Self {
            limit: limit.kind.name.to_owned(),
            window: limit.kind.window.to_owned(),
            window_seconds: limit.seconds(),
            counts: match limit.kind.counts {
                Counts::Tokens => "tokens",
                Counts::Requests => "requests",
            },
            used: limit.used(),
            capacity: limit.capacity(),
            used_ratio: limit.used() as f64 / limit.capacity() as f64,
            nominal: limit.kind.nominal,
            nominal_unit: limit.kind.unit,
            reset_ms: limit.reset().map(UnixNanos::as_millis),
            resets: limit.resets(),
        }
    }
}

/// Counts the requests to providers' quota endpoints.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// By account, then by endpoint.
    calls: BTreeMap<String, BTreeMap<String, Calls>>,
}

impl Meter {
    pub(crate) fn count(
        &mut self,
        account: &str,
        endpoint: &str,
        status: Option<u16>,
        now: UnixNanos,
    ) {
        let endpoints = self.calls.entry(account.to_owned()).or_default();
        let calls = endpoints.entry(endpoint.to_owned()).or_default();
        if calls.calls > 0 {
            let gap = (now.get() - calls.last.get()) / 1_000_000;
            let shortest = calls.shortest_gap_ms.map_or(gap, |old| old.min(gap));
            calls.shortest_gap_ms = Some(shortest);
        }
        calls.calls += 1;
        calls.last = now;
        calls.last_ms = now.as_millis();
        if let Some(status) = status {
            *calls.statuses.entry(status).or_default() += 1;
        }
    }

    /// Number of requests to an endpoint so far.
    pub(crate) fn before(&self, account: &str, endpoint: &str) -> u64 {
        let endpoints = self.calls.get(account);
        let calls = endpoints.and_then(|endpoints| endpoints.get(endpoint));
        calls.map_or(0, |calls| calls.calls)
    }

    pub(crate) fn of(&self, account: &str) -> BTreeMap<String, Calls> {
        self.calls.get(account).cloned().unwrap_or_default()
    }
}
