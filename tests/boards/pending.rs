//! TO BE REMOVED when the families of accounts and quotas are in the exporter's catalogue: until
//! then the boards take them from here. A family that is in both is taken from the catalogue.

use crate::catalogue::Shape::{self, Counter, Gauge, Histogram};

const ACCOUNT: &[&str] = &["provider", "account"];
const WINDOW: &[&str] = &["provider", "account", "limit", "window"];
const AMOUNT: &[&str] = &["provider", "account", "limit", "window", "unit"];

/// Of `cpa_quota_poll_seconds`.
pub(crate) const POLL_BOUNDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0];

/// Name, shape, labels.
pub(crate) const FAMILIES: &[(&str, Shape, &[&str])] = &[
    (
        "cpa_account_info",
        Gauge,
        &[
            "provider",
            "account",
            "auth_index",
            "auth_type",
            "plan",
            "email",
        ],
    ),
    ("cpa_account_up", Gauge, ACCOUNT),
    (
        "cpa_account_status",
        Gauge,
        &["provider", "account", "status"],
    ),
    ("cpa_account_state", Gauge, ACCOUNT),
    (
        "cpa_account_cooldown_until_timestamp_seconds",
        Gauge,
        &["provider", "account", "scope", "reason"],
    ),
    ("cpa_account_next_retry_timestamp_seconds", Gauge, ACCOUNT),
    ("cpa_account_last_refresh_timestamp_seconds", Gauge, ACCOUNT),
    (
        "cpa_account_subscription_end_timestamp_seconds",
        Gauge,
        ACCOUNT,
    ),
    (
        "cpa_account_errors_total",
        Counter,
        &["provider", "account", "code"],
    ),
    ("cpa_accounts", Gauge, &["provider", "status"]),
    ("cpa_quota_used_ratio", Gauge, WINDOW),
    ("cpa_quota_used", Gauge, AMOUNT),
    ("cpa_quota_limit", Gauge, AMOUNT),
    ("cpa_quota_remaining", Gauge, AMOUNT),
    ("cpa_quota_reset_timestamp_seconds", Gauge, WINDOW),
    ("cpa_quota_window_seconds", Gauge, WINDOW),
    ("cpa_quota_exhausted", Gauge, WINDOW),
    ("cpa_quota_exhaustion_timestamp_seconds", Gauge, WINDOW),
    (
        "cpa_quota_limit_info",
        Gauge,
        &["provider", "account", "limit", "scope", "name"],
    ),
    ("cpa_quota_resets_total", Counter, WINDOW),
    ("cpa_quota_observed_timestamp_seconds", Gauge, WINDOW),
    (
        "cpa_quota_source_info",
        Gauge,
        &["provider", "account", "limit", "window", "source"],
    ),
    ("cpa_quota_last_success_timestamp_seconds", Gauge, ACCOUNT),
    ("cpa_quota_polls_total", Counter, &["provider"]),
    (
        "cpa_quota_poll_failures_total",
        Counter,
        &["provider", "reason"],
    ),
    ("cpa_quota_poll_seconds", Histogram, &["provider"]),
    (
        "cpa_credits_balance",
        Gauge,
        &["provider", "account", "unit"],
    ),
    ("cpa_quota_reset_credits", Gauge, ACCOUNT),
];
