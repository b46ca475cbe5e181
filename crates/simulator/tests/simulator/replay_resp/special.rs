//! Transcripts with several connections, with time, or with a restart in them.

use std::time::Duration;

use cpa_exporter_simulator::SimulatorConfig;
use serde_json::Value;

use super::super::support::{Client, eventually, fixtures, frames, start};
use super::{Player, Transcript, config, published, shown};

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
