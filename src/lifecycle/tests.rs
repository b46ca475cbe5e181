use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::*;

fn ended(cause: Cause, drain: Drain) -> Ended {
    Ended { cause, drain }
}

fn drain_for(life: &Lifecycle, span: Duration) {
    let soft = life.soft();
    life.spawn_essential("drain", async move {
        soft.cancelled().await;
        sleep(span).await;
    });
}

#[tokio::test(start_paused = true)]
async fn a_panicking_essential_task_stops_the_process() {
    let life = Lifecycle::new();
    life.spawn_essential("boom", async { panic!("boom") });
    drain_for(&life, Duration::ZERO);
    let got = life.run(async || pending().await, |_| (), GRACE).await;
    assert_eq!(got, ended(Cause::TaskEnded("boom"), Drain::Complete));
}

#[tokio::test(start_paused = true)]
async fn an_essential_task_that_returns_stops_the_process() {
    let life = Lifecycle::new();
    life.spawn_essential("source", async {});
    let got = life.run(async || pending().await, |_| (), GRACE).await;
    assert_eq!(got, ended(Cause::TaskEnded("source"), Drain::Complete));
}

#[tokio::test(start_paused = true)]
async fn other_tasks_may_end_early() {
    let life = Lifecycle::new();
    life.spawn("once", async {});
    let got = life
        .run(
            async || {
                sleep(Duration::from_secs(1)).await;
                Signal::Stop
            },
            |_| (),
            GRACE,
        )
        .await;
    assert_eq!(got, ended(Cause::StopSignal, Drain::Complete));
}

#[tokio::test(start_paused = true)]
async fn a_signal_drains_without_waiting_for_the_grace_period() {
    let life = Lifecycle::new();
    drain_for(&life, Duration::from_secs(2));
    let (tx, mut signals) = mpsc::channel(4);
    tx.send(Signal::Stop).await.unwrap();
    let start = Instant::now();
    let got = life
        .run(async || signals.recv().await.unwrap(), |_| (), GRACE)
        .await;
    assert_eq!(got, ended(Cause::StopSignal, Drain::Complete));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn the_grace_period_ends_with_the_hard_stop() {
    let life = Lifecycle::new();
    drain_for(&life, Duration::from_hours(1));
    let hard = life.hard();
    let (tx, mut signals) = mpsc::channel(4);
    tx.send(Signal::Stop).await.unwrap();
    let start = Instant::now();
    let got = life
        .run(async || signals.recv().await.unwrap(), |_| (), GRACE)
        .await;
    assert_eq!(got, ended(Cause::StopSignal, Drain::TimedOut));
    assert_eq!(start.elapsed(), GRACE + AFTER_HARD);
    assert!(hard.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_exits_at_once() {
    let life = Lifecycle::new();
    drain_for(&life, Duration::from_hours(1));
    let (tx, mut signals) = mpsc::channel(4);
    for signal in [Signal::Stop, Signal::Reload, Signal::Stop] {
        tx.send(signal).await.unwrap();
    }
    let start = Instant::now();
    let got = life
        .run(async || signals.recv().await.unwrap(), |_| (), GRACE)
        .await;
    assert_eq!(got, ended(Cause::StopSignal, Drain::SecondSignal));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_reload_does_not_stop_the_process() {
    let life = Lifecycle::new();
    drain_for(&life, Duration::ZERO);
    let (tx, mut signals) = mpsc::channel(4);
    for signal in [Signal::Reload, Signal::Reload, Signal::Stop] {
        tx.send(signal).await.unwrap();
    }
    let reloads = AtomicUsize::new(0);
    let got = life
        .run(
            async || signals.recv().await.unwrap(),
            |_| {
                reloads.fetch_add(1, Ordering::SeqCst);
            },
            GRACE,
        )
        .await;
    assert_eq!(got, ended(Cause::StopSignal, Drain::Complete));
    assert_eq!(reloads.load(Ordering::SeqCst), 2);
}
