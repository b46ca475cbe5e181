use super::*;

#[test]
fn rejects_are_kept_in_order_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut ingest = store.begin().unwrap();
    for n in 0..10_010 {
        let payload = format!("{n}");
        ingest
            .reject(
                UnixNanos::new(n),
                RejectReason::Json,
                "at 0",
                payload.as_bytes(),
            )
            .unwrap();
    }
    ingest.commit(std::iter::empty(), MARK).unwrap();
    assert_eq!(store.stats().unwrap().rejects, 10_000);
    let reader = Reader::open(dir.path()).unwrap();
    let kept = reader.rejects(u32::MAX).unwrap();
    assert_eq!(kept.len(), 10_000);
    assert_eq!(kept[0].payload, b"10009");
    assert_eq!(kept[9_999].payload, b"10");
    assert_eq!(kept[0].reason, RejectReason::Json);
    store.delete_reject(kept[0].id).unwrap();
    assert_eq!(reader.rejects(1).unwrap()[0].payload, b"10008");
    store.delete_reject(kept[0].id).unwrap();
    assert_eq!(store.stats().unwrap().rejects, 9_999, "only once there");
}

#[test]
fn rejects_are_bounded_in_bytes_and_the_oldest_are_counted_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let payload = vec![b'x'; 256 * 1024];
    let mut dropped = 0;
    for n in 0..30 {
        let mut ingest = store.begin().unwrap();
        for _ in 0..10 {
            let at = UnixNanos::new(n);
            let reason = RejectReason::Json;
            ingest.reject(at, reason, "at 0", &payload).unwrap();
        }
        let committed = ingest.commit(std::iter::empty(), MARK).unwrap();
        dropped += committed.dropped_rejects;
    }
    assert_eq!(store.stats().unwrap().rejects, 256, "64 MiB");
    assert_eq!(dropped, 44);
    drop(store);
    let mut store = Store::open(dir.path()).unwrap();
    let mut ingest = store.begin().unwrap();
    let (at, reason) = (UnixNanos::new(99), RejectReason::Json);
    ingest.reject(at, reason, "at 0", &payload).unwrap();
    let committed = ingest.commit(std::iter::empty(), MARK).unwrap();
    assert_eq!(committed.dropped_rejects, 1, "the bytes are known again");
    let kept = Reader::open(dir.path()).unwrap().rejects(u32::MAX).unwrap();
    assert_eq!(kept[0].received, at);
}

#[test]
fn rejects_are_counted_by_their_origin_and_with_their_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let keep = |ingest: &mut Ingest<'_>| {
        let (at, reason) = (UnixNanos::new(1), RejectReason::Json);
        ingest.reject(at, reason, "at 0", b"live").unwrap();
        for _ in 0..10_001 {
            ingest.imported_reject(at, reason, "at 0", b"old").unwrap();
        }
    };
    let mut ingest = store.begin().unwrap();
    keep(&mut ingest);
    drop(ingest);
    assert_eq!(store.stats().unwrap().rejects, 0);
    let mut ingest = store.begin().unwrap();
    keep(&mut ingest);
    ingest.commit(std::iter::empty(), MARK).unwrap();
    assert_eq!(store.stats().unwrap().rejects, 10_001);
    // What was imported pushes nothing out that came from CPA.
    let kept = Reader::open(dir.path()).unwrap().rejects(u32::MAX).unwrap();
    assert_eq!(kept.iter().filter(|r| r.payload == b"live").count(), 1);
    drop(store);
    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!(store.stats().unwrap().rejects, 10_001);
    store.delete_reject(kept[9].id).unwrap();
    let mut ingest = store.begin().unwrap();
    keep(&mut ingest);
    ingest.commit(std::iter::empty(), MARK).unwrap();
    assert_eq!(store.stats().unwrap().rejects, 10_002);
}
