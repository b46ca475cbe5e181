mod contact;
mod outbox;
mod rejects;

use std::borrow::Cow;

use super::*;
use crate::model::{
    AuthType, Dimension, Event, EventDigest, Failure, FailureClass, FailureReason, Masked, Money,
    RejectReason, Route, TokenQuality, Tokens, TotalRow, UnixNanos, Value,
};

fn event(ts: i64, digest: i64) -> Event<'static> {
    Event {
        timestamp: UnixNanos::new(ts),
        latency_ms: 1500,
        ttft_ms: 300,
        provider: Cow::Borrowed("codex"),
        executor: Cow::Borrowed("CodexExecutor"),
        model: Cow::Borrowed("gpt-5.2"),
        alias: Cow::Borrowed("gpt-5.2(high)"),
        endpoint: Cow::Borrowed("POST /v1/responses"),
        auth_type: AuthType::Oauth,
        auth_index: Cow::Borrowed("37e10dbedbcae9c4"),
        source: Some(Masked::new("som....com", 0x0c21_aaaa_bbbb_cccc)),
        client: Some(Masked::new("sk-...9f3x", 0x7c21_aaaa_bbbb_cccc)),
        request_id: Cow::Borrowed("a1b2c3d4"),
        reasoning_effort: Cow::Borrowed("high"),
        service_tier: Cow::Borrowed("auto"),
        response_service_tier: Cow::Borrowed("default"),
        tokens: Tokens {
            input: 200,
            cache_read: 1000,
            output: 180,
            reasoning: 120,
            ..Tokens::default()
        },
        quality: TokenQuality::Complete,
        failure: None,
        generate: true,
        stream: true,
        quota_headers: Vec::new(),
        exhaustion: None,
        digest: EventDigest(digest),
    }
}

fn add(ingest: &mut Ingest<'_>, event: &Event<'_>) -> (Route, bool) {
    let route = ingest.intern(event);
    let new = ingest.event(event, &route, &Money::default()).unwrap();
    (route, new)
}

fn row(family: u16, cells: &[u64]) -> TotalRow {
    TotalRow {
        family,
        key: [1, 2, 3, 0, 0],
        cells: cells.to_vec(),
        shown: false,
    }
}

const MARK: SpoolMark = SpoolMark {
    segment: u64::MAX - 1,
    offset: 99,
};

#[test]
fn a_commit_keeps_everything_and_a_drop_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut ingest = store.begin().unwrap();
    let (route, new) = add(&mut ingest, &event(5, 1));
    assert!(new);
    ingest
        .commit([row(1, &[7, u64::MAX])].into_iter(), MARK)
        .unwrap();
    let mut ingest = store.begin().unwrap();
    assert!(add(&mut ingest, &event(6, 1)).1);
    drop(ingest);
    assert_eq!(store.stats().unwrap().events, 1);
    drop(store);

    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!(store.spool_mark(), MARK);
    assert_eq!(store.commits(), 1);
    assert_eq!(store.load_totals().unwrap(), [row(1, &[7, u64::MAX])]);
    assert_eq!(store.stats().unwrap().oldest_event, Some(UnixNanos::new(5)));
    let mut ingest = store.begin().unwrap();
    assert_eq!(add(&mut ingest, &event(7, 1)).0, route);
}

#[test]
fn a_redelivery_is_found_and_another_content_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut ingest = store.begin().unwrap();
    assert!(add(&mut ingest, &event(5, 1)).1);
    assert!(!add(&mut ingest, &event(5, 1)).1);
    assert!(add(&mut ingest, &event(5, 2)).1);
    ingest.commit(std::iter::empty(), MARK).unwrap();
    let mut ingest = store.begin().unwrap();
    assert!(!add(&mut ingest, &event(5, 2)).1);
    drop(ingest);
    assert_eq!(store.stats().unwrap().events, 2);
}

#[test]
fn values_interned_in_a_failed_transaction_are_written_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut ingest = store.begin().unwrap();
    let (lost, _) = add(&mut ingest, &event(5, 1));
    drop(ingest);
    let mut ingest = store.begin().unwrap();
    let (route, _) = add(&mut ingest, &event(5, 1));
    assert_eq!(route, lost);
    ingest.commit(std::iter::empty(), MARK).unwrap();
    drop(store);
    let mut store = Store::open(dir.path()).unwrap();
    let names = store.take_new_names();
    let label = |dimension| {
        let name = names.iter().find(|n| n.dimension == dimension);
        name.map(|n| n.label.as_str())
    };
    assert_eq!(label(Dimension::Account), Some("codex-37e10d"));
    assert_eq!(label(Dimension::Client), Some("sk-...9f3x-7c21"));
    assert_eq!(label(Dimension::Model), Some("gpt-5.2"));
}

#[test]
fn an_older_copy_begins_an_epoch_at_zero() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let ingest = store.begin().unwrap();
    ingest.commit([row(1, &[7, 8])].into_iter(), MARK).unwrap();
    assert!(!store.begin_epoch_if_older_than(1).unwrap());
    assert!(store.begin_epoch_if_older_than(2).unwrap());
    let zero = TotalRow {
        shown: true,
        ..row(1, &[0, 0])
    };
    assert_eq!(store.load_totals().unwrap(), [zero]);
    assert!(!store.begin_epoch_if_older_than(2).unwrap());
}

#[test]
fn a_newer_schema_and_a_strange_file_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let path = dir.path().join(DATABASE_FILE);
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let other = tempfile::tempdir().unwrap();
    let path = other.path().join(DATABASE_FILE);
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(conn);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(
        Store::open(other.path()).unwrap_err(),
        StoreError::Foreign(_)
    ));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn failures_have_a_class() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let other = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(store.begin().unwrap_err().class(), FailureClass::Locked);
    other.execute_batch("COMMIT").unwrap();
    drop((store, other));
    std::fs::write(dir.path().join(DATABASE_FILE), "x".repeat(8192)).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert_eq!(error.class(), FailureClass::Corrupt, "{error:?}");
}

#[test]
fn failed_attempts_keep_why() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut ingest = store.begin().unwrap();
    let failure = Failure {
        status: 429,
        reason: FailureReason::Quota,
        excerpt: "usage limit reached".into(),
    };
    let failed = Event {
        failure: Some(failure),
        ..event(9, 9)
    };
    add(&mut ingest, &failed);
    ingest.commit(std::iter::empty(), MARK).unwrap();
    let conn = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    let sql = "SELECT flags & 1, status, value, request_id FROM event JOIN dimension \
               ON dimension = 10 AND id = excerpt";
    let kept: (i64, i64, String, Vec<u8>) = conn
        .query_row(sql, [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
        })
        .unwrap();
    assert_eq!(
        kept,
        (
            1,
            429,
            "usage limit reached".into(),
            vec![0xa1, 0xb2, 0xc3, 0xd4]
        )
    );
}

#[test]
fn events_keep_what_they_are_worth() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let version = store
        .price_version("v", "built-in", UnixNanos::new(1))
        .unwrap();
    let mut ingest = store.begin().unwrap();
    let value = Some(Value::new([1, 2, 3, 4, 5, 0]));
    for (at, value, per_use) in [(1, value, true), (2, value, false), (3, None, true)] {
        let money = Money {
            value,
            per_use,
            price_version: version,
            references: Vec::new(),
        };
        let route = ingest.intern(&event(at, at));
        assert!(ingest.event(&event(at, at), &route, &money).unwrap());
    }
    ingest.commit(std::iter::empty(), MARK).unwrap();
    let conn = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    let sql = "SELECT value_nano, cost_nano FROM event WHERE price_version = ?1";
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([version], |row| Ok((row.get(0)?, row.get(1)?)));
    let rows: Vec<(Option<i64>, Option<i64>)> = rows.unwrap().map(Result::unwrap).collect();
    assert_eq!(
        rows,
        [(Some(15), Some(15)), (Some(15), Some(0)), (None, None)]
    );
    let missing = Reader::open(dir.path()).unwrap().unpriced_models().unwrap();
    let [missing] = missing.as_slice() else {
        panic!("{missing:?}");
    };
    assert_eq!((missing.model.as_str(), missing.requests), ("gpt-5.2", 1));
    assert_eq!(missing.tokens, event(3, 3).tokens.total());
}

#[test]
fn a_database_of_a_version_before_the_first_release_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(DATABASE_FILE);
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE event (ts)").unwrap();
    conn.pragma_update(None, "application_id", 0x4350_4145)
        .unwrap();
    conn.pragma_update(None, "user_version", 6).unwrap();
    drop(conn);
    let before = std::fs::read(&path).unwrap();
    for error in [
        Store::open(dir.path()).unwrap_err(),
        Reader::open(dir.path()).unwrap_err(),
    ] {
        assert!(error.is_permanent());
        assert!(error.to_string().contains("storage set-aside"), "{error}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn many_different_error_texts_stand_in_their_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut ingest = store.begin().unwrap();
    for n in 0..2100 {
        let failure = Failure {
            status: 500,
            reason: FailureReason::Upstream,
            excerpt: format!("request {n} failed").into(),
        };
        let failed = Event {
            failure: Some(failure),
            ..event(n, n)
        };
        add(&mut ingest, &failed);
    }
    ingest.commit(std::iter::empty(), MARK).unwrap();
    assert!(
        store
            .take_new_names()
            .iter()
            .all(|n| n.dimension != Dimension::FailureText)
    );
    let conn = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    let sql = "SELECT count(*) FILTER (WHERE typeof(excerpt) = 'integer'), \
               count(*) FILTER (WHERE typeof(excerpt) = 'text') FROM event";
    let kinds: (i64, i64) = conn
        .query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    assert_eq!(kinds, (2000, 100));
}

#[test]
fn a_reader_that_holds_on_sees_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    reader.hold().unwrap();
    let mut ingest = store.begin().unwrap();
    add(&mut ingest, &event(5, 1));
    ingest.commit(std::iter::empty(), MARK).unwrap();
    assert_eq!(reader.names().unwrap().len(), 0);
    assert_eq!(reader.extent().unwrap(), Extent::default());
    let later = Reader::open(dir.path()).unwrap();
    assert_eq!(later.extent().unwrap().live, Some(UnixNanos::new(5)));
}

#[test]
fn a_reader_of_another_version_says_so_instead_of_missing_a_column() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let conn = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    conn.pragma_update(None, "user_version", 2).unwrap();
    let error = Reader::open(dir.path()).unwrap_err();
    assert!(
        matches!(error, StoreError::OtherSchema { found: 2, .. }),
        "{error}"
    );
}
