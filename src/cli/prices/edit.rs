//! The list that commands write.

use anyhow::{Context as _, bail};

use super::super::money::{Setup, parse_start, today};
use super::super::{Exit, print};
use super::Set;
use crate::app::prices;
use crate::pricing::{Dated, Listed, PriceFile, PriceSource, RateList, end_of, start_of};

pub(super) fn set(setup: &Setup, set: &Set) -> anyhow::Result<Exit> {
    let mut listed = Listed {
        model: set.model.clone(),
        usd_per_mtok: RateList {
            input: set.input,
            cache_read: set.cache_read,
            cache_write: set.cache_write,
            cache_write_1h: set.cache_write_1h,
            output: set.output,
            reasoning: set.reasoning,
        },
        sources: vec![PriceSource {
            name: set.source.clone(),
            date: Some(today()?),
            url: None,
        }],
        ..Listed::default()
    };
    if let Some(from) = &set.from {
        parse_start(from).map_err(|text| anyhow::anyhow!("--from: {text}"))?;
        let table = setup.table()?;
        let known = table.find(&set.model);
        let before = known
            .into_iter()
            .flat_map(|(entry, _)| entry.listed.dates());
        listed.other_dates = until(before, from)?;
        listed.valid_from = Some(from.clone());
    }
    let mut list = prices::commands_file(&setup.storage.path)?.unwrap_or_default();
    take_out(&mut list, &set.model);
    list.prices.push(listed);
    save(setup, list)?;
    print(format!("{} has its price; {AFTER}\n", set.model).as_bytes())?;
    Ok(Exit::Success)
}

/// What to do after a change.
const AFTER: &str = "a running exporter takes it over with a reload (SIGHUP), and `reprice` \
                     applies it to events that are stored already";

/// The prices of the days before `from`.
fn until(dates: impl Iterator<Item = Dated>, from: &str) -> anyhow::Result<Vec<Dated>> {
    let start = start_of(from).context("not a day")?;
    let last = match from.parse::<jiff::civil::Date>() {
        Ok(day) if from.len() == 10 => day.yesterday()?.to_string(),
        // A moment ends what comes before it.
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
    if !take_out(&mut list, model) {
        match setup.table()?.find(model) {
            Some((entry, _)) => bail!(
                "the price of {model} was not set by command; it stands in the list: {}",
                entry.layer.as_str()
            ),
            None => bail!("{model} has no price"),
        }
    }
    save(setup, list)?;
    print(format!("{model} has the price it had before, if any; {AFTER}\n").as_bytes())?;
    Ok(Exit::Success)
}

/// Whether the model was there.
pub(super) fn take_out(list: &mut PriceFile, model: &str) -> bool {
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

/// Writes the list if all lists still fit together with it.
pub(super) fn save(setup: &Setup, mut list: PriceFile) -> anyhow::Result<()> {
    list.as_of = Some(today()?);
    prices::table(Some(list.clone()), &setup.cost)?;
    prices::save_commands_file(&setup.storage.path, &list)?;
    Ok(())
}
