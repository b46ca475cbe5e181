//! The simulated version of CPA.
//!
//! The oldest simulated release is 7.2.74. An older version has its records and routes, but the
//! RESP of its own time: 7.1.17 has none, and versions before 7.0.7 do not know `SUBSCRIBE`.

use std::fmt;
use std::str::FromStr;

/// Version of a CPA release, such as `7.2.140`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpaVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

impl CpaVersion {
    /// The release of the captured transcripts.
    pub const CAPTURED: Self = Self::new(7, 2, 140);

    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Whether a feature introduced in `major.minor.patch` is available.
    pub fn has(self, major: u16, minor: u16, patch: u16) -> bool {
        self >= Self::new(major, minor, patch)
    }

    /// The only release without RESP.
    pub fn resp_removed(self) -> bool {
        self == Self::new(7, 1, 17)
    }
}

impl Default for CpaVersion {
    fn default() -> Self {
        Self::CAPTURED
    }
}

impl fmt::Display for CpaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The text is not `major.minor.patch`, with or without a leading `v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a version like 7.2.140")]
pub struct ParseVersionError;

impl FromStr for CpaVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
        let mut next = || parts.next()?.parse().ok();
        let version = (next(), next(), next());
        let (Some(major), Some(minor), Some(patch)) = version else {
            return Err(ParseVersionError);
        };
        if parts.next().is_some() {
            return Err(ParseVersionError);
        }
        Ok(Self::new(major, minor, patch))
    }
}
