//! Times at which a series has samples.

use std::io;

use super::PastTimes;
use crate::model::PastRow;

/// Prometheus considers a series stale after five minutes without a sample.
const KEEP_ALIVE_MS: i64 = 240_000;

/// Emits a sample at each step from a series' first row on, as a scraper would have stored it: the
/// time, and the cells at that time.
pub(super) fn scrapes(
    rows: &[PastRow],
    times: PastTimes,
    mut emit: impl FnMut(i64, &[u64]) -> io::Result<()>,
) -> io::Result<()> {
    let mut sums = vec![0; rows.first().map_or(0, |row| row.cells.len())];
    let next = |time: i64| (time.div_euclid(times.step) + 1) * times.step;
    let mut last = None;
    let mut rows = rows.iter().peekable();
    while let Some(first) = rows.peek().copied() {
        let (earliest, end) = limits(first, times);
        let mut time = last.map_or((first.step * times.step).max(earliest), next);
        loop {
            time = time.min(end);
            let over = |row: &&PastRow| {
                row.live == first.live && ((row.step + 1) * times.step).min(end) <= time
            };
            while let Some(row) = rows.next_if(over) {
                add(&mut sums, row);
            }
            if last.is_none_or(|last| last < time) {
                emit(time, &sums)?;
                last = Some(time);
            }
            if time >= end {
                break;
            }
            time = next(time);
        }
        if !first.live {
            sums.fill(0);
            let zero = end.max(last.unwrap_or(end)) + 1;
            emit(zero, &sums)?;
            last = Some(zero);
        }
    }
    Ok(())
}

/// First and last time at which a row can count.
fn limits(row: &PastRow, times: PastTimes) -> (i64, i64) {
    // Imported events end where live counting starts.
    if row.live {
        (times.live.max(times.from), times.to)
    } else {
        (times.from, times.to.min(times.live))
    }
}

fn add(sums: &mut [u64], row: &PastRow) {
    for (sum, cell) in sums.iter_mut().zip(&row.cells) {
        *sum = sum.saturating_add(*cell);
    }
}

/// Emits the samples before and after each change of a series, and some between them.
pub(super) fn changes(
    rows: &[PastRow],
    times: PastTimes,
    mut emit: impl FnMut(i64, &[u64]) -> io::Result<()>,
) -> io::Result<()> {
    let mut sums = vec![0; rows.first().map_or(0, |row| row.cells.len())];
    let mut last = i64::MIN;
    let mut rows = rows.iter().peekable();
    while let Some(row) = rows.next() {
        let (earliest, end) = limits(row, times);
        let began = (row.step * times.step).max(earliest);
        if last == i64::MIN {
            last = began;
            emit(last, &sums)?;
        } else {
            last = keep_alive(last, began, &sums, &mut emit)?;
            if began > last {
                last = began;
                emit(last, &sums)?;
            }
        }
        add(&mut sums, row);
        last = ((row.step + 1) * times.step).min(end).max(last + 1);
        emit(last, &sums)?;
        if rows.peek().is_none_or(|next| next.live != row.live) {
            last = keep_alive(last, end, &sums, &mut emit)?;
            if !row.live {
                sums.fill(0);
                last = end.max(last) + 1;
                emit(last, &sums)?;
            }
        }
    }
    Ok(())
}

/// Repeats a value between two times. Returns the time of the last sample.
fn keep_alive(
    mut last: i64,
    until: i64,
    sums: &[u64],
    emit: &mut impl FnMut(i64, &[u64]) -> io::Result<()>,
) -> io::Result<i64> {
    loop {
        let next = (last.div_euclid(KEEP_ALIVE_MS) + 1) * KEEP_ALIVE_MS;
        if next > until {
            return Ok(last);
        }
        last = next;
        emit(last, sums)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TOTAL_KEY_LEN;

    fn row(live: bool, step: i64, n: u64) -> PastRow {
        PastRow {
            key: [1; TOTAL_KEY_LEN],
            live,
            step,
            cells: vec![n],
        }
    }

    /// Times and values that `walk` gives.
    fn samples(
        walk: impl FnOnce(&mut dyn FnMut(i64, &[u64]) -> io::Result<()>) -> io::Result<()>,
    ) -> Vec<(i64, u64)> {
        let mut samples = Vec::new();
        walk(&mut |time, cells| {
            samples.push((time, cells[0]));
            Ok(())
        })
        .unwrap();
        samples
    }

    /// Steps of a minute.
    fn until(to: i64, live: i64) -> PastTimes {
        PastTimes {
            from: 0,
            to,
            live,
            step: 60_000,
        }
    }

    #[test]
    fn scrapes_sample_every_step_from_the_first_row_to_the_end() {
        let rows = [
            row(false, 1, 3),
            row(false, 2, 1),
            row(false, 5, 5),
            row(false, 7, 2),
        ];
        let expected = [
            (60_000, 0),
            (120_000, 3),
            (180_000, 4),
            (240_000, 4),
            (300_000, 4),
            (360_000, 9),
            (420_000, 9),
            (430_000, 11),
            (430_001, 0),
        ];
        let times = until(430_000, 430_000);
        assert_eq!(samples(|emit| scrapes(&rows, times, emit)), expected);
    }

    #[test]
    fn imported_counts_return_to_zero_where_live_counting_starts() {
        let times = until(300_000, 130_000);
        let rows = [row(false, 2, 7), row(true, 2, 2), row(true, 4, 1)];
        let expected = [
            (120_000, 0),
            (130_000, 7),
            (130_001, 0),
            (180_000, 2),
            (240_000, 2),
            (300_000, 3),
        ];
        assert_eq!(samples(|emit| scrapes(&rows, times, emit)), expected);
        assert_eq!(samples(|emit| changes(&rows, times, emit)), expected);
        let expected = [(130_000, 0), (180_000, 2), (240_000, 2), (300_000, 3)];
        assert_eq!(samples(|emit| scrapes(&rows[1..], times, emit)), expected);
    }

    #[test]
    fn changes_repeat_a_value_before_prometheus_considers_it_stale() {
        let rows = [row(false, 1, 3), row(false, 2, 1), row(false, 11, 5)];
        let expected = [
            (60_000, 0),
            (120_000, 3),
            (180_000, 4),
            (240_000, 4),
            (480_000, 4),
            (660_000, 4),
            (720_000, 9),
            (900_001, 0),
        ];
        let times = until(900_000, 900_000);
        assert_eq!(samples(|emit| changes(&rows, times, emit)), expected);
    }
}
