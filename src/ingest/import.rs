//! Import of records as history: they are priced and added to limits like live ones, but no counter
//! counts them.

use super::accounting::Accounting;
use crate::api::ImportSummary;
use crate::decode::{Decoded, Decoder, Reject};
use crate::model::UnixNanos;
use crate::store::{Store, StoreError};

/// Imports records in one transaction. After an error nothing is stored.
pub fn import<R: AsRef<[u8]>>(
    store: &mut Store,
    decoder: &Decoder,
    accounting: &mut Accounting,
    records: &[R],
    received: UnixNanos,
) -> Result<ImportSummary, StoreError> {
    accounting.refresh(store, received)?;
    let imported = import_all(store, decoder, accounting, records, received);
    if imported.is_err() {
        accounting.rollback();
    }
    imported
}

fn import_all<R: AsRef<[u8]>>(
    store: &mut Store,
    decoder: &Decoder,
    accounting: &mut Accounting,
    records: &[R],
    received: UnixNanos,
) -> Result<ImportSummary, StoreError> {
    let mark = store.spool_mark();
    let mut summary = ImportSummary::default();
    let mut open = store.begin()?;
    for record in records {
        match decoder.decode(record.as_ref()) {
            Decoded::Event(event) => {
                if accounting.imported(&mut open, &event)? {
                    let at = UnixNanos::from_millis(event.timestamp.as_millis());
                    summary.add_stored(at.as_seconds());
                } else {
                    summary.known += 1;
                }
            }
            Decoded::Control(_) => summary.messages += 1,
            Decoded::Reject(Reject {
                reason,
                detail,
                payload,
            }) => {
                open.imported_reject(received, reason, &detail, &payload)?;
                summary.rejected += 1;
            }
        }
    }
    accounting.commit_import(open, mark)?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{accounting, decoder};
    use super::*;
    use crate::store::Reader;

    fn record(time: &str, model: &str) -> String {
        format!(
            r#"{{"timestamp":"{time}","provider":"codex","model":"{model}","auth_index":"37e10dbe","api_key":"sk-client-secret-1234567890","tokens":{{"input_tokens":3,"output_tokens":2,"total_tokens":5}}}}"#
        )
    }

    fn import_lines(store: &mut Store, lines: &[String]) -> ImportSummary {
        let mut accounting = accounting(store);
        let now = UnixNanos::from_millis(1);
        import(store, &decoder(), &mut accounting, lines, now).unwrap()
    }

    #[test]
    fn every_line_is_counted_and_a_second_import_adds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let lines = [
            record("2026-11-01T00:00:00Z", "a"),
            record("2026-11-03T00:00:00Z", "b") + "\r",
            r#"{"no":"record"}"#.to_owned(),
            r#"{"refresh":true}"#.to_owned(),
            record("2026-11-02T00:00:00Z", "a"),
        ];
        let summary = import_lines(&mut store, &lines);
        assert_eq!(
            summary.to_string(),
            "5 read: 3 stored, 0 already there, 1 rejected, 1 messages that are no records; from \
             2026-11-01T00:00:00Z to 2026-11-03T00:00:00Z"
        );
        let again = import_lines(&mut store, &lines);
        assert_eq!((again.stored, again.known, again.first), (0, 3, None));
        assert_eq!(store.load_totals().unwrap(), []);
        assert_eq!(store.stats().unwrap().events, 3);
        let rejects = Reader::open(dir.path()).unwrap().rejects(9).unwrap();
        assert_eq!(rejects.len(), 2, "one of each import");
        assert!(rejects.iter().all(|reject| reject.imported));
    }

    #[test]
    fn client_keys_are_not_stored() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let good = record("2026-11-01T00:00:00Z", "a");
        let broken = good.replace("2026", "never");
        let summary = import_lines(&mut store, &[good, broken]);
        assert_eq!((summary.stored, summary.rejected), (1, 1));
        store.checkpoint().unwrap();
        let file = std::fs::read(dir.path().join(crate::store::DATABASE_FILE)).unwrap();
        let secret = b"client-secret";
        assert!(!file.windows(secret.len()).any(|part| part == secret));
    }
}
