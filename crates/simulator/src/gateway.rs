//! A simulated gateway (New API): writes its SQLite database as the gateway does, and keeps a ledger.
//!
//! Some rows become visible after rows with higher ids, and some ids never come, as transactions
//! that end late or are rolled back leave it on PostgreSQL and MySQL.

mod schema;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use self::schema::{FALLBACK, MODELS, Model, TOKENS};
use crate::Clock;
use crate::generator::prng::Prng;

/// Pause between two writes.
const TICK: Duration = Duration::from_millis(200);
/// Ticks after which a late row is committed, at most.
const LATEST: u64 = 20;
/// Time of the rows that are there at the start.
const BACKLOG_MINUTES: u64 = 60;
/// Units of a US dollar.
const UNITS: u64 = 500_000;

/// What was committed, as an exporter should count it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayTotals {
    pub success: u64,
    pub error: u64,
    pub test: u64,
    pub prompt: u64,
    pub completion: u64,
    pub quota: u64,
    pub refund: u64,
    /// Rows that were committed after rows with higher ids.
    pub late: u64,
    /// Ids that never came.
    pub rolled_back: u64,
}

/// The database of a gateway.
#[derive(Debug)]
pub struct GatewayDatabase {
    conn: Connection,
    prng: Prng,
    next_id: i64,
    waiting: Vec<(u64, Row)>,
    tick: u64,
    totals: GatewayTotals,
}

#[derive(Clone, Debug)]
struct Row {
    id: i64,
    at: i64,
    kind: i64,
    channel: i64,
    model: &'static str,
    token: i64,
    quota: u64,
    prompt: u64,
    completion: u64,
    seconds: u64,
    stream: bool,
    is_test: bool,
    other: String,
}

impl GatewayDatabase {
    /// Makes the tables, or goes on with those that are there.
    pub fn open(path: &Path, seed: u64) -> rusqlite::Result<Self> {
        let conn = Connection::open(path)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        schema::create(&conn)?;
        let newest: Option<i64> =
            conn.query_row("SELECT max(id) FROM logs", [], |row| row.get(0))?;
        Ok(Self {
            conn,
            prng: Prng::new(seed),
            next_id: newest.unwrap_or_default() + 1,
            waiting: Vec::new(),
            tick: 0,
            totals: GatewayTotals::default(),
        })
    }

    pub fn totals(&self) -> GatewayTotals {
        self.totals
    }

    /// Commits `count` new rows, but for some that come later or never, and those that are due.
    pub fn write(&mut self, count: u64, now: i64) -> rusqlite::Result<()> {
        self.tick += 1;
        let mut due = Vec::new();
        for _ in 0..count {
            let row = self.row(now);
            match self.prng.below(1000) {
                0..3 => self.totals.rolled_back += 1,
                3..23 => {
                    let ticks = 1 + self.prng.below(LATEST);
                    self.waiting.push((self.tick + ticks, row));
                }
                _ => due.push(row),
            }
        }
        self.release(self.tick, &mut due);
        self.insert(&due)
    }

    /// Commits all rows that were to come later.
    pub fn finish(&mut self) -> rusqlite::Result<()> {
        let mut due = Vec::new();
        self.release(u64::MAX, &mut due);
        self.insert(&due)
    }

    fn release(&mut self, tick: u64, due: &mut Vec<Row>) {
        let waiting = std::mem::take(&mut self.waiting);
        let (now, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(at, _)| *at <= tick);
        self.totals.late += now.len() as u64;
        due.extend(now.into_iter().map(|(_, row)| row));
        self.waiting = later;
    }

    fn insert(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        let transaction = self.conn.transaction()?;
        {
            let mut insert = transaction.prepare_cached(schema::INSERT)?;
            let mut charge = transaction
                .prepare_cached("UPDATE channels SET used_quota = used_quota + ?1 WHERE id = ?2")?;
            let mut spend = transaction.prepare_cached(
                "UPDATE tokens SET used_quota = used_quota + ?1, remain_quota = remain_quota - ?1 \
                 WHERE id = ?2",
            )?;
            for row in rows {
                let name = if row.is_test { "模型测试" } else { "app" };
                insert.execute(params![
                    row.id,
                    row.at,
                    row.kind,
                    name,
                    row.model,
                    row.quota,
                    row.prompt,
                    row.completion,
                    row.seconds,
                    row.stream,
                    row.channel,
                    row.token,
                    row.other,
                ])?;
                if row.kind == 2 && !row.is_test {
                    charge.execute(params![row.quota, row.channel])?;
                    spend.execute(params![row.quota, row.token])?;
                }
            }
        }
        transaction.commit()?;
        for row in rows {
            self.totals.add(row);
        }
        Ok(())
    }

    fn row(&mut self, now: i64) -> Row {
        let id = self.next_id;
        self.next_id += 1;
        let prng = &mut self.prng;
        let model = prng.pick(MODELS).copied().unwrap_or(FALLBACK);
        let channel = prng.pick(model.channels).copied().unwrap_or(1);
        let row = Row {
            id,
            at: now,
            kind: 2,
            channel,
            model: model.name,
            token: 1 + i64::try_from(prng.below(TOKENS)).unwrap_or_default(),
            quota: 0,
            prompt: 0,
            completion: 0,
            seconds: 0,
            stream: false,
            is_test: false,
            other: String::new(),
        };
        // The second channel of a model fails more often.
        let errors = if channel % 2 == 0 { 60 } else { 15 };
        match prng.below(1000) {
            0..2 => Row {
                kind: 6,
                quota: prng.log_between(10, 1000),
                ..row
            },
            2..5 => Row {
                kind: 1,
                channel: 0,
                model: "",
                ..row
            },
            n if n < 5 + errors => error(prng, &row),
            n if n < 9 + errors => test(&row),
            _ => success(prng, &row, &model),
        }
    }
}

impl GatewayTotals {
    fn add(&mut self, row: &Row) {
        match row.kind {
            2 if row.is_test => self.test += 1,
            2 => {
                self.success += 1;
                self.prompt += row.prompt;
                self.completion += row.completion;
                self.quota += row.quota;
            }
            5 => self.error += 1,
            6 => self.refund += row.quota,
            _ => {}
        }
    }
}

fn success(prng: &mut Prng, row: &Row, model: &Model) -> Row {
    let prompt = prng.log_between(50, 8000);
    let completion = prng.log_between(20, 2000);
    let cached = if prng.chance(400) { prompt / 2 } else { 0 };
    let stream = prng.chance(600);
    let seconds = 1 + completion / 60 + prng.below(3);
    let units = (prompt + completion * 4) * model.nano_usd * UNITS / 1_000_000_000;
    // Claude's prompt is counted beside its cache.
    let (prompt, claude) = if model.claude {
        (prompt - cached, ",\"claude\":true")
    } else {
        (prompt, "")
    };
    let (frt, end) = if stream {
        let end = match prng.below(100) {
            0..2 => r#""error","end_reason":"client_gone""#,
            2 => r#""error","end_reason":"scanner_error""#,
            _ => r#""ok","end_reason":"done""#,
        };
        let frt = prng.log_between(200, 4000).to_string();
        (frt, format!(",\"stream_status\":{{\"status\":{end}}}"))
    } else {
        ("-1000".to_owned(), String::new())
    };
    Row {
        prompt,
        completion,
        quota: units,
        seconds,
        stream,
        other: format!("{{\"frt\":{frt},\"cache_tokens\":{cached}{claude}{end}}}"),
        ..row.clone()
    }
}

fn error(prng: &mut Prng, row: &Row) -> Row {
    let codes: &[u16] = &[429, 500, 502, 401];
    let code = prng.pick(codes).copied().unwrap_or(500);
    Row {
        kind: 5,
        seconds: prng.below(6),
        other: format!(
            "{{\"status_code\":{code},\"error_type\":\"openai_error\",\"error_code\":\"unknown_error\"}}"
        ),
        ..row.clone()
    }
}

fn test(row: &Row) -> Row {
    Row {
        token: 0,
        quota: 36,
        prompt: 9,
        completion: 5,
        is_test: true,
        other: "{\"frt\":-1000}".to_owned(),
        ..row.clone()
    }
}

/// A gateway that serves requests in a thread, until it is dropped.
#[derive(Debug)]
pub struct GatewaySimulator {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<GatewayTotals>>,
}

impl GatewaySimulator {
    /// Writes `rate` rows a second; first a backlog of the last hour.
    pub fn start(
        path: &Path,
        seed: u64,
        rate: f64,
        backlog: u64,
        clock: Clock,
    ) -> rusqlite::Result<Self> {
        let mut database = GatewayDatabase::open(path, seed)?;
        let now = seconds(&clock);
        for minute in (0..BACKLOG_MINUTES).rev() {
            let age = i64::try_from(minute * 60).unwrap_or_default();
            database.write(backlog / BACKLOG_MINUTES, now - age)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let begin = Instant::now();
            let mut written = 0;
            while !stopped.load(Ordering::Relaxed) {
                let due = whole(begin.elapsed().as_secs_f64() * rate);
                // A gateway that cannot write its log serves on.
                database
                    .write(due.saturating_sub(written), seconds(&clock))
                    .ok();
                written = due;
                std::thread::park_timeout(TICK);
            }
            database.finish().ok();
            database.totals()
        });
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Commits the rest and returns what was committed.
    pub fn finish(mut self) -> GatewayTotals {
        self.end()
    }

    fn end(&mut self) -> GatewayTotals {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take();
        let ended = thread.map(|thread| {
            thread.thread().unpark();
            thread.join()
        });
        ended.and_then(Result::ok).unwrap_or_default()
    }
}

impl Drop for GatewaySimulator {
    fn drop(&mut self) {
        self.end();
    }
}

fn seconds(clock: &Clock) -> i64 {
    clock.now().get() / 1_000_000_000
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes an integer by saturation"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
