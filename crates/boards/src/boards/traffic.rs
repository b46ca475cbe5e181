//! Traffic, latency, errors: is anything slow or failing?

use serde_json::json;

use super::pieces::{
    cached_share, failures_by_reason, quantile_by_model, requests_by_model, tokens_by_kind,
    two_quantiles,
};
use crate::board::{Plan, RESTARTS, Section, closed, open};
use crate::kinds::names_only;
use crate::panel::{Kit, Panel};
use crate::query::{SLICE, all_bars, grown, most, quantile, while_up};
use crate::style;
use crate::table::{at_least, count, failed_share, seconds, wide};

pub(super) const PLAN: Plan = Plan {
    name: "traffic",
    texts: include_str!("../text/traffic.toml"),
    // From the requests, not from the accounts: here the provider is who executed the request.
    variables: &[
        ("provider", "cpa_requests_total"),
        ("account", "cpa_requests_total"),
        ("model", "cpa_requests_total"),
    ],
    filters: &["provider", "account", "model"],
    from: "now-24h",
    sections,
    annotations: &[RESTARTS],
    may_be_empty: &[],
};

const DURATION: &str = "@cpa_request_duration_seconds";
const FIRST_TOKEN: &str = "@cpa_request_time_to_first_token_seconds";
const PER_TOKEN: &str = "@cpa_request_time_per_output_token_seconds";
const REFUSED: &str = "@cpa_request_failures_total{code=\"429\"}";

fn sections(kit: &Kit<'_>) -> Vec<Section> {
    vec![
        open(vec![
            kit.stat("requests")
                .query(kit.t.word("requests"), &grown("", "@cpa_requests_total"))
                .option("textMode", json!("value"))
                .decimals(0)
                .color("blue")
                .at(0, 0, 4, 4),
            success(kit).at(4, 0, 4, 4),
            refused(kit).at(8, 0, 4, 4),
            two_quantiles(kit, "duration", DURATION).at(12, 0, 4, 4),
            two_quantiles(kit, "first_token", FIRST_TOKEN).at(16, 0, 4, 4),
            speed(kit).at(20, 0, 4, 4),
            requests_by_model(kit).at(0, 4, 12, 9),
            failures_by_reason(kit).at(12, 4, 12, 9),
            heatmap(kit, "duration_spread", DURATION, "Blues").at(0, 13, 12, 8),
            heatmap(kit, "first_token_spread", FIRST_TOKEN, "Purples").at(12, 13, 12, 8),
            models(kit).at(0, 21, 15, 11),
            what_failed(kit).at(15, 21, 9, 11),
            failed_slices(kit).at(0, 32, 12, 9),
            kit.bars_by("refused_by_account", "account", REFUSED)
                .at(12, 32, 12, 9),
            busiest(kit).at(0, 41, 24, 7),
        ]),
        closed(
            "row_rates",
            vec![
                rate(
                    kit,
                    "request_rate",
                    "{{model}}",
                    "model",
                    "@cpa_requests_total",
                )
                .at(0, 0, 12, 9),
                rate(kit, "token_rate", "{{kind}}", "kind", "@cpa_tokens_total")
                    .colors(style::KIND_COLORS)
                    .at(12, 0, 12, 9),
            ],
        ),
        closed(
            "row_quantiles",
            vec![
                quantile_by_model(kit, "duration_by_model", "0.95", DURATION).at(0, 0, 8, 10),
                quantile_by_model(kit, "first_token_by_model", "0.95", FIRST_TOKEN).at(8, 0, 8, 10),
                quantile_by_model(kit, "per_token_by_model", "0.5", PER_TOKEN).at(16, 0, 8, 10),
            ],
        ),
        closed("row_tokens", more(kit)),
    ]
}

fn more(kit: &Kit<'_>) -> Vec<Panel> {
    let aborts = "@cpa_request_failures_total{reason=\"client\"}";
    vec![
        tokens_by_kind(kit).at(0, 0, 12, 8),
        cached_share(kit).at(12, 0, 12, 8),
        heatmap(kit, "per_token_spread", PER_TOKEN, "Greens").at(0, 8, 12, 8),
        kit.bars_by("client_aborts", "model", aborts)
            .at(12, 8, 12, 8),
        endpoints(kit).at(0, 16, 12, 11),
        tiers(kit).at(12, 16, 12, 11),
    ]
}

fn success(kit: &Kit<'_>) -> Panel {
    let failed = grown("", "@cpa_request_failures_total{reason!=\"client\"}");
    let all = grown("", "@cpa_requests_total");
    kit.stat("success")
        .query(
            kit.t.word("succeeded"),
            &format!("1 - ({failed} or 0 * {all}) / {all}"),
        )
        .unit("percentunit")
        .decimals(1)
        .option("textMode", json!("value"))
        .steps(&[("red", None), ("orange", Some(0.95)), ("green", Some(0.98))])
}

fn refused(kit: &Kit<'_>) -> Panel {
    kit.stat("refused")
        .query(
            "429",
            &while_up(&format!(
                "{} or on () 0 * {}",
                grown("", REFUSED),
                grown("", "@cpa_requests_total")
            )),
        )
        .decimals(0)
        .option("textMode", json!("value"))
        .steps(&[("green", None), ("orange", Some(1.0))])
}

fn speed(kit: &Kit<'_>) -> Panel {
    kit.stat("speed")
        .query(
            kit.t.word("per_second"),
            &format!("1 / {}", quantile("0.5", "", PER_TOKEN)),
        )
        .unit("none")
        .decimals(0)
        .color("green")
}

fn heatmap(kit: &Kit<'_>, key: &str, histogram: &str, scheme: &str) -> Panel {
    let cells = format!("sum by (le) (increase({histogram}_bucket{SLICE}))");
    kit.heatmap(key, scheme).query("{{le}}", &cells).unit("s")
}

/// The figures of time have no account label; the models shown are those with requests.
fn models(kit: &Kit<'_>) -> Panel {
    let requests = format!("({} > 0)", grown("model", "@cpa_requests_total"));
    let failed = format!(
        "{} / {requests}",
        grown("model", "@cpa_request_failures_total")
    );
    let of = |q: &str, histogram: &str| {
        format!(
            "{} and on (model) {requests}",
            quantile(q, "model", histogram)
        )
    };
    let slow: &[style::Step] = &[
        ("text", None),
        ("orange", Some(120.0)),
        ("red", Some(300.0)),
    ];
    kit.table("models")
        .label("model", at_least(240))
        .value("p95", &of("0.95", DURATION), seconds(80, 1).steps(slow))
        .value("median", &of("0.5", DURATION), seconds(80, 1))
        .value("first_token_p95", &of("0.95", FIRST_TOKEN), seconds(118, 1))
        .value(
            "per_second",
            &format!("1 / ({})", of("0.5", PER_TOKEN)),
            wide(85).unit("none").decimals(0),
        )
        .value("requests", &requests, count(88))
        .value("failed", &failed, failed_share(80))
        .sorted_by("p95", true, &[])
}

fn what_failed(kit: &Kit<'_>) -> Panel {
    let failures = grown("account, code, reason", "@cpa_request_failures_total");
    kit.table("what_failed")
        .label("account", at_least(150))
        .label("code", wide(65))
        .label("reason", wide(100))
        .value("failures", &format!("{failures} > 0.5"), count(95))
        .sorted_by("failures", true, &[])
}

fn failed_slices(kit: &Kit<'_>) -> Panel {
    let of = |counter: &str| format!("sum by (provider) (increase({counter}{SLICE}))");
    let enough = format!("({} >= 3)", of("@cpa_requests_total"));
    let share = format!(
        "{} / {enough} or 0 * {enough}",
        of("@cpa_request_failures_total")
    );
    kit.history("failed_slices")
        .query("{{provider}}", &share)
        .unit("percentunit")
        .decimals(0)
        .steps(style::FAILED)
}

/// Hours of the reader's own clock, which `PromQL` does not know: hourly growth is grouped by the
/// hour in the browser.
fn busiest(kit: &Kit<'_>) -> Panel {
    let options = json!({
        "xField": "Time", "orientation": "vertical", "barWidth": 0.85, "groupWidth": 0.7,
        "barRadius": 0, "stacking": "none", "showValue": "never", "fullHighlight": false,
        "xTickLabelRotation": 0, "xTickLabelSpacing": 0,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": false,
                   "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    });
    let hour = json!({"id": "convertFieldType", "options": {"conversions": [
        {"targetField": "Time", "destinationType": "string", "dateFormat": "HH"},
    ]}});
    let grouped = json!({"id": "groupBy", "options": {"fields": {
        "Time": {"operation": "groupby", "aggregations": []},
        kit.t.word("requests"): {"operation": "aggregate", "aggregations": ["sum"]},
    }}});
    let sorted = json!({"id": "sortBy", "options": {"sort": [{"field": "Time"}]}});
    kit.panel("barchart", "busiest", false)
        .query(kit.t.word("requests"), &all_bars("", "@cpa_requests_total"))
        .decimals(0)
        .color("blue")
        .default("min", json!(0))
        .default("custom", json!({"lineWidth": 0, "fillOpacity": 85}))
        .field("options", options)
        .field("transformations", json!([hour, grouped, sorted]))
        .slices("1h", 2000)
}

fn rate(kit: &Kit<'_>, key: &str, legend: &str, by: &str, counter: &str) -> Panel {
    let per_minute = format!(
        "60 * sum by ({by}) (rate({counter}[$__rate_interval])) > 0 and on ({by}) {}",
        most(by, counter)
    );
    kit.lines(key, "10m")
        .query(legend, &per_minute)
        .unit("short")
        .decimals(1)
        .option("legend", names_only())
        // Longer slices than the default: single requests would paint a comb.
        .slices("5m", 150)
}

fn endpoints(kit: &Kit<'_>) -> Panel {
    let by = grown("endpoint, executor", "@cpa_requests_by_endpoint_total");
    kit.bar_gauge("endpoints").query(
        "{{endpoint}} · {{executor}}",
        &format!("sort_desc({by} > 0)"),
    )
}

fn tiers(kit: &Kit<'_>) -> Panel {
    let by = grown(
        "provider, service_tier, reasoning_effort",
        "@cpa_requests_by_tier_total",
    );
    kit.bar_gauge("tiers").query(
        "{{provider}} {{service_tier}} {{reasoning_effort}}",
        &format!("sort_desc({by} > 0)"),
    )
}
