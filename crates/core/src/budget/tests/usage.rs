use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{
    By, ComboRule, Combos, Entry, Every, Globs, Measure, Period, QuotaRule, Rules, Selector, Split,
    UsageCounters,
};
use super::support::{DAY, at, budget, calendar, glm, paid, quota, request, route, usage};
use crate::model::{DimId, Dimension, Route, UnixNanos};

fn now() -> UnixNanos {
    at("2026-11-24T12:00:00Z")
}

fn daily() -> Period {
    Period::Calendar(calendar(Every::Day, "00:00", "UTC"))
}

fn rule(name: &str, selector: Selector, split: Split) -> QuotaRule {
    QuotaRule {
        selector,
        split,
        ..quota(name, Measure::Tokens, daily(), Some(100))
    }
}

/// Usage by rule and account.
fn state(usage: &mut UsageCounters, now: UnixNanos) -> BTreeMap<(String, Option<u32>), u64> {
    let states = usage.quotas(now).map(|state| {
        let account = state.account.map(|account| account.id.0);
        ((state.rule.name.to_string(), account), state.count.used)
    });
    states.collect()
}

#[test]
fn selectors_match_every_name() {
    let by = |provider: &[&str], account: &[&str], client: &[&str], model: &[&str]| Selector {
        providers: Globs::new(provider),
        accounts: Globs::new(account),
        clients: Globs::new(client),
        models: Globs::new(model),
    };
    let quotas = vec![
        rule("all", by(&[], &[], &[], &[]), Split::Account),
        rule("together", by(&[], &[], &[], &[]), Split::None),
        rule("glm", by(&["GLM"], &[], &[], &[]), Split::Account),
        rule("alias", by(&[], &["work"], &[], &[]), Split::Account),
        rule("index", by(&[], &["bbbb*"], &[], &[]), Split::Account),
        rule("client", by(&[], &[], &["alice"], &["gpt-*"]), Split::None),
        rule("nobody", by(&[], &["none"], &[], &[]), Split::None),
    ];
    let rules = Rules {
        quotas,
        ..Rules::default()
    };
    let mut usage = usage(rules, now());
    usage.record(&glm(), &request(now(), 1));
    usage.record(&route([2, 2, 1, 2]), &request(now(), 10));
    usage.record(&route([2, 2, 2, 2]), &request(now(), 100));
    usage.record(&route([2, 0, 0, 0]), &request(now(), 1000));
    let expected: BTreeMap<(String, Option<u32>), u64> = [
        ("all", Some(0), 1000),
        ("all", Some(1), 1),
        ("all", Some(2), 110),
        ("together", None, 1111),
        ("glm", Some(1), 1),
        ("alias", Some(1), 1),
        ("index", Some(2), 110),
        ("client", None, 10),
        ("nobody", None, 1000),
    ]
    .into_iter()
    .map(|(name, account, used)| ((name.to_owned(), account), used))
    .collect();
    assert_eq!(state(&mut usage, now()), expected);
}

#[test]
fn days_are_summed_by_provider_account_client_and_total() {
    let mut usage = usage(Rules::default(), now());
    usage.record(&route([1, 1, 1, 1]), &paid(now(), 1));
    usage.record(&route([2, 2, 1, 2]), &paid(now(), 10));
    let costs: BTreeMap<(&str, u32), u64> = usage
        .days(now())
        .map(|day| ((day.by.as_str(), day.id.0), day.today.cost))
        .collect();
    assert_eq!(costs[&(By::Total.as_str(), 0)], 11);
    assert_eq!(costs[&("provider", 1)], 1);
    assert_eq!(costs[&("provider", 2)], 10);
    assert_eq!(costs[&("account", 2)], 10);
    assert_eq!(costs[&("client", 1)], 11);
}

#[test]
fn midnight_moves_today_into_history() {
    let mut usage = usage(Rules::default(), now());
    usage.record(&glm(), &paid(now(), 7));
    let tomorrow = UnixNanos::new(now().get() + DAY);
    let total = usage.days(tomorrow).next().unwrap();
    assert_eq!(total.today.cost, 0);
    assert_eq!(total.mean.unwrap().days, 1);
    let next_month = at("2026-12-20T00:00:00Z");
    let total = usage.days(next_month).next().unwrap();
    assert!(total.mean.is_none() && total.month_to_date.cost == 0);
}

#[test]
fn backfill_starts_at_the_longest_window() {
    let from = |quotas: Vec<QuotaRule>| {
        let rules = Rules {
            quotas,
            ..Rules::default()
        };
        usage(rules, now()).backfill_start(now())
    };
    assert_eq!(from(Vec::new()), at("2026-11-01T00:00:00Z"));
    let month = Period::Calendar(calendar(Every::Month(25), "00:00", "UTC"));
    let month = quota("month", Measure::Tokens, month, None);
    assert_eq!(from(vec![month]), at("2026-10-25T00:00:00Z"));
    let hours = Period::rolling(Duration::from_hours(24 * 40)).unwrap();
    let hours = quota("use", Measure::Use, hours, None);
    // A request may have started six hours before the window.
    assert_eq!(from(vec![hours]), at("2026-10-15T06:00:00Z"));
}

#[test]
fn combos_match_upstream_and_requested_models() {
    let combo = |name: &str, models: &[&str], aliases: &[&str]| ComboRule {
        name: name.to_owned(),
        models: Globs::new(models),
        aliases: Globs::new(aliases),
    };
    let rules = Rules {
        combos: vec![
            combo("cheap", &["glm-*", "kimi*"], &[]),
            combo("fast", &[], &["fast"]),
        ],
        ..Rules::default()
    };
    let mut combos = Combos::default();
    combos.name(Dimension::Model, DimId(1), "glm-4.7");
    combos.name(Dimension::Model, DimId(2), "gpt-5.5");
    combos.name(Dimension::Alias, DimId(1), "fast");
    let mut of = |model, alias| {
        let route = Route {
            model: DimId(model),
            alias: DimId(alias),
            ..Route::default()
        };
        combos.resolve(&rules, &route).to_vec()
    };
    assert_eq!(of(1, 0), [0]);
    assert_eq!(of(1, 1), [0, 1]);
    assert_eq!(of(2, 1), [1]);
    assert_eq!(of(2, 0), [0; 0]);
    assert_eq!(of(0, 0), [0; 0]);
}

fn many_rules() -> Rules {
    let periods = [
        daily(),
        Period::rolling(Duration::from_hours(5)).unwrap(),
        Period::rolling(Duration::from_hours(100)).unwrap(),
        Period::Calendar(calendar(Every::Month(31), "07:00", "America/New_York")),
        Period::Calendar(calendar(
            Every::Week(jiff::civil::Weekday::Monday),
            "00:00",
            "Europe/Berlin",
        )),
    ];
    let measures = [Measure::Tokens, Measure::Requests, Measure::Use];
    let quotas = periods.iter().flat_map(|period| {
        measures.map(|measure| {
            let name = format!("{measure:?} {period:?}").to_lowercase();
            quota(&name, measure, period.clone(), Some(1_000_000))
        })
    });
    Rules {
        quotas: quotas.collect(),
        budgets: vec![budget(
            "month",
            calendar(Every::Month(15), "00:00", "UTC"),
            10,
        )],
        ..Rules::default()
    }
}

/// The whole state as text.
fn figures(usage: &mut UsageCounters, now: UnixNanos) -> Vec<String> {
    let mut all: Vec<String> = usage
        .quotas(now)
        .map(|state| {
            let rule = (&state.rule.measure, &state.rule.period);
            format!(
                "{rule:?} {:?} {:?}",
                state.account.map(|w| w.id),
                state.count
            )
        })
        .collect();
    all.extend(
        usage
            .budgets(now)
            .map(|b| format!("{:?} {:?}", b.count, b.average)),
    );
    all.extend(usage.days(now).map(|day| format!("{day:?}")));
    all.sort();
    all
}

fn history() -> impl Strategy<Value = Vec<(Route, Entry)>> {
    let one = (
        0..45 * DAY,
        0_u64..500,
        0_u64..20_000_000,
        1_u32..3,
        any::<[bool; 2]>(),
    );
    let one = one.prop_map(|(ago, tokens, latency_ms, who, [failed, generate])| {
        let entry = Entry {
            latency_ms,
            failed,
            generate,
            ..paid(UnixNanos::new(now().get() - ago), tokens)
        };
        (route([who, who, 1, who]), entry)
    });
    proptest::collection::vec(one, 0..80)
}

proptest! {
    #[test]
    fn state_is_independent_of_restarts(
        history in history(),
        cut in any::<prop::sample::Index>(),
        days_before in 0..5_i64,
    ) {
        let rules = Arc::new(many_rules());
        let early = UnixNanos::new(now().get() - days_before * DAY);
        // One process records events as they arrive and is read in between.
        let mut one = UsageCounters::new(Arc::clone(&rules), early);
        let cut = cut.index(history.len() + 1);
        let (before, after) = history.split_at(cut);
        let mut stored = before.to_vec();
        for (route, entry) in before {
            one.record(route, entry);
        }
        figures(&mut one, early);
        for (route, entry) in after {
            one.record(route, entry);
        }
        // The other starts later and reads the stored events by time.
        let mut other = UsageCounters::new(Arc::clone(&rules), now());
        stored.sort_by_key(|(_, entry)| entry.at);
        let from = other.backfill_start(now()).get();
        for (route, entry) in stored.iter().filter(|(_, entry)| entry.at >= from) {
            other.record(route, entry);
        }
        for (route, entry) in after {
            other.record(route, entry);
        }
        let of_accounts = |figures: Vec<String>| -> Vec<String> {
            // After a restart, accounts without recent usage have no state; before it, they have
            // zeros.
            figures.into_iter().filter(|text| !text.contains("used: 0,")
                && !text.contains("month_to_date: DaySum { cost: 0, tokens: 0, paid_tokens: 0 }")).collect()
        };
        prop_assert_eq!(
            of_accounts(figures(&mut one, now())),
            of_accounts(figures(&mut other, now()))
        );
    }
}
