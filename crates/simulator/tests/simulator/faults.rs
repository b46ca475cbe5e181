//! What goes wrong on demand, seen from a client.

use std::time::Duration;

use cpa_exporter_simulator::{Simulator, SimulatorConfig, TrafficConfig};
use serde_json::Value;
use tokio::net::TcpStream;

use super::support::{Client, command, eventually, frames, frozen, get, http, start};

async fn with_backlog(backlog: usize) -> Simulator {
    start(SimulatorConfig {
        clock: frozen(),
        traffic: TrafficConfig {
            backlog,
            ..TrafficConfig::default()
        },
        ..SimulatorConfig::default()
    })
    .await
}

async fn switch(simulator: &Simulator, change: &str) {
    let answer = http(simulator.addr(), "POST", "/simulator/faults", &[], change).await;
    assert_eq!(answer.status, 200);
}

fn is_json(record: &[u8]) -> bool {
    serde_json::from_slice::<Value>(record).is_ok()
}

#[tokio::test]
async fn a_reply_breaks_off_in_the_middle() {
    let simulator = with_backlog(20).await;
    simulator.faults().set(|f| f.cut_replies = 1);
    let mut client = Client::authenticated(simulator.addr()).await;
    client.send(&command(&["LPOP", "usage", "10"])).await;
    let cut = client.rest().await;
    assert!(cut.starts_with(b"*10\r\n$") && !cut.ends_with(b"\r\n"));
    // What was popped is gone, as with CPA.
    let mut client = Client::authenticated(simulator.addr()).await;
    assert_eq!(client.pop(100).await.len(), 10);
}

#[tokio::test]
async fn an_http_answer_breaks_off_in_the_middle() {
    let simulator = with_backlog(20).await;
    simulator.faults().set(|f| f.cut_replies = 1);
    let answer = get(&simulator, "/v0/management/usage-queue?count=10").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with(b"[{") && !is_json(&answer.body));
}

#[tokio::test]
async fn a_message_breaks_off_in_the_middle() {
    let simulator = with_backlog(0).await;
    let mut client = Client::subscribed(simulator.addr()).await;
    simulator.faults().set(|f| f.cut_replies = 1);
    simulator.generate(1);
    let cut = client.rest().await;
    assert!(cut.starts_with(b"*3\r\n$7\r\nmessage") && !cut.ends_with(b"\r\n"));
}

#[tokio::test]
async fn the_port_can_be_closed_for_a_while() {
    let simulator = with_backlog(3).await;
    let mut open = Client::authenticated(simulator.addr()).await;
    simulator.faults().set(|f| f.refuse_connections = true);
    let mut refused = false;
    while !refused {
        refused = TcpStream::connect(simulator.addr()).await.is_err();
    }
    assert_eq!(open.pop(1).await.len(), 1, "open connections stay");
    simulator.faults().set(|f| f.refuse_connections = false);
    while TcpStream::connect(simulator.addr()).await.is_err() {}
}

#[tokio::test]
async fn http_can_be_unavailable_while_resp_is_not() {
    let simulator = with_backlog(1).await;
    switch(&simulator, r#"{"http_503":true}"#).await;
    assert_eq!(get(&simulator, "/v0/management/debug").await.status, 503);
    let mut client = Client::authenticated(simulator.addr()).await;
    assert_eq!(client.pop(1).await.len(), 1);
    switch(&simulator, r#"{"http_503":false}"#).await;
    assert_eq!(get(&simulator, "/v0/management/debug").await.status, 200);
}

#[tokio::test]
async fn replies_can_be_held_back() {
    let simulator = with_backlog(1).await;
    let mut client = Client::authenticated(simulator.addr()).await;
    simulator.faults().set(|f| f.stall_ms = 70);
    let before = tokio::time::Instant::now();
    client.pop(1).await;
    assert!(before.elapsed() >= Duration::from_millis(70));
}

#[tokio::test]
async fn records_can_be_damaged() {
    let simulator = with_backlog(0).await;
    switch(
        &simulator,
        r#"{"truncate_records":1,"garbage_records":1,"generate":3}"#,
    )
    .await;
    let mut client = Client::authenticated(simulator.addr()).await;
    let records = client.pop(100).await;
    let sound = records.iter().filter(|record| is_json(record)).count();
    assert_eq!((records.len(), sound), (4, 2));
    let totals = simulator.totals();
    assert_eq!(totals.damaged, 2);
    let handed_out: u64 = totals
        .series
        .iter()
        .map(|one| one.handed_out.requests)
        .sum();
    assert_eq!(handed_out, 2);
}

#[tokio::test]
async fn a_restart_loses_queue_bans_and_connections() {
    let simulator = with_backlog(5).await;
    for _ in 0..5 {
        let wrong = [("X-Management-Key", "wrong")];
        http(simulator.addr(), "GET", "/v0/management/debug", &wrong, "").await;
    }
    assert_eq!(get(&simulator, "/v0/management/debug").await.status, 403);
    let mut idle = Client::connect(simulator.addr()).await;
    switch(&simulator, r#"{"restart":true}"#).await;
    assert!(idle.rest().await.is_empty());
    eventually("the queue is lost", || {
        simulator.totals().lost_in_restart == 5
    })
    .await;
    while TcpStream::connect(simulator.addr()).await.is_err() {}
    assert_eq!(get(&simulator, "/v0/management/debug").await.status, 200);
}

#[tokio::test]
async fn the_queue_can_expire_at_once() {
    let simulator = with_backlog(5).await;
    switch(&simulator, r#"{"expire_queue":true}"#).await;
    let totals = simulator.totals();
    assert_eq!((totals.queued, totals.expired), (0, 5));
}

#[tokio::test]
async fn competitors_take_their_share() {
    let simulator = with_backlog(0).await;
    simulator.faults().set(|f| f.competing_popper = 25);
    simulator.generate(400);
    assert_eq!(simulator.totals().taken_by_competitor, 100);
    simulator.faults().set(|f| f.competing_popper = 0);
    simulator.faults().set(|f| f.competing_subscriber = true);
    simulator.generate(10);
    assert_eq!(simulator.totals().queued, 300, "nothing is queued any more");
    let mut client = Client::subscribed(simulator.addr()).await;
    simulator.generate(2);
    let both = [client.frame().await, client.frame().await].concat();
    assert_eq!(frames(&both).len(), 2, "subscribers each get a copy");
    assert_eq!(simulator.totals().taken_by_competitor, 110);
}

#[tokio::test]
async fn unknown_switches_are_refused() {
    let simulator = with_backlog(0).await;
    let change = r#"{"no_such_switch":true}"#;
    let answer = http(simulator.addr(), "POST", "/simulator/faults", &[], change).await;
    assert_eq!(answer.status, 400);
}
