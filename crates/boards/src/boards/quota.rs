//! Quota and pace: will I be cut off before the reset, which account, what do I do?

use serde_json::json;

use super::pieces::{
    RUNS_OUT_IN, WINDOW, at_reset, next_cut_off, per_window, resets_in, spent_inside, time_gone,
    used, whole_account,
};
use crate::board::{Annotation, Plan, Section, closed, open};
use crate::panel::{Kit, Panel};
use crate::query::{at_slices, bars, bridged, lines_of_highest, rows_of_highest, short_names};
use crate::style;
use crate::table::{at_least, countdown, quota_gauge, rounded, seconds, share, share_gauge, wide};

pub(super) const PLAN: Plan = Plan {
    name: "quota",
    texts: include_str!("../text/quota.toml"),
    variables: &[
        ("provider", "cpa_account_info"),
        ("account", "cpa_account_info"),
    ],
    filters: &["provider", "account"],
    from: "now-24h",
    sections,
    annotations: &[Annotation {
        // Resets of short windows would paint the graphs full.
        word: "resets",
        query: "sum by (account, limit, window) (increase(@cpa_quota_resets_total\
                {window!~\"5h|daily|[0-9]+[smh]\"}[2m])) > 0.5",
        of_exporters: false,
        text: "{{account}} {{limit}} {{window}}",
        color: "green",
    }],
    may_be_empty: &[],
};

/// By the name of the window: its length is not on every family.
const SHORT: &str = "{window=~\"5h|daily|[0-9]+[smh]\"}";
/// The labels of a line.
const LIMIT: &str = "account, limit, window";
const LONG: &str = "{window!~\"5h|daily|[0-9]+[smh]\"}";

fn sections(kit: &Kit<'_>) -> Vec<Section> {
    vec![
        open(vec![
            next_cut_off(kit).at(0, 0, 6, 4),
            blocked(kit).at(6, 0, 6, 4),
            next_reset(kit).at(12, 0, 6, 4),
            oldest(kit).at(18, 0, 6, 4),
            will_it_last(kit).at(0, 4, 24, 17),
            pool(kit).at(0, 21, 10, 12),
            tight(kit).at(10, 21, 14, 12),
            windows(kit, "short_windows", SHORT).at(0, 33, 12, 12),
            windows(kit, "long_windows", LONG).at(12, 33, 12, 12),
        ]),
        closed(
            "row_forecasts",
            vec![
                long_at_reset(kit).at(0, 0, 12, 11),
                time_left(kit).at(12, 0, 12, 11),
            ],
        ),
        closed(
            "row_details",
            vec![
                absolute(kit).at(0, 0, 14, 8),
                sources(kit).at(14, 0, 10, 8),
                kit.lines("credits", "1h")
                    .query(
                        "{{account}} {{unit}}",
                        &lines_of_highest(
                            &format!(
                                "max by (account, unit) ({})",
                                at_slices("@cpa_credits_balance")
                            ),
                            "account, unit",
                            "@cpa_credits_balance",
                        ),
                    )
                    .unit("short")
                    .at(0, 8, 8, 7),
                kit.bars("poll_failures")
                    .query(
                        "{{provider}} {{reason}}",
                        &bars("provider, reason", "@cpa_quota_poll_failures_total"),
                    )
                    .at(8, 8, 8, 7),
                kit.bars_by("resets_per_bar", "account", "@cpa_quota_resets_total")
                    .at(16, 8, 8, 7),
            ],
        ),
    ]
}

fn time_left(kit: &Kit<'_>) -> Panel {
    let left = format!(
        "min by ({LIMIT}) ({} - time()) > 0",
        at_slices("@cpa_quota_exhaustion_timestamp_seconds")
    );
    kit.lines("time_left", "10m")
        .query(
            "{{account}} {{limit}} {{window}}",
            &lines_of_highest(&left, LIMIT, "@cpa_quota_used_ratio"),
        )
        .unit("s")
}

fn blocked(kit: &Kit<'_>) -> Panel {
    let first_back = format!(
        "min({} and on {WINDOW} (@cpa_quota_exhausted == 1)) - time()",
        bridged("@cpa_quota_reset_timestamp_seconds")
    );
    kit.stat("blocked")
        .unit("none")
        .query(
            kit.t.word("accounts"),
            "count(max by (job, instance, account) (@cpa_quota_exhausted) == 1) \
             or on () (vector(0) and on () @cpa_quota_exhausted)",
        )
        .query(kit.t.word("first_back"), &first_back)
        .steps(&[("green", None), ("red", Some(1.0))])
        .aside(kit.t.word("first_back"), "s", 1, "text")
}

fn next_reset(kit: &Kit<'_>) -> Panel {
    let next = format!("bottomk(1, ({}) > 0)", resets_in());
    let unused = format!("1 - max({} and on {WINDOW} {next})", used());
    kit.stat("next_reset")
        .unit("s")
        .query("{{account}} {{limit}} {{window}}", &short_names(&next))
        .query(kit.t.word("unused"), &unused)
        .decimals(1)
        .color("text")
        .aside(kit.t.word("unused"), "percentunit", 0, "blue")
}

fn oldest(kit: &Kit<'_>) -> Panel {
    let age = bridged("@cpa_quota_observed_timestamp_seconds");
    kit.stat("oldest")
        .unit("s")
        .query(
            "{{account}}",
            &short_names(&format!("topk(1, max by (account) (time() - {age}))")),
        )
        .decimals(0)
        .steps(&[
            ("green", None),
            ("orange", Some(1800.0)),
            ("red", Some(7200.0)),
        ])
}

fn will_it_last(kit: &Kit<'_>) -> Panel {
    let left = format!("clamp_min({}, 0)", resets_in());
    let at = format!("{} * 1000", bridged("@cpa_quota_reset_timestamp_seconds"));
    let age = format!(
        "time() - {}",
        bridged("@cpa_quota_observed_timestamp_seconds")
    );
    let [tokens, worth] = spent_inside();
    kit.table("will_it_last")
        .label("account", at_least(150))
        .label("window", wide(75))
        .value("used", &per_window(&used()), quota_gauge(125))
        .value("time_gone", &per_window(&time_gone()), share_gauge(125))
        .label("limit", wide(150))
        .value(
            "at_reset",
            &per_window(&at_reset()),
            share(95)
                .steps(&[("text", None), ("orange", Some(0.9)), ("red", Some(1.0))])
                .words(&[style::range(3.0, 1e9, "> 300 %", "red")]),
        )
        .value(
            "runs_out_in",
            &per_window(RUNS_OUT_IN),
            countdown(120).steps(&[("red", None)]),
        )
        .value("resets_in", &per_window(&left), countdown(115))
        .value(tokens.0, &tokens.1, tokens.2)
        .value(worth.0, &worth.1, worth.2)
        .value(
            "reset_at",
            &per_window(&at),
            wide(100).unit("time:ddd HH:mm"),
        )
        .value(
            "age",
            &per_window(&age),
            seconds(85, 0).steps(&[
                ("text", None),
                ("orange", Some(1800.0)),
                ("red", Some(7200.0)),
            ]),
        )
        .sorted_by("used", true, &[])
}

fn pool(kit: &Kit<'_>) -> Panel {
    let fullest = format!(
        "max by (job, instance, provider, account, window) ({})",
        whole_account()
    );
    let serving = format!("({fullest} and on (job, instance, account) (@cpa_account_up == 1))");
    kit.table("pool")
        .label("provider", at_least(165))
        .label("window", wide(75))
        .value(
            "mean_use",
            &format!("avg by (provider, window) {serving}"),
            quota_gauge(110).with("noValue", json!(kit.t.word("none_serves"))),
        )
        .value(
            "free",
            &format!(
                "count by (provider, window) ({serving} < 0.8) \
                 or 0 * count by (provider, window) ({fullest})"
            ),
            wide(60)
                .unit("none")
                .steps(&[("red", None), ("text", Some(1.0))]),
        )
        .value(
            "of",
            &format!("count by (provider, window) ({fullest})"),
            wide(45).unit("none"),
        )
        .sorted_by("mean_use", true, &[])
}

fn tight(kit: &Kit<'_>) -> Panel {
    kit.timeline("tight")
        .query(
            "{{account}} {{window}}",
            &short_names(&rows_of_highest("account, window", "@cpa_quota_used_ratio")),
        )
        .steps(style::QUOTA_OR_GONE)
        .default("color", style::by_steps())
        .decimals(0)
        .slices("5m", 240)
}

fn windows(kit: &Kit<'_>, key: &str, which: &str) -> Panel {
    let gauge = format!("@cpa_quota_used_ratio{which}");
    kit.quota_lines(key).query(
        "{{account}} {{limit}} {{window}}",
        &lines_of_highest(&per_window(&at_slices(&gauge)), LIMIT, &gauge),
    )
}

fn long_at_reset(kit: &Kit<'_>) -> Panel {
    let long = format!(
        "({}) and on {WINDOW} @cpa_quota_window_seconds > 86400",
        at_reset()
    );
    let long = lines_of_highest(&per_window(&long), LIMIT, "@cpa_quota_used_ratio");
    kit.lines("long_at_reset", "30m")
        .query("{{account}} {{limit}} {{window}}", &long)
        .custom("thresholdsStyle", json!({"mode": "dashed"}))
        .steps(&[("transparent", None), ("red", Some(1.0))])
        .bounds(0.0, 2.0)
}

fn absolute(kit: &Kit<'_>) -> Panel {
    let of = |gauge: &str| format!("max by (account, limit, window, unit) ({gauge})");
    let amount = || rounded(95);
    kit.table("absolute")
        .label("account", at_least(130))
        .label("limit", wide(130))
        .label("window", wide(90))
        .value("used", &of("@cpa_quota_used"), amount())
        .value("left", &of("@cpa_quota_remaining"), amount())
        .value("in_all", &of("@cpa_quota_limit"), amount())
        .label("unit", wide(90))
        .sorted_by("account", false, &[])
}

fn sources(kit: &Kit<'_>) -> Panel {
    kit.table("sources")
        .silent("max by (account, limit, window, source) (@cpa_quota_source_info)")
        .label("account", at_least(120))
        .label("limit", wide(170))
        .label("window", wide(80))
        .label("source", wide(90))
        .sorted_by("account", false, &[])
}
