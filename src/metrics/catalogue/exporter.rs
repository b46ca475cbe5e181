//! The exporter itself and its process.

use super::families;
use crate::metrics::family::Kind::{Counter, Gauge};

families! {
    pub(in crate::metrics) ALL;
    BUILD_INFO: Gauge, "cpa_exporter_build_info", &["version", "revision", "rustc"],
        "1, with the version, revision and compiler of this build.";
    RELOAD_SUCCESSFUL: Gauge, "cpa_exporter_config_last_reload_successful", &[],
        "1 if the last load of the configuration succeeded, else 0.";
    RELOAD_TIME: Gauge, "cpa_exporter_config_last_reload_success_timestamp_seconds", &[],
        "Time of the last successful load of the configuration, in Unix time.";
    SERIES: Gauge, "cpa_exporter_series", &[],
        "Exposed time series that were created from records.";
    LABEL_OVERFLOWS: Counter, "cpa_exporter_label_overflows_total", &["label"],
        "Label values above their cap, exposed as `other` or dropped.";
    SERIES_DROPPED: Counter, "cpa_exporter_series_dropped_total", &["family"],
        "Series dropped because of a cap.";
    RENDER_SECONDS: Gauge, "cpa_exporter_render_seconds", &[],
        "Duration of the last rendering of the metrics, in seconds.";
    LOG_MESSAGES: Counter, "cpa_exporter_log_messages_total", &["level"],
        "Log messages by level, since the start of the exporter.";
    PROCESS_CPU: Counter, "process_cpu_seconds_total", &[],
        "Total user and system CPU time spent in seconds.";
    PROCESS_RSS: Gauge, "process_resident_memory_bytes", &[],
        "Resident memory size in bytes.";
    PROCESS_VIRTUAL: Gauge, "process_virtual_memory_bytes", &[],
        "Virtual memory size in bytes.";
    PROCESS_OPEN_FDS: Gauge, "process_open_fds", &[],
        "Number of open file descriptors.";
    PROCESS_MAX_FDS: Gauge, "process_max_fds", &[],
        "Maximum number of open file descriptors.";
    PROCESS_THREADS: Gauge, "process_threads", &[],
        "Number of operating-system threads.";
    PROCESS_START: Gauge, "process_start_time_seconds", &[],
        "Start time of the process since the Unix epoch in seconds.";
}
