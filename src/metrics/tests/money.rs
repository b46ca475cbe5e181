//! Value, cost and what stands beside them.

use std::collections::HashMap;
use std::time::Duration;

use super::super::{Aliases, Caps, CountersConfig, Dialect, PlanFee, PriceFacts, PriceOfModel};
use super::support::{Bench, START, failure, route, success};
use crate::model::{
    Correction, DimId, Dimension, Event, FailureReason, Money, TokenKind, Tokens, Value,
};

fn worth(by_kind: [u64; 6], per_use: bool) -> Money {
    Money {
        value: Some(Value::new(by_kind)),
        per_use,
        price_version: 1,
        references: Vec::new(),
    }
}

fn charge(bench: &mut Bench, event: &Event<'_>, account: u32, money: &Money) {
    let route = route(1, 1, account, 1);
    bench.count_priced(event, &route, Some(money));
}

/// The samples of the money families.
fn money(bench: &Bench) -> Vec<String> {
    let of =
        |name: &str| name.contains("_usd") || name.contains("price") || name.contains("priced");
    let samples = bench.samples().into_iter().filter(|(name, _)| of(name));
    samples
        .map(|(name, value)| format!("{name} {value}"))
        .collect()
}

#[test]
fn value_counts_for_all_and_cost_for_those_who_pay_per_use() {
    let mut bench = Bench::without_hold();
    charge(
        &mut bench,
        &success(),
        1,
        &worth([1, 20, 300, 4000, 50_000, 0], false),
    );
    charge(
        &mut bench,
        &success(),
        2,
        &worth([1_500_000_000, 0, 0, 0, 0, 0], true),
    );
    bench.settle();
    insta::assert_snapshot!(money(&bench).join("\n"));
}

#[test]
fn totals_continue_exactly_after_a_restart() {
    let mut bench = Bench::without_hold();
    // Ten thousand million dollars and a nano-dollar are more digits than a double has.
    let much = worth([9_000_000_000_000_000_001, 0, 0, 0, 0, 0], true);
    charge(&mut bench, &success(), 1, &much);
    bench.settle();
    bench.restart();
    charge(&mut bench, &success(), 1, &worth([9, 0, 0, 0, 0, 0], true));
    bench.settle();
    let name = r#"cpa_cost_usd_total{provider="id-1",model="id-1",account="id-1"}"#;
    assert_eq!(bench.value(name).unwrap(), "9000000000.00000001");
    let page = bench.page(Dialect::OpenMetrics);
    assert!(page.contains("# TYPE cpa_cost_usd counter\n"), "{page}");
}

#[test]
fn records_without_a_price_count_as_unpriced() {
    let mut bench = Bench::without_hold();
    let unpriced = Money::default();
    charge(&mut bench, &success(), 1, &unpriced);
    // An image model that reports no tokens is worth something all the same.
    let silent = Event {
        tokens: Tokens::default(),
        ..success()
    };
    charge(&mut bench, &silent, 1, &unpriced);
    let refused = Event {
        tokens: Tokens::default(),
        ..failure(404, FailureReason::Invalid)
    };
    charge(&mut bench, &refused, 1, &unpriced);
    let prewarm = Event {
        generate: false,
        ..success()
    };
    charge(&mut bench, &prewarm, 1, &unpriced);
    bench.settle();
    assert_eq!(
        money(&bench),
        [
            r#"cpa_unpriced_requests_total{provider="id-1",model="id-1"} 2"#,
            r#"cpa_unpriced_tokens_total{provider="id-1",model="id-1"} 262"#,
        ]
    );
}

#[test]
fn unclassified_tokens_of_a_priced_model_count_as_unpriced() {
    let mut bench = Bench::without_hold();
    let partly = Event {
        tokens: Tokens {
            input: 1,
            unclassified: 70,
            ..Tokens::default()
        },
        ..success()
    };
    charge(&mut bench, &partly, 1, &worth([5, 0, 0, 0, 0, 0], false));
    bench.settle();
    let value = |name: &str| bench.value(&format!(r#"{name}{{provider="id-1",model="id-1"}}"#));
    assert_eq!(value("cpa_unpriced_requests_total").unwrap(), "1");
    assert_eq!(value("cpa_unpriced_tokens_total").unwrap(), "70");
}

#[test]
fn the_first_value_of_a_series_comes_after_its_zero() {
    let mut bench = Bench::new(CountersConfig::default());
    charge(&mut bench, &success(), 1, &worth([7, 0, 0, 0, 0, 0], true));
    bench.commit();
    let name = r#"cpa_list_value_usd_total{provider="id-1",model="id-1",account="id-1"}"#;
    assert_eq!(bench.value(name).unwrap(), "0");
    bench.see();
    bench.wait(Duration::from_secs(15));
    bench.commit();
    assert_eq!(bench.value(name).unwrap(), "0.000000007");
}

#[test]
fn references_have_counters_of_their_own() {
    let mut bench = Bench::without_hold();
    bench.name(Dimension::Reference, 1, "frontier");
    let money = Money {
        references: vec![(DimId(1), 2_000_000_000)],
        ..Money::default()
    };
    charge(&mut bench, &success(), 1, &money);
    bench.settle();
    let name = r#"cpa_reference_value_usd_total{reference="frontier",provider="id-1"}"#;
    assert_eq!(bench.value(name).unwrap(), "2");
}

#[test]
fn corrections_do_not_change_counters_and_share_their_caps() {
    let mut bench = Bench::new(CountersConfig {
        caps: Caps {
            account: 1,
            ..Caps::default()
        },
        ..CountersConfig::default()
    });
    charge(&mut bench, &success(), 1, &worth([7, 0, 0, 0, 0, 0], true));
    let correction = |account, value, cost| Correction {
        provider: DimId(1),
        model: DimId(1),
        account: DimId(account),
        value,
        cost,
    };
    let all = vec![
        correction(1, -5, -5),
        correction(2, 10, 0),
        correction(3, 1, 2),
    ];
    bench.counters.set_corrections(all.clone());
    bench.commit();
    bench.see();
    bench.wait(Duration::from_secs(15));
    bench.commit();
    let of = |name: &str, account: &str| {
        let labels = format!(r#"{{provider="id-1",model="id-1",account="{account}"}}"#);
        bench.value(&format!("{name}{labels}")).unwrap()
    };
    assert_eq!(of("cpa_list_value_correction_usd", "id-1"), "-0.000000005");
    assert_eq!(of("cpa_list_value_correction_usd", "other"), "0.000000011");
    assert_eq!(of("cpa_cost_correction_usd", "other"), "0.000000002");
    // The counter itself has not moved.
    assert_eq!(of("cpa_list_value_usd_total", "id-1"), "0.000000007");
    // The same again changes nothing, so no page is made for it.
    bench.counters.set_corrections(all);
    assert!(!bench.counters.publish(bench.now));
}

#[test]
fn prices_are_shown_for_the_models_that_have_been_seen() {
    let mut bench = Bench::without_hold();
    bench.name(Dimension::Model, 1, "m");
    let price = |tier: &str, femtos| PriceOfModel {
        model: DimId(1),
        tier: tier.to_owned(),
        kinds: vec![(TokenKind::Input, femtos), (TokenKind::Output, 10 * femtos)],
    };
    bench.counters.set_prices(PriceFacts {
        version: "2026-11-22-0a1b2c3d".to_owned(),
        source: "built-in".to_owned(),
        as_of: Some(START),
        prices: vec![price("standard", 1_250_000_000), price("flex", 3_625)],
    });
    bench.commit();
    insta::assert_snapshot!(money(&bench).join("\n"));
}

#[test]
fn fees_carry_the_accounts_name_and_provider() {
    let fee = PlanFee {
        plan: "Plus".to_owned(),
        nano_usd: 19_990_000_000,
    };
    let mut bench = Bench::new(CountersConfig {
        fees: HashMap::from([("codex-37e10d".to_owned(), fee)]),
        aliases: Aliases {
            accounts: HashMap::from([("codex-37e10d".to_owned(), "work".to_owned())]),
            ..Aliases::default()
        },
        ..CountersConfig::default()
    });
    let id = "37e10dbedbcae9c4";
    bench
        .counters
        .name(Dimension::Account, DimId(4), id, "codex-37e10d");
    bench
        .counters
        .name(Dimension::Account, DimId(5), "ffffffffffff", "codex-ffffff");
    bench.commit();
    let expected = r#"cpa_plan_fee_usd{provider="codex",account="work",plan="Plus"} 19.99"#;
    assert_eq!(money(&bench), [expected]);
}
