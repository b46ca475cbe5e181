//! What each record is worth, while it passes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use foldhash::{HashMap, HashMapExt as _};

use crate::metrics::{PriceFacts, PriceOfModel};
use crate::model::{DimId, Dimension, Event, Money, Route, TokenKind, UnixNanos};
use crate::pricing::{Billing, PriceTable, Pricer, STANDARD, Subject, is_chatgpt_login};
use crate::store::{Ingest, NewName, Store, StoreError};

/// Models whose prices are shown; the label's own cap is far below.
const MAX_MODELS: usize = 5000;
/// Prices change with dates and hours, so the gauges are looked at again.
const FACTS_AGE: Duration = Duration::from_mins(1);

/// The price table in force; a reload puts another one there.
pub type SharedPrices = Arc<ArcSwap<PriceTable>>;

/// How money is computed.
#[derive(Debug)]
pub struct MoneyParts {
    pub prices: SharedPrices,
    pub billing: Billing,
    /// Names of reference prices and their models.
    pub references: Vec<(String, String)>,
}

/// Prices events as they pass.
pub struct EventPricer {
    prices: SharedPrices,
    billing: Billing,
    pricer: Pricer,
    /// Number of the table's version in the database, once that knows it.
    version: Option<u32>,
    references: Vec<Reference>,
    /// Its look-ups are by the names of references.
    reference_pricer: Pricer,
    /// Accounts of which the user has said how they pay.
    said: HashMap<DimId, bool>,
    models: Vec<(DimId, Box<str>)>,
    told: Option<UnixNanos>,
}

#[derive(Debug)]
struct Reference {
    name: String,
    model: String,
    id: Option<DimId>,
}

impl std::fmt::Debug for EventPricer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Till")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl EventPricer {
    pub fn new(parts: MoneyParts) -> Self {
        let table = parts.prices.load_full();
        let references = parts.references.into_iter().map(|(name, model)| Reference {
            name,
            model,
            id: None,
        });
        Self {
            prices: parts.prices,
            billing: parts.billing,
            pricer: Pricer::new(Arc::clone(&table)),
            version: None,
            references: references.collect(),
            reference_pricer: Pricer::new(table),
            said: HashMap::new(),
            models: Vec::new(),
            told: None,
        }
    }

    /// Takes over a new table, and makes sure that the database knows the one in use.
    pub fn refresh(&mut self, store: &mut Store, now: UnixNanos) -> Result<(), StoreError> {
        let table = self.prices.load();
        if !Arc::ptr_eq(&table, self.pricer.table()) {
            self.pricer = Pricer::new(Arc::clone(&table));
            self.reference_pricer = Pricer::new(Arc::clone(&table));
            self.version = None;
            self.told = None;
        }
        if self.version.is_none() {
            let version = table.version();
            self.version = Some(store.price_version(&version.name, &version.source, now)?);
        }
        Ok(())
    }

    /// Gives the references their numbers; they are saved with the transaction.
    pub(super) fn begin(&mut self, store: &mut Ingest<'_>) {
        for reference in self.references.iter_mut().filter(|r| r.id.is_none()) {
            let id = store.intern_configured(Dimension::Reference, &reference.name);
            reference.id = Some(id);
        }
    }

    pub fn name(&mut self, name: &NewName) {
        match name.dimension {
            Dimension::Account => {
                if let Some(per_use) = self.billing.configured(&name.value, &name.label) {
                    self.said.insert(name.id, per_use);
                }
            }
            Dimension::Model if self.models.len() < MAX_MODELS => {
                self.models.push((name.id, name.value.clone()));
                self.told = None;
            }
            Dimension::Model
            | Dimension::Provider
            | Dimension::Executor
            | Dimension::Alias
            | Dimension::Endpoint
            | Dimension::Client
            | Dimension::ServiceTier
            | Dimension::ReasoningEffort
            | Dimension::Source
            | Dimension::FailureText
            | Dimension::Reference
            | Dimension::Combo
            | Dimension::Status => {}
        }
    }

    pub fn money(&mut self, event: &Event<'_>, route: &Route) -> Money {
        let subject = Subject {
            at: event.timestamp,
            model: (route.model, &event.model),
            asked: (route.service_tier, &event.service_tier),
            served: (route.response_service_tier, &event.response_service_tier),
            chatgpt_login: is_chatgpt_login(&event.provider, event.auth_type),
        };
        let said = self.said.get(&route.account).copied();
        Money {
            value: self.pricer.value(&subject, &event.tokens),
            per_use: Billing::per_use(said, event.auth_type),
            price_version: self.version.unwrap_or_default(),
            references: self.references(event),
        }
    }

    fn references(&mut self, event: &Event<'_>) -> Vec<(DimId, u64)> {
        let pricer = &mut self.reference_pricer;
        let worth = self.references.iter().filter_map(|reference| {
            let id = reference.id?;
            let subject = Subject {
                at: event.timestamp,
                model: (id, &reference.model),
                asked: (DimId::NONE, ""),
                served: (DimId::NONE, ""),
                chatgpt_login: false,
            };
            let value = pricer.value(&subject, &event.tokens)?;
            Some((id, value.total()))
        });
        worth.collect()
    }

    /// What the gauges shall say, when that may have changed.
    pub(super) fn facts(&mut self, now: UnixNanos) -> Option<PriceFacts> {
        if self
            .told
            .is_some_and(|told| now.since(told) < FACTS_AGE && told <= now)
        {
            return None;
        }
        self.told = Some(now);
        let table = self.pricer.table();
        let version = table.version();
        Some(PriceFacts {
            version: version.name.clone(),
            source: version.source.clone(),
            as_of: table.as_of().map(|day| day.min(now)),
            prices: self
                .models
                .iter()
                .flat_map(|(id, model)| prices_of(table, *id, model, now))
                .collect(),
        })
    }
}

/// The rates of all tiers of a model, as they are now.
fn prices_of(table: &PriceTable, id: DimId, model: &str, now: UnixNanos) -> Vec<PriceOfModel> {
    let Some((entry, _)) = table.find(model) else {
        return Vec::new();
    };
    let prices = &entry.prices;
    let tiers = std::iter::once(None).chain(prices.tiers(now).map(Some));
    let price = |tier: Option<&str>| {
        let rates = prices.rates(now, tier, 0)?.by_kind(table.writes());
        let kinds = TokenKind::ALL.into_iter().zip(rates);
        Some(PriceOfModel {
            model: id,
            tier: tier.unwrap_or(STANDARD).to_owned(),
            kinds: kinds
                .filter_map(|(kind, rate)| Some((kind, rate?.femtos())))
                .collect(),
        })
    };
    tiers.filter_map(price).collect()
}
