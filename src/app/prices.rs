//! Loads the price lists and the cost settings of the configuration.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context as _;

use crate::config::{self, Aliases, Cost, Origin, Problem, Problems};
use crate::metrics::PlanFee;
use crate::platform::{access_remedy, create_private_dir, replace_private_file};
use crate::pricing::{Billing, CacheWrites, Layer, PriceFile, PriceTable, built_in};

/// File of `prices set` and `prices import` in the storage directory.
const PRICES_FILE: &str = "prices.json";

/// All prices in force.
pub(crate) fn load(storage: &Path, cost: &Cost) -> anyhow::Result<PriceTable> {
    table(commands_file(storage)?, cost)
}

/// Like [`load`], with `commands` in place of the list that commands write.
pub(crate) fn table(commands: Option<PriceFile>, cost: &Cost) -> anyhow::Result<PriceTable> {
    let list = built_in().map_err(|text| anyhow::anyhow!("the built-in price list: {text}"))?;
    let mut files = vec![(Layer::BuiltIn, list)];
    if let Some(list) = commands {
        files.push((Layer::Commands, list));
    }
    if let Some(path) = &cost.price_file {
        let text = fs::read_to_string(&**path)
            .with_context(|| format!("cannot read the price file {}", path.display()))?;
        files.push((Layer::User, parse(path, &text)?));
    }
    let writes = match cost.cache_writes {
        config::CacheWrites::FiveMinutes => CacheWrites::Short,
        config::CacheWrites::OneHour => CacheWrites::Long,
    };
    PriceTable::new(&files, writes).map_err(|problems| {
        let problems = problems.iter().map(|problem| Problem {
            origin: Origin::Default,
            key: Some("prices".to_owned()),
            text: problem.to_string(),
        });
        Problems(problems.collect()).into()
    })
}

/// The list that commands have written.
pub(crate) fn commands_file(storage: &Path) -> anyhow::Result<Option<PriceFile>> {
    let path = commands_path(storage);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&path, &text).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let remedy = access_remedy(&path, &error);
            Err(error).with_context(|| format!("cannot read {}{remedy}", path.display()))
        }
    }
}

/// Replaces the file atomically.
pub(crate) fn save_commands_file(storage: &Path, list: &PriceFile) -> anyhow::Result<PathBuf> {
    create_private_dir(storage).with_context(|| format!("cannot create {}", storage.display()))?;
    let path = commands_path(storage);
    let mut text = serde_json::to_string_pretty(list)?;
    text.push('\n');
    replace_private_file(&path, text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn commands_path(storage: &Path) -> PathBuf {
    storage.join(PRICES_FILE)
}

fn parse(path: &Path, text: &str) -> anyhow::Result<PriceFile> {
    PriceFile::parse(&path.to_string_lossy(), text).map_err(|text| {
        let origin = Origin::Path(path.to_owned());
        let text = format!("not a price list: {text}");
        let key = None;
        Problems(vec![Problem { origin, key, text }]).into()
    })
}

/// Billing of accounts, by label without an alias.
pub(crate) fn billing(cost: &Cost, aliases: &Aliases) -> Billing {
    let accounts = cost.accounts.iter().flat_map(|(name, billing)| {
        let per_use = *billing == config::Billing::PerUse;
        let names = without_alias(name, aliases).into_iter();
        names.map(move |name| (name, per_use))
    });
    Billing {
        accounts: accounts.collect(),
    }
}

pub(crate) fn fees(cost: &Cost, aliases: &Aliases) -> HashMap<String, PlanFee> {
    let fee = |(name, fee): (&String, &config::Fee)| {
        let fee = PlanFee {
            plan: fee.plan.clone(),
            nano_usd: fee.nano_usd,
        };
        let names = without_alias(name, aliases).into_iter();
        names
            .map(|name| (name, fee.clone()))
            .collect::<Vec<(String, PlanFee)>>()
    };
    cost.fees.iter().flat_map(fee).collect()
}

/// Checks that reference prices exist: their counters would be absent without an error.
pub(crate) fn references(cost: &Cost, table: &PriceTable) -> anyhow::Result<Vec<(String, String)>> {
    let unknown = cost
        .references
        .iter()
        .filter(|(_, model)| table.find(model).is_none());
    let problems: Vec<Problem> = unknown
        .map(|(name, model)| Problem {
            origin: Origin::Default,
            key: Some("cost.references".to_owned()),
            text: format!("{name} is {model}, which has no price"),
        })
        .collect();
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let pairs = cost.references.iter();
    Ok(pairs
        .map(|(name, model)| (name.clone(), model.to_string()))
        .collect())
}

/// Default labels of an account; several accounts may share an alias.
fn without_alias(name: &str, aliases: &Aliases) -> Vec<String> {
    let named = aliases
        .accounts
        .iter()
        .filter(|(_, alias)| alias.as_str() == name);
    let mut accounts: Vec<String> = named.map(|(account, _)| account.clone()).collect();
    if accounts.is_empty() {
        accounts.push(name.to_owned());
    }
    accounts
}
