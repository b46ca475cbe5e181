//! Records captured from real CPAs, with changed times and ids so that each is unique.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use cpa_exporter::simulator::{Simulator, SimulatorConfig};
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use tokio::runtime::Runtime;

/// A simulated CPA in this process with a queue of captured records.
#[derive(Debug)]
pub(super) struct Captured {
    simulator: Simulator,
    records: u64,
    /// Keeps the simulator's tasks running.
    _runtime: Runtime,
}

impl Captured {
    /// `None` without captured records.
    pub(super) fn start(directory: &Path, at_least: u64) -> Result<Option<Self>> {
        let Ok(files) = fs::read_dir(directory) else {
            return Ok(None);
        };
        let mut originals = Vec::new();
        for file in files {
            let path = file?.path();
            if path.extension().is_some_and(|x| x == "jsonl") {
                for line in fs::read_to_string(path)?.lines() {
                    originals.push(serde_json::from_str::<Value>(line)?);
                }
            }
        }
        // In the order of a queue.
        originals.sort_by_key(|record| {
            let time = record.get("timestamp").and_then(Value::as_str);
            time.and_then(|time| time.parse::<Timestamp>().ok())
        });
        let runtime = Runtime::new()?;
        let simulator = runtime.block_on(Simulator::start(SimulatorConfig {
            retention: Duration::from_hours(1),
            ..SimulatorConfig::default()
        }))?;
        let mut records = 0;
        for round in 0.. {
            if records >= at_least || originals.is_empty() {
                break;
            }
            for original in &originals {
                let payload = Bytes::from(changed(original, round)?);
                simulator.push(payload);
                records += 1;
            }
        }
        Ok((records > 0).then_some(Self {
            simulator,
            records,
            _runtime: runtime,
        }))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.simulator.addr()
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }
}

/// The record with its times moved by some minutes.
fn changed(original: &Value, round: i64) -> Result<Vec<u8>> {
    let mut record = original.clone();
    let fields = record.as_object_mut().context("no record")?;
    if let Some(Value::String(time)) = fields.get_mut("timestamp") {
        let later = time.parse::<Timestamp>()? + (round * 10).minutes();
        *time = later.to_string();
    }
    for id in ["request_id", "execution_id"] {
        if let Some(Value::String(id)) = fields.get_mut(id) {
            *id = rotated(id, round);
        }
    }
    Ok(serde_json::to_vec(&record)?)
}

/// An id of the same form: every hex digit is shifted by a digit of `round`.
fn rotated(id: &str, round: i64) -> String {
    let mut digits = round.unsigned_abs();
    id.chars()
        .map(|c| match c.to_digit(16) {
            Some(digit) if !c.is_ascii_uppercase() => {
                let by = u32::try_from(digits % 16).unwrap_or(0);
                digits /= 16;
                char::from_digit((digit + by) % 16, 16).unwrap_or(c)
            }
            _ => c,
        })
        .collect()
}
