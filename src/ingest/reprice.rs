//! Recomputes the amounts of stored events with another price list.

use std::sync::Arc;

use super::accounting::Accounting;
use crate::api::{RepriceRequest, RepriceStep, RepriceSums};
use crate::model::{Dimension, UnixNanos};
use crate::pricing::{PriceTable, Pricer, end_of, start_of};
use crate::store::{Change, Cursor, NotACursor, PricedEvent, Range, Store, StoreError};

/// Events per transaction, which takes some hundredths of a second.
const CHUNK: usize = 2000;

/// A reprice of a range of events, or of its next part.
#[derive(Debug)]
pub struct Reprice {
    range: Range,
    cursor: Cursor,
    pricer: Pricer,
    mode: Mode,
    events: Vec<PricedEvent>,
    result: RepriceStep,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    DryRun,
    /// With the number of the price list's version.
    Write(u32),
}

#[derive(Debug, thiserror::Error)]
pub enum RepriceError {
    #[error("{0} is neither a day in UTC like 2026-11-22 nor a time like 2026-11-22T08:00:00Z")]
    Time(String),
    #[error("to comes before from")]
    Empty,
    #[error("no record names the model {0}")]
    Model(String),
    #[error("after is not the next of an earlier result")]
    Cursor,
    #[error("database")]
    Store(#[from] StoreError),
}

impl Reprice {
    pub fn new(
        request: &RepriceRequest,
        table: Arc<PriceTable>,
        store: &mut Store,
        accounting: &Accounting,
        now: UnixNanos,
    ) -> Result<Self, RepriceError> {
        let wrong = |text: &str| RepriceError::Time(text.to_owned());
        let from = start_of(&request.from).ok_or_else(|| wrong(&request.from))?;
        let until = end_of(&request.to).ok_or_else(|| wrong(&request.to))?;
        if until <= from {
            return Err(RepriceError::Empty);
        }
        let model = request.model.as_ref().map(|name| {
            let id = accounting.model(name);
            id.ok_or_else(|| RepriceError::Model(name.clone()))
        });
        let cursor = match &request.after {
            Some(after) => after.parse().map_err(|NotACursor| RepriceError::Cursor)?,
            None => Cursor::before(from),
        };
        let version = table.version();
        let mode = if request.dry_run {
            Mode::DryRun
        } else {
            Mode::Write(store.price_version(&version.name, &version.source, now)?)
        };
        let result = RepriceStep {
            price_list: version.name.clone(),
            ..RepriceStep::default()
        };
        Ok(Self {
            range: Range {
                from,
                until,
                model: model.transpose()?,
            },
            cursor,
            pricer: Pricer::new(table),
            mode,
            events: Vec::with_capacity(CHUNK),
            result,
        })
    }

    /// Processes the next events in one transaction. False at the end of the range.
    pub fn step(
        &mut self,
        store: &mut Store,
        accounting: &mut Accounting,
    ) -> Result<bool, StoreError> {
        store.priced_events(&self.range, self.cursor, CHUNK, &mut self.events)?;
        let Some(last) = self.events.last() else {
            self.result.next = None;
            return Ok(false);
        };
        let cursor = Cursor::after(last);
        let mut changes = Vec::new();
        for event in &self.events {
            let (value, cost) = accounting.reprice(&mut self.pricer, event);
            changes.push(Change {
                event: *event,
                value,
                cost,
            });
        }
        let is_changed = |change: &Change| {
            change.value != change.event.value || change.cost != change.event.cost
        };
        let differing: Vec<Change> = changes.iter().copied().filter(is_changed).collect();
        if let (Mode::Write(version), false) = (self.mode, differing.is_empty()) {
            store.change_amounts(&differing, version)?;
            accounting.amounts_changed(store)?;
        }
        for change in &changes {
            let is_changed = is_changed(change);
            add(&mut self.result.all, change, is_changed);
            if is_changed {
                let model = accounting.text(Dimension::Model, change.event.model);
                let model = if model.is_empty() { "unknown" } else { model };
                if !self.result.models.contains_key(model) {
                    let none = RepriceSums::default();
                    self.result.models.insert(model.to_owned(), none);
                }
                if let Some(sums) = self.result.models.get_mut(model) {
                    add(sums, change, true);
                }
            }
        }
        self.cursor = cursor;
        self.result.next = Some(cursor.to_string());
        Ok(true)
    }

    /// The result so far.
    pub fn finish(self) -> RepriceStep {
        self.result
    }
}

fn add(sums: &mut RepriceSums, change: &Change, is_changed: bool) {
    sums.events += 1;
    sums.changed += u64::from(is_changed);
    sums.before.add_event(change.event.value, change.event.cost);
    sums.after.add_event(change.value, change.cost);
}

#[cfg(test)]
mod tests {
    use super::super::import::import;
    use super::super::testing::{accounting, decoder, prices};
    use super::*;
    use crate::decode::Decoder;

    const NOW: UnixNanos = UnixNanos::from_millis(1_795_521_600_000);

    /// A record of 100,000 tokens.
    fn record(model: &str, second: usize) -> String {
        format!(
            r#"{{"timestamp":"2026-11-22T00:{:02}:{:02}Z","provider":"codex","model":"{model}","auth_index":"37e10dbe","auth_type":"apikey","tokens":{{"input_tokens":100000,"total_tokens":100000}}}}"#,
            second / 60,
            second % 60
        )
    }

    fn request(after: Option<String>) -> RepriceRequest {
        RepriceRequest {
            from: "2026-11-22".to_owned(),
            to: "2026-11-22".to_owned(),
            after,
            ..RepriceRequest::default()
        }
    }

    /// Imports without a price.
    fn import_unpriced(store: &mut Store, decoder: &Decoder, records: &[String]) {
        let mut accounting = accounting(store);
        let unpriced = |r: &String| {
            r.replace("gpt-5.4", "unknown-a")
                .replace("gpt-5.5", "unknown-b")
        };
        let unpriced: Vec<String> = records.iter().map(unpriced).collect();
        import(store, decoder, &mut accounting, &unpriced, NOW).unwrap();
    }

    #[test]
    fn models_imported_during_a_reprice_keep_their_price() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mut accounting = accounting(&mut store);
        let decoder = decoder();
        let first = [record("gpt-5.4", 1)];
        import(&mut store, &decoder, &mut accounting, &first, NOW).unwrap();
        let table = Arc::new(prices());
        let mut reprice =
            Reprice::new(&request(None), table, &mut store, &accounting, NOW).unwrap();
        let second = [record("gpt-5.5", 2)];
        import(&mut store, &decoder, &mut accounting, &second, NOW).unwrap();
        while reprice.step(&mut store, &mut accounting).unwrap() {}
        let result = reprice.finish();
        assert_eq!((result.all.events, result.all.changed), (2, 0));
        assert_eq!((result.all.after.unpriced, result.next), (0, None));
        // 2.5 and 5 dollars per million tokens.
        assert_eq!(result.all.after.list_value_nano_usd, 750_000_000);
    }

    #[test]
    fn parts_of_a_range_add_up_to_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let records: Vec<String> = (0..CHUNK + 500).map(|at| record("gpt-5.4", at)).collect();
        import_unpriced(&mut store, &decoder(), &records);
        let mut accounting = accounting(&mut store);
        let mut whole = RepriceStep::default();
        let mut after = None;
        let mut parts = 0;
        loop {
            let request = request(after);
            let table = Arc::new(prices());
            let mut part = Reprice::new(&request, table, &mut store, &accounting, NOW).unwrap();
            part.step(&mut store, &mut accounting).unwrap();
            whole.add(part.finish());
            parts += 1;
            after = whole.next.clone();
            if after.is_none() {
                break;
            }
        }
        assert_eq!(parts, 3, "a full chunk, the rest, and the end");
        assert_eq!(whole.all.events, (CHUNK + 500) as u64);
        assert_eq!(whole.all.before.unpriced, whole.all.events);
    }

    #[test]
    fn invalid_requests_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let accounting = accounting(&mut store);
        let mut refusal = |change: fn(&mut RepriceRequest)| {
            let mut request = request(None);
            change(&mut request);
            let table = Arc::new(prices());
            let refused = Reprice::new(&request, table, &mut store, &accounting, NOW);
            refused.unwrap_err().to_string()
        };
        let time = refusal(|request| request.from = "soon".to_owned());
        assert!(time.starts_with("soon is neither a day"), "{time}");
        let empty = refusal(|request| request.to = "2026-11-21".to_owned());
        assert_eq!(empty, "to comes before from");
        let model = refusal(|request| request.model = Some("never-seen".to_owned()));
        assert_eq!(model, "no record names the model never-seen");
        let after = refusal(|request| request.after = Some("x".to_owned()));
        assert_eq!(after, "after is not the next of an earlier result");
    }
}
