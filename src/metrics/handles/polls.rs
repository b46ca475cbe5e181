use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::super::catalogue::accounts;
use super::super::encode::{Bounds, Encoder, push_label};
use super::super::family::Kind;
use super::{as_f64, label};

/// What the quota polls did, by provider. Each series exists at zero from the first poll on.
#[derive(Clone, Debug, Default)]
pub struct PollMetrics(Arc<Mutex<BTreeMap<Box<str>, Polls>>>);

#[derive(Debug)]
struct Polls {
    calls: u64,
    failures: BTreeMap<&'static str, u64>,
    /// Polls per bucket, and the sum in milliseconds.
    took: Vec<u64>,
}

impl PollMetrics {
    /// Makes a provider's series, with all `reasons` a poll can fail for.
    pub fn announce(&self, provider: &str, reasons: &[&'static str]) {
        let mut all = self.0.lock();
        all.entry(provider.into()).or_insert_with(|| Polls {
            calls: 0,
            failures: reasons.iter().map(|reason| (*reason, 0)).collect(),
            took: vec![0; cells()],
        });
    }

    /// One upstream call has been made.
    pub fn called(&self, provider: &str) {
        self.change(provider, |polls| polls.calls += 1);
    }

    /// The poll of an account has ended; `failure` is a value of the label `reason`.
    pub fn polled(&self, provider: &str, took: Duration, failure: Option<&'static str>) {
        let Kind::Histogram(buckets) = accounts::POLL_SECONDS.kind else {
            return;
        };
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let bucket = buckets.bounds.partition_point(|bound| *bound < millis);
        self.change(provider, |polls| {
            if let Some(cell) = polls.took.get_mut(bucket) {
                *cell += 1;
            }
            if let Some(sum) = polls.took.last_mut() {
                *sum = sum.saturating_add(millis);
            }
            if let Some(reason) = failure {
                *polls.failures.entry(reason).or_default() += 1;
            }
        });
    }

    fn change(&self, provider: &str, change: impl FnOnce(&mut Polls)) {
        let mut all = self.0.lock();
        if let Some(polls) = all.get_mut(provider) {
            change(polls);
        }
    }

    pub(super) fn encode(&self, page: &mut Encoder<'_>) {
        let all = self.0.lock();
        let Kind::Histogram(buckets) = accounts::POLL_SECONDS.kind else {
            return;
        };
        if all.is_empty() {
            return;
        }
        page.head(&accounts::POLLS);
        for (provider, polls) in &*all {
            let labels = label("provider", provider);
            page.sample(&accounts::POLLS, &labels, as_f64(polls.calls));
        }
        page.head(&accounts::POLL_FAILURES);
        for (provider, polls) in &*all {
            for (reason, count) in &polls.failures {
                let mut labels = label("provider", provider);
                push_label(&mut labels, "reason", reason);
                page.sample(&accounts::POLL_FAILURES, &labels, as_f64(*count));
            }
        }
        page.head(&accounts::POLL_SECONDS);
        let bounds = Bounds::new(buckets);
        for (provider, polls) in &*all {
            let labels = label("provider", provider);
            page.histogram(&accounts::POLL_SECONDS, &labels, &bounds, &polls.took, &[]);
        }
    }
}

/// Buckets with the one beyond the last bound, and the sum.
fn cells() -> usize {
    match accounts::POLL_SECONDS.kind {
        Kind::Histogram(buckets) => buckets.bounds.len() + 2,
        Kind::Counter | Kind::Gauge | Kind::Summary => 0,
    }
}
