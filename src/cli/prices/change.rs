//! The changes of `prices set`.

use std::fmt::Write as _;

use super::super::money::timestamp;
use crate::model::{TokenKind, UnixNanos};
use crate::pricing::{
    CacheWrites, Dated, Entry, LongContext, PeakList, Prices, Rate, RateList, Rates, STANDARD,
    end_of, normalize_tier, start_of,
};

/// The prices that apply at a time.
pub(super) fn in_force(entry: &Entry, at: UnixNanos) -> Option<Dated> {
    entry.listed.dates().find(|dated| {
        let from = dated.valid_from.as_deref().and_then(start_of);
        let until = dated.valid_to.as_deref().and_then(end_of);
        from.is_none_or(|from| from <= at) && until.is_none_or(|until| at < until)
    })
}

/// Tiers, long-context steps and peak hours of the old entry, so that their prices stay when the
/// standard rates change.
pub(super) fn kept(entry: &Entry, at: UnixNanos) -> Dated {
    let Some(mut dated) = in_force(entry, at) else {
        return Dated::default();
    };
    for (name, tier) in &mut dated.tiers {
        // A tier without steps would get the steps of the new standard rates.
        if tier.long_context.is_empty() {
            let steps = dated.long_context.iter().filter_map(|step| {
                let tier = normalize_tier(name);
                let rates = entry.prices.rates(at, tier.as_deref(), step.from())?;
                Some(LongContext {
                    rates: RateList::from(rates),
                    ..*step
                })
            });
            tier.long_context = steps.collect();
        }
    }
    dated
}

/// One line for each tier and prompt length: `input 5 -> 4`.
pub(super) fn text(old: Option<&Entry>, new: &Entry, at: UnixNanos) -> anyhow::Result<String> {
    let dated = in_force(new, at).unwrap_or_default();
    let mut out = format!(
        "{} at {}, dollars per million tokens, old -> new:\n",
        new.listed.model,
        timestamp(at)?.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    let old = old.map(|entry| &entry.prices);
    let tiers = std::iter::once(None).chain(new.prices.tiers(at).map(Some));
    for tier in tiers {
        let name = tier.unwrap_or(STANDARD);
        line(&mut out, name, [old, Some(&new.prices)], at, (tier, 0))?;
        for step in &dated.long_context {
            let name = format!("{name}, prompt above {} tokens", step.above_tokens);
            let which = (tier, step.from());
            line(&mut out, &name, [old, Some(&new.prices)], at, which)?;
        }
    }
    if let Some(PeakList { utc, .. }) = &dated.peak {
        writeln!(out, "  peak hours {} UTC: as before", utc.join(", "))?;
    }
    Ok(out)
}

fn line(
    out: &mut String,
    name: &str,
    prices: [Option<&Prices>; 2],
    at: UnixNanos,
    (tier, prompt): (Option<&str>, u64),
) -> anyhow::Result<()> {
    let [old, new] = prices.map(|prices| prices.and_then(|prices| prices.rates(at, tier, prompt)));
    let Some(new) = new else { return Ok(()) };
    write!(out, "  {name}:")?;
    let old = old.map(named);
    for (index, (kind, rate)) in named(new).into_iter().enumerate() {
        let before = old.as_ref().and_then(|old| old.get(index));
        match before {
            Some((_, before)) if *before == rate => write!(out, " {kind} {},", usd(rate))?,
            Some((_, before)) => write!(out, " {kind} {} -> {},", usd(*before), usd(rate))?,
            None => write!(out, " {kind} none -> {},", usd(rate))?,
        }
    }
    out.pop();
    out.push('\n');
    Ok(())
}

fn usd(rate: Rate) -> f64 {
    rate.usd_per_mtok()
}

/// The rates with their names.
fn named(rates: &Rates) -> Vec<(&'static str, Rate)> {
    let kinds = TokenKind::ALL.into_iter();
    let pairs = kinds.zip(rates.by_kind(CacheWrites::Short));
    let mut named: Vec<(&str, Rate)> = pairs
        .filter_map(|(kind, rate)| Some((kind.as_str(), rate?)))
        .collect();
    named.push(("cache_write_1h", rates.cache_write_1h));
    named
}

/// The dated prices of an entry that a price without dates replaces.
pub(super) fn replaced_dates(entry: &Entry) -> Vec<String> {
    let text = |end: Option<String>| end.unwrap_or_else(|| "..".to_owned());
    let bounds = entry.listed.dates();
    let bounds = bounds.map(|dated| (dated.valid_from, dated.valid_to));
    bounds
        .filter(|(from, to)| from.is_some() || to.is_some())
        .map(|(from, to)| format!("{} to {}", text(from), text(to)))
        .collect()
}
