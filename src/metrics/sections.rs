//! The sections of the exposition and of `docs/metrics.md`.

use super::catalogue::{accounts, budgets, declared, exporter, gateway, ingest, money, traffic};
use super::family::Family;
use super::handles::{SourceMetrics, StoreMetrics};

/// The sections of the exposition and of the documentation, with their families in order.
pub fn sections() -> [(&'static str, Vec<&'static Family>); 7] {
    let money = [
        declared(money::COUNTERS),
        declared(money::OF_REFERENCES),
        declared(money::OF_COMBOS),
        money::GAUGES.to_vec(),
    ];
    let gateway = [declared(gateway::COUNTERS), gateway::GAUGES.to_vec()];
    let ingest = [
        declared(ingest::OF_PAYLOADS),
        declared(ingest::OF_OUTCOMES),
        declared(ingest::OF_COMMITS),
        declared(ingest::OF_RECORDS),
        SourceMetrics::FAMILIES.iter().collect(),
        StoreMetrics::FAMILIES.iter().collect(),
    ];
    [
        ("Traffic", declared(traffic::COUNTERS)),
        ("Accounts and quotas", accounts::ALL.to_vec()),
        ("Money", money.concat()),
        ("Budgets and comparisons", budgets::ALL.to_vec()),
        ("New API and One API", gateway.concat()),
        ("Ingest and CPA", ingest.concat()),
        ("Self", exporter::ALL.to_vec()),
    ]
}
