//! Whatever happens in whatever order: a page never lies and never goes back.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Aliases, Caps, CountersConfig};
use super::support::{Bench, failure, route, success};
use crate::model::{Dimension, Event, FailureReason, Tokens};

#[derive(Clone, Debug)]
enum Step {
    Count(What),
    Commit,
    Rollback,
    Publish,
    See,
    Wait(u64),
    Restart,
}

#[derive(Clone, Copy, Debug)]
struct What {
    model: u32,
    account: u32,
    client: u32,
    failed: bool,
    tokens: u64,
    latency_ms: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let what = (
        1_u32..5,
        0_u32..4,
        0_u32..4,
        any::<bool>(),
        0_u64..3,
        0_u64..5000,
    );
    let what = what.prop_map(
        |(model, account, client, failed, tokens, latency_ms)| What {
            model,
            account,
            client,
            failed,
            tokens,
            latency_ms,
        },
    );
    prop_oneof![
        6 => what.prop_map(Step::Count),
        4 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        2 => Just(Step::Publish),
        3 => Just(Step::See),
        3 => (0_u64..20).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

/// What a page has to come to: sample by sample, written as naively as can be.
#[derive(Clone, Debug, Default)]
struct Model {
    committed: BTreeMap<String, f64>,
    open: Vec<What>,
}

/// Two models have room; the third and fourth are `other`.
fn model_name(id: u32) -> String {
    match id {
        1 | 2 => format!("m{id}"),
        _ => "other".to_owned(),
    }
}

/// Clients 1 and 2 have one alias.
fn client_name(id: u32) -> String {
    match id {
        0 => "none".to_owned(),
        1 | 2 => "team".to_owned(),
        id => format!("c{id}"),
    }
}

fn account_name(id: u32) -> String {
    match id {
        0 => "none".to_owned(),
        id => format!("a{id}"),
    }
}

impl Model {
    fn commit(&mut self) {
        for what in std::mem::take(&mut self.open) {
            self.count(what);
        }
    }

    fn count(&mut self, what: What) {
        let (model, client) = (model_name(what.model), client_name(what.client));
        let account = account_name(what.account);
        let mut add = |name: String, n: f64| *self.committed.entry(name).or_default() += n;
        let labels = format!(r#"provider="p",model="{model}",account="{account}""#);
        add(format!("cpa_requests_total{{{labels}}}"), 1.0);
        add(
            format!(r#"cpa_client_requests_total{{client="{client}",model="{model}"}}"#),
            1.0,
        );
        let n = f64::from(u32::try_from(what.tokens).unwrap());
        add(format!(r#"cpa_tokens_total{{{labels},kind="input"}}"#), n);
        add(
            format!(r#"cpa_client_tokens_total{{client="{client}",model="{model}",kind="input"}}"#),
            n,
        );
        if what.failed {
            add(
                format!(r#"cpa_request_failures_total{{{labels},code="429",reason="quota"}}"#),
                1.0,
            );
            return;
        }
        let seconds = Duration::from_millis(what.latency_ms).as_secs_f64();
        let labels = format!(r#"provider="p",model="{model}""#);
        add(
            format!("cpa_request_duration_seconds_count{{{labels}}}"),
            1.0,
        );
        add(
            format!("cpa_request_duration_seconds_sum{{{labels}}}"),
            seconds,
        );
        let fast = f64::from(u8::from(what.latency_ms <= 1000));
        add(
            format!(r#"cpa_request_duration_seconds_bucket{{{labels},le="1.0"}}"#),
            fast,
        );
        let labels = format!(r#"provider="p",account="{account}""#);
        add(
            format!("cpa_account_request_duration_seconds_count{{{labels}}}"),
            1.0,
        );
    }
}

fn event(what: What) -> Event<'static> {
    let event = if what.failed {
        failure(429, FailureReason::Quota)
    } else {
        success()
    };
    Event {
        latency_ms: what.latency_ms,
        stream: false,
        tokens: Tokens {
            input: what.tokens,
            ..Tokens::default()
        },
        ..event
    }
}

fn bench() -> Bench {
    let alias = |from: &str| (from.to_owned(), "team".to_owned());
    let mut bench = Bench::new(CountersConfig {
        caps: Caps {
            model: 2,
            ..Caps::default()
        },
        aliases: Aliases {
            clients: HashMap::from([alias("c1"), alias("c2")]),
            ..Aliases::default()
        },
        zero_hold: Duration::from_secs(15),
        ..CountersConfig::default()
    });
    bench.name(Dimension::Provider, 1, "p");
    for id in 1..5 {
        bench.name(Dimension::Model, id, &format!("m{id}"));
        bench.name(Dimension::Account, id, &format!("a{id}"));
        bench.name(Dimension::Client, id, &format!("c{id}"));
    }
    // Caps admit the first to come, so the first two come before anything else does.
    for id in [1, 2] {
        bench.count(&event(FIRST), &route(1, id, 0, 0));
    }
    bench.counters.rollback();
    bench.commit();
    bench
}

const FIRST: What = What {
    model: 1,
    account: 0,
    client: 0,
    failed: false,
    tokens: 0,
    latency_ms: 0,
};

/// The counters beside the model.
struct Pair {
    bench: Bench,
    model: Model,
    shown: BTreeMap<String, f64>,
}

impl Pair {
    fn take(&mut self, step: &Step) {
        let Self { bench, model, .. } = self;
        match step {
            Step::Count(what) => {
                let route = route(1, what.model, what.account, what.client);
                bench.count(&event(*what), &route);
                model.open.push(*what);
            }
            Step::Commit => {
                bench.commit();
                model.commit();
            }
            Step::Rollback => {
                bench.counters.rollback();
                model.open.clear();
            }
            Step::Publish => {
                bench.counters.publish(bench.now);
            }
            Step::See => bench.see(),
            Step::Wait(seconds) => bench.wait(Duration::from_secs(*seconds)),
            Step::Restart => {
                bench.restart();
                model.open.clear();
            }
        }
    }

    /// No value above what is committed, none below what was shown before.
    fn check(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let shown = numbers(&self.bench);
        for (name, value) in &shown {
            if let Some(committed) = self.model.committed.get(name) {
                prop_assert!(
                    *value <= committed + 1e-6,
                    "{name} shows {value} of {committed}"
                );
            }
        }
        for (name, value) in &self.shown {
            let now = shown.get(name).copied();
            // A series that shows nothing but its zero may be forgotten at a restart.
            let forgotten = now.is_none() && *value <= 0.0 && matches!(step, Step::Restart);
            prop_assert!(
                forgotten || now >= Some(*value),
                "{name} fell from {value} to {now:?}"
            );
        }
        self.shown = shown;
        Ok(())
    }

    /// In the end the page is the sum of all that was committed, also after a restart.
    fn finish(mut self) -> Result<(), TestCaseError> {
        self.bench.settle();
        self.model.commit();
        let shown = numbers(&self.bench);
        for (name, value) in &self.model.committed {
            let found = shown.get(name).copied().unwrap_or(f64::NAN);
            prop_assert!(
                (found - value).abs() < 1e-6,
                "{name} is {found}, not {value}"
            );
        }
        self.bench.restart();
        prop_assert_eq!(numbers(&self.bench), shown);
        Ok(())
    }
}

fn numbers(bench: &Bench) -> BTreeMap<String, f64> {
    let samples = bench.samples().into_iter();
    samples
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_page_never_lies_and_never_goes_back(steps in vec(step(), 1..60)) {
        let mut pair = Pair {
            bench: bench(),
            model: Model::default(),
            shown: BTreeMap::new(),
        };
        for step in &steps {
            pair.take(step);
            pair.check(step)?;
        }
        pair.finish()?;
    }
}
