//! The flags that select stored events: a range of time and filters.

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::note;
use crate::clock::Clock;
use crate::config::{Aliases, Storage};
use crate::query::{Filter, Filters, Group, Moment, Names, Period, QueryError, Span, between};
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
    filters: FilterFlags,
}

/// Repeated, a filter selects all of its values.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Filters (repeat for alternatives)")]
struct FilterFlags {
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

impl FilterFlags {
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

    pub(super) fn filters(&self) -> Filters {
        Filters {
            groups: self.filters.pairs(),
            ..Filters::default()
        }
    }

    /// The range of time; `default` without any flag.
    pub(super) fn span(&self, default: Period) -> anyhow::Result<Span> {
        let now = Timestamp::from_nanosecond(Clock::system().now().get().into())?;
        let now = now.to_zoned(self.zone());
        match (self.since, self.until) {
            (None, None) => Ok(self.range.unwrap_or(default).span(&now)?),
            (since, until) => Ok(between(since, until, &now)?),
        }
    }
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
        Err(error) if error.is_refusal() => {
            note(&format!("error: {error}"));
            Ok(None)
        }
        answer => {
            let place = || format!("cannot answer from {}", storage.path.display());
            Ok(Some(answer.with_context(place)?))
        }
    }
}
