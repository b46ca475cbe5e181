//! Sums over the captured files, against plain sums and against the upstream's own log.

mod deviations;

use std::collections::BTreeMap;

use cpa_exporter_core::model::{Event, TokenQuality};
use serde_json::Value;

use self::deviations::DEVIATIONS;
use super::support::{FILES, event, fixture, json, records, secrets};

/// Provider, model, account, stored form of the client's key.
type Cell = (String, String, String, String);

/// Requests, failures, tokens by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    requests: u64,
    failures: u64,
    tokens: [u64; 6],
}

fn sums(events: &[Event<'_>]) -> BTreeMap<Cell, Sums> {
    let mut cells: BTreeMap<Cell, Sums> = BTreeMap::new();
    for event in events {
        let client = event.client.as_ref().map(ToString::to_string);
        let cell = (
            event.provider.to_string(),
            event.model.to_string(),
            event.auth_index.to_string(),
            client.unwrap_or_default(),
        );
        let sums = cells.entry(cell).or_default();
        sums.requests += 1;
        sums.failures += u64::from(!event.is_success());
        for (sum, count) in sums.tokens.iter_mut().zip(event.tokens.by_kind()) {
            *sum += count;
        }
    }
    cells
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_default()
}

fn cell(value: &Value) -> Cell {
    let client = match text(value, "client_key").as_str() {
        "" => String::new(),
        key => secrets().masked(key).to_string(),
    };
    (
        text(value, "provider"),
        text(value, "model"),
        text(value, "auth_index"),
        client,
    )
}

fn expected(file: &str) -> Value {
    json(&fixture(&format!("expected/{file}.json")))
}

/// Which flat counts contain which kinds; plain sums of flat counts are all that stands in the
/// expected files.
fn flat(provider: &str, tokens: [u64; 6]) -> [u64; 5] {
    let [input, read, write, output, reasoning, _] = tokens;
    match provider {
        "claude" => [input, read, write, output + reasoning, reasoning],
        "antigravity" | "gemini" | "gemini-interactions" | "vertex" => {
            [input + read + write, read, write, output, reasoning]
        }
        _ => [
            input + read + write,
            read,
            write,
            output + reasoning,
            reasoning,
        ],
    }
}

#[test]
fn every_captured_record_is_an_event() {
    let mut count = 0;
    for file in FILES {
        for payload in records(file) {
            event(&payload);
            count += 1;
        }
    }
    assert_eq!(count, 1130);
}

#[test]
fn sums_are_those_of_the_records() {
    for file in FILES {
        let payloads = records(file);
        let events: Vec<_> = payloads.iter().map(|p| event(p)).collect();
        let ours = sums(&events);
        let expected = expected(file);
        let mut theirs: BTreeMap<Cell, ([u64; 2], [u64; 5])> = BTreeMap::new();
        // A cell may be split further, by executor.
        for value in expected["records_cells"].as_array().unwrap() {
            let (requests, flat) = theirs.entry(cell(value)).or_default();
            for (sum, key) in requests.iter_mut().zip(["records", "failed"]) {
                *sum += number(value, key);
            }
            let keys = [
                "input_tokens",
                "cache_read_tokens",
                "cache_creation_tokens",
                "output_tokens",
                "reasoning_tokens",
            ];
            for (sum, key) in flat.iter_mut().zip(keys) {
                *sum += number(value, key);
            }
        }
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>()
        );
        for (cell, sums) in ours {
            let (requests, mut tokens) = theirs[&cell];
            beside(file, &cell, &mut tokens);
            assert_eq!([sums.requests, sums.failures], requests, "{file} {cell:?}");
            assert_eq!(flat(&cell.0, sums.tokens), tokens, "{file} {cell:?}");
        }
        // The totals of ws stand nowhere but in its cells.
        if file != "ws" {
            let totals = &expected["records_totals"];
            assert_eq!(number(totals, "records"), events.len() as u64);
            let failures = events.iter().filter(|e| !e.is_success()).count();
            assert_eq!(number(totals, "failed"), failures as u64);
            let total: u64 = events.iter().map(|e| e.tokens.total()).sum();
            // The total of one record leaves out its cache of 500 tokens.
            let left_out = if file == "compat" { 500 } else { 0 };
            assert_eq!(total, number(totals, "total_tokens") + left_out, "{file}");
        }
    }
}

/// Two records of compatible upstreams count a part beside its whole: reasoning of 50 with 20 tokens
/// of output, 500 cached tokens with an input of 10. The flat counts of others include the part.
fn beside(file: &str, cell: &Cell, flat: &mut [u64; 5]) {
    let key = |key: &str| secrets().masked(key).to_string();
    if file != "compat" || cell.1 != "deep-chat-v3" {
        return;
    }
    if cell.2 == "630a6a994884f777" && cell.3 == key("ck-ci-β-03") {
        flat[3] += 50;
    }
    if cell.2 == "61f7261ab7d6200f" && cell.3 == key("ck-dashboard-04") {
        flat[0] += 500;
    }
}

/// What the upstream counted: nothing is ever unclassified to it.
fn upstream_tokens(value: &Value) -> [u64; 6] {
    [
        "tokens_input_uncached",
        "tokens_cache_read",
        "tokens_cache_creation",
        "tokens_output_without_reasoning",
        "tokens_reasoning",
        "",
    ]
    .map(|key| number(value, key))
}

#[test]
fn tokens_are_those_of_the_upstream_but_for_known_defects() {
    let mut used = 0;
    for file in FILES.into_iter().filter(|file| *file != "ws") {
        let payloads = records(file);
        let events: Vec<_> = payloads.iter().map(|p| event(p)).collect();
        let ours = sums(&events);
        let mut theirs: BTreeMap<Cell, [u64; 6]> = BTreeMap::new();
        for value in expected(file)["upstream_cells"].as_array().unwrap() {
            let mut cell = cell(value);
            if cell.0 == "openai-compatible-localkeyless" {
                // The upstream saw no key from which to tell the account.
                "9ed9f76d5fb8cf7c".clone_into(&mut cell.2);
            }
            for (sum, count) in theirs
                .entry(cell)
                .or_default()
                .iter_mut()
                .zip(upstream_tokens(value))
            {
                *sum += count;
            }
        }
        // Token counting names no model and leaves no record.
        theirs.retain(|cell, _| !cell.1.is_empty());
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>(),
            "{file}"
        );
        for (cell, sums) in &ours {
            let known = DEVIATIONS.iter().find(|known| {
                (known.0, known.1, known.2) == (file, cell.1.as_str(), cell.2.as_str())
                    && secrets().masked(known.3).to_string() == cell.3
            });
            used += usize::from(known.is_some());
            let (allowed, why) = known.map_or(([0; 6], "no deviation is known"), |k| (k.4, k.5));
            let differs: Vec<_> = sums
                .tokens
                .iter()
                .zip(theirs[cell])
                .map(|(ours, theirs)| ours.cast_signed() - theirs.cast_signed())
                .collect();
            assert_eq!(differs, allowed, "{file} {cell:?}: {why}");
        }
    }
    assert_eq!(used, DEVIATIONS.len());
}

#[test]
fn requests_are_those_of_the_upstream_but_for_explained_ones() {
    for file in FILES.into_iter().filter(|file| *file != "ws") {
        let expected = expected(file);
        let deviations = expected["deviations"].as_array().unwrap();
        let explained = |what: &str| deviations.iter().filter(|d| d["what"] == what).count() as u64;
        let upstream = number(&expected["upstream_totals"], "upstream_requests")
            + explained("record_without_upstream_answer")
            + explained("second_record_for_one_upstream_answer")
            - explained("upstream_request_without_record");
        let payloads = records(file);
        assert_eq!(payloads.len() as u64, upstream, "{file}");
        // Each record that is named has the outcome and the account that the capture says.
        for deviation in deviations.iter().filter(|d| d["line"].is_u64()) {
            let line = usize::try_from(number(deviation, "line")).unwrap();
            let event = event(&payloads[line - 1]);
            assert_eq!(
                event.auth_index,
                text(deviation, "auth_index"),
                "{file} {line}"
            );
            let status = event.failure.as_ref().map_or(200, |f| u64::from(f.status));
            assert_eq!(status, number(deviation, "status"), "{file} {line}");
            assert_eq!(Some(!event.is_success()), deviation["failed"].as_bool());
        }
    }
}

/// The file of upstream websockets is counted by turns, without accounts.
#[test]
fn websocket_turns_are_those_of_the_upstream_but_for_a_prewarm() {
    /// Tokens of one prewarm turn, which left no record.
    const PREWARM: u64 = 4;
    let expected = expected("ws");
    let payloads = records("ws");
    let mut ours: BTreeMap<(String, String), [u64; 6]> = BTreeMap::new();
    for event in payloads.iter().map(|p| event(p)) {
        let client = event
            .client
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let sums = ours
            .entry((event.provider.to_string(), client))
            .or_default();
        for (sum, count) in sums.iter_mut().zip(event.tokens.by_kind()) {
            *sum += count;
        }
    }
    let alice = secrets().masked("ck-alice-01").to_string();
    let mut cells = 0;
    for value in expected["upstream_cells"].as_array().unwrap() {
        let (provider, _, _, client) = cell(value);
        if !client.is_empty() {
            let mut theirs = upstream_tokens(value);
            let has_prewarm = provider == "xai" && client == alice;
            theirs[0] -= if has_prewarm { PREWARM } else { 0 };
            assert_eq!(ours[&(provider, client)], theirs, "{value}");
            cells += 1;
        }
    }
    assert_eq!(cells, ours.len());
    let total = |key: &str, provider: &str| number(&expected[key], provider);
    let (by_upstream, by_records) = (
        "total_tokens_upstream_by_provider",
        "total_tokens_records_by_provider",
    );
    for (provider, prewarm) in [("codex", 0), ("xai", PREWARM)] {
        let sum: u64 = ours
            .iter()
            .filter(|(cell, _)| cell.0 == provider)
            .flat_map(|(_, tokens)| tokens)
            .sum();
        assert_eq!(sum, total(by_records, provider));
        assert_eq!(sum + prewarm, total(by_upstream, provider));
    }
}

#[test]
fn qualities_are_those_of_the_capture() {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for file in FILES {
        for payload in records(file) {
            *counts.entry(event(&payload).quality.as_str()).or_default() += 1;
        }
    }
    let [complete, unclassified, inconsistent, _] = TokenQuality::ALL.map(TokenQuality::as_str);
    let expected = [(complete, 1127), (inconsistent, 2), (unclassified, 1)];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn sources_are_what_the_credentials_say() {
    for file in FILES {
        for payload in records(file) {
            let value = json(&payload);
            let source = text(&value, "source");
            let masked = (!source.is_empty()).then(|| secrets().masked(&source));
            assert_eq!(event(&payload).source, masked);
        }
    }
}
