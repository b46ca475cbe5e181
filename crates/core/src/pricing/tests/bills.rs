//! Hand-computed bills by the providers' rules, to the nano-dollar.

use std::sync::Arc;

use super::super::*;
use crate::model::{AuthType, DimId, Tokens, Value};

fn table() -> PriceTable {
    PriceTable::new(&[(Layer::BuiltIn, built_in().unwrap())], CacheWrites::Short).unwrap()
}

/// How a provider's flat counts overlap.
#[derive(Clone, Copy)]
enum Flat {
    /// Cache within input, reasoning within output.
    OpenAi,
    /// Cache outside input.
    Claude,
    /// Cache within input, thoughts outside output.
    Gemini,
}

/// Converts a record's flat counts to disjoint kinds by the provider's semantics.
fn kinds(flat: Flat, [input, read, write, output, thinking]: [u64; 5]) -> Tokens {
    let (input, output) = match flat {
        Flat::OpenAi => (input - read - write, output - thinking),
        Flat::Claude => (input, output - thinking),
        Flat::Gemini => (input - read - write, output),
    };
    Tokens {
        input,
        cache_read: read,
        cache_write: write,
        cache_write_1h: None,
        output,
        reasoning: thinking,
        unclassified: 0,
    }
}

fn bill(
    table: &PriceTable,
    model: &str,
    when: &str,
    served: &str,
    tokens: &Tokens,
) -> Option<Value> {
    let mut pricer = Pricer::new(Arc::new(table.clone()));
    let subject = Subject {
        at: start_of(when).unwrap(),
        model: (DimId(1), model),
        asked: (DimId(1), "auto"),
        served: (DimId(2), served),
        chatgpt_login: false,
    };
    pricer.value(&subject, tokens)
}

/// Number, provider semantics, model, time, tier, input, read, write, output, thinking, nanos.
type Worked = (
    u32,
    Flat,
    &'static str,
    &'static str,
    &'static str,
    [u64; 5],
    u64,
);

#[rustfmt::skip]
const WORKED: [Worked; 27] = {
    use Flat::{Claude, Gemini, OpenAi};
    const DAY: &str = "2026-11-22";
    [
        // 4000*2.5 + 6000*0.25 + 1200*15: the cached part is inside input, reasoning inside output.
        (1, OpenAi, "gpt-5.4", DAY, "", [10_000, 6_000, 0, 1_200, 800], 29_500_000),
        // 20000*0.2 + 20000*0.02 + 10000*0.25 + 2000*1.2: writes are inside input, too.
        (2, OpenAi, "gpt-5.6-luna", "2026-11-20", "", [50_000, 20_000, 10_000, 2_000, 0], 9_300_000),
        // At the threshold and one above it.
        (3, OpenAi, "gpt-5.5", DAY, "", [272_000, 200_000, 0, 1_000, 0], 490_000_000),
        (4, OpenAi, "gpt-5.5", DAY, "", [272_001, 200_000, 0, 1_000, 0], 965_010_000),
        (5, OpenAi, "gpt-5.5", DAY, "priority", [10_000, 4_000, 0, 500, 0], 117_500_000),
        (6, OpenAi, "gpt-5.5", DAY, "flex", [10_000, 4_000, 0, 500, 0], 23_500_000),
        (7, OpenAi, "gpt-6.1-sol", DAY, "priority", [300_000, 100_000, 0, 2_000, 0], 1_700_000_000),
        // The last day of one price, the first of another.
        (8, OpenAi, "gpt-5.6-sol", "2026-08-20", "", [100_000, 0, 0, 10_000, 0], 800_000_000),
        (9, OpenAi, "gpt-5.6-sol", "2026-08-21", "", [100_000, 0, 0, 10_000, 0], 600_000_000),
        // Claude's cache is outside input.
        (10, Claude, "claude-opus-4-8", DAY, "", [1_200, 90_000, 4_000, 1_500, 600], 113_500_000),
        (12, Claude, "claude-fable-5-1", DAY, "", [500, 200_000, 0, 3_000, 0], 205_000_000),
        (13, Claude, "claude-haiku-5-5", DAY, "", [10_000, 80_000, 10_000, 1_000, 0], 3_550_000),
        (14, Claude, "claude-haiku-5-5", DAY, "", [10_001, 80_000, 10_000, 1_000, 0], 17_750_500),
        // Gemini's thoughts are added to output.
        (15, Gemini, "gemini-2.5-flash", DAY, "", [8_000, 3_000, 0, 400, 1_600], 6_590_000),
        (16, Gemini, "gemini-pro-agent", DAY, "", [250_000, 50_000, 0, 1_000, 2_000], 874_000_000),
        (17, Gemini, "gemini-3.7-flash-high", "2026-12-31", "", [20_000, 5_000, 0, 1_000, 500], 17_250_000),
        (18, Gemini, "gemini-3.7-flash-high", "2027-01-01", "", [20_000, 5_000, 0, 1_000, 500], 34_500_000),
        // xAI's threshold itself counts as longer.
        (19, OpenAi, "grok-4.3", DAY, "", [200_000, 128_000, 0, 1_000, 0], 236_200_000),
        (20, OpenAi, "grok-4.3", DAY, "", [199_999, 128_000, 0, 1_000, 0], 118_098_750),
        (21, OpenAi, "deepseek-v4-pro", "2026-11-20T12:00:00Z", "", [30_000, 24_000, 0, 2_000, 0], 8_448_000),
        (22, OpenAi, "deepseek-v4-pro", "2026-11-20T02:00:00Z", "", [30_000, 24_000, 0, 2_000, 0], 16_896_000),
        // 3987.5 + 870 nano-dollars.
        (23, OpenAi, "deepseek-v4-pro", "2026-08-01", "", [1_100, 1_100, 0, 1, 0], 4_858),
        (24, OpenAi, "qwen3-coder-plus", DAY, "", [130_000, 100_000, 0, 4_000, 0], 210_000_000),
        (25, OpenAi, "qwen3-coder-flash", DAY, "", [20_000, 10_000, 0, 1_000, 0], 7_500_000),
        (26, OpenAi, "glm-4.6", DAY, "", [12_345, 6_789, 0, 1_011, 0], 6_304_590),
        (27, OpenAi, "MiniMax-M2.5", DAY, "", [40_000, 30_000, 5_000, 800, 0], 5_235_000),
        (28, OpenAi, "kimi-k2.7-code-highspeed", DAY, "", [64_000, 60_000, 0, 1_500, 0], 42_400_000),
    ]
};

#[test]
fn worked_bills() {
    let table = table();
    for (number, flat, model, when, served, counts, nanos) in WORKED {
        let tokens = kinds(flat, counts);
        let value = bill(&table, model, when, served, &tokens).unwrap();
        assert_eq!(value.total(), nanos, "bill {number}");
        assert_eq!(value.by_kind().iter().sum::<u64>(), nanos, "bill {number}");
    }
}

/// Bill 11 is bill 10 with a one-hour write: 4000*10 instead of 4000*6.25.
#[test]
fn one_hour_writes_cost_more() {
    let files = [(Layer::BuiltIn, built_in().unwrap())];
    let long = PriceTable::new(&files, CacheWrites::Long).unwrap();
    let tokens = kinds(Flat::Claude, [1_200, 90_000, 4_000, 1_500, 600]);
    let value = bill(&long, "claude-opus-4-8", "2026-11-22", "", &tokens).unwrap();
    assert_eq!(value.total(), 128_500_000);
    assert_eq!(
        value.by_kind(),
        [6_000_000, 45_000_000, 40_000_000, 22_500_000, 15_000_000, 0]
    );
    assert_ne!(long.version().name, table().version().name);

    // A record's own lifetimes override the setting: 1000*10 + 3000*6.25, or all of it at 6.25.
    for (hour, write) in [(1_000, 28_750_000), (0, 25_000_000), (4_000, 40_000_000)] {
        let told = Tokens {
            cache_write_1h: Some(hour),
            ..tokens
        };
        for table in [&long, &table()] {
            let value = bill(table, "claude-opus-4-8", "2026-11-22", "", &told).unwrap();
            assert_eq!(value.by_kind()[2], write);
        }
    }
}

#[test]
fn requested_tier_that_was_not_served_is_not_billed() {
    let table = Arc::new(table());
    let tokens = kinds(Flat::OpenAi, [10_000, 4_000, 0, 500, 0]);
    let value = |asked: &str, served: &str, chatgpt_login: bool| {
        let subject = Subject {
            at: start_of("2026-11-22").unwrap(),
            model: (DimId(1), "gpt-5.5"),
            asked: (DimId(1), asked),
            served: (DimId(2), served),
            chatgpt_login,
        };
        Pricer::new(Arc::clone(&table))
            .value(&subject, &tokens)
            .unwrap()
            .total()
    };
    // 6000*5 + 4000*0.5 + 500*30.
    let standard = 47_000_000;
    for login in [false, true] {
        assert_eq!(value("priority", "", login), 117_500_000);
        assert_eq!(value("auto", "priority", login), 117_500_000);
        assert_eq!(value("default", "fast", login), 117_500_000);
        assert_eq!(value("auto", "Flex", login), 23_500_000);
        assert_eq!(value("auto", "default", login), standard);
        // A tier without a price of its own costs the standard rates.
        assert_eq!(value("", "on_demand", login), standard);
    }
    assert_eq!(value("priority", "default", false), standard);
    // Every response to a ChatGPT login reports `default`.
    assert_eq!(value("priority", "default", true), 117_500_000);
}

#[test]
fn codex_with_an_oauth_login_is_a_chatgpt_login() {
    assert!(is_chatgpt_login("codex", AuthType::Oauth));
    assert!(!is_chatgpt_login("codex", AuthType::ApiKey));
    assert!(!is_chatgpt_login("claude", AuthType::Oauth));
}

/// The last price has no end: a request for a retired model still has a price.
#[test]
fn last_price_of_a_retired_model_remains_valid() {
    let later = start_of("2100-01-01").unwrap();
    for entry in table().entries() {
        let model = &entry.listed.model;
        assert!(entry.prices.rates(later, None, 0).is_some(), "{model}");
    }
    let tokens = kinds(Flat::OpenAi, [1_000_000, 0, 0, 0, 0]);
    for (model, day, nanos) in [
        ("grok-code-fast-1", "2026-05-15", 200_000_000),
        ("grok-code-fast-1", "2026-11-22", 200_000_000),
        ("deepseek-reasoner", "2026-07-01", 140_000_000),
        ("deepseek-chat", "2026-11-22", 140_000_000),
        ("kimi-k2-thinking", "2026-05-01", 600_000_000),
    ] {
        let value = bill(&table(), model, day, "", &tokens).unwrap();
        assert_eq!(value.total(), nanos, "{model} {day}");
    }
}

#[test]
fn tier_without_steps_scales_the_models_steps() {
    // gpt-5.4 flex is half of standard: long context 5 / 0.5 / 22.5 becomes 2.5 / 0.25 / 11.25.
    let tokens = kinds(Flat::OpenAi, [300_000, 100_000, 0, 1_000, 0]);
    let value = bill(&table(), "gpt-5.4", "2026-11-22", "flex", &tokens).unwrap();
    assert_eq!(
        value.total(),
        200_000 * 2_500 + 100_000 * 250 + 1_000 * 11_250
    );
}

#[test]
fn tier_price_changes_independently_of_the_model() {
    let tokens = kinds(Flat::OpenAi, [1_000, 0, 0, 100, 0]);
    let on = |day: &str, tier: &str| {
        bill(&table(), "gpt-6.2-sol", day, tier, &tokens)
            .unwrap()
            .total()
    };
    // 1000*6 + 100*30, then 1000*12 + 100*60; standard stays 1000*2 + 100*10.
    assert_eq!(on("2027-02-28", "ultrafast"), 9_000_000);
    assert_eq!(on("2027-03-01", "ultrafast"), 18_000_000);
    assert_eq!(on("2027-02-28", ""), on("2027-03-01", ""));
    assert_eq!(on("2027-03-01", "default"), 3_000_000);
}

#[test]
fn no_price_applies_outside_all_dates() {
    let tokens = kinds(Flat::OpenAi, [1_000, 0, 0, 10, 0]);
    assert_eq!(
        bill(&table(), "gpt-5.6-sol", "2026-07-08", "", &tokens),
        None
    );
    assert!(bill(&table(), "gpt-5.6-sol", "2026-07-09", "", &tokens).is_some());
}

#[test]
fn unclassified_tokens_have_no_price() {
    let tokens = Tokens {
        input: 1_000,
        unclassified: 1_000_000,
        ..Tokens::default()
    };
    let value = bill(&table(), "gpt-5.4", "2026-11-22", "", &tokens).unwrap();
    assert_eq!(value.by_kind(), [2_500_000, 0, 0, 0, 0, 0]);
}

/// Billing mistakes of other programs, each with its wrong amount.
#[test]
fn billing_mistakes_of_other_programs_are_avoided() {
    let table = table();
    let at = |model: &str, tokens: &Tokens| {
        bill(&table, model, "2026-11-22", "", tokens).map(|value| value.total())
    };

    // Treating Claude's cache as part of input: the cost of a cache read would disappear.
    let claude = kinds(Flat::Claude, [10_000, 50_000, 0, 2_000, 0]);
    let right = 10_000 * 5_000 + 50_000 * 500 + 2_000 * 25_000;
    assert_eq!(at("claude-opus-4-8", &claude), Some(right));
    let inside = kinds(Flat::OpenAi, [50_000, 50_000, 0, 2_000, 0]);
    assert!(at("claude-opus-4-8", &inside) < Some(right));

    // Omitting Gemini's thoughts.
    let gemini = kinds(Flat::Gemini, [8_000, 3_000, 0, 400, 1_600]);
    assert_eq!(at("gemini-2.5-flash", &gemini), Some(6_590_000));

    // Adding OpenAI's reasoning to the output that contains it.
    let openai = kinds(Flat::OpenAi, [10_000, 0, 0, 1_200, 800]);
    assert_eq!(
        at("gpt-5.4", &openai),
        Some(10_000 * 2_500 + 1_200 * 15_000)
    );

    // Counting OpenAI's cache writes both as input and as writes.
    let writes = kinds(Flat::OpenAi, [50_000, 20_000, 10_000, 0, 0]);
    assert_eq!(
        at("gpt-5.6-luna", &writes),
        Some(20_000 * 200 + 20_000 * 20 + 10_000 * 250)
    );

    // Matching by longest prefix: opus-4-6 by opus-4, gpt-5.5 by gpt-5, o3-pro by o3.
    let million = Tokens {
        input: 100_000,
        ..Tokens::default()
    };
    assert_eq!(at("claude-opus-4-6", &million), Some(500_000_000));
    assert_eq!(at("gpt-5.5", &million), Some(500_000_000));
    for unknown in [
        "gpt-5.5-image",
        "claude-opus-4-6-mini",
        "o3-pro-max",
        "gpt-",
        "",
    ] {
        assert_eq!(at(unknown, &million), None, "{unknown}");
    }
}
