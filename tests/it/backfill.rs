//! Backfilled blocks in a real Prometheus.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::harness::{database, eventually};
use crate::history::{DAY, END, import, records_of, run, start_on};
use crate::prometheus::{program, query};

/// `backfill --blocks` writes the samples of one scrape a minute: the increases over bars of any
/// length sum to the stored total, and each bar has exactly its own.
#[tokio::test(flavor = "multi_thread")]
async fn increase_in_bars_of_every_length_equals_the_sum() {
    if program("promtool").is_none() || program("prometheus").is_none() {
        return;
    }
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    import(&data, &records_of(2, 1000, 2 * DAY));
    write_blocks(&data, &dir.path().join("tsdb"));
    let (_prometheus, base) = start_on(dir.path());
    let families = [
        ("cpa_requests_total", "count(*)", "flags & 2 = 0"),
        ("cpa_client_requests_total", "count(*)", "flags & 2 = 0"),
        (
            "cpa_request_duration_seconds_count",
            "count(*)",
            "flags & 3 = 0",
        ),
        (
            "cpa_request_duration_seconds_bucket{le=\"+Inf\"}",
            "count(*)",
            "flags & 3 = 0",
        ),
        ("cpa_tokens_total{kind=\"output\"}", "sum(output)", "1"),
        (
            "cpa_list_value_usd_total",
            "sum(value_nano) / 1e9",
            "value_nano IS NOT NULL",
        ),
    ];
    let end = END.as_millis() / 1000;
    for (seconds, bar) in [(300, "5m"), (900, "15m"), (3600, "1h"), (86_400, "1d")] {
        for (series, what, filter) in families {
            let promql = format!("sum(increase({series}[{bar}]))");
            let times = (end - 2 * 86_400 + seconds, end);
            let bars = range(&base, &promql, times, seconds).await;
            let sql = format!(
                "SELECT CAST((ts - 1) / ({seconds} * 1000000000) + 1 AS INTEGER) * {seconds}, {what} \
                 FROM event WHERE {filter} GROUP BY 1"
            );
            assert_bars_equal(&promql, &bars, &bars_of(&data, &sql));
        }
    }
}

/// Writes the same blocks twice, which must equal once; promtool reads them.
fn write_blocks(data: &Path, tsdb: &Path) {
    let tsdb = tsdb.to_str().unwrap();
    let to = "2026-11-18T00:00:00Z";
    let mut names = Vec::new();
    for _ in 0..2 {
        let output = run(data, &["backfill", "--to", to, "--blocks", tsdb], &[]);
        assert!(output.status.success(), "{output:?}");
        let entries = std::fs::read_dir(tsdb).unwrap();
        let mut found: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        found.sort();
        names.push(found);
    }
    assert_eq!(names[0], names[1]);
    assert!(!names[0].is_empty());
    let analyzed = Command::new("promtool")
        .args(["tsdb", "analyze", tsdb])
        .output()
        .unwrap();
    assert!(analyzed.status.success(), "{analyzed:?}");
}

fn assert_bars_equal(promql: &str, bars: &BTreeMap<i64, f64>, stored: &BTreeMap<i64, f64>) {
    // Newer versions exclude the start of a range, so that a bar has one interval less and is
    // extrapolated; the sum of all bars is still right.
    let exact = version_of("prometheus").starts_with("2.");
    let near = if exact { 1e-6 } else { 0.03 };
    let (found, want): (f64, f64) = (bars.values().sum(), stored.values().sum());
    assert!(want > 1.0, "{promql}: {want}");
    let message = format!("{promql}: {found}, SQL {want}");
    assert!((found - want).abs() <= near * want, "{message}");
    for (time, want) in stored.iter().filter(|_| exact) {
        let found = bars.get(time).copied().unwrap_or(0.0);
        let message = format!("{promql} at {time}: {found}, SQL {want}");
        assert!((found - want).abs() <= 1e-6 * want.max(1.0), "{message}");
    }
}

fn version_of(program: &str) -> String {
    let output = Command::new(program).arg("--version").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    let version = said.split("version ").nth(1).unwrap();
    version.split_whitespace().next().unwrap().to_owned()
}

/// Values of a query by their time.
async fn range(base: &str, promql: &str, times: (i64, i64), step: i64) -> BTreeMap<i64, f64> {
    let query_text: String = url::form_urlencoded::byte_serialize(promql.as_bytes()).collect();
    let (start, end) = times;
    let path =
        format!("/api/v1/query_range?query={query_text}&start={start}&end={end}&step={step}");
    let answer = eventually(promql, async || {
        let answer = query(base, &path).await?;
        (answer["status"] == "success").then_some(answer)
    })
    .await;
    let values = answer["data"]["result"][0]["values"].as_array();
    let values = values.into_iter().flatten().map(|sample| {
        let value = sample[1].as_str().unwrap();
        (sample[0].as_i64().unwrap(), value.parse().unwrap())
    });
    values.collect()
}

fn bars_of(data: &Path, sql: &str) -> BTreeMap<i64, f64> {
    let conn = database(data);
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}
