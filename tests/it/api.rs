//! `/api/v1` over stored records, against SQL over the same records.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "amounts and counts of some thousand records"
)]

use std::path::Path;

use cpa_exporter::simulator::Simulator;
use cpa_exporter::store::DATABASE_FILE;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::harness::{Exporter, simulator};
use crate::history::{DAY, import, records};

const RANGE: &str = "from=2000-01-01";
const RECORDS: u64 = 1500;

async fn exporter() -> (Exporter, TempDir, Simulator) {
    let dir = tempdir().unwrap();
    tokio::task::block_in_place(|| import(dir.path(), &records(RECORDS, DAY)));
    let simulator = simulator(|_| {}).await;
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    (exporter, dir, simulator)
}

async fn ask(exporter: &Exporter, path: &str) -> Value {
    let (status, _, body) = exporter.api(Method::GET, path, None).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn sql<T: rusqlite::types::FromSql>(directory: &Path, sql: &str) -> Vec<T> {
    let conn = Connection::open(directory.join(DATABASE_FILE)).unwrap();
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_agree_with_sql() {
    let (exporter, dir, _simulator) = exporter().await;
    let requests: i64 = sql(dir.path(), "SELECT sum(flags & 2 = 0) FROM event")[0];
    let tokens: i64 = sql(
        dir.path(),
        "SELECT sum(input + cache_read + cache_write + output + reasoning + unclassified) FROM event",
    )[0];
    let breakdown = ask(&exporter, &format!("breakdown?by=account,model&{RANGE}")).await;
    assert_eq!(breakdown["total"]["requests"], requests);
    assert_eq!(breakdown["total"]["tokens"]["total"], tokens);
    let summary = ask(&exporter, &format!("summary?{RANGE}")).await;
    assert_eq!(summary["current"]["requests"], requests);
    assert_eq!(summary["before"]["requests"], 0);

    let series = ask(
        &exporter,
        &format!("series?by=model&top=2&step=1h&measure=tokens&tz=Asia/Kathmandu&{RANGE}"),
    )
    .await;
    let sum = |values: &Value| -> f64 {
        let values = values.as_array().unwrap().iter();
        values.map(|value| value.as_f64().unwrap()).sum()
    };
    let rows = series["series"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let all = rows.iter().map(|row| sum(&row["values"])).sum::<f64>() + sum(&series["other"]);
    assert_eq!(all, tokens as f64);
    let days = ask(&exporter, &format!("series?step=1d&tz=UTC&{RANGE}")).await;
    let by_day: Vec<i64> = sql(
        dir.path(),
        "SELECT sum(flags & 2 = 0) FROM event GROUP BY ts / 86400000000000 ORDER BY 1",
    );
    let mut values: Vec<i64> = days["series"][0]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap() as i64)
        .filter(|value| *value > 0)
        .collect();
    values.sort_unstable();
    assert_eq!(values, by_day);

    let values = ask(&exporter, &format!("values/model?{RANGE}")).await;
    let counts = values["values"].as_array().unwrap().iter();
    let counts = counts.map(|value| value["requests"].as_i64().unwrap());
    assert_eq!(counts.sum::<i64>(), requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_in_every_order_have_each_event_once() {
    let (exporter, dir, _simulator) = exporter().await;
    for (order, column) in [
        ("time", "ts / 1000000"),
        ("latency", "latency_ms"),
        (
            "tokens",
            "input + cache_read + cache_write + output + reasoning + unclassified",
        ),
        ("value", "coalesce(value_nano, -1)"),
    ] {
        let mut all: Vec<Value> = Vec::new();
        let mut path = format!("events?limit=400&order={order}");
        loop {
            let page = ask(&exporter, &path).await;
            all.extend(page["events"].as_array().unwrap().iter().cloned());
            let Some(cursor) = page["cursor"].as_str() else {
                break;
            };
            path = format!("events?limit=400&order={order}&cursor={cursor}");
        }
        let read: Vec<i64> = all
            .iter()
            .map(|event| match order {
                "time" => (event["time"].as_f64().unwrap() * 1e3).round() as i64,
                "latency" => (event["latency"].as_f64().unwrap() * 1e3).round() as i64,
                "tokens" => event["tokens"]["total"].as_i64().unwrap(),
                _ => event["value_usd"]
                    .as_f64()
                    .map_or(-1, |usd| (usd * 1e9).round() as i64),
            })
            .collect();
        let sorted = format!("SELECT {column} FROM event ORDER BY 1 DESC");
        assert_eq!(read, sql::<i64>(dir.path(), &sorted), "{order}");
        let ids: std::collections::BTreeSet<_> =
            all.iter().map(|event| event["id"].to_string()).collect();
        assert_eq!(ids.len(), all.len());
        let id = all[7]["id"].as_str().unwrap();
        assert_eq!(ask(&exporter, &format!("events/{id}")).await, all[7]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_select_what_sql_selects() {
    let (exporter, dir, _simulator) = exporter().await;
    let count = async |query: &str| {
        let page = ask(&exporter, &format!("events?sums=true&limit=1000&{query}")).await;
        let events = page["events"].as_array().unwrap();
        let requests = page["total"]["requests"].as_i64().unwrap();
        let made = events.iter().filter(|event| event["generate"] == true);
        assert_eq!(made.count() as i64, requests, "{query}");
        events.len() as i64
    };
    let truth = |condition: &str| -> i64 {
        let text = format!("SELECT count(*) FROM event WHERE {condition}");
        sql(dir.path(), &text)[0]
    };
    let failed = count("result=failed").await;
    assert!(failed > 0);
    assert_eq!(failed, truth("flags & 1"));
    assert_eq!(
        count("result=ok&min_latency=20s").await,
        truth("flags & 1 = 0 AND latency_ms >= 20000")
    );
    let page = ask(&exporter, "events?result=failed&limit=1000").await;
    let events = page["events"].as_array().unwrap();
    let event = events.iter().find(|event| event["error"].is_string());
    let event = event.unwrap();
    let id = event["request_id"].as_str().unwrap();
    let same = ask(&exporter, &format!("events?request_id={id}")).await;
    let same = same["events"].as_array().unwrap().clone();
    assert!(same.contains(event) && same.iter().all(|it| it["request_id"] == id));
    let error = event["error"].as_str().unwrap();
    let word: String = error.chars().take(12).collect();
    let word = word.to_uppercase();
    let url = url::form_urlencoded::byte_serialize(word.as_bytes());
    let found = count(&format!("error={}", url.collect::<String>())).await;
    let with_word = events.iter().filter(|event| {
        let text = event["error"].as_str().unwrap_or_default();
        text.to_lowercase().contains(&word.to_lowercase())
    });
    assert_eq!(found, with_word.count() as i64);
    // Text is never SQL.
    assert_eq!(count("error=%27)%20OR%201%3D1--").await, 0);
    assert_eq!(count("request_id=x%27%20OR%201%3D1--").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_questions_are_problems() {
    let (exporter, _dir, _simulator) = exporter().await;
    for (path, status, detail) in [
        (
            "breakdown?colour=red",
            400,
            "there is no parameter \"colour\" here",
        ),
        (
            "breakdown?by=model,account,client",
            400,
            "parameter by: at most 2",
        ),
        (
            "breakdown?by=modell",
            400,
            "parameter by: there is no group \"modell\"",
        ),
        (
            "breakdown?range=today&from=2026-01-01",
            400,
            "parameter range: not with from or to",
        ),
        (
            "breakdown?range=1h&range=2h",
            400,
            "the parameter range is given twice",
        ),
        (
            "breakdown?model=gpt-0",
            400,
            "no stored event has model \"gpt-0\"",
        ),
        ("summary?tz=Mars/Olympus", 400, "parameter tz: "),
        ("series?step=1s", 400, "parameter step: expected one of 15m"),
        (
            "series?step=15m&from=2000-01-01&to=2200-01-01",
            400,
            "parameter step: more than 11000",
        ),
        ("events?limit=0", 400, "parameter limit: 1 to 1000"),
        (
            "events?cursor=x",
            400,
            "parameter cursor: this is no cursor",
        ),
        ("events/1-0", 404, "no such record"),
        ("values/colour", 404, "no such record"),
        ("nothing", 404, "the API has no such resource"),
    ] {
        let (found, _, body) = exporter.api(Method::GET, path, None).await;
        assert_eq!((found, &body["status"]), (status, &status.into()), "{path}");
        let text = body["detail"].as_str().unwrap();
        assert!(text.starts_with(detail), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_have_all_events() {
    let (exporter, dir, _simulator) = exporter().await;
    let events: i64 = sql(dir.path(), "SELECT count(*) FROM event")[0];
    let (status, csv) = exporter.get("/api/v1/events.csv?tz=UTC", "").await;
    assert_eq!(status, 200);
    assert_eq!(csv.split_terminator("\r\n").count() as i64, events + 1);
    let (_, lines) = exporter.get("/api/v1/events.jsonl", "").await;
    let page = ask(&exporter, "events?limit=1000").await;
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len() as i64, events);
    assert_eq!(&lines[..1000], page["events"].as_array().unwrap());
    let (status, body) = exporter.get("/api/v1/events.csv?model=gpt-0", "").await;
    assert_eq!(status, 400, "{body}");
}
