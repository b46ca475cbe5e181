//! Many accounts for an hour of simulated time, against the truth.
//!
//! Source, ingest thread, watcher and poller run in this process, because the simulated hour is
//! shorter than one of ours and they live by the simulator's clock.

mod parts;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cpa_exporter::simulator::{AccountQuotas, Quotas};

use self::parts::{Fleet, SCALE};
use super::{labels, truth};
use crate::harness::Samples;

/// As the README has it, in simulated time.
const INTERVAL: Duration = Duration::from_mins(5);
const HOUR: Duration = Duration::from_hours(1);

/// Resets by account, limit and window.
type Resets = BTreeMap<(String, String, String), u64>;

fn resets(of: &Quotas) -> Resets {
    let mut all = Resets::new();
    for account in of.accounts.iter().filter(|a| is_polled(a)) {
        for limit in &account.limits {
            if let Some((name, window)) = truth::place(&account.provider, limit) {
                all.insert((account.account.clone(), name, window), limit.resets);
            }
        }
    }
    // xAI names one end for both of its months, and Claude none for its money.
    all.retain(|(_, limit, _), _| !["on_demand", "extra_usage"].contains(&limit.as_str()));
    all
}

fn is_polled(account: &AccountQuotas) -> bool {
    account.login != "direct" && truth::can_be_asked(account)
}

fn shown_resets(page: &Samples, of: &Resets) -> Resets {
    let names = labels(page);
    let shown = |(account, limit, window): &(String, String, String)| {
        let labels = &names[account];
        let name =
            format!("cpa_quota_resets_total{{{labels},limit=\"{limit}\",window=\"{window}\"}}");
        page[&name] as u64
    };
    of.keys().map(|key| (key.clone(), shown(key))).collect()
}

/// Nobody is asked sooner than is polite, in the simulator's own time.
fn politeness(of: &Quotas) -> (u64, i64) {
    let (mut calls, mut shortest) = (0, i64::MAX);
    for account in &of.accounts {
        for (endpoint, met) in &account.calls {
            calls += met.calls;
            shortest = shortest.min(met.shortest_gap_ms.unwrap_or(i64::MAX));
            assert!(
                is_polled(account),
                "{} is asked at {endpoint}",
                account.account
            );
        }
    }
    (calls, shortest)
}

fn kilobytes(of: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix(of)).unwrap_or("0");
    let mut words = line.split_whitespace();
    words.next().unwrap().parse().unwrap()
}

async fn an_hour(accounts: usize, rate: u64) {
    let fleet = Fleet::start(accounts, rate, INTERVAL / SCALE).await;
    let before = resets(&fleet.simulator.quotas());
    let begin = Instant::now();
    let polled = |page: &Samples| {
        let all = page
            .keys()
            .filter(|n| n.starts_with("cpa_quota_last_success_"));
        all.count()
    };
    let expected = fleet.simulator.quotas();
    let expected = expected.accounts.iter().filter(|a| is_polled(a)).count();
    fleet
        .when("every account polled", |page| polled(page) == expected)
        .await;
    let after = resets(&fleet.simulator.quotas());
    let seen = shown_resets(&fleet.page().await, &after);
    let first_round = begin.elapsed();
    let memory = kilobytes("VmRSS:");

    let hour = HOUR / SCALE;
    let mut scrapes = 0;
    while begin.elapsed() < hour || !fleet.simulator.is_traffic_over() {
        assert!(begin.elapsed() < hour * 4, "the hour never ends");
        tokio::time::sleep(Duration::from_millis(250)).await;
        fleet.page().await;
        scrapes += 1;
    }
    let quotas = fleet.simulator.quotas();
    let (calls, shortest) = politeness(&quotas);
    fleet.stop_the_clock();
    let grown = kilobytes("VmRSS:").saturating_sub(memory);

    // Within one poll of each account the page is the truth.
    let quotas = fleet.simulator.quotas();
    let page = fleet
        .when("the truth", |page| {
            let mut wrong = truth::differences(page, &quotas);
            wrong.retain(|difference| !difference.contains("has no name"));
            wrong.is_empty()
        })
        .await;
    let ends = resets(&quotas);
    let counted = shown_resets(&page, &ends);
    let (mut total, mut unsure) = (0, 0);
    for (key, end) in &ends {
        let (earliest, latest) = (end - before[key], end - after[key]);
        let counted = counted[key];
        // What ended while the account waited for its first poll is nobody's to count.
        assert!(
            (latest..=earliest).contains(&counted),
            "{key:?}: {counted} counted of {earliest}, {latest} for certain"
        );
        assert!(counted >= seen[key]);
        total += counted;
        unsure += earliest - latest;
    }
    println!(
        "{accounts} accounts, {expected} polled; first round {first_round:?}; {calls} calls, \
         shortest gap {} s; {total} resets counted, {unsure} before the first poll; {scrapes} \
         scrapes; RSS {memory} KiB, {grown} KiB more after the hour",
        shortest as f64 / 1000.0
    );
    assert!(total > 0, "no window ended in that hour");
    // The ticks of two clocks.
    assert!(
        shortest >= INTERVAL.as_millis() as i64 - 4_000,
        "{shortest}"
    );
    let most = (HOUR.as_secs() / INTERVAL.as_secs() + 2) as usize;
    let most = most * expected * 2 + 4 * expected;
    assert!(calls as usize <= most, "{calls} of {most} calls");
    assert!(
        grown < 64 * 1024,
        "{grown} KiB more than after the first round"
    );
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_a_hundred_accounts_is_told_as_it_was() {
    an_hour(100, 50).await;
}

/// Takes minutes of a slow machine's whole attention.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/run by its name"]
async fn an_hour_of_five_hundred_accounts_is_told_as_it_was() {
    an_hour(500, 100).await;
}
