use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::super::catalogue::exporter as catalogue;
use super::super::encode::{Encoder, push_label};
use super::super::snapshot::Snapshot;
use super::{Known, as_f64, gauge, label};
use crate::model::UnixNanos;

/// What this program was built from.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    pub version: &'static str,
    pub revision: &'static str,
    pub rustc: &'static str,
}

/// Reads the log messages so far, by level.
pub type LogCounts = Arc<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// Facts about the exporter itself.
#[derive(Clone)]
pub struct ExporterMetrics(Arc<Inner>);

struct Inner {
    build: BuildInfo,
    log_counts: LogCounts,
    reload_successful: Known,
    reload_time: Known,
    render: Known,
}

impl ExporterMetrics {
    pub(super) fn new(build: BuildInfo, log_counts: LogCounts) -> Self {
        Self(Arc::new(Inner {
            build,
            log_counts,
            reload_successful: Known::default(),
            reload_time: Known::default(),
            render: Known::default(),
        }))
    }

    /// The configuration has been read, at start or again; `Err` when it was refused.
    pub fn configuration_read(&self, outcome: Result<UnixNanos, ()>) {
        match outcome {
            Ok(at) => {
                self.0.reload_successful.set(1.0);
                self.0.reload_time.set(at.as_seconds());
            }
            Err(()) => self.0.reload_successful.set(0.0),
        }
    }

    pub(in crate::metrics) fn set_render_time(&self, took: Duration) {
        self.0.render.set(took.as_secs_f64());
    }

    /// `limits` is how many limits of accounts a cap keeps off the page.
    pub(super) fn encode(&self, page: &mut Encoder<'_>, snapshot: &Snapshot, limits: u64) {
        let inner = &*self.0;
        let mut labels = label("version", inner.build.version);
        push_label(&mut labels, "revision", inner.build.revision);
        push_label(&mut labels, "rustc", inner.build.rustc);
        page.head(&catalogue::BUILD_INFO);
        page.sample(&catalogue::BUILD_INFO, &labels, 1.0);
        gauge(
            page,
            &catalogue::RELOAD_SUCCESSFUL,
            inner.reload_successful.get(),
        );
        gauge(page, &catalogue::RELOAD_TIME, inner.reload_time.get());
        gauge(page, &catalogue::SERIES, Some(as_f64(snapshot.series)));
        if !snapshot.overflows.is_empty() {
            page.head(&catalogue::LABEL_OVERFLOWS);
        }
        for (name, count) in &snapshot.overflows {
            page.sample(
                &catalogue::LABEL_OVERFLOWS,
                &label("label", name),
                as_f64(*count),
            );
        }
        if limits > 0 {
            let labels = label("label", "limit");
            page.sample(&catalogue::LABEL_OVERFLOWS, &labels, as_f64(limits));
        }
        if !snapshot.dropped.is_empty() {
            page.head(&catalogue::SERIES_DROPPED);
        }
        for (name, count) in &snapshot.dropped {
            page.sample(
                &catalogue::SERIES_DROPPED,
                &label("family", name),
                as_f64(*count),
            );
        }
        gauge(page, &catalogue::RENDER_SECONDS, inner.render.get());
        page.head(&catalogue::LOG_MESSAGES);
        for (level, count) in (inner.log_counts)() {
            page.sample(
                &catalogue::LOG_MESSAGES,
                &label("level", level),
                as_f64(count),
            );
        }
    }
}

impl fmt::Debug for ExporterMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterMetrics").finish_non_exhaustive()
    }
}
