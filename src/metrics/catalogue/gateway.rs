//! A gateway (New API, One API): counters of its log's rows, stored and restored at the start, and
//! gauges of its channels and tokens.

use super::families;
use crate::metrics::counter::{Counter, counter};
use crate::metrics::family::Buckets;
use crate::metrics::family::Kind::{Counter as Count, Gauge};
use crate::metrics::gateway::{
    GatewayAmount, GatewayInput, GatewayItem, GatewayOutcome, GatewayStreamEnd, GatewayTokens,
};

/// Milliseconds. New API stores whole seconds.
const DURATION: Buckets = Buckets {
    bounds: &[
        1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    ],
    scale: 1000,
};
/// Milliseconds.
const FIRST_TOKEN: Buckets = Buckets {
    bounds: &[
        100, 250, 500, 1000, 2000, 3000, 5000, 8000, 13_000, 20_000, 30_000, 60_000,
    ],
    scale: 1000,
};
const ROUTE: &[&str] = &["channel_id", "model"];
const CHANNEL: &[&str] = &["channel_id"];
const TOKEN: &[&str] = &["token_id"];

/// In the order of the exposition.
pub(in crate::metrics) static COUNTERS: &[Counter<GatewayAmount>] = &[
    counter(
        60,
        "newapi_attempts_total",
        &["channel_id", "model", "outcome"],
        "Attempts of the gateway on a channel, by outcome; channel tests are apart.",
    )
    .by::<GatewayOutcome>()
    .adds(GatewayItem::attempt),
    counter(
        61,
        "newapi_tokens_total",
        &["channel_id", "model", "kind"],
        "Tokens of successful requests as the gateway stores them; with OpenAI's semantics `prompt` includes `cache_read`.",
    )
    .by::<GatewayTokens>()
    .adds(|item| item.each(|row| row.tokens.as_ref())),
    counter(
        62,
        "newapi_input_tokens_total",
        &["channel_id", "model", "cache"],
        "Input tokens of successful requests, by disjoint parts whatever the semantics: read from the cache, written to it, neither.",
    )
    .by::<GatewayInput>()
    .adds(|item| item.each(|row| row.input.as_ref())),
    counter(
        63,
        "newapi_quota_total",
        ROUTE,
        "Quota charged, in the gateway's units, without channel tests; refunds are not subtracted.",
    )
    .adds(|item| item.of(|row| row.quota)),
    counter(
        64,
        "newapi_cost_usd_total",
        ROUTE,
        "Quota charged in US dollars, by the gateway's units per dollar at that time.",
    )
    .usd()
    .adds(|item| item.of(|row| row.cost_nano)),
    counter(
        65,
        "newapi_refund_quota_total",
        ROUTE,
        "Quota refunded, in the gateway's units.",
    )
    .adds(|item| item.of(|row| row.refund_quota)),
    counter(
        66,
        "newapi_test_quota_total",
        ROUTE,
        "Quota of channel tests, in the gateway's units.",
    )
    .adds(|item| item.of(|row| row.test_quota)),
    counter(
        67,
        "newapi_errors_total",
        &["channel_id", "model", "status_code", "error_type"],
        "Failed attempts, by HTTP status and the gateway's class; only with ERROR_LOG_ENABLED=true in New API.",
    )
    .adds(GatewayItem::error),
    counter(
        68,
        "newapi_request_duration_seconds",
        ROUTE,
        "Duration of successful requests, in seconds; New API stores whole seconds, so only sums and long ranges are exact.",
    )
    .histogram(DURATION)
    .adds(|item| item.of(|row| row.duration_ms)),
    counter(
        69,
        "newapi_time_to_first_token_seconds",
        ROUTE,
        "Time to the first response of successful streams, in seconds.",
    )
    .histogram(FIRST_TOKEN)
    .adds(|item| item.of(|row| row.first_response_ms)),
    counter(
        70,
        "newapi_stream_end_total",
        &["channel_id", "reason"],
        "Streams of successful requests, by their end; `client_gone`: the client disconnected.",
    )
    .by::<GatewayStreamEnd>()
    .adds(GatewayItem::stream_end),
    counter(
        71,
        "newapi_last_request_timestamp_seconds",
        CHANNEL,
        "Time of the channel's latest successful request in the log, in Unix time.",
    )
    .latest_time()
    .adds(|item| item.of(|row| row.time)),
    counter(
        72,
        "newapi_foreign_rows_total",
        &["log_type"],
        "Rows of the log that are not read, by the number of their type: top-ups, management, logins, and types of forks.",
    )
    .adds(GatewayItem::foreign),
];

families! {
    pub(crate) GAUGES;
    UP: Gauge, "newapi_up", &[],
        "1 if the last read of the gateway's log succeeded, else 0.";
    LAG: Gauge, "newapi_log_lag_seconds", &[],
        "Age of the oldest row that is not counted yet, in seconds: 0 when the log was read to its end, growing while it cannot be read.";
    CURSOR: Gauge, "newapi_log_cursor", &[],
        "Id of the last row of the log that is counted.";
    GAPS: Gauge, "newapi_log_gaps", &[],
        "Ranges of missing ids below the cursor that are still asked for.";
    GAPS_EXPIRED: Count, "newapi_log_gaps_expired_total", &["reason"],
        "Ranges of missing ids that were given up, since the start of the exporter; `deadline` is normal: transactions that were rolled back.";
    RESETS: Count, "newapi_log_resets_total", &["reason"],
        "Times that the log was found emptied or replaced by an older copy, since the start of the exporter.";
    READ_FAILURES: Count, "newapi_read_failures_total", &["table"],
        "Failed reads of the gateway's database, since the start of the exporter.";
    OBJECTS_TIME: Gauge, "newapi_objects_timestamp_seconds", &[],
        "Last read of channels and tokens, in Unix time.";
    QUOTA_PER_UNIT: Gauge, "newapi_quota_per_unit", &[],
        "The gateway's units per US dollar.";
    ERROR_LOG: Gauge, "newapi_error_log_enabled", &[],
        "1 once a row of a failed attempt was seen; absent before, because the database does not tell the setting.";
    CHANNEL_INFO: Gauge, "newapi_channel_info", &["channel_id", "name", "provider", "tag", "group"],
        "1 for each channel; `provider` is the gateway's number of the provider.";
    CHANNEL_STATUS: Gauge, "newapi_channel_status", CHANNEL,
        "Status of the channel: 1 enabled, 2 disabled by a person, 3 disabled by the gateway, 0 unknown.";
    CHANNEL_DISABLED_KEYS: Gauge, "newapi_channel_disabled_keys", CHANNEL,
        "Keys of a channel with several keys that the gateway does not use.";
    CHANNEL_BALANCE: Gauge, "newapi_channel_balance_usd", CHANNEL,
        "Balance at the provider in US dollars, as the gateway last read it; absent if never.";
    CHANNEL_BALANCE_TIME: Gauge, "newapi_channel_balance_updated_timestamp_seconds", CHANNEL,
        "Last read of the balance by the gateway, in Unix time.";
    CHANNEL_USED: Gauge, "newapi_channel_used_quota", CHANNEL,
        "Quota that the channel has used in all, in the gateway's units, by the gateway's own count.";
    CHANNEL_RESPONSE: Gauge, "newapi_channel_response_time_seconds", CHANNEL,
        "Response time in the gateway's last channel test, in seconds; absent if never tested.";
    CHANNEL_TEST_TIME: Gauge, "newapi_channel_test_timestamp_seconds", CHANNEL,
        "Last channel test, in Unix time; absent if never.";
    CHANNEL_MODELS: Gauge, "newapi_channel_models", &["channel_id", "routed"],
        "Models of the channel in the gateway's routing table; `routed` is `no` where the route is disabled.";
    TOKEN_INFO: Gauge, "newapi_token_info", &["token_id", "name", "user_id"],
        "1 for each token.";
    TOKEN_STATUS: Gauge, "newapi_token_status", TOKEN,
        "State of the token, computed: 1 active, 2 disabled, 3 expired, 4 exhausted.";
    TOKEN_REMAINING: Gauge, "newapi_token_remaining_quota", TOKEN,
        "Remaining quota, in the gateway's units; below 0 for unlimited tokens.";
    TOKEN_USED: Gauge, "newapi_token_used_quota", TOKEN,
        "Used quota, in the gateway's units.";
    TOKEN_UNLIMITED: Gauge, "newapi_token_unlimited", TOKEN,
        "1 if the token has no limit of its own, else 0.";
    TOKEN_EXPIRES: Gauge, "newapi_token_expires_timestamp_seconds", TOKEN,
        "Expiry of the token, in Unix time; absent if never.";
    TOKENS: Gauge, "newapi_token_states", &["state"],
        "Tokens that were read, by state.";
}
