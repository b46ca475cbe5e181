use super::*;

const INTERVAL: Duration = Duration::from_mins(5);

fn planned(now: Instant) -> Schedule {
    let mut schedule = Schedule::new(1);
    schedule.put("a", INTERVAL, (None, None), now);
    schedule
}

/// Polls once at the time and says how soon the next one comes.
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
fn a_slow_answer_does_not_bring_the_next_poll_nearer() {
    let now = Instant::now();
    let mut schedule = planned(now);
    schedule.started("a", now);
    let answered = now + INTERVAL / 2;
    schedule.ended("a", None, answered);
    schedule.after_reset("a", answered);
    assert_eq!(schedule.next_time(), Some(answered + INTERVAL));
}

#[test]
fn failures_are_met_by_class() {
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
fn a_refused_credential_is_asked_again_when_it_has_changed() {
    let now = Instant::now();
    let mut schedule = planned(now);
    next(&mut schedule, Some(Failure::Unauthorized), now);
    let later = now + INTERVAL * 2;
    schedule.put("a", INTERVAL, (None, None), later);
    assert_eq!(schedule.next_due(later), None);
    schedule.put("a", INTERVAL, (Some(UnixNanos::new(1)), None), later);
    assert_eq!(schedule.next_due(later).as_deref(), Some("a"));
}

#[test]
fn a_reset_never_makes_polls_impolite() {
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
fn the_plan_is_asked_for_until_it_could_be_and_then_seldom() {
    let now = Instant::now();
    let mut schedule = planned(now);
    let transient = Failure::Transient { retry_after: None };
    assert!(schedule.started("a", now));
    schedule.ended("a", Some(transient), now);
    assert!(schedule.started("a", now + INTERVAL), "not read yet");
    schedule.not_asked("a", now + INTERVAL);
    assert!(schedule.started("a", now + INTERVAL * 2), "not asked yet");
    schedule.ended("a", None, now);
    assert!(!schedule.started("a", now + INTERVAL * 3));
    schedule.ended("a", Some(transient), now);
    assert!(!schedule.started("a", now + INTERVAL * 4), "is known");
    assert!(schedule.started("a", now + INTERVAL * 2 + PLAN_EVERY));
}

#[test]
fn headers_put_a_poll_off_unless_it_is_waited_for_or_overdue() {
    let now = Instant::now();
    let mut schedule = planned(now);
    let due = schedule.next_time();
    schedule.postpone("a", now + INTERVAL);
    assert_eq!(schedule.next_time(), due, "was never asked");
    next(&mut schedule, None, now);
    schedule.postpone("a", now + INTERVAL * 2);
    assert_eq!(schedule.next_time(), Some(now + INTERVAL * 2));
    schedule.force("a", now);
    schedule.postpone("a", now + INTERVAL * 2);
    assert_eq!(schedule.next_due(now).as_deref(), Some("a"));
}

#[test]
fn limits_that_no_header_carries_are_read_again_every_quarter_of_an_hour() {
    let now = Instant::now();
    let mut schedule = planned(now);
    next(&mut schedule, None, now);
    for seconds in 0..1000 {
        schedule.postpone("a", now + Duration::from_secs(seconds) + INTERVAL);
    }
    let quarter = now + Duration::from_mins(15);
    assert_eq!(schedule.next_time(), Some(quarter));
    // Who is to be asked more seldom than that is.
    schedule.put("a", Duration::from_hours(1), (None, None), now);
    next(&mut schedule, None, now);
    let due = schedule.next_time();
    schedule.postpone("a", now + Duration::from_hours(1));
    assert_eq!(schedule.next_time(), due);
}

#[test]
fn a_new_login_does_not_shorten_what_the_provider_asked_for() {
    let now = Instant::now();
    let mut schedule = planned(now);
    let wait = Duration::from_hours(3);
    let throttled = Failure::Throttled {
        retry_after: Some(wait),
    };
    next(&mut schedule, Some(throttled), now);
    schedule.put("a", INTERVAL, (Some(UnixNanos::new(1)), None), now);
    assert_eq!(schedule.next_time(), Some(now + wait));
}

#[test]
fn a_running_poll_is_not_started_twice() {
    let now = Instant::now();
    let mut schedule = planned(now);
    schedule.force("a", now);
    schedule.started("a", now);
    assert_eq!(schedule.next_due(now + INTERVAL * 9), None);
    schedule.keep(|_| false);
    schedule.ended("a", None, now);
    schedule.keep(|_| false);
    assert_eq!(schedule.next_time(), None);
    assert!(!schedule.force("a", now));
}
