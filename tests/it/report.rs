//! `cpa-exporter report` against SQL over the same events.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use cpa_exporter::store::DATABASE_FILE;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::history::{DAY, import, records, run};

fn database() -> TempDir {
    let dir = tempdir().unwrap();
    import(dir.path(), &records(2000, DAY));
    dir
}

fn report(directory: &Path, arguments: &[&str]) -> Output {
    let all = [&["report", "--since", "2000-01-01"], arguments].concat();
    run(directory, &all, &[])
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    let output = report(directory, &[arguments, &["--format", "json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Requests, failures, tokens and nano-dollars of list value by the first column of `sql`.
fn truth(directory: &Path, sql: &str) -> BTreeMap<String, [u64; 4]> {
    let conn = Connection::open(directory.join(DATABASE_FILE)).unwrap();
    let sql = format!(
        "SELECT {sql}, sum(flags & 2 = 0), sum(flags & 3 = 1), sum(input + cache_read + cache_write \
         + output + reasoning + unclassified), sum(coalesce(value_nano, 0)) FROM event GROUP BY 1"
    );
    let mut statement = conn.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| {
        let sums = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
        Ok((row.get(0)?, sums))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn rows(answer: &Value, group: &str) -> BTreeMap<String, [u64; 4]> {
    let rows = answer["rows"].as_array().unwrap().iter();
    let rows = rows.map(|row| (row["group"][group].as_str().unwrap().to_owned(), sums(row)));
    rows.collect()
}

fn sums(row: &Value) -> [u64; 4] {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of nano-dollars"
    )]
    let value = (row["value_usd"].as_f64().unwrap() * 1e9).round() as u64;
    let number = |value: &Value| value.as_u64().unwrap();
    [
        number(&row["requests"]),
        number(&row["failures"]),
        number(&row["tokens"]["total"]),
        value,
    ]
}

/// The name in labels.
fn label(dimension: u8, column: &str) -> String {
    format!(
        "coalesce((SELECT coalesce(label, value) FROM dimension d WHERE dimension = {dimension} \
         AND d.id = {column}), 'none')"
    )
}

#[test]
fn groups_have_the_sums_of_sql() {
    let dir = database();
    let columns = [("model", 2), ("account", 5), ("client", 6), ("endpoint", 4)];
    for (group, dimension) in columns {
        let answer = json(dir.path(), &["--by", group]);
        let expected = truth(dir.path(), &label(dimension, group));
        assert!(expected.len() > 1, "{group}");
        assert_eq!(rows(&answer, group), expected, "{group}");
        let total = truth(dir.path(), "'all'");
        assert_eq!(sums(&answer["total"]), total["all"]);
    }
    // Nepal is at +05:45, so its days start inside an hour of UTC.
    let zone = ["--timezone", "Asia/Kathmandu"];
    let days = json(dir.path(), &[&zone[..], &["--by", "day"]].concat());
    let day = "strftime('%Y-%m-%d', ts / 1000000000, 'unixepoch', '+5 hours', '+45 minutes')";
    let expected = truth(dir.path(), day);
    assert_eq!(expected.len(), 2);
    assert_eq!(rows(&days, "day"), expected);
}

#[test]
fn two_groups_and_filters_split_the_sums_of_one() {
    let dir = database();
    let by_model = rows(&json(dir.path(), &["--by", "model"]), "model");
    let by_both = json(dir.path(), &["--by", "account,model"]);
    let mut added: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    for row in by_both["rows"].as_array().unwrap() {
        let sum = added.entry(row["group"]["model"].as_str().unwrap().to_owned());
        let sum = sum.or_default();
        for (sum, part) in sum.iter_mut().zip(sums(row)) {
            *sum += part;
        }
    }
    assert_eq!(added, by_model);
    let mut names = by_model.keys();
    let (one, other) = (names.next().unwrap(), names.next().unwrap());
    let filtered = json(dir.path(), &["--model", one, "--model", other]);
    let expected: BTreeMap<_, _> = by_model.clone().into_iter().take(2).collect();
    assert_eq!(rows(&filtered, "model"), expected);
    let top = json(dir.path(), &["--top", "1"]);
    assert_eq!(top["rows"].as_array().unwrap().len(), 1);
    assert_eq!(top["total"], by_both["total"]);
}

#[test]
fn unknown_names_and_groups_are_usage_errors() {
    let dir = database();
    let code = |arguments: &[&str]| {
        let output = report(dir.path(), arguments);
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (status, text) = code(&["--model", "gpt-0"]);
    assert_eq!(status, Some(2));
    assert!(
        text.starts_with("error: no stored event has model \"gpt-0\"; known: "),
        "{text}"
    );
    assert_eq!(code(&["--by", "modell"]).0, Some(2));
    assert_eq!(code(&["--by", "model,account,client"]).0, Some(2));
    let before = report(dir.path(), &["--until", "2001-01-01"]);
    assert!(before.status.success());
    assert_eq!(
        String::from_utf8(before.stderr).unwrap(),
        "no records in this range\n"
    );
}

fn events(directory: &Path, arguments: &[&str]) -> Vec<Value> {
    let all = [&["events", "--format", "jsonl"], arguments].concat();
    let output = run(directory, &all, &[]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn events_are_all_there_once_and_newest_first() {
    let dir = database();
    // More than one page.
    let all = events(dir.path(), &["--all"]);
    let conn = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    let sql = "SELECT ts / 1000000, latency_ms FROM event ORDER BY ts DESC, digest DESC";
    let mut statement = conn.prepare(sql).unwrap();
    let stored = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let stored: Vec<(i64, i64)> = stored.unwrap().collect::<Result<_, _>>().unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds")]
    let millis =
        |event: &Value, field: &str| (event[field].as_f64().unwrap() * 1000.0).round() as i64;
    let read = all
        .iter()
        .map(|event| (millis(event, "time"), millis(event, "latency")));
    let read: Vec<_> = read.collect();
    assert_eq!(read, stored);
    let ids: std::collections::BTreeSet<_> =
        all.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), all.len());

    assert_eq!(events(dir.path(), &[]), all[..20]);
    let failed = events(dir.path(), &["--all", "--failed"]);
    let expected: Vec<_> = all
        .iter()
        .filter(|event| event["failed"] == true)
        .cloned()
        .collect();
    assert!(!failed.is_empty());
    assert_eq!(failed, expected);
    let account = all[0]["account"].as_str().unwrap();
    let of_account = events(dir.path(), &["--last", "3", "--account", account]);
    let expected: Vec<_> = all
        .iter()
        .filter(|event| event["account"] == account)
        .take(3)
        .cloned()
        .collect();
    assert_eq!(of_account, expected);

    let csv = run(dir.path(), &["events", "--all", "--format", "csv"], &[]);
    let lines = String::from_utf8(csv.stdout).unwrap();
    assert_eq!(lines.split_terminator("\r\n").count(), all.len() + 1);
}
