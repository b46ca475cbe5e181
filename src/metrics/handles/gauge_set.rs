use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::super::encode::{Encoder, push_label};
use super::super::family::Family;

/// Gauges that one part of the program computes together. A [`Samples`] replaces all former samples
/// at once, so a page never contains half of a change.
#[derive(Clone, Debug, Default)]
pub struct GaugeSet(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    families: ArcSwap<Vec<FamilySamples>>,
    left_out: AtomicU64,
}

/// The samples of one family, sorted by labels.
struct FamilySamples {
    family: &'static Family,
    lines: Vec<(Box<str>, f64)>,
}

/// Samples for a [`GaugeSet`].
#[derive(Debug, Default)]
pub struct Samples {
    families: Vec<FamilySamples>,
    left_out: u64,
}

impl Samples {
    /// Adds a sample. `values` are those of the family's labels in order; an empty one leaves its
    /// label out, which is equal for Prometheus.
    pub fn add(&mut self, family: &'static Family, values: &[&str], value: f64) {
        if !value.is_finite() {
            return;
        }
        let mut labels = String::with_capacity(64);
        for (name, value) in family.labels.iter().zip(values) {
            if !value.is_empty() {
                push_label(&mut labels, name, value);
            }
        }
        let line = (labels.into_boxed_str(), value);
        // Parts go through their families over and over in the same order: few to look at.
        match self.families.iter_mut().find(|s| s.family == family) {
            Some(samples) => samples.lines.push(line),
            None => self.families.push(FamilySamples {
                family,
                lines: vec![line],
            }),
        }
    }

    /// Counts a thing that a cap excludes.
    pub fn leave_out(&mut self) {
        self.leave_out_many(1);
    }

    pub fn leave_out_many(&mut self, things: u64) {
        self.left_out += things;
    }
}

impl GaugeSet {
    pub fn publish(&self, mut samples: Samples) {
        for samples in &mut samples.families {
            samples.lines.sort_by(|a, b| a.0.cmp(&b.0));
            // A page with one series twice is refused as a whole.
            samples.lines.dedup_by(|a, b| a.0 == b.0);
        }
        self.0.left_out.store(samples.left_out, Ordering::Relaxed);
        self.0.families.store(Arc::new(samples.families));
    }

    /// Number of things that a cap excludes.
    pub(super) fn left_out(&self) -> u64 {
        self.0.left_out.load(Ordering::Relaxed)
    }

    /// The samples as text.
    #[cfg(test)]
    pub(crate) fn text(&self, order: &[&Family]) -> String {
        use super::super::{Audience, Dialect};
        let mut out = String::new();
        let page = &mut Encoder::new(&mut out, Dialect::Text, Audience::Reader);
        self.encode(page, order);
        out
    }

    /// Writes the families in the order of `order`.
    pub(super) fn encode(&self, page: &mut Encoder<'_>, order: &[&Family]) {
        let families = self.0.families.load();
        for family in order {
            if let Some(samples) = families.iter().find(|s| s.family == *family) {
                page.head(family);
                for (labels, value) in &samples.lines {
                    page.sample(family, labels, *value);
                }
            }
        }
    }
}

impl fmt::Debug for FamilySamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} lines", self.family.name, self.lines.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::catalogue::accounts;
    use super::super::super::{Audience, Dialect};
    use super::*;

    fn page(set: &GaugeSet) -> String {
        let mut out = String::new();
        set.encode(
            &mut Encoder::new(&mut out, Dialect::Text, Audience::Reader),
            accounts::ALL,
        );
        let samples = out.lines().filter(|line| !line.starts_with('#'));
        samples.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn new_samples_replace_all_former_ones() {
        let set = GaugeSet::default();
        let mut samples = Samples::default();
        samples.add(&accounts::USED_RATIO, &["claude", "b", "main", "5h"], 1.25);
        samples.add(&accounts::UP, &["codex", "a"], 1.0);
        samples.add(&accounts::UP, &["claude", "b\"\n"], 0.0);
        set.publish(samples);
        assert_eq!(
            page(&set),
            "cpa_account_up{provider=\"claude\",account=\"b\\\"\\n\"} 0\n\
             cpa_account_up{provider=\"codex\",account=\"a\"} 1\n\
             cpa_quota_used_ratio{provider=\"claude\",account=\"b\",limit=\"main\",window=\"5h\"} 1.25"
        );
        set.publish(Samples::default());
        assert_eq!(page(&set), "");
    }

    #[test]
    fn duplicate_samples_empty_labels_and_nan_are_left_out() {
        let set = GaugeSet::default();
        let mut samples = Samples::default();
        samples.add(&accounts::UP, &["codex", ""], 1.0);
        samples.add(&accounts::UP, &["codex", ""], 0.0);
        samples.add(
            &accounts::USED_RATIO,
            &["codex", "a", "main", "5h"],
            f64::NAN,
        );
        set.publish(samples);
        assert_eq!(page(&set), "cpa_account_up{provider=\"codex\"} 1");
    }
}
