use std::sync::{Arc, RwLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::super::encode::{Encoder, push_label};
use super::super::family::{Family, Kind};
use super::metric::{By, Gauge, Metric, Number, OneOf, SecondsCounter, metrics};
use super::{Losses, label};
use crate::model::{AccessRefusal, IngestMode, label_enum, visible};

/// Longest version in characters.
const MAX_VERSION: usize = 64;

label_enum! {
    /// Reason of a new connection to CPA.
    pub enum ReconnectReason {
        Down = "down",
        Refused = "refused",
        Unavailable = "unavailable",
        Starved = "starved",
        Reprobe = "reprobe",
    }
}

metrics! {
    struct Inner;
    up: Gauge, "cpa_up", &[],
        "1 if the last contact with CPA succeeded, else 0.";
    server: ServerInfo, "cpa_info", &["version", "api"],
        "1, with the version of CPA and the generation of its management API.";
    refused: OneOf<AccessRefusal>, "cpa_access_refused", &["reason"],
        "Reason CPA refuses access (1 = active).";
    statistics_enabled: Gauge, "cpa_usage_statistics_enabled", &[],
        "1 if usage statistics are enabled in CPA, else 0.";
    clock_skew: Gauge, "cpa_clock_skew_seconds", &[],
        "CPA's clock minus the exporter's clock, in seconds, accurate to half a second.";
    mode: OneOf<Option<IngestMode>>, "cpa_ingest_mode", &["mode"],
        "Collection mode (1 = active).";
    batches: By<IngestMode, Counter>, "cpa_ingest_batches_total", &["mode"],
        "Batches of records received from CPA, by mode, since the start of the exporter.";
    full_polls: Counter, "cpa_ingest_full_polls_total", &[],
        "Polls that returned as many records as requested, since the start of the exporter.";
    reconnects: By<ReconnectReason, Counter>, "cpa_ingest_reconnects_total", &["reason"],
        "Reconnects to CPA, by reason, since the start of the exporter.";
    cuts: Counter, "cpa_ingest_subscriber_cuts_total", &[],
        "Subscriptions that CPA closed because the subscriber was too slow, since the start of the exporter.";
    gap: SecondsCounter, "cpa_ingest_gap_seconds_total", &[],
        "Seconds of which records may be missing: they expired in CPA before collection, or CPA made none; since the start of the exporter.";
    starved: Gauge, "cpa_ingest_starved", &[],
        "1 if another client takes records from CPA's queue, as a comparison with CPA's request counts shows, else 0.";
    losses: Losses, "cpa_ingest_complete", &[],
        "1 if no loss is known in the last hour; 0 if one is (gap, closed subscription, reject, loss of received records, another client that takes records), or while the queue is not read within CPA's retention; absent while CPA was never reached or does not run.";
}

/// State of the connection to CPA and of the collection of records.
#[derive(Clone, Debug)]
pub struct SourceMetrics(Arc<Inner>);

impl SourceMetrics {
    pub(in crate::metrics) const FAMILIES: &'static [Family] = Inner::FAMILIES;

    pub fn new(losses: Losses) -> Self {
        let inner = Inner {
            losses,
            ..Inner::default()
        };
        inner.mode.set(Some(None));
        inner.starved.set_bool(false);
        Self(Arc::new(inner))
    }

    pub fn set_up(&self, up: bool) {
        self.0.up.set_bool(up);
    }

    pub fn set_server(&self, version: &str, api: &'static str) {
        // The text is CPA's, and ends up in a label.
        let version = visible(version).chars().take(MAX_VERSION).collect();
        if let Ok(mut server) = self.0.server.0.write() {
            *server = Some((version, api));
        }
    }

    /// `None` when CPA grants access.
    pub fn set_refused(&self, refusal: Option<AccessRefusal>) {
        self.0.refused.set(refusal);
    }

    pub fn set_statistics_enabled(&self, on: bool) {
        self.0.statistics_enabled.set_bool(on);
    }

    pub fn set_clock_skew(&self, seconds: f64) {
        self.0.clock_skew.set(seconds);
    }

    pub fn set_mode(&self, mode: Option<IngestMode>) {
        self.0.mode.set(Some(mode));
    }

    pub fn batch(&self, mode: IngestMode) {
        self.0.batches.of(mode).inc();
    }

    pub fn full_poll(&self) {
        self.0.full_polls.inc();
    }

    pub fn reconnect(&self, reason: ReconnectReason) {
        self.0.reconnects.of(reason).inc();
    }

    pub fn cut(&self) {
        self.0.cuts.inc();
        self.0.losses.note();
    }

    pub fn add_gap(&self, gap: Duration) {
        self.0.gap.add(gap);
        self.0.losses.note();
    }

    pub fn set_starved(&self, starved: bool) {
        self.0.starved.set_bool(starved);
        if starved {
            self.0.losses.note();
        }
    }

    /// Known losses of records.
    pub fn losses(&self) -> &Losses {
        &self.0.losses
    }

    pub(super) fn encode(&self, page: &mut Encoder<'_>) {
        self.0.encode(page);
    }
}

/// Version and API generation of CPA.
#[derive(Debug, Default)]
struct ServerInfo(RwLock<Option<(String, &'static str)>>);

impl Metric for ServerInfo {
    const KIND: Kind = Kind::Gauge;

    fn encode(&self, page: &mut Encoder<'_>, family: &Family) {
        if let Ok(server) = self.0.read()
            && let Some((version, api)) = &*server
        {
            let mut labels = label("version", version);
            push_label(&mut labels, "api", api);
            page.head(family);
            page.sample(family, &labels, 1.0);
        }
    }
}

impl Number for Losses {
    const KIND: Kind = Kind::Gauge;

    fn number(&self) -> Option<f64> {
        self.complete()
            .map(|complete| f64::from(u8::from(complete)))
    }
}
