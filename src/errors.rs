//! Formats an error with its causes in one line, and limits repeated log lines.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

/// Formats an error with its causes: `a: b: c`.
///
/// For the log: structured formats print only the outermost text of an error value.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

/// Pauses between two log lines of a repeated cause.
const SUMMARY_FIRST: Duration = Duration::from_mins(1);
const SUMMARY_MAX: Duration = Duration::from_hours(1);
/// Maximum number of tracked causes; the oldest is dropped.
const MAX_CAUSES: usize = 16;

/// Limits the log lines of repeated failures.
///
/// A cause is logged when it first appears, and then with a count after 1, 2, 4 … 60 minutes, until
/// an attempt succeeds.
#[derive(Debug, Default)]
pub struct RepeatLimit(HashMap<String, Repeats>);

#[derive(Debug)]
struct Repeats {
    first: Instant,
    last: Instant,
    count: u64,
    next: Instant,
    pause: Duration,
}

impl RepeatLimit {
    /// Whether to log this failure; if so, the value of the field `repeated`: `None` for the first
    /// time, else how often and for how long the cause has occurred.
    pub fn log(&mut self, cause: &str, now: Instant) -> Option<Option<String>> {
        let cause = without_numbers(cause);
        if let Some(repeats) = self.0.get_mut(&cause) {
            repeats.count += 1;
            repeats.last = now;
            if now < repeats.next {
                return None;
            }
            repeats.pause = (repeats.pause * 2).min(SUMMARY_MAX);
            repeats.next = now + repeats.pause;
            let seconds = now.duration_since(repeats.first).as_secs();
            let span = humantime::format_duration(Duration::from_secs(seconds));
            return Some(Some(format!("{} times in {span}", repeats.count)));
        }
        if self.0.len() >= MAX_CAUSES {
            let oldest = self.0.iter().min_by_key(|(_, repeats)| repeats.first);
            if let Some(cause) = oldest.map(|(cause, _)| cause.clone()) {
                self.0.remove(&cause);
            }
        }
        let repeats = Repeats {
            first: now,
            last: now,
            count: 1,
            next: now + SUMMARY_FIRST,
            pause: SUMMARY_FIRST,
        };
        self.0.insert(cause, repeats);
        Some(None)
    }

    /// Drops causes that have been quiet for a minute. For successes among failures: resetting all
    /// causes there would log each failure anew.
    pub fn forget_old(&mut self, now: Instant) {
        self.0
            .retain(|_, repeats| now.saturating_duration_since(repeats.last) < SUMMARY_FIRST);
    }

    /// Resets all causes after a success.
    pub fn succeeded(&mut self) {
        self.0.clear();
    }
}

/// A text of a cause has times and ports in it that are others each time ("30 seconds ago"). What
/// tells two causes apart are its words.
fn without_numbers(cause: &str) -> String {
    let mut words = cause.replace(|c: char| c.is_ascii_digit(), "#");
    while words.contains("##") {
        words = words.replace("##", "#");
    }
    words
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn causes_follow_in_order() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("inner"));
        assert_eq!(Chain(&error).to_string(), "outer: inner");
    }

    #[test]
    fn a_cause_with_other_numbers_is_the_same() {
        let now = Instant::now();
        let mut limit = RepeatLimit::default();
        let expired = |time: u64| {
            format!(
                "certificate expired: verification time {time}, {} seconds ago",
                time % 7
            )
        };
        assert!(limit.log(&expired(1_796_060_064), now).is_some());
        assert_eq!(limit.log(&expired(1_796_060_065), now), None);
        assert!(limit.log("status 502 Bad Gateway", now).is_some());
        assert!(limit.log("status 503 Service Unavailable", now).is_some());
    }

    #[test]
    fn a_cause_is_logged_first_and_then_at_growing_intervals() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut limit = RepeatLimit::default();
        let mut logged = Vec::new();
        // Every five seconds for ten minutes.
        for attempt in 0..=120 {
            if let Some(repeated) = limit.log("refused", at(attempt * 5)) {
                logged.push((attempt * 5, repeated));
            }
        }
        let text = |text: &str| Some(text.to_owned());
        let expected = [
            (0, None),
            (60, text("13 times in 1m")),
            (180, text("37 times in 3m")),
            (420, text("85 times in 7m")),
        ];
        assert_eq!(logged, expected);
        // Alternating causes do not reset each other.
        assert_eq!(limit.log("timed out", at(601)), Some(None));
        assert_eq!(limit.log("refused", at(602)), None);
        assert_eq!(limit.log("timed out", at(603)), None);
        limit.succeeded();
        assert_eq!(limit.log("refused", at(604)), Some(None));
    }

    #[test]
    fn successes_in_between_do_not_repeat_a_line() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut limit = RepeatLimit::default();
        assert_eq!(limit.log("no file descriptors", at(0)), Some(None));
        for second in 1..60 {
            limit.forget_old(at(second));
            assert_eq!(limit.log("no file descriptors", at(second)), None);
        }
        limit.forget_old(at(118));
        assert_ne!(limit.log("no file descriptors", at(118)), Some(None));
        limit.forget_old(at(178));
        assert_eq!(limit.log("no file descriptors", at(178)), Some(None));
    }

    #[test]
    fn many_causes_use_bounded_memory() {
        let start = Instant::now();
        let mut limit = RepeatLimit::default();
        for number in 0..1000 {
            let now = start + Duration::from_secs(number);
            let cause = format!("{number:b}").replace('0', "a").replace('1', "b");
            assert_eq!(limit.log(&cause, now), Some(None));
        }
        assert_eq!(limit.0.len(), MAX_CAUSES);
    }
}
