use super::*;
use crate::model::{Limit, Scope};

const HOUR: f64 = 3_600_000_000_000.0;

fn at(hours: f64) -> UnixNanos {
    #[expect(clippy::cast_possible_truncation, reason = "test times are small")]
    UnixNanos::new(1_790_000_000_000_000_000 + (hours * HOUR) as i64)
}

fn reading(percent: f64, reset: f64) -> Reading {
    Reading::new(Limit::main(), Window::hours(5), Scope::Account)
        .with_percent(Some(percent))
        .with_reset(Some(at(reset)))
}

fn row(percent: f64, reset: f64, observed: f64) -> WindowState {
    let seen = poll(observed);
    WindowState::new(reading(percent, reset), seen, seen.at)
}

fn seen(source: QuotaSource, hours: f64) -> Observation {
    Observation::new(source, at(hours), at(hours))
}

fn poll(hours: f64) -> Observation {
    seen(QuotaSource::Poll, hours)
}

/// Applies a reading at its time of observation.
fn update(row: &mut WindowState, reading: Reading, seen: Observation) -> bool {
    row.update(reading, seen, seen.at)
}

#[test]
fn newest_reading_wins_regardless_of_arrival_order() {
    let mut row = row(10.0, 5.0, 1.0);
    assert!(update(
        &mut row,
        reading(20.0, 5.0),
        seen(QuotaSource::Header, 2.0)
    ));
    assert!(!row.update(reading(15.0, 5.0), poll(1.5), at(2.0)));
    assert_eq!(row.reading().used_ratio(), Some(0.2));
    assert_eq!(row.seen.source, QuotaSource::Header);
    assert!(!update(&mut row, reading(20.0, 5.0), poll(3.0)));
    assert_eq!(row.seen.at, at(3.0), "a repeat updates the time");
}

#[test]
fn ended_window_counts_one_reset_and_expires() {
    let mut row = row(80.0, 5.0, 4.9);
    assert!(!row.expire(at(4.99)));
    assert!(row.expire(at(5.0)));
    assert!(!row.expire(at(5.1)));
    assert!(!row.is_current());
    assert!(update(&mut row, reading(1.0, 10.0), poll(5.2)));
    assert!(row.is_current());
    assert_eq!(row.resets(), 1);
}

#[test]
fn late_reading_of_an_ended_window_is_ignored() {
    let mut row = row(80.0, 5.0, 4.9);
    assert!(!update(
        &mut row,
        reading(81.0, 5.001),
        seen(QuotaSource::Header, 5.0005)
    ));
    assert!(!row.is_current());
    row.expire(at(5.1));
    assert_eq!(row.resets(), 1);
    // The same without a check at the time of the reset.
    let mut row = self::row(80.0, 5.0, 4.9);
    update(&mut row, reading(2.0, 10.0), poll(6.0));
    assert_eq!(row.resets(), 1);
}

#[test]
fn jitter_and_unused_rolling_windows_are_no_resets() {
    let mut row = row(0.0, 5.0, 0.0);
    for step in 1..50 {
        let now = f64::from(step) / 10.0;
        update(&mut row, reading(0.0, now + 5.0), poll(now));
        row.expire(at(now));
    }
    assert_eq!(row.resets(), 0);
    let mut row = self::row(40.0, 5.0, 1.0);
    let wobbling = [5.01, 4.99, 5.0].map(|reset| reading(40.0, reset));
    for (step, reading) in (2..).zip(wobbling) {
        update(
            &mut row,
            reading,
            seen(QuotaSource::Header, f64::from(step)),
        );
        assert_eq!(
            row.reading().reset_at(),
            Some(at(5.0)),
            "the first time is kept"
        );
    }
    assert_eq!(row.resets(), 0);
}

#[test]
fn started_window_gets_its_reset_time() {
    let idle = reading(0.0, 5.0).with_reset(None);
    let mut row = WindowState::new(idle, poll(0.0), at(0.0));
    update(&mut row, reading(1.0, 6.0), poll(1.0));
    assert_eq!(row.reading().reset_at(), Some(at(6.0)));
    assert!(row.expire(at(6.0)));
    assert_eq!(row.resets(), 1);
}

#[test]
fn bought_reset_counts() {
    let mut row = row(97.0, 5.0, 1.0);
    update(&mut row, reading(0.0, 6.0), poll(1.1));
    assert_eq!(row.resets(), 1);
}

#[test]
fn refusal_keeps_the_known_values() {
    let mut row = row(97.0, 5.0, 1.0);
    let refusal = Reading::new(Limit::main(), Window::hours(5), Scope::Account)
        .with_reset(Some(at(5.0)))
        .with_exhausted(Some(true));
    update(&mut row, refusal, seen(QuotaSource::Error, 2.0));
    assert_eq!(row.reading().used_ratio(), Some(0.97));
    assert_eq!(row.reading().exhausted(), Some(true));
}

#[test]
fn forecast_follows_the_average_pace() {
    // Half used after two of five hours: all after four.
    assert_eq!(row(50.0, 5.0, 2.0).exhaustion(), Some(at(4.0)));
    assert_eq!(
        row(40.0, 5.0, 2.0).exhaustion(),
        None,
        "not before the reset"
    );
    assert_eq!(row(30.0, 5.0, 0.4).exhaustion(), None, "too early");
    assert_eq!(row(100.0, 5.0, 2.0).exhaustion(), None, "is exhausted");
    assert_eq!(row(0.0, 5.0, 2.0).exhaustion(), None);
}

#[test]
fn reading_without_reset_time_expires_after_a_day() {
    let bare = Reading::new(Limit::main(), Window::UNKNOWN, Scope::Account);
    let mut row = WindowState::new(bare.with_percent(Some(5.0)), poll(0.0), at(0.0));
    assert!(!row.expire(at(23.0)));
    assert!(row.expire(at(24.0)));
    assert_eq!(row.resets(), 0);
}

#[test]
fn future_observation_does_not_block_later_readings() {
    let from_another_clock = Observation::new(QuotaSource::Header, at(90.0), at(1.0));
    let mut row = WindowState::new(reading(10.0, 5.0), from_another_clock, at(1.0));
    assert!(row.update(reading(20.0, 5.0), poll(1.1), at(1.1)));
    assert_eq!(row.resets(), 0);
    // The local clock was ahead and has been corrected.
    let mut row = self::row(10.0, 5.0, 4.0);
    assert!(row.update(reading(20.0, 5.0), poll(1.0), at(1.0)));
    assert_eq!(row.seen.at, at(1.0));
}

#[test]
fn window_that_ended_before_the_first_reading_is_not_counted() {
    let row = WindowState::new(reading(80.0, 5.0), poll(4.0), at(6.0));
    assert!(!row.is_current());
    assert_eq!(row.resets(), 0);
}

#[test]
fn expired_reading_is_not_restored_by_a_repeat() {
    let bare = Reading::new(Limit::main(), Window::MONTH, Scope::Spend);
    let bare = bare.with_percent(Some(5.0));
    let mut row = WindowState::new(bare.clone(), poll(0.0), at(0.0));
    assert!(row.expire(at(24.0)));
    assert!(!row.update(bare, poll(0.0), at(24.1)));
    assert!(!row.is_current());
}

#[test]
fn reset_into_an_unstarted_window_counts_once() {
    let mut row = row(97.0, 5.0, 1.0);
    let fresh = reading(0.0, 6.0).with_reset(None);
    assert!(update(&mut row, fresh, poll(1.1)));
    assert_eq!((row.resets(), row.reading().reset_at()), (1, None));
    row.expire(at(5.0));
    assert_eq!(row.resets(), 1, "the old reset time is void");
}

#[test]
fn later_reading_supersedes_a_refusal() {
    let refusal =
        Reading::new(Limit::main(), Window::UNKNOWN, Scope::Account).with_exhausted(Some(true));
    let mut row = WindowState::new(refusal, seen(QuotaSource::Error, 1.0), at(1.0));
    row.supersede(poll(0.9));
    row.supersede(seen(QuotaSource::Error, 1.1));
    assert!(row.is_current());
    row.supersede(seen(QuotaSource::Header, 1.1));
    assert!(!row.is_current());
    assert_eq!(row.resets(), 0);
    assert!(!row.is_obsolete(at(24.0)) && row.is_obsolete(at(24.0 * 40.0)));
}

#[test]
fn a_reset_far_beyond_the_window_is_none() {
    let never = 24.0 * 365.0 * 70.0;
    let mut new = row(10.0, never, 1.0);
    assert_eq!(new.reading().reset_at(), None);
    assert_eq!(new.reading().used_ratio(), Some(0.1));
    assert!(update(&mut new, reading(20.0, 5.0), poll(1.5)));
    assert_eq!(new.reading().reset_at(), Some(at(5.0)));
    // Such a date is no reset of the window, and the true end stays.
    assert!(update(&mut new, reading(1.0, never), poll(2.0)));
    assert_eq!(new.reading().reset_at(), Some(at(5.0)));
    assert_eq!(new.resets(), 0);
    // A window of unknown length may have any reset time.
    let unknown = reading(10.0, never).in_window(Window::UNKNOWN);
    let unknown = WindowState::new(unknown, poll(1.0), at(1.0));
    assert_eq!(unknown.reading().reset_at(), Some(at(never)));
}

#[test]
fn the_history_gets_steps_of_a_thousandth() {
    let mut row = row(10.0, 5.0, 0.0);
    assert!(row.take_point().is_some(), "the first");
    let mut points = Vec::new();
    // A request each second, each with a full float.
    for second in 1..=1000_u32 {
        let now = f64::from(second) / 3600.0;
        let percent = 10.0 + f64::from(second) * 0.001_234_567;
        assert!(update(
            &mut row,
            reading(percent, 5.0),
            seen(QuotaSource::Header, now)
        ));
        points.extend(row.take_point());
    }
    assert_eq!(points.len(), 12, "1.2 % in steps of 0.1 %");
    let ratios: Vec<f64> = points.iter().filter_map(Reading::used_ratio).collect();
    assert!(
        ratios.windows(2).all(|two| two[1] - two[0] >= 0.000_999),
        "{ratios:?}"
    );
}

#[test]
fn the_history_gets_what_is_more_than_a_step_at_once() {
    use crate::model::{Amounts, Unit};

    let limited = |limit| Amounts::new(Unit::Requests, None, Some(limit), None);
    let fine = 10.000_1;
    let changes = [
        ("reset", reading(fine, 7.0), true),
        (
            "no reset",
            reading(10.0, 5.0).with_reset(Some(at(5.001))),
            false,
        ),
        (
            "exhausted",
            reading(fine, 5.0).with_exhausted(Some(true)),
            true,
        ),
        (
            "limit",
            reading(fine, 5.0).with_amounts(limited(50.0)),
            true,
        ),
        ("unlimited", reading(fine, 5.0).with_unlimited(true), true),
        ("below a step", reading(10.09, 5.0), false),
        ("a step", reading(10.1, 5.0), true),
        ("a step down", reading(9.9, 5.0), true),
    ];
    for (what, reading, is_written) in changes {
        let mut row = row(10.0, 5.0, 1.0);
        row.take_point();
        update(&mut row, reading, poll(1.1));
        assert_eq!(row.take_point().is_some(), is_written, "{what}");
    }
    let mut row = row(10.0, 5.0, 1.0);
    row.take_point();
    update(&mut row, reading(fine, 5.0), poll(2.1));
    assert!(row.take_point().is_some(), "an hour later");
}

#[test]
fn amounts_without_a_limit_are_compared_with_each_other() {
    use crate::model::{Amounts, Unit};

    let used = |used| {
        let amounts = Amounts::new(Unit::Tokens, Some(used), None, None);
        reading(0.0, 5.0).with_ratio(None).with_amounts(amounts)
    };
    let mut row = WindowState::new(used(10_000.0), poll(1.0), at(1.0));
    row.take_point();
    let mut is_written = |amount, hours| {
        update(&mut row, used(amount), poll(hours));
        row.take_point().is_some()
    };
    assert!(!is_written(10_005.0, 1.1));
    assert!(is_written(10_011.0, 1.2));
    assert!(is_written(0.0, 1.3));
    assert!(is_written(1.0, 1.4));
}
