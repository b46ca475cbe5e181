use parking_lot::Mutex;

use super::super::testing::{accounting, decoder};
use super::*;
use crate::decode::Decoded;
use crate::model::LocalQuota;
use crate::quota::passive::QuotaSign;
use crate::store::SpoolMark;

/// 2026-11-24, noon.
const NOON: i64 = 1_795_521_600;
/// Seconds of a window.
const LENGTH: i64 = 18_000;

/// Keeps the last published usage.
#[derive(Default)]
struct Published(Mutex<Option<HashMap<WindowSpan, WindowUsage>>>);

impl Listener for Published {
    fn quota_signs(&self, _: Vec<QuotaSign>) {}

    fn local_quotas(&self, _: Vec<LocalQuota>) {}

    fn window_usage(&self, usage: HashMap<WindowSpan, WindowUsage>) {
        *self.0.lock() = Some(usage);
    }

    fn accounts_changed(&self) {}
}

struct Bench {
    directory: tempfile::TempDir,
    store: Store,
    accounting: super::super::Accounting,
    starts: watch::Sender<Arc<BTreeSet<WindowSpan>>>,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(directory.path()).unwrap();
        let (starts, receiver) = watch::channel(Arc::default());
        let mut accounting = accounting(&mut store);
        accounting.windows = WindowTracker::new(receiver, WakeUp::default());
        Self {
            directory,
            store,
            accounting,
            starts,
        }
    }

    /// Commits events of an account, `second` after noon.
    fn commit(&mut self, account: &str, seconds: impl IntoIterator<Item = i64>) {
        let mut open = self.store.begin().unwrap();
        self.accounting.begin(&mut open);
        for second in seconds {
            let at = jiff::Timestamp::from_second(NOON + second).unwrap();
            let record = format!(
                r#"{{"timestamp":"{at}","provider":"claude","auth_index":"{account}","model":"claude-sonnet-4-5","tokens":{{"input_tokens":{second},"output_tokens":7,"total_tokens":{}}}}}"#,
                second + 7
            );
            let Decoded::Event(event) = decoder().decode(record.as_bytes()) else {
                panic!("no event");
            };
            let now = UnixNanos::new(NOON * 1_000_000_000);
            self.accounting.live(&mut open, *event, now).unwrap();
        }
        let now = UnixNanos::new(NOON * 1_000_000_000);
        self.accounting
            .commit(open, SpoolMark::default(), now)
            .unwrap();
    }

    fn set_starts(&self, starts: &[(&str, i64)]) {
        let starts = starts
            .iter()
            .map(|(account, second)| start(account, *second));
        self.starts.send_replace(Arc::new(starts.collect()));
    }

    /// Usage by account and start once all sums are complete.
    fn usage(&mut self) -> HashMap<WindowSpan, WindowUsage> {
        let published = Published::default();
        let began = Instant::now();
        loop {
            let windows = &mut self.accounting.windows;
            windows.update(&self.store);
            let all = windows.accounts.values().flat_map(|it| &it.windows);
            if windows.filling.is_none() && all.clone().all(|it| it.usage.is_some()) {
                (windows.published, windows.changed) = (None, true);
                windows.publish(&published);
                return published.0.lock().take().unwrap();
            }
            assert!(began.elapsed() < Duration::from_mins(1), "never complete");
            windows.next_fill = None;
            windows.wake_up.wait(Duration::from_millis(50));
        }
    }

    /// What SQL says about a window.
    fn by_sql(&self, account: &str, second: i64) -> WindowUsage {
        let path = self.directory.path().join(crate::store::DATABASE_FILE);
        let database = rusqlite::Connection::open(path).unwrap();
        let sql = "SELECT coalesce(sum(input + cache_read + cache_write + output + reasoning + \
                   unclassified), 0), coalesce(sum(value_nano), 0) FROM event e \
                   JOIN dimension d ON d.dimension = ?1 AND d.id = e.account \
                   WHERE d.value = ?2 AND ts >= ?3 AND ts < ?4";
        let start = (NOON + second) * 1_000_000_000;
        let of = rusqlite::params![
            Dimension::Account.code(),
            account,
            start,
            start + LENGTH * 1_000_000_000
        ];
        let row = |row: &rusqlite::Row<'_>| {
            Ok(WindowUsage {
                tokens: row.get(0)?,
                value: row.get(1)?,
            })
        };
        database.query_row(sql, of, row).unwrap()
    }
}

fn start(account: &str, second: i64) -> WindowSpan {
    WindowSpan {
        auth_index: account.into(),
        start: UnixNanos::new((NOON + second) * 1_000_000_000),
        end: UnixNanos::new((NOON + second + LENGTH) * 1_000_000_000),
    }
}

#[test]
fn usage_equals_sql_for_events_before_and_after_the_window_is_known() {
    let mut bench = Bench::new();
    bench.commit("a", [10, 20, 30, LENGTH + 20]);
    bench.commit("b", [15]);
    let windows = [("a", 0), ("a", 20), ("b", 16)];
    bench.set_starts(&windows);
    assert_eq!(bench.usage()[&start("a", 20)].tokens, 20 + 30 + 2 * 7);
    // A late event counts in the windows that it belongs to.
    // One beyond the end, as a wrong clock makes it, counts in none.
    bench.commit("a", [40, 12, LENGTH + 30]);
    bench.commit("b", [50]);
    let usage = bench.usage();
    assert_eq!(usage.len(), 3);
    for (account, second) in windows {
        let right = bench.by_sql(account, second);
        assert_eq!(usage[&start(account, second)], right, "{account} {second}");
        assert!(right.value > 0);
    }
}

#[test]
fn events_committed_while_stored_ones_are_read_count_once() {
    let mut bench = Bench::new();
    bench.commit("a", 0..100);
    bench.set_starts(&[("a", 50)]);
    // Starts to read; nothing takes over the result before the next call.
    bench.accounting.windows.update(&bench.store);
    assert!(bench.accounting.windows.filling.is_some());
    bench.commit("a", 100..120);
    assert_eq!(bench.usage()[&start("a", 50)], bench.by_sql("a", 50));
}

#[test]
fn a_new_window_spans_without_the_usage_of_the_former_one() {
    let mut bench = Bench::new();
    bench.set_starts(&[("a", 0)]);
    // The account is not stored yet.
    assert_eq!(bench.usage(), HashMap::new());
    bench.commit("a", [10]);
    assert_eq!(bench.usage()[&start("a", 0)].tokens, 17);
    bench.set_starts(&[("a", 60)]);
    let empty = HashMap::from([(start("a", 60), WindowUsage::default())]);
    assert_eq!(bench.usage(), empty);
    bench.commit("a", [61]);
    assert_eq!(bench.usage()[&start("a", 60)].tokens, 68);
}

#[test]
fn usage_follows_changed_amounts() {
    let mut bench = Bench::new();
    bench.commit("a", [10]);
    bench.set_starts(&[("a", 0)]);
    let before = bench.usage()[&start("a", 0)];
    let path = bench.directory.path().join(crate::store::DATABASE_FILE);
    let database = rusqlite::Connection::open(path).unwrap();
    let sql = "UPDATE event SET value_nano = value_nano * 2";
    database.execute(sql, []).unwrap();
    bench.accounting.windows.amounts_changed();
    let quiet = Instant::now().checked_sub(QUIET);
    bench.accounting.windows.stale = quiet;
    bench.accounting.windows.next_fill = None;
    bench.accounting.windows.update(&bench.store);
    bench.commit("a", [11]);
    let after = bench.usage()[&start("a", 0)];
    assert_eq!(after, bench.by_sql("a", 0));
    assert!(after.value > before.value * 2);
}
