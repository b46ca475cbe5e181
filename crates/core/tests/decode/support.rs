//! Captured records and a decoder with a fixed key.

use std::path::PathBuf;

use cpa_exporter_core::decode::{Decoded, Decoder, HashKey, Reject, Secrets};
use cpa_exporter_core::model::Event;
use serde_json::Value;

/// Every file of captured records, without its ending.
pub(crate) const FILES: [&str; 16] = [
    "claude",
    "codex",
    "compat",
    "gemini",
    "interactions",
    "mixed",
    "oauth-antigravity",
    "oauth-claude",
    "oauth-codex",
    "oauth-kimi",
    "oauth-mixed",
    "oauth-vertex",
    "oauth-xai",
    "vertex",
    "ws",
    "xai",
];

pub(crate) fn secrets() -> Secrets {
    Secrets::new(HashKey([7; 16]))
}

pub(crate) fn decoder() -> Decoder {
    Decoder::new(HashKey([7; 16]))
}

/// The file at `path` below the fixtures.
pub(crate) fn fixture(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The payloads of one file.
pub(crate) fn records(file: &str) -> Vec<String> {
    let text = fixture(&format!("records/{file}.jsonl"));
    text.lines().map(str::to_owned).collect()
}

/// The payloads of all files.
pub(crate) fn all_records() -> Vec<String> {
    FILES.iter().flat_map(|file| records(file)).collect()
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[track_caller]
pub(crate) fn event(payload: &str) -> Event<'_> {
    match decoder().decode(payload.as_bytes()) {
        Decoded::Event(event) => *event,
        other => panic!("{other:?} is no event"),
    }
}

#[track_caller]
pub(crate) fn reject(payload: &[u8]) -> Reject {
    match decoder().decode(payload) {
        Decoded::Reject(reject) => reject,
        other => panic!("{other:?} is no reject"),
    }
}
