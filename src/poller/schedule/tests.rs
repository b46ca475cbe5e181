use super::*;

const INTERVAL: Duration = Duration::from_mins(5);

fn planned(now: Instant) -> Schedule {
    let mut schedule = Schedule::new(true);
    schedule.insert("a", INTERVAL, (None, None), now);
    schedule
}

/// Runs one poll at this time and returns the delay of the next one.
fn next(schedule: &mut Schedule, failure: Option<Failure>, now: Instant) -> Duration {
    schedule.started("a", now);
    schedule.ended("a", failure, now);
    schedule.next_time().unwrap() - now
}

#[test]
fn polls_keep_their_interval_and_spread() {
    let now = Instant::now();
    let mut schedule = planned(now);
    assert!(schedule.next_time().unwrap() < now + FIRST_SPREAD);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        let pause = next(&mut schedule, None, now);
        assert!((INTERVAL..=INTERVAL * 9 / 8).contains(&pause), "{pause:?}");
        seen.insert(pause);
    }
    assert!(seen.len() > 10);
}

#[test]
fn slow_response_does_not_shorten_the_interval() {
    let now = Instant::now();
    let mut schedule = planned(now);
    schedule.started("a", now);
    let answered = now + INTERVAL / 2;
    schedule.ended("a", None, answered);
    schedule.after_reset("a", answered);
    assert_eq!(schedule.next_time(), Some(answered + INTERVAL));
}

#[test]
fn retry_delay_depends_on_the_failure_class() {
    let now = Instant::now();
    let transient = Failure::Transient { retry_after: None };
    let mut schedule = planned(now);
    let pauses: Vec<u64> = (0..6)
        .map(|_| next(&mut schedule, Some(transient), now).as_secs())
        .collect();
    assert_eq!(pauses, [300, 600, 1200, 2400, 3600, 3600]);
    let wait = Duration::from_hours(3);
    let throttled = Failure::Throttled {
        retry_after: Some(wait),
    };
    assert_eq!(next(&mut schedule, Some(throttled), now), wait);
    for failure in [Failure::Unauthorized, Failure::Payment] {
        assert_eq!(next(&mut schedule, Some(failure), now), REFUSED);
    }
    for failure in [Failure::Forbidden, Failure::Unsupported] {
        assert_eq!(next(&mut schedule, Some(failure), now), UNSUPPORTED);
    }
    assert!(
        next(&mut schedule, None, now) < INTERVAL * 2,
        "all is well again"
    );
}

#[test]
fn changed_credential_is_polled_again() {
    let now = Instant::now();
    let mut schedule = planned(now);
    next(&mut schedule, Some(Failure::Unauthorized), now);
    let later = now + INTERVAL * 2;
    schedule.insert("a", INTERVAL, (None, None), later);
    assert_eq!(schedule.next_due(later), None);
    schedule.insert("a", INTERVAL, (Some(UnixNanos::new(1)), None), later);
    assert_eq!(schedule.next_due(later).as_deref(), Some("a"));
}

#[test]
fn reset_does_not_shorten_the_minimum_interval() {
    let now = Instant::now();
    let mut schedule = planned(now);
    next(&mut schedule, None, now);
    schedule.after_reset("a", now + Duration::from_secs(10));
    assert_eq!(schedule.next_time(), Some(now + INTERVAL));
    next(&mut schedule, Some(Failure::Unsupported), now);
    schedule.after_reset("a", now + INTERVAL);
    assert!(schedule.next_time().unwrap() > now + INTERVAL * 2);
}

#[test]
fn plan_is_requested_until_read_and_then_seldom() {
    let now = Instant::now();
    let mut schedule = planned(now);
    let transient = Failure::Transient { retry_after: None };
    assert!(schedule.started("a", now));
    schedule.ended("a", Some(transient), now);
    assert!(schedule.started("a", now + INTERVAL), "no poll has read it");
    schedule.skipped("a", now + INTERVAL);
    assert!(
        schedule.started("a", now + INTERVAL * 2),
        "no poll was sent"
    );
    schedule.ended("a", None, now);
    assert!(!schedule.started("a", now + INTERVAL * 3));
    schedule.ended("a", Some(transient), now);
    assert!(!schedule.started("a", now + INTERVAL * 4), "is known");
    assert!(schedule.started("a", now + INTERVAL * 2 + PLAN_EVERY));
}

#[test]
fn headers_delay_a_poll_unless_forced_or_overdue() {
    let now = Instant::now();
    let mut schedule = planned(now);
    let due = schedule.next_time();
    schedule.postpone("a", now + INTERVAL);
    assert_eq!(schedule.next_time(), due, "no response yet");
    next(&mut schedule, None, now);
    schedule.postpone("a", now + INTERVAL * 2);
    assert_eq!(schedule.next_time(), Some(now + INTERVAL * 2));
    schedule.force("a", now);
    schedule.postpone("a", now + INTERVAL * 2);
    assert_eq!(schedule.next_due(now).as_deref(), Some("a"));
}

#[test]
fn polls_happen_every_quarter_of_an_hour_despite_headers() {
    let now = Instant::now();
    let mut schedule = planned(now);
    next(&mut schedule, None, now);
    for seconds in 0..1000 {
        schedule.postpone("a", now + Duration::from_secs(seconds) + INTERVAL);
    }
    let quarter = now + Duration::from_mins(15);
    assert_eq!(schedule.next_time(), Some(quarter));
    // A longer interval is kept.
    schedule.insert("a", Duration::from_hours(1), (None, None), now);
    next(&mut schedule, None, now);
    let due = schedule.next_time();
    schedule.postpone("a", now + Duration::from_hours(1));
    assert_eq!(schedule.next_time(), due);
}

#[test]
fn new_login_does_not_shorten_a_retry_after() {
    let now = Instant::now();
    let mut schedule = planned(now);
    let wait = Duration::from_hours(3);
    let throttled = Failure::Throttled {
        retry_after: Some(wait),
    };
    next(&mut schedule, Some(throttled), now);
    schedule.insert("a", INTERVAL, (Some(UnixNanos::new(1)), None), now);
    assert_eq!(schedule.next_time(), Some(now + wait));
}

#[test]
fn running_poll_is_not_started_twice() {
    let now = Instant::now();
    let mut schedule = planned(now);
    schedule.force("a", now);
    schedule.started("a", now);
    assert_eq!(schedule.next_due(now + INTERVAL * 9), None);
    schedule.retain(|_| false);
    schedule.ended("a", None, now);
    schedule.retain(|_| false);
    assert_eq!(schedule.next_time(), None);
    assert!(!schedule.force("a", now));
}

#[test]
fn manual_schedule_polls_only_by_force() {
    let now = Instant::now();
    let mut schedule = Schedule::new(false);
    schedule.insert("a", INTERVAL, (None, None), now);
    assert_eq!(schedule.next_due(now + INTERVAL * 9), None);
    assert!(schedule.force("a", now));
    assert_eq!(schedule.next_due(now).as_deref(), Some("a"));
}
