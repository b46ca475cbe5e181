use crate::model::{NANOS_PER_USD, UnixNanos};

/// Identifies a quota window whose usage is counted: the account, and the time from which its
/// events count.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowStart {
    /// CPA's index of the credential.
    pub auth_index: Box<str>,
    pub start: UnixNanos,
}

/// Sums over the events of an account since the start of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowUsage {
    /// Of all kinds.
    pub tokens: u64,
    /// Nano-dollars at list price; an event without a known price adds nothing.
    pub value: u64,
}

impl WindowUsage {
    /// US dollars at list price.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
    pub fn value_usd(self) -> f64 {
        self.value as f64 / NANOS_PER_USD as f64
    }

    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            value: self.value.saturating_add(other.value),
        }
    }
}
