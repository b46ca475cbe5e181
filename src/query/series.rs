//! A measure over time.

use std::collections::HashMap;
use std::rc::Rc;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span as Length, Timestamp, ToSpan as _, Unit, Zoned, ZonedRound};

use super::error::{ParameterError, QueryError};
use super::figures::{float, usd};
use super::filter::Filters;
use super::group::Group;
use super::names::Names;
use super::period::{Span, zone_name};
use crate::api::{Series, SeriesRow};
use crate::store::{Reader, USAGE_STEP, UsageQuery, UsageSums};

/// Most steps of an answer, the limit of Prometheus.
const MAX_STEPS: usize = 11_000;

/// Length of a step of local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    QuarterHour,
    Hour,
    Day,
    Month,
}

/// What is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Requests,
    Failures,
    Tokens,
    Cost,
    Value,
}

const STEPS: [(&str, Step); 4] = [
    ("15m", Step::QuarterHour),
    ("1h", Step::Hour),
    ("1d", Step::Day),
    ("month", Step::Month),
];
const MEASURES: [(&str, Measure); 5] = [
    ("requests", Measure::Requests),
    ("failures", Measure::Failures),
    ("tokens", Measure::Tokens),
    ("cost_usd", Measure::Cost),
    ("value_usd", Measure::Value),
];

fn named<T: Copy>(table: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = table.iter().find(|(name, _)| *name == text);
    found.map(|(_, it)| *it).ok_or_else(|| {
        let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn name<T: PartialEq>(table: &[(&str, T)], it: &T) -> String {
    let found = table.iter().find(|(_, other)| other == it);
    found.map_or_else(String::new, |(name, _)| (*name).to_owned())
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(&STEPS, text)
    }
}

impl FromStr for Measure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(&MEASURES, text)
    }
}

impl Step {
    fn start(self, at: &Zoned) -> Result<Zoned, jiff::Error> {
        let round = ZonedRound::new().mode(jiff::RoundMode::Trunc);
        match self {
            Self::QuarterHour => at.round(round.smallest(Unit::Minute).increment(15)),
            Self::Hour => at.round(round.smallest(Unit::Hour)),
            Self::Day => at.start_of_day(),
            Self::Month => at.first_of_month()?.start_of_day(),
        }
    }

    fn length(self) -> Length {
        match self {
            Self::QuarterHour => 15.minutes(),
            Self::Hour => 1.hour(),
            Self::Day => 1.day(),
            Self::Month => 1.month(),
        }
    }
}

impl Measure {
    fn of(self, sums: &UsageSums) -> f64 {
        match self {
            Self::Requests => float(sums.requests),
            Self::Failures => float(sums.failures),
            Self::Tokens => float(sums.tokens.iter().sum()),
            Self::Cost => usd(sums.cost),
            Self::Value => usd(sums.value),
        }
    }
}

/// Selects events, and says how they are summed up.
#[derive(Clone, Debug)]
pub struct SeriesQuestion {
    pub span: Span,
    pub zone: TimeZone,
    /// A series for each name of the group.
    pub by: Option<Group>,
    pub step: Step,
    pub measure: Measure,
    /// Series of their own; the others are added up.
    pub top: usize,
    pub filters: Filters,
}

pub fn series(
    reader: &Reader,
    names: &Names,
    question: &SeriesQuestion,
) -> Result<Series, QueryError> {
    let mut span = question.span;
    let extent = reader.extent()?;
    // Nothing is before the first event.
    span.from = extent.first.map_or(span.to, |first| span.from.max(first));
    let times = times(question, span)?;
    let key = match question.by {
        None => None,
        Some(group) => Some(group.key().ok_or(QueryError::TimeFilter(group.as_str()))?),
    };
    let mut sums: HashMap<Rc<str>, Vec<UsageSums>> = HashMap::new();
    for row in reader.usage(&UsageQuery {
        from: span.from,
        to: span.to,
        keys: key.into_iter().collect(),
        by_time: true,
        filter: question.filters.resolve(names)?,
    })? {
        let id = row.keys.first().copied().unwrap_or(0);
        let name = key.map_or_else(|| "".into(), |key| names.of(key, id));
        let at = i128::from(row.step) * i128::from(USAGE_STEP);
        let step = times.partition_point(|start| start.as_nanosecond() <= at);
        let all = sums.entry(name);
        let all = all.or_insert_with(|| vec![UsageSums::default(); times.len()]);
        // A step of the database may begin before the first event, and before its local step.
        if let Some(sum) = all.get_mut(step.saturating_sub(1)) {
            sum.add(&row.sums);
        }
    }
    let (series, other) = rows(question, sums);
    Ok(Series {
        from: question.span.from.as_seconds(),
        to: question.span.to.as_seconds(),
        timezone: zone_name(&question.zone),
        step: name(&STEPS, &question.step),
        measure: name(&MEASURES, &question.measure),
        by: question.by.map(|group| group.as_str().to_owned()),
        times: times.iter().map(|at| at.as_second()).collect(),
        series,
        other,
    })
}

/// The starts of all steps, in order.
fn times(question: &SeriesQuestion, span: Span) -> Result<Vec<Timestamp>, QueryError> {
    let mut times = Vec::new();
    let first = Timestamp::from_nanosecond(span.from.get().into())?;
    let first = question
        .step
        .start(&first.to_zoned(question.zone.clone()))?;
    let mut count = 0;
    loop {
        // From the first, because a month of 31 days would shorten all that follow a short one.
        let start = first.checked_add(question.step.length().checked_mul(count)?)?;
        if start.timestamp().as_nanosecond() >= i128::from(span.to.get()) {
            return Ok(times);
        }
        if times.len() == MAX_STEPS {
            return Err(ParameterError::Invalid {
                name: "step",
                problem: format!("more than {MAX_STEPS} steps; ask for longer ones"),
            }
            .into());
        }
        times.push(start.timestamp());
        count += 1;
    }
}

/// The largest series, and the sum of the others.
fn rows(
    question: &SeriesQuestion,
    sums: HashMap<Rc<str>, Vec<UsageSums>>,
) -> (Vec<SeriesRow>, Option<Vec<f64>>) {
    let measure = question.measure;
    let values = |sums: Vec<UsageSums>| sums.iter().map(|sums| measure.of(sums)).collect();
    let mut rows: Vec<(Rc<str>, Vec<f64>)> = sums
        .into_iter()
        .map(|(name, sums)| (name, values(sums)))
        .collect();
    let total = |values: &[f64]| values.iter().sum::<f64>();
    rows.sort_by(|(a, x), (b, y)| total(y).total_cmp(&total(x)).then(a.cmp(b)));
    let others = rows.split_off(question.top.min(rows.len()));
    let other = others.into_iter().map(|(_, values)| values);
    let other = other.reduce(|mut sum, values| {
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
        sum
    });
    let rows = rows.into_iter().map(|(name, values)| SeriesRow {
        name: name.to_string(),
        values,
    });
    (rows.collect(), other)
}
