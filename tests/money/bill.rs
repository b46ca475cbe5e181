//! Computes a bill from the raw records and the raw price list, independently of the program.

use std::collections::BTreeMap;

use serde_json::Value;

/// Time of capture of all records.
const DAY: &str = "2026-11-22";

/// Prices by every listed id.
pub(crate) struct List(BTreeMap<String, Value>);

impl List {
    pub(crate) fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/prices/list.json");
        let list: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut by_id = BTreeMap::new();
        for price in list["prices"].as_array().unwrap() {
            let aliases = price["aliases"].as_array().into_iter().flatten();
            for id in std::iter::once(&price["model"]).chain(aliases) {
                let before = by_id.insert(id.as_str().unwrap().to_lowercase(), price.clone());
                assert_eq!(before, None, "{id}");
            }
        }
        Self(by_id)
    }

    /// Nano-dollars of a record; `None` when its model has no price.
    pub(crate) fn bill(&self, record: &Value) -> Option<u128> {
        let price = self
            .0
            .get(&record["model"].as_str().unwrap().to_lowercase())?;
        assert_eq!(&record["timestamp"].as_str().unwrap()[..10], DAY);
        let day = |name: &str| price[name].as_str();
        let (from, to) = (day("valid_from"), day("valid_to"));
        assert!(from.is_none_or(|from| from <= DAY), "{price}");
        assert!(to.is_none_or(|to| to >= DAY), "{price}");
        assert!(
            price["peak"].is_null(),
            "this bill ignores the time of day: {price}"
        );
        let counts = Counts::of(record);
        let served = record["response_service_tier"].as_str().unwrap_or_default();
        let asked = record["service_tier"].as_str().unwrap_or_default();
        // The response to a ChatGPT login always states `default`.
        let is_login = record["provider"] == "codex" && record["auth_type"] == "oauth";
        let says_nothing = served.is_empty() || is_login && served == "default";
        let tier = match if says_nothing { asked } else { served } {
            "" | "auto" | "default" => None,
            tier => Some(&price["tiers"][tier]).filter(|rates| !rates.is_null()),
        };
        let prompt = counts.uncached + counts.read + counts.write;
        let reached = |step: &&Value| {
            let above = u128::from(step["above_tokens"].as_u64().unwrap());
            prompt > above || step["inclusive"] == true && prompt == above
        };
        let steps = price["long_context"].as_array().into_iter().flatten();
        let longer = steps
            .filter(reached)
            .max_by_key(|step| step["above_tokens"].as_u64());
        let rates = match (tier, longer) {
            (None, None) => &price["usd_per_mtok"],
            (Some(tier), None) => tier,
            (None, Some(step)) => step,
            (Some(_), Some(_)) => panic!("has a test of its own: {record}"),
        };
        let rate = |name: &str| {
            decimal(&rates[name])
                .or_else(|| decimal(&rates["input"]))
                .unwrap()
        };
        // Thousandths of a nano-dollar per million tokens; divide by a million times a thousand.
        let sum = counts.uncached * rate("input")
            + counts.read * rate("cache_read")
            + counts.write * rate("cache_write")
            + counts.answer * rate("output");
        let unit = 1_000_000;
        Some(sum / unit + u128::from(sum % unit * 2 >= unit))
    }
}

/// A price in nano-dollars per million tokens, from its decimal text.
fn decimal(number: &Value) -> Option<u128> {
    let Value::Number(number) = number else {
        return None;
    };
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    Some(format!("{whole}{fraction:0<9}").parse().unwrap())
}

/// Billed tokens, by the provider's meaning of the flat counts.
struct Counts {
    uncached: u128,
    read: u128,
    write: u128,
    answer: u128,
}

impl Counts {
    fn of(record: &Value) -> Self {
        let flat = &record["tokens"];
        let count = |name: &str| u128::from(flat[name].as_u64().unwrap_or_default());
        let (input, output) = (count("input_tokens"), count("output_tokens"));
        let (read, write) = (count("cache_read_tokens"), count("cache_creation_tokens"));
        let provider = record["provider"].as_str().unwrap();
        match provider {
            // The one upstream that adds its cache to the input; added reasoning is billed as
            // output.
            _ if read > input => Self {
                uncached: input,
                read,
                write,
                answer: output,
            },
            "openai-compatible-deepfake" if count("reasoning_tokens") > output => Self {
                uncached: input - read - write,
                read,
                write,
                answer: output + count("reasoning_tokens"),
            },
            // The cache is not part of the input.
            "claude" => Self {
                uncached: input,
                read,
                write,
                answer: output,
            },
            // Thoughts are not part of the output.
            "gemini" | "vertex" | "antigravity" | "gemini-interactions" => Self {
                uncached: input - read,
                read,
                write: 0,
                answer: output + count("reasoning_tokens"),
            },
            // All others count like OpenAI: cache within input, reasoning within output.
            _ => Self {
                uncached: input - read - write,
                read,
                write,
                answer: output,
            },
        }
    }
}
