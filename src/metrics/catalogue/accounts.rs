//! Accounts and quotas, as last reported by CPA and the providers. Series of removed accounts are absent.

use super::families;
use crate::metrics::family::Buckets;
use crate::metrics::family::Kind::{Counter, Gauge, Histogram};

/// Milliseconds.
const POLL: Buckets = Buckets {
    bounds: &[100, 250, 500, 1000, 2500, 5000, 10_000, 20_000, 60_000],
    scale: 1000,
};
const ACCOUNT: &[&str] = &["provider", "account"];
const WINDOW: &[&str] = &["provider", "account", "limit", "window"];
const AMOUNT: &[&str] = &["provider", "account", "limit", "window", "unit"];

families! {
    pub(crate) ALL;
    INFO: Gauge, "cpa_account_info", &["provider", "account", "auth_index", "auth_type", "plan", "email"],
        "1 for each account that CPA lists; `plan` is absent while unknown, `email` unless enabled.";
    UP: Gauge, "cpa_account_up", ACCOUNT,
        "1 if CPA uses the account (status active or unknown), 0 if not (cooling, error, pending or disabled).";
    STATUS: Gauge, "cpa_account_status", &["provider", "account", "status"],
        "1 for the current status of the account, 0 for the others.";
    STATE: Gauge, "cpa_account_state", ACCOUNT,
        "Status of the account as a number: 0 active, 1 unknown, 2 pending, 3 disabled, 4 cooling, 5 error.";
    COOLDOWN_UNTIL: Gauge, "cpa_account_cooldown_until_timestamp_seconds", &["provider", "account", "scope", "reason"],
        "End of a cool-down, in Unix time; absent after it.";
    NEXT_RETRY: Gauge, "cpa_account_next_retry_timestamp_seconds", ACCOUNT,
        "Next retry of the account by CPA, in Unix time.";
    LAST_REFRESH: Gauge, "cpa_account_last_refresh_timestamp_seconds", ACCOUNT,
        "Last token refresh by CPA, in Unix time.";
    SUBSCRIPTION_END: Gauge, "cpa_account_subscription_end_timestamp_seconds", ACCOUNT,
        "End of the paid period, as the provider reports it, in Unix time.";
    ERRORS: Counter, "cpa_account_errors_total", &["provider", "account", "code"],
        "Failures reported by CPA's errors channel, by HTTP status.";
    ACCOUNTS: Gauge, "cpa_accounts", &["provider", "status"],
        "Accounts that CPA lists, by status.";
    USED_RATIO: Gauge, "cpa_quota_used_ratio", WINDOW,
        "Used share of a quota window, 0 to 1, above 1 with overage. Absent after a reset until the next reading.";
    USED: Gauge, "cpa_quota_used", AMOUNT,
        "Used amount, if the provider reports it or a rule in the limits file counts it.";
    LIMIT: Gauge, "cpa_quota_limit", AMOUNT,
        "Limit of the window, if the provider reports it or a rule in the limits file sets it.";
    REMAINING: Gauge, "cpa_quota_remaining", AMOUNT,
        "Remaining amount, if the provider reports it or a rule in the limits file has a limit.";
    RESET: Gauge, "cpa_quota_reset_timestamp_seconds", WINDOW,
        "Reset of the window, in Unix time.";
    OLDEST_EXPIRY: Gauge, "cpa_quota_oldest_expiry_timestamp_seconds", WINDOW,
        "Time at which the oldest usage leaves a local rolling window, in Unix time; absent while the window is empty.";
    WINDOW_SECONDS: Gauge, "cpa_quota_window_seconds", WINDOW,
        "Length of the window in seconds.";
    WINDOW_TOKENS: Gauge, "cpa_quota_window_tokens", WINDOW,
        "Tokens of all kinds that the account has used since the start of the window; only for limits of scope `account` whose length and reset are known.";
    WINDOW_VALUE: Gauge, "cpa_quota_window_list_value_usd", WINDOW,
        "US dollars at list price that the account has used since the start of the window; for the same windows as the tokens.";
    EXHAUSTED: Gauge, "cpa_quota_exhausted", WINDOW,
        "1 if the provider refuses requests because of this limit or nothing remains of it.";
    EXHAUSTION: Gauge, "cpa_quota_exhaustion_timestamp_seconds", WINDOW,
        "Forecast of exhaustion at the window's average pace, in Unix time; absent if after the reset, and during the first tenth of the window.";
    LIMIT_INFO: Gauge, "cpa_quota_limit_info", &["provider", "account", "limit", "scope", "name"],
        "1 for each limit, with its scope and the provider's display name.";
    RESETS: Counter, "cpa_quota_resets_total", WINDOW,
        "Observed resets of a window; jitter of rolling windows does not count.";
    OBSERVED: Gauge, "cpa_quota_observed_timestamp_seconds", WINDOW,
        "Time of the last reading, in Unix time.";
    SOURCE_INFO: Gauge, "cpa_quota_source_info", &["provider", "account", "limit", "window", "source"],
        "1 for the source of the last reading.";
    LAST_SUCCESS: Gauge, "cpa_quota_last_success_timestamp_seconds", ACCOUNT,
        "Last successful poll of the account, in Unix time.";
    POLLS: Counter, "cpa_quota_polls_total", &["provider"],
        "Upstream calls made by quota polls, including failed ones.";
    POLL_FAILURES: Counter, "cpa_quota_poll_failures_total", &["provider", "reason"],
        "Failed quota polls of accounts, by reason.";
    POLL_SECONDS: Histogram(POLL), "cpa_quota_poll_seconds", &["provider"],
        "Duration of a quota poll of one account, in seconds.";
    CREDITS: Gauge, "cpa_credits_balance", &["provider", "account", "unit"],
        "Unused credits of the account.";
    RESET_CREDITS: Gauge, "cpa_quota_reset_credits", ACCOUNT,
        "Early resets that the account can still request.";
    SPEND: Gauge, "cpa_spend_usd", &["provider", "account", "limit"],
        "US dollars spent beyond the plan in the current period, as the provider reports it.";
    SPEND_LIMIT: Gauge, "cpa_spend_limit_usd", &["provider", "account", "limit"],
        "Limit of spending beyond the plan in US dollars, as the provider reports it.";
}
