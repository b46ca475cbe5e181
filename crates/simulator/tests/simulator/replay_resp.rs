//! Every captured RESP transcript, played again: equal bytes in, equal bytes out.
//!
//! The simulator is primed with the records that the transcript holds and its clock stands still,
//! so that no byte may differ, not even in the text of a ban.

mod special;

use std::collections::VecDeque;

use cpa_exporter_simulator::{Management, Simulator, SimulatorConfig};
use serde_json::Value;

use super::support::{Client, bulks, eventually, fixtures, frames, frozen, start};

/// Played by [`alone`]: one connection, records queued beforehand or published when they appear.
const ALONE: [&str; 25] = [
    "auth_arity",
    "auth_ok",
    "auth_user_and_again",
    "auth_wrong_until_ban",
    "bad_bulk_length",
    "big_batch",
    "big_record",
    "first_byte_not_array",
    "inline_command",
    "lpop_count",
    "lpop_one",
    "management_disabled",
    "noauth",
    "noauth_until_ban",
    "pipelined",
    "pop_empty",
    "pop_errors",
    "protocol_errors",
    "rpop_is_fifo",
    "segmented_writes",
    "subscribe_errors",
    "subscribe_protocol_error",
    "subscribe_quit",
    "subscribe_usage",
    "unknown_commands",
];

/// Each has a test of its own in the module `special`.
const SPECIAL: [&str; 10] = [
    "idle_no_bytes",
    "restart.after",
    "restart.popper",
    "restart.subscriber",
    "statistics_off_then_on",
    "subscriber_and_popper.popper",
    "subscriber_and_popper.subscriber",
    "subscriber_overflow",
    "two_subscribers.a",
    "two_subscribers.b",
];

struct Transcript {
    events: Vec<Value>,
    c2s: Vec<u8>,
    s2c: Vec<u8>,
}

impl Transcript {
    fn load(name: &str) -> Self {
        let read = |suffix: &str| {
            let path = fixtures("resp").join(format!("{name}{suffix}"));
            std::fs::read(&path).expect("a transcript")
        };
        let json: Value = serde_json::from_slice(&read(".json")).unwrap();
        Self {
            events: json["events"].as_array().unwrap().clone(),
            c2s: read(".c2s.bin"),
            s2c: read(".s2c.bin"),
        }
    }

    /// Records that were popped, in order; messages of a subscription are not among them.
    fn popped(&self) -> Vec<Vec<u8>> {
        let frames = frames(&self.s2c);
        let is_message = |frame: &&Vec<u8>| bulks(frame).first().is_some_and(|b| b == b"message");
        let pops = frames.iter().filter(|frame| !is_message(frame));
        let bulks = pops.flat_map(|frame| bulks(frame));
        bulks.filter(|bulk| bulk.starts_with(b"{")).collect()
    }

    fn messages(&self) -> Vec<Vec<u8>> {
        frames(&self.s2c)
            .iter()
            .filter_map(|frame| published(frame).map(|(_, payload)| payload))
            .collect()
    }
}

/// Channel and payload of a message that somebody must have published.
fn published(frame: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let parts = if frame[0] == b'*' {
        bulks(frame)
    } else {
        Vec::new()
    };
    match parts.as_slice() {
        [kind, channel, payload] if kind == b"message" && !is_greeting(payload) => {
            Some((channel.to_ascii_lowercase(), payload.clone()))
        }
        _ => None,
    }
}

fn is_greeting(payload: &[u8]) -> bool {
    payload == b"{\"support_refresh\":true}"
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(200).collect()
}

/// One side of a transcript on a connection of its own.
struct Player {
    client: Client,
    sends: VecDeque<Vec<u8>>,
    expected: VecDeque<Vec<u8>>,
}

impl Player {
    async fn connect(simulator: &Simulator, transcript: &Transcript) -> Self {
        let sends = transcript
            .events
            .iter()
            .filter(|event| event["dir"] == "c2s");
        Self {
            client: Client::connect(simulator.addr()).await,
            sends: sends.map(|event| cut(&transcript.c2s, event)).collect(),
            expected: frames(&transcript.s2c),
        }
    }

    async fn send(&mut self) {
        let bytes = self.sends.pop_front().expect("something left to send");
        self.client.send(&bytes).await;
    }

    async fn expect(&mut self, count: usize) {
        for _ in 0..count {
            let expected = self.expected.pop_front().expect("a frame left");
            let got = self.client.read(expected.len()).await;
            assert!(
                got == expected,
                "expected {:?}, got {:?}",
                shown(&expected),
                shown(&got)
            );
        }
    }

    async fn expect_end(mut self) {
        assert!(self.expected.is_empty(), "frames that never came");
        assert_eq!(shown(&self.client.rest().await), "");
    }
}

fn cut(bytes: &[u8], event: &Value) -> Vec<u8> {
    let number = |name: &str| usize::try_from(event[name].as_u64().unwrap()).unwrap();
    let (from, length) = (number("off"), number("len"));
    bytes[from..from + length].to_vec()
}

fn config(name: &str) -> SimulatorConfig {
    SimulatorConfig {
        clock: frozen(),
        management: if name == "management_disabled" {
            Management::Disabled
        } else {
            Management::Enabled
        },
        ..SimulatorConfig::default()
    }
}

#[tokio::test]
async fn single_connections_get_the_same_bytes() {
    for name in ALONE {
        alone(name).await;
    }
}

async fn alone(name: &str) {
    let transcript = Transcript::load(name);
    let simulator = start(config(name)).await;
    simulator.push_many(transcript.popped());
    let mut player = Player::connect(&simulator, &transcript).await;
    for event in &transcript.events {
        match event["dir"].as_str().unwrap() {
            "c2s" => player.send().await,
            "s2c" => {
                for frame in frames(&cut(&transcript.s2c, event)) {
                    publish(&simulator, &frame).await;
                    player.expect(1).await;
                }
            }
            "server_closed" => {
                assert_eq!(shown(&player.client.rest().await), "", "{name}");
            }
            "client_closed" => break,
            other => unreachable!("event {other} in {name}"),
        }
    }
    assert!(player.expected.is_empty(), "{name}: frames that never came");
    assert_eq!(simulator.totals().queued, 0, "{name}: everything popped");
    simulator.shutdown().await;
    assert_eq!(
        shown(&player.client.rest().await),
        "",
        "{name}: nothing more"
    );
}

/// Publishes what a message frame carries, once somebody is there to get it.
async fn publish(simulator: &Simulator, frame: &[u8]) {
    let Some((channel, payload)) = published(frame) else {
        return;
    };
    if channel == b"errors" {
        eventually("a subscriber of errors", || {
            simulator.error_subscribers() > 0
        })
        .await;
        simulator.push_error(payload);
        return;
    }
    eventually("a subscriber", || simulator.subscribers() > 0).await;
    if payload == b"{\"refresh\":true}" {
        simulator.refresh();
    } else {
        simulator.push(payload);
    }
}

#[test]
fn no_transcript_is_left_out() {
    let names = std::fs::read_dir(fixtures("resp")).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort_unstable();
    let mut replayed: Vec<&str> = ALONE.into_iter().chain(SPECIAL).collect();
    replayed.sort_unstable();
    assert_eq!(names, replayed);
}
