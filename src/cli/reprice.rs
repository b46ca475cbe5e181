//! Recomputes the cost of stored events with current prices.

use anyhow::{Context as _, bail};

use super::money::{Setup, parse_end, parse_start};
use super::writer::Writer;
use super::{ConfigFlags, Exit, flags, print};
use crate::api::RepriceRequest;
use crate::config::Env;
use crate::report;
use crate::store::{Reader, Store};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// First day in UTC, or a time
    #[arg(long, value_name = "DAY", value_parser = start)]
    from: String,
    /// Last day in UTC, or a time (exclusive)
    #[arg(long, value_name = "DAY", value_parser = end)]
    to: String,
    /// Reprice only this model, as CPA's records name it
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Print the changes and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    flags: ConfigFlags<flags::Money>,
}

fn start(text: &str) -> Result<String, String> {
    parse_start(text).map(|_valid| text.to_owned())
}

fn end(text: &str) -> Result<String, String> {
    parse_end(text).map(|_valid| text.to_owned())
}

pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    let setup = Setup::load(args.flags, env)?;
    if parse_end(&args.to) <= parse_start(&args.from) {
        bail!("--to comes before --from");
    }
    let path = &setup.storage.path;
    let cannot_open = || format!("cannot open the database in {}", path.display());
    // Neither creates nor migrates a database.
    Reader::open(path).with_context(cannot_open)?;
    let mut writer = Writer::open(&setup, || Store::open(path).with_context(cannot_open))?;
    let result = writer.reprice(RepriceRequest {
        from: args.from,
        to: args.to,
        model: args.model,
        dry_run: args.dry_run,
        after: None,
    })?;
    writer.close()?;
    print(report::repriced(&result, args.dry_run).as_bytes())?;
    Ok(Exit::Success)
}
