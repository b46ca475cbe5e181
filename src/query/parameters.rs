//! Parameters of questions, as the API receives them.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::breakdown::Question;
use super::error::{ParameterError, QueryError};
use super::events::EventQuestion;
use super::filter::{Filter, Filters};
use super::group::Group;
use super::period::{Moment, Period, Span, between};
use super::series::{Measure, SeriesQuestion, Step};
use super::summary::SummaryQuestion;
use crate::model::UnixNanos;
use crate::store::EventOrder;

/// Events of a page, unless the client asks for another number.
const PAGE: u32 = 100;
/// Most events of a page.
const MAX_PAGE: u32 = 1000;
/// Most names of groups in one answer of `series`.
const MAX_SERIES: usize = 100;

/// Names and values. What no question has taken is unknown.
#[derive(Clone, Debug)]
pub struct Parameters {
    pairs: VecDeque<(String, String)>,
    now: UnixNanos,
}

impl Parameters {
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>, now: UnixNanos) -> Self {
        Self {
            pairs: pairs.into_iter().collect(),
            now,
        }
    }

    /// All values of a repeatable parameter.
    fn all(&mut self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.pairs.retain(|(key, value)| {
            if key == name {
                found.push(value.clone());
            }
            key != name
        });
        found
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>, ParameterError> {
        let mut all = self.all(name);
        if all.len() > 1 {
            return Err(ParameterError::Repeated(name));
        }
        Ok(all.pop())
    }

    fn value<T: FromStr>(&mut self, name: &'static str) -> Result<Option<T>, ParameterError>
    where
        T::Err: fmt::Display,
    {
        let text = self.text(name)?;
        text.map(|text| text.parse().map_err(|error| invalid(name, error)))
            .transpose()
    }

    /// Refuses what is left.
    pub fn finish(self) -> Result<(), ParameterError> {
        match self.pairs.into_iter().next() {
            Some((name, _)) => Err(ParameterError::Unknown(name)),
            None => Ok(()),
        }
    }

    fn zone(&mut self) -> Result<TimeZone, ParameterError> {
        let name = self.text("tz")?;
        name.map_or_else(
            || Ok(TimeZone::system()),
            |name| TimeZone::get(&name).map_err(|error| invalid("tz", error)),
        )
    }

    /// The range: its name if it has one, and its span.
    fn range(
        &mut self,
        zone: &TimeZone,
        default: Period,
    ) -> Result<(Option<Period>, Span), QueryError> {
        let period: Option<Period> = self.value("range")?;
        let (from, to): (Option<Moment>, Option<Moment>) = (self.value("from")?, self.value("to")?);
        let now = Timestamp::from_nanosecond(self.now.get().into())?;
        let now = now.to_zoned(zone.clone());
        match (period, from, to) {
            (_, None, None) => {
                let period = period.unwrap_or(default);
                Ok((Some(period), period.span(&now)?))
            }
            (Some(_), ..) => Err(invalid("range", "not with from or to").into()),
            (None, from, to) => Ok((None, between(from, to, &now)?)),
        }
    }

    fn filters(&mut self) -> Result<Filters, ParameterError> {
        let mut groups = Vec::new();
        for group in Group::ALL.into_iter().filter(|group| !group.is_time()) {
            let names = self.all(group.as_str());
            groups.extend(names.into_iter().map(|name| Filter { group, name }));
        }
        let failed = match self.text("result")?.as_deref() {
            None => None,
            Some("failed") => Some(true),
            Some("ok") => Some(false),
            Some(_) => return Err(invalid("result", "expected ok or failed")),
        };
        let latency = self.text("min_latency")?;
        let latency = latency.map(|text| humantime::parse_duration(&text));
        let latency = latency.transpose().map_err(|e| invalid("min_latency", e))?;
        let latency = latency.unwrap_or_default().as_millis();
        Ok(Filters {
            groups,
            failed,
            min_latency_ms: u64::try_from(latency).unwrap_or(u64::MAX),
            request_id: self.text("request_id")?,
            error: self.text("error")?,
        })
    }

    fn by(&mut self, most: usize) -> Result<Vec<Group>, ParameterError> {
        let Some(text) = self.text("by")? else {
            return Ok(Vec::new());
        };
        let by = text.split(',').map(Group::from_str);
        let by: Vec<Group> = by.collect::<Result<_, _>>().map_err(|e| invalid("by", e))?;
        if by.len() > most {
            let problem = format!("at most {most} of the groups");
            return Err(invalid("by", problem));
        }
        Ok(by)
    }

    pub fn breakdown(&mut self) -> Result<Question, QueryError> {
        let zone = self.zone()?;
        let (_, span) = self.range(&zone, Period::Today)?;
        let by = self.by(2)?;
        Ok(Question {
            span,
            zone,
            by: if by.is_empty() {
                vec![Group::Model]
            } else {
                by
            },
            filters: self.filters()?,
            top: self.value("top")?,
        })
    }

    pub fn summary(&mut self) -> Result<SummaryQuestion, QueryError> {
        let zone = self.zone()?;
        let now = Timestamp::from_nanosecond(self.now.get().into())?;
        let (period, span) = self.range(&zone, Period::Today)?;
        let before = match period {
            Some(period) => period.before(&now.to_zoned(zone.clone()))?,
            None => span.before(),
        };
        Ok(SummaryQuestion {
            span,
            before,
            zone,
            filters: self.filters()?,
        })
    }

    pub fn series(&mut self) -> Result<SeriesQuestion, QueryError> {
        let zone = self.zone()?;
        let (_, span) = self.range(&zone, Period::DAY)?;
        let top = self.value("top")?.unwrap_or(10_usize);
        if top > MAX_SERIES {
            return Err(invalid("top", format!("at most {MAX_SERIES}")).into());
        }
        Ok(SeriesQuestion {
            span,
            zone,
            by: self.by(1)?.pop(),
            step: self.value("step")?.unwrap_or(Step::Hour),
            measure: self.value("measure")?.unwrap_or(Measure::Requests),
            top,
            filters: self.filters()?,
        })
    }

    /// The question for the values of a group, most used first.
    pub fn values(&mut self, group: Group) -> Result<Question, QueryError> {
        let zone = self.zone()?;
        let (_, span) = self.range(&zone, Period::MONTH)?;
        Ok(Question {
            span,
            zone,
            by: vec![group],
            filters: self.filters()?,
            top: self.value("top")?,
        })
    }

    pub fn events(&mut self) -> Result<EventQuestion, QueryError> {
        let zone = self.zone()?;
        let (_, span) = self.range(&zone, Period::ALL)?;
        let limit = self.value("limit")?.unwrap_or(PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(invalid("limit", format!("1 to {MAX_PAGE}")).into());
        }
        let order = match self.text("order")?.as_deref() {
            None | Some("time") => EventOrder::Time,
            Some("latency") => EventOrder::Latency,
            Some("tokens") => EventOrder::Tokens,
            Some("cost") => EventOrder::Cost,
            Some("value") => EventOrder::Value,
            Some(_) => {
                let problem = "expected time, latency, tokens, cost or value";
                return Err(invalid("order", problem).into());
            }
        };
        Ok(EventQuestion {
            span,
            filters: self.filters()?,
            order,
            cursor: self.value("cursor")?,
            limit,
            sums: self.value("sums")?.unwrap_or(false),
        })
    }

    /// The selection of an export and the zone of its times.
    pub fn export(&mut self) -> Result<(EventQuestion, TimeZone), QueryError> {
        let zone = self.zone()?;
        let (_, span) = self.range(&zone, Period::ALL)?;
        let question = EventQuestion {
            span,
            filters: self.filters()?,
            order: EventOrder::Time,
            cursor: None,
            limit: MAX_PAGE,
            sums: false,
        };
        Ok((question, zone))
    }
}

fn invalid(name: &'static str, problem: impl fmt::Display) -> ParameterError {
    ParameterError::Invalid {
        name,
        problem: problem.to_string(),
    }
}
