//! Markers in all that is secret or personal: records, whole and damaged, credentials, configured
//! keys and the configuration. No output, file or log line contains one.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use cpa_exporter::http_client::{self, Proxy, Timeouts};
use reqwest::Method;
use serde_json::Value;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::{Exporter, simulator};

/// Part of every marker.
const MARK: &str = "zqmark";
/// The management key, which the configuration holds.
const KEY: &str = "configured-zqmark-management-key";
/// The bearer token of the API, from a file.
const TOKEN: &str = "configured-zqmark-api-token";

/// Texts that are secret or personal, in records and in responses of the management API.
const SECRET: [&str; 20] = [
    "access_token_sha256",
    "account",
    "api-key",
    "api-keys",
    "api_key",
    "chatgpt_account_id",
    "client_ip",
    "email",
    "file",
    "id",
    "label",
    "name",
    "path",
    "project_id",
    "proxy-url",
    "resolved_client_ip",
    "source",
    "status_message",
    "user_agent",
    "x_forwarded_for",
];

/// Puts a marker into every text under a key of [`SECRET`], or into every text.
fn mark(value: &mut Value, key: &str, all: bool, count: &mut usize) {
    match value {
        Value::String(text) if all || SECRET.contains(&key) => {
            *count += 1;
            *text = format!("pre{count}{MARK}{count}post");
        }
        Value::Array(list) => list.iter_mut().for_each(|item| mark(item, key, all, count)),
        Value::Object(map) => {
            // The usage list has raw keys as names.
            let names: Vec<String> = map
                .keys()
                .filter(|name| name.contains('|'))
                .cloned()
                .collect();
            for name in names {
                *count += 1;
                let usage = map.remove(&name).unwrap();
                map.insert(format!("{name}{MARK}{count}"), usage);
            }
            for (name, value) in map {
                mark(value, name, all, count);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Records with markers: well-formed, of a wrong type, and without one character of their structure.
fn records(count: &mut usize) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records");
    let mut records = Vec::new();
    for file in [
        "codex",
        "oauth-claude",
        "oauth-codex",
        "compat",
        "v8-handmade",
    ] {
        let text = fs::read_to_string(folder.join(format!("{file}.jsonl"))).unwrap();
        for (number, line) in text.lines().take(12).enumerate() {
            let base: Value = serde_json::from_str(line).unwrap();
            let mut record = base.clone();
            mark(&mut record, "", false, count);
            record[format!("new{MARK}key")] = format!("new{MARK}value").into();
            record["endpoint"] = format!("POST /v1/messages?key={MARK}").into();
            record["failed"] = true.into();
            record["fail"] = serde_json::json!({ "status_code": 401, "body": format!(
                "{{\"message\":\"projects/{MARK}1: x-api-key: {MARK}2, password={MARK}3, \
                 Cookie: a={MARK}4; Token {MARK}5 #access_token={MARK}6 \u{201c}{MARK}%40example.com\u{201d}\",\
                 \"api_key\":\"{MARK}7\"}}") });
            *count += 10;
            records.push(record.to_string());
            let mut record = base;
            mark(&mut record, "", true, count);
            let whole = record.to_string();
            records.push(whole.replacen("\"latency_ms\":", "\"latency_ms\" ", 1));
            let structure = whole.match_indices(['"', ':', ',', '{', '}']);
            for (at, _) in structure.skip(number).step_by(29) {
                let damaged = format!("{}{}", &whole[..at], &whole[at + 1..]);
                if serde_json::from_str::<Value>(&damaged).is_err() {
                    records.push(damaged);
                }
            }
        }
    }
    records
}

/// A proxy in front of the simulated CPA that puts markers into what it lists.
async fn marking_proxy(cpa: SocketAddr) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let client = http_client::build(Timeouts::default(), Proxy::Never, None).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(forward(stream, cpa, client.clone()));
        }
    });
    (addr, tasks)
}

/// Answers one request. The client may close the connection early.
async fn forward(mut stream: TcpStream, cpa: SocketAddr, client: reqwest::Client) {
    let mut request = Vec::new();
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8_lossy(&request);
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    if !path.starts_with('/') {
        return;
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let call = client.request(method, format!("http://{cpa}{path}"));
    let mut lines = head.lines();
    let key = lines.find(|line| line.to_lowercase().starts_with("authorization"));
    let key = key
        .and_then(|line| line.split_once(": "))
        .map_or("", |(_, key)| key);
    let response = call.header("authorization", key).send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    let body = match serde_json::from_slice::<Value>(&body) {
        Ok(mut listed) if !path.contains("usage-queue") => {
            let original = listed.clone();
            mark(&mut listed, "", false, &mut 0);
            // The name of a compatible provider is a label.
            let providers = listed.get_mut("openai-compatibility");
            let providers = providers.and_then(Value::as_array_mut);
            for (number, provider) in providers.into_iter().flatten().enumerate() {
                provider["name"] = original["openai-compatibility"][number]["name"].clone();
            }
            listed.to_string().into_bytes()
        }
        Ok(_) | Err(_) => body.to_vec(),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nx-cpa-version: 7.2.140\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream
        .write_all(&[head.as_bytes(), &body].concat())
        .await
        .ok();
}

fn read_below(directory: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_below(&path, out);
        } else if path.is_file() {
            out.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

/// Everything that the exporter serves.
async fn pages(exporter: &Exporter) -> Vec<(String, Vec<u8>)> {
    let mut places = Vec::new();
    for (path, accept) in [
        ("/metrics", ""),
        ("/metrics", "application/openmetrics-text"),
        ("/", ""),
    ] {
        places.push((
            path.to_owned(),
            exporter.get(path, accept).await.1.into_bytes(),
        ));
    }
    for path in ["quota", "accounts"] {
        let url = format!("http://{}/api/v1/{path}", exporter.addr());
        let client = http_client::build(Timeouts::default(), Proxy::Never, None).unwrap();
        let response = client
            .get(url)
            .bearer_auth(TOKEN)
            .timeout(Duration::from_secs(30));
        let body = response.send().await.unwrap().bytes().await.unwrap();
        places.push((path.to_owned(), body.to_vec()));
    }
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn no_marker_of_any_input_is_in_any_output() {
    let simulator = simulator(|config| {
        config.management_key = KEY.to_owned();
        config.traffic.accounts = 38;
    })
    .await;
    simulator.generate(200);
    let (proxy, _tasks) = marking_proxy(simulator.addr()).await;
    let dir = tempdir().unwrap();
    let (data, token) = (dir.path().join("data"), dir.path().join("token"));
    fs::write(&token, TOKEN).unwrap();
    let flags = [
        ["--cpa.mode", "http"],
        ["--cpa.http-poll-interval", "500ms"],
        ["--log.level", "trace"],
        ["--web.api-token-file", token.to_str().unwrap()],
        ["--quota.timeout", "1s"],
    ];
    let env = [("CPA_MANAGEMENT_KEY", KEY)];
    let exporter =
        Exporter::start_at(&format!("http://{proxy}"), &env, &data, &flags.concat()).await;
    let mut count = 0;
    let records = records(&mut count);
    let all = (records.len() + 200) as f64;
    simulator.push_many(records);
    let done = |page: &crate::harness::Samples| page.get("cpa_ingest_records_total") == Some(&all);
    let page = exporter.when("all records", done).await;
    let rejects = page
        .iter()
        .filter(|(name, _)| name.starts_with("cpa_ingest_rejects_total{"));
    let rejects: f64 = rejects.map(|(_, value)| value).sum();
    assert!(
        rejects > 100.0 && count > 1_898,
        "{rejects} rejects, {count} markers"
    );
    exporter
        .when("accounts", |page| {
            page.keys()
                .any(|name| name.starts_with("cpa_account_info{"))
        })
        .await;
    let mut places = pages(&exporter).await;
    read_below(&data, &mut places);
    let log = exporter.terminate().await.1;
    places.push(("log".to_owned(), log.into_bytes()));
    read_below(&data, &mut places);
    nowhere(&places);
}

fn nowhere(places: &[(String, Vec<u8>)]) {
    for (place, bytes) in places {
        let text = String::from_utf8_lossy(bytes);
        let at = text.find(MARK);
        let around = text.get(text.floor_char_boundary(at.unwrap_or(0).saturating_sub(200))..);
        let around: String = around.unwrap_or_default().chars().take(300).collect();
        assert_eq!(at, None, "a marker is in {place}: {around}");
    }
}
