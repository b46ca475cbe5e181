//! Compares CPA's request counts with the received records, to find another client that takes
//! records from the queue. Pure.
//!
//! CPA counts requests of which it makes no record, so a missing record is a hint and never a
//! verdict. On a hint the exporter subscribes for a while: CPA copies every record to each subscriber,
//! so the ratio of records to counted requests is the true one then. If it is clearly higher than the
//! ratio while popping, before and again after the subscription, another client takes records.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::finding::{Finding, Taking};
use super::ratio::{MIN_DIFFERENCE, Ratio, Sample, per_second};

/// Without a probe, less than this share must arrive for a verdict.
const UNPROVEN_SHARE: f64 = 0.5;
/// Length of each half of a probe; longer while too little is counted.
const STEP: Duration = Duration::from_secs(10);
/// A half with ratios that are neither equal nor clearly different ends after this time.
const STEP_MAX: Duration = Duration::from_mins(2);
/// A half that cannot be measured is given up after this time.
const GIVE_UP: Duration = Duration::from_mins(5);
/// Pauses between a probe without a theft and the next: CPA counts something without a record.
const PAUSE_FIRST: Duration = Duration::from_hours(4);
const PAUSE_MAX: Duration = Duration::from_hours(24);
/// Least pause once all records arrived again since the last probe: the next hint is a new one.
const PAUSE_RECOVERED: Duration = Duration::from_mins(30);
/// Pause after a probe that could not decide.
const PAUSE_UNDECIDED: Duration = Duration::from_mins(10);
/// Time over which the rate of arrivals is watched between two samples.
const DROP_SPAN: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Watching,
    /// Subscribed, or about to be.
    Probing {
        popping: Ratio,
        begun: Instant,
        from: Option<Sample>,
    },
    /// Popping again, to see whether records are still missing.
    Confirming {
        popping: Ratio,
        subscribed: Option<Ratio>,
        begun: Instant,
        from: Option<Sample>,
    },
}

#[derive(Debug)]
pub(in crate::source) struct Comparison {
    /// Time between two regular samples.
    interval: Duration,
    /// Regular samples while popping, oldest first.
    samples: VecDeque<Sample>,
    phase: Phase,
    taking: Taking,
    /// How late records arrive at most: the pause between two pops.
    lag: Duration,
    /// Whether a theft is known and not over.
    is_stolen: bool,
    next_probe: Option<Instant>,
    /// End of the last probe without a theft.
    last_probe: Option<Instant>,
    /// The ratio that the last probe found to be right.
    accepted: Option<Ratio>,
    pause: Duration,
    /// Records at the start of the current [`DROP_SPAN`].
    span: Option<(Instant, u64)>,
    /// The last early read of CPA's counts.
    early: Option<Instant>,
}

impl Comparison {
    pub(in crate::source) fn new(interval: Duration) -> Self {
        Self {
            interval,
            samples: VecDeque::new(),
            phase: Phase::default(),
            taking: Taking::Nothing,
            lag: Duration::ZERO,
            is_stolen: false,
            next_probe: None,
            last_probe: None,
            accepted: None,
            pause: PAUSE_FIRST,
            span: None,
            early: None,
        }
    }

    /// Whether the source should subscribe for a while.
    pub(in crate::source) const fn wants_subscription(&self) -> bool {
        matches!(self.phase, Phase::Probing { .. })
    }

    /// The source takes records in another way now. Samples of two ways are not compared.
    pub(in crate::source) fn set_taking(&mut self, taking: Taking, lag: Duration) {
        self.lag = lag;
        if self.taking != taking {
            self.taking = taking;
            self.reset();
        }
    }

    /// Earlier samples say nothing about later ones: a gap, or a restart of CPA.
    pub(in crate::source) fn reset(&mut self) {
        self.samples.clear();
        self.span = None;
        match &mut self.phase {
            Phase::Watching => {}
            Phase::Probing { from, .. } | Phase::Confirming { from, .. } => *from = None,
        }
    }

    /// The operator has changed something: forget what is known about other clients.
    pub(in crate::source) fn forget(&mut self) {
        *self = Self {
            taking: self.taking,
            lag: self.lag,
            ..Self::new(self.interval)
        };
    }

    /// Whether CPA's counts should be read now: a step of a probe is due, or fewer records arrive than
    /// before. Called about once a second.
    pub(in crate::source) fn wants_counts(&mut self, now: Instant, received: u64) -> bool {
        let step = match self.phase {
            Phase::Watching => return self.has_dropped(now, received),
            Phase::Probing { from, .. } if self.taking == Taking::Subscribed => from,
            Phase::Confirming { from, .. } if self.taking == Taking::Popping => from,
            Phase::Probing { .. } | Phase::Confirming { .. } => return false,
        };
        let due = match step {
            None => true,
            Some(from) => now >= from.at + self.step(),
        };
        due && self.may_read_early(now, Duration::from_secs(2))
    }

    /// A half of a probe in which even the last pop can be seen.
    fn step(&self) -> Duration {
        STEP.max(self.lag * 2)
    }

    /// Fewer than half of the records arrive, compared with the last interval.
    fn has_dropped(&mut self, now: Instant, received: u64) -> bool {
        if self.taking != Taking::Popping || self.samples.len() < 2 {
            return false;
        }
        let span = DROP_SPAN.max(self.lag * 2);
        let Some((begin, before)) = self.span.filter(|(begin, _)| now >= *begin + span) else {
            self.span.get_or_insert((now, received));
            return false;
        };
        self.span = Some((now, received));
        let last = self.samples.back().zip(self.samples.iter().rev().nth(1));
        let Some((new, old)) = last else {
            return false;
        };
        let rate = per_second(new.received.saturating_sub(old.received), new.at - old.at);
        let expected = rate * (now - begin).as_secs_f64();
        let dropped = expected >= 10.0 && per_second(received - before, now - begin) <= rate / 2.0;
        dropped && self.may_read_early(now, self.interval / 2)
    }

    fn may_read_early(&mut self, now: Instant, pause: Duration) -> bool {
        let may = self.early.is_none_or(|at| now >= at + pause);
        if may {
            self.early = Some(now);
        }
        may
    }

    /// Whether a probe has answered this hint already.
    fn is_answered(&self, hint: Ratio, now: Instant) -> bool {
        let worse = self
            .accepted
            .is_some_and(|accepted| hint.is_clearly_below(accepted));
        self.next_probe.is_some_and(|next| now < next) && !worse
    }

    /// Gives up a probe that cannot be measured. Called about once a second.
    pub(in crate::source) fn tick(&mut self, now: Instant) -> Option<Finding> {
        let (Phase::Probing { begun, .. } | Phase::Confirming { begun, .. }) = self.phase else {
            return None;
        };
        if now < begun + GIVE_UP {
            return None;
        }
        self.watch_again();
        self.next_probe = Some(now + PAUSE_UNDECIDED);
        Some(Finding::Undecided)
    }

    /// CPA's counts and ours at one moment. `can_probe` states whether the source may subscribe.
    pub(in crate::source) fn sample(&mut self, sample: Sample, can_probe: bool) -> Option<Finding> {
        match self.phase {
            Phase::Watching => self.watch(sample, can_probe),
            Phase::Probing {
                popping,
                begun,
                from,
            } => self.probe(sample, popping, begun, from),
            Phase::Confirming {
                popping,
                subscribed,
                begun,
                from,
            } => self.confirm(sample, popping, subscribed, begun, from),
        }
    }

    fn watch(&mut self, sample: Sample, can_probe: bool) -> Option<Finding> {
        if self.taking != Taking::Popping {
            // Nobody can take a subscriber's records.
            let over = self.taking == Taking::Subscribed && std::mem::take(&mut self.is_stolen);
            return over.then_some(Finding::Over);
        }
        let Some(last) = self.samples.back().copied() else {
            self.samples.push_back(sample);
            return None;
        };
        let Some(newest) = sample.since(last) else {
            self.reset();
            self.samples.push_back(sample);
            return None;
        };
        let is_regular = sample.at >= last.at + self.interval.mul_f64(0.75);
        let oldest = self
            .samples
            .front()
            .copied()
            .and_then(|old| sample.since(old));
        if is_regular {
            self.samples.push_back(sample);
            while self.samples.len() > 3 {
                self.samples.pop_front();
            }
        }
        // Two intervals, or one in which nothing arrives, or a part of one after a drop.
        let two = oldest.filter(|_| is_regular && self.samples.len() == 3);
        let age = sample.at - last.at;
        let nothing = newest.arrived == 0 && age >= self.lag * 2;
        let one = Some(newest).filter(|_| nothing || (!is_regular && age >= self.lag * 4));
        let hint = [one, two]
            .into_iter()
            .flatten()
            .find(|ratio| ratio.is_hint());
        let Some(hint) = hint else {
            if two.is_some_and(Ratio::is_enough) {
                self.recover();
            }
            let over = two.is_some_and(Ratio::is_enough) && std::mem::take(&mut self.is_stolen);
            return over.then_some(Finding::Over);
        };
        if self.is_stolen {
            return Some(Finding::StillTheft(hint));
        }
        if self.is_answered(hint, sample.at) {
            return None;
        }
        Some(self.follow(hint, sample, can_probe))
    }

    /// Begins to find out the reason of a hint.
    fn follow(&mut self, hint: Ratio, sample: Sample, can_probe: bool) -> Finding {
        let begun = sample.at;
        self.phase = if can_probe {
            Phase::Probing {
                popping: hint,
                begun,
                from: None,
            }
        } else {
            Phase::Confirming {
                popping: hint,
                subscribed: None,
                begun,
                from: Some(sample),
            }
        };
        self.early = None;
        Finding::Hint(hint)
    }

    fn probe(
        &mut self,
        sample: Sample,
        popping: Ratio,
        begun: Instant,
        from: Option<Sample>,
    ) -> Option<Finding> {
        if self.taking != Taking::Subscribed {
            return None;
        }
        let Some(ratio) = from.and_then(|from| sample.since(from)) else {
            self.phase = Phase::Probing {
                popping,
                begun,
                from: Some(sample),
            };
            return None;
        };
        let took = from.map_or(Duration::ZERO, |from| sample.at - from.at);
        if took < STEP || !ratio.is_enough() {
            return None;
        }
        if popping.is_clearly_below(ratio) {
            self.phase = Phase::Confirming {
                popping,
                subscribed: Some(ratio),
                begun: sample.at,
                from: None,
            };
            return None;
        }
        let undecided = ratio.share() - popping.share() > MIN_DIFFERENCE;
        if undecided && took < STEP_MAX {
            return None;
        }
        Some(self.no_theft(sample.at, popping, ratio))
    }

    fn confirm(
        &mut self,
        sample: Sample,
        popping: Ratio,
        subscribed: Option<Ratio>,
        begun: Instant,
        from: Option<Sample>,
    ) -> Option<Finding> {
        if self.taking != Taking::Popping {
            return None;
        }
        let Some(ratio) = from.and_then(|from| sample.since(from)) else {
            self.phase = Phase::Confirming {
                popping,
                subscribed,
                begun,
                from: Some(sample),
            };
            return None;
        };
        let took = from.map_or(Duration::ZERO, |from| sample.at - from.at);
        // Records of the last pause between two pops cannot have arrived.
        if took < self.step() || !ratio.is_enough() || (ratio.arrived > 0 && took < self.lag * 4) {
            return None;
        }
        let stolen = match subscribed {
            Some(subscribed) => ratio.is_clearly_below(subscribed),
            None => ratio.share() < UNPROVEN_SHARE && popping.share() < UNPROVEN_SHARE,
        };
        self.watch_again();
        if stolen {
            self.is_stolen = true;
            let popping = ratio;
            return Some(Finding::Theft {
                popping,
                subscribed,
            });
        }
        if let Some(subscribed) = subscribed {
            return Some(self.no_theft(sample.at, ratio, subscribed));
        }
        self.next_probe = Some(sample.at + PAUSE_UNDECIDED);
        Some(Finding::Undecided)
    }

    fn no_theft(&mut self, now: Instant, popping: Ratio, subscribed: Ratio) -> Finding {
        self.watch_again();
        self.accepted = Some(subscribed);
        self.last_probe = Some(now);
        self.next_probe = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Finding::NoTheft {
            popping,
            subscribed,
        }
    }

    /// All records arrive: the ratio that the last probe found is no longer the right one.
    fn recover(&mut self) {
        self.accepted = None;
        if let Some((next, last)) = self.next_probe.as_mut().zip(self.last_probe) {
            *next = (*next).min(last + PAUSE_RECOVERED);
        }
    }

    fn watch_again(&mut self) {
        self.phase = Phase::Watching;
        self.samples.clear();
        self.span = None;
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts in tests are small whole numbers"
)]
mod tests;
