//! The flags that select stored events: a range of time and filters.

use std::str::FromStr;

use anyhow::Context as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::note;
use crate::clock::Clock;
use crate::config::{Aliases, Storage};
use crate::model::UnixNanos;
use crate::query::{Filter, Group, Names, Period, QueryError, Span};
use crate::store::Reader;

#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// today, yesterday, week, month, or a time span such as 5h, 24h or 30d
    #[arg(value_name = "RANGE", conflicts_with_all = ["since", "until"])]
    range: Option<Period>,
    /// Start: a day or a time, such as 2026-11-01 or 2026-11-01T06:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// End: a day, which is included, or a time [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// IANA time zone, such as Europe/Berlin [default: TZ]
    #[arg(long, value_name = "ZONE", value_parser = TimeZone::get)]
    timezone: Option<TimeZone>,
    #[command(flatten)]
    filters: Filters,
}

/// Repeated, a filter selects all of its values.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Filters (repeat for alternatives)")]
struct Filters {
    #[arg(long, value_name = "NAME")]
    provider: Vec<String>,
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    #[arg(long, value_name = "NAME")]
    account: Vec<String>,
    #[arg(long, value_name = "NAME")]
    client: Vec<String>,
    #[arg(long, value_name = "NAME")]
    endpoint: Vec<String>,
    /// Reason of a failure, such as auth
    #[arg(long, value_name = "NAME")]
    reason: Vec<String>,
    /// HTTP status of a failure
    #[arg(long, value_name = "STATUS")]
    code: Vec<String>,
}

/// A day or a time of the command line.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Day(Date),
    Time(Timestamp),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = || text.parse().map(Self::Day).ok();
        let time = || text.parse().map(Self::Time).ok();
        // A time begins like a day, which jiff would read from it.
        let moment = if text.contains(['T', ' ']) {
            time()
        } else {
            day()
        };
        moment.ok_or_else(|| {
            "expected a day like 2026-11-01 or a time like 2026-11-01T06:00:00Z".to_owned()
        })
    }
}

impl Filters {
    fn pairs(&self) -> Vec<Filter> {
        let all = [
            (Group::Provider, &self.provider),
            (Group::Model, &self.model),
            (Group::Alias, &self.alias),
            (Group::Account, &self.account),
            (Group::Client, &self.client),
            (Group::Endpoint, &self.endpoint),
            (Group::Reason, &self.reason),
            (Group::Code, &self.code),
        ];
        let filters = all.into_iter().flat_map(|(group, names)| {
            let names = names.iter().cloned();
            names.map(move |name| Filter { group, name })
        });
        filters.collect()
    }
}

impl Selection {
    pub(super) fn zone(&self) -> TimeZone {
        self.timezone.clone().unwrap_or_else(TimeZone::system)
    }

    pub(super) fn filters(&self) -> Vec<Filter> {
        self.filters.pairs()
    }

    /// The range of time; `default` without any flag.
    pub(super) fn span(&self, default: Period) -> anyhow::Result<Span> {
        let now = Timestamp::from_nanosecond(Clock::system().now().get().into())?;
        let now = now.to_zoned(self.zone());
        match (self.since, self.until) {
            (None, None) => Ok(self.range.unwrap_or(default).span(&now)?),
            (since, until) => between(since, until, &now),
        }
    }
}

fn between(since: Option<Moment>, until: Option<Moment>, now: &Zoned) -> anyhow::Result<Span> {
    let start = |day: Date| -> anyhow::Result<Timestamp> {
        Ok(day.to_zoned(now.time_zone().clone())?.timestamp())
    };
    let from = match since {
        None => Timestamp::UNIX_EPOCH,
        Some(Moment::Day(day)) => start(day)?,
        Some(Moment::Time(time)) => time,
    };
    let to = match until {
        None => now.timestamp(),
        Some(Moment::Day(day)) => start(day.tomorrow()?)?,
        Some(Moment::Time(time)) => time,
    };
    let nanos = |at: Timestamp| i64::try_from(at.as_nanosecond()).map(UnixNanos::new);
    Ok(Span {
        from: nanos(from)?,
        to: nanos(to)?,
    })
}

/// Reads the database for a question. `None`: the question is wrong, and a note has told why.
pub(super) fn answer<T>(
    storage: &Storage,
    aliases: &Aliases,
    ask: impl FnOnce(&Reader, &Names) -> Result<T, QueryError>,
) -> anyhow::Result<Option<T>> {
    let answer = Reader::open(&storage.path)
        .map_err(QueryError::from)
        .and_then(|reader| {
            let names = Names::load(&reader, aliases)?;
            ask(&reader, &names)
        });
    match answer {
        Err(error @ (QueryError::NoSuchName { .. } | QueryError::TimeFilter(_))) => {
            note(&format!("error: {error}"));
            Ok(None)
        }
        answer => {
            let place = || format!("cannot answer from {}", storage.path.display());
            Ok(Some(answer.with_context(place)?))
        }
    }
}
