//! CPA's in-memory counts of a credential's results.

use serde::Serialize;

use super::generator::json::second_of_day;
use cpa_exporter_core::model::UnixNanos;

const SLOT_SECONDS: i64 = 600;
const SLOTS: usize = 20;

/// Successes and failures since the start, and per ten minutes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Results {
    pub(crate) success: u64,
    pub(crate) failed: u64,
    recent: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    number: i64,
    success: u64,
    failed: u64,
}

/// A bucket in the form of the management API.
#[derive(Debug, Serialize)]
pub(crate) struct Bucket {
    time: String,
    success: u64,
    failed: u64,
}

impl Results {
    pub(crate) fn add(&mut self, failed: bool, now: UnixNanos) {
        let number = slot_number(now);
        let place = usize::try_from(number.rem_euclid(20)).unwrap_or(0);
        let Some(slot) = self.recent.get_mut(place) else {
            return;
        };
        if slot.number != number {
            *slot = Slot {
                number,
                ..Slot::default()
            };
        }
        let (total, recent) = if failed {
            (&mut self.failed, &mut slot.failed)
        } else {
            (&mut self.success, &mut slot.success)
        };
        *total += 1;
        *recent += 1;
    }

    /// The last 20 buckets, oldest first, labelled in the server's zone.
    pub(crate) fn buckets(&self, now: UnixNanos, offset_minutes: i16) -> Vec<Bucket> {
        let newest = slot_number(now);
        (newest - 19..=newest)
            .map(|number| {
                let slot = self.recent.iter().find(|slot| slot.number == number);
                let slot = slot.copied().unwrap_or_default();
                Bucket {
                    time: format!(
                        "{}-{}",
                        hour_minute(number, offset_minutes),
                        hour_minute(number + 1, offset_minutes)
                    ),
                    success: slot.success,
                    failed: slot.failed,
                }
            })
            .collect()
    }
}

fn slot_number(time: UnixNanos) -> i64 {
    time.get().div_euclid(SLOT_SECONDS * 1_000_000_000)
}

fn hour_minute(slot: i64, offset_minutes: i16) -> String {
    let time = UnixNanos::from_millis(slot * SLOT_SECONDS * 1000);
    let second = second_of_day(time, offset_minutes);
    format!("{:02}:{:02}", second / 3600, second / 60 % 60)
}
