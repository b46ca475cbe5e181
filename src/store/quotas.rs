//! Quota readings: the points at which something changed.

use rusqlite::{Row, params};

use super::{Ingest, Reader, StoreError};
use crate::model::{
    Amounts, Dimension, Limit, Name, QuotaPoint, QuotaSource, Reading, Scope, Unit, UnixNanos,
    Window, WindowRole,
};

const INSERT_WINDOW: &str = "INSERT INTO quota_window \
    (account, provider, name, window, seconds, role, scope, title, unit) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
    ON CONFLICT (account, name, window) DO UPDATE SET \
    provider = ?2, seconds = ?5, role = ?6, scope = ?7, title = coalesce(?8, title), unit = ?9 \
    RETURNING id";
const INSERT_POINT: &str = "INSERT OR REPLACE INTO quota_point \
    (window, observed, used_ratio, used, quota, remaining, reset_at, exhausted, unlimited, source) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
/// One row for each window: SQLite takes the other columns from the row with the maximum.
const LATEST: &str = "SELECT d.value, w.provider, w.name, w.seconds, w.role, w.scope, w.title, \
    w.unit, max(p.observed), p.used_ratio, p.used, p.quota, p.remaining, p.reset_at, p.exhausted, \
    p.unlimited, p.source \
    FROM quota_window w JOIN quota_point p ON p.window = w.id \
    JOIN dimension d ON d.dimension = ?1 AND d.id = w.account GROUP BY w.id";

impl Ingest<'_> {
    pub fn quota_point(&mut self, point: &QuotaPoint) -> Result<(), StoreError> {
        let account = self
            .interner
            .intern(Dimension::Account, &point.auth_index, &point.provider);
        let reading = &point.reading;
        let amounts = reading.amounts();
        let unit = amounts.map_or(0, |amounts| at(&Unit::ALL, amounts.unit()));
        let window: i64 = self.conn.prepare_cached(INSERT_WINDOW)?.query_row(
            params![
                account.0,
                point.provider,
                reading.limit().as_str(),
                reading.window().label(),
                reading.window().seconds(),
                role_of(reading.window()),
                at(&Scope::ALL, reading.scope()),
                reading.name().map(Name::as_str),
                unit,
            ],
            |row| row.get(0),
        )?;
        self.conn.prepare_cached(INSERT_POINT)?.execute(params![
            window,
            point.observed.get(),
            reading.used_ratio(),
            amounts.and_then(|a| a.used()),
            amounts.and_then(|a| a.limit()),
            amounts.and_then(|a| a.remaining()),
            reading.reset_at().map(UnixNanos::get),
            reading.exhausted(),
            reading.unlimited(),
            at(&QuotaSource::ALL, point.source),
        ])?;
        Ok(())
    }
}

impl Reader {
    /// The last reading of every window.
    pub fn latest_quota_points(&self) -> Result<Vec<QuotaPoint>, StoreError> {
        let mut statement = self.conn.prepare(LATEST)?;
        let rows = statement.query_and_then([Dimension::Account.code()], point)?;
        rows.collect()
    }
}

fn point(row: &Row<'_>) -> Result<QuotaPoint, StoreError> {
    let name: String = row.get(2)?;
    let limit = Limit::new(&name).ok_or(StoreError::Content("name of a limit"))?;
    let window = match row.get::<_, Option<u32>>(3)? {
        Some(seconds) => Window::of_seconds(Some(f64::from(seconds)), WindowRole::Unknown)
            .ok_or(StoreError::Content("length of a window"))?,
        None => Window::Role(from(&WindowRole::ALL, row.get(4)?)?),
    };
    let amounts = Amounts::new(
        from(&Unit::ALL, row.get(7)?)?,
        row.get(10)?,
        row.get(11)?,
        row.get(12)?,
    );
    let title: Option<String> = row.get(6)?;
    let reading = Reading::new(limit, window, from(&Scope::ALL, row.get(5)?)?)
        .with_name(title.as_deref().and_then(Name::new))
        .with_ratio(row.get(9)?)
        .with_amounts(amounts)
        .with_reset(row.get::<_, Option<i64>>(13)?.map(UnixNanos::new))
        .with_exhausted(row.get(14)?)
        .with_unlimited(row.get(15)?);
    Ok(QuotaPoint {
        auth_index: row.get(0)?,
        provider: row.get(1)?,
        reading,
        observed: UnixNanos::new(row.get(8)?),
        source: from(&QuotaSource::ALL, row.get(16)?)?,
    })
}

fn role_of(window: Window) -> usize {
    match window {
        Window::Length(_) => at(&WindowRole::ALL, WindowRole::Unknown),
        Window::Role(role) => at(&WindowRole::ALL, role),
    }
}

/// The number that stands for a value in the database: its position.
fn at<T: Copy + PartialEq>(all: &[T], value: T) -> usize {
    all.iter().position(|one| *one == value).unwrap_or_default()
}

fn from<T: Copy>(all: &[T], number: usize) -> Result<T, StoreError> {
    let value = all.get(number).copied();
    value.ok_or(StoreError::Content("number of a quota's kind"))
}
