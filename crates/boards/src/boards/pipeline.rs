//! Exporter and pipeline: can I trust these numbers?

use serde_json::json;

use super::pieces::trust;
use super::pipeline_details;
use crate::board::{Plan, RESTARTS, Section, open};
use crate::panel::{Kit, Panel};
use crate::query::{
    SLICE, all_bars, at_slices, bars, grown, of_exporters, quantile, quantile_over, while_up,
};
use crate::style;
use crate::table::{at_least, count, seconds};

pub(super) const PLAN: Plan = Plan {
    name: "pipeline",
    texts: include_str!("../text/pipeline.toml"),
    variables: &[],
    filters: &[],
    from: "now-24h",
    sections,
    annotations: &[RESTARTS],
    may_be_empty: &[(
        "refused",
        "shows reasons only while CPA refuses the exporter",
    )],
};

const LAG: &str = "@cpa_ingest_lag_seconds";
const COMMIT: &str = "@cpa_store_commit_seconds";
const SPOOL: &str = "@cpa_spool_pending_bytes / @cpa_spool_limit_bytes";

fn sections(kit: &Kit<'_>) -> Vec<Section> {
    let mut all = vec![open(vec![
        trust(kit).at(0, 0, 6, 4),
        last_record(kit).at(6, 0, 6, 4),
        missed(kit).at(12, 0, 6, 4),
        delay(kit).at(18, 0, 6, 4),
        kit.stat("records")
            .query(
                kit.t.word("records"),
                &grown("", "@cpa_ingest_records_total"),
            )
            .option("textMode", json!("value"))
            .decimals(0)
            .color("blue")
            .at(0, 4, 6, 4),
        rejected(kit).at(6, 4, 6, 4),
        room(kit).at(12, 4, 6, 4),
        versions(kit).at(18, 4, 6, 4),
        everything_up(kit).at(0, 8, 24, 8),
        kit.bars("received")
            .query(
                "{{instance}}",
                &all_bars("instance", "@cpa_ingest_records_total"),
            )
            .slices("5m", 96)
            .at(0, 16, 12, 8),
        kit.heatmap("delay_spread", "Blues")
            .query(
                "{{le}}",
                &format!("sum by (le) (increase({LAG}_bucket{SLICE}))"),
            )
            .at(12, 16, 12, 8),
        troubles(kit).at(0, 24, 8, 8),
        log_lines(kit).at(8, 24, 8, 8),
        polls(kit).at(16, 24, 8, 8),
        kit.lines("store_size", "1h")
            .query(
                "{{file}}",
                &format!("sum by (file) ({})", at_slices("@cpa_store_size_bytes")),
            )
            .at(0, 32, 8, 9),
        commits(kit).at(8, 32, 8, 9),
        series(kit).at(16, 32, 8, 9),
    ])];
    all.extend(pipeline_details::sections(kit));
    all
}

fn last_record(kit: &Kit<'_>) -> Panel {
    let query = "time() - max(@cpa_ingest_last_event_timestamp_seconds)";
    kit.stat("last_record")
        .unit("s")
        .query(kit.t.word("ago"), query)
        .decimals(0)
        .color("text")
}

fn missed(kit: &Kit<'_>) -> Panel {
    kit.stat("missed")
        .query(
            kit.t.word("missed"),
            &while_up(&grown("", "@cpa_ingest_gap_seconds_total")),
        )
        .unit("s")
        .decimals(0)
        .option("textMode", json!("value"))
        .steps(&[("green", None), ("orange", Some(1.0)), ("red", Some(600.0))])
}

fn delay(kit: &Kit<'_>) -> Panel {
    kit.stat("delay")
        .query(kit.t.word("median"), &while_up(&quantile("0.5", "", LAG)))
        .query("p99", &while_up(&quantile("0.99", "", LAG)))
        .steps(&[("green", None), ("orange", Some(5.0)), ("red", Some(30.0))])
}

fn rejected(kit: &Kit<'_>) -> Panel {
    kit.stat("rejected")
        .query(
            kit.t.word("rejected"),
            &while_up(&grown("", "@cpa_ingest_rejects_total")),
        )
        .query(
            kit.t.word("duplicates"),
            &while_up(&grown("", "@cpa_ingest_duplicates_total")),
        )
        .decimals(0)
        .steps(&[("green", None), ("orange", Some(1.0))])
        .of(kit.t.word("duplicates"), &[("color", style::fixed("text"))])
}

fn room(kit: &Kit<'_>) -> Panel {
    kit.stat("room")
        .unit("percentunit")
        .query(kit.t.word("spool"), &format!("max({SPOOL})"))
        .query(
            kit.t.word("database"),
            "sum(@cpa_store_size_bytes{file=\"database\"})",
        )
        .decimals(0)
        .steps(&[("green", None), ("orange", Some(0.3)), ("red", Some(0.8))])
        .aside(kit.t.word("database"), "bytes", 1, "text")
}

/// The names carry the text; three of them side by side would be too small to read.
fn versions(kit: &Kit<'_>) -> Panel {
    let cpa = "max by (version, api) (@cpa_info) or on () label_replace(label_replace(\
               vector(0), \"version\", \"?\", \"\", \"\"), \"api\", \"?\", \"\", \"\")";
    kit.stat("versions")
        .query("CPA {{version}} ({{api}})", cpa)
        .query(
            kit.t.word("exporter_version"),
            "max by (version) (@cpa_exporter_build_info)",
        )
        .query(
            kit.t.word("takes_by"),
            "max by (mode) (@cpa_ingest_mode == 1)",
        )
        .option("textMode", json!("name"))
        .option("orientation", json!("horizontal"))
        .option("text", json!({"titleSize": 18}))
        .color("text")
}

/// The worst of each slice: a short outage must show in a range of days.
fn lowest(gauge: &str) -> String {
    format!("min_over_time({gauge}{SLICE})")
}

fn highest(gauge: &str) -> String {
    format!("max_over_time({gauge}{SLICE})")
}

fn everything_up(kit: &Kit<'_>) -> Panel {
    let states = [
        style::values(&[
            ("0", kit.t.word("bad"), "red"),
            ("1", kit.t.word("good"), "green"),
        ]),
        style::nothing(kit.t.word("no_data"), "transparent"),
    ];
    kit.timeline("everything_up")
        .query(
            kit.t.word("scraped"),
            &format!("min({})", of_exporters(&lowest("@up"))),
        )
        .query(
            kit.t.word("cpa_answers"),
            &format!("min({})", lowest("@cpa_up")),
        )
        .query(
            kit.t.word("records_arrive"),
            &format!("1 - max({})", highest("@cpa_ingest_starved")),
        )
        .query(
            kit.t.word("nothing_missing"),
            &format!("min({})", lowest("@cpa_ingest_complete")),
        )
        .query(
            kit.t.word("access"),
            &format!("1 - max({})", highest("@cpa_access_refused")),
        )
        .query(
            kit.t.word("statistics"),
            &format!("min({})", lowest("@cpa_usage_statistics_enabled")),
        )
        .query(
            kit.t.word("config_valid"),
            &format!(
                "min({})",
                lowest("@cpa_exporter_config_last_reload_successful")
            ),
        )
        .query(
            kit.t.word("spool_room"),
            &format!(
                "min(1 - ({} / {} > bool 0.5))",
                highest("@cpa_spool_pending_bytes"),
                highest("@cpa_spool_limit_bytes")
            ),
        )
        .mappings(&states)
        .field("maxDataPoints", json!(600))
}

fn troubles(kit: &Kit<'_>) -> Panel {
    [
        ("rejected", "", "@cpa_ingest_rejects_total"),
        ("duplicates", "", "@cpa_ingest_duplicates_total"),
        ("losses", "reason", "@cpa_ingest_losses_total"),
        ("reconnects", "reason", "@cpa_ingest_reconnects_total"),
        ("cuts", "", "@cpa_ingest_subscriber_cuts_total"),
        ("full_polls", "", "@cpa_ingest_full_polls_total"),
        (
            "commit_failed",
            "reason",
            "@cpa_store_commit_failures_total",
        ),
    ]
    .into_iter()
    .fold(kit.bars("troubles"), |panel, (word, by, counter)| {
        panel.query(kit.t.word(word), &bars(by, counter))
    })
}

fn log_lines(kit: &Kit<'_>) -> Panel {
    let loud = bars(
        "level",
        "@cpa_exporter_log_messages_total{level=~\"warn|error\"}",
    );
    kit.bars("log_lines")
        .query("{{level}}", &loud)
        .colors(&[("error", "red"), ("warn", "orange")])
}

fn polls(kit: &Kit<'_>) -> Panel {
    let oldest = "max by (provider) (time() - @cpa_quota_last_success_timestamp_seconds)";
    kit.table("polls")
        .label("provider", at_least(90))
        .value(
            "done",
            &grown("provider", "@cpa_quota_polls_total"),
            count(75),
        )
        .value(
            "failed",
            &grown("provider", "@cpa_quota_poll_failures_total"),
            count(80).steps(&[("text", None), ("orange", Some(1.0))]),
        )
        .value(
            "p95",
            &quantile("0.95", "provider", "@cpa_quota_poll_seconds"),
            seconds(75, 1),
        )
        .value(
            "oldest",
            oldest,
            seconds(85, 0).steps(&[("text", None), ("red", Some(1800.0))]),
        )
        .sorted_by("provider", false, &[])
}

fn commits(kit: &Kit<'_>) -> Panel {
    kit.lines("commits", "1h")
        .query("p99", &quantile_over("0.99", "", COMMIT, SLICE))
        .query(
            kit.t.word("median"),
            &quantile_over("0.5", "", COMMIT, SLICE),
        )
        .slices("5m", 96)
}

fn series(kit: &Kit<'_>) -> Panel {
    let right = [
        ("unit", json!("s")),
        ("custom.axisPlacement", json!("right")),
    ];
    kit.lines("series", "10m")
        .query(
            kit.t.word("series"),
            &format!("sum({})", at_slices("@cpa_exporter_series")),
        )
        .query(
            kit.t.word("scrape"),
            &format!(
                "max({})",
                of_exporters(&at_slices("@scrape_duration_seconds"))
            ),
        )
        .query(
            kit.t.word("render"),
            &format!("max({})", at_slices("@cpa_exporter_render_seconds")),
        )
        .field("maxDataPoints", json!(120))
        .of(kit.t.word("scrape"), &right)
        .of(kit.t.word("render"), &right)
}
