//! The closed rows of “Exporter and pipeline”.

use serde_json::json;

use crate::board::{Section, closed};
use crate::panel::{Kit, Panel};
use crate::query::{at_slices, bars, grown, of_exporters};
use crate::style;
use crate::table::{at_least, count, wide};

pub(super) fn sections(kit: &Kit<'_>) -> Vec<Section> {
    vec![
        closed("row_cpa", cpa(kit)),
        closed("row_store", store(kit)),
        closed("row_process", process(kit)),
    ]
}

fn cpa(kit: &Kit<'_>) -> Vec<Panel> {
    let quality = grown("provider, quality", "@cpa_token_quality_total");
    let refused = "max by (reason) (@cpa_access_refused) == 1";
    vec![
        kit.timeline("modes")
            .query(
                "{{mode}}",
                &format!("max by (mode) ({})", at_slices("@cpa_ingest_mode")),
            )
            .mappings(&[
                style::values(&[
                    ("0", kit.t.word("idle"), "transparent"),
                    ("1", kit.t.word("in_use"), "green"),
                ]),
                style::nothing(kit.t.word("no_data"), "transparent"),
            ])
            .at(0, 0, 12, 7),
        kit.bars("batches")
            .query("{{mode}}", &bars("mode", "@cpa_ingest_batches_total"))
            .at(12, 0, 12, 7),
        kit.table("refused")
            .silent(refused)
            .label("reason", at_least(120))
            .sorted_by("reason", false, &[])
            .at(0, 7, 6, 7),
        kit.lines("clock_skew", "1h")
            .query(
                "{{instance}}",
                &format!(
                    "max by (instance) ({})",
                    at_slices("@cpa_clock_skew_seconds")
                ),
            )
            .floating()
            .at(6, 7, 6, 7),
        kit.table("quality")
            .label("provider", at_least(90))
            .label("quality", wide(120))
            .value("records", &format!("{quality} > 0"), count(100))
            .sorted_by("records", true, &[])
            .at(12, 7, 12, 7),
        kit.bars("messages")
            .query(
                "{{message}}",
                &bars("message", "@cpa_ingest_control_messages_total"),
            )
            .query(
                kit.t.word("prewarm"),
                &bars("", "@cpa_ingest_prewarm_total"),
            )
            .at(0, 14, 12, 7),
        kit.bars("bytes")
            .query("{{instance}}", &bars("instance", "@cpa_ingest_bytes_total"))
            .unit("bytes")
            .decimals(1)
            .at(12, 14, 12, 7),
    ]
}

fn store(kit: &Kit<'_>) -> Vec<Panel> {
    let oldest = "min(@cpa_store_oldest_event_timestamp_seconds) * 1000";
    vec![
        kit.stat("stored")
            .query(kit.t.word("events"), "sum(@cpa_store_events)")
            .query(kit.t.word("kept_rejects"), "sum(@cpa_store_rejects)")
            .query(kit.t.word("oldest"), oldest)
            .unit("short")
            .color("text")
            .of(kit.t.word("oldest"), &[("unit", json!("dateTimeFromNow"))])
            .at(0, 0, 8, 7),
        kit.lines("free_disk", "1h")
            .query(
                kit.t.word("free"),
                &format!("min({})", at_slices("@cpa_store_free_bytes")),
            )
            .at(8, 0, 8, 7),
        kit.bars("overflows")
            .query(
                "{{label}}",
                &bars("label", "@cpa_exporter_label_overflows_total"),
            )
            .query(
                "{{family}}",
                &bars("family", "@cpa_exporter_series_dropped_total"),
            )
            .at(16, 0, 8, 7),
    ]
}

fn process(kit: &Kit<'_>) -> Vec<Panel> {
    let by_instance = |gauge: &str| format!("max by (instance) ({})", of_exporters(gauge));
    let since = |gauge: &str| {
        format!(
            "max by (instance) ({})",
            of_exporters(&format!("{gauge} * 1000"))
        )
    };
    vec![
        kit.lines("memory", "10m")
            .query(
                "{{instance}}",
                &by_instance(&at_slices("@process_resident_memory_bytes")),
            )
            .query(
                kit.t.word("virtual"),
                &by_instance(&at_slices("@process_virtual_memory_bytes")),
            )
            .at(0, 0, 7, 8),
        kit.lines("cpu", "10m")
            .query(
                "{{instance}}",
                &format!(
                    "sum by (instance) ({})",
                    of_exporters("rate(@process_cpu_seconds_total[$__rate_interval])")
                ),
            )
            .unit("percentunit")
            .at(7, 0, 7, 8),
        kit.table("processes")
            .label("instance", at_least(110))
            .value(
                "started",
                &since("@process_start_time_seconds"),
                wide(112).unit("dateTimeFromNow"),
            )
            .value(
                "reloaded",
                &since("@cpa_exporter_config_last_reload_success_timestamp_seconds"),
                wide(112).unit("dateTimeFromNow"),
            )
            .value("threads", &by_instance("@process_threads"), count(70))
            .value("files", &by_instance("@process_open_fds"), count(70))
            .value("files_max", &by_instance("@process_max_fds"), count(85))
            .sorted_by("instance", false, &[])
            .at(14, 0, 10, 8),
    ]
}
