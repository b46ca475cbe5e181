//! Many limit rules, and a reprice, both during ingest.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, params};

use super::{Lags, TEN_THOUSAND, fill, number, page, until, watch};
use crate::Options;
use crate::figures::{Bar, Figures};
use crate::rig::{Command, Cpa, Exporter, Http};

/// Number of rules: half quotas, half budgets.
const RULES: u32 = 200;

/// Steady traffic without rules and with many, one after the other on the same machine.
pub(crate) fn rules(options: &Options, figures: &mut Figures) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("limits.toml");
    fs::write(&file, rules_file()?)?;
    let file = file.display().to_string();
    measured("rules: none", &[], options, figures)?;
    measured("rules: 200", &["--limits.file", &file], options, figures)
}

fn measured(name: &str, flags: &[&str], options: &Options, figures: &mut Figures) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let traffic = format!(
        "{TEN_THOUSAND} --rate {} --size {}",
        options.rate, options.size
    );
    let cpa = Cpa::start(&traffic)?;
    let exporter = Exporter::start_with(cpa.address, directory.path(), flags)?;
    let mut http = Http::connect(exporter.address)?;
    watch(&mut http, options.seconds / 3)?;
    let (before, cpu, ingest) = (page(&mut http)?, exporter.cpu()?, exporter.ingest_cpu()?);
    watch(&mut http, options.seconds)?;
    let after = page(&mut http)?;
    let seconds = number(options.seconds);
    let cpu = (exporter.cpu()? - cpu) / seconds;
    let ingest = (exporter.ingest_cpu()? - ingest) / seconds;
    let lags = Lags::between(&before, &after)?;
    let mut add = |what: &str, unit, value| {
        figures.add(format!("{name}, {what}"), unit, Bar::None, value);
    };
    add("lag at commit, p50", "s", lags.quantile(0.5));
    add("lag at commit, p99", "s", lags.quantile(0.99));
    add("CPU", "cores", cpu);
    add("of it in the ingest thread", "cores", ingest);
    add("memory", "MiB", exporter.memory("VmRSS:")?);
    exporter.stop()
}

/// Selectors of all kinds; several rules match most events.
fn rules_file() -> Result<String> {
    let mut text = String::new();
    for n in 0..RULES / 2 {
        let whose = match n % 5 {
            0 => String::new(),
            1 => "provider = [\"claude\", \"codex\"]\n".to_owned(),
            2 => format!("model = \"*{}*\"\n", n % 10),
            3 => format!("account = \"*{:x}*\"\n", n % 16),
            _ => format!("client = \"*{:x}*\"\n", n % 16),
        };
        let window = match n % 4 {
            0 => "window = \"daily\"".to_owned(),
            1 => format!("window = \"rolling\"\nlength = \"{}h\"", 1 + n % 24),
            2 => "window = \"weekly\"".to_owned(),
            _ => format!("window = \"monthly\"\nday = {}", 1 + n % 28),
        };
        let measure = match n % 4 {
            0 => "tokens",
            1 => "requests",
            2 => "hours",
            _ => "usd",
        };
        let per = if n % 2 == 0 { "account" } else { "all" };
        writeln!(
            text,
            "[[quota]]\nname = \"quota {n}\"\n{whose}measure = \"{measure}\"\n{window}\n\
             per = \"{per}\"\nlimit = 100_000\n"
        )?;
        let period = match n % 3 {
            0 => "daily",
            1 => "weekly",
            _ => "monthly",
        };
        writeln!(
            text,
            "[[budget]]\nname = \"budget {n}\"\n{whose}usd = 100\nwindow = \"{period}\"\n"
        )?;
    }
    Ok(text)
}

/// Reprices a large database: a dry run, all events changed, none changed.
pub(crate) fn reprice(options: &Options, figures: &mut Figures) -> Result<()> {
    let directory = tempfile::tempdir()?;
    large(directory.path(), options.repriced)?;
    let traffic = format!(
        "{TEN_THOUSAND} --rate {} --size {}",
        options.rate, options.size
    );
    let cpa = Cpa::start(&traffic)?;
    let exporter = Exporter::start(cpa.address, directory.path())?;
    let mut http = Http::connect(exporter.address)?;
    until(|| Ok(http.get("/-/ready", "")?.0 == 200))?;
    watch(&mut http, options.seconds / 3)?;
    for (name, bar, more) in [
        ("reprice: dry run", Bar::None, &["--dry-run"][..]),
        ("reprice: all change", Bar::Below(30.0), &[]),
        ("reprice: none changes", Bar::None, &[]),
    ] {
        let before = page(&mut http)?;
        let mut all = vec!["reprice", "--from", "2000-01-01", "--to", "2100-01-01"];
        all.extend(more);
        let done = Command::run(&all, directory.path())?;
        let lags = Lags::between(&before, &page(&mut http)?)?;
        let mut add = |what: &str, unit, bar, value| {
            figures.add(format!("{name}, {what}"), unit, bar, value);
        };
        add("seconds", "s", bar, done.seconds);
        let events = number(options.repriced);
        add("events", "1/s", Bar::None, events / done.seconds);
        add("most memory", "MiB", Bar::None, done.memory);
        add("CPU", "s", Bar::None, done.cpu);
        add("lag at commit, p50", "s", Bar::None, lags.quantile(0.5));
        add("lag at commit, p99", "s", Bar::None, lags.quantile(0.99));
    }
    exporter.stop()
}

/// A database of so many events without amounts: copies of some that the exporter stored, each a
/// little earlier.
fn large(directory: &Path, events: u64) -> Result<()> {
    const SOME: u64 = 30_000;
    let cpa = Cpa::start(&format!(
        "{TEN_THOUSAND} --rate 0 --backlog {SOME} --backlog-span 10m"
    ))?;
    let exporter = Exporter::start(cpa.address, directory)?;
    fill(&exporter, SOME)?;
    let database = exporter.database();
    exporter.stop()?;
    let conn = Connection::open(database)?;
    conn.execute_batch("PRAGMA synchronous = off; PRAGMA cache_size = -65536;")?;
    conn.execute_batch("UPDATE event SET value_nano = NULL, cost_nano = NULL")?;
    conn.execute_batch("CREATE TEMP TABLE some AS SELECT * FROM event ORDER BY ts, digest")?;
    let columns: Vec<String> = conn
        .prepare("SELECT name FROM pragma_table_info('event')")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let values = columns.iter().map(|column| match column.as_str() {
        "ts" => "ts - ?1",
        other => other,
    });
    let sql = format!(
        "INSERT INTO event ({}) SELECT {} FROM temp.some LIMIT ?2",
        columns.join(", "),
        values.collect::<Vec<_>>().join(", ")
    );
    // The earliest first, so that the table grows at its end as in operation.
    conn.execute_batch("DELETE FROM event")?;
    let span = 11 * 60 * 1_000_000_000_i64;
    for copy in (0..events.div_ceil(SOME)).rev() {
        let back = span * i64::try_from(copy).context("too many events")?;
        let room = events - (events.div_ceil(SOME) - 1 - copy) * SOME;
        conn.execute(&sql, params![back, room])?;
    }
    conn.execute("UPDATE state SET events = ?1", [events])?;
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}
