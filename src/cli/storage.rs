use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::{ConfigFlags, Exit, Group, flags, note, print};
use crate::clock::Clock;
use crate::config::{self, Env};
use crate::model::FailureClass;
use crate::platform::DirLock;
use crate::store::{self, DATABASE_FILE, StoreError};

/// SQLite's side files, and the database last: while it exists, its log must not be used for
/// another database.
const SUFFIXES: [&str; 3] = ["-wal", "-shm", ""];

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Rename a damaged database; the next start creates an empty one
    ///
    /// The command deletes nothing: it adds the time to the names of the files. Records in the spool go
    /// into the new database. Counters restart at zero. The command checks the database first and
    /// renames an intact one only after a prompt, or with --force.
    SetAside(SetAside),
}

#[derive(Debug, clap::Args)]
pub(super) struct SetAside {
    /// Rename an intact database without a prompt
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    flags: ConfigFlags<flags::Stored>,
}

pub(super) fn execute(args: Group<Action>, env: &Env) -> anyhow::Result<Exit> {
    let Action::SetAside(SetAside { force, flags }) = args.action;
    let storage = config::load_storage(&flags.into_flags(), env)?.value.path;
    let _lock = DirLock::acquire(&storage).context("stop the exporter first")?;
    let database = storage.join(DATABASE_FILE);
    if !database.exists() {
        bail!("there is no database in {}", storage.display());
    }
    let ending = match store::check(&storage) {
        Err(error) if error.class() == FailureClass::Corrupt => "damaged",
        // No current program reads it.
        Err(StoreError::PreRelease(_)) => "aside",
        checked => {
            let found = checked.map_or_else(
                |error| format!("{:#}", anyhow::Error::new(error)),
                |()| format!("the database {} is not damaged", database.display()),
            );
            if !force && !confirm(&found)? {
                note("nothing was changed");
                return Ok(Exit::Failed);
            }
            "aside"
        }
    };
    print(set_aside(&storage, ending)?.as_bytes())?;
    Ok(Exit::Success)
}

/// Asks on a terminal; fails without one.
fn confirm(found: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("{found}; use --force to set it aside anyway");
    }
    note(&format!(
        "{found}. If it is set aside, counters restart at zero and the stored history is not used. \
         Set it aside? [y/N]"
    ));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}

/// Renames the files. Returns the result and the commands to undo it.
fn set_aside(storage: &Path, ending: &str) -> anyhow::Result<String> {
    let at = Clock::system().now().as_millis() / 1000;
    let mut back = String::new();
    let mut moved = String::new();
    for suffix in SUFFIXES {
        let from = storage.join(format!("{DATABASE_FILE}{suffix}"));
        let to = storage.join(format!("{DATABASE_FILE}.{at}.{ending}{suffix}"));
        if from.exists() {
            std::fs::rename(&from, &to)
                .with_context(|| format!("cannot rename {}", from.display()))?;
            moved = format!("set aside as {}\n", to.display());
            writeln!(back, "  mv '{}' '{}'", to.display(), from.display())?;
        }
    }
    Ok(format!(
        "{moved}to undo: stop the exporter, set the new database aside (--force), then\n{back}"
    ))
}
