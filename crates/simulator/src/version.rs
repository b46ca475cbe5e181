//! Which CPA is played: its version and what that version can do.

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
    /// The release the byte transcripts were taken from.
    pub const CAPTURED: Self = Self::new(7, 2, 140);

    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Whether a feature that came with `major.minor.patch` is there.
    pub fn has(self, major: u16, minor: u16, patch: u16) -> bool {
        self >= Self::new(major, minor, patch)
    }

    /// The one release that had taken RESP out again.
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

/// The text is no `major.minor.patch`, with or without a leading `v`.
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

/// Which keys the records of a version have, and what their numbers mean.
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag per key that came or went; a set type would only rename them"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordShape {
    pub(crate) alias: bool,
    pub(crate) fail: bool,
    pub(crate) cache_split: bool,
    pub(crate) response_headers: bool,
    pub(crate) reasoning_effort: bool,
    pub(crate) ttft: bool,
    /// Before v7.1.26 a Claude total was input plus output only.
    pub(crate) claude_total_has_cache: bool,
    pub(crate) service_tier: bool,
    pub(crate) executor_type: bool,
    /// OpenAI-style and Gemini records fill `cache_read_tokens` since v7.2.56.
    pub(crate) cache_read_everywhere: bool,
    pub(crate) response_tier: bool,
    pub(crate) request_tier: bool,
    pub(crate) cache_read_present: bool,
    pub(crate) generate: bool,
    pub(crate) breakdown: bool,
    pub(crate) client_meta: bool,
    pub(crate) token_sha: bool,
    pub(crate) claude_thinking: bool,
    /// The list of credentials repeats the quota headers of the last answer.
    pub(crate) quota_signals: bool,
    pub(crate) v8: bool,
    pub(crate) long_request_id: bool,
}

impl RecordShape {
    pub(crate) fn of(v: CpaVersion) -> Self {
        Self {
            alias: v.has(6, 10, 7),
            fail: v.has(7, 0, 0),
            cache_split: v.has(7, 0, 3),
            response_headers: v.has(7, 1, 13),
            reasoning_effort: v.has(7, 1, 18),
            ttft: v.has(7, 1, 24),
            claude_total_has_cache: v.has(7, 1, 26),
            service_tier: v.has(7, 1, 27),
            executor_type: v.has(7, 1, 38),
            cache_read_everywhere: v.has(7, 2, 56),
            response_tier: v.has(7, 2, 65),
            request_tier: v.has(7, 2, 65) && !v.has(7, 2, 74),
            cache_read_present: v.has(7, 2, 74),
            generate: v.has(7, 2, 78),
            breakdown: v.has(7, 2, 97),
            client_meta: v.has(7, 2, 104),
            token_sha: v == CpaVersion::new(7, 2, 111) || v.has(7, 2, 116),
            claude_thinking: v.has(7, 2, 117),
            quota_signals: v.has(7, 3, 0),
            v8: v.has(8, 0, 0),
            long_request_id: v.has(8, 0, 10),
        }
    }
}
