//! `docs/metrics.md` is made from the catalogue; this keeps the two equal.

use std::fmt::Write as _;
use std::{fs, path::Path};

use super::super::catalogue::stored_families;
use super::super::handles::{Loss, ReconnectReason, StoreFile};
use super::super::{
    Family, GatewayInput, GatewayOutcome, GatewayStreamEnd, GatewayTokens, Kind, sections,
};
use crate::model::{
    AccessRefusal, Control, FailureClass, FailureReason, IngestMode, LabelValue, RejectReason,
    TokenKind, TokenQuality,
};

const INTRODUCTION: &str = "\
# Metrics

<!-- Written by `UPDATE_DOCS=1 cargo test --lib metrics`; do not edit. -->

All metric families of the telemetry path (`/metrics`). Names, labels and buckets are stable: the changelog lists each change as
`old -> new`.

## What counts

* A *request* is one upstream attempt in CPA's records; a retry is another request. A failed request counts as a request and as
  a failure, and its tokens count.
* Prewarm requests, which generate no output, count in `cpa_ingest_prewarm_total` only; their tokens and token quality count as
  usual.
* A duration runs from the start of a successful request to its record. Time to first token and time per output token cover
  successful *streamed* responses with a known time to first token. Time per output token is
  `(duration - time to first token) / (output and reasoning tokens - 1)`; a response of one token has no such time.
* Timestamps are never ahead of the exporter's clock: a record with a later time gets the time of its receipt, and a later
  timestamp in CPA's account list is dropped.
* Kinds of tokens are disjoint: `sum without (kind)` is the total. `input` excludes cached tokens, `output` excludes reasoning,
  `unclassified` is the rest of a known total that no other kind explains.

## Zero first

`increase()` cannot see the first value of a series. Scrapers therefore get each new series of the sections *Traffic* and *Money* at
0, until `metrics.zero_hold` has passed since the first complete scrape with this series. Then the series has its true value, updated
within a second. A scraper is a client that sends the header `X-Prometheus-Scrape-Timeout-Seconds`: Prometheus, vmagent, Grafana
Alloy, the OpenTelemetry collector. All other clients, such as a browser or `curl`, get true values at once and start no hold.
`HEAD` requests and requests with `name[]` are not complete scrapes. Each pair of `code` and `reason` is a separate series.
`cpa_account_last_request_timestamp_seconds` is a gauge without a hold. `cpa_account_errors_total` also starts at 0; any response to
a scraper with that zero starts its hold.

## Restarts

Families marked *restored* keep their values across restarts: a scrape never sees them decrease, and pruning events from the
database does not lower them. All other counters and histograms count from the start of the process. Gauges with an unknown value
are absent.

## Counters and SQL

Counters equal the SQL sums exactly. `increase()` and `rate()` do not, because Prometheus extrapolates from the first and last
sample to the ends of the range: measured 1.8–3 % above SQL if the range does not start and end at scrapes, more for short ranges.
For a bill, subtract two values of the counter, or use SQL.

## Money

Amounts are exact: each record is rounded once, to the nano-dollar; all sums are integers. *Value* is the list price of all tokens,
including those of plans; *cost* is the part that is billed per use. A model without a price has no value and counts in
`cpa_unpriced_*_total`. `reprice` changes no counter: `cpa_list_value_correction_usd` and `cpa_cost_correction_usd` expose its
changes to counted events, so counter plus correction is the value at the new prices. See `docs/cost.md`.

## Caps

Each label has a maximum number of values: `account` 1000, `model` 200, `client` 200, `endpoint` 20, `code` 40, `channel_id` 1000,
`provider`, `executor`, `service_tier`, `reasoning_effort`, `error_type` and `log_type` 50 each. The models of a gateway have a cap of
their own, as large as that of `model`. The first values keep their series; all later ones share the value
`other` in counters, histograms and summaries, and are absent from gauges. Above 200,000 series no new series are exposed.
`cpa_exporter_label_overflows_total` and `cpa_exporter_series_dropped_total` count both cases. The database keeps all values; with a
larger cap they are exposed after the next start. Values are truncated to 128 bytes; control characters and invisible characters
(zero width, direction) are removed.

## Gateways

The section *New API and One API* is present if `gateway.dsn` is set. It counts rows of the gateway's log: types 2 (consume), 5 (error) and
6 (refund); all others count in `newapi_foreign_rows_total` only. An *attempt* is a request on one channel: a retried request has several.
In One API, type 5 is a channel test, and errors leave no row; New API writes errors only with `ERROR_LOG_ENABLED=true`, and none for
requests that it refuses before it selects a channel. `newapi_*` and `cpa_*` are never added: a gateway often stands in front of CPA, and then
both count the same request. See `docs/gateways.md`.

## Shared aliases

Credentials with the same alias in `aliases.accounts` share their counters, which are sums, and
`cpa_account_last_request_timestamp_seconds`, which is the latest time. Each credential has its own series of the other gauges: the
credential of a provider that was added last has the alias as its label, the others the alias and the start of their index, such as
`work-3fa2c1`.

";

#[test]
fn documentation_equals_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let expected = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/metrics.md differs from the catalogue; run UPDATE_DOCS=1 cargo test --lib metrics"
    );
}

fn document() -> String {
    let mut out = INTRODUCTION.to_owned();
    out.push_str("## Labels\n\n| label | value | absent |\n|---|---|---|\n");
    for (label, value, absent) in OPEN {
        writeln!(out, "| `{label}` | {value} | {absent} |").unwrap();
    }
    for (label, values) in closed().into_iter().chain(closed_of_gateway()) {
        writeln!(out, "| `{label}` | {values} | |").unwrap();
    }
    out.push_str("\nColumn *absent*: value of the label if the record has none.\n");
    for (section, families) in sections() {
        write!(out, "\n## {section}\n\n").unwrap();
        out.push_str("| metric | type | labels | restored | help |\n|---|---|---|---|---|\n");
        for family in families {
            row(&mut out, family);
        }
    }
    out.push_str("\n## Buckets\n\nUpper bounds in seconds; `+Inf` comes last.\n\n");
    out.push_str("| metric | buckets |\n|---|---|\n");
    for family in sections().iter().flat_map(|(_, families)| families) {
        if let Kind::Histogram(_) = family.kind {
            writeln!(out, "| `{}` | {} |", family.name, bounds(family)).unwrap();
        }
    }
    out.push_str(
        "\nThe three histograms of *Traffic* carry exemplars (`request_id`, with its time) in OpenMetrics.\n",
    );
    out
}

fn row(out: &mut String, family: &Family) {
    let labels: Vec<String> = family.labels.iter().map(|l| format!("`{l}`")).collect();
    let restored = stored_families()
        .iter()
        .any(|stored| stored.family == *family);
    writeln!(
        out,
        "| `{}` | {} | {} | {} | {} |",
        family.name,
        family.kind.as_str(),
        labels.join(", "),
        if restored { "yes" } else { "" },
        family.help,
    )
    .unwrap();
}

/// The bounds in seconds, exactly.
pub(super) fn bounds(family: &Family) -> String {
    let Kind::Histogram(buckets) = family.kind else {
        return String::new();
    };
    let digits = buckets.scale.ilog10() as usize;
    let texts = buckets.bounds.iter().map(|bound| {
        let text = format!(
            "{}.{:0digits$}",
            bound / buckets.scale,
            bound % buckets.scale
        );
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// Label, what it holds, what it says when that is absent.
const OPEN: [(&str, &str, &str); 27] = [
    (
        "provider",
        "identity of the executor: field `provider` of the record",
        "`unknown`",
    ),
    (
        "model",
        "upstream model, never the alias in the client's request",
        "`unknown`",
    ),
    ("account", ACCOUNT, "`none`"),
    ("client", CLIENT, "`none`"),
    (
        "endpoint",
        "CPA's route, like `POST /v1/messages`",
        "`none`",
    ),
    ("executor", "CPA's executor", "`unknown`"),
    ("service_tier", "tier in the client's request", "`none`"),
    ("reasoning_effort", "effort sent upstream", "`none`"),
    ("code", CODE, ""),
    ("api", "generation of the management API, `v8` or `v0`", ""),
    ("label", "name of a label with a cap", ""),
    (
        "family",
        "name of a family of the sections *Traffic* and *Money*",
        "",
    ),
    ("reference", "name of a price in `cost.references`", ""),
    (
        "tier",
        "service tier with its own price, else `standard`",
        "",
    ),
    ("version", "day and hash of the price list, or release", ""),
    (
        "source",
        "price lists in use: `built-in`, `set` (by command), `file` (`cost.price_file`)",
        "",
    ),
    ("plan", "name of the plan in `cost.fees`", ""),
    ("level", "level of a log message", ""),
    (
        "channel_id",
        "id of the gateway's channel; `0` for rows without one",
        "`none`",
    ),
    (
        "model` of `newapi_*",
        "model in the client's request to the gateway",
        "`none`",
    ),
    ("status_code", "HTTP status of the failed attempt", "`none`"),
    (
        "error_type",
        "the gateway's class of the error, such as `openai_error` or `new_api_error`",
        "`none`",
    ),
    (
        "log_type",
        "number in the column `type` of the gateway's log",
        "",
    ),
    ("token_id", "id of the gateway's token", ""),
    ("user_id", "id of the token's user", ""),
    ("name` of `newapi_*", "name in the gateway", ""),
    (
        "provider` of `newapi_channel_info",
        "the gateway's number of the provider, which differs between New API and One API",
        "",
    ),
];
const ACCOUNT: &str = "alias from the configuration, else provider and start of the credential's index; \
    never an e-mail or a file name";
const CLIENT: &str =
    "alias from the configuration, else the masked key and four digits of its keyed hash";
const CODE: &str = "HTTP status that CPA reports; 200 for a response that broke off";

const STATUS: &str = "`active`: CPA uses the account, perhaps without some of its models after an upstream error; `cooling`: a quota or \
    rate limit is exhausted; `error`: the login is refused, the account banned, the plan unpaid, or the reason unknown; \
    `disabled`; `pending`: not ready, or a token refresh is running; `unknown`: CPA reports no status, as for keys in its \
    configuration";
const COOLDOWNS: &str = "`quota`, `credential_quota`, `cloudflare_challenge`, `unauthorized`, `payment_required`, \
    `not_found`, `model_not_supported`, `invalid_grant`, `transient_error`, `unknown`";

/// Labels with their values, where these are a closed set.
fn closed() -> [(&'static str, String); 16] {
    let modes = list_of::<IngestMode>();
    [
        (
            "reason` of `cpa_request_failures_total`, `cpa_client_request_failures_total",
            list_of::<FailureReason>(),
        ),
        ("reason` of `cpa_access_refused", list_of::<AccessRefusal>()),
        (
            "reason` of `cpa_ingest_rejects_total",
            list_of::<RejectReason>(),
        ),
        (
            "reason` of `cpa_ingest_reconnects_total",
            list_of::<ReconnectReason>(),
        ),
        ("reason` of `cpa_ingest_losses_total", list_of::<Loss>()),
        (
            "reason` of `cpa_store_commit_failures_total",
            list_of::<FailureClass>(),
        ),
        ("kind", list_of::<TokenKind>()),
        ("quality", list_of::<TokenQuality>()),
        (
            "mode",
            format!("{modes}; `cpa_ingest_mode` also has `none`"),
        ),
        ("message", list_of::<Control>()),
        ("file", list_of::<StoreFile>()),
        (
            "auth_type",
            "`oauth`, `api_key`; absent if CPA reports none".to_owned(),
        ),
        ("status", STATUS.to_owned()),
        (
            "scope` of `cpa_account_cooldown_until_timestamp_seconds",
            "`credential`, `model` (the latest end of all models)".to_owned(),
        ),
        (
            "reason` of `cpa_account_cooldown_until_timestamp_seconds",
            COOLDOWNS.to_owned(),
        ),
        (
            "code` of `cpa_account_errors_total",
            "HTTP status; `other` without a status and above the cap".to_owned(),
        ),
    ]
}

/// The same of a gateway.
fn closed_of_gateway() -> [(&'static str, String); 7] {
    [
        (
            "outcome",
            format!("{}; a retried request has several attempts", list_of::<GatewayOutcome>()),
        ),
        ("kind` of `newapi_tokens_total", list_of::<GatewayTokens>()),
        ("cache", list_of::<GatewayInput>()),
        (
            "reason` of `newapi_stream_end_total",
            list_of::<GatewayStreamEnd>(),
        ),
        (
            "state",
            "`active`, `disabled`, `expired`, `exhausted`: computed, because the gateway updates its own status late".to_owned(),
        ),
        (
            "reason` of `newapi_log_gaps_expired_total`, `newapi_log_resets_total",
            "`deadline`, `overflow`; `emptied`, `restored`".to_owned(),
        ),
        ("routed", "`yes`, `no`".to_owned()),
    ]
}

fn list_of<T: LabelValue>() -> String {
    let values = T::VALUES.iter();
    let quoted: Vec<String> = values.map(|v| format!("`{}`", v.as_label())).collect();
    quoted.join(", ")
}
