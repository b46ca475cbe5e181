//! Kills at any point and stops under any load: no duplicate, and no loss of received records.

use std::time::Duration;

use tempfile::tempdir;

use crate::gate::Gate;
use crate::harness::{
    Exporter, Samples, count, counted, eventually, run_once, simulator, spool_files, stored, sum,
};

const KILLS: u64 = 20;
/// Records generated before each kill of the exact test.
const PORTION: usize = 2000;
const BACKLOG: usize = 30_000;
/// More than one reply can contain: 256 KiB of records of 1 KB and more.
const MAX_REPLY: u64 = 300;

/// Counters of two pages of one database must not decrease.
fn never_falls(before: &Samples, after: &Samples) {
    let counters = before.iter().filter(|(name, _)| {
        let restored = [
            "cpa_requests_total{",
            "cpa_tokens_total{",
            "cpa_ingest_records_total",
        ];
        restored.iter().any(|start| name.starts_with(start))
    });
    for (name, value) in counters {
        let now = after.get(name);
        assert!(
            now.is_some_and(|now| now >= value),
            "{name}: {value} → {now:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_at_any_time_lose_at_most_the_reply_in_transit() {
    let simulator = simulator(|config| config.traffic.backlog = BACKLOG).await;
    let dir = tempdir().unwrap();
    let mut last = Samples::new();
    for kill in 0..KILLS {
        let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
        exporter.ready().await;
        let page = exporter.samples().await;
        never_falls(&last, &page);
        last = page;
        // Times spread over the work: at the start, within a transaction, between two.
        let popped = simulator.totals().popped.records;
        let more = 1 + kill * 7919 % 1200;
        eventually("some more", async || {
            let totals = simulator.totals();
            (totals.popped.records >= popped + more || totals.queued == 0).then_some(())
        })
        .await;
        exporter.kill();
    }
    // The rest is ingested by a run without a kill.
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    eventually("queue drained", async || {
        (simulator.totals().queued == 0).then_some(())
    })
    .await;
    exporter.ready().await;
    exporter
        .when("all committed", |s| {
            s.get("cpa_spool_pending_bytes").copied().unwrap_or(-1.0) == 0.0
        })
        .await;
    let want = stored(dir.path());
    let page = exporter
        .when("counters equal the database", |s| counted(s) == want)
        .await;
    never_falls(&last, &page);
    assert_eq!(sum(&page, "cpa_ingest_duplicates_total"), 0.0);
    let popped = simulator.totals().popped.records;
    let events = count(dir.path(), "SELECT count(*) FROM event").cast_unsigned();
    assert_eq!(popped, BACKLOG as u64);
    let missing = popped
        .checked_sub(events)
        .expect("more events than were handed out");
    assert!(
        missing <= KILLS * MAX_REPLY,
        "{missing} lost: more than was on its way at the kills"
    );
}

/// The kill comes while the exporter's next request is held: all popped records have been received
/// completely then. Afterwards none may be missing and none duplicated.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_no_completely_received_record() {
    let simulator = simulator(|_| {}).await;
    let gate = Gate::before(simulator.addr()).await;
    let dir = tempdir().unwrap();
    let key = [("CPA_MANAGEMENT_KEY", simulator.management_key())];
    let flags = ["--cpa.mode", "pop"];
    let events = || count(dir.path(), "SELECT count(*) FROM event").cast_unsigned();
    for kill in 0..KILLS {
        let exporter = Exporter::start_at(&gate.url(), &key, dir.path(), &flags).await;
        // The gate is closed from the last kill on: new events come from the spool.
        exporter.ready().await;
        let received = simulator.totals().popped.records;
        assert_eq!(events(), received, "after kill {kill}\n{}", exporter.log());
        simulator.generate(PORTION);
        gate.open();
        let more = 1 + kill * 7919 % 1200;
        eventually("some more", async || {
            (simulator.totals().popped.records >= received + more).then_some(())
        })
        .await;
        gate.shut().await;
        let received = simulator.totals().popped.records;
        // One kill during the commit, one when half of the records are stored.
        if kill % 2 == 1 {
            let half = received - more / 2;
            eventually("half of it", async || (events() >= half).then_some(())).await;
        }
        exporter.kill();
    }
    let exporter = Exporter::start_at(&gate.url(), &key, dir.path(), &flags).await;
    exporter.ready().await;
    assert_eq!(events(), simulator.totals().popped.records);
    let want = stored(dir.path());
    let page = exporter.when("counted", |s| counted(s) == want).await;
    assert_eq!(sum(&page, "cpa_ingest_duplicates_total"), 0.0);
    // The remaining records come when the gate opens.
    gate.open();
    let all = KILLS * PORTION as u64;
    eventually("the rest", async || (events() == all).then_some(())).await;
    let want = stored(dir.path());
    exporter.when("counted", |s| counted(s) == want).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_nothing() {
    let simulator = simulator(|config| {
        config.traffic.backlog = BACKLOG;
        config.traffic.rate = Some(500.0);
    })
    .await;
    let dir = tempdir().unwrap();
    for run in 1..=3_u64 {
        let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
        eventually("under way", async || {
            (simulator.totals().popped.records >= run * 2000).then_some(())
        })
        .await;
        let begin = std::time::Instant::now();
        let (status, log) = exporter.terminate().await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(begin.elapsed() < Duration::from_secs(10));
        let popped = simulator.totals().popped.records;
        let events = count(dir.path(), "SELECT count(*) FROM event").cast_unsigned();
        assert_eq!(events, popped, "run {run}\n{log}");
        let spooled = spool_files(dir.path())
            .iter()
            .map(|f| f.metadata().unwrap().len())
            .sum::<u64>();
        assert!(spooled < 100, "spool holds {spooled} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_spool_tail_loses_only_the_torn_record() {
    let simulator = simulator(|config| config.traffic.backlog = 2000).await;
    let dir = tempdir().unwrap();
    run_once(&simulator, dir.path()).await;
    // With the database locked all records stay in the spool.
    let lock = lock_database(dir.path());
    simulator.generate(500);
    let before = count(dir.path(), "SELECT count(*) FROM event");
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    eventually("spooled", async || {
        (simulator.totals().queued == 0).then_some(())
    })
    .await;
    exporter
        .when("written", |s| {
            s.get("cpa_spool_pending_bytes").copied().unwrap_or(-1.0) > 100_000.0
        })
        .await;
    let waiting = simulator.totals().popped.records - before.cast_unsigned();
    exporter.kill();
    drop(lock);
    let torn = spool_files(dir.path())
        .into_iter()
        .max_by_key(|file| file.metadata().unwrap().len())
        .unwrap();
    let len = torn.metadata().unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&torn).unwrap();
    file.set_len(len - 5).unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter.ready().await;
    exporter.logged("damaged bytes in the spool skipped").await;
    let page = exporter.samples().await;
    assert_eq!(sum(&page, "cpa_ingest_losses_total"), 1.0);
    let events = count(dir.path(), "SELECT count(*) FROM event") - before;
    assert_eq!(events.cast_unsigned(), waiting - 1);
}

pub(crate) fn lock_database(directory: &std::path::Path) -> rusqlite::Connection {
    let conn = rusqlite::Connection::open(directory.join("cpa-exporter.db")).unwrap();
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    conn
}
