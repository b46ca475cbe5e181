//! Accounts and quotas, as last reported by CPA and the providers. Series of removed accounts are absent.

use super::Kind::{Counter, Gauge, Histogram};
use super::{Buckets, Family, family};

/// Milliseconds.
const POLL: Buckets = Buckets {
    bounds: &[100, 250, 500, 1000, 2500, 5000, 10_000, 20_000, 60_000],
    scale: 1000,
};
const ACCOUNT: &[&str] = &["provider", "account"];
const WINDOW: &[&str] = &["provider", "account", "limit", "window"];
const AMOUNT: &[&str] = &["provider", "account", "limit", "window", "unit"];

/// In the order of the page.
pub(crate) static ALL: &[&Family] = &[
    &INFO,
    &UP,
    &STATUS,
    &STATE,
    &COOLDOWN_UNTIL,
    &NEXT_RETRY,
    &LAST_REFRESH,
    &SUBSCRIPTION_END,
    &ERRORS,
    &ACCOUNTS,
    &USED_RATIO,
    &USED,
    &LIMIT,
    &REMAINING,
    &RESET,
    &OLDEST_EXPIRY,
    &WINDOW_SECONDS,
    &EXHAUSTED,
    &EXHAUSTION,
    &LIMIT_INFO,
    &RESETS,
    &OBSERVED,
    &SOURCE_INFO,
    &LAST_SUCCESS,
    &POLLS,
    &POLL_FAILURES,
    &POLL_SECONDS,
    &CREDITS,
    &RESET_CREDITS,
    &SPEND,
    &SPEND_LIMIT,
];

pub(crate) static INFO: Family = family(
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
    "1 for each account that CPA lists; `plan` is absent while unknown, `email` unless enabled.",
);
pub(crate) static UP: Family = family(
    "cpa_account_up",
    Gauge,
    ACCOUNT,
    "1 if CPA uses the account (status active or unknown), 0 if not (cooling, error, pending or disabled).",
);
pub(crate) static STATUS: Family = family(
    "cpa_account_status",
    Gauge,
    &["provider", "account", "status"],
    "1 for the current status of the account, 0 for the others.",
);
pub(crate) static STATE: Family = family(
    "cpa_account_state",
    Gauge,
    ACCOUNT,
    "Status of the account as a number: 0 active, 1 unknown, 2 pending, 3 disabled, 4 cooling, 5 error.",
);
pub(crate) static COOLDOWN_UNTIL: Family = family(
    "cpa_account_cooldown_until_timestamp_seconds",
    Gauge,
    &["provider", "account", "scope", "reason"],
    "End of a cool-down, in Unix time; absent after it.",
);
pub(crate) static NEXT_RETRY: Family = family(
    "cpa_account_next_retry_timestamp_seconds",
    Gauge,
    ACCOUNT,
    "Next retry of the account by CPA, in Unix time.",
);
pub(crate) static LAST_REFRESH: Family = family(
    "cpa_account_last_refresh_timestamp_seconds",
    Gauge,
    ACCOUNT,
    "Last token refresh by CPA, in Unix time.",
);
pub(crate) static SUBSCRIPTION_END: Family = family(
    "cpa_account_subscription_end_timestamp_seconds",
    Gauge,
    ACCOUNT,
    "End of the paid period, as the provider reports it, in Unix time.",
);
pub(crate) static ERRORS: Family = family(
    "cpa_account_errors_total",
    Counter,
    &["provider", "account", "code"],
    "Failures reported by CPA's errors channel, by HTTP status.",
);
pub(crate) static ACCOUNTS: Family = family(
    "cpa_accounts",
    Gauge,
    &["provider", "status"],
    "Accounts that CPA lists, by status.",
);
pub(crate) static USED_RATIO: Family = family(
    "cpa_quota_used_ratio",
    Gauge,
    WINDOW,
    "Used share of a quota window, 0 to 1, above 1 with overage. Absent after a reset until the next reading.",
);
pub(crate) static USED: Family = family(
    "cpa_quota_used",
    Gauge,
    AMOUNT,
    "Used amount, if the provider reports it or a rule in the limits file counts it.",
);
pub(crate) static LIMIT: Family = family(
    "cpa_quota_limit",
    Gauge,
    AMOUNT,
    "Limit of the window, if the provider reports it or a rule in the limits file sets it.",
);
pub(crate) static REMAINING: Family = family(
    "cpa_quota_remaining",
    Gauge,
    AMOUNT,
    "Remaining amount, if the provider reports it or a rule in the limits file has a limit.",
);
pub(crate) static RESET: Family = family(
    "cpa_quota_reset_timestamp_seconds",
    Gauge,
    WINDOW,
    "Reset of the window, in Unix time.",
);
pub(crate) static OLDEST_EXPIRY: Family = family(
    "cpa_quota_oldest_expiry_timestamp_seconds",
    Gauge,
    WINDOW,
    "Time at which the oldest usage leaves a local rolling window, in Unix time; absent while the window is empty.",
);
pub(crate) static WINDOW_SECONDS: Family = family(
    "cpa_quota_window_seconds",
    Gauge,
    WINDOW,
    "Length of the window in seconds.",
);
pub(crate) static EXHAUSTED: Family = family(
    "cpa_quota_exhausted",
    Gauge,
    WINDOW,
    "1 if the provider refuses requests because of this limit or nothing remains of it.",
);
pub(crate) static EXHAUSTION: Family = family(
    "cpa_quota_exhaustion_timestamp_seconds",
    Gauge,
    WINDOW,
    "Forecast of exhaustion at the window's average pace, in Unix time; absent if after the reset, and during the first tenth of the window.",
);
pub(crate) static LIMIT_INFO: Family = family(
    "cpa_quota_limit_info",
    Gauge,
    &["provider", "account", "limit", "scope", "name"],
    "1 for each limit, with its scope and the provider's display name.",
);
pub(crate) static RESETS: Family = family(
    "cpa_quota_resets_total",
    Counter,
    WINDOW,
    "Observed resets of a window; jitter of rolling windows does not count.",
);
pub(crate) static OBSERVED: Family = family(
    "cpa_quota_observed_timestamp_seconds",
    Gauge,
    WINDOW,
    "Time of the last reading, in Unix time.",
);
pub(crate) static SOURCE_INFO: Family = family(
    "cpa_quota_source_info",
    Gauge,
    &["provider", "account", "limit", "window", "source"],
    "1 for the source of the last reading.",
);
pub(crate) static LAST_SUCCESS: Family = family(
    "cpa_quota_last_success_timestamp_seconds",
    Gauge,
    ACCOUNT,
    "Last successful poll of the account, in Unix time.",
);
pub(crate) static POLLS: Family = family(
    "cpa_quota_polls_total",
    Counter,
    &["provider"],
    "Upstream calls made by quota polls, including failed ones.",
);
pub(crate) static POLL_FAILURES: Family = family(
    "cpa_quota_poll_failures_total",
    Counter,
    &["provider", "reason"],
    "Failed quota polls of accounts, by reason.",
);
pub(crate) static POLL_SECONDS: Family = family(
    "cpa_quota_poll_seconds",
    Histogram(POLL),
    &["provider"],
    "Duration of a quota poll of one account, in seconds.",
);
pub(crate) static CREDITS: Family = family(
    "cpa_credits_balance",
    Gauge,
    &["provider", "account", "unit"],
    "Unused credits of the account.",
);
pub(crate) static RESET_CREDITS: Family = family(
    "cpa_quota_reset_credits",
    Gauge,
    ACCOUNT,
    "Early resets that the account can still request.",
);
pub(crate) static SPEND: Family = family(
    "cpa_spend_usd",
    Gauge,
    &["provider", "account", "limit"],
    "US dollars spent beyond the plan in the current period, as the provider reports it.",
);
pub(crate) static SPEND_LIMIT: Family = family(
    "cpa_spend_limit_usd",
    Gauge,
    &["provider", "account", "limit"],
    "Limit of spending beyond the plan in US dollars, as the provider reports it.",
);
