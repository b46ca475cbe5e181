//! Imports prices from third-party lists.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context as _;

use super::super::money::{Setup, today};
use super::super::{Exit, print};
use super::Import;
use super::edit::{remove_entry, save};
use crate::app::prices;
use crate::pricing::{Format, Imported, Listed, PriceFile, PriceSource, import as read};

pub(super) fn import(setup: &Setup, args: &Import) -> anyhow::Result<Exit> {
    let text = fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let name = args
        .file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let source = PriceSource {
        name: format!("imported from {}", name.unwrap_or_default()),
        date: Some(today()?),
        url: None,
    };
    let imported = read(&text, &args.providers, &source)
        .map_err(|text| anyhow::anyhow!("{} is not a price list: {text}", args.file.display()))?;
    let table = setup.table()?;
    let wanted = |listed: &Listed| args.overwrite || table.find(&listed.model).is_none();
    let Imported {
        format,
        prices,
        skipped,
    } = imported;
    let (mut new, known): (Vec<Listed>, Vec<Listed>) = prices.into_iter().partition(wanted);
    for listed in &mut new {
        // An id with a known price keeps it.
        listed
            .aliases
            .retain(|alias| args.overwrite || table.find(alias).is_none());
        // Only the user's own file has patterns.
        listed.patterns.clear();
    }
    let count = new.len();
    if !args.dry_run && count > 0 {
        let mut list = prices::commands_file(&setup.storage.path)?.unwrap_or_default();
        add(&mut list, new);
        save(setup, list)?;
    }
    let format = match format {
        Format::LiteLlm => "LiteLLM's list",
        Format::ModelsDev => "models.dev's list",
        Format::Own => "price list",
    };
    let verb = if args.dry_run {
        "would be imported"
    } else {
        "imported"
    };
    let line = format!(
        "{format}: {count} prices {verb}, {} known, {skipped} without a price per token\n",
        known.len()
    );
    print(line.as_bytes())?;
    Ok(Exit::Success)
}

/// Adds prices; the newer entry replaces an id that is listed twice.
fn add(list: &mut PriceFile, new: Vec<Listed>) {
    for listed in &new {
        remove_entry(list, &listed.model);
        for alias in &listed.aliases {
            remove_entry(list, alias);
        }
    }
    list.prices.extend(new);
    let mut models = BTreeSet::new();
    list.prices
        .retain(|listed| models.insert(listed.model.to_ascii_lowercase()));
    let mut taken = models;
    for listed in &mut list.prices {
        listed
            .aliases
            .retain(|alias| taken.insert(alias.to_ascii_lowercase()));
    }
}
