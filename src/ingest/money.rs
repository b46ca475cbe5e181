//! Prices of events.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use foldhash::{HashMap, HashMapExt as _};

use crate::metrics::{PriceFacts, PriceOfModel};
use crate::model::{DimId, Dimension, Event, Money, Route, TokenKind, UnixNanos};
use crate::pricing::{Billing, PriceTable, Pricer, STANDARD, Subject, is_chatgpt_login};
use crate::store::{Ingest, NewName, PricedEvent, Store, StoreError};

/// Maximum number of models with price gauges; the label's own cap is far below.
const MAX_MODELS: usize = 5000;
/// Prices change with dates and hours, so the gauges are updated this often.
const FACTS_AGE: Duration = Duration::from_mins(1);

/// The price list in use; a reload replaces it.
pub type SharedPrices = Arc<ArcSwap<PriceTable>>;

/// Settings of prices.
#[derive(Debug)]
pub struct MoneyParts {
    pub prices: SharedPrices,
    pub billing: Billing,
    /// Names of reference prices and their models.
    pub references: Vec<(String, String)>,
}

/// Computes the price of events.
pub(super) struct EventPricer {
    prices: SharedPrices,
    billing: Billing,
    pricer: Pricer,
    /// Number of the list's version in the database, once it is stored.
    version: Option<u32>,
    references: Vec<Reference>,
    /// Caches look-ups by the names of references.
    reference_pricer: Pricer,
    /// Whether an account is billed per use, where the configuration says so.
    configured: HashMap<DimId, bool>,
    /// Stored forms of providers, models and service tiers.
    texts: HashMap<(Dimension, DimId), Box<str>>,
    models: Vec<(DimId, Box<str>)>,
    /// Time of the last facts.
    facts_at: Option<UnixNanos>,
}

#[derive(Debug)]
struct Reference {
    name: String,
    model: String,
    id: Option<DimId>,
}

impl std::fmt::Debug for EventPricer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventPricer")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl EventPricer {
    pub(super) fn new(parts: MoneyParts) -> Self {
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
            configured: HashMap::new(),
            texts: HashMap::new(),
            models: Vec::new(),
            facts_at: None,
        }
    }

    /// Takes over a new list, and stores the version of the one in use.
    pub(super) fn refresh(&mut self, store: &mut Store, now: UnixNanos) -> Result<(), StoreError> {
        let table = self.prices.load();
        if !Arc::ptr_eq(&table, self.pricer.table()) {
            self.pricer = Pricer::new(Arc::clone(&table));
            self.reference_pricer = Pricer::new(Arc::clone(&table));
            self.version = None;
            self.facts_at = None;
        }
        if self.version.is_none() {
            let version = table.version();
            self.version = Some(store.price_version(&version.name, &version.source, now)?);
        }
        Ok(())
    }

    /// Interns the references; the transaction saves them.
    pub(super) fn begin(&mut self, store: &mut Ingest<'_>) {
        for reference in self.references.iter_mut().filter(|r| r.id.is_none()) {
            let id = store.intern_configured(Dimension::Reference, &reference.name);
            reference.id = Some(id);
        }
    }

    pub(super) fn name(&mut self, name: &NewName) {
        if let Dimension::Provider | Dimension::Model | Dimension::ServiceTier = name.dimension {
            let key = (name.dimension, name.id);
            self.texts.insert(key, name.value.clone());
        }
        match name.dimension {
            Dimension::Account => {
                if let Some(per_use) = self.billing.configured(&name.value, &name.label) {
                    self.configured.insert(name.id, per_use);
                }
            }
            Dimension::Model if self.models.len() < MAX_MODELS => {
                self.models.push((name.id, name.value.clone()));
                self.facts_at = None;
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
            | Dimension::Status
            | Dimension::GatewayChannel
            | Dimension::GatewayModel
            | Dimension::GatewayStatus
            | Dimension::GatewayErrorType
            | Dimension::GatewayLogType => {}
        }
    }

    pub(super) fn money(&mut self, event: &Event<'_>, route: &Route) -> Money {
        let subject = Subject {
            at: event.timestamp,
            model: (route.model, &event.model),
            asked: (route.service_tier, &event.service_tier),
            served: (route.response_service_tier, &event.response_service_tier),
            chatgpt_login: is_chatgpt_login(&event.provider, event.auth_type),
        };
        let configured = self.configured.get(&route.account).copied();
        Money {
            value: self.pricer.value(&subject, &event.tokens),
            per_use: Billing::per_use(configured, event.auth_type),
            price_version: self.version.unwrap_or_default(),
            references: self.references(event),
        }
    }

    /// List value and cost of a stored event by the list of `pricer`, in nano-dollars.
    pub(super) fn reprice(
        &self,
        pricer: &mut Pricer,
        event: &PricedEvent,
    ) -> (Option<i64>, Option<i64>) {
        let tier = |id| (id, self.text(Dimension::ServiceTier, id));
        let provider = self.text(Dimension::Provider, event.provider);
        let subject = Subject {
            at: event.at,
            model: (event.model, self.text(Dimension::Model, event.model)),
            asked: tier(event.service_tier),
            served: tier(event.response_service_tier),
            chatgpt_login: is_chatgpt_login(provider, event.login),
        };
        let value = pricer.value(&subject, &event.tokens);
        let value = value.map(|value| i64::try_from(value.total()).unwrap_or(i64::MAX));
        let configured = self.configured.get(&event.account).copied();
        let per_use = Billing::per_use(configured, event.login);
        let cost = value.map(|value| if per_use { value } else { 0 });
        (value, cost)
    }

    /// Empty for an absent value.
    pub(super) fn text(&self, dimension: Dimension, id: DimId) -> &str {
        self.texts.get(&(dimension, id)).map_or("", |text| &**text)
    }

    pub(super) fn model(&self, name: &str) -> Option<DimId> {
        let mut texts = self.texts.iter();
        let found = texts
            .find(|((dimension, _), text)| *dimension == Dimension::Model && text.as_ref() == name);
        found.map(|((_, id), _)| *id)
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

    /// Values of the price gauges, if they may have changed.
    pub(super) fn facts(&mut self, now: UnixNanos) -> Option<PriceFacts> {
        if self
            .facts_at
            .is_some_and(|at| now.since(at) < FACTS_AGE && at <= now)
        {
            return None;
        }
        self.facts_at = Some(now);
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

/// Current rates of all tiers of a model.
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
