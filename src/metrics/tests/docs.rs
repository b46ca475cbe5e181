//! `docs/metrics.md` is made from the catalogue; this keeps the two equal.

use std::fmt::Write as _;
use std::{fs, path::Path};

use super::super::catalogue::{Family, Kind, sections};
use super::super::handles::{source, store};
use super::super::restored::RESTORED;
use crate::model::{Control, FailureReason, IngestMode, RejectReason, TokenKind, TokenQuality};

const INTRODUCTION: &str = "\
# Metrics

<!-- Written by `UPDATE_DOCS=1 cargo test --lib metrics`; do not edit. -->

Every family that the telemetry path (`/metrics`) can show. Names, labels and buckets are promises: a change stands in the
changelog as `old -> new`.

## What counts

* A *request* is one upstream attempt as CPA records it. A retry is a request of its own. Failed requests count as requests
  and as failures, and the tokens that they carry count.
* Prewarm requests, which generate nothing, count in `cpa_ingest_prewarm_total` only; their tokens and their token quality
  count like all others.
* Durations are those of successful requests. Time to first token and time per output token are those of successful
  *streamed* answers whose time to first token is known. Time per output token is
  `(duration - time to first token) / (output and reasoning tokens - 1)`, so an answer of one token has none.
* Latest times are never ahead of the exporter's clock: a record whose time is ahead counts as one of the time when it was received,
  and a time of CPA's that is ahead is left out.
* Kinds of tokens are disjoint: `sum without (kind)` is the total. `input` is what came from no cache, `output` is without
  reasoning, `unclassified` is the part of a known total that no other kind explains.

## Zero first

Prometheus cannot see an increase in the first value of a series. A scraper therefore gets a new series of the sections *Traffic* and
*Money* at 0 until `metrics.zero_hold` has passed after its first complete scrape that contained it; then the series has its value, and
from then on it is fresh within a second. A scraper is a client that sends the header `X-Prometheus-Scrape-Timeout-Seconds`, as
Prometheus, vmagent, Grafana Alloy and the OpenTelemetry collector do. Every other client, such as a browser or `curl`, gets the
true values at once, and its requests never begin a hold. `HEAD` requests and requests with `name[]` are no complete scrapes. Each pair of
`code` and `reason` is a series of its own. `cpa_account_last_request_timestamp_seconds` is a gauge and is shown at once.
`cpa_account_errors_total` is new at 0 in the same way; any page of a scraper that has shown the zero begins its hold.

## Restarts

Families marked *restored* go on where they were when the exporter starts again; a scrape never sees them decrease, and pruning
events from the database does not lower them. All other counters and histograms count since the start of the process.
Gauges whose value is not known (yet) are absent.

## Counters and SQL

Counters equal the SQL sums exactly. `increase()` and `rate()` do not: Prometheus extrapolates from the first and last sample in a range
to the ends of the range. Over a run of requests that does not begin and end on scrapes it was measured 1.8–3 % above SQL; the
shorter the range, the more. For a bill, take the difference of two values of the counter, or SQL.

## Money

Amounts are exact: each record is rounded once, to the nano-dollar, and everything after that is a sum of integers. *Value* is
what tokens cost at list price, whoever pays; *cost* is the part that is billed per use. A model without a price has no value
and is counted in `cpa_unpriced_*_total`. `reprice` never touches a counter: what it changes in events that were counted before
is shown by `cpa_list_value_correction_usd` and `cpa_cost_correction_usd`, so that counter plus correction is the value of these
events by today's prices. More in `docs/cost.md`.

## Caps

Each label has a largest number of values: `account` 1000, `model` 200, `client` 200, `endpoint` 20, `code` 40, `provider`,
`executor`, `service_tier` and `reasoning_effort` 50 each. The values that came first keep their series; all others share the value
`other` in counters, histograms and summaries, and are left out of gauges. Beyond 200,000 series no new ones are shown at all.
`cpa_exporter_label_overflows_total` and `cpa_exporter_series_dropped_total` tell when that happens. No event is lost by it: the
database keeps all values, and a larger cap shows them after the next start. Values are cut at 128 bytes; control
characters and invisible ones (zero width, direction) are removed.

## Shared aliases

Credentials that share a name in `aliases.accounts` share their counters, which add up, and
`cpa_account_last_request_timestamp_seconds`, which is the latest of them. Other gauges are each credential's own: the newest
credential (the last to be seen for the first time) of a provider has the alias, those before it have the alias and the start of
their index, as in `work-3fa2c1`.

";

#[test]
fn the_documentation_is_what_the_catalogue_says() {
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
    for (label, values) in closed() {
        writeln!(out, "| `{label}` | {values} | |").unwrap();
    }
    out.push_str("\n\"Absent\" is what the label says when the record has no such value.\n");
    for (section, families) in sections() {
        write!(out, "\n## {section}\n\n").unwrap();
        out.push_str("| metric | type | labels | restored | help |\n|---|---|---|---|---|\n");
        for family in families {
            row(&mut out, family);
        }
    }
    out.push_str("\n## Buckets\n\nUpper bounds in seconds; `+Inf` comes last.\n\n");
    out.push_str("| metric | buckets |\n|---|---|\n");
    for family in sections().iter().flat_map(|(_, families)| *families) {
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
    let restored = RESTORED.iter().any(|def| def.family == family);
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
const OPEN: [(&str, &str, &str); 18] = [
    (
        "provider",
        "executor's identity, as the record's `provider` says it",
        "`unknown`",
    ),
    (
        "model",
        "upstream model, never the alias that the client asked for",
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
    ("service_tier", "tier that the client asked for", "`none`"),
    (
        "reasoning_effort",
        "effort that was sent upstream",
        "`none`",
    ),
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
        "service tier with a price of its own, else `standard`",
        "",
    ),
    ("version", "day and hash of the price list, or release", ""),
    (
        "source",
        "lists that the prices come from: `built-in`, `set` by command, `file` of the user",
        "",
    ),
    ("plan", "plan's name in `cost.fees`", ""),
    ("level", "level of a log message", ""),
];
const ACCOUNT: &str = "alias from the configuration, else kind and start of the credential's index; \
    never an e-mail or a file name";
const CLIENT: &str =
    "alias from the configuration, else the masked key and four digits of its keyed hash";
const CODE: &str =
    "HTTP status as CPA reports it; 200 when the answer broke off after it had begun";

const STATUS: &str = "`active`: CPA uses the account, though it may leave some of its models alone for a while, as after \
    an upstream's error; `cooling`: it waits for a quota or a rate limit; `error`: somebody has to look, because the login is \
    refused, the account banned, the plan unpaid, or CPA gives no reason that is known; `disabled`; `pending`: not ready, or \
    its token is being refreshed; `unknown`: CPA does not tell, as for the keys of its configuration";
const COOLDOWNS: &str = "`quota`, `credential_quota`, `cloudflare_challenge`, `unauthorized`, `payment_required`, \
    `not_found`, `model_not_supported`, `invalid_grant`, `transient_error`, `unknown`";

/// Labels with their values, where these are a closed set.
fn closed() -> [(&'static str, String); 15] {
    let modes = list(&IngestMode::ALL.map(IngestMode::as_str));
    [
        (
            "reason` of `cpa_request_failures_total`, `cpa_client_request_failures_total",
            list(&FailureReason::ALL.map(FailureReason::as_str)),
        ),
        ("reason` of `cpa_access_refused", list(&source::REFUSALS)),
        (
            "reason` of `cpa_ingest_rejects_total",
            list(&RejectReason::ALL.map(RejectReason::as_str)),
        ),
        (
            "reason` of `cpa_ingest_reconnects_total",
            list(&source::RECONNECTS),
        ),
        (
            "reason` of `cpa_store_commit_failures_total",
            list(&store::FAILURES),
        ),
        ("kind", list(&TokenKind::ALL.map(TokenKind::as_str))),
        (
            "quality",
            list(&TokenQuality::ALL.map(TokenQuality::as_str)),
        ),
        (
            "mode",
            format!("{modes}; `cpa_ingest_mode` also has `none`"),
        ),
        ("message", list(&Control::ALL.map(Control::as_str))),
        ("file", list(&store::FILES)),
        (
            "auth_type",
            "`oauth`, `api_key`; left out where CPA does not tell".to_owned(),
        ),
        ("status", STATUS.to_owned()),
        (
            "scope` of `cpa_account_cooldown_until_timestamp_seconds",
            "`credential`, `model`: of several models the end that comes last".to_owned(),
        ),
        (
            "reason` of `cpa_account_cooldown_until_timestamp_seconds",
            COOLDOWNS.to_owned(),
        ),
        (
            "code` of `cpa_account_errors_total",
            "HTTP status; `other` where CPA gives none, and beyond the cap".to_owned(),
        ),
    ]
}

fn list(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    quoted.join(", ")
}
