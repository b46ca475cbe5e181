//! The table `[cost]`: price files, billing of accounts, fees of plans.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    keys,
    keys::Key,
    raw::{Entry, Raw},
    resolve::Resolver,
    value::CacheWrites,
};

/// Settings of costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Prices that override all others.
    pub price_file: Option<PathBuf>,
    pub cache_writes: CacheWrites,
    /// Accounts with another billing than their kind of login implies.
    pub accounts: BTreeMap<String, Billing>,
    pub fees: BTreeMap<String, Fee>,
    /// Names of reference prices with their models.
    pub references: BTreeMap<String, String>,
}

/// Billing of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billing {
    PerUse,
    /// A flat fee, independent of usage.
    Plan,
}

/// A flat fee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fee {
    pub plan: String,
    /// Per mean month of 30.44 days.
    pub nano_usd: u64,
}

pub(super) fn cost(resolver: &mut Resolver<'_>) -> Option<Cost> {
    let price_file = resolver.readable_file(&keys::COST_PRICE_FILE);
    let cache_writes = resolver.value(&keys::COST_CACHE_WRITES);
    let accounts = entries(resolver, &keys::COST_ACCOUNTS, billing);
    let fees = entries(resolver, &keys::COST_FEES, fee);
    let references = entries(resolver, &keys::COST_REFERENCES, reference);
    Some(Cost {
        price_file: price_file.ok()?,
        cache_writes: cache_writes?,
        accounts: accounts?,
        fees: fees?,
        references: references?,
    })
}

/// Maximum length of a plan or reference name, which becomes a label value.
const MAX_NAME: usize = 64;

/// The entries of a table with user-defined keys.
fn entries<T>(
    resolver: &mut Resolver<'_>,
    key: &Key,
    read: impl Fn(&str) -> Option<T>,
) -> Option<BTreeMap<String, T>> {
    let before = resolver.problems.len();
    let mut found = BTreeMap::new();
    for entry in resolver.table(key)? {
        let value = text(&entry).and_then(|text| read(&text));
        let named = !entry.name.is_empty() && entry.name.chars().count() <= MAX_NAME;
        match value {
            Some(value) if named => {
                found.insert(entry.name, value);
            }
            Some(_) => resolver.problem(entry.origin, key, "expected a name before the ="),
            // Not quoted: a broken line may contain anything.
            None => resolver.problem(entry.origin, key, format!("expected {}", expected(key))),
        }
    }
    (resolver.problems.len() == before).then_some(found)
}

fn expected(key: &Key) -> &'static str {
    match key.path {
        "cost.accounts" => "\"per_use\" or \"plan\"",
        "cost.fees" => "dollars and the plan's name, such as \"20 Plus\" or \"200/year Max\"",
        _ => "the id of a model in the price list",
    }
}

fn text(entry: &Entry) -> Option<String> {
    match &entry.value {
        Raw::Text(text) | Raw::Untyped(text) => Some(text.clone()),
        Raw::Integer(number) => Some(number.to_string()),
        Raw::Boolean(_) | Raw::Table(_) | Raw::Other(_) => None,
    }
}

fn billing(text: &str) -> Option<Billing> {
    match text {
        "per_use" => Some(Billing::PerUse),
        "plan" => Some(Billing::Plan),
        _ => None,
    }
}

fn reference(text: &str) -> Option<String> {
    let is_name = !text.is_empty() && text.len() <= 128 && !text.chars().any(char::is_control);
    is_name.then(|| text.to_owned())
}

/// `20 Plus`, `200/year Max`, `4.99/week`: dollars per month unless another period is given.
fn fee(text: &str) -> Option<Fee> {
    let (amount, plan) = text.trim().split_once(' ').unwrap_or((text.trim(), "plan"));
    let plan = plan.trim();
    let (amount, period) = amount.split_once('/').unwrap_or((amount, "month"));
    let nanos = u128::from(nano_usd(amount)?);
    // A mean month has 30.44 days.
    let per_month = match period {
        "month" => nanos,
        "year" => nanos / 12,
        "week" => nanos * 3044 / 700,
        "day" => nanos * 3044 / 100,
        _ => return None,
    };
    let named = plan.chars().count() <= MAX_NAME && !plan.chars().any(char::is_control);
    Some(Fee {
        plan: named.then(|| plan.to_owned())?,
        nano_usd: u64::try_from(per_month).ok()?,
    })
}

/// Parses a decimal with at most nine digits after the point, up to a million dollars.
fn nano_usd(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let whole: u64 = whole.parse().ok().filter(|usd| *usd <= 1_000_000)?;
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    Some(whole * 1_000_000_000 + nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_are_converted_to_a_mean_month() {
        for (text, nanos, plan) in [
            ("20", 20_000_000_000, "plan"),
            ("20 Plus", 20_000_000_000, "Plus"),
            ("19.99/month Team 5", 19_990_000_000, "Team 5"),
            ("240/year Max", 20_000_000_000, "Max"),
            ("7/week", 30_440_000_000, "plan"),
            ("1/day x", 30_440_000_000, "x"),
            ("0", 0, "plan"),
        ] {
            let plan = plan.to_owned();
            let nano_usd = nanos;
            assert_eq!(fee(text), Some(Fee { plan, nano_usd }), "{text}");
        }
        for wrong in [
            "",
            "x",
            "-1",
            "1e3",
            "20/hour",
            "1.0123456789",
            "1000001",
            ".5",
            "$20",
        ] {
            assert_eq!(fee(wrong), None, "{wrong}");
        }
    }
}
