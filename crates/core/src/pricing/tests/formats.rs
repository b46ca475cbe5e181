//! Imports of other price lists, in their published formats.

use super::super::*;

fn source() -> PriceSource {
    PriceSource {
        name: "test".to_owned(),
        ..PriceSource::default()
    }
}

fn imported(text: &str, providers: &[&str]) -> Imported {
    let providers: Vec<String> = providers.iter().map(|&p| p.to_owned()).collect();
    import(text, &providers, &source()).unwrap()
}

fn only(imported: &Imported) -> &Listed {
    let [listed] = imported.prices.as_slice() else {
        panic!("{imported:?}");
    };
    listed
}

#[test]
fn litellm() {
    let found = imported(
        r#"{
        "sample_spec": {"input_cost_per_token": 0, "output_cost_per_token": 0},
        "xai/grok-9": {
            "litellm_provider": "xai", "mode": "chat",
            "input_cost_per_token": 1.25e-06, "output_cost_per_token": 2.5e-06,
            "cache_read_input_token_cost": 2e-07, "cache_creation_input_token_cost": null,
            "output_cost_per_reasoning_token": 2.5e-06,
            "input_cost_per_token_above_200k_tokens": 2.5e-06,
            "output_cost_per_token_above_200k_tokens": 5e-06,
            "cache_read_input_token_cost_above_200k_tokens": 4e-07,
            "input_cost_per_token_priority": 2.5e-06, "output_cost_per_token_priority": 5e-06,
            "input_cost_per_token_above_200k_tokens_priority": 5e-06,
            "output_cost_per_token_above_200k_tokens_priority": 1e-05
        },
        "free": {"input_cost_per_token": 0, "output_cost_per_token": 0},
        "image": {"output_cost_per_image": 0.04},
        "dear": {"input_cost_per_token": 1, "output_cost_per_token": 1}
    }"#,
        &[],
    );
    assert_eq!((found.format, found.skipped), (Format::LiteLlm, 3));
    let listed = only(&found);
    assert_eq!(
        (listed.model.as_str(), &*listed.aliases),
        ("xai/grok-9", &["grok-9".to_owned()][..])
    );
    let json = serde_json::to_string_pretty(listed).unwrap();
    insta::assert_snapshot!(json);
}

#[test]
fn litellm_prefix_is_dropped_only_if_unambiguous() {
    let entry = r#"{"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06}"#;
    let names = [
        "gemini/gemini-x",
        "gemini-x",
        "zai/glm",
        "moonshot/glm",
        "azure/gpt-x",
        "deepseek/ds",
    ];
    let fields: Vec<String> = names.iter().map(|n| format!("\"{n}\": {entry}")).collect();
    let found = imported(&format!("{{{}}}", fields.join(",")), &[]);
    let aliases: Vec<&str> = found
        .prices
        .iter()
        .flat_map(|listed| listed.aliases.iter().map(String::as_str))
        .collect();
    assert_eq!(aliases, ["ds"]);
    let files = [(
        Layer::Commands,
        PriceFile {
            prices: found.prices,
            ..PriceFile::default()
        },
    )];
    PriceTable::new(&files, CacheWrites::Short).unwrap();
}

const MODELS_DEV: &str = r#"{
    "openai": {"id": "openai", "models": {
        "gpt-x": {"id": "gpt-x", "cost": {"input": 5, "output": 30, "cache_read": 0.5,
            "tiers": [{"input": 10, "output": 45, "cache_read": 1,
                       "tier": {"type": "context", "size": 272000}}],
            "context_over_200k": {"input": 10, "output": 45, "cache_read": 1}}},
        "embedding": {"id": "embedding"}}},
    "google": {"models": {
        "gem-x": {"cost": {"input": 2, "output": 12,
            "context_over_200k": {"input": 4, "output": 18}}}}},
    "reseller": {"models": {"gpt-x": {"cost": {"input": 50, "output": 300}}}}
}"#;

#[test]
fn models_dev() {
    let found = imported(MODELS_DEV, &[]);
    assert_eq!((found.format, found.skipped), (Format::ModelsDev, 1));
    let steps: Vec<(&str, u64)> = found
        .prices
        .iter()
        .map(|listed| (listed.model.as_str(), listed.long_context[0].above_tokens))
        .collect();
    assert_eq!(steps, [("gem-x", 200_000), ("gpt-x", 272_000)]);
    let resold = imported(MODELS_DEV, &["reseller"]);
    assert!((only(&resold).usd_per_mtok.input - 50.0).abs() < f64::EPSILON);
}

#[test]
fn export_and_import_of_our_format_are_inverse() {
    let list = built_in().unwrap();
    let text = serde_json::to_string(&list).unwrap();
    let found = imported(&text, &[]);
    assert_eq!((found.format, found.prices), (Format::Own, list.prices));
}

#[test]
fn other_json_is_rejected() {
    for text in ["[]", "{}", "{\"a\": 1}", "x"] {
        assert!(import(text, &[], &source()).is_err(), "{text}");
    }
}
