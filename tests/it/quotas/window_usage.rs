//! Tokens and list value inside the quota windows, compared with the database.

use std::path::Path;

use reqwest::Method;
use rusqlite::params;
use tempfile::tempdir;

use super::labels;
use crate::harness::{Exporter, Samples, database, simulator, stored};

const TOKENS: &str = "cpa_quota_window_tokens{";
const VALUE: &str = "cpa_quota_window_list_value_usd{";
const RESET: &str = "cpa_quota_reset_timestamp_seconds{";
const SECONDS: &str = "cpa_quota_window_seconds{";

const ACCOUNTS: usize = 16;

/// Tokens and dollars of the account between two times in Unix seconds.
fn by_sql(directory: &Path, account: &str, [start, end]: [f64; 2]) -> [f64; 2] {
    let sql = "SELECT total(input + cache_read + cache_write + output + reasoning + unclassified), \
               total(value_nano) / 1e9 FROM event e \
               JOIN dimension d ON d.id = e.account AND d.label = ?1 WHERE ts >= CAST(?2 * 1e9 AS INTEGER) AND ts < CAST(?3 * 1e9 AS INTEGER)";
    let row = |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?]);
    let database = database(directory);
    database
        .query_row(sql, params![account, start, end], row)
        .unwrap()
}

/// Differences between the page and the database.
fn differences(directory: &Path, page: &Samples) -> Vec<String> {
    let mut found = Vec::new();
    for (name, tokens) in page {
        let Some(window) = name.strip_prefix(TOKENS) else {
            continue;
        };
        let of = |family: &str| page[&format!("{family}{window}")];
        let (_, rest) = window.split_once("account=\"").unwrap();
        let (account, _) = rest.split_once('"').unwrap();
        let right = by_sql(directory, account, [of(RESET) - of(SECONDS), of(RESET)]);
        let shown = [*tokens, of(VALUE)];
        if shown[0] != right[0] || (shown[1] - right[1]).abs() > 1e-9 {
            found.push(format!("{window}: {shown:?}, in the database {right:?}"));
        }
    }
    found
}

/// Windows of whole accounts that the page should have usage for.
fn expected(page: &Samples) -> usize {
    let resets = page.keys().filter_map(|name| name.strip_prefix(RESET));
    let counted = resets.filter(|window| {
        let has_length = page.contains_key(&format!("{SECONDS}{window}"));
        has_length && window.contains("limit=\"main\"")
    });
    counted.count()
}

fn shown(page: &Samples) -> usize {
    page.keys().filter(|name| name.starts_with(TOKENS)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_inside_windows_equals_the_database_before_and_after_a_restart() {
    let simulator = simulator(|config| {
        config.traffic.providers = ["codex", "claude", "kimi"].map(str::to_owned).into();
        config.traffic.accounts = ACCOUNTS;
        config.traffic.backlog = 1500;
        config.traffic.backlog_span = std::time::Duration::from_hours(9);
    })
    .await;
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let flags = ["--accounts.interval", "1s"];
    let exporter = Exporter::start(&simulator, &data, &flags).await;
    exporter.ready().await;
    simulator.generate(300);
    let is_right = |page: &Samples| {
        let all = stored(&data);
        all[0] > 1700.0
            && shown(page) == expected(page)
            && labels(page).len() == ACCOUNTS
            && shown(page) >= ACCOUNTS
            && differences(&data, page).is_empty()
    };
    let page = exporter.when("the database's sums", is_right).await;
    let sums: Vec<f64> = page
        .iter()
        .filter_map(|(name, value)| name.starts_with(TOKENS).then_some(*value))
        .collect();
    let used = sums.iter().filter(|tokens| **tokens > 0.0).count();
    assert!(used > 5, "{used} of {}\n{page:#?}", sums.len());
    // Windows that began within the backlog leave a part of it out.
    let all = stored(&data)[2];
    assert!(sums.iter().sum::<f64>() < all * 2.0);

    let (_, _, body) = exporter.api(Method::GET, "quota", None).await;
    let accounts = body["accounts"].as_array().unwrap();
    let limits = accounts
        .iter()
        .flat_map(|it| it["limits"].as_array().unwrap());
    let tokens: f64 = limits.filter_map(|it| it["window_tokens"].as_f64()).sum();
    assert_eq!(tokens, sums.iter().sum::<f64>());
    exporter.terminate().await;

    // Restored windows are summed from the database.
    let exporter = Exporter::start(&simulator, &data, &["--quota.enabled=false"]).await;
    let page = exporter.when("the sums again", is_right).await;
    assert_eq!(shown(&page), expected(&page));
    exporter.terminate().await;
}
