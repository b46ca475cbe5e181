use super::*;

fn store(store: &mut Store, events: &[(i64, i64)]) {
    let mut ingest = store.begin().unwrap();
    for (ts, digest) in events {
        add(&mut ingest, &event(*ts, *digest));
    }
    ingest.commit(std::iter::empty(), MARK).unwrap();
}

fn keys(store: &Store, sink: &str) -> Vec<(i64, i64)> {
    let rows = store.outbox(sink, 100).unwrap();
    rows.iter().map(|row| (row.ts, row.digest)).collect()
}

#[test]
fn a_late_event_is_new_to_a_forwarder_and_a_redelivery_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut db = Store::open(dir.path()).unwrap();
    store(&mut db, &[(10, 1)]);
    db.start_forwarding("pg").unwrap();
    assert!(keys(&db, "pg").is_empty());
    store(&mut db, &[(20, 2), (5, 3), (10, 1)]);
    assert_eq!(keys(&db, "pg"), [(20, 2), (5, 3)]);
    // An event of a transaction that failed is not in it.
    let mut ingest = db.begin().unwrap();
    add(&mut ingest, &event(30, 4));
    drop(ingest);
    assert_eq!(keys(&db, "pg"), [(20, 2), (5, 3)]);
    assert_eq!(db.outbox("pg", 1).unwrap().len(), 1);
}

#[test]
fn each_forwarder_has_a_cursor_that_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut db = Store::open(dir.path()).unwrap();
    db.start_forwarding("a").unwrap();
    db.start_forwarding("b").unwrap();
    store(&mut db, &[(1, 1), (2, 2)]);
    let first = db.outbox("a", 1).unwrap()[0].seq;
    db.forwarded("a", first).unwrap();
    drop(db);
    let mut db = Store::open(dir.path()).unwrap();
    db.start_forwarding("a").unwrap();
    assert_eq!(keys(&db, "a"), [(2, 2)]);
    assert_eq!(keys(&db, "b"), [(1, 1), (2, 2)]);
    store(&mut db, &[(3, 3)]);
    assert_eq!(keys(&db, "a"), [(2, 2), (3, 3)]);
    db.stop_forwarding("b").unwrap();
    let rows = |db: &Store| -> i64 {
        let sql = "SELECT count(*) FROM outbox";
        db.conn.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(rows(&db), 2);
    db.stop_forwarding("a").unwrap();
    store(&mut db, &[(4, 4)]);
    assert_eq!(rows(&db), 0);
    // A forwarder that comes later begins behind what was forwarded before.
    db.start_forwarding("c").unwrap();
    store(&mut db, &[(5, 5)]);
    assert_eq!(keys(&db, "c"), [(5, 5)]);
}
