//! Hand-computed numbers.

use super::super::{Every, Measure, Period, Rules, projection};
use super::support::{DAY, SECOND, at, budget, calendar, glm, paid, quota, request, usage, used};
use crate::model::UnixNanos;

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

/// Ratio of a daily quota of requests or tokens after some usage.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn ratio(used: u64, limit: u64) -> f64 {
    let now = at("2026-02-04T04:15:00Z");
    let period = Period::Calendar(calendar(Every::Day, "10:00", "Asia/Shanghai"));
    let rule = quota("daily", Measure::Tokens, period, Some(limit));
    let mut usage = usage(
        Rules {
            quotas: vec![rule],
            ..Rules::default()
        },
        now,
    );
    usage.record(&glm(), &request(at("2026-02-04T02:00:00Z"), used - 1));
    usage.record(&glm(), &request(at("2026-02-04T04:00:00Z"), 1));
    // The day before.
    usage.record(&glm(), &request(at("2026-02-04T01:59:59Z"), 999));
    let state = usage.quotas(now).next().unwrap();
    assert_eq!(state.count.used, used);
    assert_eq!(state.count.window.end, at("2026-02-05T02:00:00Z"));
    state.count.used as f64 / state.rule.limit.unwrap() as f64
}

#[test]
fn quota_ratios() {
    for (used, limit, share) in [
        (7_000_000, 10_000_000, 0.7),
        (450, 1000, 0.45),
        (45_000, 180_000, 0.25),
        (4_000_000, 5_000_000, 0.8),
        (6_000_000, 10_000_000, 0.6),
    ] {
        assert!(close(ratio(used, limit), share), "{used}/{limit}");
    }
}

#[test]
fn projections_and_anomalies() {
    assert!(close(projection::month_of(4.5), 135.0));
    assert!(close(projection::month_of(50e6), 1500e6));
    let now = at("2026-02-15T12:00:00Z");
    let mut usage = usage(Rules::default(), now);
    // Seven complete days of five dollars, and 12.50 today.
    for day in 1..=7 {
        let day = UnixNanos::new(now.get() - day * DAY);
        usage.record(&glm(), &paid(day, 2_000_000_000));
        usage.record(&glm(), &paid(day, 3_000_000_000));
    }
    usage.record(&glm(), &paid(now, 12_500_000_000));
    // Older days are not part of the mean.
    usage.record(&glm(), &paid(at("2026-02-07T12:00:00Z"), 90_000_000_000));
    let total = usage.days(now).next().unwrap();
    let mean = total.mean.unwrap();
    assert_eq!(mean.days, 7);
    assert!(close(mean.cost, 5e9));
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let today = total.today.cost as f64;
    assert!(close(today / mean.cost, 2.5));
    assert_eq!(total.month_to_date.cost, 137_500_000_000);
}

#[test]
fn cost_per_million_tokens_covers_billed_tokens_only() {
    let now = at("2026-02-04T12:00:00Z");
    let mut usage = usage(Rules::default(), now);
    let mut record = |tokens, nanos| {
        let mut entry = request(now, tokens);
        entry.cost = nanos;
        usage.record(&glm(), &entry);
    };
    record(25_000_000, 18_000_000_000);
    record(20_000_000, 10_000_000_000);
    // Covered by a plan.
    record(55_000_000, 0);
    let total = usage.days(now).next().unwrap().month_to_date;
    assert_eq!(total.tokens, 100_000_000);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let per_million = total.cost as f64 / 1e9 / (total.paid_tokens as f64 / 1e6);
    assert!((per_million - 0.622).abs() < 0.001, "{per_million}");
}

#[test]
fn mean_covers_only_days_with_history() {
    let now = at("2026-02-15T12:00:00Z");
    let mean = |days: &[i64]| {
        let mut usage = usage(Rules::default(), now);
        for day in days {
            let at = UnixNanos::new(now.get() - day * DAY);
            usage.record(&glm(), &paid(at, 6_000_000_000));
        }
        usage.days(now).next().unwrap().mean
    };
    assert_eq!(mean(&[0]), None);
    assert_eq!(mean(&[0, 1]).unwrap().days, 1);
    // Two dollars per day: the day in between counts.
    let three = mean(&[0, 3]).unwrap();
    assert!(three.days == 3 && close(three.cost, 2e9));
    // Older usage counts as history, too.
    let seven = mean(&[2, 14]).unwrap();
    assert!(seven.days == 7 && close(seven.cost, 6e9 / 7.0));
}

#[test]
fn budgets_and_their_forecasts() {
    let month = calendar(Every::Month(1), "00:00", "UTC");
    let day = calendar(Every::Day, "00:00", "UTC");
    let rules = Rules {
        budgets: vec![budget("month", month, 150), budget("day", day, 5)],
        ..Rules::default()
    };
    // A quarter of the 28 days of February.
    let now = at("2026-02-08T00:00:00Z");
    let mut usage = usage(rules, now);
    for day in 1..=7 {
        let at = UnixNanos::new(now.get() - day * DAY);
        usage.record(&glm(), &paid(at, 4_000_000_000));
    }
    usage.record(&glm(), &paid(now, 5_000_000_000));
    let states: Vec<_> = usage.budgets(now).collect();
    let (month, day) = (states[0], states[1]);
    assert_eq!(month.count.used, 33_000_000_000);
    assert_eq!(month.count.window.start, at("2026-02-01T00:00:00Z"));
    assert_eq!(month.count.window.end, at("2026-03-01T00:00:00Z"));
    let window = month.count.window;
    assert!(close(
        projection::at_pace(33.0, window, now).unwrap(),
        132.0
    ));
    assert!(close(month.average.unwrap(), 4e9));
    assert!(close(
        projection::with_average(33.0, 4.0, window, now),
        33.0 + 21.0 * 4.0
    ));
    assert_eq!(
        (day.count.used, day.rule.limit),
        (5_000_000_000, 5_000_000_000)
    );
    assert_eq!(projection::at_pace(5.0, day.count.window, now), None);
}

#[test]
fn rolling_usage_reports_its_oldest_expiry() {
    let now = at("2026-02-04T12:00:00Z");
    let period = Period::rolling(std::time::Duration::from_hours(5)).unwrap();
    let rule = quota("minimax", Measure::Tokens, period, Some(5_000_000));
    let mut usage = usage(
        Rules {
            quotas: vec![rule],
            ..Rules::default()
        },
        now,
    );
    usage.record(&glm(), &request(at("2026-02-04T07:45:00Z"), 1_000_000));
    usage.record(&glm(), &request(at("2026-02-04T11:00:00Z"), 3_000_000));
    let count = usage.quotas(now).next().unwrap().count;
    assert_eq!(count.used, 4_000_000);
    // The oldest usage expires in 45 minutes.
    assert_eq!(count.oldest_expiry, Some(at("2026-02-04T12:45:00Z")));
    let later = UnixNanos::new(at("2026-02-04T12:45:00Z").get() - SECOND);
    assert_eq!(used(&mut usage, later), 4_000_000);
    assert_eq!(used(&mut usage, at("2026-02-04T12:45:00Z")), 3_000_000);
    let last = at("2026-02-04T16:00:00Z");
    assert_eq!(used(&mut usage, last), 0);
    assert_eq!(usage.quotas(last).next().unwrap().count.oldest_expiry, None);
}
