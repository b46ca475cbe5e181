use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use tokio::runtime;

use super::{Exit, note};
use crate::platform::Signals;
use crate::simulator::SimulateArgs;
use crate::simulator::{History, Simulator};

pub(super) fn execute(args: SimulateArgs) -> anyhow::Result<Exit> {
    if let Some(span) = args.history {
        let out = args.out.clone();
        let history = History::new(args.into_config(), span);
        return write(history, &out);
    }
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let simulator = Simulator::start(args.into_config()).await?;
        let address = simulator.addr();
        note(&format!(
            "simulated CPA on http://{address}, management key {}; totals: \
             http://{address}/simulator/totals; true quotas: http://{address}/simulator/quotas; \
             Ctrl-C stops it",
            simulator.management_key()
        ));
        while signals.next().await != crate::platform::Signal::Stop {}
        simulator.shutdown().await;
        Ok(Exit::Success)
    })
}

/// One record per line. A closed pipe is not an error.
fn write(history: History, path: &Path) -> anyhow::Result<Exit> {
    let out: Box<dyn Write> = if path.as_os_str() == "-" {
        Box::new(io::stdout().lock())
    } else {
        Box::new(File::create(path).with_context(|| format!("cannot create {}", path.display()))?)
    };
    let mut out = BufWriter::new(out);
    let mut written = 0_u64;
    let all = || {
        for record in history {
            out.write_all(&record)?;
            out.write_all(b"\n")?;
            written += 1;
        }
        out.flush()
    };
    match all() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Success),
        done => done.context("cannot write the records")?,
    }
    note(&format!("{written} records written"));
    Ok(Exit::Success)
}
