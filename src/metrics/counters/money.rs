//! The money side of the ledger: counters of nano-dollars, and the gauges beside them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::catalogue::{Family, money as catalogue};
use super::super::encode::{push_decimal, push_label};
use super::super::labels::{LabelKind, OTHER};
use super::super::restored::at;
use super::super::snapshot::Gauges;
use super::Counters;
use crate::model::{
    Correction, DimId, Event, Money, NANOS_PER_USD, Route, TokenKind, UnixNanos, Value,
};

/// Slots that are remembered; a hostile variety of models must not fill memory.
const MAX_KNOWN: usize = 65_536;
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

/// What the ledger keeps about money, besides its tables.
#[derive(Debug, Default)]
pub(super) struct MoneyState {
    known: HashMap<[DimId; 4], MoneySlots>,
    /// Account, its provider, its fee.
    fees: Vec<(DimId, String, PlanFee)>,
    prices: Option<PriceFacts>,
    corrections: Vec<Correction>,
    /// As they were rendered last.
    gauges: Arc<[Gauges]>,
    stale: bool,
}

#[derive(Clone, Copy, Debug)]
struct MoneySlots {
    list_value: u32,
    cost: u32,
    by_kind: u32,
    client_list_value: u32,
    client_cost: u32,
}

impl MoneyState {
    pub(super) fn gauges(&self) -> Arc<[Gauges]> {
        Arc::clone(&self.gauges)
    }
}

impl Counters {
    /// Counts what a new event is worth. Call next to [`Counters::count`].
    pub fn charge(&mut self, event: &Event<'_>, route: &Route, money: &Money) {
        if let Some(value) = money.value {
            self.add_value(route, &value, money.cost().unwrap_or_default());
        }
        let missing = match money.value {
            Some(_) => event.tokens.unclassified,
            None => event.tokens.total(),
        };
        // A failure that reports no tokens cost nothing that a price could tell.
        if missing > 0 || (money.value.is_none() && event.is_success()) {
            let key = [route.provider.0, route.model.0, 0, 0, 0];
            let slot = self.slot(at::UNPRICED_TOKENS, key);
            self.add(at::UNPRICED_TOKENS, slot, 0, missing);
            if event.generate {
                let slot = self.slot(at::UNPRICED_REQUESTS, key);
                self.add(at::UNPRICED_REQUESTS, slot, 0, 1);
            }
        }
        for (reference, nanos) in &money.references {
            let key = [reference.0, route.provider.0, 0, 0, 0];
            let slot = self.slot(at::REFERENCE_VALUE, key);
            self.add(at::REFERENCE_VALUE, slot, 0, *nanos);
        }
    }

    fn add_value(&mut self, route: &Route, value: &Value, cost: u64) {
        let slots = self.money_slots(route);
        let total = value.total();
        self.add(at::LIST_VALUE, slots.list_value, 0, total);
        self.add(at::COST, slots.cost, 0, cost);
        self.add(at::CLIENT_LIST_VALUE, slots.client_list_value, 0, total);
        self.add(at::CLIENT_COST, slots.client_cost, 0, cost);
        // The cells are the kinds that have a price, which come first.
        for (cell, nanos) in value.by_kind().into_iter().enumerate() {
            if nanos > 0 {
                self.add(at::LIST_VALUE_BY_KIND, slots.by_kind, cell, nanos);
            }
        }
    }

    fn money_slots(&mut self, route: &Route) -> MoneySlots {
        let key = [route.provider, route.model, route.account, route.client];
        if let Some(slots) = self.money.known.get(&key) {
            return *slots;
        }
        let [provider, model, account, client] = key.map(|id| id.0);
        let slots = MoneySlots {
            list_value: self.slot(at::LIST_VALUE, [provider, model, account, 0, 0]),
            cost: self.slot(at::COST, [provider, model, account, 0, 0]),
            by_kind: self.slot(at::LIST_VALUE_BY_KIND, [provider, model, 0, 0, 0]),
            client_list_value: self.slot(at::CLIENT_LIST_VALUE, [client, model, 0, 0, 0]),
            client_cost: self.slot(at::CLIENT_COST, [client, model, 0, 0, 0]),
        };
        if self.money.known.len() >= MAX_KNOWN {
            self.money.known.clear();
        }
        self.money.known.insert(key, slots);
        slots
    }

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
                let shown = self.texts.shown(kind, id.0);
                push_label(&mut labels, name, self.texts.text(kind, shown));
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
            let model = self.texts.shown(LabelKind::Model, price.model.0);
            if model == OTHER {
                continue;
            }
            for (kind, femtos) in &price.kinds {
                let mut labels = String::new();
                push_label(
                    &mut labels,
                    "model",
                    self.texts.text(LabelKind::Model, model),
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
            let shown = self.texts.shown(LabelKind::Account, account.0);
            if shown == OTHER {
                continue;
            }
            let mut labels = String::new();
            push_label(&mut labels, "provider", provider);
            push_label(
                &mut labels,
                "account",
                self.texts.text(LabelKind::Account, shown),
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
