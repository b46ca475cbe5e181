use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::{ConfigFlags, Exit, Group, flags, print};
use crate::clock::Clock;
use crate::config::{self, Env};
use crate::platform::DirLock;
use crate::store::DATABASE_FILE;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Rename a damaged database, so that the next start begins an empty one
    ///
    /// Nothing is deleted: the files stay beside it under a name with the time. What waits in the
    /// spool goes into the new database. Counters begin again at zero.
    SetAside(SetAside),
}

#[derive(Debug, clap::Args)]
pub(super) struct SetAside {
    #[command(flatten)]
    flags: ConfigFlags<flags::Stored>,
}

pub(super) fn execute(args: Group<Action>, env: &Env) -> anyhow::Result<Exit> {
    let Action::SetAside(SetAside { flags }) = args.action;
    let storage = config::load_storage(&flags.into_flags(), env)?.value.path;
    let _lock = DirLock::acquire(&storage).context("the exporter must be stopped first")?;
    if !storage.join(DATABASE_FILE).exists() {
        bail!("there is no database in {}", storage.display());
    }
    let at = Clock::system().now().as_millis() / 1000;
    let mut moved = String::new();
    // The database itself last: as long as it stands, its log must not be taken for another one's.
    for suffix in ["-wal", "-shm", ""] {
        let from = storage.join(format!("{DATABASE_FILE}{suffix}"));
        let to = storage.join(format!("{DATABASE_FILE}.{at}.damaged{suffix}"));
        if from.exists() {
            std::fs::rename(&from, &to)
                .with_context(|| format!("cannot rename {}", from.display()))?;
            moved = format!("set aside as {}\n", to.display());
        }
    }
    print(moved.as_bytes())?;
    Ok(Exit::Success)
}
