//! The exporter itself and its process.

use super::Kind::{Counter, Gauge};
use super::{Family, family};

/// In the order of the page.
pub(super) static ALL: &[&Family] = &[
    &BUILD_INFO,
    &RELOAD_SUCCESSFUL,
    &RELOAD_TIME,
    &SERIES,
    &LABEL_OVERFLOWS,
    &SERIES_DROPPED,
    &RENDER_SECONDS,
    &LOG_MESSAGES,
    &PROCESS_CPU,
    &PROCESS_RSS,
    &PROCESS_VIRTUAL,
    &PROCESS_OPEN_FDS,
    &PROCESS_MAX_FDS,
    &PROCESS_THREADS,
    &PROCESS_START,
];

pub(in crate::metrics) static BUILD_INFO: Family = family(
    "cpa_exporter_build_info",
    Gauge,
    &["version", "revision", "rustc"],
    "1, with the version, revision and compiler of this build.",
);
pub(in crate::metrics) static RELOAD_SUCCESSFUL: Family = family(
    "cpa_exporter_config_last_reload_successful",
    Gauge,
    &[],
    "1 if the last load of the configuration succeeded, else 0.",
);
pub(in crate::metrics) static RELOAD_TIME: Family = family(
    "cpa_exporter_config_last_reload_success_timestamp_seconds",
    Gauge,
    &[],
    "Time of the last successful load of the configuration, in Unix time.",
);
pub(in crate::metrics) static SERIES: Family = family(
    "cpa_exporter_series",
    Gauge,
    &[],
    "Exposed time series that were created from records.",
);
pub(in crate::metrics) static LABEL_OVERFLOWS: Family = family(
    "cpa_exporter_label_overflows_total",
    Counter,
    &["label"],
    "Label values above their cap, exposed as `other` or dropped.",
);
pub(in crate::metrics) static SERIES_DROPPED: Family = family(
    "cpa_exporter_series_dropped_total",
    Counter,
    &["family"],
    "Series dropped because of a cap.",
);
pub(in crate::metrics) static RENDER_SECONDS: Family = family(
    "cpa_exporter_render_seconds",
    Gauge,
    &[],
    "Duration of the last rendering of the metrics, in seconds.",
);
pub(in crate::metrics) static LOG_MESSAGES: Family = family(
    "cpa_exporter_log_messages_total",
    Counter,
    &["level"],
    "Log messages by level, since the start of the exporter.",
);
pub(in crate::metrics) static PROCESS_CPU: Family = family(
    "process_cpu_seconds_total",
    Counter,
    &[],
    "Total user and system CPU time spent in seconds.",
);
pub(in crate::metrics) static PROCESS_RSS: Family = family(
    "process_resident_memory_bytes",
    Gauge,
    &[],
    "Resident memory size in bytes.",
);
pub(in crate::metrics) static PROCESS_VIRTUAL: Family = family(
    "process_virtual_memory_bytes",
    Gauge,
    &[],
    "Virtual memory size in bytes.",
);
pub(in crate::metrics) static PROCESS_OPEN_FDS: Family = family(
    "process_open_fds",
    Gauge,
    &[],
    "Number of open file descriptors.",
);
pub(in crate::metrics) static PROCESS_MAX_FDS: Family = family(
    "process_max_fds",
    Gauge,
    &[],
    "Maximum number of open file descriptors.",
);
pub(in crate::metrics) static PROCESS_THREADS: Family = family(
    "process_threads",
    Gauge,
    &[],
    "Number of operating-system threads.",
);
pub(in crate::metrics) static PROCESS_START: Family = family(
    "process_start_time_seconds",
    Gauge,
    &[],
    "Start time of the process since the Unix epoch in seconds.",
);
