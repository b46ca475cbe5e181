//! Every captured RESP transcript, played again: equal bytes in, equal bytes out.
//!
//! The simulator is primed with the records that the transcript holds and its clock stands still,
//! so that no byte may differ, not even in the text of a ban.

use std::collections::VecDeque;
use std::time::Duration;

use cpa_exporter::simulator::{Management, Simulator, SimulatorConfig};
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

/// Each has a test of its own below.
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

#[tokio::test]
async fn idle_connections_end_without_a_byte() {
    let transcript = Transcript::load("idle_no_bytes");
    assert!(transcript.c2s.is_empty() && transcript.s2c.is_empty());
    // CPA waits 10 s; the default says so, the test does not.
    assert_eq!(
        SimulatorConfig::default().sniff_timeout,
        Duration::from_secs(10)
    );
    let simulator = start(SimulatorConfig {
        sniff_timeout: Duration::from_millis(50),
        ..config("idle_no_bytes")
    })
    .await;
    let player = Player::connect(&simulator, &transcript).await;
    player.expect_end().await;
}

#[tokio::test]
async fn statistics_that_are_off_leave_no_record() {
    let transcript = Transcript::load("statistics_off_then_on");
    let records = transcript.popped();
    let simulator = start(config("statistics_off_then_on")).await;
    simulator.set_usage_statistics(false);
    simulator.push_many([b"{}".to_vec(), b"{}".to_vec()]);
    let mut player = Player::connect(&simulator, &transcript).await;
    for _ in 0..2 {
        player.send().await;
        player.expect(1).await;
    }
    simulator.set_usage_statistics(true);
    simulator.push_many(records);
    player.send().await;
    player.expect(1).await;
    assert_eq!(simulator.totals().unrecorded, 2);
}

#[tokio::test]
async fn two_subscribers_each_get_a_copy() {
    let (a, b) = (
        Transcript::load("two_subscribers.a"),
        Transcript::load("two_subscribers.b"),
    );
    let simulator = start(config("two_subscribers")).await;
    let mut first = Player::connect(&simulator, &a).await;
    let mut second = Player::connect(&simulator, &b).await;
    for player in [&mut first, &mut second] {
        player.send().await;
        player.expect(1).await;
        player.send().await;
        player.expect(2).await;
    }
    let records = b.messages();
    simulator.push_many(records[..2].to_vec());
    first.expect(2).await;
    second.expect(2).await;
    first.send().await;
    first.expect(1).await;
    first.expect_end().await;
    eventually("one subscriber left", || simulator.subscribers() == 1).await;
    simulator.push_many(records[2..].to_vec());
    second.expect(1).await;
    second.send().await;
    second.expect(1).await;
    second.expect_end().await;
    assert_eq!(simulator.totals().published.records, 5);
}

#[tokio::test]
async fn a_subscriber_takes_what_is_new_and_leaves_what_is_queued() {
    let listens = Transcript::load("subscriber_and_popper.subscriber");
    let pops = Transcript::load("subscriber_and_popper.popper");
    let queued = pops.popped();
    let simulator = start(config("subscriber_and_popper")).await;
    simulator.push_many(queued[..2].to_vec());
    let mut popper = Player::connect(&simulator, &pops).await;
    popper.send().await;
    popper.expect(1).await;
    let mut subscriber = Player::connect(&simulator, &listens).await;
    subscriber.send().await;
    subscriber.expect(1).await;
    subscriber.send().await;
    subscriber.expect(2).await;
    simulator.push_many(listens.messages());
    subscriber.expect(2).await;
    for _ in 0..2 {
        popper.send().await;
        popper.expect(1).await;
    }
    drop(subscriber);
    eventually("the subscriber is gone", || simulator.subscribers() == 0).await;
    simulator.push_many(queued[2..].to_vec());
    popper.send().await;
    popper.expect(1).await;
    assert!(popper.expected.is_empty());
}

#[tokio::test]
async fn a_restart_loses_the_queue_and_ends_connections_without_a_line() {
    let pops = Transcript::load("restart.popper");
    let listens = Transcript::load("restart.subscriber");
    let after = Transcript::load("restart.after");
    let simulator = start(config("restart")).await;
    simulator.push_many(pops.popped());
    simulator.push_many([b"{}".to_vec(), b"{}".to_vec()]);
    let mut popper = Player::connect(&simulator, &pops).await;
    let mut subscriber = Player::connect(&simulator, &listens).await;
    for (side, replies) in [(&mut popper, 1), (&mut subscriber, 2)] {
        side.send().await;
        side.expect(1).await;
        side.send().await;
        side.expect(replies).await;
    }
    simulator.restart().await.unwrap();
    popper.expect_end().await;
    subscriber.expect_end().await;
    assert_eq!(simulator.totals().lost_in_restart, 2);
    let mut again = Player::connect(&simulator, &after).await;
    for _ in 0..2 {
        again.send().await;
        again.expect(1).await;
    }
}

/// How much fits in between depends on socket buffers; that it adds up does not.
#[tokio::test]
async fn a_subscriber_that_does_not_read_is_cut() {
    let captured = fixtures("resp").join("subscriber_overflow.json");
    let captured: Value = serde_json::from_slice(&std::fs::read(captured).unwrap()).unwrap();
    let tail = std::fs::read(fixtures("resp").join("subscriber_overflow.tail.s2c.bin")).unwrap();
    let tail = Vec::from(frames(&tail));
    assert_eq!(captured["lost"], 1);
    let simulator = start(config("subscriber_overflow")).await;
    let mut client = Client::subscribed(simulator.addr()).await;
    let total = captured["requests"].as_u64().unwrap();
    for frame in tail.iter().cycle().take(usize::try_from(total).unwrap()) {
        let (_, payload) = published(frame).expect("a message");
        simulator.push(payload);
        // Lets the server write, so that the socket fills before the buffer does.
        tokio::task::yield_now().await;
    }
    assert_eq!(simulator.subscribers(), 0);
    let totals = simulator.totals();
    assert_eq!(totals.cut, 1);
    assert!(totals.published.records >= 256);
    assert_eq!(totals.published.records + totals.cut + totals.queued, total);
    let delivered = frames(&client.rest().await);
    assert_eq!(delivered.len() as u64, totals.published.records);
    for (frame, expected) in delivered.iter().zip(tail.iter().cycle()) {
        assert_eq!(shown(frame), shown(expected));
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
