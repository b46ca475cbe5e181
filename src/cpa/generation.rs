//! The generations of the management API, and the paths of each.

/// Generation of the management API. Detected by the served paths, not by a version number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    V0,
    V8,
}

impl Api {
    /// The value of the label `api`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V0 => "v0",
            Self::V8 => "v8",
        }
    }

    pub(super) const fn queue(self) -> &'static str {
        match self {
            Self::V0 => "v0/management/usage-queue",
            Self::V8 => "v8/management/observability/usage/queue",
        }
    }

    pub(super) const fn accounts(self) -> &'static str {
        match self {
            Self::V0 => "v0/management/auth-files",
            Self::V8 => "v8/management/credentials",
        }
    }

    pub(super) const fn key_usage(self) -> &'static str {
        match self {
            Self::V0 => "v0/management/api-key-usage",
            Self::V8 => "v8/management/observability/usage/api-keys",
        }
    }

    pub(super) const fn statistics(self) -> &'static str {
        match self {
            Self::V0 => "v0/management/usage-statistics-enabled",
            Self::V8 => "v8/management/config/observability/usage/usage-statistics-enabled",
        }
    }

    pub(super) const fn retention(self) -> &'static str {
        match self {
            Self::V0 => "v0/management/config",
            Self::V8 => {
                "v8/management/config/observability/usage/redis-usage-queue-retention-seconds"
            }
        }
    }
}

/// Result of the detection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) api: Api,
    /// Version that the server states, without a leading `v`; custom builds state `dev`.
    pub(crate) version: String,
}
