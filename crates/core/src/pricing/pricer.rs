//! Prices for records, with the look-up of each model done once.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::plan::tier_named;
use super::table::PriceTable;
use crate::model::{AuthType, DimId, Tokens, UnixNanos, Value};

/// Look-ups that are remembered; a hostile variety of models must not fill memory.
const MAX_KNOWN: usize = 65_536;

/// What a record is priced by, next to its tokens.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub at: UnixNanos,
    pub model: (DimId, &'a str),
    /// Tier that the client asked for.
    pub asked: (DimId, &'a str),
    /// Tier that the upstream says it served; a wish for `priority` can end as `default`.
    pub served: (DimId, &'a str),
    /// The account is a ChatGPT login; see [`is_chatgpt_login`].
    pub chatgpt_login: bool,
}

/// Codex with an OAuth login. `ChatGPT`'s answers name the tier `default` whatever was served, so
/// that the word says nothing; answers to API keys name the tier that is billed.
pub fn is_chatgpt_login(provider: &str, login: AuthType) -> bool {
    provider == "codex" && login == AuthType::Oauth
}

/// Prices records by one table.
#[derive(Debug)]
pub struct Pricer {
    table: Arc<PriceTable>,
    known: HashMap<([DimId; 3], bool), Option<Known>>,
}

/// A model's place in the table and its tier.
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

    /// What the tokens are worth; `None` when the model has no price at that moment.
    pub fn value(&mut self, subject: &Subject<'_>, tokens: &Tokens) -> Option<Value> {
        let names = [subject.model.0, subject.asked.0, subject.served.0];
        let id = (names, subject.chatgpt_login);
        if let Some(known) = self.known.get(&id) {
            return self.worth(known.as_ref()?, subject.at, tokens);
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let known = self.look_up(subject);
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

    fn look_up(&self, subject: &Subject<'_>) -> Option<Known> {
        let entry = self.table.position(subject.model.1)?;
        let (asked, served) = (subject.asked.1, subject.served.1);
        let says_nothing = subject.chatgpt_login && tier_named(served).is_none();
        let tier = if served.is_empty() || says_nothing {
            asked
        } else {
            served
        };
        let tier = tier_named(tier).map(Into::into);
        Some(Known { entry, tier })
    }
}

/// Length of the prompt, whatever part of it came from a cache: the kinds are disjoint.
fn prompt(tokens: &Tokens) -> u64 {
    tokens.input + tokens.cache_read + tokens.cache_write
}
