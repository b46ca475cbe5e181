//! Contents of lists, their precedence, and how a model finds its price.

use super::super::*;
fn listed(model: &str, input: f64) -> Listed {
    Listed {
        model: model.to_owned(),
        usd_per_mtok: RateList {
            input,
            output: 1.0,
            ..RateList::default()
        },
        ..Listed::default()
    }
}

fn file(prices: Vec<Listed>) -> PriceFile {
    PriceFile {
        prices,
        ..PriceFile::default()
    }
}

fn input_of(table: &PriceTable, model: &str) -> Option<f64> {
    let at = start_of("2026-11-22").unwrap();
    let (entry, _) = table.find(model)?;
    Some(entry.prices.rates(at, None, 0)?.input.usd_per_mtok())
}

fn problems(prices: Vec<Listed>) -> Vec<String> {
    let files = [(Layer::Commands, file(prices))];
    let found = PriceTable::new(&files, CacheWrites::Short).unwrap_err();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn built_in_list_is_valid_and_names_its_sources() {
    let list = built_in().unwrap();
    assert!(list.prices.len() > 130, "{}", list.prices.len());
    assert!(list.as_of.is_some());
    for listed in &list.prices {
        assert!(!listed.sources.is_empty(), "{}", listed.model);
        assert!(
            listed.sources.iter().all(|s| s.date.is_some()),
            "{}",
            listed.model
        );
        let reads = listed.usd_per_mtok.cache_read.unwrap_or(0.0);
        assert!(reads <= listed.usd_per_mtok.input, "{}", listed.model);
    }
    let table = PriceTable::new(&[(Layer::BuiltIn, list.clone())], CacheWrites::Short).unwrap();
    for unpriced in &list.unpriced {
        assert!(table.find(&unpriced.model).is_none(), "{}", unpriced.model);
        assert!(table.why_unpriced(&unpriced.model).is_some());
    }
    assert!(
        table.version().name.starts_with("2026-"),
        "{:?}",
        table.version()
    );
    assert_eq!(table.version().source, "built-in");
}

#[test]
fn ids_precede_aliases_and_aliases_precede_patterns() {
    let mut user = file(vec![listed("own", 7.0), listed("gpt-5.5", 9.0)]);
    user.aliases.insert("nick".to_owned(), "own".to_owned());
    user.prices[0].patterns = vec!["gpt-*".to_owned(), "*-local".to_owned()];
    let files = [(Layer::BuiltIn, built_in().unwrap()), (Layer::User, user)];
    let table = PriceTable::new(&files, CacheWrites::Short).unwrap();
    let how = |model: &str| table.find(model).map(|(_, how)| how);
    assert_eq!(how("OWN"), Some(Match::Exact));
    assert_eq!(how("nick"), Some(Match::Alias));
    // A pattern does not match an id of the built-in list.
    assert_eq!(
        (how("gpt-5.4"), input_of(&table, "gpt-5.4")),
        (Some(Match::Exact), Some(2.5))
    );
    assert_eq!(
        (how("gpt-9"), input_of(&table, "gpt-9")),
        (Some(Match::Pattern), Some(7.0))
    );
    assert_eq!(how("tiny-local"), Some(Match::Pattern));
    assert_eq!(how("local-tiny"), None);
    // The user's price also applies to the model's aliases.
    assert_eq!(input_of(&table, "gpt-5.5"), Some(9.0));
    assert_eq!(input_of(&table, "openai/gpt-5.5"), Some(9.0));
    assert_eq!(table.version().source, "built-in+file");
}

#[test]
fn alias_of_a_later_list_precedes_an_id_of_an_earlier_one() {
    let mut user = file(vec![listed("own", 7.0), listed("resold", 8.0)]);
    user.prices[1].aliases = vec!["GPT-5.5".to_owned()];
    user.aliases.insert("gpt-5.4".to_owned(), "own".to_owned());
    // Within one list, the id precedes the alias, and a self-alias is ignored.
    user.aliases.insert("own".to_owned(), "resold".to_owned());
    user.aliases
        .insert("grok-4.3".to_owned(), "grok-4.3".to_owned());
    let files = [(Layer::BuiltIn, built_in().unwrap()), (Layer::User, user)];
    let table = PriceTable::new(&files, CacheWrites::Short).unwrap();
    for (model, input) in [
        ("gpt-5.4", 7.0),
        ("gpt-5.5", 8.0),
        // An alias of a name that the user turned into an alias.
        ("openai/gpt-5.5", 8.0),
        ("own", 7.0),
        ("grok-4.3", 1.25),
    ] {
        assert_eq!(input_of(&table, model), Some(input), "{model}");
    }
    // The export is an equivalent list.
    let again = PriceTable::new(&[(Layer::User, table.export())], CacheWrites::Short).unwrap();
    for model in ["gpt-5.4", "gpt-5.5", "openai/gpt-5.5", "gpt-5.4-pro"] {
        assert_eq!(input_of(&again, model), input_of(&table, model), "{model}");
    }
}

#[test]
fn circular_aliases_resolve_to_nothing() {
    let mut user = file(vec![listed("own", 7.0)]);
    user.aliases.insert("a".to_owned(), "b".to_owned());
    user.aliases.insert("b".to_owned(), "a".to_owned());
    let found = PriceTable::new(&[(Layer::User, user)], CacheWrites::Short).unwrap_err();
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn all_problems_of_a_list_are_reported_at_once() {
    let mut twice = listed("b", 1.0);
    twice.aliases = vec!["A".to_owned()];
    let mut pattern = listed("c", 1.0);
    pattern.patterns = vec!["*".to_owned()];
    let mut overlap = listed("d", 1.0);
    overlap.valid_to = Some("2026-08-20".to_owned());
    overlap.other_dates = vec![Dated {
        valid_from: Some("2026-08-20".to_owned()),
        ..Dated::default()
    }];
    let mut day = listed("e", 1.0);
    day.valid_from = Some("soon".to_owned());
    let mut tier = listed("f", 1.0);
    tier.tiers.insert("default".to_owned(), TierList::default());
    let mut hours = listed("g", 1.0);
    hours.peak = Some(PeakList {
        utc: vec!["9-5".to_owned()],
        ..PeakList::default()
    });
    let mut steps = listed("h", 1.0);
    steps.long_context = vec![LongContext::default(), LongContext::default()];
    let mut named_twice = listed("k", 1.0);
    for tier in ["fast", "Priority"] {
        named_twice
            .tiers
            .insert(tier.to_owned(), TierList::default());
    }
    let mut backwards = listed("i", 1.0);
    backwards.valid_from = Some("2026-02-01".to_owned());
    backwards.valid_to = Some("2026-01-01".to_owned());
    let list = vec![
        listed("a", 1.0),
        twice,
        pattern,
        overlap,
        day,
        tier,
        hours,
        steps,
        backwards,
        listed("j", 1001.0),
        listed("", 1.0),
        named_twice,
    ];
    insta::assert_snapshot!(problems(list).join("\n"));
}

#[test]
fn alias_of_an_unknown_model_is_a_problem() {
    let mut user = file(Vec::new());
    user.aliases.insert("x".to_owned(), "no-such".to_owned());
    let found = PriceTable::new(&[(Layer::User, user)], CacheWrites::Short).unwrap_err();
    assert_eq!(
        found[0].to_string(),
        "x: alias of no-such, which is not in any list"
    );
}

#[test]
fn lists_are_toml_or_json() {
    let toml = "\
as_of = \"2026-11-01\"
[aliases]
nick = \"m\"
[[prices]]
model = \"m\"
usd_per_mtok = { input = 2, output = 3.5, reasoning = 4 }
long_context = [{ above_tokens = 1000, input = 4, output = 7 }]
tiers.priority = { input = 4, output = 7 }
";
    let from_toml = PriceFile::parse("prices.toml", toml).unwrap();
    let json = serde_json::to_string(&from_toml).unwrap();
    assert_eq!(PriceFile::parse("prices.json", &json).unwrap(), from_toml);
    let table = PriceTable::new(&[(Layer::User, from_toml)], CacheWrites::Short).unwrap();
    let rates = |prompt, tier: Option<&str>| {
        let prices = &table.find("nick").unwrap().0.prices;
        let at = start_of("2026-11-22").unwrap();
        let rates = prices.rates(at, tier, prompt).unwrap();
        [rates.input, rates.cache_read, rates.output, rates.reasoning]
            .map(|r| r.femtos() / 100_000_000)
    };
    assert_eq!(rates(1000, None), [20, 20, 35, 40]);
    assert_eq!(rates(1001, None), [40, 40, 70, 70]);
    assert_eq!(rates(1001, Some("priority")), [80, 80, 140, 140]);
    for (before, unknown) in [
        ("model =", "modell = \"x\"\nmodel ="),
        ("input = 2,", "input = 2, write = 1,"),
        ("above_tokens = 1000,", "above_tokens = 1000, outputs = 1,"),
        ("priority = {", "priority = { read = 1,"),
    ] {
        let error = PriceFile::parse("prices.toml", &toml.replace(before, unknown)).unwrap_err();
        assert!(error.contains("unknown field"), "{unknown}: {error}");
    }
}

#[test]
fn each_state_of_the_lists_has_a_version() {
    let version = |input| {
        let files = [(Layer::User, file(vec![listed("a", input)]))];
        let table = PriceTable::new(&files, CacheWrites::Short).unwrap();
        table.version().name.clone()
    };
    assert_eq!(version(1.0), version(1.0));
    assert_ne!(version(1.0), version(1.1));
    assert!(version(1.0).starts_with("undated-"));
}

#[test]
fn documentation_example_is_a_valid_list() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cost.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks = text.split("```toml\n").skip(1);
    let example = blocks.find(|block| block.contains("[[prices]]")).unwrap();
    let example = example.split("```").next().unwrap();
    let user = PriceFile::parse("prices.toml", example).unwrap();
    let files = [(Layer::BuiltIn, built_in().unwrap()), (Layer::User, user)];
    let table = PriceTable::new(&files, CacheWrites::Short).unwrap();
    for model in ["acme-large", "ACME/large", "acme-large-2", "my-gpt"] {
        assert!(table.find(model).is_some(), "{model}");
    }
    // 2 normally, 4 in the peak hours of a Monday, 3 before October.
    let prices = &table.find("acme-large").unwrap().0.prices;
    let input = |at: &str, prompt| {
        let rates = prices.rates(start_of(at).unwrap(), None, prompt);
        rates.unwrap().input.femtos()
    };
    let times = ["2026-11-23T00:00:00Z", "2026-11-23T01:00:00Z", "2026-09-30"];
    let inputs = times.map(|at| input(at, 0));
    assert_eq!(inputs, [2_000_000_000, 4_000_000_000, 3_000_000_000]);
    // A long prompt costs twice as much in the peak hours, too.
    let inputs = times.map(|at| input(at, 200_001));
    assert_eq!(inputs, [4_000_000_000, 8_000_000_000, 3_000_000_000]);
}
