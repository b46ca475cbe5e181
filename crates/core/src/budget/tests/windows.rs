//! Compares counters with sums over all events.

use std::time::Duration;

use proptest::prelude::*;

use super::super::counter::Counter;
use super::super::{Entry, Every, Measure, Period};
use super::support::{DAY, HOUR, SECOND, at, calendar, request};
use crate::model::{Tokens, UnixNanos};

fn now() -> UnixNanos {
    at("2026-03-29T12:00:00Z")
}

fn rolling(seconds: u64) -> Period {
    Period::rolling(Duration::from_secs(seconds)).unwrap()
}

fn daily() -> Period {
    Period::Calendar(calendar(Every::Day, "02:30", "Europe/Berlin"))
}

#[test]
fn measures_count_their_quantity() {
    let all = Tokens {
        input: 1,
        cache_read: 10,
        cache_write: 100,
        cache_write_1h: None,
        output: 1000,
        reasoning: 10_000,
        unclassified: 100_000,
    };
    let entry = Entry {
        tokens: all,
        cost: 3,
        value: 7,
        ..request(now(), 0)
    };
    let of = |entry: &Entry| {
        [
            Measure::Tokens,
            Measure::BillableTokens,
            Measure::NoCacheTokens,
            Measure::Requests,
            Measure::Attempts,
            Measure::Cost,
            Measure::ListValue,
        ]
        .map(|measure| measure.amount(entry))
    };
    assert_eq!(of(&entry), [111_111, 11_111, 111_001, 1, 1, 3, 7]);
    let failed = Entry {
        failed: true,
        ..entry
    };
    assert_eq!(of(&failed), [0, 0, 0, 0, 1, 3, 7]);
    let prewarm = Entry {
        generate: false,
        ..entry
    };
    assert_eq!(of(&prewarm), [111_111, 11_111, 111_001, 0, 0, 3, 7]);
}

#[test]
fn concurrent_requests_are_in_use_once() {
    let mut counter = Counter::new(Measure::Use, &rolling(5 * 3600));
    let mut record = |hours_ago: i64, hours: u64| {
        let mut entry = request(UnixNanos::new(now().get() - hours_ago * HOUR), 0);
        entry.latency_ms = hours * 3_600_000;
        counter.record(&entry);
    };
    record(4, 1);
    record(4, 1);
    record(2, 1);
    // Started before the window: one hour of it counts.
    record(6, 2);
    let count = counter.read(now(), None);
    assert_eq!(count.used, 3 * 3_600_000_000_000);
    let later = UnixNanos::new(now().get() + HOUR / 2);
    assert_eq!(counter.read(later, None).used, 5 * 1_800_000_000_000);
}

#[test]
fn use_is_clipped_to_its_window_and_to_now() {
    let period = Period::Calendar(calendar(
        Every::Week(jiff::civil::Weekday::Monday),
        "00:00",
        "UTC",
    ));
    let mut counter = Counter::new(Measure::Use, &period);
    let mut entry = request(at("2026-03-22T23:30:00Z"), 0);
    entry.latency_ms = 3_600_000;
    counter.record(&entry);
    assert_eq!(
        counter.read(at("2026-03-23T00:10:00Z"), None).used,
        10 * 60 * 1_000_000_000
    );
    assert_eq!(
        counter.read(at("2026-03-24T00:00:00Z"), None).used,
        30 * 60 * 1_000_000_000
    );
}

#[test]
fn rolling_forecast_includes_expiring_usage() {
    let mut counter = Counter::new(Measure::Tokens, &rolling(36_000));
    let hour = |ago: i64| UnixNanos::new(now().get() - ago * HOUR);
    // 100 per hour in the last hour: 900 more take nine hours.
    counter.record(&request(UnixNanos::new(now().get() - HOUR / 2), 100));
    let forecast = |counter: &mut Counter, limit| counter.read(now(), Some(limit)).exhaustion;
    assert_eq!(forecast(&mut counter, 1000), Some(hour(-9)));
    assert_eq!(
        forecast(&mut counter, 100),
        None,
        "there is nothing left to forecast"
    );
    // Not within the window.
    assert_eq!(forecast(&mut counter, 2000), None);
    // The 500 from nine and a half hours ago expire in half an hour, before 400 more are used.
    counter.record(&request(UnixNanos::new(now().get() - 19 * HOUR / 2), 500));
    assert_eq!(forecast(&mut counter, 1000), Some(hour(-9)));
    // With 20 remaining, the limit is reached first.
    let soon = now().get() + HOUR / 5;
    assert_eq!(forecast(&mut counter, 620), Some(UnixNanos::new(soon)));
}

#[test]
fn time_in_use_has_a_forecast() {
    let mut counter = Counter::new(Measure::Use, &rolling(36_000));
    let mut entry = request(UnixNanos::new(now().get() - HOUR), 0);
    entry.latency_ms = 1_800_000;
    counter.record(&entry);
    // Half of the last hour was in use: four more hours of use take eight hours.
    let limit = |hours: u64| Some(hours * 1_800_000_000_000);
    let at = UnixNanos::new(now().get() + 8 * HOUR);
    assert_eq!(counter.read(now(), limit(9)).exhaustion, Some(at));
    assert_eq!(counter.read(now(), limit(12)).exhaustion, None);
    assert_eq!(
        counter.read(now(), limit(1)).exhaustion,
        None,
        "it is reached"
    );
}

#[test]
fn calendar_forecast_uses_the_average_pace() {
    let period = Period::Calendar(calendar(Every::Day, "00:00", "UTC"));
    let mut counter = Counter::new(Measure::Tokens, &period);
    counter.record(&request(at("2026-03-28T03:00:00Z"), 100));
    let noon = at("2026-03-28T12:00:00Z");
    let mut forecast = |now, limit| counter.read(now, Some(limit)).exhaustion;
    assert_eq!(forecast(noon, 150), Some(at("2026-03-28T18:00:00Z")));
    assert_eq!(forecast(noon, 200), None, "not before the reset");
    assert_eq!(forecast(at("2026-03-28T02:00:00Z"), 150), None, "too early");
    assert_eq!(forecast(noon, 100), None);
}

#[test]
fn bucket_at_the_edge_counts_independently_of_reads() {
    let at = |seconds: i64| request(UnixNanos::new(now().get() + seconds * SECOND), 1);
    let one_day = rolling(86_400);
    let read = |counter: &mut Counter, seconds: i64| {
        let at = UnixNanos::new(now().get() + seconds * SECOND);
        counter.read(at, None).used
    };
    // Buckets of 48 seconds: these events are in one bucket and in the next.
    let mut early = Counter::new(Measure::Tokens, &one_day);
    early.record(&at(0));
    assert_eq!(read(&mut early, 86_405), 0);
    early.record(&at(10));
    let mut late = Counter::new(Measure::Tokens, &one_day);
    late.record(&at(10));
    late.record(&at(0));
    for seconds in [86_405, 86_410, 86_500] {
        assert_eq!(read(&mut early, seconds), read(&mut late, seconds));
    }
}

/// The result by definition, over all events.
fn by_definition(entries: &[Entry], period: &Period, now: UnixNanos) -> u64 {
    let is_in = |at: i64| match period {
        Period::Calendar(calendar) => calendar.window(now).contains(UnixNanos::new(at)),
        Period::Rolling(seconds) => {
            let length = i64::try_from(seconds.get()).unwrap() * SECOND;
            now.get() - length < at && at <= now.get()
        }
    };
    let inside = entries.iter().filter(|entry| is_in(entry.at));
    inside.map(|entry| entry.tokens.total()).sum()
}

fn counted(entries: &[Entry], period: &Period, reads: &[i64]) -> Vec<u64> {
    let mut counter = Counter::new(Measure::Tokens, period);
    for entry in entries {
        counter.record(entry);
    }
    let reads = reads.iter();
    reads
        .map(|at| counter.read(UnixNanos::new(*at), None).used)
        .collect()
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let one = (-3 * DAY..DAY, 1_u64..1000);
    let one =
        one.prop_map(|(offset, tokens)| request(UnixNanos::new(now().get() + offset), tokens));
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #[test]
    fn calendar_sums_are_exact_in_any_order(entries in entries(), later in 0..DAY) {
        let reads = [now().get(), now().get() + later];
        let counted = counted(&entries, &daily(), &reads);
        for (at, used) in reads.iter().zip(counted) {
            prop_assert_eq!(used, by_definition(&entries, &daily(), UnixNanos::new(*at)));
        }
    }

    #[test]
    fn rolling_sums_lag_by_less_than_a_bucket(entries in entries(), later in 0..DAY) {
        for seconds in [60, 3600, 18_000, 172_800] {
            let period = rolling(seconds);
            let width = i64::try_from((seconds / 1800).clamp(1, 60)).unwrap() * SECOND;
            let reads = [now().get(), now().get() + later];
            for (at, used) in reads.iter().zip(counted(&entries, &period, &reads)) {
                let exact = by_definition(&entries, &period, UnixNanos::new(*at));
                // At each edge of the window, one bucket may cross it.
                let slack: u64 = entries
                    .iter()
                    .filter(|e| {
                        let start = at - i64::try_from(seconds).unwrap() * SECOND;
                        (start - width..=start).contains(&e.at) || (*at..at + width).contains(&e.at)
                    })
                    .map(|e| e.tokens.total())
                    .sum();
                prop_assert!(exact <= used && used <= exact + slack, "{} {} {}", exact, used, slack);
            }
        }
    }

    #[test]
    fn time_in_use_is_the_length_of_the_union(
        spans in proptest::collection::vec((0_i64..500, 0_u64..80), 0..40),
        from in 0_i64..300,
    ) {
        let mut counter = super::super::in_use::InUse::default();
        for (start, length) in &spans {
            counter.add(start * SECOND, length * 1000);
        }
        let to = from + 100;
        let covered = (from..to).filter(|second| {
            spans.iter().any(|(start, length)| {
                (*start..start + i64::try_from(*length).unwrap()).contains(second)
            })
        });
        let expected = covered.count() as u64 * 1_000_000_000;
        prop_assert_eq!(counter.within(from * SECOND, to * SECOND), expected);
        counter.advance(from * SECOND);
        prop_assert_eq!(counter.within(from * SECOND, to * SECOND), expected);
    }
}
