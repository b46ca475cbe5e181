//! How an event's columns are written.

use rusqlite::ToSql;

use crate::model::DimId;

/// Half the size of the text for the two forms CPA uses: 8 hex digits and UUIDs.
pub(super) enum RequestId<'a> {
    None,
    Short([u8; 4]),
    Uuid([u8; 16]),
    Text(&'a str),
}

pub(super) fn request_id(text: &str) -> RequestId<'_> {
    let lower_hex = |s: &str| s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match text.len() {
        0 => RequestId::None,
        8 if lower_hex(text) => match u32::from_str_radix(text, 16) {
            Ok(number) => RequestId::Short(number.to_be_bytes()),
            Err(_) => RequestId::Text(text),
        },
        36 => {
            let digits = text.replace('-', "");
            let canonical = digits.len() == 32
                && lower_hex(&digits)
                && [8, 13, 18, 23]
                    .iter()
                    .all(|at| text.as_bytes().get(*at) == Some(&b'-'));
            match u128::from_str_radix(&digits, 16) {
                Ok(number) if canonical => RequestId::Uuid(number.to_be_bytes()),
                _ => RequestId::Text(text),
            }
        }
        _ => RequestId::Text(text),
    }
}

/// An error text, or the number of one.
pub(super) enum Excerpt<'a> {
    Interned(DimId),
    Text(&'a str),
}

impl ToSql for Excerpt<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Interned(id) => Ok(id.0.into()),
            Self::Text(text) => text.to_sql(),
        }
    }
}

impl ToSql for RequestId<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::None => Ok(rusqlite::types::Null.into()),
            Self::Short(bytes) => Ok(bytes.as_slice().into()),
            Self::Uuid(bytes) => Ok(bytes.as_slice().into()),
            Self::Text(text) => text.to_sql(),
        }
    }
}
