//! Families that the rules use and `metrics::catalogue` does not have yet. A row must go as soon as the catalogue has
//! the family: `no_row_is_left_over` asks for it.

pub(crate) const PLANNED: &[(&str, &[&str])] = &[
    ("cpa_account_up", &["provider", "account"]),
    ("cpa_account_status", &["provider", "account", "status"]),
    (
        "cpa_account_cooldown_until_timestamp_seconds",
        &["provider", "account", "scope", "reason"],
    ),
    (
        "cpa_account_last_refresh_timestamp_seconds",
        &["provider", "account"],
    ),
    ("cpa_account_errors_total", &["provider", "account", "code"]),
    (
        "cpa_quota_used_ratio",
        &["provider", "account", "limit", "window"],
    ),
    (
        "cpa_quota_reset_timestamp_seconds",
        &["provider", "account", "limit", "window"],
    ),
    (
        "cpa_quota_window_seconds",
        &["provider", "account", "limit", "window"],
    ),
    (
        "cpa_quota_exhausted",
        &["provider", "account", "limit", "window"],
    ),
    (
        "cpa_quota_exhaustion_timestamp_seconds",
        &["provider", "account", "limit", "window"],
    ),
    (
        "cpa_quota_limit_info",
        &["provider", "account", "limit", "scope", "name"],
    ),
    (
        "cpa_quota_resets_total",
        &["provider", "account", "limit", "window"],
    ),
    (
        "cpa_quota_last_success_timestamp_seconds",
        &["provider", "account"],
    ),
    (
        "cpa_list_value_usd_total",
        &["provider", "model", "account"],
    ),
    ("cpa_cost_usd_total", &["provider", "model", "account"]),
];
