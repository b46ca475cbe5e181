//! Quotas at the socket: what the page shows of them is what the simulated providers hold.

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

use std::time::{Duration, Instant};

use cpa_exporter::simulator::{AccountQuotas, Simulator};

use crate::harness::{DEADLINE, Exporter, Samples, account_labels as labels};

/// Upstream calls that were made for any account.
fn calls(simulator: &Simulator) -> u64 {
    let accounts = simulator.quotas().accounts;
    accounts.iter().map(calls_of).sum()
}

fn calls_of(account: &AccountQuotas) -> u64 {
    account.calls.values().map(|calls| calls.calls).sum()
}

/// Accounts of this provider whose quota can be asked for.
fn of_provider(simulator: &Simulator, provider: &str) -> Vec<AccountQuotas> {
    let mut accounts = simulator.quotas().accounts;
    accounts.retain(|one| one.provider == provider && truth::can_be_asked(one));
    accounts
}

/// Waits until the page agrees with the truth about all that can be asked.
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
