//! `/api/v1/import` and `/api/v1/reprice`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Result of `POST /api/v1/import`. Its body is one usage record per line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportSummary {
    /// Records that are stored now.
    pub stored: u64,
    /// Records that were stored before.
    pub known: u64,
    pub rejected: u64,
    /// CPA's own messages to subscribers, which are not records.
    pub messages: u64,
    /// Time of the first stored record, in whole milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<f64>,
    /// Time of the last stored record, in whole milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<f64>,
}

impl ImportSummary {
    pub fn read(&self) -> u64 {
        self.stored + self.known + self.rejected + self.messages
    }

    /// Whether no line was a record.
    pub fn is_nothing_read(&self) -> bool {
        self.rejected > 0 && self.rejected == self.read()
    }

    /// Counts a stored record of this time.
    pub fn add_stored(&mut self, seconds: f64) {
        self.stored += 1;
        self.extend(Some(seconds), Some(seconds));
    }

    /// Adds the result of a later part.
    pub fn add(&mut self, part: &Self) {
        self.stored += part.stored;
        self.known += part.known;
        self.rejected += part.rejected;
        self.messages += part.messages;
        self.extend(part.first, part.last);
    }

    fn extend(&mut self, first: Option<f64>, last: Option<f64>) {
        self.first = self.first.into_iter().chain(first).reduce(f64::min);
        self.last = self.last.into_iter().chain(last).reduce(f64::max);
    }
}

impl fmt::Display for ImportSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} read: {} stored, {} already there, {} rejected",
            self.read(),
            self.stored,
            self.known,
            self.rejected
        )?;
        if self.messages > 0 {
            write!(f, ", {} messages that are no records", self.messages)?;
        }
        if let (Some(first), Some(last)) = (self.first, self.last) {
            write!(f, "; from {} to {}", time(first)?, time(last)?)?;
        }
        Ok(())
    }
}

fn time(seconds: f64) -> Result<jiff::Timestamp, fmt::Error> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast saturates")]
    let millis = (seconds * 1000.0).round() as i64;
    jiff::Timestamp::from_millisecond(millis).map_err(|_beyond| fmt::Error)
}

/// Body of `POST /api/v1/reprice`. One request covers a part of the range; repeat it with
/// [`RepriceStep::next`] until that is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepriceRequest {
    /// First day in UTC, or a time.
    pub from: String,
    /// Last day in UTC, or a time (exclusive).
    pub to: String,
    /// Only this model, as CPA's records name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Compute the result and write nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Where the last part ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Result of one part of a reprice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepriceStep {
    /// Name of the price list.
    pub price_list: String,
    pub all: RepriceSums,
    /// Models with changes.
    pub models: BTreeMap<String, RepriceSums>,
    /// The next request's `after`; absent at the end of the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Number of events, and their amounts before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepriceSums {
    pub events: u64,
    /// Events with other amounts than before.
    pub changed: u64,
    pub before: RepriceAmounts,
    pub after: RepriceAmounts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepriceAmounts {
    /// Events without a price.
    pub unpriced: u64,
    /// In billionths of a dollar.
    pub list_value_nano_usd: i64,
    /// In billionths of a dollar.
    pub cost_nano_usd: i64,
}

impl RepriceStep {
    /// Adds the result of the next part.
    pub fn add(&mut self, part: Self) {
        self.all.add(&part.all);
        for (model, sums) in part.models {
            self.models.entry(model).or_default().add(&sums);
        }
        self.price_list = part.price_list;
        self.next = part.next;
    }
}

impl RepriceSums {
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.changed += other.changed;
        self.before.add(&other.before);
        self.after.add(&other.after);
    }
}

impl RepriceAmounts {
    /// Adds an event. `None`: no price was known.
    pub fn add_event(&mut self, value: Option<i64>, cost: Option<i64>) {
        self.add(&Self {
            unpriced: u64::from(value.is_none()),
            list_value_nano_usd: value.unwrap_or(0),
            cost_nano_usd: cost.unwrap_or(0),
        });
    }

    fn add(&mut self, other: &Self) {
        self.unpriced += other.unpriced;
        let add = i64::saturating_add;
        self.list_value_nano_usd = add(self.list_value_nano_usd, other.list_value_nano_usd);
        self.cost_nano_usd = add(self.cost_nano_usd, other.cost_nano_usd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_import_add_up() {
        let mut all = ImportSummary::default();
        let mut part = ImportSummary {
            known: 2,
            rejected: 1,
            ..ImportSummary::default()
        };
        part.add_stored(1_795_323_690.123);
        part.add_stored(1_795_323_600.0);
        all.add(&part);
        all.add(&ImportSummary {
            rejected: 1,
            messages: 3,
            ..ImportSummary::default()
        });
        assert_eq!(
            all.to_string(),
            "9 read: 2 stored, 2 already there, 2 rejected, 3 messages that are no records; from \
             2026-11-22T05:00:00Z to 2026-11-22T05:01:30.123Z"
        );
        assert!(!all.is_nothing_read());
    }
}
