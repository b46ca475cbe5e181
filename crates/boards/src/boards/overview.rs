//! Overview: is all well, who runs dry next, can I believe it?

use serde_json::json;

use super::money::{budget_used, per_budget};
use super::pieces::{
    RUNS_OUT_IN, WINDOW, cached_share, failures_by_reason, money_by, next_cut_off, per_window,
    quantile_by_model, requests_by_model, resets_in, spent_inside, states_over_time,
    tokens_by_kind, trust, two_quantiles, used,
};
use crate::board::{Plan, RESTARTS, Section, closed, open};
use crate::panel::{Kit, Panel};
use crate::query::{grown, or_none, quantile_of_slices, short_names};
use crate::style;
use crate::table::{at_least, count, countdown, quota_gauge, wide};

pub(super) const PLAN: Plan = Plan {
    name: "overview",
    texts: include_str!("../text/overview.toml"),
    variables: &[
        ("provider", "cpa_account_info"),
        ("account", "cpa_account_info"),
    ],
    filters: &["provider", "account"],
    from: "now-24h",
    sections,
    annotations: &[RESTARTS],
    may_be_empty: &[],
};

fn sections(kit: &Kit<'_>) -> Vec<Section> {
    vec![
        open(vec![
            next_cut_off(kit).at(0, 0, 6, 4),
            fullest(kit).at(6, 0, 6, 4),
            serving(kit).at(12, 0, 6, 4),
            trust(kit).at(18, 0, 6, 4),
            requests(kit).at(0, 4, 6, 4),
            tokens(kit).at(6, 4, 6, 4),
            two_quantiles(
                kit,
                "first_token",
                "@cpa_request_time_to_first_token_seconds",
            )
            .at(12, 4, 6, 4),
            money(kit).at(18, 4, 6, 4),
            quotas(kit).at(0, 8, 14, 18),
            alerts(kit).at(14, 8, 10, 6),
            states_over_time(kit).at(14, 14, 10, 12),
            requests_by_model(kit).at(0, 26, 12, 9),
            tokens_by_kind(kit).at(12, 26, 12, 9),
            failures_by_reason(kit).at(0, 35, 12, 9),
            money_by(kit, "worth_by_model", "model", "@cpa_list_value_usd_total").at(12, 35, 12, 9),
        ]),
        closed(
            "row_tokens",
            vec![
                kit.bars_by("tokens_by_model", "model", "@cpa_tokens_total")
                    .at(0, 0, 12, 9),
                cached_share(kit).at(12, 0, 12, 9),
            ],
        ),
        closed(
            "row_speed",
            vec![
                quantile_by_model(
                    kit,
                    "duration_by_model",
                    "0.95",
                    "@cpa_request_duration_seconds",
                )
                .at(0, 0, 12, 9),
                speed(kit).at(12, 0, 12, 9),
            ],
        ),
        closed(
            "row_who",
            vec![
                kit.bars_by("requests_by_account", "account", "@cpa_requests_total")
                    .at(0, 0, 12, 9),
                kit.bars_by("requests_by_client", "client", "@cpa_client_requests_total")
                    .at(12, 0, 12, 9),
            ],
        ),
    ]
}

fn fullest(kit: &Kit<'_>) -> Panel {
    let used = used();
    let reset = format!("max({} and on {WINDOW} topk(1, {used}))", resets_in());
    let fullest = format!("topk(1, {})", per_window(&used));
    kit.stat("fullest")
        .query(
            "{{account}} {{window}}",
            &short_names(&or_none(&fullest, "account")),
        )
        .query(kit.t.word("back_in"), &reset)
        .decimals(0)
        .steps(style::QUOTA)
        .aside(kit.t.word("back_in"), "s", 1, "text")
        .link(kit.t.word("to_quota"), &kit.to_board("quota", ""))
}

/// Grafana cannot write “5 of 8” from two figures: the name carries both, the value (how many
/// part is missing) only colours it. Accounts that somebody disabled are not missed.
fn serving(kit: &Kit<'_>) -> Panel {
    let wanted = "(@cpa_account_up unless on (job, instance, account) @cpa_account_state == 3)";
    let (up, of) = (format!("sum({wanted})"), format!("count({wanted})"));
    let query = format!(
        "(1 - {up} / {of}) * on () group_left (up, of) \
         (count_values(\"up\", {up}) * on () group_left (of) count_values(\"of\", {of})) \
         or on () label_replace(label_replace(vector(99), \"up\", \"?\", \"\", \"\"), \
         \"of\", \"?\", \"\", \"\")"
    );
    kit.stat("serving")
        .unit("none")
        .query(kit.t.word("up_of"), &query)
        .option("textMode", json!("name"))
        .steps(&[("green", None), ("orange", Some(0.1)), ("red", Some(0.34))])
        .link(kit.t.word("to_accounts"), &kit.to_board("accounts", ""))
}

fn requests(kit: &Kit<'_>) -> Panel {
    let requests = grown("", "@cpa_requests_total");
    let failed = format!("{} / {requests}", grown("", "@cpa_request_failures_total"));
    kit.stat("requests")
        .query(kit.t.word("requests"), &requests)
        .query(kit.t.word("failed"), &failed)
        .query(kit.t.word("rpm"), &per_minute("@cpa_requests_total"))
        .decimals(0)
        .color("blue")
        .of(
            kit.t.word("failed"),
            &[
                ("unit", json!("percentunit")),
                ("decimals", json!(1)),
                ("color", style::by_steps()),
                ("thresholds", style::steps(style::FAILED)),
            ],
        )
        .aside(kit.t.word("rpm"), "short", 1, "text")
        .link(kit.t.word("to_traffic"), &kit.to_board("traffic", ""))
}

fn per_minute(counter: &str) -> String {
    format!("60 * sum(rate({counter}[$__rate_interval]))")
}

fn tokens(kit: &Kit<'_>) -> Panel {
    let cached = format!(
        "{} / {}",
        grown("", "@cpa_tokens_total{kind=\"cache_read\"}"),
        grown(
            "",
            "@cpa_tokens_total{kind=~\"input|cache_read|cache_write\"}"
        )
    );
    kit.stat("tokens")
        .query(kit.t.word("tokens"), &grown("", "@cpa_tokens_total"))
        .query(kit.t.word("cached"), &cached)
        .query(kit.t.word("tpm"), &per_minute("@cpa_tokens_total"))
        .decimals(1)
        .color("purple")
        .of(
            kit.t.word("cached"),
            &[
                ("unit", json!("percentunit")),
                ("decimals", json!(0)),
                ("color", style::by_steps()),
                (
                    "thresholds",
                    style::steps(&[("orange", None), ("green", Some(0.4))]),
                ),
            ],
        )
        .aside(kit.t.word("tpm"), "short", 1, "text")
        .link(kit.t.word("to_traffic"), &kit.to_board("traffic", ""))
}

/// What the range was worth at list price and what is paid per use today, beside the budget that
/// is nearest to its end.
fn money(kit: &Kit<'_>) -> Panel {
    let fullest = format!("topk(1, {})", per_budget(&budget_used()));
    kit.stat("money")
        .query(
            kit.t.word("worth_in_range"),
            &or_none(&grown("", "@cpa_list_value_usd_total"), "account"),
        )
        .query(kit.t.word("paid_today"), "sum(@cpa_today_cost_usd)")
        .query(kit.t.word("budget_of"), &fullest)
        .decimals(2)
        .color("blue")
        .of(kit.t.word("paid_today"), &[("color", style::fixed("text"))])
        .of_query(
            "C",
            &[
                ("unit", json!("percentunit")),
                ("decimals", json!(0)),
                ("color", style::by_steps()),
                ("thresholds", style::steps(style::BUDGET)),
            ],
        )
        .link(kit.t.word("to_cost"), &kit.to_board("cost", ""))
}

fn quotas(kit: &Kit<'_>) -> Panel {
    let left = format!("clamp_min({}, 0)", resets_in());
    let [tokens, worth] = spent_inside();
    kit.table("quotas")
        .label("account", at_least(150))
        .label("window", wide(75))
        .value("used", &per_window(&used()), quota_gauge(125))
        .label("limit", wide(135))
        .value(
            "runs_out_in",
            &per_window(RUNS_OUT_IN),
            countdown(115).steps(&[("red", None)]),
        )
        .value("resets_in", &per_window(&left), countdown(115))
        .value(tokens.0, &tokens.1, tokens.2)
        .value(worth.0, &worth.1, worth.2)
        .sorted_by("used", true, &[])
}

/// The alerts of the shipped rules with what they are about in one label.
fn firing(series: &str, more: &str) -> String {
    // The provider last: the account says more, and a narrow column cuts the end.
    let about = "budget\", \"model\", \"client\", \"account\", \"limit\", \"window\", \"provider";
    format!(
        "label_replace(label_replace(label_join({series}{{alertname=~\"CPA.*\",\
         account=~\"$account|\"{more}}}, \"what\", \" \", \"{about}\"), \
         \"what\", \"$1\", \"what\", \" *(.*?) *\"), \"alert\", \"$1\", \"alertname\", \"CPA(.*)\")"
    )
}

/// More of one alert than this become one row with their number.
const ROWS_PER_ALERT: u8 = 5;

/// The severity is the value, so that it sorts: what blinds the exporter first.
fn alerts(kit: &Kit<'_>) -> Panel {
    let now = firing("@ALERTS", ",alertstate=\"firing\"");
    let few = format!("on (alert) (count by (alert) ({now}) <= {ROWS_PER_ALERT})");
    let rows = |operation: &str, expr: &str| {
        format!(
            "{operation} by (alert, what) ({expr} and {few}) \
             or {operation} by (alert) ({expr} unless {few})"
        )
    };
    let of = |weight: u8, which: &str| {
        let some = firing("@ALERTS", &format!(",alertstate=\"firing\",{which}"));
        format!("{weight} * ({some})")
    };
    let blind = "CPA(ExporterDown|ExporterAbsent|Down|AccessRefused)";
    let severity = [
        of(4, &format!("alertname=~\"{blind}\"")),
        of(3, "severity=\"critical\""),
        of(2, "severity=\"warning\""),
        of(1, "severity=\"info\""),
    ]
    .join(" or ");
    let since = format!(
        "{} and on (alert, what) {now}",
        firing("@ALERTS_FOR_STATE", "")
    );
    let severities = style::values(&[
        ("4", kit.t.word("critical"), "red"),
        ("3", kit.t.word("critical"), "red"),
        ("2", kit.t.word("warning"), "orange"),
        ("1", kit.t.word("info"), "blue"),
    ]);
    let rule = json!([{
        "title": kit.t.word("to_rule"),
        "url": "/alerting/list?search=CPA${__value.raw}",
    }]);
    kit.table("alerts")
        .label("alert", at_least(125).with("links", rule))
        .label("what", at_least(150))
        .value(
            "severity",
            &rows("max", &format!("({severity})")),
            wide(95)
                .with("custom.cellOptions", json!({"type": "color-text"}))
                .with("custom.align", json!("left"))
                .words(&[severities]),
        )
        .value(
            "since",
            &rows("min", &format!("(1000 * ({since}))")),
            wide(115).unit("dateTimeFromNow"),
        )
        .value("alerts_of_it", &rows("count", &now), count(60))
        .sorted_by("severity", true, &[])
}

fn speed(kit: &Kit<'_>) -> Panel {
    let per_token = "@cpa_request_time_per_output_token_seconds";
    let seconds = quantile_of_slices("0.5", "model", per_token);
    kit.lines_by(
        "speed_by_model",
        "model",
        &format!("1 / ({seconds})"),
        &format!("{per_token}_count"),
    )
    .unit("none")
    .decimals(0)
}
