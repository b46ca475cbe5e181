use std::time::Duration;

use super::*;
use crate::metrics::catalogue::accounts as families;
use crate::metrics::{AccountNames, Aliases, Caps, GaugeSet};
use crate::model::{Amounts, Limit, LocalAccount, Name, Scope, Unit};
use crate::poller::gauges;

const KEY: AccountKey<'_> = AccountKey {
    auth_index: "a1",
    provider: "codex",
};

fn at(minutes: i64) -> UnixNanos {
    UnixNanos::from_millis((30_000_000 + minutes) * 60_000)
}

fn reading(percent: f64, reset: i64) -> Reading {
    Reading::new(Limit::main(), Window::hours(5), Scope::Account)
        .with_percent(Some(percent))
        .with_reset(Some(at(reset)))
}

fn poll(state: &mut QuotaState, facts: AccountFacts, minutes: i64) {
    let answer = QuotaAnswer {
        readings: Vec::new(),
        facts,
    };
    state.record_poll(KEY, answer, at(minutes));
}

fn balance(credits: f64) -> AccountFacts {
    let mut facts = AccountFacts::default();
    facts.add_credits(Unit::Credits, Some(credits));
    facts
}

fn credits(state: &QuotaState) -> Vec<(Unit, f64)> {
    state.get("a1").unwrap().facts.credits.clone()
}

#[test]
fn expired_reading_adds_no_window_and_no_reset() {
    let mut state = QuotaState::new(9);
    let seen = Observation::new(QuotaSource::Poll, at(10), at(10));
    assert!(state.read(KEY, [reading(80.0, 9)], seen, at(10)).is_empty());
    assert!(state.get("a1").is_none());
}

#[test]
fn window_that_ended_while_stopped_is_restored_as_expired() {
    let mut state = QuotaState::new(9);
    let point = QuotaPoint {
        auth_index: "a1".into(),
        provider: "codex".into(),
        reading: reading(80.0, 5),
        observed: at(1),
        source: QuotaSource::Poll,
    };
    state.restore(vec![point], at(10));
    assert!(state.expire(at(10)).is_empty());
    let row = state.get("a1").unwrap().windows.values().next().unwrap();
    assert!(row.status().is_none());
    assert_eq!(row.resets(), Some(0));
}

#[test]
fn poll_without_balances_keeps_the_known_balances() {
    let mut state = QuotaState::new(9);
    poll(&mut state, balance(5.0), 0);
    poll(&mut state, AccountFacts::partial(), 5);
    assert_eq!(credits(&state), [(Unit::Credits, 5.0)]);
    poll(&mut state, AccountFacts::default(), 10);
    assert_eq!(credits(&state), []);
}

#[test]
fn newest_balance_wins_regardless_of_its_source() {
    let mut state = QuotaState::new(9);
    poll(&mut state, balance(5.0), 10);
    let mut apply = |credits, minutes| {
        let answer = QuotaAnswer {
            readings: Vec::new(),
            facts: balance(credits),
        };
        state.apply_headers(KEY, answer, at(minutes), at(20));
        state.get("a1").unwrap().facts.credits.clone()
    };
    assert_eq!(apply(9.0, 9), [(Unit::Credits, 5.0)]);
    assert_eq!(apply(4.0, 11), [(Unit::Credits, 4.0)]);
    assert_eq!(apply(3.0, 12), [(Unit::Credits, 3.0)]);
}

#[test]
fn plan_survives_polls_that_do_not_name_it() {
    let mut state = QuotaState::new(9);
    let plan = Name::new("pro");
    let facts = AccountFacts {
        plan: plan.clone(),
        ..AccountFacts::default()
    };
    poll(&mut state, facts, 0);
    poll(&mut state, AccountFacts::default(), 5);
    assert_eq!(state.get("a1").unwrap().facts.plan, plan);
}

#[test]
fn poll_supersedes_a_refusal_without_window() {
    let mut state = QuotaState::new(9);
    let refusal = Reading::new(Limit::main(), Window::UNKNOWN, Scope::Account)
        .with_reset(Some(at(9000)))
        .with_exhausted(Some(true));
    let seen = Observation::new(QuotaSource::Error, at(1), at(1));
    state.read(KEY, [refusal], seen, at(1));
    let seen = Observation::new(QuotaSource::Poll, at(2), at(2));
    state.read(KEY, [reading(3.0, 200)], seen, at(2));
    let windows = &state.get("a1").unwrap().windows;
    let shown: Vec<_> = windows.values().filter_map(LimitWindow::status).collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
}

fn local(limit: &str, account: Option<&str>, reset: i64) -> LocalQuota {
    let amounts = Amounts::new(Unit::Tokens, Some(3.0), Some(10.0), None);
    LocalQuota {
        account: account.map(|index| LocalAccount {
            auth_index: index.into(),
            provider: "claude".into(),
        }),
        reading: Reading::new(Limit::new(limit).unwrap(), Window::hours(5), Scope::Local)
            .with_amounts(amounts)
            .with_reset(Some(at(reset))),
        length: Duration::from_hours(5),
        oldest_expiry: None,
        exhaustion: None,
        observed: at(0),
    }
}

/// Limits of the account that are local.
fn local_limits(state: &QuotaState) -> Vec<&str> {
    let account = state.get("a1").into_iter();
    let windows = account.flat_map(|account| &account.windows);
    let local = windows.filter(|(_, window)| window.is_local());
    local.map(|((limit, _), _)| &**limit).collect()
}

#[test]
fn current_provider_reading_overrides_a_local_quota() {
    let mut state = QuotaState::new(9);
    let seen = Observation::new(QuotaSource::Poll, at(0), at(0));
    state.read(KEY, [reading(50.0, 100)], seen, at(0));
    let quotas = || {
        vec![
            local("main", Some("a1"), 60),
            local("mine", Some("a1"), 60),
            local("all", None, 60),
        ]
    };
    state.set_local(quotas());
    assert_eq!(local_limits(&state), ["mine"]);
    state.expire(at(100));
    assert_eq!(local_limits(&state), ["main", "mine"]);
    // The account is not in CPA's list any more.
    state.retain(|_| false);
    assert_eq!(local_limits(&state), ["main", "mine"]);
    let mut without_readings = QuotaState::new(9);
    without_readings.set_local(quotas());
    assert_eq!(local_limits(&without_readings), ["main", "mine"]);
}

#[test]
fn moving_the_end_counts_a_reset() {
    let mut state = QuotaState::new(9);
    for (reset, expected) in [(5, 0), (5, 0), (10, 1), (15, 2)] {
        state.set_local(vec![local("mine", Some("a1"), reset)]);
        let windows = state.get("a1").unwrap().windows.values();
        let counts: Vec<_> = windows.map(LimitWindow::resets).collect();
        assert_eq!(counts, [Some(expected)]);
    }
    state.set_local(Vec::new());
    assert!(state.get("a1").is_none());
}

#[test]
fn resets_of_provider_and_local_quota_add_up() {
    let mut state = QuotaState::new(9);
    for reset in [5, 10] {
        state.set_local(vec![local("main", Some("a1"), reset)]);
    }
    let resets = |state: &QuotaState| {
        let windows = state.get("a1").unwrap().windows.values();
        windows.map(LimitWindow::resets).collect::<Vec<_>>()
    };
    assert_eq!(resets(&state), [Some(1)]);
    let seen = Observation::new(QuotaSource::Poll, at(0), at(0));
    state.read(KEY, [reading(50.0, 100)], seen, at(0));
    assert_eq!(resets(&state), [Some(1)]);
    state.expire(at(100));
    assert_eq!(resets(&state), [Some(2)]);
    state.set_local(Vec::new());
    assert_eq!(resets(&state), [Some(1)]);
}

#[test]
fn quota_over_all_accounts_has_no_account() {
    let mut state = QuotaState::new(9);
    state.set_local(vec![local("all", None, 60), local("keyless", Some(""), 60)]);
    let samples = gauges::samples(&state, &AccountNames::default(), |_| None);
    let page = GaugeSet::default();
    page.publish(samples);
    let text = page.text(families::ALL);
    for line in [
        "cpa_quota_used{limit=\"all\",window=\"5h\",unit=\"tokens\"} 3",
        "cpa_quota_used_ratio{provider=\"claude\",account=\"none\",limit=\"keyless\",window=\"5h\"} 0.3",
        "cpa_quota_source_info{limit=\"all\",window=\"5h\",source=\"local\"} 1",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{text}");
    }
}

#[test]
fn only_windows_of_whole_accounts_with_length_and_reset_are_counted() {
    let mut state = QuotaState::new(9);
    let limit = |name: &str, window, scope| Reading::new(Limit::new(name).unwrap(), window, scope);
    let rows = [
        reading(10.0, 100),
        limit("opus", Window::days(7), Scope::Model).with_reset(Some(at(100))),
        limit("review", Window::days(7), Scope::Feature).with_reset(Some(at(100))),
        limit("month", Window::MONTH, Scope::Account).with_reset(Some(at(100))),
        limit("open", Window::days(7), Scope::Account).with_percent(Some(1.0)),
    ];
    let seen = Observation::new(QuotaSource::Poll, at(10), at(10));
    state.read(KEY, rows, seen, at(10));
    let start = WindowSpan {
        auth_index: "a1".into(),
        start: at(100 - 300),
        end: at(100),
    };
    assert_eq!(state.window_spans(), BTreeSet::from([start.clone()]));
    let usage = WindowUsage {
        tokens: 7,
        value: 5,
    };
    state.set_usage(HashMap::from([(start, usage)]));
    let accounts = vec![("a1".into(), "work".to_owned())];
    let names = AccountNames::of(Caps::default(), Aliases::default(), accounts);
    let page = |state: &QuotaState| {
        let gauges = gauges::samples(state, &names, |_| None);
        let set = GaugeSet::default();
        set.publish(gauges);
        set.text(&[&families::WINDOW_TOKENS, &families::WINDOW_VALUE])
    };
    let shown = page(&state);
    assert!(
        shown.contains("limit=\"main\",window=\"5h\"} 7\n"),
        "{shown}"
    );
    assert_eq!(shown.matches("limit=").count(), 2, "{shown}");
    // The usage of the former window is not that of the next one.
    state.expire(at(100));
    assert_eq!(state.window_spans(), BTreeSet::new());
    assert_eq!(page(&state), "");
}
