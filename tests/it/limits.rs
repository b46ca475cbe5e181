//! Limits of our own: what the page says is what the database holds.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::harness::{Exporter, Samples, count, simulator, sum};

/// Long enough that nothing leaves them while a test runs.
const RULES: &str = r#"
[[quota]]
name = "each"
measure = "tokens"
window = "rolling"
length = "300d"
limit = 1_000_000_000

[[quota]]
name = "together"
measure = "attempts"
window = "rolling"
length = "300d"
per = "all"

[[budget]]
name = "all"
usd = 100
window = "monthly"
value = "list_value"

[[combo]]
name = "everything"
models = ["*"]
"#;
const ADDED: &str = r#"
[[quota]]
name = "requests"
measure = "requests"
window = "rolling"
length = "300d"
limit = 5
"#;

const TOKENS: &str = "SELECT coalesce(sum(input + cache_read + cache_write + output + reasoning \
                      + unclassified), 0) FROM event WHERE flags & 1 = 0";
const ATTEMPTS: &str = "SELECT count(*) FROM event WHERE flags & 2 = 0";
const REQUESTS: &str = "SELECT count(*) FROM event WHERE flags & 3 = 0";
const VALUE: &str = "SELECT coalesce(sum(value_nano), 0) FROM event";

fn of_limit(samples: &Samples, family: &str, limit: &str) -> f64 {
    let label = format!("limit=\"{limit}\"");
    let own = samples.iter().filter(|(name, _)| {
        name.strip_prefix(family)
            .is_some_and(|rest| rest.starts_with('{') && rest.contains(&label))
    });
    own.map(|(_, value)| value).sum()
}

/// Whether all figures are those of the database, which has got everything.
fn complete(samples: &Samples, directory: &Path) -> bool {
    let is = |figure: f64, sql: &str| (figure - count(directory, sql) as f64).abs() < 0.5;
    let spent = samples.get("cpa_budget_spent_usd{budget=\"all\"}");
    is(of_limit(samples, "cpa_quota_used", "each"), TOKENS)
        && is(of_limit(samples, "cpa_quota_used", "together"), ATTEMPTS)
        && spent.is_some_and(|usd| is(usd * 1e9, VALUE))
        && is(sum(samples, "cpa_combo_requests_total"), ATTEMPTS)
}

fn says_what_rules_are(text: &str) {
    for line in [
        "cpa_quota_limit_info{limit=\"together\",scope=\"local\"} 1",
        "cpa_budget_info{budget=\"all\",period=\"monthly\",scope=\"everything\"} 1",
        "cpa_budget_threshold_ratio{budget=\"all\",threshold=\"0.8\"} 0.8",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}");
    }
    // Unlimited: used, and nothing that follows from a limit.
    for family in [
        "ratio",
        "limit",
        "remaining",
        "exhausted",
        "reset_timestamp_seconds",
    ] {
        let family = format!("cpa_quota_{family}");
        assert!(
            !text.contains(&format!("{family}{{limit=\"together\"")),
            "{family}"
        );
    }
}

/// Ratios, months and days come of the same events.
fn agrees(page: &Samples, dir: &Path) {
    let ratio = of_limit(page, "cpa_quota_used_ratio", "each");
    assert!((ratio * 1e9 - count(dir, TOKENS) as f64).abs() < 1.0);
    // Today and the month go by provider and in all.
    let month = page.get("cpa_month_cost_usd{by=\"total\"}").unwrap();
    assert!((month * 1e9 - count(dir, "SELECT sum(cost_nano) FROM event") as f64).abs() < 1e3);
    assert!(sum(page, "cpa_today_tokens") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_count_what_is_stored_over_kills_and_reloads() {
    let simulator = simulator(|config| config.traffic.backlog = 2000).await;
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let file = dir.join("limits.toml");
    fs::write(&file, RULES).unwrap();
    let flags = [
        "--limits.file",
        file.to_str().unwrap(),
        "--metrics.zero-hold",
        "0s",
    ];
    for round in 1..=3 {
        let exporter = Exporter::start(&simulator, dir, &flags).await;
        simulator.generate(500);
        let all = f64::from(1500 + 500 * round);
        let fits = |s: &Samples| s.get("cpa_store_events") > Some(&all) && complete(s, dir);
        exporter.when("complete", fits).await;
        exporter.kill();
    }
    let exporter = Exporter::start(&simulator, dir, &flags).await;
    let page = exporter.when("restored", |s| complete(s, dir)).await;
    says_what_rules_are(&exporter.page().await);
    agrees(&page, dir);

    // A rule that is added counts what was there before, and so does what comes then.
    fs::write(&file, format!("{RULES}{ADDED}")).unwrap();
    exporter.signal("HUP");
    simulator.generate(500);
    let counted = |s: &Samples| {
        let requests = of_limit(s, "cpa_quota_used", "requests");
        complete(s, dir) && (requests - count(dir, REQUESTS) as f64).abs() < 0.5 && requests > 0.0
    };
    let page = exporter.when("added", counted).await;
    assert!(of_limit(&page, "cpa_quota_exhausted", "requests") > 0.0);
    // A file gone wrong changes nothing.
    fs::write(&file, "[[quota]]\nname = \"x\"\nmeasure = \"hunter2\"\n").unwrap();
    exporter.signal("HUP");
    let line = exporter.logged("configuration not reloaded").await;
    assert!(
        line.contains("line 3") && !line.contains("hunter2"),
        "{line}"
    );
    exporter.when("the old rules", counted).await;
    exporter.terminate().await;
}
