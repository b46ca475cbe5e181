//! Where a gateway's databases are, and where reading of its log begins.

use std::ops::Deref;

use cpa_exporter_gateway::Dsn;
use secrecy::ExposeSecret as _;

use super::{
    Secret,
    raw::Raw,
    value::{Value, text},
};

/// The URL of a gateway's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayDsn(Dsn);

impl Deref for GatewayDsn {
    type Target = Dsn;

    fn deref(&self) -> &Dsn {
        &self.0
    }
}

impl Value for GatewayDsn {
    const NAME: &'static str = "URL";
    // It may contain a password.
    const QUOTED: bool = false;

    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = text(raw, "a URL as text")?;
        Dsn::parse(text).map(Self).map_err(|error| {
            let text = error.to_string();
            text.strip_prefix("expected ")
                .map_or_else(|| format!("a URL: {text}"), str::to_owned)
        })
    }
}

/// First row that counts at the first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayStart {
    /// The first one after the start.
    End,
    /// The first one in the log.
    First,
    /// The first one from this time on, in Unix seconds.
    Time(i64),
}

impl Value for GatewayStart {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "\"end\", \"first\" or a time such as \"2026-11-01T00:00:00Z\"";
        match text(raw, EXPECTED)? {
            "end" => Ok(Self::End),
            "first" => Ok(Self::First),
            time => {
                let time = time.parse::<jiff::Timestamp>();
                time.map(|time| Self::Time(time.as_second()))
                    .map_err(|_no_time| EXPECTED.to_owned())
            }
        }
    }
}

/// The URL in a file. The error never quotes it.
pub(crate) fn read_dsn(secret: &Secret) -> Result<Dsn, String> {
    let text = secret.read().map_err(|error| error.to_string())?;
    Dsn::parse(text.expose_secret()).map_err(|error| error.to_string())
}
