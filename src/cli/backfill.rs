use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::{ConfigFlags, Exit, flags, note};
use crate::app::labels;
use crate::clock::Clock;
use crate::config::{self, Env};
use crate::history::{Backfill, Range};
use crate::metrics::{BlockWriter, PastOutput};
use crate::model::UnixNanos;
use crate::store::Reader;

const BUFFER: usize = 256 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Start, such as 2026-11-01 or 2026-11-01T06:00:00Z [default: the first event]
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<UnixNanos>,
    /// End; must be before Prometheus' own first sample [default: the first event that was not
    /// imported, where the live counters start]
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<UnixNanos>,
    /// Time between two samples; set it to the scrape interval
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    step: Duration,
    /// Write TSDB blocks to this directory, for example Prometheus' data directory
    #[arg(long, value_name = "DIR")]
    blocks: Option<PathBuf>,
    /// Write OpenMetrics to this file, for `promtool tsdb create-blocks-from` [default: stdout]
    #[arg(long, value_name = "FILE", conflicts_with = "blocks")]
    out: Option<PathBuf>,
    /// Target label that Prometheus adds, such as job=cpa; set at least job and instance
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    flags: ConfigFlags<flags::Labels>,
}

/// Works while an exporter runs.
pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    let config::Labels {
        storage,
        metrics,
        aliases,
    } = config::load_labels(&args.flags.into_flags(), env)?.value;
    let reader = Reader::open(&storage.path)
        .with_context(|| format!("cannot read the database in {}", storage.path.display()))?;
    let out = output(args.blocks.as_deref(), args.out.as_deref())?;
    let range = Range {
        from: args.from,
        to: args.to,
        step: args.step,
    };
    let now = Clock::system().now();
    let done = Backfill::write(
        &reader,
        out,
        range,
        now,
        labels(&metrics.caps, &aliases),
        &args.labels,
    )?;
    let text = |at: UnixNanos| jiff::Timestamp::from_millisecond(at.as_millis());
    note(&format!(
        "{} samples of {} series from {} to {}",
        done.samples,
        done.series,
        text(done.from)?,
        text(done.to)?
    ));
    if done.joins_live {
        note(&format!(
            "the live counters began before that end; {} imported events from then on are left out",
            done.left_out
        ));
    }
    let free = done.to.saturating_add(HEAD);
    if args.blocks.is_some() && free > now {
        note(&format!(
            "the blocks reach into the last three hours, which Prometheus holds in memory; a restart \
             would drop samples older than the newest block: do not restart it before {}",
            text(free)?
        ));
    }
    Ok(Exit::Success)
}

/// Time span in Prometheus' memory and write-ahead log.
const HEAD: Duration = Duration::from_hours(3);

fn output(
    blocks: Option<&Path>,
    file: Option<&Path>,
) -> anyhow::Result<PastOutput<BufWriter<Box<dyn Write>>>> {
    if let Some(directory) = blocks {
        let blocks = BlockWriter::new(directory)
            .with_context(|| format!("cannot write into {}", directory.display()))?;
        return Ok(PastOutput::Blocks(blocks));
    }
    let out: Box<dyn Write> = match file {
        None => Box::new(io::stdout().lock()),
        Some(path) => Box::new(
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?,
        ),
    };
    Ok(PastOutput::Text(BufWriter::with_capacity(BUFFER, out)))
}

fn time(text: &str) -> Result<UnixNanos, String> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    let time = time.or_else(|_no_time| {
        let date: jiff::civil::Date = text.parse()?;
        Ok(date.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp())
    });
    let time = time.map_err(|error: jiff::Error| error.to_string())?;
    Ok(UnixNanos::from_millis(time.as_millisecond()))
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(is_word);
    if !is_name {
        return Err(format!("{name:?} is no label name"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants_or_days() {
        let millis = |text| time(text).map(UnixNanos::as_millis);
        assert_eq!(millis("1970-01-02"), Ok(86_400_000));
        assert_eq!(millis("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(millis("yesterday").is_err());
    }

    #[test]
    fn labels_are_names_with_values() {
        let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(
            label("instance=[::1]:10317"),
            pair("instance", "[::1]:10317")
        );
        assert_eq!(label("a=b=c"), pair("a", "b=c"));
        assert!(label("job").is_err());
        assert!(label("1st=x").is_err());
        assert!(label("=x").is_err());
    }
}
