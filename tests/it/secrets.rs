//! No secret of the input appears in any output.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::harness::{Exporter, simulator};

/// Values of these keys in a captured record are secrets.
fn secrets_of(record: &serde_json::Value, found: &mut BTreeSet<String>) {
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    found.insert(text("api_key"));
    found.insert(text("access_token_sha256"));
    found.insert(text("source"));
    for name in ["Set-Cookie", "Anthropic-Organization-Id"] {
        for value in record["response_headers"][name]
            .as_array()
            .into_iter()
            .flatten()
        {
            // The whole cookie; its value is the secret.
            let value = value.as_str().unwrap();
            found.insert(value.split(['=', ';']).nth(1).unwrap_or(value).to_owned());
        }
    }
}

fn captured() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records");
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|x| x == "jsonl"));
    files.sort();
    let lines = |file| {
        fs::read_to_string(file)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    files
        .into_iter()
        .flat_map(|file| -> Vec<String> { lines(file) })
        .collect()
}

/// The content of every file below the directory.
fn bytes_below(dir: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes_below(&path, out);
        } else if path.is_file() {
            out.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_record_leaks() {
    let records = captured();
    assert!(records.len() >= 1130, "{} records", records.len());
    let mut secrets = BTreeSet::new();
    for record in &records {
        secrets_of(&serde_json::from_str(record).unwrap(), &mut secrets);
    }
    let simulator = simulator(|_| {}).await;
    secrets.insert(simulator.management_key().to_owned());
    secrets.retain(|secret| secret.len() >= 4);
    assert!(secrets.len() > 30, "{secrets:?}");

    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &["--log.level", "trace"]).await;
    for (n, record) in records.iter().enumerate() {
        simulator.push(record.clone());
        // Damaged in several ways, each stored as a reject.
        match n % 5 {
            0 => simulator.push(record.get(..record.len() - 7).unwrap_or("{").to_owned()),
            1 => simulator.push(record.replace("\"latency_ms\":", "\"latency_ms\":\"x\",\"y\":")),
            2 => simulator.push(record.replace("\"timestamp\":", "\"then\":")),
            3 => simulator.push(record.replacen('"', "", 1)),
            _ => simulator.push(format!("[{record}]")),
        }
    }
    let all = 2.0 * records.len() as f64;
    exporter
        .when("all", |s| s.get("cpa_ingest_records_total") == Some(&all))
        .await;
    let mut places = vec![("text".to_owned(), exporter.page().await.into_bytes())];
    let (_, open_metrics) = exporter
        .get("/metrics", "application/openmetrics-text")
        .await;
    places.push(("openmetrics".to_owned(), open_metrics.into_bytes()));
    places.push((
        "landing page".to_owned(),
        exporter.get("/", "").await.1.into_bytes(),
    ));
    bytes_below(dir.path(), &mut places);
    let (_, log) = exporter.terminate().await;
    places.push(("log".to_owned(), log.into_bytes()));
    bytes_below(dir.path(), &mut places);
    nowhere(&places, &secrets);
}

fn nowhere(places: &[(String, Vec<u8>)], secrets: &BTreeSet<String>) {
    for (place, bytes) in places {
        for secret in secrets {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {place}");
        }
    }
}
