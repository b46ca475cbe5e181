//! Imports `LiteLLM`'s price map and models.dev's catalogue.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::file::{Listed, LongContext, PriceFile, PriceSource, RateList, TierList};
use super::plan::Prices;

/// Format of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    LiteLlm,
    ModelsDev,
    Own,
}

/// Result of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub format: Format,
    pub prices: Vec<Listed>,
    /// Number of entries without a usable price per token.
    pub skipped: usize,
}

/// Providers in models.dev that sell their own models. All others are resellers with their own
/// prices.
const VENDORS: [&str; 9] = [
    "openai",
    "anthropic",
    "google",
    "xai",
    "moonshotai",
    "deepseek",
    "zai",
    "minimax",
    "alibaba",
];

/// Prefixes that `LiteLLM` adds to the ids of models sold by their vendor.
const VENDOR_PREFIXES: [&str; 9] = [
    "openai/",
    "anthropic/",
    "gemini/",
    "xai/",
    "moonshot/",
    "deepseek/",
    "zai/",
    "minimax/",
    "dashscope/",
];

/// Detects the format and imports the list. `providers` selects providers of models.dev; an empty
/// slice selects the vendors. `source` becomes the provenance of every price.
pub fn import(text: &str, providers: &[String], source: &PriceSource) -> Result<Imported, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(top) = &value else {
        return Err("a price list is a JSON object".to_owned());
    };
    let mut imported = if top.get("prices").is_some_and(Value::is_array) {
        own(text)?
    } else if top
        .values()
        .any(|entry| entry.get("models").is_some_and(Value::is_object))
    {
        models_dev(top, providers)
    } else if top
        .values()
        .any(|entry| entry.get("input_cost_per_token").is_some())
    {
        litellm(top)
    } else {
        return Err("neither LiteLLM's nor models.dev's format, nor our own".to_owned());
    };
    if imported.format != Format::Own {
        let before = imported.prices.len();
        imported.prices.retain(|listed| Prices::new(listed).is_ok());
        imported.skipped += before - imported.prices.len();
        for listed in &mut imported.prices {
            listed.sources = vec![source.clone()];
        }
    }
    Ok(imported)
}

fn own(text: &str) -> Result<Imported, String> {
    let file = PriceFile::parse("list.json", text)?;
    for listed in &file.prices {
        Prices::new(listed).map_err(|problem| format!("{}: {problem}", listed.model))?;
    }
    Ok(Imported {
        format: Format::Own,
        prices: file.prices,
        skipped: 0,
    })
}

/// `cost` in dollars per million tokens, under `provider.models.id`.
fn models_dev(top: &Map<String, Value>, providers: &[String]) -> Imported {
    let wanted = |id: &str| {
        if providers.is_empty() {
            VENDORS.contains(&id)
        } else {
            providers.iter().any(|provider| provider == id)
        }
    };
    let mut prices = BTreeMap::new();
    let mut skipped = 0;
    for (provider, entry) in top.iter().filter(|(id, _)| wanted(id)) {
        let models = entry.get("models").and_then(Value::as_object);
        for (model, entry) in models.into_iter().flatten() {
            let listed = entry
                .get("cost")
                .and_then(|cost| models_dev_entry(provider, model, cost));
            match listed {
                // If two vendors sell one id, the first one is used and the second is counted as
                // skipped.
                Some(_) if prices.contains_key(&model.to_ascii_lowercase()) => skipped += 1,
                Some(listed) => {
                    prices.insert(model.to_ascii_lowercase(), listed);
                }
                None => skipped += 1,
            }
        }
    }
    Imported {
        format: Format::ModelsDev,
        prices: prices.into_values().collect(),
        skipped,
    }
}

fn models_dev_entry(provider: &str, model: &str, cost: &Value) -> Option<Listed> {
    let rates = |cost: &Value| {
        let number = |name: &str| cost.get(name).and_then(Value::as_f64);
        Some(RateList {
            input: number("input")?,
            cache_read: number("cache_read"),
            cache_write: number("cache_write"),
            cache_write_1h: None,
            output: number("output")?,
            // Some catalogues write 0 for an unknown price.
            reasoning: number("reasoning").filter(|usd| *usd > 0.0),
        })
    };
    let steps = cost.get("tiers").and_then(Value::as_array);
    let by_size = steps.into_iter().flatten().filter_map(|step| {
        let size = step.get("tier")?.get("size")?.as_u64()?;
        Some(long_context(size, rates(step)?))
    });
    let mut long: Vec<LongContext> = by_size.collect();
    if long.is_empty()
        && let Some(rates) = cost.get("context_over_200k").and_then(rates)
    {
        long.push(long_context(200_000, rates));
    }
    non_zero(rates(cost)?).map(|usd_per_mtok| Listed {
        model: model.to_owned(),
        provider: Some(provider.to_owned()),
        usd_per_mtok,
        long_context: long,
        ..Listed::default()
    })
}

/// Dollars per token; thresholds and tiers are part of the field names.
fn litellm(top: &Map<String, Value>) -> Imported {
    let mut prices = Vec::new();
    let mut skipped = 0;
    for (model, entry) in top.iter().filter(|(model, _)| *model != "sample_spec") {
        match litellm_entry(model, entry) {
            Some(listed) => prices.push(listed),
            None => skipped += 1,
        }
    }
    name_without_prefix(&mut prices);
    Imported {
        format: Format::LiteLlm,
        prices,
        skipped,
    }
}

fn litellm_entry(model: &str, entry: &Value) -> Option<Listed> {
    let entry = entry.as_object()?;
    let rates = |suffix: &str| {
        // Converts dollars per token to dollars per million and removes floating-point noise.
        let number = |name: &str| {
            let usd = entry.get(&format!("{name}{suffix}"))?.as_f64()? * 1e6;
            Some((usd * 1e9).round() / 1e9)
        };
        Some(RateList {
            input: number("input_cost_per_token")?,
            cache_read: number("cache_read_input_token_cost"),
            cache_write: number("cache_creation_input_token_cost"),
            cache_write_1h: number("cache_creation_input_token_cost_above_1hr"),
            output: number("output_cost_per_token")?,
            reasoning: number("output_cost_per_reasoning_token").filter(|usd| *usd > 0.0),
        })
    };
    let steps = |tier: &str| -> Vec<LongContext> {
        let lengths: BTreeSet<u64> = entry.keys().filter_map(|key| length(key, tier)).collect();
        let step = |tokens: u64| {
            let list = rates(&format!("_above_{}k_tokens{tier}", tokens / 1000))?;
            Some(long_context(tokens, list))
        };
        lengths.into_iter().filter_map(step).collect()
    };
    let mut tiers = BTreeMap::new();
    for (name, suffix) in [
        ("priority", "_priority"),
        ("flex", "_flex"),
        ("batch", "_batches"),
    ] {
        if let Some(rates) = rates(suffix) {
            let long_context = steps(suffix);
            let tier = TierList {
                rates,
                long_context,
            };
            tiers.insert(name.to_owned(), tier);
        }
    }
    non_zero(rates("")?).map(|usd_per_mtok| Listed {
        model: model.to_owned(),
        provider: entry
            .get("litellm_provider")
            .and_then(Value::as_str)
            .map(str::to_owned),
        usd_per_mtok,
        long_context: steps(""),
        tiers,
        ..Listed::default()
    })
}

/// The 200,000 in `input_cost_per_token_above_200k_tokens`.
fn length(key: &str, tier: &str) -> Option<u64> {
    let rest = key.strip_prefix("input_cost_per_token_above_")?;
    let number = rest.strip_suffix(tier)?.strip_suffix("k_tokens")?;
    number.parse::<u64>().ok()?.checked_mul(1000)
}

/// Adds `grok-4.5` for `xai/grok-4.5`, as in CPA's records, unless the list contains that id or two
/// entries would claim it.
fn name_without_prefix(prices: &mut [Listed]) {
    let bare = |model: &str| {
        let rest = VENDOR_PREFIXES
            .iter()
            .find_map(|prefix| model.strip_prefix(prefix))?;
        (!rest.contains('/')).then(|| rest.to_owned())
    };
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    for listed in prices.iter() {
        *wanted.entry(listed.model.to_ascii_lowercase()).or_default() += 1;
        if let Some(name) = bare(&listed.model) {
            *wanted.entry(name.to_ascii_lowercase()).or_default() += 1;
        }
    }
    for listed in prices {
        if let Some(name) = bare(&listed.model)
            && wanted.get(&name.to_ascii_lowercase()) == Some(&1)
        {
            listed.aliases.push(name);
        }
    }
}

/// These lists write an all-zero price for a plan or a missing price.
fn non_zero(rates: RateList) -> Option<RateList> {
    (rates.input > 0.0 || rates.output > 0.0).then_some(rates)
}

const fn long_context(above_tokens: u64, rates: RateList) -> LongContext {
    LongContext {
        above_tokens,
        inclusive: false,
        rates,
    }
}
