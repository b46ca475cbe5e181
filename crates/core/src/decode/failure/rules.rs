//! The table: the first matching rule gives the reason.
//!
//! `quota` ends at a reset, `billing` with a payment, `auth` with a new login or when the provider
//! lifts a ban. Codes and texts are from real responses; CPA gives status 500 to failures without
//! one, such as a failed token refresh.

use std::ops::RangeInclusive;

use super::Condition::{Any, Code, CodeAt, Contains, Disabled, Ends};
use super::{Condition, Rule};
use crate::model::FailureReason::{
    self, Auth, Billing, Client, Interrupted, Invalid, Network, Other, Overloaded, Quota,
    RateLimit, Timeout, Upstream,
};

type Statuses = &'static [RangeInclusive<u16>];

/// No status is known, from neither CPA nor the text.
const UNKNOWN: Statuses = &[0..=0];
/// 4xx except 499, or unknown.
const REFUSED: Statuses = &[0..=0, 400..=498];
const REFUSED_OR_NO_STATUS: Statuses = &[0..=0, 400..=498, 500..=500];
const BROKEN: Statuses = &[0..=0, 500..=599];

const GLM: &[&str] = &["glm", "zhipu", "bigmodel", "z.ai", "zai"];
const MINIMAX: &[&str] = &["minimax"];

const CHALLENGE: Condition = Contains(&[
    "cloudflare challenge",
    "challenge-platform",
    "cf-mitigated",
    "<title>just a moment",
    "attention required! | cloudflare",
]);

const PLAN_CODES: Condition = Code(&[
    "usage_limit_reached",
    "usage_limit_exceeded",
    "workspace_member_usage_limit_reached",
    "quota_exhausted",
    "quota_exceeded",
    "quotaexceeded",
    "dailylimitexceeded",
    "insufficient_g1_credits_balance",
    "subscription:free-usage-exhausted",
    "monthly_request_count",
    "servicequotaexceededexception",
    // GLM: daily, five-hour, and weekly or monthly limit.
    "1304",
    "1308",
    "1310",
]);
const PLAN_TEXTS: Condition = Contains(&[
    "usage limit",
    "usage_limit",
    "extra usage",
    "hit your limit",
    "daily limit",
    "weekly limit",
    "monthly limit",
    "limit will reset",
    "key limit exceeded",
    "使用上限",
]);

const UNPAID_CODES: Condition = Code(&[
    "personal-team-blocked:spending-limit",
    "insufficient_quota",
    "insufficient_user_quota",
    "exceeded_current_quota_error",
    "insufficient_balance",
    "insufficient_credits",
    "billing_error",
    "billing_not_active",
    "billing_hard_limit_reached",
    "billing_disabled",
    "payment_required",
    "deactivated_workspace",
    "usage_not_included",
    "arrearage",
    // GLM: in arrears, and an expired package.
    "1113",
    "1309",
]);
const UNPAID_TEXTS: Condition = Contains(&[
    "credit balance",
    "insufficient balance",
    "insufficient credit",
    "insufficient fund",
    "out of credits",
    "out of credit",
    "all available credits",
    "any credits",
    "credits are depleted",
    "purchase more credits",
    "spending limit",
    "spending-limit",
    "past due",
    "in arrears",
    "payment required",
    "payment_required",
    "enable billing",
    "billing to be enabled",
    "余额不足",
    "额度不足",
    "额度已用尽",
    "欠费",
    "充值",
]);

const DEAD_LOGIN_CODES: Condition = Code(&[
    "invalid_grant",
    "refresh_token_reused",
    "refresh_token_expired",
    "refresh_token_revoked",
    "refresh_token_invalidated",
    "token_revoked",
    "token_invalidated",
    "account_deactivated",
    "account_disabled",
    "account_suspended",
    "organization_disabled",
    "user_deactivated",
    "temporarily_suspended",
    "consumer_suspended",
    "tos_violation",
    "validation_required",
    "app_session_terminated",
    // GLM: account inactive, unknown, locked, banned.
    "1110",
    "1111",
    "1112",
    "1121",
]);
const DEAD_LOGIN_TEXTS: Condition = Contains(&[
    "invalid_grant",
    "refresh_token_",
    "refresh token has",
    "refresh token is",
    "refresh token was",
    "refresh token revoked",
    "refresh token expired",
    "refresh token not found",
    "invalid refresh token",
    "refresh failed with status 400",
    "refresh failed with status 401",
    "refresh failed with status 403",
    "expired or revoked",
    "invalidated oauth token",
    "token has been invalidated",
    "access was terminated",
    "service has been disabled in this account",
    "has been suspended",
]);
const KEY_CODES: Condition = Code(&[
    "authentication_error",
    "invalid_authentication_error",
    "invalid_api_key",
    "api_key_invalid",
    "api_key_expired",
    "api_key_service_blocked",
    "unauthenticated",
    "token_expired",
    "expiredtokenexception",
    "unrecognizedclientexception",
]);
const KEY_TEXTS: Condition = Contains(&[
    "api key not valid",
    "api key not found",
    "api key expired",
    "api key is invalid",
    "incorrect api key",
    "invalid api key",
    "invalid api-key",
    "invalid x-api-key",
    "invalid bearer token",
    "invalid or expired token",
    "无效的令牌",
]);

const RATE_CODES: Condition = Code(&[
    "rate_limit_error",
    "rate_limit_exceeded",
    "rate_limit_reached_error",
    "rate_limited",
    "ratelimitexceeded",
    "userratelimitexceeded",
    "too_many_requests",
    "throttlingexception",
    // GLM: limit of concurrent requests, and request rate limit.
    "1302",
    "1303",
]);
/// Google calls its rate limits quotas, too.
const RATE_TEXTS: Condition = Contains(&[
    "per minute",
    "per second",
    "per min",
    "perminute",
    "rate limit",
    "rate_limit",
    "ratelimit",
    "too many requests",
]);
/// Daily quotas of Google, `OpenRouter`, `OpenAI`, Groq and Bedrock, whose responses also mention a
/// rate.
const DAILY: Condition = Contains(&["perday", "per-day", "per day"]);

const CAPACITY_CODES: Condition = Code(&[
    "overloaded_error",
    "server_is_overloaded",
    "engine_overloaded_error",
    "model_capacity_exhausted",
    "slow_down",
    "1312",
]);
const CAPACITY_TEXTS: Condition = Contains(&[
    "overloaded",
    "at capacity",
    "no capacity available",
    "high demand",
]);

const TIMEOUT_TEXTS: Condition = Contains(&[
    "deadline exceeded",
    "deadline_exceeded",
    "timeout awaiting",
    "timeout_error",
    "i/o timeout",
    "handshake timeout",
    "client.timeout",
    "request timeout",
    "timed out",
    "etimedout",
    "gateway time-out",
    "gateway timeout",
]);
/// Texts of Go, nginx, Envoy and Node for a connection that failed before or during the response.
const NETWORK_TEXTS: Condition = Contains(&[
    "connection refused",
    "connection reset",
    "connection closed",
    "connection aborted",
    "connection error",
    "closed idle connection",
    "closed network connection",
    "econnreset",
    "econnrefused",
    "socket hang up",
    "no such host",
    "no route to host",
    "dial tcp",
    "network is unreachable",
    "broken pipe",
    "transport connection broken",
    "malformed http response",
    "tls:",
    "x509:",
    "proxyconnect",
    "proxy authentication required",
    "unexpected eof",
    "websocket: close",
    "goaway",
    "stream disconnected",
    "stream closed",
    "upstream connect error",
    "reset before headers",
    "http2: client connection",
    "received from peer",
    "socks connect",
    "server misbehaving",
    "forcibly closed",
    "connectex:",
]);

const fn rule(statuses: Statuses, condition: Condition, reason: FailureReason) -> Rule {
    Rule {
        statuses,
        condition,
        reason,
    }
}

pub(super) static RULES: &[Rule] = &[
    // CPA had already sent status 200 when it failed.
    rule(&[200..=299], Any, Interrupted),
    rule(&[499..=499], Any, Client),
    rule(&[0..=0, 500..=500], Ends("context canceled"), Client),
    rule(&[0..=0, 400..=498, 503..=503], CHALLENGE, Upstream),
    rule(&[403..=403], Contains(&["cloudflare"]), Upstream),
    // A plan, billing or login reason in the body takes precedence over the status.
    rule(REFUSED_OR_NO_STATUS, PLAN_CODES, Quota),
    rule(REFUSED_OR_NO_STATUS, CodeAt(MINIMAX, &["2056"]), Quota),
    rule(REFUSED_OR_NO_STATUS, UNPAID_CODES, Billing),
    rule(REFUSED_OR_NO_STATUS, CodeAt(MINIMAX, &["1008"]), Billing),
    rule(&[402..=402], Any, Billing),
    rule(REFUSED, UNPAID_TEXTS, Billing),
    rule(REFUSED_OR_NO_STATUS, DEAD_LOGIN_CODES, Auth),
    rule(REFUSED_OR_NO_STATUS, DEAD_LOGIN_TEXTS, Auth),
    rule(REFUSED_OR_NO_STATUS, Disabled, Auth),
    rule(REFUSED, KEY_CODES, Auth),
    rule(REFUSED, CodeAt(MINIMAX, &["1004", "2049"]), Auth),
    rule(
        REFUSED,
        CodeAt(GLM, &["1000", "1001", "1002", "1003", "1004", "1220"]),
        Auth,
    ),
    rule(REFUSED, KEY_TEXTS, Auth),
    rule(REFUSED, PLAN_TEXTS, Quota),
    rule(&[0..=0, 403..=403, 429..=429], DAILY, Quota),
    // Rates and capacity.
    rule(REFUSED, RATE_CODES, RateLimit),
    rule(REFUSED, CodeAt(MINIMAX, &["1002"]), RateLimit),
    rule(&[0..=0, 429..=429, 500..=599], CAPACITY_CODES, Overloaded),
    rule(&[429..=429], CAPACITY_TEXTS, Overloaded),
    rule(&[0..=0, 403..=403, 429..=429], RATE_TEXTS, RateLimit),
    // Such a response quotes the client's text, which can contain any word.
    rule(
        &[400..=400, 422..=422],
        Code(&["invalid_request_error", "invalid_argument"]),
        Invalid,
    ),
    rule(
        &[0..=0, 400..=400, 403..=407, 409..=498],
        Contains(&["quota"]),
        Quota,
    ),
    rule(
        &[0..=0, 400..=401, 403..=403],
        Contains(&["billing", "payment"]),
        Billing,
    ),
    // The status alone, or with a connection error text.
    rule(&[401..=401, 403..=403], Any, Auth),
    // A proxy between CPA and the provider.
    rule(&[407..=407], Any, Network),
    // CPA's status for a stream that ended early.
    rule(&[408..=408], NETWORK_TEXTS, Network),
    rule(&[408..=408], Ends("eof"), Network),
    rule(&[408..=408, 504..=504, 522..=522, 524..=524], Any, Timeout),
    rule(&[429..=429], Any, RateLimit),
    rule(&[400..=498], Any, Invalid),
    rule(&[529..=529], Any, Overloaded),
    rule(BROKEN, TIMEOUT_TEXTS, Timeout),
    rule(BROKEN, NETWORK_TEXTS, Network),
    rule(BROKEN, Ends("eof"), Network),
    rule(&[503..=503], Any, Overloaded),
    rule(&[500..=599], CAPACITY_TEXTS, Overloaded),
    rule(&[500..=599], Any, Upstream),
    // A text without a status: general terms decide.
    rule(
        UNKNOWN,
        Contains(&[
            "unauthorized",
            "unauthenticated",
            "authentication",
            "permission",
            "forbidden",
            "access denied",
            "token expired",
            "token is expired",
            "revoked",
            "deactivated",
        ]),
        Auth,
    ),
    rule(UNKNOWN, CAPACITY_TEXTS, Overloaded),
    rule(UNKNOWN, Contains(&["service unavailable"]), Overloaded),
    rule(UNKNOWN, Contains(&["timeout"]), Timeout),
    rule(
        UNKNOWN,
        Contains(&[
            "server_error",
            "api_error",
            "internal error",
            "internal server error",
            "transient",
            "bad gateway",
            "cloudflare",
        ]),
        Upstream,
    ),
    rule(
        UNKNOWN,
        Contains(&[
            "not_found",
            "not found",
            "not supported",
            "model_not",
            "invalid_request",
        ]),
        Invalid,
    ),
    rule(&[0..=u16::MAX], Any, Other),
];
