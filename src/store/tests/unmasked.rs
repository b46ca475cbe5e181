//! A database of version 4, which held e-mails and projects in clear.

use std::fs;

use rusqlite::params;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::model::DimId;
use crate::store::dimensions::OVERFLOW;

const OLD: [&str; 4] = [
    include_str!("../../../migrations/0001_events.sql"),
    include_str!("../../../migrations/0002_accounts.sql"),
    include_str!("../../../migrations/0003_money.sql"),
    include_str!("../../../migrations/0004_imported.sql"),
];
const EMAIL: &str = "someone@example.com";
const DOMAIN: &[u8] = b"@example.com";
const PROJECT: &str = "vertex-project-77";

/// As version 4 made it, with three sources and `rejects` rejects.
fn old_database(rejects: i64) -> (TempDir, Connection) {
    let dir = tempdir().unwrap();
    let conn = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    conn.pragma_update(None, "auto_vacuum", "incremental")
        .unwrap();
    conn.pragma_update(None, "journal_mode", "wal").unwrap();
    for sql in OLD {
        conn.execute_batch(sql).unwrap();
    }
    conn.pragma_update(None, "application_id", 0x4350_4145)
        .unwrap();
    conn.pragma_update(None, "user_version", 4).unwrap();
    let twin = Stars.source(EMAIL).to_string();
    let names = [
        (Dimension::Model, 1, "gpt-5.2", None),
        (Dimension::Account, 1, "37e10dbe", Some("codex-37e10d")),
        (Dimension::Source, 1, EMAIL, None),
        (Dimension::Source, 2, PROJECT, None),
        (Dimension::Source, 3, twin.as_str(), None),
        (Dimension::Source, 4, OVERFLOW, None),
    ];
    for (dimension, id, value, label) in names {
        let sql = "INSERT INTO dimension VALUES (?1, ?2, ?3, ?4)";
        conn.execute(sql, params![dimension.code(), id, value, label])
            .unwrap();
    }
    for id in 1..=rejects {
        let payload = format!("{{\"source\":\"user-{id}@example.com\"}}").into_bytes();
        let sql = "INSERT INTO reject (received, reason, detail, payload, imported) \
                   VALUES (?1, 0, 'no object', ?2, ?1 % 2)";
        conn.execute(sql, params![id, payload]).unwrap();
    }
    (dir, conn)
}

fn names(conn: &Connection) -> Vec<(u8, u32, String, Option<String>)> {
    let sql = "SELECT dimension, id, value, label FROM dimension ORDER BY dimension, id";
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Whether any file of the database holds `text`, in whatever part of it.
fn holds(dir: &TempDir, text: &[u8]) -> bool {
    fs::read_dir(dir.path()).unwrap().any(|file| {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|part| part == text)
    })
}

fn assert_clean(dir: &TempDir) {
    for text in [DOMAIN, PROJECT.as_bytes()] {
        assert!(!holds(dir, text), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn what_was_stored_in_clear_is_masked_and_gone_from_the_files() {
    let (dir, old) = old_database(500);
    let before = names(&old);
    drop(old);
    assert!(holds(&dir, DOMAIN) && holds(&dir, PROJECT.as_bytes()));
    let mut store = Store::open(dir.path(), &Stars).unwrap();
    assert_clean(&dir);
    let after = names(&store.conn);
    let values: Vec<_> = after.iter().map(|name| name.2.as_str()).collect();
    let (twin, project) = (Stars.source(EMAIL), Stars.source(PROJECT));
    let expected = [
        "gpt-5.2".to_owned(),
        "37e10dbe".to_owned(),
        twin.to_string(),
        project.to_string(),
        format!("{twin}+3"),
        OVERFLOW.to_owned(),
    ];
    assert_eq!(values, expected);
    // Numbers and labels are what they were.
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (before.0, before.1, &before.3),
            (after.0, after.1, &after.3)
        );
    }
    // Rejects, too, and the next one gets a number of its own.
    let rejects = Reader::open(dir.path()).unwrap().rejects(1000).unwrap();
    assert_eq!((rejects.len(), rejects[0].id), (500, 500));
    assert_eq!(rejects[0].payload, br#"{"source":"user-500***"}"#);
    assert_eq!((rejects[0].imported, rejects[1].imported), (false, true));
    let mut ingest = store.begin().unwrap();
    let known = Event {
        source: Some(project),
        ..event(1, 1)
    };
    assert_eq!(ingest.intern(&known).source, DimId(2));
    assert_eq!(ingest.intern(&event(1, 1)).source, DimId(5));
    ingest
        .reject(UnixNanos::new(1), RejectReason::Json, "", b"x")
        .unwrap();
    ingest.commit(std::iter::empty(), MARK).unwrap();
    let newest = Reader::open(dir.path()).unwrap().rejects(1).unwrap();
    assert_eq!(newest[0].id, 501);
    drop(store);
    assert_clean(&dir);
}

/// Deleted rows leave their bytes behind, in pages that other tables may have taken since.
#[test]
fn rejects_deleted_long_ago_are_gone_as_well() {
    let (dir, old) = old_database(2000);
    old.execute_batch("DELETE FROM reject WHERE id > 5; DELETE FROM dimension WHERE id > 3;")
        .unwrap();
    for window in 0..100 {
        let sql = "INSERT INTO quota_point VALUES (?1, 1, 0.5, 1, 1, 1, 1, 0, 0, 0)";
        old.execute(sql, [window]).unwrap();
    }
    drop(old);
    assert!(holds(&dir, b"user-1999@example.com"));
    let store = Store::open(dir.path(), &Stars).unwrap();
    assert_clean(&dir);
    let count = "SELECT (SELECT count(*) FROM reject) + (SELECT count(*) FROM quota_point)";
    let rows: i64 = store.conn.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 105);
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'reject'";
    let last: i64 = store.conn.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(last, 2000);
}

#[test]
fn a_reader_of_the_old_pages_puts_it_off() {
    let (dir, old) = old_database(300);
    let sql = "SELECT id FROM reject";
    let mut statement = old.prepare(sql).unwrap();
    let mut reading = statement.query([]).unwrap();
    reading.next().unwrap();
    let error = Store::open(dir.path(), &Stars).unwrap_err();
    assert_eq!(error.class(), FailureClass::Locked);
    assert!(holds(&dir, DOMAIN));
    drop(reading);
    drop(statement);
    drop(old);
    // The second try finds what the first has done, and leaves it as it is.
    let store = Store::open(dir.path(), &Stars).unwrap();
    assert_clean(&dir);
    let twin = format!("{}+3", Stars.source(EMAIL));
    assert!(names(&store.conn).iter().any(|name| name.2 == twin));
    assert_eq!(
        Reader::open(dir.path())
            .unwrap()
            .rejects(999)
            .unwrap()
            .len(),
        300
    );
}
