//! Use by groups.

use std::collections::HashMap;
use std::rc::Rc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::error::QueryError;
use super::figures::usage;
use super::filter::Filters;
use super::group::{Group, TimeUnit};
use super::names::Names;
use super::period::{Span, zone_name};
use crate::api::{Breakdown, BreakdownRow};
use crate::store::{Reader, USAGE_STEP, UsageQuery, UsageRow, UsageSums};

/// Selects and groups events.
#[derive(Clone, Debug)]
pub struct Question {
    pub span: Span,
    pub zone: TimeZone,
    pub by: Vec<Group>,
    pub filters: Filters,
    /// Most rows; the total has all of them.
    pub top: Option<usize>,
}

/// Answers the question from the events of the database.
pub fn breakdown(
    reader: &Reader,
    names: &Names,
    question: &Question,
) -> Result<Breakdown, QueryError> {
    let by = &question.by;
    let query = UsageQuery {
        from: question.span.from,
        to: question.span.to,
        keys: by.iter().filter_map(|group| group.key()).collect(),
        by_time: by.iter().any(|group| group.is_time()),
        filter: question.filters.resolve(names)?,
    };
    let mut groups = Groups::new(names, question);
    let mut total = UsageSums::default();
    for row in reader.usage(&query)? {
        total.add(&row.sums);
        groups.add(&row)?;
    }
    let mut rows = groups.sorted();
    if let Some(top) = question.top {
        rows.truncate(top);
    }
    let group = |names: Vec<Rc<str>>| {
        let names = names.iter().map(ToString::to_string);
        by.iter()
            .map(|group| group.as_str().to_owned())
            .zip(names)
            .collect()
    };
    Ok(Breakdown {
        from: question.span.from.as_seconds(),
        to: question.span.to.as_seconds(),
        timezone: zone_name(&question.zone),
        by: by.iter().map(|group| group.as_str().to_owned()).collect(),
        rows: rows
            .into_iter()
            .map(|(names, sums)| BreakdownRow {
                group: group(names),
                usage: usage(&sums),
            })
            .collect(),
        total: usage(&total),
    })
}

/// Sums by the names of the groups.
struct Groups<'a> {
    names: &'a Names,
    question: &'a Question,
    sums: HashMap<Vec<Rc<str>>, UsageSums>,
    /// The starts of the spans of time that contain a step, in the order of the groups.
    starts: HashMap<(i64, TimeUnit), Rc<str>>,
}

impl<'a> Groups<'a> {
    fn new(names: &'a Names, question: &'a Question) -> Self {
        Self {
            names,
            question,
            sums: HashMap::new(),
            starts: HashMap::new(),
        }
    }

    fn add(&mut self, row: &UsageRow) -> Result<(), QueryError> {
        let mut ids = row.keys.iter();
        let mut key = Vec::with_capacity(self.question.by.len());
        for group in &self.question.by {
            key.push(match (group.time_unit(), group.key()) {
                (Some(unit), _) => self.start(unit, row.step)?,
                (None, Some(column)) => self.names.of(column, ids.next().copied().unwrap_or(0)),
                (None, None) => continue,
            });
        }
        self.sums.entry(key).or_default().add(&row.sums);
        Ok(())
    }

    fn start(&mut self, unit: TimeUnit, step: i64) -> Result<Rc<str>, QueryError> {
        if let Some(start) = self.starts.get(&(step, unit)) {
            return Ok(Rc::clone(start));
        }
        let at = Timestamp::from_nanosecond(i128::from(step) * i128::from(USAGE_STEP))?;
        let at = Zoned::new(at, self.question.zone.clone());
        let start: Rc<str> = unit.start(&at)?.into();
        self.starts.insert((step, unit), Rc::clone(&start));
        Ok(start)
    }

    /// The largest first, or the earliest.
    fn sorted(self) -> Vec<(Vec<Rc<str>>, UsageSums)> {
        let leading_times = self
            .question
            .by
            .iter()
            .take_while(|group| group.is_time())
            .count();
        let mut rows: Vec<_> = self.sums.into_iter().collect();
        rows.sort_by(|(a, x), (b, y)| {
            let times = a
                .iter()
                .take(leading_times)
                .cmp(b.iter().take(leading_times));
            times
                .then(y.value.cmp(&x.value))
                .then(y.requests.cmp(&x.requests))
                .then(a.cmp(b))
        });
        rows
    }
}
