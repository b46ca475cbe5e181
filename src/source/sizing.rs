//! Number of records to request at once, so that a reply stays near a target size in bytes.

/// Upper bound of the count: CPA drains at full speed well below it.
const MAX_COUNT: u64 = 1000;
/// Count before the size of records is known.
const FIRST_COUNT: u64 = 16;

/// Tracks the size of records and converts a budget of bytes into a count.
///
/// A reply in transit is lost when the machine dies, and one record can be 230 KB among thousands
/// of 2 KB. So the estimate rises at once to a larger mean and falls slowly, and the count at most
/// doubles from one pop to the next.
#[derive(Clone, Debug)]
pub(super) struct Sizing {
    budget: u64,
    max_count: u64,
    /// Estimated bytes of a record; 0 until one has been seen.
    record_bytes: u64,
    count: u64,
}

impl Sizing {
    pub(super) fn new(budget: u64) -> Self {
        Self::with_max_count(budget, MAX_COUNT)
    }

    pub(super) fn with_max_count(budget: u64, max_count: u64) -> Self {
        Self {
            budget,
            max_count,
            record_bytes: 0,
            count: FIRST_COUNT.min(max_count),
        }
    }

    /// Number of records to request next; at least 1.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Room that the next reply may need: its budget with a margin for large records.
    pub(super) fn reserve(&self) -> u64 {
        self.budget.saturating_mul(4)
    }

    /// Updates the estimate with a reply of `records` and `bytes` in all. An empty reply is
    /// ignored.
    pub(super) fn observe(&mut self, records: u64, bytes: u64) {
        let Some(mean) = bytes.checked_div(records) else {
            return;
        };
        let mean = mean.max(1);
        self.record_bytes = if mean >= self.record_bytes {
            mean
        } else {
            self.record_bytes - (self.record_bytes - mean) / 8
        };
        let fits = (self.budget / self.record_bytes).clamp(1, self.max_count);
        self.count = fits.min(self.count.saturating_mul(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_small_and_grows_to_the_budget() {
        let mut sizing = Sizing::new(256 * 1024);
        let mut counts = vec![sizing.count()];
        for _ in 0..6 {
            let n = sizing.count();
            sizing.observe(n, n * 1600);
            counts.push(sizing.count());
        }
        assert_eq!(counts, [16, 32, 64, 128, 163, 163, 163]);
    }

    #[test]
    fn large_records_shrink_the_count_at_once_and_it_recovers_slowly() {
        let mut sizing = Sizing::new(256 * 1024);
        for _ in 0..10 {
            sizing.observe(100, 160_000);
        }
        sizing.observe(2, 460_000);
        assert_eq!(sizing.count(), 1);
        sizing.observe(1, 1600);
        assert_eq!(sizing.count(), 1);
        for _ in 0..200 {
            sizing.observe(1, 1600);
        }
        assert!(sizing.count() > 150);
    }

    #[test]
    fn zero_and_huge_sizes_keep_the_count_valid() {
        let mut sizing = Sizing::new(10);
        sizing.observe(0, 0);
        assert_eq!(sizing.count(), 16);
        sizing.observe(5, 0);
        assert!(sizing.count() >= 1);
        sizing.observe(1, u64::MAX);
        assert_eq!(sizing.count(), 1);
    }
}
