//! Time during which at least one request ran.

use std::collections::BTreeMap;

/// A request counts for at most this long, which bounds the history that a window depends on.
pub(super) const LONGEST: i64 = 6 * 3600 * 1_000_000_000;

/// A union of time spans: overlapping time counts once.
#[derive(Debug, Default)]
pub(super) struct InUse {
    /// Start to end, disjoint.
    spans: BTreeMap<i64, i64>,
    /// Spans before this time are dropped.
    over: Option<i64>,
}

impl InUse {
    pub(super) fn add(&mut self, at: i64, latency_ms: u64) {
        let length = i64::try_from(latency_ms)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000);
        let (mut from, mut to) = (at, at.saturating_add(length.min(LONGEST)));
        from = self.over.map_or(from, |over| from.max(over));
        if from >= to {
            return;
        }
        if let Some((start, end)) = self.spans.range(..=from).next_back()
            && *end >= from
        {
            (from, to) = (*start, to.max(*end));
        }
        while let Some((start, end)) = self.spans.range(from..=to).next() {
            let start = *start;
            to = to.max(*end);
            self.spans.remove(&start);
        }
        self.spans.insert(from, to);
    }

    /// Drops all spans before `over`.
    pub(super) fn advance(&mut self, over: i64) {
        self.over = Some(self.over.map_or(over, |before| before.max(over)));
        while let Some(first) = self.spans.first_entry()
            && *first.key() < over
        {
            let end = first.remove();
            if end > over {
                self.spans.insert(over, end);
            }
        }
    }

    /// Nanoseconds in use in `(from, to]`.
    pub(super) fn within(&self, from: i64, to: i64) -> u64 {
        let lengths = self.spans.range(..to).map(|(start, end)| {
            // A span that ends before is below zero.
            let length = (*end).min(to) - (*start).max(from);
            length.max(0).unsigned_abs()
        });
        lengths.sum()
    }

    /// When the usage of a rolling window reaches `limit` at the pace of its last tenth, while
    /// older usage expires; accurate to a sixtieth of the window.
    pub(super) fn exhaustion(&self, now: i64, length: i64, limit: u64) -> Option<i64> {
        let recent = i128::from(self.within(now - length / 10, now));
        if recent == 0 || self.within(now - length, now) >= limit {
            return None;
        }
        (1..=60).map(|step| length / 60 * step).find_map(|ahead| {
            let coming = recent * i128::from(ahead) / i128::from(length / 10);
            let still_there = self.within(now - length + ahead, now);
            (i128::from(still_there) + coming >= i128::from(limit)).then_some(now + ahead)
        })
    }

    pub(super) fn first(&self) -> Option<i64> {
        self.spans.first_key_value().map(|(start, _)| *start)
    }
}
