use std::fmt::Write as _;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};

use super::money::Setup;
use super::{ConfigFlags, Exit, Group, flags, note, print};
use crate::app::storage::{hash_key, open_idle, open_spool};
use crate::config::{self, Env, Storage};
use crate::decode::{Decoded, Decoder};
use crate::model::{Batch, IngestMode};
use crate::platform::DirLock;
use crate::store::{Reader, Store, StoredReject};

/// Maximum length of a payload in the text list, in characters.
const PAYLOAD_SHOWN: usize = 160;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List rejected records, newest first
    List(List),
    /// Decode rejected records again; decoded ones become events at the next start, the rest stay
    Replay(Replay),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Maximum number of rejects to list
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: u32,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    flags: ConfigFlags<flags::Stored>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    /// Ids from `rejects list` [default: all]
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Print the result and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    flags: ConfigFlags<flags::ImportMoney>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn execute(args: Group<Action>, env: &Env) -> anyhow::Result<Exit> {
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
        }) => replay(&Setup::load(flags, env)?, &ids, dry_run),
    }
}

fn storage<R>(flags: ConfigFlags<R>, env: &Env) -> anyhow::Result<Storage> {
    Ok(config::load_storage(&flags.into_flags(), env)?.value)
}

fn list(storage: &Storage, limit: u32, format: Format) -> anyhow::Result<Exit> {
    let rejects = Reader::open(&storage.path)
        .and_then(|reader| reader.rejects(limit))
        .with_context(|| format!("cannot read the database in {}", storage.path.display()))?;
    let mut out = String::new();
    for reject in &rejects {
        match format {
            Format::Text => write_text(&mut out, reject)?,
            Format::Json => write_json(&mut out, reject)?,
        }
    }
    if rejects.is_empty() {
        note("the database has no rejected records");
    }
    print(out.as_bytes())?;
    Ok(Exit::Success)
}

fn write_text(out: &mut String, reject: &StoredReject) -> anyhow::Result<()> {
    let received = jiff::Timestamp::from_millisecond(reject.received.as_millis())?;
    let payload = String::from_utf8_lossy(&reject.payload);
    let shown: String = payload.chars().take(PAYLOAD_SHOWN).collect();
    writeln!(
        out,
        "{}  {received}  {}: {}\n    {}",
        reject.id,
        reject.reason.as_str(),
        reject.detail,
        shown.escape_debug()
    )?;
    Ok(())
}

fn write_json(out: &mut String, reject: &StoredReject) -> anyhow::Result<()> {
    let line = serde_json::json!({
        "id": reject.id,
        "received": jiff::Timestamp::from_millisecond(reject.received.as_millis())?,
        "reason": reject.reason.as_str(),
        "detail": reject.detail,
        "payload": String::from_utf8_lossy(&reject.payload),
    });
    writeln!(out, "{line}")?;
    Ok(())
}

/// Decodable records go through the spool, as every record does, at the next start.
fn replay(setup: &Setup, ids: &[i64], dry_run: bool) -> anyhow::Result<Exit> {
    let storage = &setup.storage;
    let _lock = DirLock::acquire(&storage.path)
        .context("stop the exporter for a replay; it reads the records at the next start")?;
    let reader = Reader::open(&storage.path)?;
    let wanted = |reject: &StoredReject| ids.is_empty() || ids.contains(&reject.id);
    let decoder = Decoder::new(hash_key(&storage.path)?);
    let mut rejects = reader.rejects(u32::MAX)?;
    // In the order of their arrival.
    rejects.reverse();
    let (ready, rest): (Vec<_>, Vec<_>) = rejects
        .into_iter()
        .filter(wanted)
        .partition(|r| !matches!(decoder.decode(&r.payload), Decoded::Reject(_)));
    let (imported, live): (Vec<_>, Vec<_>) = ready.into_iter().partition(|r| r.imported);
    if !dry_run && !imported.is_empty() {
        import_again(setup, &imported)?;
    }
    if !dry_run && !live.is_empty() {
        spool_again(storage, &live)?;
    }
    let (verb, imports) = if dry_run {
        ("would be replayed", "would become history")
    } else {
        ("are replayed at the next start", "became history")
    };
    let imports = match imported.len() {
        0 => String::new(),
        count => format!("{count} of an import {imports}, "),
    };
    print(
        format!(
            "{} {verb}, {imports}{} still cannot be decoded\n",
            live.len(),
            rest.len()
        )
        .as_bytes(),
    )?;
    Ok(Exit::Success)
}

/// Imported records must not be counted as traffic. Each is deduplicated once it is stored, so that
/// a crash before its row is removed does no harm.
fn import_again(setup: &Setup, rejects: &[StoredReject]) -> anyhow::Result<()> {
    let storage = &setup.storage;
    let store = open_idle(&storage.path, storage.spool_limit.get())?;
    let mut database = setup.offline(store)?;
    for reject in rejects {
        database.import_received(&[&reject.payload], reject.received)?;
        database.store.delete_reject(reject.id)?;
    }
    Ok(())
}

/// Writes to the spool first, then removes from the table: a crash between the two leaves a reject
/// whose record is stored, and a second replay finds a duplicate.
fn spool_again(storage: &Storage, rejects: &[StoredReject]) -> anyhow::Result<()> {
    let (mut writer, _reader) = open_spool(&storage.path, storage.spool_limit.get())?;
    let mut store = Store::open(&storage.path)?;
    for reject in rejects {
        writer.append(&Batch {
            mode: IngestMode::Pop,
            received: reject.received,
            records: vec![reject.payload.clone().into()],
        })?;
        // The removal from the database is durable, so the spool must be durable before it.
        writer.sync()?;
        store.delete_reject(reject.id)?;
    }
    Ok(())
}
