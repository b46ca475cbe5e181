//! Tables with user-defined keys: aliases, billing and fees of accounts, reference prices.

use std::{collections::BTreeMap, fmt, ops::Deref};

use super::{
    key::{Key, Kind},
    problem::Origin,
    raw::{Entry, Raw},
    resolve::{Field, Resolver},
    value::text,
};
use crate::model::is_invisible;

/// Maximum length of an alias, a plan's or a reference's name, which become label values.
const MAX_NAME: usize = 64;

/// Reserved label values.
const RESERVED: [&str; 2] = ["other", "none"];

/// A value in a table with user-defined keys.
pub(super) trait TableValue: Sized {
    /// Format of the table in a flag, for `--help`.
    const VALUE_NAME: &'static str;
    /// A longer key is none of ours: it may be a secret.
    const LONGEST_KEY: usize = MAX_NAME;

    /// The error completes "expected …".
    fn parse(raw: &Raw) -> Result<Self, String>;
}

impl<T: TableValue> Field for BTreeMap<String, T> {
    const KIND: Kind = Kind::Table;
    const VALUE_NAME: &'static str = T::VALUE_NAME;

    /// Quotes nothing: a broken line may contain anything, and a key may be a secret by mistake.
    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        let Some(given) = resolver.given(key.path).cloned() else {
            return Some(Self::new());
        };
        let entries = match given.raw {
            Raw::Table(entries) => entries,
            Raw::Untyped(text) => pairs(&text, &given.origin),
            Raw::Text(_)
            | Raw::Integer(_)
            | Raw::Float(_)
            | Raw::Boolean(_)
            | Raw::List(_)
            | Raw::Other(_) => {
                let text = format!("expected a table, found {}", given.raw.kind());
                resolver.problem(given.origin, key, text);
                return None;
            }
        };
        let before = resolver.problems.len();
        let mut found = Self::new();
        for entry in entries {
            match T::parse(&entry.value) {
                _ if entry.name.is_empty() => {
                    resolver.problem(entry.origin, key, "expected a name before the =");
                }
                _ if entry.name.len() > T::LONGEST_KEY => {
                    let text = "write the label as the metrics page shows it, never a whole key";
                    resolver.problem(entry.origin, key, text);
                }
                Ok(value) => {
                    found.insert(entry.name, value);
                }
                Err(expected) => {
                    resolver.problem(entry.origin, key, format!("expected {expected}"));
                }
            }
        }
        (resolver.problems.len() == before).then_some(found)
    }
}

/// `a=b,c=d`, the format of a table in environment and flags.
fn pairs(text: &str, origin: &Origin) -> Vec<Entry> {
    let filled = text.split(',').filter(|pair| !pair.trim().is_empty());
    filled
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Entry {
                name: name.trim().to_owned(),
                value: Raw::Untyped(value.trim().to_owned()),
                origin: origin.clone(),
            }
        })
        .collect()
}

/// Another name of an account or a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias(String);

/// The id of a model in the price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName(String);

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

impl Deref for Alias {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

impl Deref for ModelName {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TableValue for Alias {
    const VALUE_NAME: &'static str = "ID=NAME,...";
    /// No label of a client key is longer.
    const LONGEST_KEY: usize = 48;

    fn parse(raw: &Raw) -> Result<Self, String> {
        // Control characters stay, so that they are refused.
        let visible = |c: &char| c.is_control() || !is_invisible(*c);
        let name: String = text(raw, "a name as text")?
            .chars()
            .filter(visible)
            .collect();
        let wrong = if name.trim().is_empty() {
            "a name as text"
        } else if name.chars().count() > MAX_NAME {
            "a name of at most 64 characters"
        } else if name.chars().any(char::is_control) {
            "a name without control characters"
        } else if RESERVED.contains(&name.as_str()) {
            "another name: other and none have a meaning already"
        } else {
            return Ok(Self(name));
        };
        Err(wrong.to_owned())
    }
}

impl TableValue for ModelName {
    const VALUE_NAME: &'static str = "NAME=MODEL,...";

    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "the id of a model in the price list";
        let text = text(raw, EXPECTED)?;
        let is_name = !text.is_empty() && text.len() <= 128 && !text.chars().any(char::is_control);
        let name = is_name.then(|| Self(text.to_owned()));
        name.ok_or_else(|| EXPECTED.to_owned())
    }
}

impl TableValue for Billing {
    const VALUE_NAME: &'static str = "ID=BILLING,...";

    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "\"per_use\" or \"plan\"";
        match text(raw, EXPECTED)? {
            "per_use" => Ok(Self::PerUse),
            "plan" => Ok(Self::Plan),
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

impl TableValue for Fee {
    const VALUE_NAME: &'static str = "ID=USD PLAN,...";

    fn parse(raw: &Raw) -> Result<Self, String> {
        let written = if let Raw::Integer(dollars) = raw {
            Some(dollars.to_string())
        } else {
            raw.text().map(str::to_owned)
        };
        written.and_then(|text| fee(&text)).ok_or_else(|| {
            "dollars and the plan's name, such as \"20 Plus\" or \"200/year Max\"".to_owned()
        })
    }
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
