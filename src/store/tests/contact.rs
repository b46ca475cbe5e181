use super::*;

fn write(db: &mut Store, writes: &[Write]) {
    let mut ingest = db.begin().unwrap();
    for one in writes {
        ingest.write(one).unwrap();
    }
    ingest.commit(std::iter::empty(), MARK).unwrap();
}

#[test]
fn the_last_contact_and_loss_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut db = Store::open(dir.path()).unwrap();
    let history = || Reader::open(dir.path()).unwrap().contact_history().unwrap();
    assert_eq!(history(), ContactHistory::default());
    let contact = |at, counts| Write::Contact {
        at: UnixNanos::new(at),
        counts,
    };
    write(
        &mut db,
        &[contact(5, Some((100, 7))), Write::Loss(UnixNanos::new(3))],
    );
    let expected = ContactHistory {
        contact: Some(UnixNanos::new(5)),
        counts: Some((100, 7)),
        loss: Some(UnixNanos::new(3)),
    };
    assert_eq!(history(), expected);
    // The position of the spool is a row of the same table.
    assert_eq!(db.spool_mark(), MARK);
    // Without counts, those of an earlier contact are void.
    write(&mut db, &[contact(9, None)]);
    let expected = ContactHistory {
        contact: Some(UnixNanos::new(9)),
        counts: None,
        ..expected
    };
    assert_eq!(history(), expected);
}
