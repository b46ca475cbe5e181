//! Accounts and clients: who serves, who is out, who uses it?

use serde_json::json;

use super::pieces::{per_window, states_over_time, used};
use crate::board::{Plan, Section, closed, open};
use crate::panel::{Kit, Panel};
use crate::query::{SLICE, at_slices, bars, grown, lines_of_highest};
use crate::style;
use crate::table::{
    Table, at_least, count, countdown, failed_share, quota_gauge, rounded, seconds, share_gauge,
    wide,
};

pub(super) const PLAN: Plan = Plan {
    name: "accounts",
    texts: include_str!("../text/accounts.toml"),
    variables: &[
        ("account", "cpa_account_info"),
        ("client", "cpa_client_requests_total"),
    ],
    // Without the provider: in traffic it is the executor, in accounts the credential.
    filters: &["account", "client"],
    from: "now-24h",
    sections,
    annotations: &[],
    may_be_empty: &[],
};

fn sections(kit: &Kit<'_>) -> Vec<Section> {
    let one = closed(
        "row_one",
        vec![
            kit.quota_lines("one_quota")
                .query(
                    "{{account}} {{limit}} {{window}}",
                    &lines_of_highest(
                        &per_window(&at_slices("@cpa_quota_used_ratio")),
                        "account, limit, window",
                        "@cpa_quota_used_ratio",
                    ),
                )
                .at(0, 0, 8, 9),
            kit.bars_by("one_requests", "model", "@cpa_requests_total")
                .at(8, 0, 8, 9),
            kit.bars("one_failures")
                .query("{{reason}}", &bars("reason", "@cpa_request_failures_total"))
                .colors(style::REASON_COLORS)
                .at(16, 0, 8, 9),
        ],
    );
    vec![
        open(vec![
            accounts(kit).at(0, 0, 24, 12),
            states_over_time(kit).at(0, 12, 14, 12),
            by_status(kit).at(14, 12, 10, 12),
            kit.bars_by("requests_by_account", "account", "@cpa_requests_total")
                .at(0, 24, 12, 9),
            kit.bars_by(
                "failures_by_account",
                "account",
                "@cpa_request_failures_total",
            )
            .at(12, 24, 12, 9),
            clients(kit).at(0, 33, 12, 10),
            kit.bars_by("requests_by_client", "client", "@cpa_client_requests_total")
                .at(12, 33, 12, 10),
        ]),
        closed("row_clients", client_details(kit)),
        closed("row_pool", pool(kit)),
        one,
    ]
}

/// CPA has no state for most API keys: -1 where such a key served within the hour, -2 where not,
/// both below the accounts that are known to be well.
fn state_to_sort() -> String {
    let none = "@cpa_account_state == 1";
    let served = "@cpa_account_last_request_timestamp_seconds > time() - 3600";
    format!(
        "max by (account) (@cpa_account_state != 1) \
         or -1 * max by (account) (({none}) and on (job, instance, account) ({served})) \
         or -2 * max by (account) ({none})"
    )
}

/// Traffic is filtered and joined by the account alone.
fn accounts(kit: &Kit<'_>) -> Panel {
    let until = "@cpa_account_cooldown_until_timestamp_seconds";
    let retry = "@cpa_account_next_retry_timestamp_seconds";
    let back = format!("max by (account) ({until} > time() or {retry} > time()) - time()");
    let last = "max by (account) (@cpa_account_last_request_timestamp_seconds * 1000)";
    let keys = style::values(&[
        ("oauth", kit.t.word("login"), ""),
        ("api_key", kit.t.word("api_key"), ""),
    ]);
    let state = wide(100)
        .unit("none")
        .with("custom.align", json!("left"))
        .with("custom.cellOptions", json!({"type": "color-text"}))
        .words(&style::states(kit.t));
    let table = kit
        .table("accounts")
        .silent("max by (provider, account, plan, auth_type) (@cpa_account_info)")
        .label("account", at_least(140))
        .value("state", &state_to_sort(), state)
        .value(
            "tightest",
            &format!("max by (account) ({})", used()),
            quota_gauge(110),
        )
        .value("back_in", &back, countdown(110))
        .label("provider", at_least(140))
        .label("plan", wide(110))
        .label("auth_type", wide(90).words(&[keys]))
        .value("last_request", last, wide(150).unit("dateTimeFromNow"));
    traffic(table, "account", "@cpa").sorted_by("state", true, &[])
}

/// The columns that accounts and clients have in common; the families differ in their prefix.
fn traffic<'a>(table: Table<'a>, by: &str, prefix: &str) -> Table<'a> {
    let of = |counter: &str| grown(by, &format!("{prefix}_{counter}_total"));
    let requests = of("requests");
    let failed = format!("{} / ({requests} > 0)", of("request_failures"));
    table
        .value("requests", &requests, count(100))
        .value("failed", &failed, failed_share(90))
        .value("tokens", &of("tokens"), rounded(90))
}

fn clients(kit: &Kit<'_>) -> Panel {
    let requests = "@cpa_client_requests_total";
    let share = format!(
        "{} / on () group_left () {}",
        grown("client", requests),
        grown("", requests)
    );
    let table = kit.table("clients").label("client", at_least(105)).value(
        "share",
        &share,
        share_gauge(120),
    );
    traffic(table, "client", "@cpa_client").sorted_by("requests", true, &[])
}

fn client_details(kit: &Kit<'_>) -> Vec<Panel> {
    vec![
        kit.bars_by("client_models", "model", "@cpa_client_requests_total")
            .at(0, 0, 8, 10),
        kit.bars("client_kinds")
            .query("{{kind}}", &bars("kind", "@cpa_client_tokens_total"))
            .colors(style::KIND_COLORS)
            .at(8, 0, 8, 10),
        kit.bars("client_failures")
            .query(
                "{{reason}}",
                &bars("reason", "@cpa_client_request_failures_total"),
            )
            .colors(style::REASON_COLORS)
            .at(16, 0, 8, 10),
        // The widest family: clients × models × kinds. Read only where somebody opens the row.
        kit.bars_by("tokens_by_client", "client", "@cpa_client_tokens_total")
            .at(0, 10, 24, 9),
    ]
}

fn by_status(kit: &Kit<'_>) -> Panel {
    let count = format!("sum by (status) ({}) > 0", at_slices("@cpa_accounts"));
    kit.lines("by_status", "10m")
        .query("{{status}}", &count)
        .decimals(0)
        .custom("stacking", json!({"mode": "normal", "group": "A"}))
        .custom("fillOpacity", json!(60))
        .custom("lineInterpolation", json!("stepAfter"))
        .colors(style::STATUS_COLORS)
}

fn pool(kit: &Kit<'_>) -> Vec<Panel> {
    let of = |part: &str| {
        format!("sum by (account) (increase(@cpa_account_request_duration_seconds_{part}{SLICE}))")
    };
    let cooling = kit
        .table("cooling")
        .label("account", at_least(110))
        .label("scope", at_least(100))
        .label("reason", wide(110))
        .value(
            "back_in",
            "max by (account, scope, reason) \
             (@cpa_account_cooldown_until_timestamp_seconds - time())",
            countdown(115),
        )
        .sorted_by("back_in", false, &[]);
    vec![
        kit.lines_by(
            "account_duration",
            "account",
            &format!("{} / ({} >= 3)", of("sum"), of("count")),
            "@cpa_account_request_duration_seconds_count",
        )
        .unit("s")
        .at(0, 0, 12, 9),
        kit.bars_by("account_errors", "account", "@cpa_account_errors_total")
            .at(12, 0, 12, 9),
        logins(kit).at(0, 9, 13, 9),
        cooling.at(13, 9, 11, 9),
    ]
}

fn logins(kit: &Kit<'_>) -> Panel {
    let refreshed = "max by (account) (@cpa_account_last_refresh_timestamp_seconds * 1000)";
    let end = "max by (account) (@cpa_account_subscription_end_timestamp_seconds)";
    let soon: &[style::Step] = &[("red", None), ("text", Some(259_200.0))];
    kit.table("logins")
        .label("account", at_least(120))
        .value("renewed", refreshed, wide(150).unit("dateTimeFromNow"))
        .value(
            "paid_left",
            &format!("{end} - time()"),
            seconds(120, 0).steps(soon),
        )
        .value(
            "ends",
            &format!("{end} * 1000"),
            wide(110).unit("time:YYYY-MM-DD"),
        )
        .value(
            "reset_credits",
            "max by (account) (@cpa_quota_reset_credits)",
            wide(110).unit("none").decimals(0),
        )
        .sorted_by("account", false, &[])
}
