//! The made-up records: equal seeds, true totals, and the keys of each version.

use std::collections::{BTreeMap, BTreeSet};

use cpa_exporter_core::model::Tokens;
use cpa_exporter_simulator::{
    Counts, CpaVersion, Simulator, SimulatorConfig, Totals, TrafficConfig,
};
use serde_json::Value;

use super::support::{Client, bulks, fixtures, frames, frozen, start};

pub(super) fn config(traffic: TrafficConfig) -> SimulatorConfig {
    SimulatorConfig {
        clock: frozen(),
        traffic,
        ..SimulatorConfig::default()
    }
}

async fn pop_all(simulator: &Simulator) -> Vec<Vec<u8>> {
    let mut client = Client::authenticated(simulator.addr()).await;
    let queued = usize::try_from(simulator.totals().queued).unwrap();
    client.pop(queued).await
}

async fn records(version: CpaVersion, traffic: TrafficConfig) -> (Vec<Vec<u8>>, Totals) {
    let simulator = start(SimulatorConfig {
        version,
        ..config(traffic)
    })
    .await;
    let records = pop_all(&simulator).await;
    (records, simulator.totals())
}

pub(super) fn backlog(backlog: usize) -> TrafficConfig {
    TrafficConfig {
        backlog,
        ..TrafficConfig::default()
    }
}

#[tokio::test]
async fn equal_seeds_give_equal_records() {
    let (one, _) = records(CpaVersion::CAPTURED, backlog(500)).await;
    let (same, _) = records(CpaVersion::CAPTURED, backlog(500)).await;
    let (other, _) = records(
        CpaVersion::CAPTURED,
        TrafficConfig {
            seed: 2,
            ..backlog(500)
        },
    )
    .await;
    assert!(one == same);
    assert!(one != other);
}

/// What a record says, read by rules of its own: neither the decoder's code nor the generator's.
fn read(record: &Value) -> Tokens {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let split = &record["token_breakdown"];
    if matches!(split["quality"].as_str(), Some("complete" | "unclassified")) {
        return Tokens {
            input: count(&split["input"]["uncached_tokens"]),
            cache_read: count(&split["input"]["cache_read_tokens"]),
            cache_write: count(&split["input"]["cache_write_tokens"]),
            output: count(&split["output"]["non_reasoning_tokens"]),
            reasoning: count(&split["output"]["reasoning_tokens"]),
            unclassified: count(&split["unclassified_tokens"]),
            cache_write_1h: None,
        };
    }
    let flat = &record["tokens"];
    let (input, output) = (count(&flat["input_tokens"]), count(&flat["output_tokens"]));
    let reasoning = count(&flat["reasoning_tokens"]);
    let provider = record["provider"].as_str().unwrap();
    let mut tokens = match provider {
        "claude" => {
            let read = &flat["cache_read_tokens"];
            let read = if read.is_null() {
                &flat["cached_tokens"]
            } else {
                read
            };
            Tokens {
                input,
                cache_read: count(read),
                cache_write: count(&flat["cache_creation_tokens"]),
                output: output - reasoning,
                ..Tokens::default()
            }
        }
        "gemini" | "gemini-cli" | "vertex" | "antigravity" => Tokens {
            input: input - count(&flat["cached_tokens"]),
            cache_read: count(&flat["cached_tokens"]),
            output,
            ..Tokens::default()
        },
        _ => Tokens {
            input: input - count(&flat["cached_tokens"]),
            cache_read: count(&flat["cached_tokens"]),
            // The total proves that reasoning is counted on top.
            output: if count(&flat["total_tokens"]) == input + output + reasoning {
                output
            } else {
                output - reasoning
            },
            ..Tokens::default()
        },
    };
    tokens.reasoning = reasoning;
    tokens.unclassified = count(&flat["total_tokens"]).saturating_sub(tokens.total());
    tokens
}

fn sum<K: Ord>(records: &[Value], key: impl Fn(&Value) -> K) -> BTreeMap<K, Counts> {
    let mut sums: BTreeMap<K, Counts> = BTreeMap::new();
    for record in records {
        let counts = sums.entry(key(record)).or_default();
        counts.requests += 1;
        counts.failures += u64::from(record["failed"].as_bool().unwrap());
        let (sum, one) = (&mut counts.tokens, read(record));
        sum.input += one.input;
        sum.cache_read += one.cache_read;
        sum.cache_write += one.cache_write;
        sum.output += one.output;
        sum.reasoning += one.reasoning;
        sum.unclassified += one.unclassified;
    }
    sums
}

fn text(record: &Value, key: &str) -> String {
    record[key].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn totals_are_the_sum_of_the_records() {
    let versions = [(7, 2, 74), (7, 2, 100), (7, 2, 140), (8, 0, 3), (8, 0, 20)];
    for (major, minor, patch) in versions {
        let version = CpaVersion::new(major, minor, patch);
        let traffic = TrafficConfig {
            accounts: 40,
            models: 4,
            clients: 9,
            ..backlog(3_000)
        };
        let (records, totals) = records(version, traffic).await;
        assert_eq!(totals.popped.records, 3_000);
        let bytes: usize = records.iter().map(Vec::len).sum();
        assert_eq!(totals.popped.bytes, bytes as u64);
        let records: Vec<Value> = records
            .iter()
            .map(|record| serde_json::from_slice(record).unwrap())
            .collect();
        let series = sum(&records, |record| {
            let key = |name| text(record, name);
            (key("provider"), key("model"), key("auth_index"))
        });
        let told = totals.series.iter().map(|one| {
            assert_eq!(one.produced, one.handed_out);
            let key = (
                one.provider.clone(),
                one.model.clone(),
                one.auth_index.clone(),
            );
            (key, one.handed_out)
        });
        assert_eq!(told.collect::<BTreeMap<_, _>>(), series, "{version}");
        let clients = sum(&records, |record| text(record, "api_key"));
        let told = totals.clients.iter();
        let told = told.map(|one| (one.api_key.clone(), one.handed_out));
        assert_eq!(told.collect::<BTreeMap<_, _>>(), clients, "{version}");
    }
}

/// All keys in the order in which they are written, header names left out.
fn keys_in_order(json: &[u8]) -> Vec<String> {
    let (mut in_string, mut escaped) = (false, false);
    let (mut keys, mut word) = (Vec::new(), String::new());
    for c in std::str::from_utf8(json).unwrap().chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => {
                in_string = !in_string;
                if in_string {
                    word.clear();
                }
            }
            _ if in_string => word.push(c),
            ':' if !word.starts_with(|c: char| c.is_ascii_uppercase()) => keys.push(word.clone()),
            _ => {}
        }
    }
    // Three keys are left out where they have nothing to say.
    let optional = [
        "access_token_sha256",
        "response_headers",
        "response_service_tier",
    ];
    keys.retain(|key| !optional.contains(&key.as_str()));
    keys
}

#[tokio::test]
async fn keys_stand_in_the_captured_order() {
    let captured = std::fs::read(fixtures("resp").join("lpop_one.s2c.bin")).unwrap();
    let captured = frames(&captured)
        .iter()
        .flat_map(|frame| bulks(frame))
        .next();
    let expected = keys_in_order(&captured.expect("a record"));
    assert!(expected.len() > 40);
    let (records, _) = records(CpaVersion::CAPTURED, backlog(2_000)).await;
    for record in &records {
        assert_eq!(keys_in_order(record), expected);
    }
}

#[tokio::test]
async fn keys_come_with_their_versions() {
    let keys = async |major, minor, patch| {
        let version = CpaVersion::new(major, minor, patch);
        let (records, _) = records(version, backlog(400)).await;
        let mut all = BTreeSet::new();
        for record in records {
            let record: Value = serde_json::from_slice(&record).unwrap();
            let object = record.as_object().unwrap();
            all.extend(object.keys().cloned());
            let tokens = record["tokens"].as_object().unwrap();
            all.extend(tokens.keys().map(|key| format!("tokens.{key}")));
        }
        all
    };
    let added = |new: &BTreeSet<String>, old: &BTreeSet<String>| -> Vec<String> {
        new.difference(old).cloned().collect()
    };
    let (before, after) = (keys(7, 2, 96).await, keys(7, 2, 97).await);
    assert_eq!(
        added(&after, &before),
        ["accounting_version", "token_breakdown"]
    );
    let oldest = keys(7, 2, 74).await;
    assert_eq!(added(&before, &oldest), ["generate"]);
    assert_eq!(keys(6, 9, 38).await, oldest);
    let (newest, v8) = (keys(7, 2, 140).await, keys(8, 0, 10).await);
    assert_eq!(
        added(&v8, &newest),
        [
            "execution_id",
            "resolved_client_ip",
            "response_model",
            "stream",
            "trace_id"
        ]
    );
    assert!(added(&newest, &v8).is_empty());
}

#[tokio::test]
async fn size_pads_records() {
    let (records, _) = records(
        CpaVersion::CAPTURED,
        TrafficConfig {
            size: 4_000,
            ..backlog(500)
        },
    )
    .await;
    let mean = records.iter().map(Vec::len).sum::<usize>() / records.len();
    assert!((3_700..4_700).contains(&mean), "{mean}");
}

#[tokio::test]
async fn retries_share_a_request_and_errors_vary() {
    let (records, _) = records(CpaVersion::CAPTURED, backlog(5_000)).await;
    let records: Vec<Value> = records
        .iter()
        .map(|record| serde_json::from_slice(record).unwrap())
        .collect();
    let retried = records.windows(2).filter(|pair| {
        pair[0]["request_id"] == pair[1]["request_id"]
            && pair[0]["failed"] == true
            && pair[0]["auth_index"] != pair[1]["auth_index"]
    });
    assert!(retried.count() > 10);
    let statuses: BTreeSet<u64> = records
        .iter()
        .map(|record| record["fail"]["status_code"].as_u64().unwrap())
        .collect();
    assert!(statuses.is_superset(&BTreeSet::from([200, 401, 429, 499, 500, 502, 503])));
}
