//! Quotas end to end: the page equals the state of the simulated providers.

mod api;
mod cases;
mod faults;
mod files;
mod fleet;
mod headers;
mod local;
mod plugin;
mod polls;
mod secrets;
mod truth;
mod window_usage;

use std::time::{Duration, Instant};

use cpa_exporter::simulator::{AccountQuotas, Simulator};

use crate::harness::{DEADLINE, Exporter, Samples, account_labels as labels};

/// Provider calls for any account.
fn calls(simulator: &Simulator) -> u64 {
    let accounts = simulator.quotas().accounts;
    accounts.iter().map(calls_of).sum()
}

fn calls_of(account: &AccountQuotas) -> u64 {
    account.calls.values().map(|calls| calls.calls).sum()
}

/// Accounts of this provider whose quota can be polled.
fn of_provider(simulator: &Simulator, provider: &str) -> Vec<AccountQuotas> {
    let mut accounts = simulator.quotas().accounts;
    accounts.retain(|one| one.provider == provider && truth::can_be_polled(one));
    accounts
}

/// Waits until the page equals the truth for all accounts that can be polled.
async fn agrees(exporter: &Exporter, simulator: &Simulator) -> Samples {
    let begin = Instant::now();
    loop {
        let page = exporter.samples().await;
        let differences = truth::differences(&page, &simulator.quotas());
        if differences.is_empty() {
            return page;
        }
        let is_late = begin.elapsed() > DEADLINE;
        assert!(!is_late, "{}\n{differences:#?}", exporter.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
