//! How many records to ask for at once, so that a reply stays near a size in bytes.

/// Never more, however small the records: CPA drains at full speed well below.
const MAX_COUNT: u64 = 1000;
/// Asked for before anything is known about the records.
const FIRST_COUNT: u64 = 16;

/// Follows the size of records and turns a budget of bytes into a count.
///
/// What is in flight when the machine dies is lost, and one record can be 230 KB among thousands
/// of 2 KB: so the estimate rises at once to a larger mean and falls slowly, and the count at
/// most doubles from one pop to the next.
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

    /// Records to ask for next; at least 1.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Room that the next reply may need: its budget, and an ample margin for odd sizes.
    pub(super) fn reserve(&self) -> u64 {
        self.budget.saturating_mul(4)
    }

    /// Learns from a reply of `records` with `bytes` in all. An empty one teaches nothing.
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
    fn huge_records_shrink_it_at_once_and_it_recovers_slowly() {
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
    fn odd_replies_do_no_harm() {
        let mut sizing = Sizing::new(10);
        sizing.observe(0, 0);
        assert_eq!(sizing.count(), 16);
        sizing.observe(5, 0);
        assert!(sizing.count() >= 1);
        sizing.observe(1, u64::MAX);
        assert_eq!(sizing.count(), 1);
    }
}
