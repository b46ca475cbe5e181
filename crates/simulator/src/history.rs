//! Generates records of past days with the generator of live traffic.

use std::time::Duration;

use bytes::Bytes;

use super::config::{SimulatorConfig, whole};
use super::generator::{Generator, daily_rhythm};
use cpa_exporter_core::model::UnixNanos;

/// Default records per day: those of a small team.
const RECORDS_A_DAY: u64 = 10_000;
/// The rhythm is evaluated at this interval.
const STEP: Duration = Duration::from_mins(1);
const STEP_NANOS: i64 = 60_000_000_000;

/// Past records in the order of publication, ending now.
#[derive(Debug)]
pub struct History {
    generator: Generator,
    offset_minutes: i16,
    /// Start of the current minute.
    minute: UnixNanos,
    end: UnixNanos,
    /// Records of the current minute: made so far, and in total.
    made: u64,
    due: u64,
    /// Records of the minutes so far, by the rhythm's weight.
    records: u64,
    weight: u128,
    weight_before: u128,
}

impl History {
    /// Distributes records over `span`: by the number or rate in `config.traffic`, else a fixed
    /// number per day. The span ends at the clock's time.
    pub fn new(mut config: SimulatorConfig, span: Duration) -> Self {
        let end = config.clock.now();
        let span_nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let begin = UnixNanos::new(end.get().saturating_sub(span_nanos).max(0));
        let seconds = span.as_secs().max(1);
        let by_rate = config.traffic.rate.map(|rate| rate * span.as_secs_f64());
        let records = config.traffic.records.or(by_rate.map(whole));
        let records = records.unwrap_or(RECORDS_A_DAY * seconds / 86_400);
        // The size of plans depends on the traffic.
        let few = u32::try_from(records).unwrap_or(u32::MAX);
        let rate = f64::from(few) / span.as_secs_f64().max(1.0);
        config.traffic.rate = config.traffic.rate.or(Some(rate));
        config.traffic.rhythm = true;
        config.time_scale = 1;
        let offset_minutes = config.traffic.utc_offset_minutes;
        let mut this = Self {
            generator: Generator::new(&config, begin),
            offset_minutes,
            minute: begin,
            end,
            made: 0,
            due: 0,
            records,
            weight: 0,
            weight_before: 0,
        };
        let mut at = begin;
        while at < end {
            this.weight += this.weight_of(at);
            at = at.saturating_add(STEP);
        }
        this.due = this.due_in(begin);
        this
    }

    /// A minute's weight by the rhythm; the last minute may be partial.
    fn weight_of(&self, minute: UnixNanos) -> u128 {
        let length = self.end.since(minute).min(STEP).as_millis();
        u128::from(daily_rhythm(minute, self.offset_minutes)) * length
    }

    /// Number of records of the minute, so that the minutes add up to the total.
    fn due_in(&mut self, minute: UnixNanos) -> u64 {
        let (all, whole) = (u128::from(self.records), self.weight.max(1));
        let before = all * self.weight_before / whole;
        self.weight_before += self.weight_of(minute);
        let after = all * self.weight_before / whole;
        u64::try_from(after - before).unwrap_or(0)
    }
}

impl Iterator for History {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        loop {
            while self.made >= self.due {
                self.minute = self.minute.saturating_add(STEP);
                if self.minute >= self.end {
                    return None;
                }
                self.made = 0;
                self.due = self.due_in(self.minute);
            }
            let length = self.end.since(self.minute).min(STEP).as_nanos();
            let length = i64::try_from(length).unwrap_or(STEP_NANOS);
            let made = i64::try_from(self.made + 1).unwrap_or(i64::MAX);
            let due = i64::try_from(self.due).unwrap_or(i64::MAX);
            self.made += 1;
            let into = length / due.max(1) * made;
            let now = UnixNanos::new(self.minute.get() + into);
            // `None` if all accounts are disabled: CPA refuses such requests without a record.
            if let Some(made) = self.generator.make(now) {
                return Some(made.payload);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    const NOW: UnixNanos = UnixNanos::from_millis(1_790_000_000_000);

    fn history(records: u64, days: u64) -> Vec<Bytes> {
        let mut config = SimulatorConfig {
            clock: Clock::new(|| NOW),
            ..SimulatorConfig::default()
        };
        config.traffic.records = Some(records);
        History::new(config, Duration::from_hours(24 * days)).collect()
    }

    #[test]
    fn equal_seeds_and_times_give_equal_bytes() {
        assert_eq!(history(500, 2), history(500, 2));
    }

    #[test]
    fn records_end_in_the_span_with_more_by_day_than_by_night() {
        let all = history(4000, 7);
        assert_eq!(all.len(), 4000);
        let begin = NOW.as_millis() - 7 * 86_400_000;
        let (mut night, mut day) = (0, 0);
        for record in &all {
            let record: serde_json::Value = serde_json::from_slice(record).unwrap();
            let started: jiff::Timestamp = record["timestamp"].as_str().unwrap().parse().unwrap();
            let finished = started.as_millisecond() + record["latency_ms"].as_i64().unwrap();
            // The start is truncated to the millisecond.
            assert!((begin..=NOW.as_millis()).contains(&finished), "{record}");
            match finished / 3_600_000 % 24 {
                1..=6 => night += 1,
                13..=18 => day += 1,
                _ => {}
            }
        }
        assert!(day > 2 * night, "{day} by day, {night} by night");
    }

    /// CPA does not go on asking accounts whose plan is used up.
    #[test]
    fn few_requests_fail_on_every_day() {
        let mut config = SimulatorConfig {
            clock: Clock::new(|| NOW),
            ..SimulatorConfig::default()
        };
        config.traffic.rate = Some(0.2);
        let records = History::new(config, Duration::from_hours(3 * 24));
        let mut days = std::collections::BTreeMap::<i64, [f64; 2]>::new();
        let begin = NOW.as_millis() - 3 * 86_400_000;
        for record in records {
            let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
            let started: jiff::Timestamp = record["timestamp"].as_str().unwrap().parse().unwrap();
            let day = days
                .entry((started.as_millisecond() - begin).div_euclid(86_400_000))
                .or_default();
            day[0] += 1.0;
            day[1] += f64::from(u8::from(record["failed"].as_bool().unwrap()));
        }
        for (day, [all, failed]) in days.into_iter().filter(|(day, _)| *day >= 0) {
            let share = failed / all;
            assert!((0.02..0.06).contains(&share), "day {day}: {share}");
        }
    }

    #[test]
    fn default_is_a_fixed_number_per_day() {
        let config = SimulatorConfig {
            clock: Clock::new(|| NOW),
            ..SimulatorConfig::default()
        };
        let mut with_rate = config.clone();
        with_rate.traffic.rate = Some(0.3);
        let half_a_day = Duration::from_hours(12);
        assert_eq!(History::new(config, half_a_day).count(), 5000);
        assert_eq!(History::new(with_rate, half_a_day).count(), 12_960);
    }
}
