//! The read-only commands.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};

use super::super::money::{Setup, now, timestamp};
use super::super::{Exit, note, print};
use super::Format;
use crate::model::UnixNanos;
use crate::pricing::{CacheWrites, Entry, Listed, Match, PriceTable, Rates, STANDARD};
use crate::store::{Reader, UnpricedModel};

pub(super) fn list(setup: &Setup, text: Option<&str>, format: Format) -> anyhow::Result<Exit> {
    let table = setup.table()?;
    let now = now();
    let text = text.map(str::to_ascii_lowercase);
    let wanted = |listed: &Listed| {
        let fits = |name: &String| {
            text.as_ref()
                .is_none_or(|t| name.to_ascii_lowercase().contains(t))
        };
        fits(&listed.model) || listed.aliases.iter().any(fits)
    };
    let mut out = String::new();
    if format == Format::Text {
        out.push_str(
            "MODEL                             INPUT  CACHE READ  CACHE WRITE  OUTPUT  LIST\n",
        );
    }
    for entry in table
        .entries()
        .into_iter()
        .filter(|entry| wanted(&entry.listed))
    {
        match format {
            Format::Text => row(&mut out, entry, now)?,
            Format::Json => writeln!(out, "{}", serde_json::to_string(&entry.listed)?)?,
        }
    }
    print(out.as_bytes())?;
    Ok(Exit::Success)
}

fn row(out: &mut String, entry: &Entry, now: UnixNanos) -> anyhow::Result<()> {
    let model = &entry.listed.model;
    let list = entry.layer.as_str();
    match entry.prices.rates(now, None, 0) {
        Some(rates) => {
            let [input, read, write, output] = [
                rates.input,
                rates.cache_read,
                rates.cache_write,
                rates.output,
            ]
            .map(|rate| rate.usd_per_mtok().to_string());
            writeln!(
                out,
                "{model:<32}  {input:>6}  {read:>10}  {write:>11}  {output:>6}  {list}"
            )?;
        }
        None => writeln!(out, "{model:<32}  no price today  {list}")?,
    }
    Ok(())
}

pub(super) fn show(setup: &Setup, model: &str, at: Option<UnixNanos>) -> anyhow::Result<Exit> {
    let table = setup.table()?;
    let Some((entry, how)) = table.find(model) else {
        match table.why_unpriced(model) {
            Some(why) => bail!("{model} has no price: {why}"),
            None => bail!("{model} has no price; `prices set` gives it one"),
        }
    };
    let at = at.unwrap_or_else(now);
    let listed = &entry.listed;
    let how = match how {
        Match::Exact => "by its id".to_owned(),
        Match::Alias => format!("as another name of {}", listed.model),
        Match::Pattern => format!("by a pattern of {}", listed.model),
    };
    let mut out = format!("{model}, found {how}, list: {}\n", entry.layer.as_str());
    writeln!(out, "at {}, dollars per million tokens:", timestamp(at)?)?;
    let tiers = std::iter::once(None).chain(entry.prices.tiers(at).map(Some));
    let mut priced = false;
    for tier in tiers {
        if let Some(rates) = entry.prices.rates(at, tier, 0) {
            priced = true;
            write_rates(&mut out, tier.unwrap_or(STANDARD), rates)?;
        }
    }
    if !priced {
        out.push_str("  no price then\n");
    }
    writeln!(out, "entry:\n{}", serde_json::to_string_pretty(listed)?)?;
    print(out.as_bytes())?;
    Ok(Exit::Success)
}

fn write_rates(out: &mut String, tier: &str, rates: &Rates) -> anyhow::Result<()> {
    write!(out, "  {tier}:")?;
    let kinds = crate::model::TokenKind::ALL.into_iter();
    for (kind, rate) in kinds.zip(rates.by_kind(CacheWrites::Short)) {
        if let Some(rate) = rate {
            write!(out, " {} {}", kind.as_str(), rate.usd_per_mtok())?;
        }
    }
    if rates.cache_write_1h != rates.cache_write {
        write!(
            out,
            " cache_write_1h {}",
            rates.cache_write_1h.usd_per_mtok()
        )?;
    }
    out.push('\n');
    Ok(())
}

pub(super) fn export(setup: &Setup) -> anyhow::Result<Exit> {
    let mut text = serde_json::to_string_pretty(&setup.table()?.export())?;
    text.push('\n');
    print(text.as_bytes())?;
    Ok(Exit::Success)
}

pub(super) fn missing(setup: &Setup, format: Format) -> anyhow::Result<Exit> {
    let table = setup.table()?;
    let path = &setup.storage.path;
    let models = Reader::open(path)
        .and_then(|reader| reader.unpriced_models())
        .with_context(|| format!("cannot read the database in {}", path.display()))?;
    if models.is_empty() {
        note("every stored event has a price");
    }
    let mut out = String::new();
    for model in &models {
        let note = advice(&table, model);
        match format {
            Format::Text => writeln!(
                out,
                "{} ({}): {} requests, {} tokens, {} to {}; {note}",
                model.model,
                model.provider,
                model.requests,
                model.tokens,
                timestamp(model.first)?.strftime("%Y-%m-%d"),
                timestamp(model.last)?.strftime("%Y-%m-%d"),
            )?,
            Format::Json => writeln!(
                out,
                "{}",
                serde_json::json!({
                    "model": model.model,
                    "provider": model.provider,
                    "requests": model.requests,
                    "tokens": model.tokens,
                    "first": timestamp(model.first)?,
                    "last": timestamp(model.last)?,
                    "note": note,
                })
            )?,
        }
    }
    print(out.as_bytes())?;
    Ok(Exit::Success)
}

/// Advice for an unpriced model.
fn advice(table: &PriceTable, model: &UnpricedModel) -> String {
    match table.find(&model.model) {
        Some((entry, _)) if entry.prices.rates(model.last, None, 0).is_some() => {
            "has a price now: `reprice` these days".to_owned()
        }
        Some(_) => "its price has no dates that cover these days".to_owned(),
        None => match table.why_unpriced(&model.model) {
            Some(why) => why.to_owned(),
            None => "add a price with `prices set` or `prices import`".to_owned(),
        },
    }
}
