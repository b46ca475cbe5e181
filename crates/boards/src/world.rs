//! A made-up household of accounts and clients, for pictures and for running the queries.

/// One account with what it serves and what limits it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) provider: &'static str,
    pub(crate) name: &'static str,
    pub(crate) plan: &'static str,
    pub(crate) auth_type: &'static str,
    /// As `cpa_account_state` at the end; before that it was active.
    pub(crate) state: u8,
    pub(crate) models: &'static [&'static str],
    pub(crate) quotas: &'static [Quota],
}

/// A window that fills evenly: at `pace` 1 it is full at its reset.
#[derive(Debug)]
pub(crate) struct Quota {
    pub(crate) limit: &'static str,
    pub(crate) scope: &'static str,
    pub(crate) window: &'static str,
    pub(crate) seconds: i64,
    /// Elapsed seconds of the running window at the end of the story.
    pub(crate) elapsed: i64,
    pub(crate) pace: f64,
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

const fn main(window: &'static str, seconds: i64, elapsed: i64, pace: f64) -> Quota {
    quota("main", "account", window, seconds, elapsed, pace)
}

const fn quota(
    limit: &'static str,
    scope: &'static str,
    window: &'static str,
    seconds: i64,
    elapsed: i64,
    pace: f64,
) -> Quota {
    Quota {
        limit,
        scope,
        window,
        seconds,
        elapsed,
        pace,
    }
}

const CLAUDE: &[&str] = &["claude-sonnet-4-6", "claude-opus-4-6", "claude-haiku-4-5"];
const CODEX: &[&str] = &["gpt-5.3-codex", "gpt-5.2"];
const ERROR: u8 = 5;
const COOLING: u8 = 4;

pub(crate) const ACCOUNTS: &[Account] = &[
    Account {
        provider: "claude",
        name: "claude-max",
        plan: "max",
        auth_type: "oauth",
        state: 0,
        models: CLAUDE,
        quotas: &[
            main("5h", 5 * HOUR, 4 * HOUR, 1.15),
            main("weekly", 7 * DAY, 5 * DAY, 1.09),
            quota("opus", "model", "weekly", 7 * DAY, 5 * DAY, 0.88),
        ],
    },
    Account {
        provider: "codex",
        name: "codex-plus",
        plan: "plus",
        auth_type: "oauth",
        state: COOLING,
        models: CODEX,
        quotas: &[
            main("5h", 5 * HOUR, 2 * HOUR, 0.3),
            main("weekly", 7 * DAY, 6 * DAY, 1.4),
            quota("code_review", "feature", "weekly", 7 * DAY, 6 * DAY, 0.26),
        ],
    },
    Account {
        provider: "codex",
        name: "codex-pro",
        plan: "pro",
        auth_type: "oauth",
        state: 0,
        models: CODEX,
        quotas: &[
            main("5h", 5 * HOUR, 3 * HOUR, 0.82),
            main("weekly", 7 * DAY, 4 * DAY, 0.95),
        ],
    },
    Account {
        provider: "codex",
        name: "codex-team",
        plan: "team",
        auth_type: "oauth",
        state: ERROR,
        models: CODEX,
        quotas: &[main("weekly", 7 * DAY, 2 * DAY, 1.2)],
    },
    Account {
        provider: "antigravity",
        name: "antigravity-home",
        plan: "ai-pro",
        auth_type: "oauth",
        state: 0,
        models: &["gemini-3-pro-preview"],
        quotas: &[
            quota("gemini-pro", "model", "5h", 5 * HOUR, 3 * HOUR, 0.97),
            quota("claude", "model", "5h", 5 * HOUR, 2 * HOUR, 0.7),
        ],
    },
    Account {
        provider: "kimi",
        name: "kimi-code",
        plan: "andante",
        auth_type: "oauth",
        state: 0,
        models: &["kimi-k2.5"],
        quotas: &[
            main("5h", 5 * HOUR, 2 * HOUR + 1800, 0.8),
            main("weekly", 7 * DAY, 3 * DAY, 0.5),
        ],
    },
    Account {
        provider: "xai",
        name: "xai-api",
        plan: "payg",
        auth_type: "api_key",
        state: 0,
        models: &["grok-4.1-fast"],
        quotas: &[quota("spend", "spend", "monthly", 30 * DAY, 21 * DAY, 0.97)],
    },
];

pub(crate) const CLIENTS: &[&str] = &["laptop", "ci", "phone", "guest"];

/// Values of the labels that do not follow from an account.
pub(crate) fn values(label: &str) -> &'static [&'static str] {
    match label {
        "client" => CLIENTS,
        "kind" => &[
            "input",
            "cache_read",
            "cache_write",
            "output",
            "reasoning",
            "unclassified",
        ],
        "endpoint" => &["POST /v1/messages", "POST /v1/responses"],
        "executor" => &["claude", "codex"],
        "service_tier" => &["default", "priority"],
        "reasoning_effort" => &["medium", "high"],
        "quality" => &["complete", "unclassified"],
        "version" => &["8.0.13"],
        "api" => &["v8"],
        "revision" => &["3f0c1ab"],
        "rustc" => &["1.95.0"],
        "mode" => &["subscribe", "pop", "http", "none"],
        "message" => &["support_refresh", "refresh"],
        "file" => &["database", "wal", "spool"],
        "level" => &["info", "warn", "error"],
        "label" => &["model"],
        "family" => &["cpa_requests_total"],
        "status" => &[
            "active", "unknown", "pending", "disabled", "cooling", "error",
        ],
        "scope" => &["account"],
        "source" => &["poll"],
        "unit" => &["tokens"],
        "auth_index" => &["a1b2c3d4"],
        "tier" => &["standard"],
        "reference" => &["gpt-5"],
        "budget" => &["team"],
        "threshold" => &["0.8"],
        "period" => &["month"],
        "by" => &["provider"],
        "method" => &["average"],
        "combo" => &["chat"],
        "email" | "name" => &[""],
        _ => panic!("no values for the label {label}"),
    }
}

/// Codes and reasons go together.
pub(crate) const FAILURES: &[(&str, &str)] = &[
    ("429", "rate_limit"),
    ("499", "client"),
    ("500", "upstream"),
    ("529", "overloaded"),
    ("401", "auth"),
];

/// Reasons of the other families that have such a label.
pub(crate) fn reasons(family: &str) -> &'static [&'static str] {
    match family {
        "cpa_access_refused" => &["wrong_key", "banned"],
        "cpa_ingest_rejects_total" => &["json", "time"],
        "cpa_ingest_reconnects_total" => &["down"],
        "cpa_ingest_losses_total" => &["spool_damaged"],
        "cpa_store_commit_failures_total" => &["locked"],
        "cpa_quota_poll_failures_total" => &["http"],
        "cpa_account_cooldown_until_timestamp_seconds" => &["quota"],
        "cpa_client_request_failures_total" => &["rate_limit", "client", "upstream"],
        _ => panic!("no reasons for {family}"),
    }
}
