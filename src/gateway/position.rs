//! Where reading begins, and begins again when the log is another one.

use cpa_exporter_gateway::{GatewayError, LogRow, LogTable, Reset, Tail, TailState};

use crate::config::GatewayStart;

/// Rows before the cursor among which missing ids are looked for, at a start at the end.
const RECENT: i64 = 1000;

/// The position of an earlier run, or a new one.
pub(super) async fn begin(
    table: &LogTable,
    stored: Option<(String, TailState)>,
    start: GatewayStart,
    now_ms: i64,
) -> Result<Begin, GatewayError> {
    if let Some((location, state)) = stored {
        let tail = Tail::resume(state, now_ms);
        let is_same = location == table.database().location();
        // The database may have moved; its rows tell.
        if is_same || !anchors(table, &tail).await?.is_empty() {
            return Ok(Begin { tail, since: None });
        }
        tracing::warn!(
            before = location,
            now = table.database().location(),
            "the gateway's log is another one than before; reading begins as gateway.start says"
        );
    }
    first(table, start, now_ms).await
}

/// A position, and the time before which rows are not counted.
pub(super) struct Begin {
    pub(super) tail: Tail,
    pub(super) since: Option<i64>,
}

async fn first(table: &LogTable, start: GatewayStart, now_ms: i64) -> Result<Begin, GatewayError> {
    let mut tail = Tail::default();
    let since = match start {
        GatewayStart::First => {
            tail.restart(0);
            None
        }
        GatewayStart::End => {
            let newest = table.max_id().await?.unwrap_or_default();
            tail.restart(newest);
            let recent = table.from(newest.saturating_sub(RECENT), 2000).await?;
            tail.note_recent(&recent, now_ms);
            None
        }
        GatewayStart::Time(time) => {
            tail.restart(before(table, time).await?);
            Some(time)
        }
    };
    Ok(Begin { tail, since })
}

/// The position before the first row of a time; the end without one.
async fn before(table: &LogTable, time: i64) -> Result<i64, GatewayError> {
    Ok(match table.first_since(time).await? {
        Some(id) => id - 1,
        None => table.max_id().await?.unwrap_or_default(),
    })
}

/// The rows of the anchors that are still there.
async fn anchors(table: &LogTable, tail: &Tail) -> Result<Vec<LogRow>, GatewayError> {
    let ids: Vec<(i64, i64)> = tail.anchors().iter().map(|(id, _)| (*id, *id)).collect();
    let rows = table.within(&ids).await?;
    let is_known = |row: &LogRow| tail.anchors().contains(&(row.id, row.created_at));
    Ok(rows.into_iter().filter(is_known).collect())
}

/// Whether the log that begins with `first` from the cursor on is another one than was read. A row at
/// the cursor that was deleted alone, or moved to an archive, changes nothing.
pub(super) async fn reset(
    table: &LogTable,
    tail: &Tail,
    first: Option<&LogRow>,
) -> Result<Option<Reset>, GatewayError> {
    if tail.cursor() == 0 {
        return Ok(None);
    }
    let is_another = match tail.is_continued_by(first) {
        Some(is_same) => !is_same,
        None if first.is_none() => {
            let newest = table.max_id().await?;
            newest.is_some_and(|newest| newest < tail.cursor())
        }
        // Ids grow with time, so a lower id that is newer began again.
        None => {
            let lowest = table.first().await?;
            let time = tail.anchors().last().map(|(_, time)| *time);
            let is_newer = |row: &LogRow| {
                row.id < tail.cursor() && time.is_some_and(|time| row.created_at > time)
            };
            lowest.as_ref().is_some_and(is_newer)
        }
    };
    if !is_another {
        return Ok(None);
    }
    let found = anchors(table, tail).await?;
    Ok(Some(tail.reset_kind(&found)))
}

/// Where reading goes on after a reset.
pub(super) async fn after_reset(table: &LogTable, reset: Reset) -> Result<i64, GatewayError> {
    match reset {
        Reset::Emptied => Ok(0),
        Reset::Restored { newest } => before(table, newest.saturating_add(1)).await,
    }
}
