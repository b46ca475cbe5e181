//! Use in a span of time, and in the one before.

use jiff::tz::TimeZone;

use super::error::QueryError;
use super::events::total;
use super::figures::float;
use super::filter::Filters;
use super::names::Names;
use super::period::{Span, zone_name};
use crate::api::{SpanUsage, Summary};
use crate::store::Reader;

/// Selects events.
#[derive(Clone, Debug)]
pub struct SummaryQuestion {
    pub span: Span,
    /// What it is compared with.
    pub before: Span,
    pub zone: TimeZone,
    pub filters: Filters,
}

pub fn summary(
    reader: &Reader,
    names: &Names,
    question: &SummaryQuestion,
) -> Result<Summary, QueryError> {
    let filter = question.filters.resolve(names)?;
    let of = |span: Span| -> Result<SpanUsage, QueryError> {
        let usage = total(reader, span, filter.clone())?;
        let minutes = span.to.since(span.from).as_secs_f64() / 60.0;
        let rate = |sum: u64| (minutes > 0.0).then(|| float(sum) / minutes);
        Ok(SpanUsage {
            from: span.from.as_seconds(),
            to: span.to.as_seconds(),
            requests_per_minute: rate(usage.requests),
            tokens_per_minute: rate(usage.tokens.total),
            usage,
        })
    };
    Ok(Summary {
        timezone: zone_name(&question.zone),
        current: of(question.span)?,
        before: of(question.before)?,
    })
}
