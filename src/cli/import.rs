use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use anyhow::Context as _;

use super::{ConfigFlags, Exit, print};
use crate::app::storage::{hash_key, open_idle};
use crate::clock::Clock;
use crate::config::{self, Env};
use crate::decode::Decoder;
use crate::history::{Import, Lines};
use crate::platform::{DirLock, create_private_dir};

/// Of a read; files of history are long.
const BUFFER: usize = 256 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CPA's usage records, one JSON object a line; - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    flags: ConfigFlags,
}

/// Events only: the counters neither rise nor fall by it.
pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    let storage = config::load_storage(&args.flags.into_flags(), env)?.value;
    let input: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.file)
            .with_context(|| format!("cannot open {}", args.file.display()))?;
        Box::new(BufReader::with_capacity(BUFFER, file))
    };
    create_private_dir(&storage.path)
        .with_context(|| format!("cannot create {}", storage.path.display()))?;
    let _lock = DirLock::acquire(&storage.path)
        .context("the exporter must be stopped for an import; start it again afterwards")?;
    let decoder = Decoder::new(hash_key(&storage.path)?);
    let mut store = open_idle(&storage.path, storage.spool_limit.get(), &decoder)?;
    let mut import = Import::new(&mut store, &decoder, Clock::system().now());
    import.take_lines(Lines::new(input))?;
    let summary = import.finish()?;
    store.checkpoint()?;
    print(format!("{summary}\n").as_bytes())?;
    // A file of something else altogether.
    let nothing_read = summary.rejected > 0 && summary.rejected == summary.read();
    Ok(if nothing_read {
        Exit::Failed
    } else {
        Exit::Success
    })
}
