use std::cmp::Ordering;

use jiff::civil::Weekday;
use jiff::tz::AmbiguousOffset;
use proptest::prelude::*;

use super::super::{Every, Window};
use super::support::{HOUR, at, calendar, zone};
use crate::model::UnixNanos;

fn window(start: &str, end: &str) -> Window {
    Window {
        start: at(start),
        end: at(end),
    }
}

#[test]
fn day_starts_at_its_local_time() {
    let glm = calendar(Every::Day, "10:00", "Asia/Shanghai");
    // 10:00 in Shanghai is 02:00 UTC.
    let expected = window("2026-02-04T02:00:00Z", "2026-02-05T02:00:00Z");
    assert_eq!(glm.window(at("2026-02-04T04:15:00Z")), expected);
    assert_eq!(glm.window(at("2026-02-04T02:00:00Z")), expected);
    assert_eq!(glm.window(at("2026-02-05T01:59:59.999999999Z")), expected);
    assert_ne!(glm.window(at("2026-02-05T02:00:00Z")), expected);
    assert_ne!(glm.window(at("2026-02-04T01:59:59.999999999Z")), expected);
}

#[test]
fn day_with_a_clock_change_is_shorter_or_longer() {
    let midnight = calendar(Every::Day, "00:00", "Europe/Berlin");
    let length = |moment: &str| {
        let day = midnight.window(at(moment));
        day.end.since(day.start).as_secs() / 3600
    };
    assert_eq!(length("2026-03-28T12:00:00Z"), 24);
    assert_eq!(length("2026-03-29T12:00:00Z"), 23);
    assert_eq!(length("2026-10-25T12:00:00Z"), 25);
}

#[test]
fn skipped_local_time_becomes_the_moment_after_the_gap() {
    // Berlin skips from 02:00 to 03:00 at 01:00 UTC.
    let daily = calendar(Every::Day, "02:30", "Europe/Berlin");
    let expected = window("2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    assert_eq!(daily.window(at("2026-03-29T01:00:00Z")), expected);
    assert_eq!(daily.window(at("2026-03-29T12:00:00Z")), expected);
    assert_eq!(
        daily.window(at("2026-03-29T00:59:59Z")),
        window("2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z")
    );
    // Beirut has no midnight on that date.
    let midnight = calendar(Every::Day, "00:00", "Asia/Beirut");
    assert_eq!(
        midnight.window(at("2026-03-29T06:00:00Z")).start,
        at("2026-03-28T22:00:00Z")
    );
}

#[test]
fn repeated_local_time_means_the_first() {
    // New York falls back from 02:00 to 01:00 at 06:00 UTC.
    let daily = calendar(Every::Day, "01:30", "America/New_York");
    let expected = window("2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z");
    assert_eq!(daily.window(at("2026-11-01T05:30:00Z")), expected);
    assert_eq!(daily.window(at("2026-11-01T06:30:00Z")), expected);
}

#[test]
fn day_skipped_by_a_zone_has_no_window() {
    // Samoa crossed the date line: 30 December 2011 did not exist.
    let daily = calendar(Every::Day, "00:00", "Pacific/Apia");
    let before = daily.window(at("2011-12-30T09:00:00Z"));
    assert_eq!(before.end, at("2011-12-30T10:00:00Z"));
    let after = daily.window(before.end);
    assert_eq!(after.start, before.end);
    assert_eq!(after.end, at("2011-12-31T10:00:00Z"));
}

#[test]
fn month_starts_on_the_configured_day() {
    let last = calendar(Every::Month(31), "00:00", "UTC");
    let starts = [
        "2026-01-31T00:00:00Z",
        "2026-02-28T00:00:00Z",
        "2026-03-31T00:00:00Z",
        "2026-04-30T00:00:00Z",
    ];
    for pair in starts.windows(2) {
        assert_eq!(last.window(at(pair[0])), window(pair[0], pair[1]));
    }
    let kimi = calendar(Every::Month(15), "00:00", "UTC");
    let now = at("2026-02-04T00:00:00Z");
    let left = kimi.window(now).end.since(now);
    assert_eq!(left.as_secs(), 11 * 86_400);
    let leap = calendar(Every::Month(30), "00:00", "UTC");
    assert_eq!(
        leap.window(at("2028-03-01T00:00:00Z")),
        window("2028-02-29T00:00:00Z", "2028-03-30T00:00:00Z")
    );
}

#[test]
fn week_starts_on_the_configured_day() {
    let monday = calendar(Every::Week(Weekday::Monday), "00:00", "UTC");
    let expected = window("2026-02-02T00:00:00Z", "2026-02-09T00:00:00Z");
    for moment in ["2026-02-02T00:00:00Z", "2026-02-08T23:59:59Z"] {
        assert_eq!(monday.window(at(moment)), expected);
    }
    let sunday = calendar(Every::Week(Weekday::Sunday), "18:00", "UTC");
    assert_eq!(
        sunday.window(at("2026-02-08T17:59:59Z")).start,
        at("2026-02-01T18:00:00Z")
    );
}

/// Time zones with half-hour offsets, changes at midnight and a change of half an hour.
const ZONES: [&str; 5] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Cairo",
];

#[test]
fn windows_cover_ten_years_without_gap_or_overlap() {
    for name in ZONES {
        for every in [
            Every::Day,
            Every::Week(Weekday::Thursday),
            Every::Month(31),
            Every::Month(1),
        ] {
            for clock in ["00:00", "02:30"] {
                let windows = calendar(every, clock, name);
                let mut at_window = windows.window(at("2020-01-01T00:00:00Z"));
                while at_window.start < at("2030-01-01T00:00:00Z") {
                    let last = UnixNanos::new(at_window.end.get() - 1);
                    assert_eq!(windows.window(last), at_window, "{name} {every:?}");
                    let next = windows.window(at_window.end);
                    assert_eq!(next.start, at_window.end, "{name} {every:?} {clock}");
                    assert!(next.start < next.end);
                    assert_eq!(windows.before(next), at_window);
                    at_window = next;
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_moment_is_in_its_window(
        seconds in 1_577_836_800_i64..1_893_456_000,
        name in proptest::sample::select(&ZONES),
        hour in 0_i8..24,
        minute in 0_i8..60,
    ) {
        let moment = UnixNanos::new(seconds * 1_000_000_000);
        let clock = format!("{hour:02}:{minute:02}");
        let day = calendar(Every::Day, &clock, name).window(moment);
        prop_assert!(day.contains(moment));
        let length = day.end.get() - day.start.get();
        prop_assert!((22 * HOUR..=26 * HOUR).contains(&length));
        let start = jiff::Timestamp::from_nanosecond(i128::from(day.start.get())).unwrap();
        let local = zone(name).to_datetime(start);
        let wanted = jiff::civil::time(hour, minute, 0, 0);
        // The start differs from the configured time only where the clocks skip it, and is then
        // later.
        let wish = zone(name).to_ambiguous_timestamp(local.date().to_datetime(wanted));
        let is_skipped = matches!(wish.offset(), AmbiguousOffset::Gap { .. });
        let order = local.time().cmp(&wanted);
        prop_assert_eq!(order, if is_skipped { Ordering::Greater } else { Ordering::Equal });
    }
}
