//! The column `flags` of an event: its bits, and the SQL that asks for them.

use crate::model::{AuthType, Event, TokenQuality};

/// SQL conditions on the column. Their bits are those of [`EventFlags`]; a test compares them.
pub(super) mod sql {
    pub(in crate::store) const IMPORTED: &str = "flags & 128 != 0";
    pub(in crate::store) const LIVE: &str = "flags & 128 = 0";
    /// Not a prewarm: the attempt asked a model for an answer.
    pub(in crate::store) const GENERATES: &str = "flags & 2 = 0";
    pub(in crate::store) const SUCCEEDED: &str = "flags & 1 = 0";
    /// Counted as a failure: failed and not a prewarm.
    pub(in crate::store) const FAILURE: &str = "flags & 3 = 1";
    /// Counted by duration: succeeded and not a prewarm.
    pub(in crate::store) const TIMED: &str = "flags & 3 = 0";
    pub(in crate::store) const STREAM: &str = "flags & 4 != 0";
    /// The code of the token quality.
    pub(in crate::store) const QUALITY: &str = "(flags >> 5 & 3)";
}

const FAILED: u8 = 1;
const PREWARM: u8 = 2;
const STREAM: u8 = 4;
const AUTH_TYPE_SHIFT: u8 = 3;
const QUALITY_SHIFT: u8 = 5;
const TWO_BITS: u8 = 3;
const IMPORTED: u8 = 128;

/// How an event came into the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Received from CPA: it counts.
    Live,
    /// Imported: history that no counter has counted or will count.
    Imported,
}

impl Origin {
    pub(super) const fn imported(imported: bool) -> Self {
        if imported { Self::Imported } else { Self::Live }
    }
}

/// What an event is, in the eight bits of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventFlags(u8);

impl EventFlags {
    pub(super) fn new(event: &Event<'_>, origin: Origin) -> Self {
        let auth_type = match event.auth_type {
            AuthType::Unknown => 0,
            AuthType::Oauth => 1,
            AuthType::ApiKey => 2,
        };
        let quality = match event.quality {
            TokenQuality::Complete => 0,
            TokenQuality::Unclassified => 1,
            TokenQuality::Inconsistent => 2,
            TokenQuality::Absent => 3,
        };
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        Self(
            bit(event.failure.is_some(), FAILED)
                | bit(!event.generate, PREWARM)
                | bit(event.stream, STREAM)
                | auth_type << AUTH_TYPE_SHIFT
                | quality << QUALITY_SHIFT
                | bit(origin == Origin::Imported, IMPORTED),
        )
    }

    /// As read from the column.
    pub(super) const fn stored(bits: u8) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn failed(self) -> bool {
        self.0 & FAILED != 0
    }

    /// False for a prewarm.
    pub(super) const fn generates(self) -> bool {
        self.0 & PREWARM == 0
    }

    pub(super) const fn is_imported(self) -> bool {
        self.0 & IMPORTED != 0
    }

    pub(super) const fn auth_type(self) -> AuthType {
        match self.0 >> AUTH_TYPE_SHIFT & TWO_BITS {
            1 => AuthType::Oauth,
            2 => AuthType::ApiKey,
            _ => AuthType::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn sql_and_bits_agree() {
        let conn = Connection::open_in_memory().unwrap();
        for bits in 0..=u8::MAX {
            let flags = EventFlags::stored(bits);
            let stream = bits & STREAM != 0;
            let timed = !flags.failed() && flags.generates();
            let expected = [
                (sql::IMPORTED, flags.is_imported()),
                (sql::LIVE, !flags.is_imported()),
                (sql::GENERATES, flags.generates()),
                (sql::SUCCEEDED, !flags.failed()),
                (sql::FAILURE, flags.failed() && flags.generates()),
                (sql::TIMED, timed),
                (sql::STREAM, stream),
            ];
            for (condition, right) in expected {
                let text = format!("SELECT {condition} FROM (SELECT {bits} AS flags)");
                let found: bool = conn.query_row(&text, [], |row| row.get(0)).unwrap();
                assert_eq!(found, right, "{condition} of {bits}");
            }
            let text = format!("SELECT {} FROM (SELECT {bits} AS flags)", sql::QUALITY);
            let quality: u8 = conn.query_row(&text, [], |row| row.get(0)).unwrap();
            assert_eq!(quality, bits >> QUALITY_SHIFT & TWO_BITS);
        }
    }
}
