use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::money::{Priced, Setup, now};
use super::{ConfigFlags, Exit, flags, note, print};
use crate::app::prices;
use crate::app::storage::{hash_key, open_idle};
use crate::config::Env;
use crate::decode::Decoder;
use crate::history::{Import, Lines, PendingImport};
use crate::platform::{DirLock, LockError, create_private_dir};

/// Size of the read buffer; history files are large.
const BUFFER: usize = 256 * 1024;
/// Interval at which the running exporter's result and lock are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const LOOK_FOR_EXPORTER: Duration = Duration::from_secs(5);

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
    match DirLock::acquire(path) {
        Ok(_lock) => import(&setup, input),
        Err(LockError::InUse { .. }) => pass_to_exporter(path, input),
        Err(error) => Err(error.into()),
    }
}

/// Imports into a database that no other process uses.
fn import(setup: &Setup, input: impl BufRead) -> anyhow::Result<Exit> {
    let path = &setup.storage.path;
    let decoder = Decoder::new(hash_key(path)?);
    let mut store = open_idle(path, setup.storage.spool_limit.get())?;
    let billing = prices::billing(&setup.cost, &setup.aliases);
    let mut sink = Priced::new(setup.table()?, billing, &mut store)?;
    let mut import = Import::new(&mut store, &decoder, &mut sink, now());
    import.take_lines(Lines::new(input))?;
    let summary = import.finish()?;
    store.checkpoint()?;
    print(format!("{summary}\n").as_bytes())?;
    Ok(exit(summary.is_nothing_read()))
}

/// Passes the records to the running exporter.
fn pass_to_exporter(storage: &Path, input: impl BufRead) -> anyhow::Result<Exit> {
    let pending = PendingImport::write(storage, input, now())
        .context("cannot pass the records to the running exporter")?;
    note("the running exporter imports the records");
    let mut looked = Instant::now();
    loop {
        if let Some(answer) = pending
            .answer()
            .context("cannot read the result of the import")?
        {
            print(format!("{}\n", answer.text).as_bytes())?;
            return Ok(exit(answer.failed));
        }
        if looked.elapsed() >= LOOK_FOR_EXPORTER {
            looked = Instant::now();
            if DirLock::acquire(storage).is_ok() {
                bail!("the exporter has stopped; it imports the rest after its next start");
            }
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn exit(failed: bool) -> Exit {
    if failed { Exit::Failed } else { Exit::Success }
}
