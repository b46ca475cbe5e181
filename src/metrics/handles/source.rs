use std::sync::{Arc, RwLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::super::catalogue::ingest;
use super::super::encode::{Encoder, push_label};
use super::{Known, Losses, as_f64, counter, counters, gauge, label, one_of};
use crate::model::{IngestMode, visible};

pub(in crate::metrics) const REFUSALS: [&str; 7] = [
    "wrong_key",
    "missing_key",
    "banned",
    "remote_disabled",
    "no_key_set",
    "home_mode",
    "management_off",
];
pub(in crate::metrics) const RECONNECTS: [&str; 5] =
    ["down", "refused", "unavailable", "starved", "reprobe"];
/// Longest version in characters.
const MAX_VERSION: usize = 64;

/// The modes of [`IngestMode::ALL`] in order, and the lack of one.
pub(in crate::metrics) const MODES: [&str; 4] = ["pop", "subscribe", "http", "none"];

/// What the source knows of CPA and of its own work.
#[derive(Clone, Debug, Default)]
pub struct SourceMetrics(Arc<Inner>);

impl SourceMetrics {
    pub fn new(losses: Losses) -> Self {
        Self(Arc::new(Inner {
            losses,
            ..Inner::default()
        }))
    }
}

#[derive(Debug, Default)]
struct Inner {
    up: Known,
    /// Version and API.
    server: RwLock<Option<(String, &'static str)>>,
    refused: Known,
    statistics_enabled: Known,
    clock_skew: Known,
    /// Position in [`IngestMode::ALL`]; unknown for none.
    mode: Known,
    batches: [Counter; 3],
    full_polls: Counter,
    reconnects: [Counter; 5],
    cuts: Counter,
    gap_millis: Counter,
    starved: Known,
    losses: Losses,
}

impl SourceMetrics {
    pub fn set_up(&self, up: bool) {
        self.0.up.set(f64::from(u8::from(up)));
    }

    pub fn set_server(&self, version: &str, api: &'static str) {
        if let Ok(mut server) = self.0.server.write() {
            // The text is CPA's, and ends up in a label.
            let clean = visible(version);
            *server = Some((clean.chars().take(MAX_VERSION).collect(), api));
        }
    }

    /// `reason` is a value of the label `reason`, `None` when CPA lets us in.
    pub fn set_refused(&self, reason: Option<&str>) {
        let position = reason.and_then(|reason| REFUSALS.iter().position(|r| *r == reason));
        match position {
            Some(position) => self.0.refused.set(as_f64(position as u64)),
            None => self.0.refused.clear(),
        }
    }

    pub fn set_statistics_enabled(&self, on: bool) {
        self.0.statistics_enabled.set(f64::from(u8::from(on)));
    }

    pub fn set_clock_skew(&self, seconds: f64) {
        self.0.clock_skew.set(seconds);
    }

    pub fn set_mode(&self, mode: Option<IngestMode>) {
        match mode {
            Some(mode) => self.0.mode.set(f64::from(mode as u8)),
            None => self.0.mode.clear(),
        }
    }

    pub fn batch(&self, mode: IngestMode) {
        if let Some(counter) = self.0.batches.get(mode as usize) {
            counter.inc();
        }
    }

    pub fn full_poll(&self) {
        self.0.full_polls.inc();
    }

    /// `reason` is a value of the label `reason`.
    pub fn reconnect(&self, reason: &str) {
        let counters = RECONNECTS.iter().zip(&self.0.reconnects);
        if let Some((_, counter)) = counters.into_iter().find(|(name, _)| **name == reason) {
            counter.inc();
        }
    }

    pub fn cut(&self) {
        self.0.cuts.inc();
        self.0.losses.note();
    }

    pub fn add_gap(&self, gap: Duration) {
        self.0
            .gap_millis
            .inc_by(u64::try_from(gap.as_millis()).unwrap_or(u64::MAX));
        self.0.losses.note();
    }

    pub fn set_starved(&self, starved: bool) {
        self.0.starved.set(f64::from(u8::from(starved)));
        if starved {
            self.0.losses.note();
        }
    }

    pub(super) fn encode(&self, page: &mut Encoder<'_>) {
        let inner = &*self.0;
        gauge(page, &ingest::UP, inner.up.get());
        if let Ok(server) = inner.server.read()
            && let Some((version, api)) = &*server
        {
            let mut labels = label("version", version);
            push_label(&mut labels, "api", api);
            page.head(&ingest::INFO);
            page.sample(&ingest::INFO, &labels, 1.0);
        }
        one_of(
            page,
            &ingest::ACCESS_REFUSED,
            "reason",
            &REFUSALS,
            inner.refused.get(),
        );
        gauge(
            page,
            &ingest::USAGE_STATISTICS_ENABLED,
            inner.statistics_enabled.get(),
        );
        gauge(page, &ingest::CLOCK_SKEW, inner.clock_skew.get());
        one_of(
            page,
            &ingest::INGEST_MODE,
            "mode",
            &MODES,
            inner.mode.get().or(Some(3.0)),
        );
        let modes = IngestMode::ALL.map(IngestMode::as_str);
        counters(
            page,
            &ingest::INGEST_BATCHES,
            "mode",
            &modes,
            &inner.batches,
        );
        counter(page, &ingest::INGEST_FULL_POLLS, &inner.full_polls);
        counters(
            page,
            &ingest::INGEST_RECONNECTS,
            "reason",
            &RECONNECTS,
            &inner.reconnects,
        );
        counter(page, &ingest::INGEST_CUTS, &inner.cuts);
        page.head(&ingest::INGEST_GAP);
        page.sample(
            &ingest::INGEST_GAP,
            "",
            as_f64(inner.gap_millis.get()) / 1000.0,
        );
        gauge(
            page,
            &ingest::INGEST_STARVED,
            inner.starved.get().or(Some(0.0)),
        );
    }
}
