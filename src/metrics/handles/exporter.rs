use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::super::catalogue::exporter as catalogue;
use super::super::encode::{Encoder, push_label};
use super::super::family::Family;
use super::super::snapshot::Snapshot;
use super::metric::{Gauge, Number as _};
use super::{as_f64, gauge, label};
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
    reload_successful: Gauge,
    reload_time: Gauge,
    render: Gauge,
}

impl ExporterMetrics {
    pub(super) fn new(build: BuildInfo, log_counts: LogCounts) -> Self {
        Self(Arc::new(Inner {
            build,
            log_counts,
            reload_successful: Gauge::default(),
            reload_time: Gauge::default(),
            render: Gauge::default(),
        }))
    }

    /// The configuration has been read, at start or again; `Err` when it was refused.
    pub fn configuration_read(&self, outcome: Result<UnixNanos, ()>) {
        match outcome {
            Ok(at) => {
                self.0.reload_successful.set_bool(true);
                self.0.reload_time.set(at.as_seconds());
            }
            Err(()) => self.0.reload_successful.set_bool(false),
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
            inner.reload_successful.number(),
        );
        gauge(page, &catalogue::RELOAD_TIME, inner.reload_time.number());
        gauge(page, &catalogue::SERIES, Some(as_f64(snapshot.series)));
        let limits = Some(("limit", limits)).filter(|(_, count)| *count > 0);
        let overflows = snapshot.overflows.iter().copied().chain(limits);
        counts(page, &catalogue::LABEL_OVERFLOWS, overflows);
        let dropped = snapshot.dropped.iter().copied();
        counts(page, &catalogue::SERIES_DROPPED, dropped);
        gauge(page, &catalogue::RENDER_SECONDS, inner.render.number());
        counts(page, &catalogue::LOG_MESSAGES, (inner.log_counts)());
    }
}

/// A count for each value of the family's only label.
fn counts(
    page: &mut Encoder<'_>,
    family: &Family,
    counts: impl IntoIterator<Item = (&'static str, u64)>,
) {
    let mut counts = counts.into_iter().peekable();
    if counts.peek().is_some() {
        page.head(family);
    }
    let name = family.labels.first().copied().unwrap_or_default();
    for (value, count) in counts {
        page.sample(family, &label(name, value), as_f64(count));
    }
}

impl fmt::Debug for ExporterMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterMetrics").finish_non_exhaustive()
    }
}
