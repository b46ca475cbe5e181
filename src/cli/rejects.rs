use anyhow::bail;
use clap::{Subcommand, ValueEnum};

use super::{ConfigFlags, Exit};
use crate::config::{self, Env, Storage};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what could not be decoded, newest first
    List(List),
    /// Decode again: what now decodes becomes events, the rest stays
    Replay(Replay),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Most rejects to list
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: u32,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    flags: ConfigFlags,
}

#[derive(Debug, clap::Args)]
struct Replay {
    /// Numbers from `rejects list` [default: all]
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    flags: ConfigFlags,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    match args.action {
        Action::List(List {
            limit,
            format,
            flags,
        }) => list(&storage(flags, env)?, limit, format),
        Action::Replay(Replay {
            ids,
            dry_run,
            flags,
        }) => replay(&storage(flags, env)?, &ids, dry_run),
    }
}

fn storage(flags: ConfigFlags, env: &Env) -> anyhow::Result<Storage> {
    Ok(config::load_storage(&flags.into_flags(), env)?.value)
}

fn list(storage: &Storage, _limit: u32, _format: Format) -> anyhow::Result<Exit> {
    no_store(storage)
}

fn replay(storage: &Storage, _ids: &[i64], _dry_run: bool) -> anyhow::Result<Exit> {
    no_store(storage)
}

fn no_store(storage: &Storage) -> anyhow::Result<Exit> {
    bail!("there is no store in {} yet", storage.path.display())
}
