//! What can happen to a log: late rows, gaps, an emptied table, an older copy, kill -9.

use std::collections::BTreeSet;
use std::fs;

use super::writer::Writer;
use super::{start, stop, value};
use crate::harness::Exporter;

const SUCCESS: &str = "newapi_attempts_total{channel_id=\"3\",model=\"m\",outcome=\"success\"}";
const NOW: i64 = 1_795_323_451;

/// Waits until this many requests are counted, then looks whether it stays that many.
async fn counted(exporter: &Exporter, requests: u64) {
    let what = format!("{requests} requests");
    exporter
        .when(&what, |samples| value(samples, SUCCESS) >= requests)
        .await;
    let cursor = |samples: &crate::harness::Samples| samples.get("newapi_log_lag_seconds").copied();
    let samples = exporter
        .when("the log is read to its end", |samples| {
            cursor(samples) == Some(0.0)
        })
        .await;
    assert_eq!(value(&samples, SUCCESS), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_rows_are_counted_once_where_a_cursor_alone_loses_them() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::create(dir.path());
    let exporter = start(dir.path(), &writer.dsn(), &["--gateway.start", "first"]).await;
    // What `WHERE id > cursor` would have seen at each of these moments.
    let (mut naive, mut cursor) = (BTreeSet::new(), 0);
    let mut committed = BTreeSet::new();
    let rounds: [&[i64]; 5] = [&[1, 2, 3], &[5, 8], &[4], &[7, 9], &[6, 10]];
    for ids in rounds {
        for id in ids {
            writer.row(*id, NOW + id);
            committed.insert(*id);
        }
        let seen: Vec<i64> = committed
            .iter()
            .copied()
            .filter(|id| *id > cursor)
            .collect();
        cursor = seen.iter().copied().max().unwrap_or(cursor);
        naive.extend(seen);
        counted(&exporter, committed.len() as u64).await;
    }
    assert_eq!(naive.len(), 7, "a cursor alone loses ids 4, 6 and 7");
    let samples = exporter.samples().await;
    assert_eq!(value(&samples, "newapi_log_gaps"), 0);
    assert_eq!(value(&samples, "newapi_log_cursor"), 10);
    stop(exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_neither_loses_nor_doubles_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::create(dir.path());
    let (mut next, mut late) = (1, Vec::new());
    for round in 0..6 {
        let exporter = start(dir.path(), &writer.dsn(), &["--gateway.start", "first"]).await;
        for id in std::mem::take(&mut late) {
            writer.row(id, NOW + id);
        }
        for _ in 0..1200 {
            // Each seventh row is committed in the next round only, after the kill.
            if next % 7 == 0 {
                late.push(next);
            } else {
                writer.row(next, NOW + next);
            }
            next += 1;
        }
        // Killed in the middle of it, at another moment each time.
        let some = 100 + round * 173;
        exporter
            .when("some rows", |samples| value(samples, SUCCESS) >= some)
            .await;
        exporter.kill();
    }
    for id in late {
        writer.row(id, NOW + id);
    }
    let exporter = start(dir.path(), &writer.dsn(), &[]).await;
    counted(&exporter, u64::try_from(next - 1).unwrap()).await;
    stop(exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_log_begins_again_and_an_archived_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::create(dir.path());
    for id in 1..=50 {
        writer.row(id, NOW + id);
    }
    let exporter = start(dir.path(), &writer.dsn(), &["--gateway.start", "first"]).await;
    counted(&exporter, 50).await;
    // Old rows are deleted or moved, the newest with them.
    writer.execute("DELETE FROM logs WHERE id < 40");
    writer.row(51, NOW + 60);
    counted(&exporter, 51).await;
    writer
        .execute("CREATE TABLE logs_history AS SELECT * FROM logs; DELETE FROM logs WHERE id < 52");
    writer.row(52, NOW + 61);
    writer.row(53, NOW + 62);
    counted(&exporter, 53).await;
    // SQLite gives out the ids of an emptied table again.
    writer.execute("DELETE FROM logs");
    for id in 1..=20 {
        writer.row(id, NOW + 100 + id);
    }
    counted(&exporter, 73).await;
    // More rows than before, so that the lower cursor does not tell.
    writer.execute("DELETE FROM logs");
    stop(exporter).await;
    for id in 1..=40 {
        writer.row(id, NOW + 200 + id);
    }
    let exporter = start(dir.path(), &writer.dsn(), &[]).await;
    counted(&exporter, 113).await;
    let samples = exporter.samples().await;
    let resets = "newapi_log_resets_total{reason=\"emptied\"}";
    assert_eq!(value(&samples, resets), 1);
    stop(exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_log_is_not_counted_again() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::create(dir.path());
    for id in 1..=30 {
        writer.row(id, NOW + id);
    }
    let exporter = start(dir.path(), &writer.dsn(), &["--gateway.start", "first"]).await;
    counted(&exporter, 30).await;
    let copy = dir.path().join("copy.db");
    fs::copy(writer.path(), &copy).unwrap();
    for id in 31..=45 {
        writer.row(id, NOW + id);
    }
    counted(&exporter, 45).await;
    fs::rename(&copy, writer.path()).unwrap();
    exporter.logged("an older copy of the gateway's log").await;
    let restored = Writer::open(writer.path());
    for id in 31..=33 {
        restored.row(id, NOW + 100 + id);
    }
    counted(&exporter, 48).await;
    stop(exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_begins_where_gateway_start_says() {
    for (start_at, counted_before) in [("end", 0), ("first", 20), ("2026-11-22T05:17:41Z", 10)] {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::create(dir.path());
        // 2026-11-22T05:17:31Z and each second after it.
        for id in 1..=20 {
            writer.row(id, 1_795_324_650 + id);
        }
        let exporter = start(dir.path(), &writer.dsn(), &["--gateway.start", start_at]).await;
        exporter.logged("the gateway's log is read").await;
        writer.row(21, 1_795_324_700);
        counted(&exporter, counted_before + 1).await;
        stop(exporter).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_and_negative_quota_never_lower_a_counter() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::create(dir.path());
    writer.row_of(1, NOW, 2, 100);
    writer.row_of(2, NOW, 6, 30);
    writer.row_of(3, NOW, 2, -50);
    writer.row_of(4, NOW, 8, 999);
    let exporter = start(dir.path(), &writer.dsn(), &["--gateway.start", "first"]).await;
    counted(&exporter, 2).await;
    let samples = exporter.samples().await;
    let route = "{channel_id=\"3\",model=\"m\"}";
    for (family, expected) in [("quota", 100), ("refund_quota", 30)] {
        assert_eq!(
            value(&samples, &format!("newapi_{family}_total{route}")),
            expected
        );
    }
    assert_eq!(
        value(&samples, "newapi_foreign_rows_total{log_type=\"8\"}"),
        1
    );
    stop(exporter).await;
}
