use std::io;

use clap::ValueEnum;

use super::selection::{self, Selection};
use super::terminal::style;
use super::{ConfigFlags, Exit, flags, note, print};
use crate::api::Event;
use crate::config::{self, Env};
use crate::query::{self, EventQuestion, Filters, Names, Period, QueryError};
use crate::report::events;
use crate::store::{EventOrder, Reader};

/// Events of one read. Between two reads the database is free for the exporter's clean-up.
const PAGE: u32 = 1000;
const DEFAULT_RANGE: Period = Period::ALL;

const AFTER_HELP: &str = "\
The command reads the database, also while an exporter runs. Imported records are included.

Examples:
  cpa-exporter events                                      the last 20 requests
  cpa-exporter events today --failed --last 100            the last 100 failures of today
  cpa-exporter events --min-latency 30s --model gpt-5.4    slow requests of a model
  cpa-exporter events month --all --format csv > events.csv

Exit codes:
  0  success, even without any record
  1  the database cannot be read
  2  invalid command line or configuration, or a filter that no record matches";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Maximum number of requests
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    last: u32,
    /// All selected requests
    #[arg(long, conflicts_with = "last")]
    all: bool,
    /// Only failed requests
    #[arg(long)]
    failed: bool,
    /// Only successful requests
    #[arg(long, conflicts_with = "failed")]
    succeeded: bool,
    /// Only requests that took at least this long
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "0s")]
    min_latency: std::time::Duration,
    /// Output format; jsonl has one JSON object per line
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    flags: ConfigFlags<flags::Labels>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Jsonl,
    Csv,
}

pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    let config::Labels {
        storage, aliases, ..
    } = config::load_labels(&args.flags.into_flags(), env)?.value;
    let zone = args.selection.zone();
    let mut question = EventQuestion {
        span: args.selection.span(DEFAULT_RANGE)?,
        filters: Filters {
            failed: match (args.failed, args.succeeded) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
            min_latency_ms: u64::try_from(args.min_latency.as_millis()).unwrap_or(u64::MAX),
            ..args.selection.filters()
        },
        order: EventOrder::Time,
        sums: false,
        cursor: None,
        limit: PAGE,
    };
    let most = if args.all { u64::MAX } else { args.last.into() };
    let mut table = Vec::new();
    let mut count = 0;
    if args.format == Format::Csv {
        print(events::csv_head().as_bytes())?;
    }
    let done = selection::answer(&storage, &aliases, |reader, names| {
        count = each(reader, names, &mut question, most, |event| {
            match args.format {
                Format::Table => table.push(event),
                Format::Jsonl => print(events::json_line(&event)?.as_bytes())?,
                Format::Csv => print(events::csv_row(&event, &zone).as_bytes())?,
            }
            Ok(())
        })?;
        Ok(())
    })?;
    if done.is_none() {
        return Ok(Exit::Usage);
    }
    if count == 0 {
        note("no requests in this range");
    }
    if !table.is_empty() {
        print(events::table(&table, &zone, &style(env)).as_bytes())?;
    }
    Ok(Exit::Success)
}

/// Reads page by page and gives each event to `take`. Returns their number.
fn each(
    reader: &Reader,
    names: &Names,
    question: &mut EventQuestion,
    most: u64,
    mut take: impl FnMut(Event) -> io::Result<()>,
) -> Result<u64, QueryError> {
    let mut count = 0;
    loop {
        let left = u32::try_from(most - count).unwrap_or(u32::MAX);
        question.limit = left.min(PAGE);
        let page = query::events(reader, names, question)?;
        for event in page.events {
            take(event)?;
            count += 1;
        }
        let next = page.cursor.filter(|_| count < most);
        let Some(cursor) = next.and_then(|text| text.parse().ok()) else {
            return Ok(count);
        };
        question.cursor = Some(cursor);
    }
}
