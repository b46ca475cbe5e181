//! Prices records and caches the look-up of each model.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::plan::normalize_tier;
use super::table::PriceTable;
use crate::model::{AuthType, DimId, Tokens, UnixNanos, Value};

/// Maximum number of cached look-ups, so that a hostile variety of models cannot fill memory.
const MAX_KNOWN: usize = 65_536;

/// The fields of a record that determine its price, apart from its tokens.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub at: UnixNanos,
    pub model: (DimId, &'a str),
    /// Tier the client requested.
    pub asked: (DimId, &'a str),
    /// Tier the upstream reports; a request for `priority` can be served as `default`.
    pub served: (DimId, &'a str),
    /// Whether the account is a ChatGPT login; see [`is_chatgpt_login`].
    pub chatgpt_login: bool,
}

/// Codex with an OAuth login. Its responses report the tier `default` for every tier, so that field
/// is ignored; responses to API keys report the billed tier.
pub fn is_chatgpt_login(provider: &str, login: AuthType) -> bool {
    provider == "codex" && login == AuthType::Oauth
}

/// Prices records from one table.
#[derive(Debug)]
pub struct Pricer {
    table: Arc<PriceTable>,
    known: HashMap<([DimId; 3], bool), Option<Known>>,
}

/// A model's index in the table, and its tier.
#[derive(Clone, Debug)]
struct Known {
    entry: usize,
    tier: Option<Box<str>>,
}

impl Pricer {
    pub fn new(table: Arc<PriceTable>) -> Self {
        Self {
            table,
            known: HashMap::new(),
        }
    }

    pub fn table(&self) -> &Arc<PriceTable> {
        &self.table
    }

    /// The value of the tokens; `None` if the model has no price at that time.
    pub fn value(&mut self, subject: &Subject<'_>, tokens: &Tokens) -> Option<Value> {
        let names = [subject.model.0, subject.asked.0, subject.served.0];
        let id = (names, subject.chatgpt_login);
        if let Some(known) = self.known.get(&id) {
            return self.worth(known.as_ref()?, subject.at, tokens);
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let known = self.find(subject);
        let value = known
            .as_ref()
            .and_then(|known| self.worth(known, subject.at, tokens));
        self.known.insert(id, known);
        value
    }

    fn worth(&self, known: &Known, at: UnixNanos, tokens: &Tokens) -> Option<Value> {
        let prices = &self.table.entry(known.entry)?.prices;
        let rates = prices.rates(at, known.tier.as_deref(), prompt(tokens))?;
        Some(rates.value(tokens, self.table.writes()))
    }

    fn find(&self, subject: &Subject<'_>) -> Option<Known> {
        let entry = self.table.position(subject.model.1)?;
        let (asked, served) = (subject.asked.1, subject.served.1);
        let is_ignored = subject.chatgpt_login && normalize_tier(served).is_none();
        let tier = if served.is_empty() || is_ignored {
            asked
        } else {
            served
        };
        let tier = normalize_tier(tier).map(Into::into);
        Some(Known { entry, tier })
    }
}

/// Prompt length including its cached parts: the kinds are disjoint.
fn prompt(tokens: &Tokens) -> u64 {
    tokens.input + tokens.cache_read + tokens.cache_write
}
