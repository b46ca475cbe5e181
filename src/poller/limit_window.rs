//! One window of one limit, from both sources: the provider's reading, and a local quota that applies
//! while no reading is current.

use super::window_state::{WindowState, WindowStatus};
use crate::model::{LocalQuota, QuotaSource, Reading};

#[derive(Clone, Debug, Default)]
pub(super) struct LimitWindow {
    pub(super) provider: Option<WindowState>,
    pub(super) local: Option<LocalWindow>,
}

/// A limit that the exporter counts.
#[derive(Clone, Debug)]
pub(super) struct LocalWindow {
    quota: LocalQuota,
    /// Number of observed ends of the window; `None` for a rolling window.
    resets: Option<u64>,
}

impl LocalWindow {
    /// `before`: the same window at its previous count.
    pub(super) fn new(quota: LocalQuota, before: Option<&Self>) -> Self {
        let end_before = before.and_then(|before| before.quota.reading.reset_at());
        let resets = quota.reading.reset_at().map(|end| {
            let counted = before.and_then(|before| before.resets).unwrap_or_default();
            counted + u64::from(end_before.is_some_and(|before| before < end))
        });
        Self { quota, resets }
    }

    fn status(&self) -> WindowStatus<'_> {
        let reading = &self.quota.reading;
        WindowStatus {
            reading,
            // A limit that is unlimited cannot be exhausted.
            exhausted: reading.exhausted().filter(|_| !reading.unlimited()),
            exhaustion: self.quota.exhaustion,
            oldest_expiry: self.quota.oldest_expiry,
            source: QuotaSource::Local,
            observed: self.quota.observed,
        }
    }
}

impl LimitWindow {
    /// The values that apply now; `None` once the reading has expired, unless there is a local quota.
    pub(super) fn status(&self) -> Option<WindowStatus<'_>> {
        let provider = self.provider.as_ref().and_then(WindowState::status);
        provider.or_else(|| self.local.as_ref().map(LocalWindow::status))
    }

    /// The reading that applies now, or else the last one.
    pub(super) fn reading(&self) -> Option<&Reading> {
        let last = || self.provider.as_ref().map(WindowState::reading);
        self.status().map(|status| status.reading).or_else(last)
    }

    /// Whether the local quota applies.
    pub(super) fn is_local(&self) -> bool {
        self.local.is_some() && !self.provider.as_ref().is_some_and(WindowState::is_current)
    }

    pub(super) fn seconds(&self) -> Option<f64> {
        let local = self.local.as_ref().filter(|_| self.is_local());
        let local = local.map(|local| local.quota.length.as_secs_f64());
        local.or_else(|| self.reading()?.window().seconds().map(f64::from))
    }

    /// Number of observed ends, of both sources.
    pub(super) fn resets(&self) -> Option<u64> {
        let provider = self.provider.as_ref().map(WindowState::resets);
        let local = self.local.as_ref().and_then(|local| local.resets);
        let counts = provider.into_iter().chain(local);
        counts.reduce(|one, other| one + other)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.provider.is_none() && self.local.is_none()
    }
}
