//! Amounts of a rolling window, in buckets of at most a minute.

#![expect(
    clippy::indexing_slicing,
    reason = "an amount without its bucket would be dropped; a restart reads the database again"
)]

use std::collections::VecDeque;

const SECOND: i64 = 1_000_000_000;
/// Minimum number of buckets, as long as a bucket lasts a second or more.
const BUCKETS: i64 = 1800;
/// Longest bucket in seconds.
pub(super) const LONGEST: i64 = 60;

/// Usage of the last so many nanoseconds. A bucket counts until its last event expires, so `used`
/// lags by less than a bucket and is never early. A bucket is kept until no event can be added to
/// it: the result must not depend on the times of reads.
#[derive(Debug)]
pub(super) struct Rolling {
    length: i64,
    width: i64,
    /// Sorted by time.
    buckets: VecDeque<Bucket>,
    total: u64,
    /// Events until here have expired.
    over: i64,
}

#[derive(Debug)]
struct Bucket {
    number: i64,
    first: i64,
    last: i64,
    amount: u64,
}

impl Rolling {
    pub(super) fn new(seconds: u64) -> Self {
        let length = i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(SECOND);
        let width = (length / SECOND / BUCKETS).clamp(1, LONGEST);
        Self {
            length,
            width: width * SECOND,
            buckets: VecDeque::new(),
            total: 0,
            over: i64::MIN,
        }
    }

    pub(super) const fn length(&self) -> i64 {
        self.length
    }

    pub(super) fn add(&mut self, at: i64, amount: u64) {
        let number = at.div_euclid(self.width);
        if amount == 0 || self.is_over(number) {
            return;
        }
        self.total = self.total.saturating_add(amount);
        let place = match self.buckets.back() {
            Some(newest) if newest.number == number => Ok(self.buckets.len() - 1),
            Some(newest) if newest.number < number => Err(self.buckets.len()),
            Some(_) => self.buckets.binary_search_by_key(&number, |b| b.number),
            None => Err(0),
        };
        match place {
            Ok(place) => {
                let bucket = &mut self.buckets[place];
                bucket.first = bucket.first.min(at);
                bucket.last = bucket.last.max(at);
                bucket.amount = bucket.amount.saturating_add(amount);
            }
            Err(place) => self.buckets.insert(
                place,
                Bucket {
                    number,
                    first: at,
                    last: at,
                    amount,
                },
            ),
        }
    }

    /// Drops expired buckets.
    pub(super) fn advance(&mut self, now: i64) {
        self.over = self.over.max(now.saturating_sub(self.length));
        while let Some(oldest) = self.buckets.front()
            && self.is_over(oldest.number)
        {
            self.total = self.total.saturating_sub(oldest.amount);
            self.buckets.pop_front();
        }
    }

    /// Events whose timestamp is in the future count once that time is reached.
    pub(super) fn used(&self, now: i64) -> u64 {
        let oldest_first = self.buckets.iter();
        let gone = oldest_first.take_while(|bucket| bucket.last <= self.over);
        let newest_first = self.buckets.iter().rev();
        let ahead = newest_first.take_while(|bucket| bucket.first > now);
        let others: u64 = gone.chain(ahead).map(|bucket| bucket.amount).sum();
        self.total.saturating_sub(others)
    }

    /// When the usage next decreases.
    pub(super) fn oldest_expiry(&self, now: i64) -> Option<i64> {
        let oldest = self.counted(now).next()?;
        let expires = if oldest.first > self.over {
            oldest.first
        } else {
            oldest.last
        };
        Some(expires.saturating_add(self.length))
    }

    fn is_over(&self, number: i64) -> bool {
        number.saturating_add(1).saturating_mul(self.width) <= self.over
    }

    fn counted(&self, now: i64) -> impl Iterator<Item = &Bucket> {
        let there = self.buckets.iter();
        there
            .skip_while(|bucket| bucket.last <= self.over)
            .take_while(move |bucket| bucket.first <= now)
    }

    /// When the limit is reached at the pace of the window's last tenth, while older usage expires.
    pub(super) fn exhaustion(&self, now: i64, limit: u64) -> Option<i64> {
        let span = self.length / 10;
        let newest_first = self.buckets.iter().rev();
        let recent = newest_first
            .skip_while(|bucket| bucket.first > now)
            .take_while(|bucket| bucket.last > now - span);
        let recent: u64 = recent.map(|bucket| bucket.amount).sum();
        let (recent, span) = (i128::from(recent), i128::from(span));
        let mut missing = i128::from(limit) - i128::from(self.used(now));
        if missing <= 0 || recent == 0 {
            return None;
        }
        let reached = |missing: i128| missing.saturating_mul(span) / recent;
        for bucket in self.counted(now) {
            let until_it_goes = i128::from(bucket.last + self.length - now);
            if reached(missing) < until_it_goes {
                break;
            }
            missing += i128::from(bucket.amount);
        }
        let until = i64::try_from(reached(missing)).ok()?;
        (until < self.length).then(|| now.saturating_add(until))
    }
}
