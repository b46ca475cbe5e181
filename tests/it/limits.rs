//! Local limits: the page equals the database.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cpa_exporter::simulator::{History, SimulatorConfig};
use tempfile::tempdir;

use crate::harness::{
    Exporter, Samples, command, count, counted, eventually, simulator, stored, sum,
};

/// Windows so long that no event leaves them during a test.
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
/// Sum of a column over the current month, as for a monthly budget.
fn this_month(column: &str) -> String {
    format!(
        "SELECT coalesce(sum({column}), 0) FROM event \
         WHERE ts >= CAST(strftime('%s', 'now', 'start of month') AS INTEGER) * 1000000000"
    )
}

fn of_limit(samples: &Samples, family: &str, limit: &str) -> f64 {
    let label = format!("limit=\"{limit}\"");
    let own = samples.iter().filter(|(name, _)| {
        name.strip_prefix(family)
            .is_some_and(|rest| rest.starts_with('{') && rest.contains(&label))
    });
    own.map(|(_, value)| value).sum()
}

/// Whether all values equal those of the database, which has all records.
fn complete(samples: &Samples, directory: &Path) -> bool {
    let is = |figure: f64, sql: &str| (figure - count(directory, sql) as f64).abs() < 0.5;
    let spent = samples.get("cpa_budget_spent_usd{budget=\"all\"}");
    is(of_limit(samples, "cpa_quota_used", "each"), TOKENS)
        && is(of_limit(samples, "cpa_quota_used", "together"), ATTEMPTS)
        && spent.is_some_and(|usd| is(usd * 1e9, &this_month("value_nano")))
}

/// The same for a pool with one combo.
fn in_combos(samples: &Samples, directory: &Path) -> bool {
    let requests = sum(samples, "cpa_combo_requests_total");
    complete(samples, directory) && (requests - count(directory, ATTEMPTS) as f64).abs() < 0.5
}

fn says_what_rules_are(text: &str) {
    for line in [
        "cpa_quota_limit_info{limit=\"together\",scope=\"local\"} 1",
        "cpa_budget_info{budget=\"all\",period=\"monthly\",scope=\"everything\"} 1",
        "cpa_budget_threshold_ratio{budget=\"all\",threshold=\"0.8\"} 0.8",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}");
    }
    // Without a limit: only the usage, no value derived from a limit.
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

/// Ratios, months and days are computed from the same events.
fn agrees(page: &Samples, dir: &Path) {
    let ratio = of_limit(page, "cpa_quota_used_ratio", "each");
    assert!((ratio * 1e9 - count(dir, TOKENS) as f64).abs() < 1.0);
    // Today and the month are per provider and in total.
    let month = page.get("cpa_month_cost_usd{by=\"total\"}").unwrap();
    assert!((month * 1e9 - count(dir, &this_month("cost_nano")) as f64).abs() < 1e3);
    assert!(sum(page, "cpa_today_tokens") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn local_limits_match_the_database_across_kills_and_reloads() {
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
        let fits = |s: &Samples| s.get("cpa_store_events") > Some(&all) && in_combos(s, dir);
        exporter.when("complete", fits).await;
        exporter.kill();
    }
    let exporter = Exporter::start(&simulator, dir, &flags).await;
    let page = exporter.when("restored", |s| in_combos(s, dir)).await;
    says_what_rules_are(&exporter.page().await);
    agrees(&page, dir);

    // A new rule counts stored events and further ones.
    fs::write(&file, format!("{RULES}{ADDED}")).unwrap();
    exporter.signal("HUP");
    simulator.generate(500);
    let counted = |s: &Samples| {
        let requests = of_limit(s, "cpa_quota_used", "requests");
        in_combos(s, dir) && (requests - count(dir, REQUESTS) as f64).abs() < 0.5 && requests > 0.0
    };
    let page = exporter.when("added", counted).await;
    assert!(of_limit(&page, "cpa_quota_exhausted", "requests") > 0.0);
    // A wrong file changes nothing.
    fs::write(&file, "[[quota]]\nname = \"x\"\nmeasure = \"hunter2\"\n").unwrap();
    exporter.signal("HUP");
    let line = exporter.logged("configuration not reloaded").await;
    assert!(
        line.contains("limits.toml:3:1: ") && !line.contains("hunter2"),
        "{line}"
    );
    exporter.when("the old rules", counted).await;
    exporter.terminate().await;
}

/// Records of the last three days, the latest now.
fn past(records: u64) -> Vec<bytes::Bytes> {
    let mut config = SimulatorConfig::default();
    config.traffic.records = Some(records);
    config.traffic.seed = 77;
    History::new(config, Duration::from_hours(72)).collect()
}

/// `import` beside the running exporter: exit code and output.
async fn import(directory: &Path, file: &Path) -> (bool, String) {
    let mut child = command(directory)
        .arg("import")
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("import ends", async || child.try_wait().unwrap()).await;
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), said)
}

const DAYS: &str = r#"
[[quota]]
name = "today"
measure = "tokens"
window = "daily"
per = "all"
limit = 1_000_000_000

[[budget]]
name = "today"
usd = 100
window = "daily"
value = "list_value"

[[budget]]
name = "all paid"
usd = 100
window = "monthly"
"#;

/// The usage of a window according to the database.
fn since_midnight(what: &str) -> String {
    let midnight = "CAST(strftime('%s', 'now', 'start of day') AS INTEGER) * 1000000000";
    format!("SELECT coalesce(sum({what}), 0) FROM event WHERE flags & 1 = 0 AND ts >= {midnight}")
}

/// The windows equal the database, by each event's own time.
fn windows_agree(page: &Samples, directory: &Path) -> bool {
    let is = |figure: f64, sql: &str| (figure - count(directory, sql) as f64).abs() < 0.5;
    let usd = |budget: &str| page.get(&format!("cpa_budget_spent_usd{{budget=\"{budget}\"}}"));
    let tokens = "input + cache_read + cache_write + output + reasoning + unclassified";
    let paid = this_month("cost_nano");
    let value = since_midnight("value_nano").replace("flags & 1 = 0 AND", "");
    complete(page, directory)
        && is(
            of_limit(page, "cpa_quota_used", "today"),
            &since_midnight(tokens),
        )
        && usd("today").is_some_and(|usd| is(usd * 1e9, &value))
        && usd("all paid").is_some_and(|usd| is(usd * 1e9, &paid))
}

/// An unrelated file is refused without effect.
async fn refuses_something_else(directory: &Path) {
    let file = directory.join("other.csv");
    fs::write(&file, "a,b,c\n1,2,3\n").unwrap();
    let (done, said) = import(directory, &file).await;
    assert!(!done, "{said}");
    let expected = "2 read: 0 stored, 0 already there, 2 rejected";
    assert!(said.starts_with(expected), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_and_late_records_count_in_the_windows_of_their_time() {
    let simulator = simulator(|config| config.traffic.backlog = 500).await;
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let file = dir.join("limits.toml");
    // Combos are counters, which exclude history.
    let rules = RULES.split("[[combo]]").next().unwrap();
    fs::write(&file, format!("{rules}{DAYS}")).unwrap();
    let flags = ["--limits.file", file.to_str().unwrap()];
    let exporter = Exporter::start(&simulator, dir, &flags).await;
    let agree = |events: f64| {
        move |page: &Samples| {
            page.get("cpa_store_events") == Some(&events) && windows_agree(page, dir)
        }
    };
    let all_counted = |page: &Samples| agree(500.0)(page) && counted(page) == stored(dir);
    let before = exporter.when("the first 500", all_counted).await;

    // History: in the windows, in no counter.
    let all = past(3000);
    let (late, history) = all.split_at(200);
    let lines: Vec<&[u8]> = history.iter().map(|line| &line[..]).collect();
    let records = dir.join("records.jsonl");
    fs::write(&records, lines.join(&b'\n')).unwrap();
    let (done, said) = import(dir, &records).await;
    assert!(done, "{said}");
    assert!(
        said.starts_with("2800 read: 2800 stored, 0 already there"),
        "{said}"
    );
    let page = exporter.when("2800 imported", agree(3300.0)).await;
    let moved = |family: &str, limit: &str| {
        of_limit(&page, family, limit) > of_limit(&before, family, limit)
    };
    assert!(moved("cpa_quota_used", "each") && moved("cpa_quota_used", "today"));
    for budget in ["all", "today", "all paid"] {
        let spent = |page: &Samples| page[&format!("cpa_budget_spent_usd{{budget=\"{budget}\"}}")];
        assert!(spent(&page) > spent(&before), "{budget}");
    }
    assert_eq!(counted(&page), counted(&before));
    let value = |page: &Samples| sum(page, "cpa_list_value_usd_total");
    assert!(value(&page) == value(&before));
    assert_eq!(
        page["cpa_ingest_records_total"],
        before["cpa_ingest_records_total"]
    );
    let (done, said) = import(dir, &records).await;
    assert!(
        done && said.starts_with("2800 read: 0 stored, 2800 already there"),
        "{said}"
    );

    // Records that are days late in the queue: counted now, and in the window of their time.
    simulator.push_many(late.iter().cloned());
    let more = |page: &Samples| agree(3500.0)(page) && counted(page)[0] > counted(&before)[0];
    exporter.when("200 late", more).await;
    // A restart computes the same sums.
    exporter.kill();
    let exporter = Exporter::start(&simulator, dir, &flags).await;
    exporter.when("restored", agree(3500.0)).await;

    refuses_something_else(dir).await;
    exporter.when("no harm", agree(3500.0)).await;
    exporter.terminate().await;
}
