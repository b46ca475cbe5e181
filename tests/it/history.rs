//! History: imports, backfill to Prometheus, and unchanged live counters.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use cpa_exporter::model::UnixNanos;
use cpa_exporter::simulator::{Clock, History, SimulatorConfig};
use tempfile::tempdir;

use crate::harness::{
    DEADLINE, Exporter, Samples, command, count, counted, eventually, samples, simulator, stored,
};
use crate::prometheus::{Process, free_port, program, query};

/// A midnight weeks ago, so that Prometheus does not treat any of it as recent.
pub(crate) const END: UnixNanos = UnixNanos::from_millis(1_794_960_000_000);
pub(crate) const DAY: std::time::Duration = std::time::Duration::from_hours(24);

pub(crate) fn records(records: u64, span: std::time::Duration) -> Vec<bytes::Bytes> {
    records_of(16, records, span)
}

pub(crate) fn records_of(
    accounts: usize,
    records: u64,
    span: std::time::Duration,
) -> Vec<bytes::Bytes> {
    let mut config = SimulatorConfig {
        clock: Clock::new(|| END),
        ..SimulatorConfig::default()
    };
    config.traffic.records = Some(records);
    config.traffic.accounts = accounts;
    History::new(config, span).collect()
}

pub(crate) fn run(directory: &Path, arguments: &[&str], input: &[bytes::Bytes]) -> Output {
    let mut child = command(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for line in input {
        // A refused command must not read its input.
        if stdin
            .write_all(line)
            .and_then(|()| stdin.write_all(b"\n"))
            .is_err()
        {
            break;
        }
    }
    drop(stdin);
    child.wait_with_output().unwrap()
}

pub(crate) fn import(directory: &Path, input: &[bytes::Bytes]) -> String {
    let output = run(directory, &["import", "-"], input);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Counters with backfill.
fn traffic(page: &Samples) -> BTreeMap<String, f64> {
    let families = [
        "cpa_request",
        "cpa_tokens",
        "cpa_client_request",
        "cpa_client_tokens",
        "cpa_token_quality",
        "cpa_account_request",
        "cpa_list_value_usd_total",
        "cpa_cost_usd_total",
        "cpa_client_list_value_usd_total",
        "cpa_client_cost_usd_total",
        "cpa_unpriced",
    ];
    let of_traffic = |name: &str| families.iter().any(|family| name.starts_with(family));
    let all = page.iter().filter(|(name, _)| of_traffic(name));
    all.map(|(name, value)| (name.clone(), *value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_history_is_stored_and_changes_no_counter() {
    let simulator = simulator(|config| config.traffic.backlog = 300).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter
        .when("300", |s| s.get("cpa_store_events") == Some(&300.0))
        .await;
    let past = records(500, DAY);
    // Every series has been incremented.
    let want = stored(dir.path());
    let before = exporter.when("counted", |s| counted(s) == want).await;
    exporter.terminate().await;

    let said = import(dir.path(), &past);
    assert!(
        said.starts_with("500 read: 500 stored, 0 already there, 0 rejected; from "),
        "{said}"
    );
    let said = import(dir.path(), &past);
    assert!(
        said.starts_with("500 read: 0 stored, 500 already there"),
        "{said}"
    );
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    let after = exporter
        .when("800", |s| s.get("cpa_store_events") == Some(&800.0))
        .await;
    assert_eq!(traffic(&after), traffic(&before));
    // New records are counted, and the imported ones are not counted a second time.
    simulator.generate(10);
    simulator.push_many(past.iter().take(20).cloned());
    let grown = exporter
        .when("10 more", |s| {
            s.get("cpa_store_events") == Some(&810.0) && s["cpa_ingest_duplicates_total"] == 20.0
        })
        .await;
    assert_eq!(
        grown["cpa_ingest_records_total"],
        before["cpa_ingest_records_total"] + 30.0
    );
}

fn sum_requests(page: &Samples) -> f64 {
    crate::harness::sum(page, "cpa_requests_total")
}

#[tokio::test(flavor = "multi_thread")]
async fn replayed_rejects_of_an_import_stay_history() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let past = records(3, DAY);
    let mut input = past.clone();
    input.push(b"{\"timestamp\":\"never\"}".to_vec().into());
    let output = run(dir.path(), &["import", "-"], &input);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with("4 read: 3 stored, 0 already there, 1 rejected"),
        "{said}"
    );
    // A later version decodes it.
    let conn = rusqlite::Connection::open(dir.path().join("cpa-exporter.db")).unwrap();
    let record = records(4, DAY)[3].to_vec();
    conn.execute("UPDATE reject SET payload = ?1", [record])
        .unwrap();
    drop(conn);
    let output = run(dir.path(), &["rejects", "replay"], &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        said,
        "0 are replayed at the next start, 1 of an import became history, 0 still cannot be decoded\n"
    );
    assert_eq!(count(dir.path(), "SELECT count(*) FROM event"), 4);
    assert_eq!(count(dir.path(), "SELECT count(*) FROM reject"), 0);
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    let page = exporter
        .when("4", |s| s.get("cpa_store_events") == Some(&4.0))
        .await;
    assert_eq!(sum_requests(&page), 0.0);
    let nonsense = vec![bytes::Bytes::from_static(b"a,b,c")];
    let elsewhere = tempdir().unwrap();
    let output = run(elsewhere.path(), &["import", "-"], &nonsense);
    assert_eq!(output.status.code(), Some(1), "nothing in it was a record");
}

/// The last but one sample of every series; the last one is the return to zero.
fn past(text: &str) -> BTreeMap<String, f64> {
    let mut series: BTreeMap<String, (f64, Vec<f64>)> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (rest, time) = line.rsplit_once(' ').unwrap();
        let (name, value) = rest.rsplit_once(' ').unwrap();
        let (time, value): (f64, f64) = (time.parse().unwrap(), value.parse().unwrap());
        let (last, values) = series.entry(name.to_owned()).or_insert((0.0, Vec::new()));
        assert!(time > *last, "{name} goes back in time at {time}");
        *last = time;
        values.push(value);
    }
    let last = series.into_iter().map(|(name, (_, values))| {
        assert!(values.len() >= 3, "{name}: {values:?}");
        assert_eq!((values[0], values[values.len() - 1]), (0.0, 0.0), "{name}");
        (name, values[values.len() - 2])
    });
    last.collect()
}

/// The live counters of some records equal the backfill of the same records after an import: names,
/// labels, buckets and sums.
#[tokio::test(flavor = "multi_thread")]
async fn backfilled_samples_equal_those_of_live_counters() {
    let all = records(3000, 3 * DAY);
    let (importing, counting) = (tempdir().unwrap(), tempdir().unwrap());
    import(importing.path(), &all);
    let output = run(importing.path(), &["backfill"], &[]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("# EOF\n"));
    let past = past(&text);
    assert!(
        past.keys()
            .any(|name| name.starts_with("cpa_request_failures_total"))
    );
    for family in ["cpa_cost_usd_total", "cpa_unpriced_tokens_total"] {
        assert!(crate::harness::sum(&past, family) > 0.0, "{family}");
    }

    // Label values that share a label share a series, and no series decreases.
    let few = [
        "backfill",
        "--metrics.caps.model",
        "2",
        "--metrics.caps.code",
        "1",
    ];
    let output = run(importing.path(), &few, &[]);
    let capped = self::past(std::str::from_utf8(&output.stdout).unwrap());
    assert!(capped.len() < past.len());
    let requests = |of: &Samples| crate::harness::sum(of, "cpa_requests_total");
    assert_eq!(requests(&capped), requests(&past));
    let others = |name: &str| capped.keys().any(|key| key.contains(name));
    assert!(others("model=\"other\"") && others("code=\"other\""));

    // With the same hash key, so that clients have the same names.
    let key = importing.path().join("hash.key");
    std::fs::copy(key, counting.path().join("hash.key")).unwrap();
    let simulator = simulator(|_| {}).await;
    let exporter = Exporter::start(&simulator, counting.path(), &[]).await;
    exporter.ready().await;
    simulator.push_many(all);
    let counted = |page: &Samples| {
        let page = traffic(page);
        page.len() == past.len()
            && page.iter().all(|(name, value)| {
                let past = past.get(name).copied();
                past.is_some_and(|past| (past - value).abs() < 1e-9 * value.max(1.0))
            })
    };
    exporter
        .when("the counters say what the past says", counted)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn increase_over_a_day_of_history_equals_the_sum() {
    if program("promtool").is_none() || program("prometheus").is_none() {
        return;
    }
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    import_and_convert(&data, dir.path());
    let (_prometheus, base) = start_on(dir.path());
    let ask = async |promql: &str, at: i64| {
        let path = format!("/api/v1/query?query={promql}&time={at}");
        let what = format!("{promql} at {at}, within {DEADLINE:?}");
        let answer = eventually(&what, async || {
            let answer = query(&base, &path).await?;
            (answer["status"] == "success").then_some(answer)
        })
        .await;
        let value = answer["data"]["result"][0]["value"][1].as_str();
        value.map_or(0.0, |value| value.parse().unwrap())
    };
    let end = END.as_millis() / 1000;
    let sql = |what: &str, day: i64| {
        let (from, to) = (
            (end - 86_400 * (day + 1)) * 1_000_000_000,
            (end - 86_400 * day) * 1_000_000_000,
        );
        let sql =
            format!("SELECT {what} FROM event WHERE ts >= {from} AND ts < {to} AND flags & 2 = 0");
        count(&data, &sql) as f64
    };
    for day in 0..2 {
        let at = end - 86_400 * day;
        // Newer versions exclude the start of a range and extrapolate before its first sample, so
        // the sums are only almost equal.
        let requests = ask(
            "sum(increase(cpa_requests_total%7Bjob=%22cpa%22%7D[1d]))",
            at,
        )
        .await;
        assert_close(requests, sql("count(*)", day), "requests");
        let duration = ask("sum(increase(cpa_request_duration_seconds_count[1d]))", at).await;
        assert_close(duration, sql("sum(flags & 1 = 0)", day), "durations");
        let tokens = ask(
            "sum(increase(cpa_tokens_total%7Bkind=%22output%22%7D[1d]))",
            at,
        )
        .await;
        assert_close(tokens, sql("sum(output)", day), "output tokens");
        // Thousandths of a dollar.
        let value = ask("1000 * sum(increase(cpa_list_value_usd_total[1d]))", at).await;
        let stored = sql("sum(coalesce(value_nano, 0))", day) / 1e6;
        assert_close(value, stored, "list value");
        // Grouped by the other labels, the same.
        let by_client = "1000 * sum(increase(cpa_client_list_value_usd_total[1d]))";
        assert_close(ask(by_client, at).await, stored, "clients' list value");
    }
}

/// A Prometheus without targets, on the blocks in `tsdb`.
pub(crate) fn start_on(dir: &Path) -> (Process, String) {
    let config = dir.join("prometheus.yml");
    std::fs::write(&config, "global: {}\n").unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("tsdb").display()
        ))
        .arg("--storage.tsdb.retention.time=10y")
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Process(child), format!("http://{address}"))
}

fn assert_close(got: f64, want: f64, what: &str) {
    assert!(want > 100.0, "{what}: {want}");
    assert!(
        (got - want).abs() <= want * 0.002,
        "{what}: increase() says {got}, SQL {want}"
    );
}

/// Two days of history as TSDB blocks in `tsdb`.
fn import_and_convert(data: &Path, directory: &Path) {
    import(data, &records_of(2, 1000, 2 * DAY));
    let text = directory.join("past.om");
    let to = "2026-11-18T00:00:00Z";
    let arguments = [
        "backfill",
        "--to",
        to,
        "--out",
        text.to_str().unwrap(),
        "--label",
        "job=cpa",
        "--label",
        "instance=127.0.0.1:10317",
    ];
    let output = run(data, &arguments, &[]);
    assert!(output.status.success(), "{output:?}");
    let promtool = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&text, &directory.join("tsdb")])
        .output()
        .unwrap();
    assert!(promtool.status.success(), "{promtool:?}");
    let page = std::fs::read_to_string(&text).unwrap();
    let page: String = page
        .lines()
        .filter(|line| line.contains("_total{"))
        .take(1)
        .collect();
    let first = samples(page.rsplit_once(' ').unwrap().0);
    assert!(
        first
            .keys()
            .all(|name| name.contains("job=\"cpa\",instance=\"127.0.0.1:10317\""))
    );
}
