//! Labels have bounds, and no two series have the same ones.

use super::super::{Aliases, Caps, CountersConfig, Dialect};
use super::support::{Bench, failure, route, samples, success};
use crate::model::{Dimension, FailureReason};

fn two_models() -> Caps {
    Caps {
        model: 2,
        account: 2,
        ..Caps::default()
    }
}

fn with(caps: Caps, aliases: Aliases) -> Bench {
    let mut bench = Bench::without_hold();
    let config = CountersConfig {
        caps,
        aliases,
        ..bench.config.clone()
    };
    bench.names = (1..=4)
        .flat_map(|id| {
            [
                (
                    Dimension::Provider,
                    crate::model::DimId(id),
                    format!("p{id}"),
                ),
                (Dimension::Model, crate::model::DimId(id), format!("m{id}")),
                (
                    Dimension::Account,
                    crate::model::DimId(id),
                    format!("a{id}"),
                ),
                (Dimension::Client, crate::model::DimId(id), format!("c{id}")),
            ]
        })
        .collect();
    bench.restart_with(config);
    bench
}

fn sum(bench: &Bench, family: &str) -> u64 {
    let samples = bench.samples();
    let values = samples.iter().filter(|(name, _)| name.starts_with(family));
    values.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
}

#[test]
fn values_beyond_a_cap_share_other_in_counters_and_are_absent_from_gauges() {
    let mut bench = with(two_models(), Aliases::default());
    for id in [1, 2, 3, 4, 4] {
        bench.count(&success(), &route(1, id, id, 1));
    }
    bench.settle();
    let value = |sample: &str| bench.value(sample).unwrap_or_default();
    assert_eq!(
        value(r#"cpa_requests_total{provider="p1",model="m1",account="a1"}"#),
        "1"
    );
    assert_eq!(
        value(r#"cpa_requests_total{provider="p1",model="other",account="other"}"#),
        "3"
    );
    assert_eq!(
        value(r#"cpa_request_duration_seconds_count{provider="p1",model="other"}"#),
        "3"
    );
    assert_eq!(
        value(r#"cpa_request_duration_seconds_sum{provider="p1",model="other"}"#),
        "6"
    );
    assert_eq!(
        value(r#"cpa_account_request_duration_seconds_count{provider="p1",account="other"}"#),
        "3"
    );
    assert_eq!(sum(&bench, "cpa_requests_total"), 5, "nothing is lost");
    let gauges = bench
        .samples()
        .keys()
        .filter(|n| n.starts_with("cpa_account_last"))
        .count();
    assert_eq!(gauges, 2);
    let own = samples(&bench.page(Dialect::Text));
    assert_eq!(
        own[r#"cpa_exporter_label_overflows_total{label="model"}"#],
        "2"
    );
    assert_eq!(
        own[r#"cpa_exporter_label_overflows_total{label="account"}"#],
        "2"
    );
    assert_eq!(
        own[r#"cpa_exporter_label_overflows_total{label="client"}"#],
        "0"
    );
    let dropped =
        r#"cpa_exporter_series_dropped_total{family="cpa_account_last_request_timestamp_seconds"}"#;
    assert_eq!(own[dropped], "2");
    assert_eq!(
        own[r#"cpa_exporter_series_dropped_total{family="cpa_requests_total"}"#],
        "0"
    );
}

#[test]
fn codes_are_admitted_in_the_order_of_first_occurrence() {
    let caps = Caps {
        code: 2,
        ..Caps::default()
    };
    let mut bench = with(caps, Aliases::default());
    for (id, code) in [(1, 503), (2, 429), (3, 400)] {
        bench.name(Dimension::Status, id, &code.to_string());
        bench.count(&failure(code, FailureReason::Upstream), &route(1, 1, 1, 1));
    }
    bench.settle();
    let before = bench.samples();
    let shown = |code: &str| before.keys().any(|name| name.contains(code));
    assert!(shown("code=\"503\"") && shown("code=\"429\"") && !shown("code=\"400\""));
    bench.restart();
    assert_eq!(bench.samples(), before);
}

#[test]
fn after_a_restart_the_same_values_are_admitted() {
    let mut bench = with(two_models(), Aliases::default());
    for id in [1, 2, 3, 4] {
        bench.count(&success(), &route(1, id, id, 1));
    }
    bench.settle();
    let before = bench.samples();
    for _ in 0..5 {
        bench.restart();
        assert_eq!(bench.samples(), before);
    }
}

#[test]
fn a_larger_cap_exposes_hidden_series_starting_at_zero() {
    let mut bench = with(two_models(), Aliases::default());
    for id in [1, 2, 3] {
        bench.count(&success(), &route(1, id, id, 1));
    }
    bench.settle();
    bench.restart_with(CountersConfig {
        caps: Caps::default(),
        ..bench.config.clone()
    });
    assert_eq!(
        bench
            .value(r#"cpa_requests_total{provider="p1",model="m3",account="a3"}"#)
            .as_deref(),
        Some("1")
    );
    assert_eq!(sum(&bench, "cpa_requests_total"), 3);
}

#[test]
fn the_cap_of_all_series_drops_new_ones_only() {
    let mut bench = with(Caps::default(), Aliases::default());
    let constant = bench.page(Dialect::Text);
    let constant: usize = samples(&constant)["cpa_exporter_series"].parse().unwrap();
    let caps = Caps {
        series: constant + 100,
        ..Caps::default()
    };
    bench.restart_with(CountersConfig {
        caps,
        ..bench.config.clone()
    });
    for id in [1, 2, 3, 4, 1, 1] {
        bench.count(&success(), &route(id, id, id, id));
        bench.settle();
    }
    let own = samples(&bench.page(Dialect::Text));
    assert!(own["cpa_exporter_series"].parse::<usize>().unwrap() <= constant + 100);
    assert_eq!(
        own[r#"cpa_requests_total{provider="p1",model="m1",account="a1"}"#],
        "3"
    );
    assert_eq!(
        own[r#"cpa_exporter_series_dropped_total{family="cpa_request_duration_seconds"}"#],
        "2"
    );
    // The totals are there all the same.
    let id = |row: &&crate::model::TotalRow| row.family == 4;
    assert_eq!(bench.rows.values().filter(id).count(), 4);
    let before = bench.samples();
    bench.restart();
    assert_eq!(bench.samples().len(), before.len());
    // Once there is room, they begin at zero.
    bench.restart_with(CountersConfig {
        caps: Caps::default(),
        ..bench.config.clone()
    });
    let hidden = r#"cpa_request_duration_seconds_count{provider="p4",model="m4"}"#;
    assert_eq!(bench.value(hidden).as_deref(), Some("0"));
    bench.settle();
    assert_eq!(bench.value(hidden).as_deref(), Some("1"));
}

#[test]
fn cpa_exporter_series_is_the_number_of_lines_on_the_page() {
    let mut bench = with(Caps::default(), Aliases::default());
    for id in [1, 2, 3] {
        bench.count(&success(), &route(id, id, id, id));
        bench.count(
            &failure(500, FailureReason::Upstream),
            &route(id, id, id, id),
        );
    }
    bench.settle();
    let own = samples(&bench.page(Dialect::Text));
    assert_eq!(
        own["cpa_exporter_series"],
        bench.samples().len().to_string()
    );
}

#[test]
fn codes_have_a_cap_and_reasons_need_none() {
    let caps = Caps {
        code: 1,
        ..Caps::default()
    };
    let mut bench = with(caps, Aliases::default());
    for (code, reason) in [
        (429, FailureReason::RateLimit),
        (500, FailureReason::Upstream),
        (502, FailureReason::Other),
    ] {
        bench.count(&failure(code, reason), &route(1, 1, 1, 1));
    }
    bench.settle();
    let labels = r#"cpa_request_failures_total{provider="p1",model="m1",account="a1","#;
    for rest in [
        r#"code="429",reason="rate_limit"}"#,
        r#"code="other",reason="upstream"}"#,
        r#"code="other",reason="other"}"#,
    ] {
        assert_eq!(
            bench.value(&format!("{labels}{rest}")).as_deref(),
            Some("1"),
            "{rest}"
        );
    }
}

#[test]
fn aliases_name_accounts_and_clients() {
    let aliases = Aliases {
        accounts: [
            ("a1".into(), "work".into()),
            // Shared, since what differs is not seen.
            ("a2".into(), "work\u{200b}".into()),
            // Taken: by an absent account, by the overflow.
            ("a3".into(), "none".into()),
            ("a4".into(), "other".into()),
        ]
        .into(),
        clients: [
            ("c1".into(), "ci".into()),
            ("c2".into(), "ci".into()),
            ("c3".into(), "other".into()),
        ]
        .into(),
    };
    let mut bench = with(Caps::default(), aliases);
    for id in [0, 1, 2, 3, 4] {
        bench.count(&success(), &route(1, 1, id, id));
    }
    bench.settle();
    for (account, requests) in [("work", "2"), ("a3", "1"), ("a4", "1"), ("none", "1")] {
        let sample =
            format!(r#"cpa_requests_total{{provider="p1",model="m1",account="{account}"}}"#);
        assert_eq!(bench.value(&sample).as_deref(), Some(requests), "{account}");
    }
    for (client, requests) in [("ci", "2"), ("other", "1"), ("c4", "1"), ("none", "1")] {
        let sample = format!(r#"cpa_client_requests_total{{client="{client}",model="m1"}}"#);
        assert_eq!(bench.value(&sample).as_deref(), Some(requests), "{client}");
    }
}

#[test]
fn models_named_other_or_unknown_share_the_series_of_these_values() {
    let mut bench = Bench::without_hold();
    let long = "x".repeat(200);
    for (id, text) in [
        (1, "other"),
        (2, "unknown"),
        (3, "a\u{1}b"),
        (4, "ab"),
        (5, &long),
        (6, &long[..150]),
    ] {
        bench.name(Dimension::Model, id, text);
    }
    for id in 0..=6 {
        bench.count(&success(), &route(0, id, 0, 0));
    }
    bench.settle();
    for (model, requests) in [
        ("other", "1"),
        ("unknown", "2"),
        ("ab", "2"),
        (&long[..128], "2"),
    ] {
        let sample =
            format!(r#"cpa_requests_total{{provider="unknown",model="{model}",account="none"}}"#);
        assert_eq!(bench.value(&sample).as_deref(), Some(requests), "{model}");
    }
    let before = bench.samples();
    bench.restart();
    assert_eq!(bench.samples(), before);
}

#[test]
fn an_account_named_like_an_earlier_alias_keeps_its_own_series() {
    let aliases = Aliases {
        accounts: [("a1".into(), "a2".into())].into(),
        ..Aliases::default()
    };
    let mut bench = with(Caps::default(), aliases);
    for id in [1, 2] {
        bench.count(&success(), &route(1, 1, id, 0));
    }
    bench.settle();
    for account in ["a2", "a2-2"] {
        let sample =
            format!(r#"cpa_requests_total{{provider="p1",model="m1",account="{account}"}}"#);
        assert_eq!(bench.value(&sample).as_deref(), Some("1"), "{account}");
    }
}
