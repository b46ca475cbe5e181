//! Edits the price list that commands write.

use anyhow::{Context as _, bail};

use super::super::money::{Setup, now, parse_start, today};
use super::super::{Exit, note, print};
use super::{Set, change};
use crate::app::prices;
use crate::pricing::{
    Dated, Entry, Layer, Listed, PriceFile, PriceSource, PriceTable, RateList, end_of, start_of,
};

pub(super) fn set(setup: &Setup, set: &Set) -> anyhow::Result<Exit> {
    let table = setup.table()?;
    let known = table.find(&set.model).map(|(entry, _)| entry);
    let from = set.from.as_deref().map(parse_start).transpose();
    let from = from.map_err(|text| anyhow::anyhow!("--from: {text}"))?;
    let at = from.unwrap_or_else(now);
    let kept = known.map(|entry| change::kept(entry, at));
    let kept = kept.unwrap_or_default();
    let mut listed = Listed {
        model: set.model.clone(),
        usd_per_mtok: rates(set),
        long_context: kept.long_context,
        tiers: kept.tiers,
        peak: kept.peak,
        sources: vec![PriceSource {
            name: set.source.clone(),
            date: Some(today()?),
            url: None,
        }],
        ..Listed::default()
    };
    if let Some(from) = &set.from {
        let before = known.into_iter().flat_map(|entry| entry.listed.dates());
        listed.other_dates = until(before, from)?;
        listed.valid_from = Some(from.clone());
    }
    let mut list = prices::commands_file(&setup.storage.path)?.unwrap_or_default();
    // Keep the model's other names, which an import has added.
    let mut before = list.prices.iter();
    let before = before.find(|listed| listed.model.eq_ignore_ascii_case(&set.model));
    listed.aliases = before
        .map(|before| before.aliases.clone())
        .unwrap_or_default();
    remove_entry(&mut list, &set.model);
    list.prices.push(listed);
    let after = save(setup, list)?;
    let (entry, _) = after.find(&set.model).context("the model has no price")?;
    print(change::text(known, entry, at)?.as_bytes())?;
    warn(set, known, entry);
    print(format!("price of {} set; {AFTER}\n", set.model).as_bytes())?;
    Ok(Exit::Success)
}

fn rates(set: &Set) -> RateList {
    RateList {
        input: set.input,
        cache_read: set.cache_read,
        cache_write: set.cache_write,
        cache_write_1h: set.cache_write_1h,
        output: set.output,
        reasoning: set.reasoning,
    }
}

/// Prints side effects that the price alone does not show.
fn warn(set: &Set, before: Option<&Entry>, after: &Entry) {
    if after.layer == Layer::User {
        note(&format!(
            "warning: cost.price_file also has a price of {}, which overrides this one",
            set.model
        ));
    }
    if let (None, Some(before)) = (&set.from, before) {
        let gone = change::replaced_dates(before);
        if !gone.is_empty() {
            note(&format!(
                "warning: the new price covers all days and replaces the prices of {}; to keep the \
                 prices of earlier days, set --from",
                gone.join(", ")
            ));
        }
    }
    let kept = !(after.listed.tiers.is_empty() && after.listed.long_context.is_empty());
    if kept || after.listed.peak.is_some() {
        note(
            "note: prices of tiers, long prompts and peak hours are unchanged; set them in \
             cost.price_file",
        );
    }
}

/// Advice after a change.
const AFTER: &str =
    "reload a running exporter (SIGHUP) to use it; `reprice` applies it to stored events";

/// The prices of the days before `from`.
fn until(dates: impl Iterator<Item = Dated>, from: &str) -> anyhow::Result<Vec<Dated>> {
    let start = start_of(from).context("not a day")?;
    let last = match from.parse::<jiff::civil::Date>() {
        Ok(day) if from.len() == 10 => day.yesterday()?.to_string(),
        // A time ends the earlier prices.
        _ => from.to_owned(),
    };
    let begins_before = |dated: &Dated| {
        let begin = dated.valid_from.as_deref().and_then(start_of);
        begin.is_none_or(|begin| begin < start)
    };
    let cut = |mut dated: Dated| {
        let end = dated.valid_to.as_deref().and_then(end_of);
        if end.is_none_or(|end| end > start) {
            dated.valid_to = Some(last.clone());
        }
        dated
    };
    Ok(dates.filter(begins_before).map(cut).collect())
}

pub(super) fn remove(setup: &Setup, model: &str) -> anyhow::Result<Exit> {
    let mut list = prices::commands_file(&setup.storage.path)?.unwrap_or_default();
    if !remove_entry(&mut list, model) {
        match setup.table()?.find(model) {
            Some((entry, _)) => bail!(
                "the price of {model} was not set by a command; its list is: {}",
                entry.layer.as_str()
            ),
            None => bail!("{model} has no price"),
        }
    }
    save(setup, list)?;
    print(format!("price of {model} removed; {AFTER}\n").as_bytes())?;
    Ok(Exit::Success)
}

/// Returns whether the list had the model.
pub(super) fn remove_entry(list: &mut PriceFile, model: &str) -> bool {
    let before = list.prices.len();
    list.prices
        .retain(|listed| !listed.model.eq_ignore_ascii_case(model));
    for listed in &mut list.prices {
        listed
            .aliases
            .retain(|alias| !alias.eq_ignore_ascii_case(model));
    }
    list.prices.len() < before
}

/// Checks the list against all others, writes it and returns the prices in force.
pub(super) fn save(setup: &Setup, mut list: PriceFile) -> anyhow::Result<PriceTable> {
    list.as_of = Some(today()?);
    let table = prices::table(Some(list.clone()), &setup.cost)?;
    prices::save_commands_file(&setup.storage.path, &list)?;
    Ok(table)
}
