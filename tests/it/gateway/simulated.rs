//! The simulated gateway and the exporter count the same.

use cpa_exporter::simulator::{GatewayDatabase, GatewayTotals};

use super::{start, stop, sum};
use crate::harness::{Exporter, Samples};

/// What the page shows of a ledger.
fn shown(page: &Samples, committed: GatewayTotals) -> GatewayTotals {
    let outcome = |name: &str| {
        sum(
            page,
            "newapi_attempts_total",
            &format!("outcome=\"{name}\""),
        )
    };
    let tokens = |kind: &str| sum(page, "newapi_tokens_total", &format!("kind=\"{kind}\""));
    GatewayTotals {
        success: outcome("success"),
        error: outcome("error"),
        test: outcome("test"),
        prompt: tokens("prompt"),
        completion: tokens("completion"),
        quota: sum(page, "newapi_quota_total", ""),
        refund: sum(page, "newapi_refund_quota_total", ""),
        ..committed
    }
}

/// The exporter shows the ledger, and goes on showing it.
async fn equal(exporter: &Exporter, committed: GatewayTotals) {
    let all = committed.success + committed.error + committed.test;
    let page = exporter
        .when("all attempts", |page| {
            sum(page, "newapi_attempts_total", "") >= all
        })
        .await;
    assert_eq!(shown(&page, committed), committed);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_rows_with_late_ones_and_gaps_are_counted_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one-api.db");
    let dsn = format!("sqlite://{}", path.display());
    let mut gateway = GatewayDatabase::open(&path, 7).unwrap();
    let flags = ["--gateway.start", "first"];
    let mut exporter = start(dir.path(), &dsn, &flags).await;
    for round in 0..4 {
        for tick in 0..50 {
            gateway
                .write(100, 1_795_323_451 + round * 50 + tick)
                .unwrap();
            if tick == 25 && round < 3 {
                exporter.kill();
                exporter = start(dir.path(), &dsn, &flags).await;
            }
        }
    }
    gateway.finish().unwrap();
    let totals = gateway.totals();
    assert!(totals.late > 200 && totals.rolled_back > 20, "{totals:?}");
    equal(&exporter, totals).await;
    stop(exporter).await;
    // Nothing changes by reading again.
    let exporter = start(dir.path(), &dsn, &flags).await;
    gateway.write(1, 1_795_400_000).unwrap();
    gateway.finish().unwrap();
    equal(&exporter, gateway.totals()).await;
    stop(exporter).await;
}
