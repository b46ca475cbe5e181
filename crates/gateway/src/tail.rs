//! Which rows of the log are new.
//!
//! Ids are given out before rows are committed, so a row can appear below one that was read. The
//! tail therefore remembers the ids that are missing below its cursor, and asks for them again until
//! a deadline; only ids of rolled-back transactions reach it. It knows from its anchors, rows that
//! it has read, whether the table is still the one it was.

use std::collections::{BTreeMap, BTreeSet};

use crate::{LogRow, Snapshot};

/// How long a missing id is asked for.
const DEADLINE_MS: i64 = 60_000;
/// How long, where an older transaction that may hold it is known to run.
const LONGEST_MS: i64 = 3_600_000;
/// Most gaps. Beyond it the oldest are given up.
const MAX_GAPS: usize = 10_000;
/// Most anchors; every second one goes when there are more.
const MAX_ANCHORS: usize = 32;

/// Missing ids, from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub first: i64,
    pub last: i64,
}

/// What the next run continues from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TailState {
    /// Id of the last row that was taken; 0 = none.
    pub cursor: i64,
    /// `created_at` of that row, if it was read.
    pub cursor_time: Option<i64>,
    pub gaps: Vec<Gap>,
    /// Ids of rows that were read, with their `created_at`.
    pub anchors: Vec<(i64, i64)>,
}

/// How the state has changed, for the transaction that stores the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TailChange {
    pub cursor: i64,
    pub cursor_time: Option<i64>,
    /// All former gaps and anchors are void.
    pub reset: bool,
    /// First ids of gaps that are gone.
    pub closed: Vec<i64>,
    pub opened: Vec<Gap>,
    /// All anchors, if they have changed.
    pub anchors: Option<Vec<(i64, i64)>>,
}

/// The table is not the one whose rows were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// It was emptied: all its rows are new.
    Emptied,
    /// An older copy was put back: its rows were counted, except those newer than this time.
    Restored { newest: i64 },
}

#[derive(Clone, Copy, Debug)]
struct Open {
    last: i64,
    /// Milliseconds of the caller's clock.
    since: i64,
    /// First transaction that has not begun when the gap was seen.
    horizon: Option<i64>,
}

/// The position in the log.
#[derive(Debug, Default)]
pub struct Tail {
    cursor: i64,
    cursor_time: Option<i64>,
    gaps: BTreeMap<i64, Open>,
    anchors: Vec<(i64, i64)>,
    reset: bool,
    closed: BTreeSet<i64>,
    opened: BTreeSet<i64>,
    anchored: bool,
    expired: u64,
    dropped: u64,
}

impl Tail {
    /// Continues from an earlier state. The gaps get their whole time again, because nobody asked
    /// for them meanwhile.
    pub fn resume(state: TailState, now_ms: i64) -> Self {
        let open = |gap: Gap| {
            let open = Open {
                last: gap.last,
                since: now_ms,
                horizon: None,
            };
            (gap.first, open)
        };
        Self {
            cursor: state.cursor,
            cursor_time: state.cursor_time,
            gaps: state.gaps.into_iter().map(open).collect(),
            anchors: state.anchors,
            ..Self::default()
        }
    }

    /// Id of the last row that was taken; 0 = none.
    pub fn cursor(&self) -> i64 {
        self.cursor
    }

    /// The missing ids.
    pub fn gaps(&self) -> impl ExactSizeIterator<Item = Gap> {
        let gap = |(first, open): (&i64, &Open)| Gap {
            first: *first,
            last: open.last,
        };
        self.gaps.iter().map(gap)
    }

    /// Gaps that were given up at their deadline, and because there were too many.
    pub fn given_up(&self) -> (u64, u64) {
        (self.expired, self.dropped)
    }

    /// The first of `rows`, read from the cursor on, tells whether the row at the cursor is still
    /// the one that was read. `None` without that row: it was deleted, or the table is another one.
    pub fn is_continued_by(&self, first: Option<&LogRow>) -> Option<bool> {
        let row = first.filter(|row| row.id == self.cursor)?;
        Some(self.cursor_time.is_none_or(|time| time == row.created_at))
    }

    pub fn anchors(&self) -> &[(i64, i64)] {
        &self.anchors
    }

    /// `found`: which of the anchors' rows are still in the table.
    pub fn reset_kind(&self, found: &[LogRow]) -> Reset {
        let is_there = |(id, time): &(i64, i64)| {
            found
                .iter()
                .any(|row| row.id == *id && row.created_at == *time)
        };
        let newest = self
            .anchors
            .iter()
            .map(|(_, time)| *time)
            .chain(self.cursor_time)
            .max();
        match newest {
            Some(newest) if self.anchors.iter().any(is_there) => Reset::Restored { newest },
            _ => Reset::Emptied,
        }
    }

    /// Starts again behind `cursor`, without gaps and anchors.
    pub fn restart(&mut self, cursor: i64) {
        *self = Self {
            cursor,
            reset: true,
            expired: self.expired,
            dropped: self.dropped,
            ..Self::default()
        };
    }

    /// Takes the ids that are missing among the last rows before the cursor for gaps: transactions
    /// may still be running that hold them.
    pub fn note_recent(&mut self, rows: &[LogRow], now_ms: i64) {
        let cursor = self.cursor;
        let pairs = rows.iter().zip(rows.iter().skip(1));
        for (row, next) in pairs.filter(|(_, next)| next.id <= cursor) {
            self.open(row.id + 1, next.id - 1, now_ms, None);
        }
        if let Some(row) = rows.iter().rfind(|row| row.id == self.cursor) {
            self.cursor_time = Some(row.created_at);
            self.anchor();
        }
    }

    /// Returns the rows that are new, in their order. `rows` are sorted by id.
    pub fn take(&mut self, rows: Vec<LogRow>, now_ms: i64) -> Vec<LogRow> {
        let mut new = Vec::new();
        for row in rows {
            if row.id > self.cursor {
                self.open(self.cursor + 1, row.id - 1, now_ms, None);
                self.cursor = row.id;
                self.cursor_time = Some(row.created_at);
            } else if let Some(first) = self.gap_of(row.id) {
                self.fill(first, row.id);
            } else {
                continue;
            }
            new.push(row);
        }
        if !new.is_empty() {
            self.anchor();
        }
        self.bound();
        new
    }

    /// Gives up gaps whose rows cannot come any more. `before` is the time before the gaps were
    /// asked for last, `snapshot` what ran then.
    pub fn expire(&mut self, before_ms: i64, snapshot: Option<Snapshot>) {
        let is_over = |open: &Open| {
            let age = before_ms.saturating_sub(open.since);
            let is_held = match (open.horizon, snapshot) {
                (Some(horizon), Some(snapshot)) => snapshot.xmin < horizon,
                _ => false,
            };
            age >= LONGEST_MS || (age >= DEADLINE_MS && !is_held)
        };
        let over = self.gaps.iter().filter(|(_, open)| is_over(open));
        let over: Vec<i64> = over.map(|(first, _)| *first).collect();
        for first in over {
            self.close(first);
            self.expired += 1;
        }
        // What has begun since the gap was seen cannot hold an id of it.
        if let Some(snapshot) = snapshot {
            for open in self.gaps.values_mut().filter(|open| open.horizon.is_none()) {
                open.horizon = Some(snapshot.xmax);
            }
        }
    }

    /// The changes since the last call; `None` without any.
    pub fn take_change(&mut self, before: i64) -> Option<TailChange> {
        let moved = self.cursor != before;
        if !moved && !self.reset && self.closed.is_empty() && self.opened.is_empty() {
            return None;
        }
        let opened = std::mem::take(&mut self.opened);
        let opened = opened.into_iter().filter_map(|first| {
            let open = self.gaps.get(&first)?;
            Some(Gap {
                first,
                last: open.last,
            })
        });
        Some(TailChange {
            cursor: self.cursor,
            cursor_time: self.cursor_time,
            reset: std::mem::take(&mut self.reset),
            opened: opened.collect(),
            closed: std::mem::take(&mut self.closed).into_iter().collect(),
            anchors: std::mem::take(&mut self.anchored).then(|| self.anchors.clone()),
        })
    }

    fn gap_of(&self, id: i64) -> Option<i64> {
        let (first, open) = self.gaps.range(..=id).next_back()?;
        (id <= open.last).then_some(*first)
    }

    fn fill(&mut self, first: i64, id: i64) {
        if let Some(open) = self.close(first) {
            self.open(first, id - 1, open.since, open.horizon);
            self.open(id + 1, open.last, open.since, open.horizon);
        }
    }

    fn open(&mut self, first: i64, last: i64, since: i64, horizon: Option<i64>) {
        if first <= last {
            self.gaps.insert(
                first,
                Open {
                    last,
                    since,
                    horizon,
                },
            );
            self.opened.insert(first);
            self.closed.remove(&first);
        }
    }

    fn close(&mut self, first: i64) -> Option<Open> {
        self.opened.remove(&first);
        self.closed.insert(first);
        self.gaps.remove(&first)
    }

    fn bound(&mut self) {
        while self.gaps.len() > MAX_GAPS
            && let Some(first) = self.gaps.keys().next().copied()
        {
            self.close(first);
            self.dropped += 1;
        }
    }

    /// Keeps the row at the cursor as an anchor. The older they are, the wider apart.
    fn anchor(&mut self) {
        let Some(time) = self.cursor_time else {
            return;
        };
        if self
            .anchors
            .last()
            .is_some_and(|(id, _)| *id == self.cursor)
        {
            return;
        }
        self.anchors.push((self.cursor, time));
        if self.anchors.len() > MAX_ANCHORS {
            let mut at = 0;
            let newest = self.anchors.len() - 1;
            self.anchors.retain(|_| {
                at += 1;
                at % 2 == 1 || at > newest
            });
        }
        self.anchored = true;
    }
}

#[cfg(test)]
mod tests;
