//! Accounts and quotas: what CPA and the providers said last, gone with what it describes.

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
    "1 for each account that CPA lists; `plan` and `email` are left out while unknown or not wanted.",
);
pub(crate) static UP: Family = family(
    "cpa_account_up",
    Gauge,
    ACCOUNT,
    "Whether CPA would use the account: 1 while active or unknown, 0 while cooling, failing, pending or disabled.",
);
pub(crate) static STATUS: Family = family(
    "cpa_account_status",
    Gauge,
    &["provider", "account", "status"],
    "1 for the account's status, 0 for the others.",
);
pub(crate) static STATE: Family = family(
    "cpa_account_state",
    Gauge,
    ACCOUNT,
    "The status by severity: 0 active, 1 unknown, 2 pending, 3 disabled, 4 cooling, 5 error.",
);
pub(crate) static COOLDOWN_UNTIL: Family = family(
    "cpa_account_cooldown_until_timestamp_seconds",
    Gauge,
    &["provider", "account", "scope", "reason"],
    "End of a cool-down in Unix time; gone when over.",
);
pub(crate) static NEXT_RETRY: Family = family(
    "cpa_account_next_retry_timestamp_seconds",
    Gauge,
    ACCOUNT,
    "When CPA tries the account again, in Unix time.",
);
pub(crate) static LAST_REFRESH: Family = family(
    "cpa_account_last_refresh_timestamp_seconds",
    Gauge,
    ACCOUNT,
    "When CPA last refreshed the account's token, in Unix time.",
);
pub(crate) static SUBSCRIPTION_END: Family = family(
    "cpa_account_subscription_end_timestamp_seconds",
    Gauge,
    ACCOUNT,
    "End of the paid period as the provider states it, in Unix time.",
);
pub(crate) static ERRORS: Family = family(
    "cpa_account_errors_total",
    Counter,
    &["provider", "account", "code"],
    "Failures that CPA's errors channel reported, by HTTP status.",
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
    "Used part of a quota window, 0 to 1; above 1 with overage. Gone once the window has reset and nobody read it anew.",
);
pub(crate) static USED: Family = family(
    "cpa_quota_used",
    Gauge,
    AMOUNT,
    "Used amount, where the provider states one or a rule of the limits file counts it.",
);
pub(crate) static LIMIT: Family = family(
    "cpa_quota_limit",
    Gauge,
    AMOUNT,
    "Whole amount of the window, where the provider states one or a rule of the limits file sets it.",
);
pub(crate) static REMAINING: Family = family(
    "cpa_quota_remaining",
    Gauge,
    AMOUNT,
    "Remaining amount, where the provider states one or a rule of the limits file has a limit.",
);
pub(crate) static RESET: Family = family(
    "cpa_quota_reset_timestamp_seconds",
    Gauge,
    WINDOW,
    "When the window resets, in Unix time.",
);
pub(crate) static OLDEST_EXPIRY: Family = family(
    "cpa_quota_oldest_expiry_timestamp_seconds",
    Gauge,
    WINDOW,
    "When the oldest use leaves a rolling window that the exporter counts itself, in Unix time; absent while empty.",
);
pub(crate) static WINDOW_SECONDS: Family = family(
    "cpa_quota_window_seconds",
    Gauge,
    WINDOW,
    "Length of the window.",
);
pub(crate) static EXHAUSTED: Family = family(
    "cpa_quota_exhausted",
    Gauge,
    WINDOW,
    "1 when the provider refuses because of this limit or nothing of it remains.",
);
pub(crate) static EXHAUSTION: Family = family(
    "cpa_quota_exhaustion_timestamp_seconds",
    Gauge,
    WINDOW,
    "Forecast in Unix time: when the window is used up at its average pace so far; absent if not before the reset, and in its first tenth.",
);
pub(crate) static LIMIT_INFO: Family = family(
    "cpa_quota_limit_info",
    Gauge,
    &["provider", "account", "limit", "scope", "name"],
    "1 for each limit, with what it covers and the provider's display name.",
);
pub(crate) static RESETS: Family = family(
    "cpa_quota_resets_total",
    Counter,
    WINDOW,
    "Resets of a window that were seen; the jitter of rolling windows is none.",
);
pub(crate) static OBSERVED: Family = family(
    "cpa_quota_observed_timestamp_seconds",
    Gauge,
    WINDOW,
    "Time of the reading, in Unix time.",
);
pub(crate) static SOURCE_INFO: Family = family(
    "cpa_quota_source_info",
    Gauge,
    &["provider", "account", "limit", "window", "source"],
    "1 for where the reading came from.",
);
pub(crate) static LAST_SUCCESS: Family = family(
    "cpa_quota_last_success_timestamp_seconds",
    Gauge,
    ACCOUNT,
    "Last poll of the account that brought an answer, in Unix time.",
);
pub(crate) static POLLS: Family = family(
    "cpa_quota_polls_total",
    Counter,
    &["provider"],
    "Upstream calls that polls made, failed ones included.",
);
pub(crate) static POLL_FAILURES: Family = family(
    "cpa_quota_poll_failures_total",
    Counter,
    &["provider", "reason"],
    "Polls of an account that brought nothing, by class.",
);
pub(crate) static POLL_SECONDS: Family = family(
    "cpa_quota_poll_seconds",
    Histogram(POLL),
    &["provider"],
    "Time that a poll of one account took.",
);
pub(crate) static CREDITS: Family = family(
    "cpa_credits_balance",
    Gauge,
    &["provider", "account", "unit"],
    "Credits that the account has bought and not used.",
);
pub(crate) static RESET_CREDITS: Family = family(
    "cpa_quota_reset_credits",
    Gauge,
    ACCOUNT,
    "Resets of its windows that the account may still ask for.",
);
pub(crate) static SPEND: Family = family(
    "cpa_spend_usd",
    Gauge,
    &["provider", "account", "limit"],
    "Money spent beyond the plan in the current period, as the provider reports it.",
);
pub(crate) static SPEND_LIMIT: Family = family(
    "cpa_spend_limit_usd",
    Gauge,
    &["provider", "account", "limit"],
    "Limit for that money, as the provider reports it.",
);
