//! Times in which CPA made no records because its usage statistics were off. Pure.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(in crate::source) struct StatisticsOff {
    /// Last time at which CPA is known to have made records.
    last_on: Option<Instant>,
    /// Since when they are off, and until when that time was counted.
    off: Option<(Instant, Instant)>,
}

impl StatisticsOff {
    /// The switch was read. Returns the length of the time that has ended.
    pub(in crate::source) fn read(&mut self, now: Instant, on: Option<bool>) -> Option<Duration> {
        if on == Some(false) {
            if self.off.is_none() {
                let since = self.last_on.unwrap_or(now);
                self.off = Some((since, since));
            }
            return None;
        }
        self.last_on = Some(now);
        self.end(now)
    }

    /// A record arrived: CPA makes records. Returns the length of the time that has ended.
    pub(in crate::source) fn arrived(&mut self, now: Instant) -> Option<Duration> {
        self.last_on = Some(now);
        self.end(now)
    }

    /// Seconds without records that were not counted before.
    pub(in crate::source) fn uncounted(&mut self, now: Instant) -> Duration {
        let Some((_, counted)) = &mut self.off else {
            return Duration::ZERO;
        };
        let length = now.saturating_duration_since(*counted);
        *counted = now;
        length
    }

    fn end(&mut self, now: Instant) -> Option<Duration> {
        let (since, _) = self.off.take()?;
        Some(now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_time_since_the_last_record_counts() {
        let start = Instant::now();
        let at = |s| start + seconds(s);
        let mut off = StatisticsOff::default();
        assert_eq!(off.read(at(0), Some(true)), None);
        assert_eq!(off.arrived(at(20)), None);
        assert_eq!(off.uncounted(at(25)), Duration::ZERO);
        assert_eq!(off.read(at(32), Some(false)), None);
        assert_eq!(off.uncounted(at(32)), seconds(12));
        assert_eq!(off.uncounted(at(33)), seconds(1));
        assert_eq!(off.read(at(100), Some(false)), None);
        assert_eq!(off.uncounted(at(124)), seconds(91));
        // The first record after it was switched on.
        assert_eq!(off.arrived(at(125)), Some(seconds(105)));
        assert_eq!(off.uncounted(at(130)), Duration::ZERO);
    }

    #[test]
    fn statistics_that_were_never_on_count_from_the_first_read() {
        let start = Instant::now();
        let mut off = StatisticsOff::default();
        off.read(start, Some(false));
        assert_eq!(off.uncounted(start + seconds(3)), seconds(3));
        assert_eq!(off.read(start + seconds(5), Some(true)), Some(seconds(5)));
        // A release without the switch always makes records.
        assert_eq!(off.read(start + seconds(6), None), None);
    }
}
