//! Many accounts during an hour of simulated time, compared with the truth.
//!
//! Source, ingest thread, account directory and poller run in this process with the simulator's
//! clock, because the simulated hour is shorter than a real one.

mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::{Duration, Instant};

use cpa_exporter::simulator::{AccountQuotas, Quotas};

use self::parts::{Fleet, SCALE};
use super::{labels, truth};
use crate::harness::Samples;

/// The default, in simulated time.
const INTERVAL: Duration = Duration::from_mins(5);
const HOUR: Duration = Duration::from_hours(1);
/// Built-in providers, and one described by the user.
const PROVIDERS: [&str; 11] = [
    "antigravity",
    "claude",
    "codex",
    "copilot",
    "gemini-cli",
    "generic",
    "glm",
    "kimi",
    "kiro",
    "minimax",
    "xai",
];

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
    // xAI has one reset for both of its months, and Claude none for its money.
    all.retain(|(_, limit, _), _| !["on_demand", "extra_usage"].contains(&limit.as_str()));
    all
}

fn is_polled(account: &AccountQuotas) -> bool {
    truth::can_be_polled(account)
}

fn count_polled(of: &Quotas) -> usize {
    let polled = of.accounts.iter().filter(|a| is_polled(a));
    let providers: BTreeSet<&str> = polled.clone().map(|a| a.provider.as_str()).collect();
    assert_eq!(providers, BTreeSet::from(PROVIDERS));
    polled.count()
}

fn shown_resets(
    page: &Samples,
    truth: &Quotas,
    of: &Resets,
) -> BTreeMap<(String, String, String), f64> {
    let names = labels(page);
    let accounts = truth.accounts.iter().map(|a| (a.account.as_str(), a));
    let accounts: BTreeMap<&str, &AccountQuotas> = accounts.collect();
    let shown = |(account, limit, window): &(String, String, String)| {
        let labels = truth::account_labels(&names, accounts[account.as_str()]).unwrap();
        let name =
            format!("cpa_quota_resets_total{{{labels},limit=\"{limit}\",window=\"{window}\"}}");
        page[&name]
    };
    of.keys().map(|key| (key.clone(), shown(key))).collect()
}

/// Memory and processor time of this process with the simulator.
#[derive(Clone, Copy, Debug)]
struct Cost {
    kilobytes: u64,
    /// Processor time in hundredths of a second.
    ticks: u64,
}

impl Cost {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = [fields[11], fields[12]].map(|text| text.parse::<u64>().unwrap());
        Self {
            kilobytes: line.split_whitespace().next().unwrap().parse().unwrap(),
            ticks: ticks.iter().sum(),
        }
    }
}

/// The second half of the hour costs as much as the first.
fn is_flat(costs: &[Cost]) {
    let [first, second] = [[0, 1], [1, 2]].map(|[from, to]| costs[to].ticks - costs[from].ticks);
    assert!(second <= first * 3 / 2 + 200, "{costs:?}");
    let grown = costs[2].kilobytes.saturating_sub(costs[1].kilobytes);
    assert!(grown <= 16 * 1024, "{costs:?}");
}

/// Runs the hour with scrapes and returns the costs at its start, middle and end.
async fn run_hour(fleet: &Fleet, begin: Instant) -> Vec<Cost> {
    let hour = HOUR / SCALE;
    let mut costs = vec![Cost::now()];
    while begin.elapsed() < hour || !fleet.simulator.is_traffic_over() {
        assert!(begin.elapsed() < hour * 4, "the hour never ends");
        tokio::time::sleep(Duration::from_millis(250)).await;
        fleet.page().await;
        if costs.len() == 1 && begin.elapsed() >= hour / 2 {
            costs.push(Cost::now());
        }
    }
    costs.push(Cost::now());
    costs
}

/// No account is polled more often than its interval or an hourly share allows. Exact, because
/// calls are stamped at their response, and the interval is counted from the last response. Returns
/// the calls and the shortest gap in milliseconds.
fn check_poll_intervals(of: &Quotas) -> (u64, i64) {
    let (mut calls, mut shortest) = (0, i64::MAX);
    for account in &of.accounts {
        for (endpoint, met) in &account.calls {
            assert!(is_polled(account), "{} at {endpoint}", account.account);
            let most = HOUR.as_secs() / INTERVAL.as_secs() + 1;
            assert!(met.calls <= most, "{endpoint}: {met:?}");
            calls += met.calls;
            shortest = shortest.min(met.shortest_gap_ms.unwrap_or(i64::MAX));
        }
    }
    let polite = i64::try_from(INTERVAL.as_millis()).unwrap();
    assert!(shortest >= polite, "{shortest} ms");
    (calls, shortest)
}

/// All counted resets, and those among them that may precede the first poll.
fn count_resets(shown: &BTreeMap<(String, String, String), f64>, truth: [&Resets; 3]) -> [u64; 2] {
    let [start, polled, end] = truth;
    let (mut total, mut unsure) = (0, 0);
    for (key, end) in end {
        let (latest, earliest) = (end - polled[key], end - start[key]);
        let counted = shown[key];
        let is_right = (latest..=earliest).any(|right| counted == right as f64);
        assert!(is_right, "{key:?}: {counted} of {latest} to {earliest}");
        total += latest;
        unsure += earliest - latest;
    }
    [total, unsure]
}

/// `alone`: no other test runs in this process, so that the costs are those of the hour.
async fn an_hour(accounts: usize, rate: u32, alone: bool) {
    let fleet = Fleet::start(accounts, rate, INTERVAL).await;
    let truth = || fleet.simulator.quotas();
    let (begin, start, asked) = (Instant::now(), resets(&truth()), count_polled(&truth()));
    fleet
        .when("every account polled", |page| {
            let success = |name: &&String| name.starts_with("cpa_quota_last_success_");
            let polled = page.keys().filter(success).count();
            polled == asked && labels(page).len() == accounts
        })
        .await;
    let first_round = begin.elapsed();
    let polled = resets(&truth());
    let costs = run_hour(&fleet, begin).await;
    let (calls, shortest) = check_poll_intervals(&truth());
    fleet.stop_the_clock();
    // Within one poll of each account the page equals the truth.
    let end = truth();
    let page = fleet
        .when("the truth", |page| {
            truth::differences(page, &end).is_empty()
        })
        .await;
    let (truth, end) = (&end, resets(&end));
    let shown = shown_resets(&page, truth, &end);
    let [total, unsure] = count_resets(&shown, [&start, &polled, &end]);
    assert!(total > 0, "no window ended in that hour");
    let mut stderr = std::io::stderr();
    writeln!(
        stderr,
        "{accounts} accounts, {asked} asked; first round {first_round:?}; {calls} calls, shortest \
         gap {shortest} ms; {total} resets, {unsure} more before the first poll; {costs:?}"
    )
    .unwrap();
    if alone {
        is_flat(&costs);
    }
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_a_hundred_accounts_is_reported_correctly() {
    an_hour(100, 50, false).await;
}

/// Needs a machine for itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/run by its name"]
async fn an_hour_of_five_hundred_accounts_is_reported_correctly() {
    an_hour(500, 100, true).await;
}
