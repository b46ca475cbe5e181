use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use anyhow::Context as _;

use super::money::Setup;
use super::writer::Writer;
use super::{ConfigFlags, Exit, flags, note, print};
use crate::api::ImportSummary;
use crate::app::storage::open_idle;
use crate::config::Env;
use crate::history::Lines;
use crate::platform::create_private_dir;

/// Size of the read buffer; history files are large.
const BUFFER: usize = 256 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CPA's usage records, one JSON object per line; - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    flags: ConfigFlags<flags::ImportMoney>,
}

/// Stores events; the counters do not change.
pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    let setup = Setup::load(args.flags, env)?;
    let input: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.file)
            .with_context(|| format!("cannot open {}", args.file.display()))?;
        Box::new(BufReader::with_capacity(BUFFER, file))
    };
    let path = &setup.storage.path;
    create_private_dir(path).with_context(|| format!("cannot create {}", path.display()))?;
    let spool_limit = setup.storage.spool_limit.get();
    let mut writer = Writer::open(&setup, || open_idle(path, spool_limit))?;
    if writer.is_exporter() {
        note("the running exporter imports the records");
    }
    let mut lines = Lines::new(input);
    let mut summary = ImportSummary::default();
    loop {
        let chunk = lines.next_chunk().context("cannot read the records")?;
        if chunk.is_empty() {
            break;
        }
        let part = writer.import(&chunk);
        summary.add(&part.with_context(|| format!("import stopped after: {summary}"))?);
    }
    writer.close()?;
    print(format!("{summary}\n").as_bytes())?;
    Ok(if summary.is_nothing_read() {
        Exit::Failed
    } else {
        Exit::Success
    })
}
