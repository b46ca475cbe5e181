//! Gaps: times in which CPA may have dropped records before they were read. Pure.
//!
//! CPA drops a record that nobody reads within its retention, and builds none while its management
//! is off. After such a silence CPA's request count decides: if every counted request has arrived,
//! nothing is missing.

use std::time::Duration;

use tokio::time::Instant;

/// Time after a silence for the records that still wait in CPA's queue.
const DRAIN: Duration = Duration::from_secs(3);
/// CPA's counts are awaited for this long; without them a silence is a gap.
const COUNTS_TIMEOUT: Duration = Duration::from_secs(20);
/// Management that was seen off makes a gap of a silence of this length.
const SHORT: Duration = Duration::from_secs(2);

const MANAGEMENT_OFF: &str = "CPA's management was off, so it built no records";

/// What CPA has counted, and the records received at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) struct Balance {
    pub(in crate::source) counted: u64,
    pub(in crate::source) received: u64,
}

impl Balance {
    /// CPA's count once `received` records have arrived, if each belongs to a request.
    pub(in crate::source) fn expect(self, received: u64) -> u64 {
        self.counted
            .saturating_add(received.saturating_sub(self.received))
    }
}

/// A time without contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Silence {
    length: Duration,
    /// Why records of the whole silence are missing, not only those older than the retention.
    whole: Option<&'static str>,
    /// The exporter was stopped meanwhile.
    stopped: bool,
    ended: Instant,
    /// The last balance before it.
    before: Option<Balance>,
    /// Records of an earlier run after its last balance.
    arrived: u64,
}

/// Decision about a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Judgement {
    Gap {
        length: Duration,
        silence: Duration,
        cause: &'static str,
    },
    /// CPA was restarted: records expired in no queue.
    Restarted { silence: Duration },
    /// All requests that CPA counted have arrived.
    Harmless,
}

/// Last contact of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) struct EarlierRun {
    /// Time since then.
    pub(in crate::source) age: Duration,
    pub(in crate::source) at: Instant,
    /// CPA's count at its last read, and the records that arrived after it.
    pub(in crate::source) counts: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
pub(in crate::source) struct Contact {
    last: Option<Instant>,
    /// First contact of this run.
    first: Option<Instant>,
    /// As in [`Silence`].
    whole: Option<&'static str>,
    /// Read while in contact and after each silence was judged.
    balance: Option<Balance>,
    waiting: Vec<Silence>,
}

impl Contact {
    /// The queue was read, or the subscription is alive.
    pub(in crate::source) fn touch(&mut self, now: Instant, retention: Duration) {
        self.first.get_or_insert(now);
        let silence = self.last.map_or(Duration::ZERO, |last| now - last);
        let whole = self.whole.take();
        if silence > retention || (whole.is_some() && silence > SHORT) {
            self.waiting.push(Silence {
                length: silence,
                whole,
                stopped: false,
                ended: now,
                before: self.balance,
                arrived: 0,
            });
        }
        self.last = Some(now);
    }

    /// CPA's management is off.
    pub(in crate::source) fn management_is_off(&mut self) {
        self.whole = Some(MANAGEMENT_OFF);
    }

    /// The subscription was dead: CPA sent records to a connection without a reader.
    pub(in crate::source) fn subscription_died(&mut self) {
        self.whole = Some("the subscription was dead");
    }

    /// An earlier run ended some time before the first contact of this one.
    pub(in crate::source) fn earlier_run(&mut self, earlier: EarlierRun, retention: Duration) {
        let Some(first) = self.first else {
            return;
        };
        // The age was read at `at`, after or before the first contact.
        let length = earlier
            .age
            .saturating_sub(earlier.at.saturating_duration_since(first))
            + first.saturating_duration_since(earlier.at);
        if length > retention {
            self.waiting.push(Silence {
                length,
                whole: None,
                stopped: true,
                ended: earlier.at.max(first),
                before: earlier.counts.map(|(counted, _)| Balance {
                    counted,
                    received: 0,
                }),
                arrived: earlier.counts.map_or(0, |(_, arrived)| arrived),
            });
        }
    }

    /// A silence waits for CPA's counts.
    pub(in crate::source) fn wants_counts(&self, now: Instant) -> bool {
        self.waiting
            .iter()
            .any(|silence| now >= silence.ended + DRAIN)
    }

    pub(in crate::source) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether there was any contact.
    pub(in crate::source) const fn is_known(&self) -> bool {
        self.first.is_some()
    }

    /// How long there has been no contact.
    pub(in crate::source) fn silence(&self, now: Instant) -> Duration {
        self.last
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last))
    }

    /// CPA's counts were read at `now`. Judges the silences that have ended long enough before.
    pub(in crate::source) fn judge(
        &mut self,
        now: Instant,
        counts: Option<Balance>,
        retention: Duration,
    ) -> Vec<Judgement> {
        let mut judgements = Vec::new();
        self.waiting.retain(|silence| {
            let old = now.saturating_duration_since(silence.ended);
            let ready = match counts {
                Some(_) => old >= DRAIN,
                None => old >= COUNTS_TIMEOUT,
            };
            if ready {
                judgements.push(silence.judge(counts, retention));
            }
            !ready
        });
        // Counts that were read during a silence include what may be missing after it.
        if let Some(counts) = counts
            && self.waiting.is_empty()
            && self.last.is_some()
            && self.silence(now) < retention / 2
        {
            self.balance = Some(counts);
        }
        judgements
    }

    /// CPA's count at its last read, and the records that arrived after it, for a later run.
    pub(in crate::source) fn counts(&self, received: u64) -> Option<(u64, u64)> {
        let balance = self.balance?;
        Some((balance.counted, received.saturating_sub(balance.received)))
    }
}

impl Silence {
    fn judge(&self, after: Option<Balance>, retention: Duration) -> Judgement {
        let (length, cause) = if let Some(cause) = self.whole {
            (self.length, cause)
        } else if self.stopped {
            (
                self.length.saturating_sub(retention),
                "the exporter was stopped for longer than CPA's retention",
            )
        } else {
            (
                self.length.saturating_sub(retention),
                "the queue was not read for longer than CPA's retention",
            )
        };
        let gap = Judgement::Gap {
            length,
            silence: self.length,
            cause,
        };
        let Some((before, after)) = self.before.zip(after) else {
            return gap;
        };
        if after.counted < before.counted {
            // What CPA did while the exporter was stopped is unknown.
            return if self.stopped || self.whole.is_some() {
                gap
            } else {
                Judgement::Restarted {
                    silence: self.length,
                }
            };
        }
        let expected = if self.whole == Some(MANAGEMENT_OFF) {
            // Records without a count, before and after that time, replace none of it.
            before.counted
        } else {
            before.expect(after.received).saturating_add(self.arrived)
        };
        if after.counted <= expected {
            Judgement::Harmless
        } else {
            gap
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Duration = Duration::from_mins(1);

    const fn balance(counted: u64, received: u64) -> Balance {
        Balance { counted, received }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Contact with 100 counted and received requests, then a silence.
    fn after_silence(length: Duration, prepare: impl FnOnce(&mut Contact)) -> (Contact, Instant) {
        let start = Instant::now();
        let mut contact = Contact::default();
        contact.touch(start, RETENTION);
        assert!(
            contact
                .judge(start, Some(balance(100, 100)), RETENTION)
                .is_empty()
        );
        prepare(&mut contact);
        let now = start + length;
        contact.touch(now, RETENTION);
        (contact, now)
    }

    fn judged(length: Duration, off: bool, after: Option<Balance>) -> Vec<Judgement> {
        let (mut contact, now) = after_silence(length, |contact| {
            if off {
                contact.management_is_off();
            }
        });
        assert!(
            contact.judge(now, after, RETENTION).is_empty(),
            "the queue is not drained"
        );
        let later = now
            + if after.is_some() {
                DRAIN
            } else {
                COUNTS_TIMEOUT
            };
        let judgements = contact.judge(later, after, RETENTION);
        assert!(!contact.is_waiting());
        judgements
    }

    fn gap(judgements: &[Judgement]) -> Duration {
        match judgements {
            [Judgement::Gap { length, .. }] => *length,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_silence_within_the_retention_is_no_gap() {
        assert!(judged(RETENTION, false, Some(balance(400, 150))).is_empty());
    }

    #[test]
    fn requests_that_were_counted_and_did_not_arrive_make_a_gap_beyond_the_retention() {
        // 300 requests in 182 s; those of the last minute were still queued.
        let judgements = judged(seconds(182), false, Some(balance(400, 200)));
        assert_eq!(gap(&judgements), seconds(122));
    }

    #[test]
    fn a_silence_without_missing_requests_is_harmless() {
        for after in [balance(100, 100), balance(150, 150), balance(150, 152)] {
            assert_eq!(
                judged(seconds(182), false, Some(after)),
                [Judgement::Harmless]
            );
        }
    }

    #[test]
    fn a_restart_of_cpa_is_no_gap() {
        let silence = seconds(183);
        let restarted = Judgement::Restarted { silence };
        assert_eq!(judged(silence, false, Some(balance(3, 103))), [restarted]);
    }

    #[test]
    fn the_whole_time_of_disabled_management_is_a_gap() {
        let judgements = judged(seconds(91), true, Some(balance(500, 100)));
        assert_eq!(gap(&judgements), seconds(91));
        // Records from before and after that time say nothing.
        let judgements = judged(seconds(91), true, Some(balance(150, 160)));
        assert_eq!(gap(&judgements), seconds(91));
        let idle = judged(seconds(91), true, Some(balance(100, 100)));
        assert_eq!(idle, [Judgement::Harmless]);
        // Shorter than the retention.
        let judgements = judged(seconds(20), true, Some(balance(200, 100)));
        assert_eq!(gap(&judgements), seconds(20));
    }

    #[test]
    fn without_counts_a_silence_is_a_gap() {
        assert_eq!(gap(&judged(seconds(182), false, None)), seconds(122));
    }

    fn stopped(age: u64, counted: u64, after: Option<Balance>) -> Vec<Judgement> {
        let start = Instant::now();
        let mut contact = Contact::default();
        contact.touch(start, RETENTION);
        let at = start + seconds(1);
        // Known a second after the first contact.
        let age = seconds(age + 1);
        let counts = Some((counted - 10, 10));
        contact.earlier_run(EarlierRun { age, at, counts }, RETENTION);
        contact.judge(at + COUNTS_TIMEOUT, after, RETENTION)
    }

    #[test]
    fn a_stop_of_the_exporter_beyond_the_retention_is_a_gap() {
        let judgements = stopped(181, 100, Some(balance(1832, 757)));
        assert_eq!(gap(&judgements), seconds(121));
        assert!(stopped(59, 100, Some(balance(1832, 757))).is_empty());
        assert_eq!(
            stopped(181, 100, Some(balance(140, 40))),
            [Judgement::Harmless]
        );
        // A restart of CPA meanwhile hides what was lost before it.
        assert_eq!(gap(&stopped(181, 100, Some(balance(40, 40)))), seconds(121));
        // Records without a count are no restart: 10 arrived, of which CPA counted 3.
        assert_eq!(
            stopped(181, 100, Some(balance(93, 0))),
            [Judgement::Harmless]
        );
        assert_eq!(gap(&stopped(181, 100, None)), seconds(121));
    }

    #[test]
    fn the_balance_follows_the_received_records() {
        let start = Instant::now();
        let mut contact = Contact::default();
        contact.touch(start, RETENTION);
        assert_eq!(contact.counts(10), None);
        contact.judge(start, Some(balance(50, 10)), RETENTION);
        assert_eq!(contact.counts(15), Some((50, 5)));
        contact.touch(start + seconds(1), RETENTION);
        assert_eq!(contact.counts(31), Some((50, 21)));
        // Read during a silence: records may be missing after it.
        contact.judge(start + seconds(40), Some(balance(900, 31)), RETENTION);
        assert_eq!(contact.counts(31), Some((50, 21)));
        contact.touch(start + seconds(45), RETENTION);
        contact.judge(start + seconds(46), Some(balance(901, 32)), RETENTION);
        assert_eq!(contact.counts(32), Some((901, 0)));
        assert!(contact.is_known());
        assert_eq!(contact.silence(start + seconds(50)), seconds(5));
    }
}
