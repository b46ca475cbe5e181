//! Gauges of money: prices, flat fees and corrections.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::catalogue::money as catalogue;
use super::super::encode::{push_decimal, push_label};
use super::super::family::Family;
use super::super::labels::{LabelKind, OTHER};
use super::super::snapshot::Gauges;
use super::Counters;
use crate::model::{Correction, DimId, NANOS_PER_USD, TokenKind, UnixNanos};

/// Femto-dollars in a dollar.
const FEMTOS_PER_USD: u64 = 1_000_000_000_000_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A flat fee for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFee {
    pub plan: String,
    /// Per mean month.
    pub nano_usd: u64,
}

/// The price of a model that has been seen, in femto-dollars per token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceOfModel {
    pub model: DimId,
    pub tier: String,
    pub kinds: Vec<(TokenKind, u64)>,
}

/// What the gauges say about the price list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceFacts {
    pub version: String,
    pub source: String,
    pub as_of: Option<UnixNanos>,
    pub prices: Vec<PriceOfModel>,
}

/// What the gauges of money show.
#[derive(Debug, Default)]
pub(super) struct MoneyGauges {
    /// Account, its provider, its fee.
    fees: Vec<(DimId, String, PlanFee)>,
    prices: Option<PriceFacts>,
    corrections: Vec<Correction>,
    /// As they were rendered last.
    gauges: Arc<[Gauges]>,
    stale: bool,
}

impl MoneyGauges {
    pub(super) fn gauges(&self) -> Arc<[Gauges]> {
        Arc::clone(&self.gauges)
    }
}

impl Counters {
    /// Says by which prices values are computed.
    pub fn set_prices(&mut self, facts: PriceFacts) {
        if self.money.prices.as_ref() != Some(&facts) {
            self.money.prices = Some(facts);
            self.money.stale = true;
        }
    }

    /// Says what repricing has changed in all.
    pub fn set_corrections(&mut self, corrections: Vec<Correction>) {
        if self.money.corrections != corrections {
            self.money.corrections = corrections;
            self.money.stale = true;
        }
    }

    pub(super) fn note_fee(&mut self, account: DimId, value: &str, name: &str) {
        let fees = &self.config.fees;
        if let Some(fee) = fees.get(value).or_else(|| fees.get(name)) {
            let provider = provider_in(name, value).to_owned();
            self.money.fees.push((account, provider, fee.clone()));
            self.money.stale = true;
        }
    }

    /// Renders the gauges anew if something has changed.
    pub(super) fn refresh_gauges(&mut self) -> bool {
        if !std::mem::take(&mut self.money.stale) {
            return false;
        }
        let mut gauges = Vec::new();
        self.correction_gauges(&mut gauges);
        self.price_gauges(&mut gauges);
        self.fee_gauges(&mut gauges);
        self.money.gauges = gauges.into();
        true
    }

    /// Like the counters that they belong to, corrections beyond a cap go to `other`.
    fn correction_gauges(&mut self, gauges: &mut Vec<Gauges>) {
        let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for correction in self.money.corrections.clone() {
            let parts = [
                ("provider", LabelKind::Provider, correction.provider),
                ("model", LabelKind::Model, correction.model),
                ("account", LabelKind::Account, correction.account),
            ];
            let mut labels = String::new();
            for (name, kind, id) in parts {
                let shown = self.tables.texts.shown(kind, id.0);
                push_label(&mut labels, name, self.tables.texts.text(kind, shown));
            }
            let (value, cost) = sums.entry(labels).or_default();
            *value = value.saturating_add(correction.value);
            *cost = cost.saturating_add(correction.cost);
        }
        let values = sums
            .iter()
            .map(|(labels, (value, _))| (labels.clone(), usd(*value)));
        gauges.push(family(&catalogue::LIST_VALUE_CORRECTION, values));
        let costs = sums
            .iter()
            .map(|(labels, (_, cost))| (labels.clone(), usd(*cost)));
        gauges.push(family(&catalogue::COST_CORRECTION, costs));
    }

    fn price_gauges(&mut self, gauges: &mut Vec<Gauges>) {
        let Some(facts) = &self.money.prices else {
            return;
        };
        let mut samples = BTreeMap::new();
        for price in &facts.prices {
            let model = self.tables.texts.shown(LabelKind::Model, price.model.0);
            if model == OTHER {
                continue;
            }
            for (kind, femtos) in &price.kinds {
                let mut labels = String::new();
                push_label(
                    &mut labels,
                    "model",
                    self.tables.texts.text(LabelKind::Model, model),
                );
                push_label(&mut labels, "kind", kind.as_str());
                push_label(&mut labels, "tier", &price.tier);
                let mut value = String::new();
                push_decimal(&mut value, *femtos, FEMTOS_PER_USD, 0);
                samples.insert(labels, value);
            }
        }
        gauges.push(family(&catalogue::PRICE, samples));
        let mut labels = String::new();
        push_label(&mut labels, "version", &facts.version);
        push_label(&mut labels, "source", &facts.source);
        gauges.push(family(
            &catalogue::PRICE_TABLE_INFO,
            [(labels, "1".to_owned())],
        ));
        let time = facts.as_of.and_then(|at| u64::try_from(at.get()).ok());
        let time = time.map(|nanos| {
            let mut value = String::new();
            push_decimal(&mut value, nanos, NANOS_PER_SECOND, 0);
            (String::new(), value)
        });
        gauges.push(family(&catalogue::PRICE_TABLE_TIME, time));
    }

    fn fee_gauges(&mut self, gauges: &mut Vec<Gauges>) {
        let mut samples = BTreeMap::new();
        for (account, provider, fee) in &self.money.fees {
            let shown = self.tables.texts.shown(LabelKind::Account, account.0);
            if shown == OTHER {
                continue;
            }
            let mut labels = String::new();
            push_label(&mut labels, "provider", provider);
            push_label(
                &mut labels,
                "account",
                self.tables.texts.text(LabelKind::Account, shown),
            );
            push_label(&mut labels, "plan", &fee.plan);
            let mut value = String::new();
            push_decimal(&mut value, fee.nano_usd, NANOS_PER_USD, 0);
            samples.insert(labels, value);
        }
        gauges.push(family(&catalogue::PLAN_FEE, samples));
    }
}

fn family(family: &'static Family, samples: impl IntoIterator<Item = (String, String)>) -> Gauges {
    Gauges {
        family,
        samples: samples.into_iter().collect(),
    }
}

/// Nano-dollars as dollars, exactly.
fn usd(nanos: i64) -> String {
    let mut out = String::new();
    if nanos < 0 {
        out.push('-');
    }
    push_decimal(&mut out, nanos.unsigned_abs(), NANOS_PER_USD, 0);
    out
}

/// An account's default name is its provider and the start of its id.
fn provider_in<'a>(name: &'a str, id: &str) -> &'a str {
    const SHORTEST: usize = 6;
    let start = id
        .char_indices()
        .nth(SHORTEST)
        .map_or(id, |(end, _)| id.get(..end).unwrap_or(id));
    let end = name.rfind(&format!("-{start}"));
    end.and_then(|end| name.get(..end)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_the_start_of_an_accounts_name() {
        for (name, id, provider) in [
            ("codex-37e10d", "37e10dbedbcae9c4", "codex"),
            ("codex-37e10dbe", "37e10dbedbcae9c4", "codex"),
            (
                "gemini-interactions-37e10dbe-7",
                "37e10dbe",
                "gemini-interactions",
            ),
            ("plug-é", "é", "plug"),
        ] {
            assert_eq!(provider_in(name, id), provider);
        }
    }

    #[test]
    fn amounts_below_zero_keep_their_sign() {
        assert_eq!(usd(-1_500_000_000), "-1.5");
        assert_eq!(usd(0), "0");
        assert_eq!(usd(1), "0.000000001");
        assert_eq!(usd(i64::MIN), "-9223372036.854775808");
    }
}
