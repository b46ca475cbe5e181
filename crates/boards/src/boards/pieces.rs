//! Expressions and panels that several boards show.

use serde_json::json;

use crate::panel::{Kit, Panel};
use crate::query::{
    SLICE, bars, bridged, of_exporters, quantile, quantile_of_slices, rows_of_highest, short_names,
};
use crate::style;
use crate::table::{Look, dollars, rounded};

/// A window is one account, limit and length; these labels join its families.
pub(crate) const WINDOW: &str = "(job, instance, account, limit, window)";

pub(crate) fn used() -> String {
    bridged("@cpa_quota_used_ratio")
}

/// Seconds until the reset.
pub(crate) fn resets_in() -> String {
    format!("{} - time()", bridged("@cpa_quota_reset_timestamp_seconds"))
}

/// Seconds until the forecast exhaustion; of an old reading it can lie in the past.
pub(crate) const RUNS_OUT_IN: &str =
    "clamp_min(@cpa_quota_exhaustion_timestamp_seconds - time(), 0)";

/// Elapsed part of the window, 0 to 1.
pub(crate) fn time_gone() -> String {
    format!(
        "clamp(1 - ({}) / {}, 0, 1)",
        resets_in(),
        bridged("@cpa_quota_window_seconds")
    )
}

/// Use at the end of the window if the average pace holds; nothing in its first tenth, like the
/// exporter's own forecast: the figure would jump.
pub(crate) fn at_reset() -> String {
    format!("{} / ({} > 0.1)", used(), time_gone())
}

/// Tokens and dollars of the account since the start of the window.
pub(crate) fn spent_inside() -> [(&'static str, String, Look); 2] {
    [
        (
            "tokens_inside",
            per_window(&bridged("@cpa_quota_window_tokens")),
            rounded(85),
        ),
        (
            "worth",
            per_window(&bridged("@cpa_quota_window_list_value_usd")),
            dollars(85),
        ),
    ]
}

pub(crate) fn per_window(expr: &str) -> String {
    format!("max by (account, limit, window) ({expr})")
}

/// Each quota that blocks the account as a whole; where a provider has none of that kind, all it
/// has. A code-review limit must not make an account look full.
pub(crate) fn whole_account() -> String {
    let used = used();
    let scope = "@cpa_quota_limit_info{scope=\"account\"}";
    format!(
        "({used} and on (job, instance, account, limit) {scope} \
         or {used} unless on (job, instance, account) {scope})"
    )
}

/// The account whose window will be empty first. While the exporter is away the fallback is
/// away too: an empty answer must not say that all is well.
pub(crate) fn next_cut_off(kit: &Kit<'_>) -> Panel {
    let query = "bottomk(1, (@cpa_quota_exhaustion_timestamp_seconds - time()) > 0) or on () \
                 (label_replace(vector(-1), \"account\", \"–\", \"\", \"\") \
                 and on () @cpa_quota_used_ratio)";
    kit.stat("next_cut_off")
        .unit("s")
        .decimals(1)
        .query("{{account}} {{limit}} {{window}}", &short_names(query))
        .steps(&[
            ("red", None),
            ("orange", Some(3600.0)),
            ("yellow", Some(21_600.0)),
        ])
        .mappings(&[style::values(&[("-1", kit.t.word("none"), "green")])])
        .link(kit.t.word("to_quota"), &kit.to_board("quota", ""))
}

/// 1 while an exporter answers a scrape, 0 while it does not.
pub(crate) fn scraped() -> String {
    format!("({})", of_exporters("@up"))
}

/// One figure, a decimal digit per finding: 1000 exporter, 100 CPA, 10 starved, 1 incomplete.
pub(crate) fn trust(kit: &Kit<'_>) -> Panel {
    // The exporter's own figures are gone while it is down: they must not blank the finding.
    let query = format!(
        "1000 * clamp_max(sum(1 - {}), 1) + (100 * clamp_max(sum(1 - @cpa_up), 1) \
         + 10 * clamp_max(sum(@cpa_ingest_starved), 1) or vector(1000)) \
         + (1 - min(min_over_time(@cpa_ingest_complete[$__range])) or 0 * sum(@cpa_up))",
        scraped()
    );
    kit.stat("trust")
        .unit("none")
        .query("__auto", &query)
        .option("textMode", json!("value"))
        .steps(&[("red", None)])
        .mappings(&[
            style::values(&[
                ("0", kit.t.word("complete"), "green"),
                ("1", kit.t.word("incomplete"), "orange"),
            ]),
            style::range(2.0, 99.0, kit.t.word("starved"), "red"),
            style::range(100.0, 999.0, kit.t.word("cpa_away"), "red"),
            style::range(1000.0, 9999.0, kit.t.word("exporter_down"), "red"),
        ])
        .link(kit.t.word("to_pipeline"), &kit.to_board("pipeline", ""))
}

/// Median and 95th percentile of a histogram over the range, in one tile.
pub(crate) fn two_quantiles(kit: &Kit<'_>, key: &str, histogram: &str) -> Panel {
    kit.stat(key)
        .query(kit.t.word("median"), &quantile("0.5", "", histogram))
        .query("p95", &quantile("0.95", "", histogram))
        .decimals(1)
        .color("blue")
}

pub(crate) fn states_over_time(kit: &Kit<'_>) -> Panel {
    kit.timeline("states_over_time")
        .query(
            "{{account}}",
            &short_names(&rows_of_highest("account", "@cpa_account_state")),
        )
        .mappings(&style::states(kit.t))
        .link(kit.t.word("to_accounts"), &kit.to_board("accounts", ""))
}

pub(crate) fn requests_by_model(kit: &Kit<'_>) -> Panel {
    kit.bars_by("requests_by_model", "model", "@cpa_requests_total")
}

/// Money per bar, of any number of names.
pub(crate) fn money_by(kit: &Kit<'_>, key: &str, label: &str, counter: &str) -> Panel {
    kit.bars_by(key, label, counter).decimals(2)
}

/// Part of all prompt tokens that came from the cache, by model.
pub(crate) fn cached_share(kit: &Kit<'_>) -> Panel {
    let of = |kinds: &str| {
        format!("sum by (model) (increase(@cpa_tokens_total{{kind=~\"{kinds}\"}}{SLICE}))")
    };
    let share = format!(
        "{} / {}",
        of("cache_read"),
        of("input|cache_read|cache_write")
    );
    kit.lines_by("cached_share", "model", &share, "@cpa_tokens_total")
        .unit("percentunit")
        .bounds(0.0, 1.0)
}

/// A quantile of a histogram over time, by model.
pub(crate) fn quantile_by_model(kit: &Kit<'_>, key: &str, q: &str, histogram: &str) -> Panel {
    let expr = quantile_of_slices(q, "model", histogram);
    kit.lines_by(key, "model", &expr, &format!("{histogram}_count"))
        .unit("s")
}

pub(crate) fn tokens_by_kind(kit: &Kit<'_>) -> Panel {
    kit.bars("tokens_by_kind")
        .query("{{kind}}", &bars("kind", "@cpa_tokens_total"))
        .colors(style::KIND_COLORS)
}

pub(crate) fn failures_by_reason(kit: &Kit<'_>) -> Panel {
    kit.bars("failures_by_reason")
        .query("{{reason}}", &bars("reason", "@cpa_request_failures_total"))
        .colors(style::REASON_COLORS)
}
